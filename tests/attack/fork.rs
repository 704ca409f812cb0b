//! A server that keeps two logs, and shows each to some of the people.

use reqwest::Method;
use valise_client::{session::Error, trust::Alarm, weaken::dangerously_weaken};
use valise_proto::{
    api::{COMMITS, LETTERS, LOG},
    log::evidence::Evidence,
};

use crate::support::{Mallory, Office, Person};

/// The page by which alice reads the log to its end.
async fn last_page(mallory: &Mallory, alice: &mut Person) -> Vec<u8> {
    alice.session().read_log().await.expect("the log");
    mallory.forget();
    alice.session().read_log().await.expect("the log again");
    mallory.seen(&Method::GET, LOG).pop().unwrap().answer
}

/// The server's database as it is, the server standing still.
pub(super) fn copy(office: &Office) -> Vec<u8> {
    std::fs::read(office.data().join("valise.db")).unwrap()
}

pub(super) fn restore(office: &Office, database: &[u8]) {
    for more in ["valise.db-wal", "valise.db-shm"] {
        drop(std::fs::remove_file(office.data().join(more)));
    }
    std::fs::write(office.data().join("valise.db"), database).unwrap();
}

/// In alice's world she has got a second computer; in bob's he has. Then bob writes to her.
async fn two_worlds(office: &mut Office, mallory: &Mallory, alice: &mut Person) -> Person {
    let mut bob = office.hire(alice, "bob").await;
    alice.send(&["bob"], "Hello", "hello").await;
    bob.sync().await;
    office.stop();
    let before = copy(office);
    office.start().await;
    alice.other_computer().join(office).await;
    let page = last_page(mallory, alice).await;
    office.stop();
    restore(office, &before);
    office.start().await;
    bob.other_computer().join(office).await;
    office.time.pass(10_000);
    bob.send(&["alice"], "Source", "Who else reads this?").await;
    mallory.hold_back(alice, page);
    bob
}

#[tokio::test]
async fn d06_two_worlds_meet_in_the_first_message_between_them() {
    let (mut office, mut alice, mallory) = Office::open_under_mallory().await;
    let _bob = two_worlds(&mut office, &mallory, &mut alice).await;
    let synced = alice.try_sync().await;
    assert!(
        matches!(synced, Err(Error::Alarm(Alarm::LogFork(_)))),
        "{synced:?}"
    );
    assert_eq!(alice.bodies(), ["hello"]);
    let found = alice.session().evidence().unwrap();
    assert_eq!(found.len(), 1);
    let card = &office.card;
    assert!(Evidence::open(&found[0].text, card.org, card.log).is_ok());
    assert!(mallory.seen(&Method::POST, LETTERS).is_empty());
    assert!(mallory.seen(&Method::POST, COMMITS).is_empty());
}

#[tokio::test]
async fn d06_twin_two_worlds_write_to_each_other() {
    let (mut office, mut alice, mallory) = Office::open_under_mallory().await;
    let _bob = two_worlds(&mut office, &mallory, &mut alice).await;
    dangerously_weaken(Some("D05"));
    alice.sync().await;
    assert!(alice.session().evidence().unwrap().is_empty());
    assert!(!alice.events().contains(&"log-fork".to_owned()));
}

/// A device that sees first the one log, and then the other.
#[tokio::test]
async fn d06_a_log_that_changes_worlds_is_proven_without_a_letter() {
    let (mut office, mut alice, mallory) = Office::open_under_mallory().await;
    let _bob = two_worlds(&mut office, &mallory, &mut alice).await;
    mallory.behave();
    let read = alice.session().read_log().await;
    assert!(matches!(read, Err(Error::Alarm(Alarm::LogFork(_)))));
    let found = alice.session().evidence().unwrap();
    let card = &office.card;
    assert!(Evidence::open(&found[0].text, card.org, card.log).is_ok());
}

/// Bob has seen an entry that the server hides from alice: she sends nothing until she sees it too.
#[tokio::test]
async fn d05_what_a_colleague_has_seen_cannot_be_hidden() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let mut bob = office.hire(&mut alice, "bob").await;
    bob.send(&["alice"], "Hello", "hello").await;
    alice.sync().await;
    let page = last_page(&mallory, &mut alice).await;
    let seen = alice.session().ledger().unwrap().head().size;
    bob.other_computer().join(&office).await;
    office.time.pass(10_000);
    bob.send(&["alice"], "News", "A second computer.").await;
    mallory.hold_back(&mut alice, page);
    office.time.pass(10_000);
    let refused = alice.try_send(&["bob"], "Source", "Jean").await;
    let Err(Error::Alarm(Alarm::HiddenLog { shown, .. })) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(shown, seen);
    alice.reopen();
    assert!(alice.try_sync().await.is_err());
    assert!(mallory.seen(&Method::POST, LETTERS).is_empty());
    // The server shows it: nothing else was wrong.
    mallory.behave();
    alice.sync().await;
    bob.sync().await;
    assert_eq!(bob.bodies().last().unwrap(), "Jean");
}
