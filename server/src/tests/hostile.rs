//! V07, V10, V13: requests that are not what any client sends, over a real connection and past it.

use std::net::Ipv4Addr;

use axum::body::{Body, to_bytes};
use hyper::{
    HeaderMap, Method, Request as HttpRequest,
    header::{HeaderName, HeaderValue},
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tower::ServiceExt as _;
use valise_proto::{api, codec::encode, fuzz::seed, log::entry::Policy};

use super::{
    delivery::{commit, commits, letter},
    routes::ROUTES,
    support::{Person, Request, TestServer},
};
use crate::{
    clock::Clock,
    http::{Peer, router},
};

/// Texts that mean something to a database, a shell, a path, a log or a terminal.
const TEXTS: [&str; 20] = [
    "'",
    "' or '1'='1",
    "'; drop table message; --",
    "\" or 1=1 --",
    "$1",
    "?1",
    "%",
    "%25",
    "_",
    "%00",
    "..",
    "../../etc/passwd",
    "..%2f..%2fvalise.db",
    "%0d%0aset-cookie:%20a=b",
    "%0a%7b%22level%22:%22ERROR%22%7d",
    "%1b%5b2J",
    "%e2%80%ae",
    "%ff%fe",
    "-1",
    "99999999999999999999999999",
];

/// As it may stand in a request's line.
fn escaped(text: &str) -> String {
    text.replace(' ', "%20").replace('"', "%22")
}

/// Every place for a text in every route, with every such text there: refused, and nothing comes of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn v07_no_text_means_anything_to_the_database() {
    let (server, alice) = TestServer::start_with(Policy::default(), |config| {
        config.sessionless_per_ip_minute = 1_000_000;
    })
    .await;
    let mut connection = server.connect().await;
    let mut tried = 0;
    for (method, target, _) in ROUTES {
        let mut places = Vec::new();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        if let Some((folder, _)) = path.rsplit_once('/')
            && path.len() > folder.len() + 20
        {
            places.push((format!("{folder}/"), query.to_owned()));
        }
        for (at, _) in query.match_indices('=') {
            places.push((format!("{path}?{}", &query[..=at]), String::new()));
        }
        for (before, query) in places {
            for text in TEXTS {
                let query = if query.is_empty() {
                    query.clone()
                } else {
                    format!("?{query}")
                };
                let target = format!("{before}{}{query}", escaped(text));
                let request = Request::unsigned(method, &target, Vec::new());
                let now_ms = server.clock.now_ms();
                for session in [None, alice.session] {
                    let request = request.clone().sign(&alice.device, session, now_ms);
                    let answer = connection.send(&request).await;
                    assert!(
                        (400..500).contains(&answer.status),
                        "{method} {target}: {answer:?}"
                    );
                    tried += 1;
                }
            }
        }
    }
    assert!(tried > 300, "{tried}");
    let log = server.get(&alice, "/v1/log?from=0&old=0").await;
    assert_eq!(log.status, 200);
}

/// What the server answers to these bytes before it hangs up.
async fn said(server: &TestServer, bytes: &[u8]) -> String {
    let mut stream = server.tls().await;
    stream.write_all(bytes).await.unwrap();
    stream.flush().await.unwrap();
    let mut all = Vec::new();
    // However it ends.
    let _end = stream.read_to_end(&mut all).await;
    String::from_utf8_lossy(&all).into_owned()
}

