//! A server on port 0 with a manual clock, people with keys in software, and a raw HTTP client.

use std::{net::SocketAddr, path::Path, sync::Arc};

use data_encoding::BASE64URL_NOPAD;
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair},
};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::ServerName;
use tempfile::TempDir;
use tls_codec::{DeserializeBytes, Serialize};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use valise_proto::{
    api::{
        self, ErrorCode, Problem,
        login::{Challenge, Finish, Session, challenge},
    },
    card::Card,
    codec::{Limited, decode, encode},
    id::{Name, OrgTag, SessionId},
    log::{GenesisFile, entry::Policy, replay::Directory},
    request::{
        CONTENT_DIGEST, Parameters, SESSION, SIGNATURE, SIGNATURE_INPUT, SignedRequest,
        content_digest, digest, session, signature,
    },
    statement::sha256,
    testing::{self, SoftDevice, SoftStatementKey, random},
};

use crate::{
    ServeError, Server,
    clock::{Clock, ManualClock},
    config::Config,
    init::init_on,
    tests::{cluster, storage},
    tls::Identity,
};

pub(crate) const URL: &str = "https://localhost:8443";
pub(crate) const START_MS: u64 = testing::TIME_MS;
const TAG: OrgTag = OrgTag([5; 16]);

/// A person with a key in software and one device.
pub(crate) struct Person {
    pub(crate) name: Name,
    pub(crate) key: SoftStatementKey,
    pub(crate) login: EcdsaKeyPair,
    pub(crate) device: SoftDevice,
    pub(crate) session: Option<SessionId>,
}

impl Person {
    pub(crate) fn new(name: &str) -> Self {
        let mut key = SoftStatementKey::generate(TAG);
        let login = p256();
        key.record.login.public_key = login.public_key().as_ref().try_into().unwrap();
        Self {
            name: name.parse().unwrap(),
            key,
            login,
            device: SoftDevice::generate(),
            session: None,
        }
    }
}

pub(crate) fn p256() -> EcdsaKeyPair {
    let random = SystemRandom::new();
    let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
    let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
    EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).unwrap()
}

/// A login on its way: tests spoil what they want.
pub(crate) struct Assertion {
    pub(crate) finish: Finish,
    pub(crate) client_data: String,
    pub(crate) data: Vec<u8>,
}

impl Assertion {
    pub(crate) fn of(person: &Person, nonce: [u8; 32], counter: u32) -> Self {
        let hash = challenge(nonce, person.device.id(), &person.name);
        let challenge = BASE64URL_NOPAD.encode(&hash);
        let client_data = format!(
            r#"{{"type":"webauthn.get","challenge":"{challenge}","origin":"{URL}","crossOrigin":false}}"#
        );
        let mut data = sha256(&[b"localhost"]).to_vec();
        data.push(0b101);
        data.extend(counter.to_be_bytes());
        Self {
            finish: Finish {
                nonce,
                account: person.name.clone(),
                credential_id: person.key.record.login.id.clone(),
                authenticator_data: Vec::new().try_into().unwrap(),
                client_data: Vec::new().try_into().unwrap(),
                signature: Vec::new().try_into().unwrap(),
            },
            client_data,
            data,
        }
    }

    pub(crate) fn sign(mut self, key: &EcdsaKeyPair) -> Finish {
        let hash = sha256(&[self.client_data.as_bytes()]);
        let signed = [&self.data[..], &hash].concat();
        let signature = key.sign(&SystemRandom::new(), &signed).unwrap();
        self.finish.signature = signature.as_ref().to_vec().try_into().unwrap();
        self.finish.authenticator_data = self.data.try_into().unwrap();
        self.finish.client_data = self.client_data.into_bytes().try_into().unwrap();
        self.finish
    }
}

