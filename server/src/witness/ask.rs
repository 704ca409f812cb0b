//! One question to one witness: plain HTTP, a bounded answer, verified before it is believed.

use std::io;

use http_body_util::{BodyExt as _, Limited};
use hyper::{Method, Request, StatusCode, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use url::Url;
use valise_proto::{
    key::Ed25519Key,
    log::{
        checkpoint::{Cosignature, cosignature},
        witness::{ADD_CHECKPOINT, AddCheckpoint, parse_size},
    },
};

use crate::directory::Snapshot;

/// Largest answer in bytes: some signature lines.
const ANSWER_MAX: usize = 2048;
/// A witness says once where it is, and is asked from there.
const TRIES: usize = 2;

/// Why a witness' word could not be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum AskError {
    /// It cannot be reached.
    #[error("it cannot be reached")]
    Unreachable(#[source] io::Error),
    /// It does not speak HTTP, or went away.
    #[error("it does not answer as it should")]
    Http(#[from] hyper::Error),
    /// It says more than a witness says.
    #[error("it answers too much, or breaks off")]
    PeerLong,
    /// It does not answer in time.
    #[error("it does not answer in time")]
    PeerSlow,
    /// It refuses.
    #[error("it refuses with status {0}")]
    PeerRefuses(StatusCode),
    /// What it says is not its signature of this head.
    #[error("it answers with something that is not its signature of this head")]
    PeerUnsigned,
    /// It has signed a log that is longer than this one: this server was set back, or it has a twin.
    #[error(
        "it has signed {size} entries, and the log has fewer: was this server restored from a copy?"
    )]
    Ahead {
        /// Entries that it has signed.
        size: u64,
    },
}

/// Where a witness is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Address {
    host: String,
    port: u16,
    /// Without a slash at its end.
    prefix: String,
}

impl Address {
    /// Reads `http://HOST:PORT`, with a path or without. What passes is signed on both sides, and
    /// public.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let url: Url = text.parse().ok()?;
        let plain = url.scheme() == "http"
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        plain.then_some(())?;
        let host = match url.host()? {
            url::Host::Ipv6(address) => address.to_string(),
            host => host.to_string(),
        };
        Some(Self {
            host,
            port: url.port_or_known_default()?,
            prefix: url.path().trim_end_matches('/').to_owned(),
        })
    }
}

/// Has the witness `name` sign the head of `now`. `old` is the size that it signed last, as far as
/// this server knows.
pub(super) async fn ask(
    address: &Address,
    name: &str,
    key: Ed25519Key,
    now: &Snapshot,
    old: &mut u64,
) -> Result<Cosignature, AskError> {
    let head = now.directory.head();
    let mut refused = StatusCode::CONFLICT;
    for _ in 0..TRIES {
        let proof = now.directory.tree().consistency(*old, head.size);
        let request = AddCheckpoint {
            old: *old,
            proof: proof.ok_or(AskError::Ahead { size: *old })?,
            checkpoint: now.checkpoint.clone(),
        };
        let (status, answer) = post(address, request.to_text()).await?;
        match status {
            StatusCode::OK => {
                let note = format!("{}{answer}", now.checkpoint);
                let word = cosignature(&note, name, key).ok().flatten();
                let word = word.ok_or(AskError::PeerUnsigned)?;
                *old = head.size;
                return Ok(word);
            }
            StatusCode::CONFLICT => match parse_size(&answer) {
                Ok(size) if size > head.size => return Err(AskError::Ahead { size }),
                Ok(size) => *old = size,
                Err(_) => return Err(AskError::PeerRefuses(status)),
            },
            _ => return Err(AskError::PeerRefuses(status)),
        }
        refused = status;
    }
    Err(AskError::PeerRefuses(refused))
}

/// Posts a body, and reads the answer.
async fn post(address: &Address, body: String) -> Result<(StatusCode, String), AskError> {
    let Address { host, port, prefix } = address;
    let stream = TcpStream::connect((host.as_str(), *port)).await;
    let stream = TokioIo::new(stream.map_err(AskError::Unreachable)?);
    let (mut send, connection) = http1::handshake(stream).await?;
    let authority = if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    };
    let request = Request::builder()
        .method(Method::POST)
        .uri(format!("{prefix}{ADD_CHECKPOINT}"))
        .header(header::HOST, authority)
        .body(body)
        .map_err(|_| AskError::PeerLong)?;
    let exchange = async {
        let response = send.send_request(request).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_MAX).collect();
        let body = body.await.map_err(|_| AskError::PeerLong)?.to_bytes();
        let text = String::from_utf8(body.to_vec()).map_err(|_| AskError::PeerUnsigned)?;
        Ok((status, text))
    };
    tokio::pin!(exchange, connection);
    tokio::select! {
        answer = &mut exchange => answer,
        ended = &mut connection => {
            ended?;
            exchange.await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_plain_http() {
        let address = Address::parse("http://10.0.0.2:7345").unwrap();
        assert_eq!((address.host.as_str(), address.port), ("10.0.0.2", 7345));
        assert_eq!(address.prefix, "");
        let address = Address::parse("http://witness.example/a/").unwrap();
        assert_eq!((address.port, address.prefix.as_str()), (80, "/a"));
        assert_eq!(Address::parse("http://[::1]:1").unwrap().host, "::1");
        for wrong in [
            "https://witness.example",
            "witness.example:7345",
            "http://u:p@witness.example",
            "http://witness.example/?a",
            "http://witness.example/#a",
            "file:///etc",
            "",
        ] {
            assert_eq!(Address::parse(wrong), None, "{wrong}");
        }
    }
}