/// Two readers of one connection would not agree where these requests end: none is answered by more than a
/// refusal, and the second request in it never counts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn v13_no_request_hides_in_another() {
    let (server, _) = TestServer::start_with(Policy::default(), |config| {
        config.idle_timeout_ms = 300;
        config.header_timeout_ms = 300;
    })
    .await;
    let hidden = "GET /v1/genesis HTTP/1.1\r\nhost: a\r\n\r\n";
    let length = hidden.len() + 5;
    let heads = [
        format!("content-length: {length}\r\ntransfer-encoding: chunked"),
        format!("transfer-encoding: chunked\r\ncontent-length: {length}"),
        format!("content-length: 0\r\ncontent-length: {length}"),
        "content-length: 0, 0".to_owned() + ", 5",
        format!("content-length: +{length}"),
        "content-length: -1".to_owned(),
        "content-length: 0x10".to_owned(),
        "transfer-encoding: xchunked".to_owned(),
        "transfer-encoding: chunked, identity".to_owned(),
        "transfer-encoding : chunked".to_owned(),
        "transfer-encoding:\x0bchunked".to_owned(),
        " content-length: 5".to_owned(),
        "x: a\0b".to_owned(),
        "x: a\rcontent-length: 5".to_owned(),
        "x\n: a".to_owned(),
    ];
    for head in heads {
        let bytes =
            format!("POST /v1/login HTTP/1.1\r\nhost: a\r\n{head}\r\n\r\n0\r\n\r\n{hidden}");
        let said = said(&server, bytes.as_bytes()).await;
        let answers: Vec<_> = said.matches("HTTP/1.1 ").collect();
        assert!(answers.len() <= 1, "{head:?}: {said}");
        // The genesis has the organisation's tag.
        assert!(!said.contains("\u{5}\u{5}\u{5}\u{5}"), "{head:?}: {said}");
    }
}

/// What a request calls the server means nothing: the configuration says what it is called.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn v13_what_a_request_calls_the_server_means_nothing() {
    let (server, alice) = TestServer::start_with(Policy::default(), |config| {
        config.idle_timeout_ms = 300;
    })
    .await;
    let mut answers = Vec::new();
    for host in [
        "localhost:8443",
        "evil.example",
        "127.0.0.1",
        "",
        "a b",
        "localhost:8443, evil",
    ] {
        let bytes =
            format!("GET /v1/genesis HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        let said = said(&server, bytes.as_bytes()).await;
        assert!(!said.contains("evil"), "{said}");
        answers.push(said.split_once("\r\n\r\n").unwrap().1.to_owned());
    }
    assert!(answers.iter().all(|it| it == &answers[0]), "{answers:?}");
    // Whoever signs for another server signs nothing for this one.
    let good = server.signed(&alice, "GET", api::SYNC, Vec::new());
    let head = |host: &str| {
        let mut head = format!(
            "GET {} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n",
            api::SYNC
        );
        for (name, value) in &good.headers {
            head.extend([name, ": ", value, "\r\n"]);
        }
        head + "\r\n"
    };
    let answer = said(&server, head("evil.example").as_bytes()).await;
    assert!(
        answer.starts_with("HTTP/1.1 200"),
        "the signature names the server: {answer}"
    );
}

/// Numbers that a seed foretells.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides.max(1)
    }

    /// Changes some bytes, the length, or a part that it repeats.
    fn spoil(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.roll(3) {
            let at = self.roll(bytes.len() + 1);
            match self.roll(6) {
                0 => bytes.truncate(at),
                1 => bytes.insert(at, u8::try_from(self.roll(256)).unwrap()),
                2 => {
                    let part = bytes[at..].to_vec();
                    bytes.extend(part);
                }
                3 => {
                    let end = (at + self.roll(9)).min(bytes.len());
                    bytes[at..end].fill(if self.roll(2) == 0 { 0 } else { 0xff });
                }
                _ => {
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte ^= 1 << self.roll(8);
                    }
                }
            }
        }
    }
}

/// Good requests of every route, and bodies of every kind.
fn bodies(server: &TestServer, bob: &Person) -> Vec<Vec<u8>> {
    let mut bodies: Vec<Vec<u8>> = seed::all()
        .into_iter()
        .filter(|seed| ["api", "entry"].contains(&seed.target))
        .map(|seed| {
            if seed.target == "api" {
                seed.bytes[1..].to_vec()
            } else {
                seed.bytes
            }
        })
        .collect();
    bodies.push(encode(&commit(1, &[], &[bob])));
    bodies.push(encode(&letter(1, "good")));
    bodies.push(encode(&server.directory.head().root));
    bodies
}

