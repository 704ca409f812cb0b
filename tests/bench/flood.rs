//! What others notice of a flood: their letters' p95 under it, beside the same at rest (V02, V14).

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::JoinHandle,
};

use reqwest::Method;
use rustix::process::{Resource, getrlimit};
use tokio::{io::AsyncWriteExt as _, time::Duration};
use valise_client::attack::Claim;
use valise_proto::{
    api::{LETTERS, delivery},
    codec::encode,
    id::SubmissionId,
    testing::random,
};

use crate::{
    figure::{at_most, count, note, percentile},
    support::{Crowd, Office, Person, Server},
    watch::{Passing, ms, now},
};

/// Letters of which the p95 is taken.
const SAMPLES: usize = 300;
/// Letters before those that count.
const WARM: usize = 30;
/// Slow connections, if this machine lets us have so many.
const SLOW: usize = 2_000;
/// Of one address; the server takes 256.
const EACH: usize = 250;
/// How often a slow connection says one byte more.
const DRIP: Duration = Duration::from_secs(1);

pub async fn measure() {
    let (mut office, mut alice) = Office::open().await;
    let passing = Passing::of(&office.time);
    let mut bob = office.hire(&mut alice, "bob").await;
    let mut mallory = office.hire(&mut alice, "mallory").await;
    alice.send(&["bob"], "First", "first").await;
    mallory.send(&["bob"], "First", "first").await;
    bob.sync().await;
    office.stop();
    // Who plays all of them on one machine has the places of one address for each part.
    let file = office.data().join("valised.toml");
    let limits = fs::read_to_string(&file).expect("the configuration");
    fs::write(&file, format!("{limits}claims_per_target_hour = 1000000\n"))
        .expect("the configuration");
    let server = Server::start(&office.data());
    mallory.sync().await;
    let rest = p95(&mut alice).await;
    note(
        "flood: letter sent and accepted, at rest, p95",
        rest,
        "ms",
        None,
    );

    let before = server.resident_mb();
    let (over, slow) = slow(&office);
    let crowded = p95(&mut alice).await;
    over.store(true, Ordering::Relaxed);
    slow.join().expect("the crowd");
    print(
        "flood: the same under slow connections",
        crowded / rest,
        2.0,
    );
    note(
        "  memory that they cost the server",
        server.resident_mb() - before,
        "MB",
        None,
    );

    let (over, flood) = letters(mallory);
    let flooded = p95(&mut alice).await;
    over.store(true, Ordering::Relaxed);
    let (taken, refused) = flood.join().expect("the flood");
    print(
        "flood: the same while a colleague sends what he may",
        flooded / rest,
        1.5,
    );
    note("  letters of his that were taken", count(taken), "", None);
    note(
        "  letters of his that were refused",
        count(refused),
        "",
        None,
    );
    drop(passing);
    server.stop();
}

fn print(name: &str, value: f64, most: f64) {
    at_most(most, name, value, "x rest", None);
}

/// How long 95 of 100 letters of alice's take at most until the server has them: milliseconds.
async fn p95(alice: &mut Person) -> f64 {
    let mut samples = Vec::with_capacity(SAMPLES);
    for number in 0..WARM + SAMPLES {
        let begun = now();
        alice.send(&["bob"], "News", "The bus leaves at 7.").await;
        if number >= WARM {
            samples.push(ms(begun.elapsed()));
        }
    }
    percentile(&samples, 95)
}

/// Connections whose requests' heads come byte by byte, begun again when the server cuts them, until told.
fn slow(office: &Office) -> (Arc<AtomicBool>, JoinHandle<()>) {
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let files = usize::try_from(files).unwrap_or(usize::MAX);
    let wanted = SLOW.min(files.saturating_sub(200) / 2);
    let (over, open) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
    let (stop, crowd, up) = (Arc::clone(&over), Crowd::outside(office), Arc::clone(&open));
    let crowd = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let mut all = tokio::task::JoinSet::new();
            for number in 0..wanted {
                let (crowd, stop, up) = (crowd.clone(), Arc::clone(&stop), Arc::clone(&up));
                let from = u8::try_from(2 + number / EACH).expect("an address");
                all.spawn(async move {
                    while !stop.load(Ordering::Relaxed) {
                        let Some(stream) = crowd.tls(from, b"http/1.1").await else {
                            continue;
                        };
                        up.fetch_add(1, Ordering::Relaxed);
                        drip(stream, &stop).await;
                    }
                });
            }
            all.join_all().await;
        });
    });
    // Until all have been there once.
    while open.load(Ordering::Relaxed) < wanted {
        std::thread::park_timeout(Duration::from_millis(10));
    }
    note("  slow connections at once", count(wanted), "", None);
    (over, crowd)
}

async fn drip(mut stream: impl tokio::io::AsyncWrite + Unpin, stop: &AtomicBool) {
    let mut ticks = tokio::time::interval(DRIP);
    while !stop.load(Ordering::Relaxed) {
        ticks.tick().await;
        if stream.write_all(b"G").await.is_err() || stream.flush().await.is_err() {
            return;
        }
    }
}

/// Mallory sends as fast as the server answers, until told: how many were taken, and how many refused.
fn letters(mut mallory: Person) -> (Arc<AtomicBool>, JoinHandle<(usize, usize)>) {
    let over = Arc::<AtomicBool>::default();
    let stop = Arc::clone(&over);
    let flood = std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let (group, _) = mallory.only_group();
        runtime.block_on(async {
            mallory.reopen();
            mallory.sync().await;
            let epochs = mallory.session().attack_epochs().expect("epochs");
            let login = mallory.session().login_session().expect("the store");
            let claim = Claim::Session(login.expect("a session").id);
            let (mut taken, mut refused) = (0, 0);
            while !stop.load(Ordering::Relaxed) {
                let letter = delivery::Letter {
                    id: SubmissionId(random()),
                    group,
                    epoch: epochs[0].1,
                    message: random::<1100>().to_vec().try_into().expect("a letter"),
                };
                let sent = mallory.request(claim, Method::POST, LETTERS, encode(&letter));
                match sent.await {
                    Ok(_) => taken += 1,
                    Err(_) => refused += 1,
                }
            }
            (taken, refused)
        })
    });
    (over, flood)
}
