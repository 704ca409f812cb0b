//! V02: slow and idle connections, by the hundred.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use tokio::{
    io::{AsyncWrite, AsyncWriteExt as _},
    task::JoinSet,
    time::{Duration, interval},
};
use valise_client::clock::{Clock as _, System};
use valise_proto::api::{GENESIS, LETTERS};

use super::{GROWTH_MAX, besieged, correspond};
use crate::support::{
    Crowd,
    crowd::{Hand, closed},
};

const LIMITS: &str = "handshake_timeout_ms = 4000\nheader_timeout_ms = 3000\nbody_timeout_ms = 2000\n\
    idle_timeout_ms = 2000\nconnections_per_ip_max = 50\n";
/// Connections of each kind at once.
const EACH: usize = 40;
/// How often a slow connection says one byte more.
const DRIP: Duration = Duration::from_millis(200);

/// How a connection wastes the server's time.
#[derive(Clone, Copy, Debug)]
enum Slow {
    /// It says nothing, not even in TLS.
    Silent,
    /// It breaks off in the middle of its `ClientHello`.
    HalfHello,
    /// It says nothing under TLS.
    Quiet,
    /// Its request's head comes byte by byte.
    Head,
    /// Its request's body does, and a member signed it.
    Body,
    /// It asked once, and stays.
    Idle,
    /// It speaks HTTP/2, and asks for nothing.
    Two,
}

const KINDS: [Slow; 7] = [
    Slow::Silent,
    Slow::HalfHello,
    Slow::Quiet,
    Slow::Head,
    Slow::Body,
    Slow::Idle,
    Slow::Two,
];

impl Slow {
    /// One connection, until the server closes it.
    async fn waste(self, crowd: &Crowd, from: u8, hand: &Hand) {
        let protocol: &[u8] = match self {
            Self::Silent | Self::HalfHello => {
                let mut stream = crowd.tcp(from).await;
                if matches!(self, Self::HalfHello) {
                    drop(stream.write_all(b"\x16\x03\x01\x02\x00\x01\x00").await);
                }
                drop(closed(stream).await);
                return;
            }
            Self::Two => b"h2",
            _ => b"http/1.1",
        };
        let Some(mut stream) = crowd.tls(from, protocol).await else {
            return;
        };
        let beginning = match self {
            Self::Head => format!("GET {GENESIS} HTTP/1.1\r\n"),
            Self::Body => {
                let head = hand.head("POST", LETTERS, b"", System.now_ms());
                format!("{head}content-length: 100000\r\n\r\n")
            }
            Self::Idle => format!("GET {GENESIS} HTTP/1.1\r\nhost: localhost\r\n\r\n"),
            Self::Two => "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_owned(),
            _ => String::new(),
        };
        drop(stream.write_all(beginning.as_bytes()).await);
        drop(stream.flush().await);
        let (from, to) = tokio::io::split(stream);
        if matches!(self, Self::Head | Self::Body) {
            tokio::select! {
                _end = closed(from) => {}
                () = drip(to) => {}
            }
        } else {
            drop(closed(from).await);
        }
    }
}

/// One byte more, for as long as the server takes them.
async fn drip(mut to: impl AsyncWrite + Unpin) {
    let mut ticks = interval(DRIP);
    loop {
        ticks.tick().await;
        if to.write_all(b"x").await.is_err() || to.flush().await.is_err() {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn v02_slow_connections_are_cut_and_hold_up_nobody() {
    let (office, mut server, [mut alice, mut bob, mut mallory]) = Box::pin(besieged(LIMITS)).await;
    let (crowd, hand) = (Crowd::outside(&office), Hand::of(&mut mallory, &office));
    let before = server.resident_mb();
    let over = Arc::<AtomicBool>::default();
    let cut: [Arc<AtomicUsize>; KINDS.len()] = Default::default();
    let mut wasters = JoinSet::new();
    for ((kind, cut), from) in KINDS.iter().zip(&cut).zip(2..) {
        for _ in 0..EACH {
            let (crowd, hand, kind) = (crowd.clone(), hand.clone(), *kind);
            let (cut, over) = (Arc::clone(cut), Arc::clone(&over));
            wasters.spawn(async move {
                while !over.load(Ordering::SeqCst) {
                    kind.waste(&crowd, from, &hand).await;
                    cut.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
    }
    // Until every kind was cut, and came again.
    let mut rounds = 0;
    while cut.iter().any(|cut| cut.load(Ordering::SeqCst) <= EACH) {
        correspond(&mut alice, &mut bob, 1).await;
        rounds += 1;
    }
    over.store(true, Ordering::SeqCst);
    wasters.join_all().await;
    println!("{rounds} letters, cut: {cut:?}, {before} MB");
    assert!(server.runs());
    let growth = server.peak_mb() - before;
    assert!(growth < GROWTH_MAX, "{growth} MB");
    correspond(&mut alice, &mut bob, 1).await;
    server.stop();
}

/// Whoever comes from one address has fifty places there, and no more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn v02_one_address_takes_its_places_and_no_more() {
    let (office, server, [mut alice, mut bob, _]) = Box::pin(besieged(LIMITS)).await;
    let crowd = Crowd::outside(&office);
    let mut open = Vec::new();
    for _ in 0..200 {
        open.push(crowd.tcp(2).await);
    }
    let (mut refused, mut dropped) = (0, Vec::new());
    for stream in open {
        // The server closes those beyond its limit before it says anything, and the others by their time.
        let mut one = [0];
        let hung_up = stream.peek(&mut one);
        match tokio::time::timeout(Duration::from_millis(10), hung_up).await {
            Ok(_) => refused += 1,
            Err(_) => dropped.push(stream),
        }
    }
    println!("{refused} were refused at once");
    correspond(&mut alice, &mut bob, 1).await;
    for stream in dropped {
        assert!(closed(stream).await.is_empty());
    }
    assert!(refused >= 100, "{refused}");
    server.stop();
}
