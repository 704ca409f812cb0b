//! A malicious server: she holds the server's TLS key and its log key, sits where the clients look
//! for it, and reads, changes, drops and replays what passes.

mod log;

use std::{
    collections::BTreeSet,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    thread::JoinHandle,
};

use axum::{
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, Method, Response, StatusCode},
    serve::Listener,
};
use tokio::{net::TcpStream, sync::oneshot};
use tokio_rustls::{
    TlsAcceptor, TlsConnector, client::TlsStream as ToServer, server::TlsStream as FromClient,
};
use valise_proto::{
    api::{COMMITS, LOG, SYNC, delivery, directory},
    card::Card,
    codec::{Limited, Text, decode, encode},
    id::{GroupId, SubmissionId},
    key::Ed25519Key,
    log::{
        Head,
        checkpoint::{self, SignedHead},
        merkle::{Tree, leaf_hash},
    },
};
use valise_server::{config::Config, directory::LogKey};

use super::{Office, Person};

pub use log::{entries, page};

/// One request and what it was answered with.
#[derive(Clone, Debug)]
pub struct Exchange {
    pub method: Method,
    /// With the query.
    pub path: String,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    pub status: StatusCode,
    pub answer: Vec<u8>,
}

type Hook = Box<dyn FnMut(&mut Exchange) + Send>;

#[derive(Default)]
struct Hooks {
    /// Before the real server sees it. A status other than 100 is the answer, and it sees nothing.
    request: Option<Hook>,
    /// Before the client sees it.
    response: Option<Hook>,
    seen: Vec<Exchange>,
}

pub struct Proxy {
    server: SocketAddr,
    hooks: Mutex<Hooks>,
    connector: TlsConnector,
}

