//! Logging in: what is accepted, and everything else.

use std::sync::Arc;

use sqlx::Connection as _;
use valise_proto::{
    api::{self, ErrorCode, login::Session},
    log::entry::Policy,
    testing::{self, SoftDevice},
};

use super::support::{Answer, Assertion, Person, TestServer, p256, spelled};
use crate::login::LoginError;

type Spoil<'a> = Box<dyn Fn(&mut Assertion) + 'a>;

async fn finish(server: &TestServer, person: &Person, finish: &api::login::Finish) -> Answer {
    server
        .as_device(person, "POST", api::SESSION, Some(finish))
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::too_many_lines, reason = "one table of cases")]
async fn l04_l05_l06_l09_l12_only_the_real_assertion_logs_in() {
    let (mut server, alice) = TestServer::start().await;
    let bob = server.hire(&alice, "bob").await;
    let challenged = |data: &mut Assertion, from: &str, to: &str| {
        assert!(data.client_data.contains(from));
        data.client_data = data.client_data.replace(from, to);
    };
    let spoils: Vec<(&str, Spoil<'_>)> = vec![
        (
            "L04 client's own nonce",
            Box::new(|a| a.finish.nonce = [1; 32]),
        ),
        ("L05 no touch", Box::new(|a| a.data[32] = 0b100)),
        ("L05 no PIN", Box::new(|a| a.data[32] = 0b001)),
        ("L10 backup-eligible", Box::new(|a| a.data[32] = 0b1101)),
        ("trailing bytes", Box::new(|a| a.data.push(0))),
        (
            "L06 bob's name",
            Box::new(|a| a.finish.account = bob.name.clone()),
        ),
        (
            "L06 bob's credential",
            Box::new(|a| {
                a.finish.credential_id = bob.key.record.login.id.clone();
            }),
        ),
        (
            "L06 no such credential",
            Box::new(|a| {
                a.finish.credential_id = vec![7; 32].try_into().unwrap();
            }),
        ),
        (
            "L09 scheme",
            Box::new(move |a| challenged(a, "https://", "http://")),
        ),
        (
            "L09 port",
            Box::new(move |a| challenged(a, ":8443", ":8444")),
        ),
        (
            "L09 subdomain",
            Box::new(move |a| challenged(a, "//localhost", "//a.localhost")),
        ),
        (
            "L09 crossOrigin",
            Box::new(move |a| challenged(a, "false", "true")),
        ),
        (
            "L09 topOrigin",
            Box::new(move |a| challenged(a, "}", r#","topOrigin":"https://x"}"#)),
        ),
        (
            "L12 create",
            Box::new(move |a| challenged(a, "webauthn.get", "webauthn.create")),
        ),
        (
            "L12 doubled",
            Box::new(move |a| challenged(a, "{", r#"{"type":"webauthn.get","#)),
        ),
        (
            "L12 BOM",
            Box::new(move |a| challenged(a, "{", "\u{feff}{")),
        ),
        ("another relying party", Box::new(|a| a.data[0] ^= 1)),
        (
            "L04 bob's challenge",
            Box::new(|a| {
                let nonce = a.finish.nonce;
                a.client_data = Assertion::of(&bob, nonce, 0).client_data;
            }),
        ),
    ];
    for (case, spoil) in spoils {
        let mut assertion = Assertion::of(&alice, server.nonce().await, 1_000);
        spoil(&mut assertion);
        let answer = finish(&server, &alice, &assertion.sign(&alice.login)).await;
        assert_eq!(
            answer.problem().map(|p| p.0),
            Some(ErrorCode::Unauthenticated),
            "{case}"
        );
    }
    // Another key's signature, another device's challenge, and one that is too old.
    let forged = Assertion::of(&alice, server.nonce().await, 1_000).sign(&p256());
    finish(&server, &alice, &forged)
        .await
        .refused(ErrorCode::Unauthenticated);
    let good = Assertion::of(&alice, server.nonce().await, 1_000).sign(&alice.login);
    finish(&server, &bob, &good)
        .await
        .refused(ErrorCode::Unauthenticated);
    finish(&server, &alice, &good)
        .await
        .refused(ErrorCode::Unauthenticated);
    let late = Assertion::of(&alice, server.nonce().await, 1_000).sign(&alice.login);
    server.clock.advance(60_000);
    finish(&server, &alice, &late)
        .await
        .refused(ErrorCode::Unauthenticated);
    // And the real one.
    let good = Assertion::of(&alice, server.nonce().await, 1_000).sign(&alice.login);
    finish(&server, &alice, &good).await.read::<Session>();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l04_a_thousand_replays_at_once_log_in_at_most_once() {
    let (server, alice) = TestServer::start().await;
    let good = Assertion::of(&alice, server.nonce().await, 1_000).sign(&alice.login);
    let server = Arc::new(server);
    let alice = Arc::new(alice);
    let replays = (0..50).map(|_| {
        let (server, alice, good) = (Arc::clone(&server), Arc::clone(&alice), good.clone());
        tokio::spawn(async move {
            let mut connection = server.connect().await;
            let mut accepted = 0;
            for _ in 0..20 {
                let body = valise_proto::codec::encode(&good);
                let request = super::support::Request::unsigned("POST", api::SESSION, body);
                let now_ms = crate::clock::Clock::now_ms(&*server.clock);
                let request = request.sign(&alice.device, None, now_ms);
                accepted += usize::from(connection.send(&request).await.status == 200);
            }
            accepted
        })
    });
    let mut accepted = 0;
    for replay in replays.collect::<Vec<_>>() {
        accepted += replay.await.unwrap();
    }
    assert_eq!(accepted, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l08_a_key_whose_counter_goes_back_is_let_in_no_more_and_zero_may_stay() {
    let (mut server, alice) = TestServer::start().await;
    let log_in = async |server: &TestServer, person: &Person, counter| {
        let good = Assertion::of(person, server.nonce().await, counter).sign(&person.login);
        finish(server, person, &good).await
    };
    for spoilt in [1_000, 999, 0] {
        let mut erin = server.hire(&alice, &format!("erin{spoilt}")).await;
        log_in(&server, &erin, 1_000).await.read::<Session>();
        assert_eq!(server.get(&erin, api::SYNC).await.status, 200);
        log_in(&server, &erin, spoilt)
            .await
            .refused(ErrorCode::KeyCopied);
        // Nobody knows which of the two is the copy: neither comes in, and neither is in any more.
        let next = log_in(&server, &erin, 1_001).await;
        next.refused(ErrorCode::KeyCopied);
        server
            .get(&erin, api::SYNC)
            .await
            .refused(ErrorCode::Unauthenticated);
        server.stop().await;
        server.run().await.unwrap();
        let next = log_in(&server, &erin, 1_002).await;
        next.refused(ErrorCode::KeyCopied);
        server
            .get(&erin, api::SYNC)
            .await
            .refused(ErrorCode::Unauthenticated);
        // With another key of hers she is in, and has the copied one revoked.
        let spare = Person::new("spare");
        let entry = testing::key_add(&server.directory, &erin.name, &spare.key, &[&erin.key]);
        server.append(&alice, entry).await;
        let copied = erin.key.id();
        (erin.key, erin.login) = (spare.key, spare.login);
        log_in(&server, &erin, 1).await.read::<Session>();
        let entry = testing::key_revoke(&server.directory, &erin.name, copied, &[&erin.key]);
        server.append(&alice, entry).await;
    }
    let bob = Person::new("bob");
    let entry = testing::account_add(&server.directory, &bob.name, &bob.key, &[&alice.key]);
    server.append(&alice, entry).await;
    log_in(&server, &bob, 0).await.read::<Session>();
    log_in(&server, &bob, 0).await.read::<Session>();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e12_who_is_suspended_or_revoked_neither_stays_nor_comes_back() {
    let (mut server, alice) = TestServer::start().await;
    let mut bob = server.hire(&alice, "bob").await;
    let entry = testing::device_revoke(&server.directory, &bob.name, bob.device.id(), &[&bob.key]);
    server.append(&alice, entry).await;
    server
        .get(&bob, api::SYNC)
        .await
        .refused(ErrorCode::Revoked);
    let again = Assertion::of(&bob, server.nonce().await, 10).sign(&bob.login);
    finish(&server, &bob, &again)
        .await
        .refused(ErrorCode::Revoked);
    server.clock.advance(20_000);
    bob.device = SoftDevice::generate();
    server.log_in(&mut bob).await;
    server.certify(&bob).await;
    let entry = testing::account_suspend(&server.directory, &bob.name, &[&alice.key]);
    server.append(&alice, entry).await;
    server
        .get(&bob, "/v1/log?from=0&old=0")
        .await
        .refused(ErrorCode::Revoked);
    let again = Assertion::of(&bob, server.nonce().await, 2_000).sign(&bob.login);
    finish(&server, &bob, &again)
        .await
        .refused(ErrorCode::Revoked);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l21_a_session_ends_idle_and_in_the_end() {
    let (server, alice) = TestServer::start().await;
    for _ in 0..51 {
        server.clock.advance(14 * 60_000);
        assert_eq!(server.get(&alice, api::SYNC).await.status, 200);
    }
    server.clock.advance(14 * 60_000);
    server
        .get(&alice, api::SYNC)
        .await
        .refused(ErrorCode::Unauthenticated);
    let (server, alice) = TestServer::start().await;
    server
        .send(&server.signed(&alice, "DELETE", api::SESSION, Vec::new()))
        .await
        .done();
    server
        .get(&alice, api::SYNC)
        .await
        .refused(ErrorCode::Unauthenticated);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l21_a_session_that_could_not_be_deleted_has_not_ended() {
    let (mut server, alice) = TestServer::start().await;
    let end = |server: &TestServer| server.signed(&alice, "DELETE", api::SESSION, Vec::new());
    for statement in [
        "create table broken (session_id blob references session (session_id))",
        "insert into broken select session_id from session",
    ] {
        execute(&server, statement).await;
    }
    server
        .send(&end(&server))
        .await
        .refused(ErrorCode::Internal);
    // Not ended until the next start only: it lives, and its owner was told that it does.
    assert_eq!(server.get(&alice, api::SYNC).await.status, 200);
    execute(&server, "drop table broken").await;
    server.send(&end(&server)).await.done();
    server.stop().await;
    server.run().await.unwrap();
    server
        .get(&alice, api::SYNC)
        .await
        .refused(ErrorCode::Unauthenticated);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l17_one_address_logs_in_so_often_and_no_more() {
    let (server, alice) = TestServer::start_with(Policy::default(), |config| {
        config.sessionless_per_ip_minute = 4;
    })
    .await;
    // One was spent on the way here.
    let bad = Assertion::of(&alice, [1; 32], 1_000).sign(&alice.login);
    let answers = async |code| finish(&server, &alice, &bad).await.refused(code);
    for _ in 0..3 {
        answers(ErrorCode::Unauthenticated).await;
    }
    answers(ErrorCode::TooMany).await;
    server
        .as_device::<api::login::Finish>(&alice, "GET", "/v1/enrolments/x", None)
        .await
        .refused(ErrorCode::TooMany);
    assert_eq!(server.get(&alice, api::SYNC).await.status, 200);
    server.clock.advance(15_000);
    answers(ErrorCode::Unauthenticated).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l08_a_counter_that_went_back_is_told_apart_inside() {
    let (mut server, alice) = TestServer::start().await;
    let service = server.reopen().await.service;
    let nonce = service.login.begin().await.unwrap().nonce;
    // Lower than the one of the login before.
    let good = Assertion::of(&alice, nonce, 0).sign(&alice.login);
    let device = alice.device.id();
    let first = service.login.finish(&good, device).await;
    assert!(matches!(first, Err(LoginError::Copied)), "{first:?}");
    let again = service.login.finish(&good, device).await;
    assert!(matches!(again, Err(LoginError::Refused)), "{again:?}");
}

async fn execute(server: &TestServer, statement: &'static str) {
    let url = server.config.database_url();
    let mut database = sqlx::AnyConnection::connect(&url).await.unwrap();
    let statement = sqlx::query(spelled(statement));
    statement.execute(&mut database).await.unwrap();
    database.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l14_a_revoked_keys_session_ends_and_it_opens_no_other() {
    let (mut server, alice) = TestServer::start().await;
    let mut bob = server.hire(&alice, "bob").await;
    assert_eq!(server.get(&bob, api::SYNC).await.status, 200);
    let (name, key) = (bob.name.clone(), bob.key.id());
    let entry = testing::key_revoke(&server.directory, &name, key, &[&alice.key]);
    server.append(&alice, entry).await;
    server
        .get(&bob, api::SYNC)
        .await
        .refused(ErrorCode::Unauthenticated);
    let nonce = server.nonce().await;
    let finish = Assertion::of(&bob, nonce, 1_000).sign(&bob.login);
    bob.session = None;
    let answer = server.as_device(&bob, "POST", api::SESSION, Some(&finish));
    answer.await.refused(ErrorCode::Unauthenticated);
}

/// Who knocks without a key is told the same, byte for byte, whether or not he names somebody: there
/// is no name in the first step, and the second ends where the credential is looked up or does not sign.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l15_no_answer_tells_who_exists() {
    let (mut server, alice) = TestServer::start().await;
    let bob = server.hire(&alice, "bob").await;
    let suspended = server.hire(&alice, "carol").await;
    let entry = testing::account_suspend(&server.directory, &suspended.name, &[&alice.key]);
    server.append(&alice, entry).await;
    let nobody = Person::new("nobody");
    let stranger = Person::new("stranger");
    let mut answers = Vec::new();
    for named in [&alice, &bob, &suspended, &nobody] {
        for credential in [&named.key, &nobody.key, &alice.key] {
            let begun = server.anybody("POST", api::LOGIN).await;
            assert_eq!((begun.status, begun.body.len()), (200, 32));
            let nonce = begun.read::<api::login::Challenge>().nonce;
            let mut assertion = Assertion::of(named, nonce, 1_000);
            assertion.finish.credential_id = credential.record.login.id.clone();
            let knock = assertion.sign(&p256());
            let answer = finish(&server, &stranger, &knock).await;
            answers.push((answer.status, answer.body));
        }
    }
    assert_eq!(answers.len(), 12);
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    assert_eq!(answers[0].0, 401);
}
