//! A server that keeps two logs, and shows each to some of the people.

use reqwest::Method;
use valise_client::{session::Error, trust::Alarm, weaken::dangerously_weaken};
use valise_proto::{
    api::{COMMITS, LETTERS, LOG, delivery},
    codec::encode,
    key::SOFT_KEY_MODEL,
    log::{
        entry::{AccountAdd, Fact},
        evidence::Evidence,
    },
    testing::SoftStatementKey,
};

use crate::support::{Mallory, Office, Person, mallory};

/// The page by which alice reads the log to its end.
async fn last_page(mallory: &Mallory, alice: &mut Person) -> Vec<u8> {
    alice.session().read_log().await.expect("the log");
    mallory.forget();
    alice.session().read_log().await.expect("the log again");
    mallory.seen(&Method::GET, LOG).pop().unwrap().answer
}

/// In alice's world she has got a second computer; in bob's he has. Then bob writes to her.
pub(super) async fn two_worlds(
    office: &mut Office,
    mallory: &Mallory,
    alice: &mut Person,
) -> Person {
    let mut bob = office.hire(alice, "bob").await;
    alice.send(&["bob"], "Hello", "hello").await;
    bob.sync().await;
    office.stop();
    let before = office.copy_database();
    office.start().await;
    alice.other_computer().join(office).await;
    let page = last_page(mallory, alice).await;
    office.stop();
    office.restore_database(&before);
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

/// Bob's stolen laptop is in his conversation with alice, and he revokes it: one world. In the other,
/// of the same size, there is eve in place of that. Returns the thief, and both worlds.
pub(super) async fn swinging(
    office: &Office,
    alice: &mut Person,
    mallory: &Mallory,
) -> (Person, [Vec<Vec<u8>>; 2]) {
    let mut bob = office.hire(alice, "bob").await;
    let mut stolen = bob.other_computer();
    stolen.join(office).await;
    alice
        .send(&["bob"], "Hello", "Both of your computers get this.")
        .await;
    stolen.sync().await;
    let mut key = SoftStatementKey::generate(office.card.tag);
    key.record.model = SOFT_KEY_MODEL;
    let add = Fact::AccountAdd(AccountAdd {
        account: "eve".parse().unwrap(),
        key: key.record,
    });
    let statement = alice.statement(add);
    let eve = alice.sign(&statement).await;
    let before = mallory::entries(&office.data());
    let (name, device) = (bob.name.clone(), stolen.session().device());
    bob.revoke(&name, device).await;
    alice.session().read_log().await.expect("the log");
    let other = [before, vec![encode(&eve)]].concat();
    let one = mallory::entries(&office.data());
    assert_eq!(one.len(), other.len());
    mallory.serve(office, other.clone());
    // A log of the same size is looked at when the word about the other is ten minutes old.
    office.time.pass_minutes(11);
    (stolen, [one, other])
}

/// There and back again: the first swing is named and proven, and the second makes nothing good.
#[tokio::test]
async fn d10_a_log_that_swings_there_and_back_stops_sending() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let (_stolen, [one, other]) = Box::pin(swinging(&office, &mut alice, &mallory)).await;
    for world in [other, one] {
        mallory.serve(&office, world);
        office.time.pass_minutes(11);
        let refused = alice.try_send(&["bob"], "Source", "Jean").await;
        assert!(
            matches!(refused, Err(Error::Alarm(Alarm::LogFork(_)))),
            "{refused:?}"
        );
        assert!(alice.events().contains(&"log-fork".to_owned()));
        assert!(mallory.seen(&Method::POST, LETTERS).is_empty());
        let found = alice.session().evidence().unwrap();
        assert_eq!(found.len(), 1);
        let card = &office.card;
        assert!(Evidence::open(&found[0].text, card.org, card.log).is_ok());
    }
}

#[tokio::test]
async fn d10_twin_between_two_swings_the_stolen_laptop_reads() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let (mut stolen, [one, _]) = Box::pin(swinging(&office, &mut alice, &mallory)).await;
    dangerously_weaken(Some("D10"));
    alice.send(&["bob"], "Source", "Jean").await;
    let letter: delivery::Letter = mallory.seen(&Method::POST, LETTERS)[0].request();
    mallory.serve(&office, one);
    alice
        .session()
        .read_log()
        .await
        .expect("the first log again");
    assert!(!alice.events().contains(&"log-fork".to_owned()));
    let read = stolen
        .session()
        .attack_read(letter.group, letter.message.as_slice());
    assert_eq!(read.unwrap().unwrap().body.as_str(), "Jean");
}