pub struct Mallory {
    proxy: Arc<Proxy>,
    config: Config,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Mallory {
    /// Listens on port `public` with the TLS key in `data`, and passes on to port `server`.
    pub fn start(public: u16, server: u16, data: &Path) -> Self {
        Self::start_as(public, server, data, data)
    }

    /// The same with the TLS key of another folder.
    pub fn start_as(public: u16, server: u16, data: &Path, identity: &Path) -> Self {
        let config = Config::load(data).expect("configuration");
        let tls = Config::load(identity).expect("configuration");
        let mut tls = (*valise_server::tls::server_config(&tls).expect("TLS")).clone();
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        let card_blind = Arc::new(TrustsAnybody);
        let client = rustls::ClientConfig::builder_with_provider(Arc::new(
            rustls::crypto::ring::default_provider(),
        ))
        .with_safe_default_protocol_versions()
        .expect("TLS versions")
        .dangerous()
        .with_custom_certificate_verifier(card_blind)
        .with_no_client_auth();
        let proxy = Arc::new(Proxy {
            server: SocketAddr::from(([127, 0, 0, 1], server)),
            hooks: Mutex::default(),
            connector: TlsConnector::from(Arc::new(client)),
        });
        let listener = TcpListener::bind(("127.0.0.1", public)).expect("the public port");
        listener.set_nonblocking(true).expect("the listener");
        let (stop, stopped) = oneshot::channel::<()>();
        let state = Arc::clone(&proxy);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(async {
                let listener = Tls {
                    tcp: tokio::net::TcpListener::from_std(listener).expect("the listener"),
                    acceptor: TlsAcceptor::from(Arc::new(tls)),
                };
                let router = axum::Router::new().fallback(pass).with_state(state);
                tokio::select! {
                    _ = axum::serve(listener, router) => {}
                    _ = stopped => {}
                }
            });
        });
        Self {
            proxy,
            config,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// Sees and changes every request before the server does.
    pub fn on_request(&self, hook: impl FnMut(&mut Exchange) + Send + 'static) {
        self.proxy.hooks.lock().unwrap().request = Some(Box::new(hook));
    }

    /// Sees and changes every answer before the client does.
    pub fn on_response(&self, hook: impl FnMut(&mut Exchange) + Send + 'static) {
        self.proxy.hooks.lock().unwrap().response = Some(Box::new(hook));
    }

    /// Changes every successful answer to `method` `path`, whatever the query.
    pub fn alter<T>(
        &self,
        method: &Method,
        path: &'static str,
        mut change: impl FnMut(&mut T) + Send + 'static,
    ) where
        T: tls_codec::DeserializeBytes + tls_codec::Serialize + Limited,
    {
        let method = method.clone();
        self.on_response(move |exchange| {
            if exchange.is(&method, path) && exchange.status.is_success() {
                let mut answer: T = decode(&exchange.answer).expect("an answer of this type");
                change(&mut answer);
                exchange.answer = encode(&answer);
            }
        });
    }

    /// Shows everybody the log as `reader` has read it last, by `page`, from now on.
    pub fn hold_back(&self, reader: &mut Person, page: Vec<u8>) {
        let size = reader.session().ledger().expect("a log").head().size;
        self.on_response(move |exchange| {
            if exchange.is(&Method::GET, LOG) {
                exchange.answer.clone_from(&page);
            }
            if exchange.is(&Method::GET, SYNC) && exchange.status.is_success() {
                let mut page: delivery::Page = decode(&exchange.answer).expect("a page");
                page.log_size = size;
                exchange.answer = encode(&page);
            }
        });
        self.forget();
    }

    /// Puts the first Welcome into every page, to a group at its second message.
    pub fn invite(&self, group: GroupId, welcome: &[u8]) {
        let welcome = delivery::Welcome {
            number: 1,
            group,
            sequence: 2,
            message: welcome.to_vec().try_into().expect("a Welcome"),
        };
        self.alter(&Method::GET, SYNC, move |page: &mut delivery::Page| {
            page.welcomes.push(welcome.clone());
        });
    }

    /// Adds `message` to every page of `reader`'s, as the next one of the group.
    pub fn hand(&self, reader: &mut Person, group: GroupId, id: SubmissionId, message: Vec<u8>) {
        let row = reader.session().store().read().conversation(group);
        let message = delivery::Message {
            group,
            sequence: row.unwrap().expect("a conversation").cursor + 1,
            id,
            message: message.try_into().expect("a message"),
        };
        self.alter(&Method::GET, SYNC, move |page: &mut delivery::Page| {
            page.messages.push(message.clone());
        });
    }

    /// Plays the honest server from now on.
    pub fn behave(&self) {
        let mut hooks = self.proxy.hooks.lock().unwrap();
        (hooks.request, hooks.response) = (None, None);
    }

    /// For hooks that ask what passed.
    pub fn share(&self) -> Arc<Proxy> {
        Arc::clone(&self.proxy)
    }

    /// Everything that passed to `method` `path` so far.
    pub fn seen(&self, method: &Method, path: &str) -> Vec<Exchange> {
        self.proxy.seen(method, path)
    }

    /// Everything that passed so far.
    pub fn all(&self) -> Vec<Exchange> {
        self.proxy.hooks.lock().unwrap().seen.clone()
    }

    /// Every commit that passed so far, once: a client asks what became of one by sending it again.
    pub fn commits(&self) -> Vec<delivery::Commit> {
        let mut commits = Vec::new();
        for commit in self.seen(&Method::POST, COMMITS) {
            let commit = commit.request();
            if !commits.contains(&commit) {
                commits.push(commit);
            }
        }
        commits
    }

    /// Forgets what passed.
    pub fn forget(&self) {
        self.proxy.hooks.lock().unwrap().seen.clear();
    }

    /// Sends a captured request again, byte for byte.
    pub async fn replay(&self, exchange: &Exchange) -> StatusCode {
        let mut again = exchange.clone();
        self.proxy.forward(&mut again).await;
        again.status
    }

    /// The head of a log of these entries, signed with the server's own key.
    pub fn checkpoint(&self, card: &Card, entries: &[Vec<u8>]) -> String {
        let mut tree = Tree::default();
        for entry in entries {
            tree.append(leaf_hash(entry));
        }
        self.note(card, tree.head())
    }

    /// Any head, signed as the server's newest checkpoint.
    pub fn note(&self, card: &Card, head: Head) -> String {
        checkpoint::format_signed(card.org, head, self.log_key(), |text| self.sign(text))
    }

    /// The same, with the server's word that it was its newest log at `now_ms`.
    pub fn cosigned(&self, card: &Card, entries: &[Vec<u8>], now_ms: u64) -> String {
        let note = self.checkpoint(card, entries);
        let (name, time) = (checkpoint::origin(card.org), now_ms / 1000);
        let sign = |text: &[u8]| self.sign(text);
        let line = checkpoint::format_cosignature(&note, &name, self.log_key(), time, sign);
        note + &line.expect("a note")
    }

    /// Dates every page of the log by another clock, which is told the time that the server wrote.
    pub fn on_clock(&self, card: &Card, clock: impl Fn(u64) -> u64 + Send + 'static) {
        let (name, public, pair) = (checkpoint::origin(card.org), self.log_key(), self.pair());
        self.alter(&Method::GET, LOG, move |page: &mut directory::Page| {
            let note = page.checkpoint.as_str();
            let wrote = checkpoint::cosigned_at(note, &name, public).expect("a note");
            let time = clock(wrote.expect("a date") * 1000) / 1000;
            let (text, lines) = note.split_once("\n\n").expect("a note");
            let own = lines.split_inclusive('\n').next().expect("a signature");
            let note = format!("{text}\n\n{own}");
            let sign = |text: &[u8]| pair.sign(text).as_ref().try_into().expect("64 bytes");
            let line = checkpoint::format_cosignature(&note, &name, public, time, sign);
            page.checkpoint = Text::truncated(&(note + &line.expect("a note")));
        });
    }

    /// Any head, signed with the server's own key.
    pub fn signed(&self, card: &Card, head: Head) -> SignedHead {
        let signature = self.sign(checkpoint::note_text(card.org, head).as_bytes());
        SignedHead { head, signature }
    }

    /// Signs the head of any log as [`Mallory::checkpoint`] does, wherever it is called.
    pub fn signer(&self, card: &Card) -> impl Fn(&Tree) -> String + Send + 'static {
        let (org, public, pair) = (card.org, self.log_key(), self.pair());
        move |tree| {
            checkpoint::format_signed(org, tree.head(), public, |text| {
                pair.sign(text).as_ref().try_into().expect("64 bytes")
            })
        }
    }

