//! Connections on which nothing happens.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::client::TlsStream;
use valise_proto::log::entry::Policy;

use super::support::TestServer;

/// The client's preface and its empty SETTINGS frame (RFC 9113 §3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
/// HEADERS of stream 1, its end: `GET /v1/genesis` (RFC 7541 §6).
const GET: &[u8] = b"\0\0\x1f\x01\x05\0\0\0\x01\x82\x87\x04\x0b/v1/genesis\x01\x0elocalhost:8443";

/// Everything until the server closes.
async fn closed(mut stream: TlsStream<TcpStream>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let closed = timeout(Duration::from_secs(20), stream.read_to_end(&mut bytes)).await;
    // However it ends.
    let _end = closed.expect("closed");
    bytes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_connection_is_closed() {
    let (server, _) = TestServer::start_with(Policy::default(), |config| {
        config.header_timeout_ms = 300;
    })
    .await;
    assert_eq!(closed(server.tls().await).await, b"");
    assert_eq!(closed(server.tls_of(&[b"http/1.1"]).await).await, b"");
    // It begins as either version would, and says no more.
    for begun in [&b""[..], b"P", PREFACE] {
        let mut stream = server.tls_of(&[b"h2"]).await;
        stream.write_all(begun).await.unwrap();
        stream.flush().await.unwrap();
        closed(stream).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_connection_is_closed_after_its_answer() {
    let (server, _) = TestServer::start_with(Policy::default(), |config| {
        config.idle_timeout_ms = 300;
    })
    .await;
    let mut stream = server.tls_of(&[b"h2"]).await;
    stream.write_all(&[PREFACE, GET].concat()).await.unwrap();
    stream.flush().await.unwrap();
    let answer = closed(stream).await;
    // The tag in the genesis entry.
    assert!(answer.windows(16).any(|bytes| bytes == [5; 16]));
}