/// One request: tests spoil what they want before it is sent.
#[derive(Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn unsigned(method: &str, target: &str, body: Vec<u8>) -> Self {
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            headers: Vec::new(),
            body,
        }
    }

    pub(crate) fn sign(mut self, device: &SoftDevice, id: Option<SessionId>, now_ms: u64) -> Self {
        let (path, query) = self.target.split_once('?').unwrap_or((&self.target, ""));
        let parameters = Parameters {
            created: now_ms / 1000,
            nonce: random(),
            device: device.id(),
        };
        let signed = SignedRequest {
            method: &self.method,
            authority: "localhost:8443",
            path,
            query,
            body: digest(&self.body),
            session: id,
            parameters,
        };
        self.headers = [
            (CONTENT_DIGEST, content_digest(signed.body)),
            (SESSION, session(id)),
            (SIGNATURE_INPUT, parameters.to_header()),
            (SIGNATURE, signature(&device.sign(&signed.signature_base()))),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec();
        self
    }

    fn head(&self) -> String {
        let mut head = format!(
            "{} {} HTTP/1.1\r\nhost: localhost:8443\r\ncontent-length: {}\r\n",
            self.method,
            self.target,
            self.body.len()
        );
        for (name, value) in &self.headers {
            head.extend([name, ": ", value, "\r\n"]);
        }
        head + "\r\n"
    }
}

/// What came back.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn read<T: DeserializeBytes + Serialize + Limited>(&self) -> T {
        assert_eq!(self.status, 200, "{:?}", self.problem());
        decode(&self.body).unwrap()
    }

    pub(crate) fn done(&self) {
        assert_eq!(self.status, 204, "{:?}", self.problem());
    }

    pub(crate) fn problem(&self) -> Option<(ErrorCode, String)> {
        let problem: Problem = decode(&self.body).ok()?;
        assert_eq!(problem.code.status(), self.status);
        Some((problem.code, problem.detail.into_string()))
    }

    #[track_caller]
    pub(crate) fn refused(&self, code: ErrorCode) {
        assert_eq!(self.problem().map(|(code, _)| code), Some(code), "{self:?}");
    }
}

/// One connection, kept alive.
pub(crate) struct Connection(TlsStream<TcpStream>);

impl Connection {
    pub(crate) async fn send(&mut self, request: &Request) -> Answer {
        let bytes = [request.head().as_bytes(), &request.body].concat();
        self.0.write_all(&bytes).await.unwrap();
        self.receive().await
    }

    /// Sends all but the body.
    pub(crate) async fn send_head(&mut self, request: &Request) {
        self.0.write_all(request.head().as_bytes()).await.unwrap();
        self.0.flush().await.unwrap();
    }

    pub(crate) async fn receive(&mut self) -> Answer {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.0.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap().to_lowercase();
        let status = head[9..12].parse().unwrap();
        let length = head.split_once("content-length: ").map_or(0, |(_, rest)| {
            rest.split('\r').next().unwrap().parse().unwrap()
        });
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).await.unwrap();
        Answer { status, body }
    }
}

/// A running server, and what the organisation knows of itself.
pub(crate) struct TestServer {
    /// The data folder: deleted with this.
    _data: TempDir,
    pub(crate) config: Config,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) card: Card,
    pub(crate) directory: Directory,
    pub(crate) address: SocketAddr,
    /// What the running server shows of itself.
    pub(crate) identity: Option<Arc<Identity>>,
    stop: Option<oneshot::Sender<()>>,
    running: Option<JoinHandle<Result<(), ServeError>>>,
}

pub(crate) fn genesis_file(founder: &Person, policy: Policy) -> (Vec<u8>, Directory) {
    let genesis = testing::genesis(TAG, URL, &[&founder.key], policy);
    let mut directory = Directory::found(&genesis).unwrap();
    let named = testing::account_add(&directory, &founder.name, &founder.key, &[&founder.key]);
    directory.apply(&named).unwrap();
    let file = GenesisFile {
        entries: [genesis, named]
            .map(|entry| entry.try_into().unwrap())
            .to_vec(),
    };
    (encode(&file), directory)
}

