//! V03: requests that are larger than they look, or come in numbers that nobody needs.

use tokio::{
    io::{AsyncWriteExt as _, WriteHalf},
    net::TcpStream,
    task::JoinSet,
    time::{Duration, timeout},
};
use tokio_rustls::client::TlsStream;
use valise_client::clock::{Clock as _, System};
use valise_proto::api::{GENESIS, LETTERS};

use super::{GROWTH_MAX, besieged, correspond};
use crate::support::{
    Crowd,
    crowd::{Hand, closed},
};

const LIMITS: &str = "header_timeout_ms = 3000\nidle_timeout_ms = 3000\nbody_timeout_ms = 3000\n\
    letters_per_device_minute = 1000000\n";
/// Of each kind at once.
const EACH: usize = 4;
/// How long a connection goes on that the server neither reads nor closes.
const STUCK: Duration = Duration::from_secs(3);
/// What a bomb says at most: bytes.
const SAID_MAX: usize = 32 << 20;

/// The client's preface and its empty SETTINGS frame (RFC 9113 §3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
/// A client that takes no bytes of any answer: `SETTINGS_INITIAL_WINDOW_SIZE` 0.
const SHUT: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x06\x04\0\0\0\0\0\0\x04\0\0\0\0";
/// `GET /v1/genesis` (RFC 7541 §6).
const GET: &[u8] = b"\x82\x87\x04\x0b/v1/genesis\x01\x09localhost";
/// `POST /v1/genesis`.
const POST: &[u8] = b"\x83\x87\x04\x0b/v1/genesis\x01\x09localhost";

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// One frame (RFC 9113 §4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short frame");
    let mut frame = length.to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// The streams that a client opens, in their order.
fn streams() -> impl Iterator<Item = u32> {
    (0..).map(|number| 2 * number + 1)
}

/// What a connection says: what comes first, and what again and again.
struct Bomb {
    name: &'static str,
    protocol: &'static [u8],
    first: Vec<u8>,
    more: Box<dyn Fn(u32) -> Vec<u8> + Send + Sync>,
    /// It does not read what the server says.
    deaf: bool,
}

fn one(name: &'static str, first: &str, more: &'static [u8]) -> Bomb {
    Bomb {
        name,
        protocol: b"http/1.1",
        first: first.as_bytes().to_vec(),
        more: Box::new(|_| more.to_vec()),
        deaf: false,
    }
}

fn two(
    name: &'static str,
    first: &[u8],
    more: impl Fn(u32) -> Vec<u8> + Send + Sync + 'static,
) -> Bomb {
    Bomb {
        name,
        protocol: b"h2",
        first: [PREFACE, first].concat(),
        more: Box::new(more),
        deaf: false,
    }
}

/// In HTTP/1.1 (RFC 9112). A member has signed some of them.
fn of_one(hand: &Hand) -> Vec<Bomb> {
    let get = format!("GET {GENESIS} HTTP/1.1\r\n");
    let signed = |more: &str| {
        let head = hand.head("POST", LETTERS, b"", System.now_ms());
        format!("{head}{more}\r\n\r\n")
    };
    let length = "content-length: 1000000000000";
    let post = format!("POST {LETTERS} HTTP/1.1\r\nhost: localhost\r\n{length}\r\n\r\n");
    let chunked = signed("transfer-encoding: chunked");
    let chunk = b"1000\r\n0123456789abcdef";
    vec![
        one(
            "a line",
            &format!("GET /{}", "a".repeat(1 << 16)),
            &[b'a'; 8192],
        ),
        one("a header", &format!("{get}x: "), &[b'a'; 8192]),
        one("headers", &get, b"x: a\r\nx: a\r\nx: a\r\n"),
        one("a length", &post, &[0; 8192]),
        one("a length that is signed for", &signed(length), &[0; 8192]),
        one("no length that is signed for", &chunked, chunk),
        one("a chunk", &format!("{chunked}fffffffff\r\n"), &[0; 8192]),
    ]
}

