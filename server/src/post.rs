//! One request to somebody whom the operator named, by plain HTTP: a witness, a collector of traces. What passes
//! is public or stays on this machine. The answer is bounded.

use std::io;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{Method, Request, StatusCode, body::Bytes, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use url::Url;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PostError {
    /// It cannot be reached.
    #[error("it cannot be reached")]
    Unreachable(#[source] io::Error),
    /// It does not speak HTTP, or went away.
    #[error("it does not answer as it should")]
    Http(#[from] hyper::Error),
    /// It says too much.
    #[error("it answers too much, or breaks off")]
    PeerLong,
    /// The path or the type is none.
    #[error("what should be asked is no request")]
    MisuseRequest(#[from] hyper::http::Error),
}

/// Where somebody is whom the operator named.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Address {
    host: String,
    port: u16,
    /// Without a slash at its end.
    prefix: String,
}

impl Address {
    /// Reads `http://HOST:PORT`, with a path or without.
    pub(crate) fn parse(text: &str) -> Option<Self> {
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

/// Posts `body` to `path` there, and reads an answer of `answer_max` bytes at most.
pub(crate) async fn post(
    address: &Address,
    path: &str,
    kind: &str,
    body: Bytes,
    answer_max: usize,
) -> Result<(StatusCode, Vec<u8>), PostError> {
    let Address { host, port, prefix } = address;
    let stream = TcpStream::connect((host.as_str(), *port)).await;
    let stream = TokioIo::new(stream.map_err(PostError::Unreachable)?);
    let (mut send, connection) = http1::handshake(stream).await?;
    let authority = if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    };
    let request = Request::builder()
        .method(Method::POST)
        .uri(format!("{prefix}{path}"))
        .header(header::HOST, authority)
        .header(header::CONTENT_TYPE, kind)
        .body(Full::new(body))?;
    let exchange = async {
        let response = send.send_request(request).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), answer_max).collect();
        let body = body.await.map_err(|_| PostError::PeerLong)?.to_bytes();
        Ok((status, body.to_vec()))
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
