//! The log: appended once, refused when untrue, proven, and not to be changed in the database.

use sqlx::Connection as _;
use valise_proto::{
    api::{
        self, ErrorCode,
        directory::{Appended, Page},
    },
    log::{
        Head, checkpoint,
        merkle::{leaf_hash, verify_consistency, verify_inclusion},
    },
    statement::sha256,
    testing,
};

use super::support::{Person, TestServer};
use crate::{ServeError, directory::OpenError};

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
    assert_eq!(page.checkpoint, first.checkpoint);
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
    let beyond: Page = server.get(&bob, "/v1/log?from=99&old=99").await.read();
    assert!(beyond.entries.is_empty() && beyond.consistency.is_empty());
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
    let server = std::sync::Arc::new(server);
    for _ in 0..20 {
        let rival = Person::new("bob");
        let entry = testing::account_add(&server.directory, &name, &rival.key, &[&alice.key]);
        let request = server.signed(&alice, "POST", api::LOG, entry);
        let server = std::sync::Arc::clone(&server);
        races.spawn(async move { server.send(&request).await.status });
    }
    let statuses = races.join_all().await;
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1);
    assert_eq!(statuses.iter().filter(|status| **status == 422).count(), 19);
}

async fn edit(server: &TestServer, statement: &'static str) {
    let url = server.config.database_url();
    let mut database = sqlx::AnyConnection::connect(&url).await.unwrap();
    let done = sqlx::query(statement).execute(&mut database).await.unwrap();
    assert_eq!(done.rows_affected(), 1);
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