/// Attached files are kept in S3.
pub(crate) fn keep_in(config: &mut Config, settings: &[(&'static str, String); 3]) {
    let [(_, place), (_, endpoint), (_, credentials)] = settings;
    config.attachments = Some(place.into());
    config.s3_endpoint = Some(endpoint.clone());
    config.s3_credentials = Some(credentials.into());
}

impl TestServer {
    /// A new organisation whose founder, alice, is logged in on a certified device.
    pub(crate) async fn start() -> (Self, Person) {
        Self::start_with(Policy::default(), |_| {}).await
    }

    pub(crate) async fn start_with(
        policy: Policy,
        change: impl FnOnce(&mut Config),
    ) -> (Self, Person) {
        Self::start_on(cluster::database(), policy, change).await
    }

    /// Two servers on one PostgreSQL.
    pub(crate) async fn start_twice(change: impl FnOnce(&mut Config)) -> (Self, Self, Person) {
        let database = Some(cluster::fresh());
        let (one, alice) = Self::start_on(database, Policy::default(), change).await;
        let mut other = Self {
            _data: tempfile::tempdir().unwrap(),
            config: one.config.clone(),
            clock: Arc::clone(&one.clock),
            card: one.card.clone(),
            directory: one.directory.clone(),
            address: one.address,
            identity: None,
            stop: None,
            running: None,
        };
        other.run().await.unwrap();
        (one, other, alice)
    }

    async fn start_on(
        database: Option<String>,
        policy: Policy,
        change: impl FnOnce(&mut Config),
    ) -> (Self, Person) {
        let mut alice = Person::new("alice");
        let data = tempfile::tempdir().unwrap();
        let (genesis, directory) = genesis_file(&alice, policy);
        let listen = "127.0.0.1:0".parse().unwrap();
        let card = init_on(data.path(), &genesis, listen, database.as_deref());
        let card = card.await.unwrap();
        let mut config = Config::load(data.path()).unwrap();
        if let Some(storage) = storage::chosen() {
            keep_in(&mut config, &storage.settings());
        }
        change(&mut config);
        let mut server = Self {
            _data: data,
            config,
            clock: Arc::new(ManualClock::new(START_MS)),
            card,
            directory,
            address: listen,
            identity: None,
            stop: None,
            running: None,
        };
        server.run().await.unwrap();
        server.log_in(&mut alice).await;
        server.certify(&alice).await;
        (server, alice)
    }

    pub(crate) async fn run(&mut self) -> Result<(), ServeError> {
        let listener = TcpListener::bind(self.config.listen).await.unwrap();
        self.address = listener.local_addr().unwrap();
        let clock = Arc::clone(&self.clock);
        let server = Server::open(self.config.clone(), clock).await?;
        self.identity = Some(server.identity());
        let (stop, stopped) = oneshot::channel::<()>();
        self.running = Some(tokio::spawn(server.run(listener, async {
            let _dropped = stopped.await;
        })));
        self.stop = Some(stop);
        self.clock.advance(1_000);
        Ok(())
    }

    /// Stops it gracefully.
    pub(crate) async fn stop(&mut self) {
        drop(self.stop.take());
        self.running.take().unwrap().await.unwrap().unwrap();
    }

    /// Stops it, and opens it without a listener: its rooms are called past the door.
    pub(crate) async fn reopen(&mut self) -> Server {
        self.stop().await;
        let clock: Arc<dyn Clock> = self.clock.clone();
        let server = Server::open(self.config.clone(), clock).await.unwrap();
        self.clock.advance(1_000);
        server
    }

    pub(crate) async fn tls(&self) -> TlsStream<TcpStream> {
        self.tls_of(&[]).await
    }

    /// A connection of one of these protocols (RFC 7301).
    pub(crate) async fn tls_of(&self, protocols: &[&[u8]]) -> TlsStream<TcpStream> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let mut tls = trusting(&self.config.tls_certificate_path());
        tls.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        let connector = TlsConnector::from(Arc::new(tls));
        let name = ServerName::try_from("localhost").unwrap();
        connector.connect(name, stream).await.unwrap()
    }

    pub(crate) async fn connect(&self) -> Connection {
        Connection(self.tls().await)
    }

    pub(crate) async fn send(&self, request: &Request) -> Answer {
        self.connect().await.send(request).await
    }

    /// As anybody.
    pub(crate) async fn anybody(&self, method: &str, target: &str) -> Answer {
        let request = Request::unsigned(method, target, Vec::new());
        self.send(&request).await
    }

    /// As a device without session.
    pub(crate) async fn as_device<T: Serialize>(
        &self,
        person: &Person,
        method: &str,
        target: &str,
        body: Option<&T>,
    ) -> Answer {
        let body = body.map(|body| encode(body)).unwrap_or_default();
        let request = Request::unsigned(method, target, body);
        let now_ms = self.clock.now_ms();
        self.send(&request.sign(&person.device, None, now_ms)).await
    }

    pub(crate) fn signed(
        &self,
        person: &Person,
        method: &str,
        target: &str,
        body: Vec<u8>,
    ) -> Request {
        let request = Request::unsigned(method, target, body);
        request.sign(&person.device, person.session, self.clock.now_ms())
    }

    /// As a session.
    pub(crate) async fn post<T: Serialize>(
        &self,
        person: &Person,
        target: &str,
        body: &T,
    ) -> Answer {
        self.send(&self.signed(person, "POST", target, encode(body)))
            .await
    }

    pub(crate) async fn get(&self, person: &Person, target: &str) -> Answer {
        self.send(&self.signed(person, "GET", target, Vec::new()))
            .await
    }

    pub(crate) async fn nonce(&self) -> [u8; 32] {
        let challenge: Challenge = self.anybody("POST", api::LOGIN).await.read();
        challenge.nonce
    }

    pub(crate) async fn log_in(&self, person: &mut Person) {
        let nonce = self.nonce().await;
        // Counters rise with time, so that each login's is higher than the last one's.
        let passed_ms = self.clock.monotonic_ms() - START_MS;
        let counter = u32::try_from(passed_ms / 1000).unwrap();
        self.clock.advance(1_000);
        let finish = Assertion::of(person, nonce, counter).sign(&person.login);
        let answer = self
            .as_device(person, "POST", api::SESSION, Some(&finish))
            .await;
        person.session = Some(answer.read::<Session>().id);
    }

    /// Appends an entry as `person`, and follows it in our own directory.
    pub(crate) async fn append(&mut self, person: &Person, entry: Vec<u8>) {
        let request = self.signed(person, "POST", api::LOG, entry.clone());
        let answer = self.send(&request).await;
        assert_eq!(answer.status, 200, "{:?}", answer.problem());
        self.directory.apply(&entry).unwrap();
    }

    pub(crate) async fn certify(&mut self, person: &Person) {
        let entry = testing::device_add(&self.directory, &person.name, &person.device, &person.key);
        self.append(person, entry).await;
    }

    /// Enrols somebody by `admin`, logged in and certified.
    pub(crate) async fn hire(&mut self, admin: &Person, name: &str) -> Person {
        let mut person = Person::new(name);
        let entry = testing::account_add(&self.directory, &person.name, &person.key, &[&admin.key]);
        self.append(admin, entry).await;
        self.log_in(&mut person).await;
        self.certify(&person).await;
        person
    }
}

/// A statement of SQLite as the database of this test spells it.
pub(crate) fn spelled(statement: &str) -> sqlx::AssertSqlSafe<String> {
    let mut statement = statement.to_owned();
    if cluster::chosen() {
        for (sqlite, postgres) in [
            (" blob", " bytea"),
            ("x'00'", "decode('00', 'hex')"),
            ("zeroblob(16)", "decode(repeat('00', 16), 'hex')"),
            ("zeroblob(32)", "decode(repeat('00', 32), 'hex')"),
        ] {
            statement = statement.replace(sqlite, postgres);
        }
    }
    sqlx::AssertSqlSafe(statement)
}

fn trusting(certificate: &Path) -> ClientConfig {
    use rustls_pki_types::{CertificateDer, pem::PemObject};
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(certificate).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}