/// How many requests are spoiled.
fn count() -> usize {
    if std::env::var_os("VALISE_TORTURE").is_some() {
        1_000_000
    } else {
        10_000
    }
}

/// Who spoils requests, and what they are made of.
struct Spoiler<'a> {
    dice: Dice,
    bodies: Vec<Vec<u8>>,
    people: [&'a Person; 2],
}

impl Spoiler<'_> {
    /// A request of any route: some of its target, its body and its headers spoiled, and signed after that.
    fn request(&mut self, now_ms: u64) -> Option<(String, HttpRequest<Body>)> {
        let dice = &mut self.dice;
        let (method, target, _) = ROUTES[dice.roll(ROUTES.len())];
        if (method, target) == ("DELETE", api::SESSION) {
            // Nobody could go on.
            return None;
        }
        let mut target = target.as_bytes().to_vec();
        if dice.roll(3) == 0 {
            dice.spoil(&mut target);
        }
        let mut body = if method == "GET" || dice.roll(8) == 0 {
            Vec::new()
        } else {
            self.bodies[dice.roll(self.bodies.len())].clone()
        };
        if dice.roll(4) > 0 && !body.is_empty() {
            dice.spoil(&mut body);
        }
        let target = String::from_utf8_lossy(&target).into_owned();
        let uri = target.parse().ok()?;
        let who = self.people[dice.roll(2)];
        let session = who.session.filter(|_| dice.roll(5) > 0);
        let signed = Request::unsigned(method, &target, body.clone());
        let signed = signed.sign(&who.device, session, now_ms);
        let mut headers = HeaderMap::new();
        for (name, value) in signed.headers {
            let mut value = value.into_bytes();
            if dice.roll(40) == 0 {
                dice.spoil(&mut value);
            }
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                headers.append(HeaderName::try_from(name).unwrap(), value);
            }
        }
        let mut request = HttpRequest::new(Body::from(body));
        *request.method_mut() = Method::try_from(method).unwrap();
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        let peer = Peer(Ipv4Addr::LOCALHOST.into());
        request.extensions_mut().insert(peer);
        Some((format!("{method} {target}"), request))
    }
}

#[tokio::test]
async fn v10_no_spoiled_request_stops_the_server_or_is_its_fault() {
    let (mut test, mut alice) = TestServer::start_with(Policy::default(), |config| {
        config.sessionless_per_ip_minute = u32::MAX;
        config.entries_per_account_minute = u32::MAX;
        config.letters_per_device_minute = u32::MAX;
        config.commits_per_group_minute = u32::MAX;
        config.claims_per_target_hour = u32::MAX;
        config.enrolments_per_ip_hour = u32::MAX;
        config.logins_per_ip_minute = u32::MAX;
    })
    .await;
    let bob = test.hire(&alice, "bob").await;
    commits(&test, &alice, &commit(0, &[&bob], &[])).await;
    let server = test.reopen().await;
    let writer = tokio::spawn(server.writer.run());
    let router = router(server.service);
    let seed = 20_261_128;
    let mut spoiler = Spoiler {
        dice: Dice(seed),
        bodies: bodies(&test, &bob),
        people: [&alice, &bob],
    };
    let mut good = 0;
    for number in 0..count() {
        let Some((what, request)) = spoiler.request(test.clock.now_ms()) else {
            continue;
        };
        let Ok(answer) = router.clone().oneshot(request).await;
        let status = answer.status().as_u16();
        to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        assert!(status < 500, "{seed}, request {number}: {what}: {status}");
        good += usize::from(status < 300);
        test.clock.advance(1);
    }
    // Some of what was spoiled is good still; and whoever works here goes on.
    assert!(good > count() / 20, "{good}");
    drop(router);
    writer.abort();
    test.run().await.unwrap();
    test.log_in(&mut alice).await;
    assert_eq!(test.get(&alice, api::SYNC).await.status, 200);
}
