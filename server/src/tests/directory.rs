//! The log: appended once, refused when untrue, proven, and not to be changed in the database.

use std::{sync::Arc, time::Duration};

use sqlx::Connection as _;
use tokio::time::timeout;
use tower::ServiceExt as _;
use valise_proto::{
    api::{
        self, ErrorCode,
        directory::{Appended, Page},
    },
    log::{
        Head, checkpoint,
        entry::{
            AccountSuspend, AttestationAuthority, Fact, Policy, RecoveryBegin, RecoveryFinish,
        },
        merkle::{leaf_hash, verify_consistency, verify_inclusion},
    },
    statement::sha256,
    testing,
};

use super::support::{Assertion, Person, TestServer, spelled};
use crate::{
    ServeError,
    clock::Clock,
    directory::{Log, LogKey, OpenError},
    http::router,
    store::Store,
};

/// Two honest clocks: ten minutes.
const SKEW_MS: u64 = 600_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_is_appended_once_with_proof() {
    let (mut server, alice) = TestServer::start().await;
    let bob = Person::new("bob");
    let old = server.directory.head();
    let entry = testing::account_add(&server.directory, &bob.name, &bob.key, &[&alice.key]);
    let request = |server: &TestServer| server.signed(&alice, "POST", api::LOG, entry.clone());
    let first: Appended = server.send(&request(&server)).await.read();
    let again: Appended = server.send(&request(&server)).await.read();
    assert_eq!(first, again);
    server.directory.apply(&entry).unwrap();
    let head = checkpoint::open(first.checkpoint.as_str(), server.card.org, server.card.log);
    assert_eq!(head, Ok(server.directory.head()));
    let head = server.directory.head();
    verify_inclusion(leaf_hash(&entry), first.index, head, &first.inclusion).unwrap();
    let target = format!("/v1/log?from={}&old={}", old.size, old.size);
    let page: Page = server.get(&alice, &target).await.read();
    assert_eq!(page.entries.len(), 1);
    assert_eq!(page.entries[0].as_slice(), entry);
    let (note, org, key) = (page.checkpoint.as_str(), server.card.org, server.card.log);
    assert!(note.starts_with(first.checkpoint.as_str()));
    let time = checkpoint::cosigned_at(note, &checkpoint::origin(org), key);
    assert_eq!(time, Ok(Some(server.clock.now_ms() / 1000)));
    verify_consistency(old, head, &page.consistency).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d13_what_the_log_refuses_is_not_stored() {
    let (mut server, alice) = TestServer::start().await;
    let bob = server.hire(&alice, "bob").await;
    let carol = Person::new("carol");
    let head = server.directory.head();
    let unauthorised =
        testing::account_add(&server.directory, &carol.name, &carol.key, &[&bob.key]);
    for entry in [unauthorised, vec![0; 200], Vec::new()] {
        let request = server.signed(&bob, "POST", api::LOG, entry);
        server.send(&request).await.refused(ErrorCode::Refused);
    }
    let page: Page = server.get(&bob, "/v1/log?from=0&old=0").await.read();
    let now = checkpoint::open(page.checkpoint.as_str(), server.card.org, server.card.log);
    assert_eq!(now, Ok(head));
    for query in [
        "from=0",
        "old=0&from=0",
        "from=00&old=0",
        "from=0&old=0&x=1",
        "from=-1&old=0",
    ] {
        let target = format!("/v1/log?{query}");
        server
            .get(&bob, &target)
            .await
            .refused(ErrorCode::Malformed);
    }
    for beyond in [99, u64::MAX] {
        let target = format!("/v1/log?from={beyond}&old={beyond}");
        let beyond: Page = server.get(&bob, &target).await.read();
        assert!(beyond.entries.is_empty() && beyond.consistency.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l10_no_unattested_key_is_added_where_models_are_named() {
    for attested in [true, false] {
        let mut policy = Policy::default();
        if attested {
            policy.attestation.push(AttestationAuthority {
                certificate: vec![0; 8].try_into().unwrap(),
                models: vec![testing::HARD_KEY_MODEL],
            });
        }
        let (server, alice) = TestServer::start_with(policy, |_| {}).await;
        let second = Person::new("second").key;
        let entry = testing::key_add(&server.directory, &alice.name, &second, &[&alice.key]);
        let request = server.signed(&alice, "POST", api::LOG, entry);
        let problem = server.send(&request).await.problem();
        let refused = (
            ErrorCode::Refused,
            "show where the new key comes from first, by an ask of its own".to_owned(),
        );
        assert_eq!(problem, attested.then_some(refused));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d18_a_stranger_sees_the_genesis_and_no_name() {
    let (server, _) = TestServer::start().await;
    let genesis = server.anybody("GET", api::GENESIS).await;
    assert_eq!(sha256(&[&genesis.body]), server.card.org.0);
    assert!(!genesis.body.windows(5).any(|bytes| bytes == b"alice"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d15_racing_entries_about_one_name_have_one_winner() {
    let (server, alice) = TestServer::start().await;
    let name = "bob".parse().unwrap();
    let mut races = tokio::task::JoinSet::new();
    let server = Arc::new(server);
    for _ in 0..20 {
        let rival = Person::new("bob");
        let entry = testing::account_add(&server.directory, &name, &rival.key, &[&alice.key]);
        let request = server.signed(&alice, "POST", api::LOG, entry);
        let server = Arc::clone(&server);
        races.spawn(async move { server.send(&request).await.status });
    }
    let statuses = races.join_all().await;
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1);
    assert_eq!(statuses.iter().filter(|status| **status == 422).count(), 19);
}

/// A thousand at the same moment, over twenty connections. Every one is valid until another wins.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d15_of_a_thousand_enrolments_of_one_name_one_wins_and_none_is_half_done() {
    let (mut server, alice) = TestServer::start_with(Policy::default(), |config| {
        config.entries_per_account_minute = 2_000;
    })
    .await;
    let name = "bob".parse().unwrap();
    let rivals = (0..1_000).map(|_| Person::new("bob"));
    let mut rivals: Vec<_> = rivals
        .map(|rival| {
            let entry = testing::account_add(&server.directory, &name, &rival.key, &[&alice.key]);
            (rival, entry)
        })
        .collect();
    let size = server.directory.head().size;
    let races = rivals.chunks(50).map(async |entries| {
        let mut connection = server.connect().await;
        let mut statuses = Vec::new();
        for (_, entry) in entries {
            let request = server.signed(&alice, "POST", api::LOG, entry.clone());
            statuses.push(connection.send(&request).await.status);
        }
        statuses
    });
    let statuses = futures_util::future::join_all(races).await.concat();
    let won = |status: &u16| *status == 200;
    assert_eq!(statuses.iter().filter(|status| won(status)).count(), 1);
    assert!(statuses.iter().all(|status| won(status) || *status == 422));
    let (winner, entry) = rivals.swap_remove(statuses.iter().position(won).unwrap());
    // Of the others there is nothing: not in the log, not beside it, not after a restart.
    server.stop().await;
    server.run().await.unwrap();
    server.directory.apply(&entry).unwrap();
    let target = format!("{}?from={size}&old={size}", api::LOG);
    let page: Page = server.get(&alice, &target).await.read();
    assert_eq!(page.entries.len(), 1);
    assert_eq!(page.entries[0].as_slice(), entry);
    for (person, wins) in [(winner, true), (rivals.swap_remove(0).0, false)] {
        let nonce = server.nonce().await;
        let finish = Assertion::of(&person, nonce, 1).sign(&person.login);
        let answer = server.as_device(&person, "POST", api::SESSION, Some(&finish));
        assert_eq!(answer.await.status, if wins { 200 } else { 401 });
    }
    // A loser's key is free: it goes under another name.
    let (loser, _) = rivals.swap_remove(0);
    let other = "robert".parse().unwrap();
    let entry = testing::account_add(&server.directory, &other, &loser.key, &[&alice.key]);
    server.append(&alice, entry).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_goes_on_when_its_client_does_not() {
    let (mut server, alice) = TestServer::start().await;
    let service = server.reopen().await.service;
    let bob = Person::new("bob");
    let entry = testing::account_add(&server.directory, &bob.name, &bob.key, &[&alice.key]);
    let signed = server.signed(&alice, "POST", api::LOG, entry);
    let mut request = axum::http::Request::post(api::LOG);
    for (name, value) in &signed.headers {
        request = request.header(name, value);
    }
    let request = request.body(axum::body::Body::from(signed.body)).unwrap();
    let mut log = service.log.watch();
    let answer = router(Arc::clone(&service)).oneshot(request);
    // Begun, and dropped while it waits for the database.
    assert!(timeout(Duration::ZERO, answer).await.is_err());
    let grown = timeout(Duration::from_secs(10), log.wait_for(|size| *size == 4)).await;
    assert!(grown.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_memory_does_not_have_are_applied_before_an_append() {
    let (mut server, alice) = TestServer::start().await;
    server.stop().await;
    let store = Store::open(&server.config.database_url()).await.unwrap();
    let open = async || {
        let key = LogKey::load(&server.config).unwrap();
        let clock = server.clock.clone();
        Log::open(store.clone(), key, clock).await.unwrap()
    };
    // One's commit is what the other never heard of.
    let (ahead, behind) = (open().await, open().await);
    let mut directory = server.directory.clone();
    for (log, name) in [(&ahead, "bob"), (&behind, "carol")] {
        let person = Person::new(name);
        let entry = testing::account_add(&directory, &person.name, &person.key, &[&alice.key]);
        let appended = log.append(&entry, None).await.unwrap();
        directory.apply(&entry).unwrap();
        let head = checkpoint::open(
            appended.checkpoint.as_str(),
            server.card.org,
            server.card.log,
        );
        assert_eq!(head, Ok(directory.head()));
    }
    assert_eq!(behind.now().directory.head(), directory.head());
}

pub(super) async fn edit(server: &TestServer, statement: &'static str) {
    let url = server.config.database_url();
    let mut database = sqlx::AnyConnection::connect(&url).await.unwrap();
    let statement = sqlx::query(spelled(statement));
    let done = statement.execute(&mut database).await;
    assert_eq!(done.unwrap().rows_affected(), 1);
    database.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d08_d12_a_changed_row_stops_the_server_from_starting() {
    for statement in [
        "update log_entry set entry = substr(entry, 1, length(entry) - 1) || x'00' where entry_index = 2",
        "delete from log_entry where entry_index = 2",
        "delete from log_entry where entry_index = 1",
        "insert into log_entry (entry_index, leaf, entry) select 3, x'00', entry from log_entry where entry_index = 1",
        "update server set org_id = zeroblob(32)",
    ] {
        let (mut server, _) = TestServer::start().await;
        let head: Head = server.directory.head();
        assert_eq!(head.size, 3);
        server.stop().await;
        server.run().await.unwrap();
        server.stop().await;
        edit(&server, statement).await;
        let refused = server.run().await;
        assert!(
            matches!(
                refused,
                Err(ServeError::Log(
                    OpenError::Entry { .. } | OpenError::Head | OpenError::Store(_)
                ))
            ),
            "{statement}: {refused:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e07_an_entry_is_not_dated_ahead_but_may_have_waited_for_admins() {
    let (mut server, alice) = TestServer::start().await;
    let bob = server.hire(&alice, "bob").await;
    let now_ms = server.clock.now_ms();
    let dated = |time_ms| {
        let account = bob.name.clone();
        let fact = Fact::AccountSuspend(AccountSuspend { account });
        testing::next_at(&server.directory, fact, time_ms, &[&alice.key])
    };
    for time_ms in [now_ms + SKEW_MS + 1, u64::MAX] {
        let request = server.signed(&alice, "POST", api::LOG, dated(time_ms));
        server.send(&request).await.refused(ErrorCode::Clock);
    }
    let week_ms = 7 * 86_400_000;
    let entry = dated(now_ms - week_ms);
    let request = server.signed(&alice, "POST", api::LOG, entry.clone());
    assert_eq!(server.send(&request).await.status, 200);
    // What is in the log already is answered as the first time.
    server.clock.advance(SKEW_MS);
    let request = server.signed(&alice, "POST", api::LOG, entry);
    assert_eq!(server.send(&request).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e07_a_recovery_is_dated_by_a_clock_like_the_servers() {
    let (mut server, mut alice) = TestServer::start().await;
    let bob = server.hire(&alice, "bob").await;
    let found = Person::new("bob");
    let begin = |server: &TestServer, time_ms| {
        let fact = Fact::RecoveryBegin(RecoveryBegin {
            account: bob.name.clone(),
            key: found.key.record.clone(),
        });
        testing::next_at(&server.directory, fact, time_ms, &[&alice.key])
    };
    let hour_ms = 3_600_000;
    let now_ms = server.clock.now_ms();
    for time_ms in [0, now_ms - hour_ms - 1, now_ms + SKEW_MS + 1] {
        let request = server.signed(&alice, "POST", api::LOG, begin(&server, time_ms));
        server.send(&request).await.refused(ErrorCode::Clock);
    }
    let at = server.directory.head().size;
    server
        .append(&alice, begin(&server, now_ms - hour_ms))
        .await;
    let wait_ms = server.directory.policy().recovery_ms;
    let due_ms = now_ms - hour_ms + wait_ms;
    let finish = |server: &TestServer, alice: &Person, time_ms| {
        let account = bob.name.clone();
        let fact = Fact::RecoveryFinish(RecoveryFinish { account, begun: at });
        let entry = testing::next_at(&server.directory, fact, time_ms, &[&alice.key]);
        server.signed(alice, "POST", api::LOG, entry)
    };
    // The log takes the date; the server takes no date that is far from its own.
    let request = finish(&server, &alice, due_ms);
    server.send(&request).await.refused(ErrorCode::Clock);
    server.clock.advance(wait_ms);
    server.log_in(&mut alice).await;
    let late_ms = server.clock.now_ms() - SKEW_MS - 1;
    let request = finish(&server, &alice, late_ms);
    server.send(&request).await.refused(ErrorCode::Clock);
    let request = finish(&server, &alice, late_ms + 1);
    assert_eq!(server.send(&request).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_is_bounded_by_bytes_and_holds_the_largest_entry() {
    let (mut server, alice) = TestServer::start().await;
    let size = server.directory.head().size;
    for batch in 0..3 {
        let people: Vec<_> = (0..200)
            .map(|number| Person::new(&format!("p{batch}-{number:03}")))
            .collect();
        let people: Vec<_> = people.iter().map(|it| (&it.name, &it.key)).collect();
        let entry = testing::batch(&server.directory, &people, &[&alice.key]);
        assert!(entry.len() > 256 * 1024);
        server.append(&alice, entry).await;
    }
    let mut from = size;
    let mut pages = 0;
    while from < size + 3 {
        let path = format!("{}?from={from}&old=0", api::LOG);
        let page: Page = server.get(&alice, &path).await.read();
        let bytes: usize = page.entries.iter().map(|it| it.as_slice().len()).sum();
        assert!(!page.entries.is_empty() && bytes <= 1 << 20);
        from += u64::try_from(page.entries.len()).unwrap();
        pages += 1;
    }
    assert!(pages < 4);
}
