//! Witnesses as the server meets them: honest ones, ones that are away, and ones that lie.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    time::timeout,
};
use valise_proto::{
    api::directory::Page,
    key::Ed25519Key,
    log::{
        checkpoint,
        entry::{Policy, Witness},
        witness::{AddCheckpoint, seen_at},
    },
    testing::{self, SoftDevice},
};

use super::support::{Person, START_MS, TestServer};

/// When the witnesses of these tests sign: seconds.
const TIME: u64 = START_MS / 1000;

/// A witness that answers by rote: every question, and what it says to the one of that number.
struct Scripted {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<AddCheckpoint>>>,
}

impl Scripted {
    async fn start(
        mut answer: impl FnMut(usize, &AddCheckpoint) -> Option<String> + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::<Mutex<Vec<_>>>::default();
        let seen = Arc::clone(&asked);
        tokio::spawn(async move {
            let mut silent = Vec::new();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut bytes = Vec::new();
                let request = loop {
                    let text = String::from_utf8_lossy(&bytes).into_owned();
                    let body = text.split_once("\r\n\r\n").map(|(_, body)| body);
                    if let Some(Ok(request)) = body.map(AddCheckpoint::parse)
                        && checkpoint_is_whole(&request)
                    {
                        break request;
                    }
                    assert!(stream.read_buf(&mut bytes).await.unwrap() > 0);
                };
                let number = seen.lock().unwrap().len();
                seen.lock().unwrap().push(request.clone());
                match answer(number, &request) {
                    Some(answer) => drop(stream.write_all(answer.as_bytes()).await),
                    None => silent.push(stream),
                }
            }
        });
        Self { address, asked }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn asked(&self) -> Vec<AddCheckpoint> {
        self.asked.lock().unwrap().clone()
    }
}

fn checkpoint_is_whole(request: &AddCheckpoint) -> bool {
    request.checkpoint.contains("\n\n") && request.checkpoint.ends_with('\n')
}

fn http(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn device(number: u8) -> SoftDevice {
    SoftDevice::from_seed([100 + number; 32])
}

fn name(number: u8) -> String {
    format!("witness.example/w{number}")
}

/// The true line of witness `number`.
fn line(number: u8, request: &AddCheckpoint) -> String {
    let device = device(number);
    let key = Ed25519Key::try_from(device.id().0).unwrap();
    let (note, name) = (&request.checkpoint, name(number));
    checkpoint::format_cosignature(note, &name, key, TIME, |text| device.sign(text)).unwrap()
}

/// Three witnesses, of whom two must have signed.
fn policy() -> Policy {
    let witness = |number| Witness {
        name: name(number).try_into().unwrap(),
        key: device(number).id().0,
    };
    Policy {
        witnesses: vec![witness(1), witness(2), witness(3)],
        witness_quorum: 2,
        ..Policy::default()
    }
}

async fn start(urls: &[String], wait_ms: u64) -> (TestServer, Person) {
    let named = (1..).map(name).zip(urls.iter().cloned()).collect();
    TestServer::start_with(policy(), |config| {
        config.witnesses = named;
        config.witness_wait_ms = wait_ms;
        config.witness_interval_ms = 50;
    })
    .await
}

/// When each witness signed what the server now shows as its newest head.
async fn seen(server: &TestServer, person: &Person) -> Vec<Option<u64>> {
    let page: Page = server.get(person, "/v1/log?from=0&old=0").await.read();
    let note = page.checkpoint.as_str();
    let head = checkpoint::open(note, server.card.org, server.card.log);
    assert_eq!(head, Ok(server.directory.head()));
    let own = checkpoint::origin(server.card.org);
    assert!(
        checkpoint::cosigned_at(note, &own, server.card.log)
            .unwrap()
            .is_some()
    );
    seen_at(note, &policy().witnesses)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_reads_right_after_an_entry_gets_its_witnesses_with_it() {
    let one = Scripted::start(|_, asked| Some(http("200 OK", &line(1, asked)))).await;
    let two = Scripted::start(|_, asked| Some(http("200 OK", &line(2, asked)))).await;
    let (mut server, alice) = start(&[one.url(), two.url()], 60_000).await;
    for person in ["bob", "carol"] {
        let person = Person::new(person);
        let entry =
            testing::account_add(&server.directory, &person.name, &person.key, &[&alice.key]);
        server.append(&alice, entry).await;
        assert_eq!(seen(&server, &alice).await, [Some(TIME), Some(TIME), None]);
    }
    // Each question goes on where the last answer ended.
    let sizes: Vec<u64> = one.asked().iter().map(|asked| asked.old).collect();
    assert_eq!(sizes[0], 0);
    assert!(
        sizes.is_sorted() && *sizes.last().unwrap() >= 3,
        "{sizes:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_witness_that_knows_more_or_less_is_asked_from_there() {
    let one = Scripted::start(|number, asked| {
        Some(match number {
            0 => http("409 Conflict", "2\n"),
            _ => http("200 OK", &line(1, asked)),
        })
    });
    let one = one.await;
    let ahead = Scripted::start(|_, _| Some(http("409 Conflict", "9999\n"))).await;
    let (server, alice) = start(&[one.url(), ahead.url()], 5_000).await;
    assert_eq!(seen(&server, &alice).await, [Some(TIME), None, None]);
    let asked = one.asked();
    assert_eq!((asked[0].old, asked[1].old), (0, 2));
    let tree = server.directory.tree();
    let size = checkpoint::open(&asked[1].checkpoint, server.card.org, server.card.log);
    assert_eq!(
        Some(asked[1].proof.clone()),
        tree.consistency(2, size.unwrap().size)
    );
}

/// Away, silent, endless, lying: the log is read all the same, without their lines.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn v02_no_witness_stops_the_server() {
    let silent = Scripted::start(|_, _| None).await;
    let endless = Scripted::start(|_, _| {
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        Some(
            format!(
                "{head}{}",
                "400\r\n".to_owned() + &"a".repeat(1024) + "\r\n"
            )
            .repeat(9),
        )
    });
    let endless = endless.await;
    let (server, alice) = start(
        &["http://127.0.0.1:1".into(), silent.url(), endless.url()],
        300,
    )
    .await;
    let reading = timeout(Duration::from_secs(20), seen(&server, &alice));
    assert_eq!(reading.await.unwrap(), [None; 3]);
    let mut server = server;
    timeout(Duration::from_secs(20), server.stop())
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d19_only_a_witness_own_signature_is_passed_on() {
    let other = |_, asked: &AddCheckpoint| Some(http("200 OK", &line(3, asked)));
    let named_so = |_, asked: &AddCheckpoint| {
        Some(http("200 OK", &line(3, asked).replace(&name(3), &name(2))))
    };
    let old = |_, asked: &AddCheckpoint| {
        let checkpoint = asked.checkpoint.replacen('\n', "\n1", 1);
        let past = AddCheckpoint {
            checkpoint,
            ..asked.clone()
        };
        Some(http("200 OK", &line(3, &past)))
    };
    let (one, two) = (
        Scripted::start(other).await,
        Scripted::start(named_so).await,
    );
    let three = Scripted::start(old).await;
    let (server, alice) = start(&[one.url(), two.url(), three.url()], 5_000).await;
    let page: Page = server.get(&alice, "/v1/log?from=0&old=0").await.read();
    assert!(!page.checkpoint.as_str().contains("witness.example"));
    assert_eq!(seen(&server, &alice).await, [None; 3]);
}
