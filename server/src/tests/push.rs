//! Push: a page at once, one at a time, and an end for the revoked.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Error, Message, client::IntoClientRequest, http::HeaderName},
};
use tower::ServiceExt as _;
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
    directory::edit,
    support::{Request, TestServer},
};
use crate::http::router;

pub(super) type Socket = WebSocketStream<TlsStream<TcpStream>>;

pub(super) async fn open(server: &TestServer, signed: &Request) -> Result<Socket, Error> {
    let mut request = format!("wss://localhost:8443{}", signed.target)
        .into_client_request()
        .unwrap();
    for (name, value) in &signed.headers {
        let name: HeaderName = name.parse().unwrap();
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    Ok(client_async(request, server.tls().await).await?.0)
}

pub(super) async fn next(socket: &mut Socket) -> Page {
    loop {
        match socket.next().await.unwrap().unwrap() {
            Message::Binary(bytes) => return decode(&bytes).unwrap(),
            Message::Ping(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

pub(super) async fn closed(socket: &mut Socket) -> u16 {
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_stream_replaces_the_devices_old_one() {
    let (mut server, alice) = TestServer::start().await;
    let bob = server.hire(&alice, "bob").await;
    let stream = async |person| {
        let request = server.signed(person, "GET", api::PUSH, Vec::new());
        let mut socket = open(&server, &request).await.unwrap();
        next(&mut socket).await;
        socket
    };
    let mut bobs = stream(&bob).await;
    let mut old = stream(&alice).await;
    let mut new = stream(&alice).await;
    assert_eq!(closed(&mut old).await, 1012);
    commits(&server, &alice, &commit(0, &[&bob], &[])).await;
    assert_eq!(next(&mut new).await.messages.len(), 1);
    assert_eq!(next(&mut bobs).await.welcomes.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ping_reads_no_page() {
    let (server, alice) = TestServer::start().await;
    commits(&server, &alice, &commit(0, &[], &[])).await;
    sends(&server, &alice, &letter(1, "one")).await;
    let request = server.signed(&alice, "GET", api::PUSH, Vec::new());
    let mut socket = open(&server, &request).await.unwrap();
    assert_eq!(next(&mut socket).await.messages.len(), 2);
    let ack = Ack {
        welcomes: 0,
        groups: vec![Cursor {
            group: GROUP,
            sequence: 2,
        }],
    };
    let ack = Message::Binary(encode(&ack).into());
    socket.send(ack).await.unwrap();
    let mut ping = async |data: u8| {
        socket.send(Message::Ping(vec![data].into())).await.unwrap();
        match socket.next().await.unwrap().unwrap() {
            Message::Pong(bytes) => assert_eq!(bytes[..], [data]),
            other => panic!("{other:?}"),
        }
    };
    ping(1).await;
    // A row that nobody rings for: whoever looks finds it.
    edit(&server, "update member set acked_sequence = 0").await;
    edit(
        &server,
        "insert into message (group_id, sequence, submission_id, sender_id, size_bytes, stored_at_ms, body) \
         select group_id, 2, zeroblob(16), zeroblob(32), 1, 0, x'00' from member",
    )
    .await;
    for data in 2..6 {
        ping(data).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_has_two_pages_on_their_way_at_most() {
    let (mut server, alice) = TestServer::start().await;
    commits(&server, &alice, &commit(0, &[], &[])).await;
    let service = server.reopen().await.service;
    let device = alice.device.id();
    let sync = async || {
        let signed = server.signed(&alice, "GET", api::SYNC, Vec::new());
        let mut request = axum::http::Request::get(api::SYNC);
        for (name, value) in &signed.headers {
            request = request.header(name, value);
        }
        let request = request.body(axum::body::Body::empty()).unwrap();
        router(service.clone()).oneshot(request).await.unwrap()
    };
    let (first, second) = (sync().await, sync().await);
    assert_eq!(
        (first.status().as_u16(), second.status().as_u16()),
        (200, 200)
    );
    let mut third = std::pin::pin!(sync());
    assert!(
        timeout(Duration::from_millis(100), &mut third)
            .await
            .is_err()
    );
    drop(first);
    let third = third.await;
    assert_eq!(third.status().as_u16(), 200);
    // Read to its end, its place is free.
    axum::body::to_bytes(third.into_body(), 1 << 20)
        .await
        .unwrap();
    assert!(service.pages.wait(device, Duration::ZERO).await.is_some());
}
