//! V12: the server's clock is set, forwards and back, before it starts and while it runs.

use valise_proto::{
    api::{
        self, ErrorCode,
        delivery::{Accepted, Page},
    },
    weaken::dangerously_weaken,
};

use super::{
    cluster,
    delivery::{commit, commits, letter, sends},
    support::{Person, TestServer},
};
use crate::{Server, clock::Clock};

const HOUR_MS: i64 = 3_600_000;
const YEAR_MS: i64 = 365 * 24 * HOUR_MS;
/// A session lasts 12 hours, and a day's old letter is no old letter.
const JUMPS_MS: [i64; 8] = [
    -YEAR_MS,
    -48 * HOUR_MS,
    -HOUR_MS,
    -HOUR_MS / 6,
    HOUR_MS / 6,
    HOUR_MS,
    48 * HOUR_MS,
    YEAR_MS,
];

/// Alice has written to bob, who has not read it.
async fn waiting() -> (TestServer, [Person; 2]) {
    let (mut server, alice) = TestServer::start().await;
    let bob = server.hire(&alice, "bob").await;
    commits(&server, &alice, &commit(0, &[&bob], &[])).await;
    sends(&server, &alice, &letter(1, "before")).await;
    (server, [alice, bob])
}

/// The server has been running for a while.
fn later(server: &TestServer) {
    server.clock.advance(121_000);
}

/// How many messages wait for `person`.
async fn waits(server: &Server, person: &Person) -> usize {
    let page = server.service.delivery.page(person.device.id()).await;
    page.unwrap().messages.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn v12_a_clock_that_jumps_loses_nothing_and_shuts_nobody_out() {
    for jump_ms in JUMPS_MS {
        let (server, [mut alice, mut bob]) = waiting().await;
        later(&server);
        let old = server.signed(&alice, "GET", api::SYNC, Vec::new());
        assert_eq!(server.send(&old).await.status, 200);
        server.clock.set_wrong(jump_ms);
        // What was signed by the right clock is refused, and the clock is named.
        let now_ms = server.clock.monotonic_ms();
        let early = super::support::Request::unsigned("GET", api::SYNC, Vec::new());
        let early = early.sign(&alice.device, alice.session, now_ms);
        let (code, detail) = server.send(&early).await.problem().unwrap();
        assert_eq!(code, ErrorCode::Clock, "{jump_ms}");
        assert!(detail.contains("clock"), "{detail}");
        // By the same clock as the server's everybody goes on, be it after another login.
        for person in [&mut alice, &mut bob] {
            server.log_in(person).await;
        }
        let sent = server.post(&alice, api::LETTERS, &letter(1, "after")).await;
        let Accepted { sequence } = sent.read();
        assert_eq!(sequence, 3, "{jump_ms}");
        // Right again: the same, and what came before does not come again.
        server.clock.set_wrong(0);
        server.send(&old).await.refused(ErrorCode::Unauthenticated);
        for person in [&mut alice, &mut bob] {
            server.log_in(person).await;
        }
        sends(&server, &alice, &letter(1, "right")).await;
        let page: Page = server.get(&bob, api::SYNC).await.read();
        let texts = page.messages.iter().map(|it| it.message.as_slice());
        let texts: Vec<_> = texts.collect();
        assert_eq!(texts, [&b"before"[..], b"after", b"right"], "{jump_ms}");
    }
}

/// What waits for bob after the server has tidied up under a clock that is set again and again.
async fn tidied(off: Option<&'static str>) -> [usize; 4] {
    dangerously_weaken(off);
    let (mut test, [_, bob]) = waiting().await;
    let server = test.reopen().await;
    let mut left = Vec::new();
    // A year too early, and right again.
    test.clock.set_wrong(YEAR_MS);
    server.service.tidy().await.unwrap();
    left.push(waits(&server, &bob).await);
    test.clock.set_wrong(0);
    server.service.tidy().await.unwrap();
    left.push(waits(&server, &bob).await);
    // A year too late, for a day: then it is believed, and back.
    test.clock.set_wrong(-YEAR_MS);
    server.service.tidy().await.unwrap();
    left.push(waits(&server, &bob).await);
    // Thirty days that do pass.
    test.clock.set_wrong(0);
    server.service.tidy().await.unwrap();
    test.clock.advance(31 * 24 * 3_600_000);
    server.service.tidy().await.unwrap();
    left.push(waits(&server, &bob).await);
    dangerously_weaken(None);
    left.try_into().unwrap()
}

#[tokio::test]
async fn v12_what_waits_is_not_deleted_by_a_clock_that_was_set() {
    assert_eq!(Box::pin(tidied(None)).await, [1, 1, 1, 0]);
}

#[tokio::test]
async fn v12_twin_a_clock_that_runs_ahead_deletes_what_waits() {
    assert_eq!(Box::pin(tidied(Some("V12"))).await, [0; 4]);
}

/// What alice is answered on her old session when the server's clock is set back by a year.
async fn set_back() -> u16 {
    let (server, alice) = TestServer::start().await;
    later(&server);
    server.clock.set_wrong(-YEAR_MS);
    server.get(&alice, api::SYNC).await.status
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn v12_l21_a_clock_that_is_set_back_makes_no_session_last() {
    assert_eq!(set_back().await, ErrorCode::Unauthenticated.status());
}

#[test]
fn v12_twin_a_clock_that_is_set_back_keeps_everybody_out_until_it_is_there_again() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .on_thread_start(|| dangerously_weaken(Some("V12")))
        .enable_all()
        .build()
        .unwrap();
    // Several servers with one database remember more, and let the old session go on.
    let expected = if cluster::chosen() {
        200
    } else {
        ErrorCode::Unavailable.status()
    };
    assert_eq!(runtime.block_on(set_back()), expected);
}
