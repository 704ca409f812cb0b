//! Two servers on one PostgreSQL: any of them answers, and neither forgets what the other knows.

use std::{
    fs,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::Arc,
    thread,
    time::Duration,
};

use rcgen::{CertificateParams, KeyPair};
use tempfile::TempDir;
use tokio::{
    net::TcpStream,
    task::JoinSet,
    time::{interval, timeout},
};
use valise_proto::{
    api::{self, ErrorCode, delivery::Accepted, directory},
    codec::encode,
    testing,
    weaken::dangerously_weaken,
};

use super::{
    delivery::{commit, commits, letter, sends},
    push::{Socket, closed, next, open},
    support::{Person, TestServer},
};
use crate::{
    config::Config,
    store::{NodeRow, Store},
};

/// How long anything may take that is not looked for, but told.
const SOON: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l13_a_request_comes_once_whichever_server_it_comes_to() {
    let (one, other, alice) = TestServer::start_twice(|_| {}).await;
    for (first, second) in [(&one, &other), (&other, &one)] {
        let good = first.signed(&alice, "GET", api::SYNC, Vec::new());
        assert_eq!(first.send(&good).await.status, 200);
        for server in [second, first] {
            server.send(&good).await.refused(ErrorCode::Unauthenticated);
        }
    }
    for _ in 0..20 {
        let good = one.signed(&alice, "GET", api::SYNC, Vec::new());
        let (here, there) = tokio::join!(one.send(&good), other.send(&good));
        let mut statuses = [here.status, there.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 401]);
    }
}

