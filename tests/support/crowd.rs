//! Connections of people who mean no good, each from an address of this machine's own that they choose.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    net::{TcpSocket, TcpStream},
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use valise_client::provider::DeviceSigner;
use valise_proto::{
    id::{DeviceId, SessionId},
    request::{
        CONTENT_DIGEST, Parameters, SESSION, SIGNATURE, SIGNATURE_INPUT, SignedRequest,
        content_digest, digest, session, signature,
    },
    testing::random,
};

use super::{Office, Person};

/// How long anything may take before the test says that the server does nothing about it.
const PATIENCE: Duration = Duration::from_mins(2);

/// The way to an office's server.
#[derive(Clone)]
pub struct Crowd {
    port: u16,
    tls: Arc<ClientConfig>,
}

impl Crowd {
    /// People outside of `office`.
    pub fn outside(office: &Office) -> Self {
        Self::before(&office.data(), office.port())
    }

    /// People outside of the server whose data is here, at its port.
    pub fn before(data: &Path, port: u16) -> Self {
        let certificate = data.join("tls.crt");
        let certificate = CertificateDer::from_pem_file(certificate).expect("a certificate");
        let mut roots = RootCertStore::empty();
        roots.add(certificate).expect("a certificate");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("TLS")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self {
            port,
            tls: Arc::new(tls),
        }
    }

    /// A connection from 127.0.0.`from`, and nothing said on it.
    pub async fn tcp(&self, from: u8) -> TcpStream {
        let socket = TcpSocket::new_v4().expect("a socket");
        let from = SocketAddr::from(([127, 0, 0, from], 0));
        socket.bind(from).expect("an address");
        let server = SocketAddr::from(([127, 0, 0, 1], self.port));
        socket.connect(server).await.expect("the server")
    }

    /// The same under TLS, for this protocol (RFC 7301). `None`: the server hung up.
    pub async fn tls(&self, from: u8, protocol: &[u8]) -> Option<TlsStream<TcpStream>> {
        let mut tls = (*self.tls).clone();
        tls.alpn_protocols = vec![protocol.to_vec()];
        let name = ServerName::try_from("localhost").expect("a name");
        let connector = TlsConnector::from(Arc::new(tls));
        connector.connect(name, self.tcp(from).await).await.ok()
    }
}

/// What comes until the server closes, a MiB of it at most.
pub async fn closed(mut stream: impl AsyncRead + Unpin) -> Vec<u8> {
    let (mut all, mut part) = (Vec::new(), vec![0; 16 * 1024]);
    let reading = async {
        // However it ends.
        while let Ok(length) = stream.read(&mut part).await
            && length > 0
        {
            if all.len() < 1 << 20 {
                all.extend_from_slice(&part[..length]);
            }
        }
    };
    timeout(PATIENCE, reading).await.expect("the server closes");
    all
}

/// What signs requests in somebody's name.
#[derive(Clone)]
pub struct Hand {
    seed: Vec<u8>,
    session: SessionId,
    authority: String,
}

impl Hand {
    /// The hand of `person`, who has looked at the server before.
    pub fn of(person: &mut Person, office: &Office) -> Self {
        let (seed, session) = person.signs_as();
        Self {
            seed,
            session,
            authority: office.card.url.authority().to_owned(),
        }
    }

    /// The head of a request over `body`, signed now: up to where more headers may follow.
    pub fn head(&self, method: &str, target: &str, body: &[u8], now_ms: u64) -> String {
        let signer = DeviceSigner::from_seed(&self.seed).expect("a seed");
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let request = SignedRequest {
            method,
            authority: &self.authority,
            path,
            query,
            body: digest(body),
            session: Some(self.session),
            parameters: Parameters {
                created: now_ms / 1000,
                nonce: random(),
                device: DeviceId::try_from(signer.public_key()).expect("a device"),
            },
        };
        let bytes = signer.sign_bytes(&request.signature_base());
        let mut head = format!("{method} {target} HTTP/1.1\r\nhost: {}\r\n", self.authority);
        for (name, value) in [
            (CONTENT_DIGEST, content_digest(request.body)),
            (SESSION, session(request.session)),
            (SIGNATURE_INPUT, request.parameters.to_header()),
            (SIGNATURE, signature(&bytes)),
        ] {
            head.extend([name, ": ", &value, "\r\n"]);
        }
        head
    }
}