/// In HTTP/2 (RFC 9113).
fn of_two() -> Vec<Bomb> {
    const WHOLE: u8 = END_STREAM | END_HEADERS;
    // One large header into the table of the connection, and then its number again and again.
    let large = [&b"\x40\x01x\x7f\xa1\x1e"[..], &[b'a'; 4000]].concat();
    let packed = [GET, &large, &vec![0xbe; 12_000]].concat();
    let long = [&b"\x00\x01x\x7f\xc1\x3d"[..], &[b'a'; 8000]].concat();
    let begun = frame(HEADERS, END_STREAM, 1, GET);
    let ask = |stream| frame(HEADERS, WHOLE, stream, GET);
    let post = |stream| frame(HEADERS, END_HEADERS, stream, POST);
    let mut all = vec![
        two("rapid reset", b"", move |stream| {
            [ask(stream), frame(RESET, 0, stream, &[0, 0, 0, 8])].concat()
        }),
        two("streams", b"", post),
        two("bodies", b"", move |stream| {
            [post(stream), frame(DATA, 0, stream, &[0; 8192])].concat()
        }),
        two("continuation", &begun, |_| frame(CONTINUATION, 0, 1, &[])),
        two("long continuation", &begun, move |_| {
            frame(CONTINUATION, 0, 1, &long)
        }),
        two("packed headers", b"", move |stream| {
            frame(HEADERS, WHOLE, stream, &packed)
        }),
        two("settings", b"", |_| frame(SETTINGS, 0, 0, &[])),
    ];
    let mut pings = two("pings", b"", |_| frame(PING, 0, 0, &[7; 8]));
    let mut answers = two("answers", b"", ask);
    answers.first = SHUT.to_vec();
    (pings.deaf, answers.deaf) = (true, true);
    all.extend([pings, answers]);
    all
}

impl Bomb {
    /// Goes off; what came back.
    async fn explode(self, crowd: Crowd, from: u8) -> (&'static str, Vec<u8>) {
        let Some(stream) = crowd.tls(from, self.protocol).await else {
            return (self.name, Vec::new());
        };
        let (from, to) = tokio::io::split(stream);
        if self.deaf {
            self.say(to).await;
            return (self.name, closed(from).await);
        }
        let (came, ()) = tokio::join!(closed(from), self.say(to));
        (self.name, came)
    }

    /// Until the server takes no more.
    async fn say(&self, mut to: WriteHalf<TlsStream<TcpStream>>) {
        let mut said = self.first.clone();
        let mut numbers = streams();
        let mut all = 0;
        while all < SAID_MAX {
            while said.len() < 32 * 1024 {
                said.extend((self.more)(numbers.next().expect("a number")));
            }
            all += said.len();
            let write = async {
                to.write_all(&said).await?;
                to.flush().await
            };
            if !matches!(timeout(STUCK, write).await, Ok(Ok(()))) {
                return;
            }
            said.clear();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn v03_bombs_cost_the_server_little_and_others_nothing() {
    let (office, mut server, [mut alice, mut bob, mut mallory]) = Box::pin(besieged(LIMITS)).await;
    let (crowd, hand) = (Crowd::outside(&office), Hand::of(&mut mallory, &office));
    let before = server.resident_mb();
    let mut thrown = JoinSet::new();
    for _ in 0..EACH {
        for (bomb, from) in of_one(&hand).into_iter().chain(of_two()).zip(2..) {
            thrown.spawn(bomb.explode(crowd.clone(), from));
        }
    }
    correspond(&mut alice, &mut bob, 5).await;
    while let Some(thrown) = thrown.join_next().await {
        let (name, came) = thrown.expect("a bomb");
        let status = came.strip_prefix(b"HTTP/1.1 ").map(|rest| rest[0]);
        assert!(
            matches!(status, None | Some(b'4')),
            "{name}: {}",
            String::from_utf8_lossy(&came)
        );
    }
    assert!(server.runs());
    let growth = server.peak_mb() - before;
    println!("{before} MB before, {growth} MB more");
    assert!(growth < GROWTH_MAX, "{growth} MB");
    correspond(&mut alice, &mut bob, 1).await;
    server.stop();
}
