//! Push: a page at once, one at a time, and an end for the revoked.

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Error, Message, client::IntoClientRequest, http::HeaderName},
};
use valise_proto::{
    api::{
        self,
        delivery::{Ack, Cursor, Page},
    },
    codec::{decode, encode},
    testing,
};

use super::{
    delivery::{GROUP, commit, commits, letter, sends},
    support::{Request, TestServer},
};

type Socket = WebSocketStream<TlsStream<TcpStream>>;

async fn open(server: &TestServer, signed: &Request) -> Result<Socket, Error> {
    let mut request = format!("wss://localhost:8443{}", signed.target)
        .into_client_request()
        .unwrap();
    for (name, value) in &signed.headers {
        let name: HeaderName = name.parse().unwrap();
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    Ok(client_async(request, server.tls().await).await?.0)
}

async fn next(socket: &mut Socket) -> Page {
    loop {
        match socket.next().await.unwrap().unwrap() {
            Message::Binary(bytes) => return decode(&bytes).unwrap(),
            Message::Ping(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

async fn closed(socket: &mut Socket) -> u16 {
    loop {
        match socket.next().await.unwrap().unwrap() {
            Message::Close(Some(frame)) => return frame.code.into(),
            Message::Binary(_) | Message::Ping(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_come_at_once_and_one_at_a_time() {
    let (mut server, alice) = TestServer::start().await;
    let bob = server.hire(&alice, "bob").await;
    commits(&server, &alice, &commit(0, &[&bob], &[])).await;
    let request = server.signed(&bob, "GET", api::PUSH, Vec::new());
    let mut socket = open(&server, &request).await.unwrap();
    let first = next(&mut socket).await;
    assert_eq!((first.welcomes.len(), first.messages.len()), (1, 0));
    // Both arrive in one page: nothing is sent before the acknowledgement.
    sends(&server, &alice, &letter(1, "one")).await;
    sends(&server, &alice, &letter(1, "two")).await;
    let ack = Ack {
        welcomes: 1,
        groups: Vec::new(),
    };
    socket
        .send(Message::Binary(encode(&ack).into()))
        .await
        .unwrap();
    let second = next(&mut socket).await;
    assert_eq!((second.welcomes.len(), second.messages.len()), (0, 2));
    let ack = Ack {
        welcomes: 1,
        groups: vec![Cursor {
            group: GROUP,
            sequence: 3,
        }],
    };
    socket
        .send(Message::Binary(encode(&ack).into()))
        .await
        .unwrap();
    sends(&server, &alice, &letter(1, "three")).await;
    assert_eq!(next(&mut socket).await.messages.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l13_an_upgrade_is_signed_and_good_once() {
    let (server, alice) = TestServer::start().await;
    let unsigned = Request::unsigned("GET", api::PUSH, Vec::new());
    let signed = server.signed(&alice, "GET", api::PUSH, Vec::new());
    let mut socket = open(&server, &signed).await.unwrap();
    next(&mut socket).await;
    for request in [unsigned, signed] {
        match open(&server, &request).await {
            Err(Error::Http(answer)) => assert_eq!(answer.status(), 401),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l14_a_revoked_device_loses_its_stream_at_once() {
    let (mut server, alice) = TestServer::start().await;
    let bob = server.hire(&alice, "bob").await;
    let request = server.signed(&bob, "GET", api::PUSH, Vec::new());
    let mut bobs = open(&server, &request).await.unwrap();
    let request = server.signed(&alice, "GET", api::PUSH, Vec::new());
    let mut alices = open(&server, &request).await.unwrap();
    next(&mut bobs).await;
    next(&mut alices).await;
    let entry =
        testing::device_revoke(&server.directory, &bob.name, bob.device.id(), &[&alice.key]);
    server.append(&alice, entry).await;
    assert_eq!(closed(&mut bobs).await, 1008);
    // Everybody else hears that the log has grown.
    assert_eq!(
        next(&mut alices).await.log_size,
        server.directory.head().size
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopping_server_says_so() {
    let (mut server, alice) = TestServer::start().await;
    let request = server.signed(&alice, "GET", api::PUSH, Vec::new());
    let mut socket = open(&server, &request).await.unwrap();
    next(&mut socket).await;
    server.stop().await;
    assert_eq!(closed(&mut socket).await, 1001);
}