#[test]
fn l13_twin_without_the_check_the_other_server_lets_it_in() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .on_thread_start(|| dangerously_weaken(Some("L13")))
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let (one, other, alice) = TestServer::start_twice(|_| {}).await;
        let good = one.signed(&alice, "GET", api::SYNC, Vec::new());
        assert_eq!(one.send(&good).await.status, 200);
        assert_eq!(other.send(&good).await.status, 200);
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l17_both_servers_count_one_addresss_logins_together() {
    let started = TestServer::start_twice(|config| config.logins_per_ip_minute = 6);
    let (one, other, _) = started.await;
    let mut begun = 0;
    for at in 0..12 {
        let server = if at % 2 == 0 { &one } else { &other };
        let answer = server.anybody("POST", api::LOGIN).await;
        begun += u64::from(answer.status == 200);
    }
    // One was spent on the way here.
    assert_eq!(begun, 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_at_one_server_is_in_the_log_of_the_other() {
    let (mut one, mut other, alice) = TestServer::start_twice(|_| {}).await;
    for name in ["bob", "carol", "dave"] {
        let person = Person::new(name);
        let entry = testing::account_add(&one.directory, &person.name, &person.key, &[&alice.key]);
        one.append(&alice, entry.clone()).await;
        other.directory.apply(&entry).unwrap();
        let page: directory::Page = other.get(&alice, "/v1/log?from=0&old=0").await.read();
        assert_eq!(page.entries.last().unwrap().as_slice(), entry);
        std::mem::swap(&mut one, &mut other);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l14_whoever_is_revoked_at_one_server_is_so_at_the_other() {
    let (mut one, other, alice) = TestServer::start_twice(|_| {}).await;
    let bob = one.hire(&alice, "bob").await;
    assert_eq!(other.get(&bob, api::SYNC).await.status, 200);
    let mut stream = streams(&other, &bob).await;
    let entry = testing::device_revoke(&one.directory, &bob.name, bob.device.id(), &[&alice.key]);
    one.append(&alice, entry).await;
    other.get(&bob, api::SYNC).await.refused(ErrorCode::Revoked);
    assert_eq!(timeout(SOON, closed(&mut stream)).await, Ok(1008));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_lives_and_ends_at_both() {
    let (one, mut other, mut alice) = TestServer::start_twice(|_| {}).await;
    other.log_in(&mut alice).await;
    assert_eq!(one.get(&alice, api::SYNC).await.status, 200);
    // Used at one of them only: idle at neither.
    for _ in 0..4 {
        one.clock.advance(10 * 60_000);
        assert_eq!(other.get(&alice, api::SYNC).await.status, 200);
        // Written down, as it is every few seconds.
        other.stop().await;
        other.run().await.unwrap();
    }
    assert_eq!(one.get(&alice, api::SYNC).await.status, 200);
    let end = one.signed(&alice, "DELETE", api::SESSION, Vec::new());
    one.send(&end).await.done();
    one.clock.advance(5_000);
    let refused = other.get(&alice, api::SYNC).await;
    refused.refused(ErrorCode::Unauthenticated);
}

async fn streams(server: &TestServer, person: &Person) -> Socket {
    let request = server.signed(person, "GET", api::PUSH, Vec::new());
    let mut socket = open(server, &request).await.unwrap();
    next(&mut socket).await;
    socket
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn letters_to_both_servers_get_one_order_without_gaps() {
    let (mut one, other, alice) = TestServer::start_twice(|_| {}).await;
    let bob = one.hire(&alice, "bob").await;
    commits(&one, &alice, &commit(0, &[&bob], &[])).await;
    let mut sending = JoinSet::new();
    for number in 0..60 {
        let (server, person) = match number % 4 {
            0 => (&one, &alice),
            1 => (&other, &alice),
            2 => (&one, &bob),
            _ => (&other, &bob),
        };
        let body = encode(&letter(1, &number.to_string()));
        let request = server.signed(person, "POST", api::LETTERS, body);
        let mut connection = server.connect().await;
        sending.spawn(async move { connection.send(&request).await.read::<Accepted>() });
    }
    let accepted = sending.join_all().await;
    let mut sequences: Vec<_> = accepted.iter().map(|accepted| accepted.sequence).collect();
    sequences.sort_unstable();
    assert_eq!(sequences, (2..62).collect::<Vec<_>>());
}

/// Bob listens at one server, and alice writes to the other.
async fn a_letter_wakes(one: &mut TestServer, other: &TestServer, alice: &Person) {
    let bob = one.hire(alice, "bob").await;
    let mut stream = streams(other, &bob).await;
    commits(one, alice, &commit(0, &[&bob], &[])).await;
    let page = timeout(SOON, next(&mut stream)).await.unwrap();
    assert_eq!(page.welcomes.len(), 1);
    // Another stream of his, at the other server, takes the place of the first.
    let mut moved = streams(one, &bob).await;
    assert_eq!(timeout(SOON, closed(&mut stream)).await, Ok(1012));
    let ack = api::delivery::Ack {
        welcomes: 1,
        groups: Vec::new(),
    };
    let ack = tokio_tungstenite::tungstenite::Message::Binary(encode(&ack).into());
    futures_util::SinkExt::send(&mut moved, ack).await.unwrap();
    sends(other, alice, &letter(1, "hello")).await;
    let page = timeout(SOON, next(&mut moved)).await.unwrap();
    assert_eq!(page.messages.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_drains_sends_streams_away_and_answers() {
    let started = TestServer::start_twice(|config| config.node = Some("one".to_owned()));
    let (one, mut other, alice) = started.await;
    other.stop().await;
    other.config.node = Some("other".to_owned());
    other.run().await.unwrap();
    let url = one.config.database_url();
    let store = Store::connect(&url).await.unwrap();
    let mut stream = streams(&other, &alice).await;
    let mut ticks = interval(Duration::from_millis(50));
    while store.drain_node("other", true).await.unwrap() == 0 {
        ticks.tick().await;
    }
    assert_eq!(timeout(SOON, closed(&mut stream)).await, Ok(1001));
    assert_eq!(other.get(&alice, api::SYNC).await.status, 200);
    // Sent there all the same, she is served.
    let mut stream = streams(&other, &alice).await;
    let moved = streams(&one, &alice).await;
    assert_eq!(timeout(SOON, closed(&mut stream)).await, Ok(1012));
    let row = |name: &str, rows: Vec<NodeRow>| rows.into_iter().find(|row| row.name == name);
    let drains = row("other", store.nodes().await.unwrap()).unwrap().drains;
    assert!(drains);
    while row("one", store.nodes().await.unwrap()).unwrap().streams != 1 {
        ticks.tick().await;
    }
    drop(moved);
    // Another run of it is another server; and who ends in good order is not seen any more.
    other.stop().await;
    assert_eq!(row("other", store.nodes().await.unwrap()), None);
    other.run().await.unwrap();
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_database_carries_wake_ups() {
    let (mut one, other, alice) = TestServer::start_twice(|_| {}).await;
    a_letter_wakes(&mut one, &other, &alice).await;
}

/// The seed of an nkey, and whom NATS knows by it.
const SEED: &str = "SUANQDPB2RUOE4ETUA26CNX7FUKE5ZZKFCQIIW63OX225F2CO7UEXTM7ZY";
const NKEY: &str = "UAMMBNV2EYR65NYZZ7IAK5SIR5ODNTTERJOBOF4KJLMWI45YOXOSWULM";

/// The real thing, on a port of its own. It knows a user and an nkey.
struct Nats {
    process: Child,
    port: u16,
    folder: TempDir,
}

impl Nats {
    async fn start(tls: bool) -> Self {
        let free = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let mut text = format!(
            "listen: \"127.0.0.1:{port}\"\n\
             authorization {{ users: [{{user: valise, password: test}}, {{nkey: {NKEY}}}] }}\n"
        );
        if tls {
            let key = KeyPair::generate().unwrap();
            let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
            let certificate = params.self_signed(&key).unwrap();
            fs::write(path("tls.crt"), certificate.pem()).unwrap();
            fs::write(path("tls.key"), key.serialize_pem()).unwrap();
            text.push_str("tls { cert_file: \"./tls.crt\", key_file: \"./tls.key\" }\n");
        }
        fs::write(path("nats.conf"), text).unwrap();
        fs::write(path("password"), "user = \"valise\"\npassword = \"test\"\n").unwrap();
        fs::write(path("nkey"), format!("nkey = \"{SEED}\"\n")).unwrap();
        let mut nats = Self {
            process: Self::run(&folder),
            port,
            folder,
        };
        nats.answers().await;
        nats
    }

    fn run(folder: &TempDir) -> Child {
        Command::new("bash")
            .args(["-c", "PATH=$PATH:/usr/sbin exec nats-server -c nats.conf"])
            .current_dir(folder.path())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    async fn answers(&mut self) {
        let mut ticks = interval(Duration::from_millis(20));
        while TcpStream::connect(("127.0.0.1", self.port)).await.is_err() {
            let ended = self.process.try_wait().unwrap();
            assert!(ended.is_none(), "no nats-server: run .ci/install");
            ticks.tick().await;
        }
    }

    fn die(&mut self) {
        drop(self.process.kill());
        self.process.wait().unwrap();
    }

    async fn come_back(&mut self) {
        self.process = Self::run(&self.folder);
        self.answers().await;
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Where nobody is, and then here.
    fn carries(&self, config: &mut Config) {
        let port = self.port;
        config.nats = Some(format!("nats://127.0.0.1:1,nats://127.0.0.1:{port}"));
        config.nats_credentials = Some(self.path("password"));
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Both servers have found NATS when a word gets through.
async fn a_word_gets_through(one: &TestServer, other: &TestServer, person: &Person) {
    let mut moved = streams(one, person).await;
    let mut ticks = interval(Duration::from_millis(200));
    let replaced = async {
        loop {
            let _socket = streams(other, person).await;
            ticks.tick().await;
        }
    };
    let heard = async { closed(&mut moved).await };
    let code = tokio::select! {
        code = timeout(SOON, heard) => code,
        () = replaced => unreachable!(),
    };
    assert_eq!(code, Ok(1012));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nats_carries_wake_ups_and_may_come_later() {
    let mut nats = Nats::start(false).await;
    nats.die();
    let started = TestServer::start_twice(|config| nats.carries(config)).await;
    let (mut one, other, alice) = started;
    nats.come_back().await;
    let carol = one.hire(&alice, "carol").await;
    a_word_gets_through(&one, &other, &carol).await;
    a_letter_wakes(&mut one, &other, &alice).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nats_may_die_and_come_back() {
    let mut nats = Nats::start(false).await;
    let started = TestServer::start_twice(|config| nats.carries(config)).await;
    let (mut one, other, alice) = started;
    let carol = one.hire(&alice, "carol").await;
    a_word_gets_through(&one, &other, &carol).await;
    nats.die();
    for server in [&one, &other] {
        assert_eq!(server.get(&carol, api::SYNC).await.status, 200);
    }
    let dave = timeout(SOON, one.hire(&alice, "dave")).await.unwrap();
    assert_eq!(other.get(&dave, api::SYNC).await.status, 200);
    nats.come_back().await;
    a_word_gets_through(&one, &other, &dave).await;
    a_word_gets_through(&other, &one, &carol).await;
    a_letter_wakes(&mut one, &other, &alice).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nats_is_reached_by_tls_with_a_password_and_with_an_nkey() {
    let nats = Nats::start(true).await;
    let started = TestServer::start_twice(|config| {
        config.nats = Some(format!("tls://127.0.0.1:{}", nats.port));
        config.nats_ca = Some(nats.path("tls.crt"));
        config.nats_credentials = Some(nats.path("password"));
    });
    let (mut one, mut other, alice) = started.await;
    other.stop().await;
    other.config.nats_credentials = Some(nats.path("nkey"));
    other.run().await.unwrap();
    let carol = one.hire(&alice, "carol").await;
    a_word_gets_through(&one, &other, &carol).await;
    a_word_gets_through(&other, &one, &carol).await;
}

// One thread, so that its name marks what these servers log. The log is the whole program's: with a
// log of this thread alone, the level that another thread asked for first would hold for it too.
#[tokio::test]
async fn a_wrong_credential_is_said_and_the_server_serves() {
    let nats = Nats::start(false).await;
    fs::write(
        nats.path("wrong"),
        "user = \"valise\"\npassword = \"hunter2\"\n",
    )
    .unwrap();
    let log = nats.path("log");
    let logs = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::WARN)
        .with_thread_names(true)
        .with_writer(fs::File::create(&log).map(Arc::new).unwrap())
        .finish();
    tracing::subscriber::set_global_default(logs).unwrap();
    let this = thread::current().name().unwrap().to_owned();
    let started = TestServer::start_twice(|config| {
        config.nats = Some(format!("nats://127.0.0.1:{}", nats.port));
        config.nats_credentials = Some(nats.path("wrong"));
    });
    let (mut one, other, alice) = started.await;
    let mut ticks = interval(Duration::from_millis(100));
    let said = async {
        loop {
            let text = fs::read_to_string(&log).unwrap();
            let refused = "NATS refuses this server: check nats_credentials in valised.toml";
            let mut lines = text.lines();
            if lines.any(|line| line.contains(&this) && line.contains(refused)) {
                return text;
            }
            ticks.tick().await;
        }
    };
    let said = timeout(SOON, said).await.unwrap();
    assert!(!said.contains("hunter2"), "{said}");
    let bob = one.hire(&alice, "bob").await;
    assert_eq!(other.get(&bob, api::SYNC).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_not_told_looks_for_itself() {
    let started = TestServer::start_twice(|config| {
        // There is no NATS, so nobody is told of anything.
        config.nats = Some("nats://127.0.0.1:1".to_owned());
        config.push_ping_ms = 300;
    });
    let (mut one, other, alice) = started.await;
    let bob = one.hire(&alice, "bob").await;
    let mut stream = streams(&other, &bob).await;
    commits(&one, &alice, &commit(0, &[&bob], &[])).await;
    let page = timeout(SOON, next(&mut stream)).await.unwrap();
    assert_eq!(page.welcomes.len(), 1);
    let entry = testing::device_revoke(&one.directory, &bob.name, bob.device.id(), &[&alice.key]);
    one.append(&alice, entry).await;
    assert_eq!(timeout(SOON, closed(&mut stream)).await, Ok(1008));
}