    fn log_key(&self) -> Ed25519Key {
        LogKey::load(&self.config).expect("the log key").public()
    }

    fn sign(&self, text: &[u8]) -> [u8; 64] {
        self.pair()
            .sign(text)
            .as_ref()
            .try_into()
            .expect("64 bytes")
    }

    fn pair(&self) -> ring::signature::Ed25519KeyPair {
        let pair = std::fs::read(self.config.log_key_path()).expect("the log key");
        ring::signature::Ed25519KeyPair::from_pkcs8(&pair).expect("the log key")
    }

    /// The server's database.
    pub fn database(&self) -> rusqlite::Connection {
        database(&self.config.data)
    }
}

impl Drop for Mallory {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take().filter(|_| !std::thread::panicking()) {
            thread.join().expect("mallory ends well");
        }
    }
}

/// The database of the server whose data folder this is.
pub fn database(data: &Path) -> rusqlite::Connection {
    let path: PathBuf = data.join("valise.db");
    rusqlite::Connection::open(path).expect("the server's database")
}

/// Every column of that database, as `table.column`.
pub fn columns(data: &Path) -> BTreeSet<String> {
    let sql = "select t.name || '.' || c.name from sqlite_schema t, pragma_table_info(t.name) c
               where t.type = 'table' and t.name not like '\\_sqlx%' escape '\\'
                 and t.name not like 'sqlite\\_%' escape '\\'";
    let database = database(data);
    let mut statement = database.prepare(sql).expect("a statement");
    let rows = statement.query_map((), |row| row.get(0)).expect("rows");
    rows.map(|row| row.expect("a column")).collect()
}

impl Exchange {
    pub fn is(&self, method: &Method, path: &str) -> bool {
        self.method == *method && self.path.split('?').next() == Some(path)
    }

    /// The body, as what the route takes.
    pub fn request<T>(&self) -> T
    where
        T: tls_codec::DeserializeBytes + tls_codec::Serialize + Limited,
    {
        decode(&self.body).expect("a request of this type")
    }
}

