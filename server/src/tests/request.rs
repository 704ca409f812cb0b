//! L13: a signed request is good once, unchanged, from its own device, for a minute.

use std::time::Duration;

use tokio::time::timeout;
use valise_proto::{
    api::{self, ErrorCode, key_package::Claim},
    codec::Limited,
    request::{SESSION, SIGNATURE, SIGNATURE_INPUT},
    testing,
};

use super::{
    cluster,
    support::{Person, Request, TestServer},
};
use crate::clock::Clock;

type Change = fn(&mut Request);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l13_a_replayed_or_changed_request_is_refused() {
    let (mut server, alice) = TestServer::start().await;
    let bob = server.hire(&alice, "bob").await;
    let good = server.signed(&alice, "GET", "/v1/log?from=0&old=0", Vec::new());
    let changes: [(&str, Change); 10] = [
        ("method", |r| r.method = "POST".into()),
        ("path", |r| r.target = "/v1/sync?from=0&old=0".into()),
        ("query", |r| r.target = "/v1/log?from=1&old=0".into()),
        ("body", |r| r.body = b"x".to_vec()),
        ("session", |r| r.headers[1].1 = "-".into()),
        ("doubled session", |r| {
            r.headers.push((SESSION.into(), r.headers[1].1.clone()));
        }),
        ("doubled signature", |r| {
            r.headers.push((SIGNATURE.into(), r.headers[3].1.clone()));
        }),
        ("no signature", |r| drop(r.headers.remove(3))),
        ("no digest", |r| drop(r.headers.remove(0))),
        ("unsigned", |r| r.headers.clear()),
    ];
    for (case, change) in changes {
        let mut spoilt = good.clone();
        change(&mut spoilt);
        let answer = server.send(&spoilt).await;
        let code = answer.problem().map(|problem| problem.0);
        // A body where none is read is refused before anything else.
        let expected = if case == "body" {
            ErrorCode::TooLarge
        } else {
            ErrorCode::Unauthenticated
        };
        assert_eq!(code, Some(expected), "{case}");
    }
    // Another device's key under the same session, and its own session under another's signature.
    let mut other = server.signed(&alice, "GET", api::SYNC, Vec::new());
    other.headers[3].1 = server.signed(&bob, "GET", api::SYNC, Vec::new()).headers[3]
        .1
        .clone();
    server
        .send(&other)
        .await
        .refused(ErrorCode::Unauthenticated);
    let now_ms = server.clock.now_ms();
    let other = Request::unsigned("GET", api::SYNC, Vec::new());
    let other = other.sign(&bob.device, alice.session, now_ms);
    server
        .send(&other)
        .await
        .refused(ErrorCode::Unauthenticated);
    // Unchanged, once.
    assert_eq!(server.send(&good).await.status, 200);
    server.send(&good).await.refused(ErrorCode::Unauthenticated);
    server.clock.advance(60_000);
    server.send(&good).await.refused(ErrorCode::Unauthenticated);
    server.clock.advance(1_000);
    server.send(&good).await.refused(ErrorCode::Clock);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l13_stale_and_early_signatures_are_refused() {
    let (server, alice) = TestServer::start().await;
    server.clock.advance(600_000);
    let now_ms = server.clock.now_ms();
    for (offset_ms, code) in [
        (-61_000, Some(ErrorCode::Clock)),
        (-60_000, None),
        (60_000, None),
        (61_000, Some(ErrorCode::Clock)),
    ] {
        let request = Request::unsigned("GET", api::SYNC, Vec::new());
        let at_ms = now_ms.saturating_add_signed(offset_ms);
        let request = request.sign(&alice.device, alice.session, at_ms);
        let answer = server.send(&request).await;
        assert_eq!(
            answer.problem().map(|problem| problem.0),
            code,
            "{offset_ms}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l13_a_restart_accepts_no_old_request() {
    let (mut server, alice) = TestServer::start().await;
    let good = server.signed(&alice, "GET", api::SYNC, Vec::new());
    assert_eq!(server.send(&good).await.status, 200);
    server.stop().await;
    server.run().await.unwrap();
    // One server alone knows nothing of what came before it; several have a database that does.
    let code = if cluster::chosen() {
        ErrorCode::Unauthenticated
    } else {
        ErrorCode::Unavailable
    };
    server.send(&good).await.refused(code);
    assert_eq!(server.get(&alice, api::SYNC).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_weak_device_key_is_refused() {
    let (server, alice) = TestServer::start().await;
    let mut request = server.signed(&alice, "GET", api::SYNC, Vec::new());
    let mut parameters = valise_proto::request::Parameters::parse(&request.headers[2].1).unwrap();
    parameters.device.0 = [0; 32];
    request.headers[2] = (SIGNATURE_INPUT.into(), parameters.to_header());
    let (code, detail) = server.send(&request).await.problem().unwrap();
    assert_eq!(
        (code, detail.as_str()),
        (ErrorCode::Unauthenticated, "a weak device key")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn v03_v04_large_and_compressed_bodies_are_refused() {
    let (server, alice) = TestServer::start().await;
    let large = vec![0; Claim::MAX + 1];
    let large = server.signed(&alice, "POST", api::KEY_PACKAGE_CLAIMS, large);
    server.send(&large).await.refused(ErrorCode::TooLarge);
    let mut packed = server.signed(&alice, "POST", api::LOG, vec![0; 16]);
    packed
        .headers
        .push(("content-encoding".into(), "gzip".into()));
    server.send(&packed).await.refused(ErrorCode::Malformed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_call_sends_no_body() {
    let (mut server, alice) = TestServer::start().await;
    let mut carol = Person::new("carol");
    let entry = testing::account_add(&server.directory, &carol.name, &carol.key, &[&alice.key]);
    server.append(&alice, entry).await;
    let answered = async |person: &Person| {
        let request = server.signed(person, "POST", api::COMMITS, vec![0; 1 << 20]);
        let mut connection = server.connect().await;
        connection.send_head(&request).await;
        let answer = timeout(Duration::from_secs(10), connection.receive()).await;
        answer.expect("refused before the body")
    };
    answered(&carol).await.refused(ErrorCode::Unauthenticated);
    server.log_in(&mut carol).await;
    answered(&carol).await.refused(ErrorCode::Forbidden);
}