async fn pass(State(proxy): State<Arc<Proxy>>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, 16 << 20).await.expect("a body");
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let mut exchange = Exchange {
        method: parts.method,
        path: path.to_owned(),
        headers: parts.headers,
        body: body.to_vec(),
        status: StatusCode::CONTINUE,
        answer: Vec::new(),
    };
    let mut hook = proxy.hooks.lock().unwrap().request.take();
    if let Some(hook) = &mut hook {
        hook(&mut exchange);
    }
    proxy.put_back(|hooks| &mut hooks.request, hook);
    if exchange.status == StatusCode::CONTINUE {
        proxy.forward(&mut exchange).await;
    }
    let mut hook = proxy.hooks.lock().unwrap().response.take();
    if let Some(hook) = &mut hook {
        hook(&mut exchange);
    }
    proxy.put_back(|hooks| &mut hooks.response, hook);
    proxy.hooks.lock().unwrap().seen.push(exchange.clone());
    Response::builder()
        .status(exchange.status)
        .header("content-type", "application/octet-stream")
        .body(Body::from(Bytes::from(exchange.answer)))
        .expect("a response")
}

impl Proxy {
    pub fn seen(&self, method: &Method, path: &str) -> Vec<Exchange> {
        let hooks = self.hooks.lock().unwrap();
        let seen = hooks.seen.iter();
        seen.filter(|exchange| exchange.is(method, path))
            .cloned()
            .collect()
    }

    /// Hooks run outside the lock, so that they may ask mallory what she saw.
    fn put_back(&self, slot: impl Fn(&mut Hooks) -> &mut Option<Hook>, hook: Option<Hook>) {
        let mut hooks = self.hooks.lock().unwrap();
        let slot = slot(&mut hooks);
        if slot.is_none() {
            *slot = hook;
        }
    }

    /// Asks the real server, with every header as the client wrote it.
    async fn forward(&self, exchange: &mut Exchange) {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let mut stream = self.connect().await;
        let length = exchange.body.len();
        let mut head = vec![
            format!("{} {} HTTP/1.1", exchange.method, exchange.path),
            format!("content-length: {length}"),
            "connection: close".to_owned(),
        ];
        let own = ["connection", "content-length", "transfer-encoding"];
        for (name, value) in &exchange.headers {
            if !own.contains(&name.as_str()) {
                let value = value.to_str().expect("a header of text");
                head.push(format!("{name}: {value}"));
            }
        }
        let head = head.join("\r\n") + "\r\n\r\n";
        stream.write_all(head.as_bytes()).await.expect("writing");
        stream.write_all(&exchange.body).await.expect("writing");
        let mut answer = Vec::new();
        // The server may close without a TLS goodbye: what matters has come by then.
        stream.read_to_end(&mut answer).await.ok();
        let end = answer
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .expect("a head");
        let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
        assert!(
            !head.contains("transfer-encoding"),
            "mallory reads plain bodies: {head}"
        );
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|code| code.parse::<u16>().ok());
        exchange.status = StatusCode::from_u16(status.expect("a status")).expect("a status");
        exchange.answer = answer[end + 4..].to_vec();
    }

    async fn connect(&self) -> ToServer<TcpStream> {
        let tcp = TcpStream::connect(self.server)
            .await
            .expect("the real server");
        let name = "localhost".try_into().expect("a name");
        self.connector
            .connect(name, tcp)
            .await
            .expect("TLS to the real server")
    }
}

struct Tls {
    tcp: tokio::net::TcpListener,
    acceptor: TlsAcceptor,
}

impl Listener for Tls {
    type Io = FromClient<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (tcp, address) = self.tcp.accept().await.expect("a connection");
            // A client that does not like the certificate is gone here.
            if let Ok(tls) = self.acceptor.accept(tcp).await {
                return (tls, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.tcp.local_addr()
    }
}

/// Mallory knows her own server.
#[derive(Debug)]
struct TrustsAnybody;

mod blind {
    use rustls::{
        DigitallySignedStruct, Error, SignatureScheme,
        client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    };
    use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

    impl ServerCertVerifier for super::TrustsAnybody {
        fn verify_server_cert(
            &self,
            _end_entity: &CertificateDer<'_>,
            _intermediates: &[CertificateDer<'_>],
            _server_name: &ServerName<'_>,
            _ocsp_response: &[u8],
            _now: UnixTime,
        ) -> Result<ServerCertVerified, Error> {
            Ok(ServerCertVerified::assertion())
        }

        fn verify_tls12_signature(
            &self,
            _message: &[u8],
            _cert: &CertificateDer<'_>,
            _signature: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn verify_tls13_signature(
            &self,
            _message: &[u8],
            _cert: &CertificateDer<'_>,
            _signature: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            rustls::crypto::ring::default_provider()
                .signature_verification_algorithms
                .supported_schemes()
        }
    }
}
