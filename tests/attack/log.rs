//! The server orders the log. It can neither write in it nor take anything back.

use std::sync::Arc;

use reqwest::Method;
use valise_client::{
    account::enrolment_requests, session::Error, trust::Alarm, weaken::dangerously_weaken,
};
use valise_proto::{
    api::{LETTERS, LOG, delivery, directory},
    codec::{decode, encode},
    id::{DeviceId, Name},
    log::{
        entry::{AdminAdd, Entry, Fact},
        merkle::leaf_hash,
    },
};
use valise_server::config::Config;

use crate::support::{Mallory, Office, Person, mallory};

/// Bob's second computer is certified, and mallory has the entry.
async fn second_computer(office: &Office, bob: &mut Person) -> (Person, Vec<u8>) {
    let mut other = bob.other_computer();
    other.join(office).await;
    let entries = mallory::entries(&office.data());
    (other, entries.last().unwrap().clone())
}

#[tokio::test]
async fn d01_an_unsigned_device_in_the_log_is_refused() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let mut bob = office.hire(&mut alice, "bob").await;
    alice.sync().await;
    let (_other, entry) = second_computer(&office, &mut bob).await;
    let mut entry: Entry = decode(&entry).unwrap();
    assert!(matches!(entry.statement.fact, Fact::DeviceAdd(_)));
    entry.signatures.clear();
    let mut entries = mallory::entries(&office.data());
    *entries.last_mut().unwrap() = encode(&entry);
    mallory.serve(&office, entries);
    let refused = alice.try_send(&["bob"], "Source", "Jean").await;
    assert!(
        matches!(refused, Err(Error::Alarm(Alarm::ForgedEntry(_)))),
        "{refused:?}"
    );
    assert!(alice.events().contains(&"forged-entry".to_owned()));
    assert!(mallory.seen(&Method::POST, LETTERS).is_empty());
}

/// The twin of the same: with bob's signature the very entry is taken, and his device written to.
#[tokio::test]
async fn d01_twin_the_same_entry_with_bobs_signature_is_taken() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let mut bob = office.hire(&mut alice, "bob").await;
    alice.sync().await;
    let (mut other, _) = second_computer(&office, &mut bob).await;
    mallory.serve(&office, mallory::entries(&office.data()));
    alice.send(&["bob"], "Source", "Jean").await;
    mallory.behave();
    other.sync().await;
    assert_eq!(other.bodies(), ["Jean"]);
}

/// Alice has seen that bob's stolen laptop was revoked; then mallory shows the log from before.
async fn rolled_back(office: &Office, mallory: &Mallory, alice: &mut Person) -> Person {
    let mut bob = office.hire(alice, "bob").await;
    let (mut stolen, _) = second_computer(office, &mut bob).await;
    alice
        .send(&["bob"], "Hello", "Both of your computers get this.")
        .await;
    stolen.sync().await;
    let before = mallory::entries(&office.data());
    let (name, device) = (bob.name.clone(), stolen.session().device());
    bob.revoke(&name, device).await;
    alice.session().read_log().await.expect("the log");
    mallory.serve(office, before);
    // The last look at the server is old enough for another one.
    office.time.pass(10_000);
    stolen
}

#[tokio::test]
async fn d07_a_log_that_went_back_is_refused() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let _stolen = rolled_back(&office, &mallory, &mut alice).await;
    let refused = alice.try_send(&["bob"], "Source", "Jean").await;
    let Err(Error::Alarm(Alarm::LogRollback { seen, shown })) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(shown.size + 1, seen.size);
    assert!(alice.events().contains(&"log-rollback".to_owned()));
    assert!(mallory.seen(&Method::POST, LETTERS).is_empty());
}

#[tokio::test]
async fn d07_twin_the_stolen_laptop_reads_on() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let mut stolen = rolled_back(&office, &mallory, &mut alice).await;
    dangerously_weaken(Some("D07"));
    alice.send(&["bob"], "Source", "Jean").await;
    let letter: delivery::Letter = mallory.seen(&Method::POST, LETTERS)[0].request();
    stolen.is_handed(letter, 3).await;
    assert_eq!(stolen.bodies().last().unwrap(), "Jean");
}

/// The server signs for an entry, and does not hand it out.
#[tokio::test]
async fn d07_an_entry_that_is_signed_for_and_withheld_is_an_alarm() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let bob = office.hire(&mut alice, "bob").await;
    alice.sync().await;
    let seen = alice.session().ledger().unwrap().head().size;
    bob.other_computer().join(&office).await;
    mallory.alter(&Method::GET, LOG, |page: &mut directory::Page| {
        page.entries.clear();
    });
    mallory.forget();
    office.time.pass(10_000);
    let refused = alice.try_send(&["bob"], "Source", "Jean").await;
    let hidden = Alarm::HiddenLog {
        seen: seen + 1,
        shown: seen,
    };
    assert!(matches!(refused, Err(Error::Alarm(alarm)) if alarm == hidden));
    assert!(alice.events().contains(&"hidden-log".to_owned()));
    assert!(mallory.seen(&Method::POST, LETTERS).is_empty());
}

/// The log with one entry more, which makes bob an admin: in alice's name, over all that is there,
/// and with a signature that her key never made.
pub(super) fn forged(office: &Office, alice: &mut Person) -> Vec<Vec<u8>> {
    let mut entries = mallory::entries(&office.data());
    let genuine = |entry: &Vec<u8>| decode::<Entry>(entry).unwrap();
    let mut entry = entries.iter().map(genuine).next_back().unwrap();
    let bob: Name = "bob".parse().unwrap();
    let name = alice.name.clone();
    let directory = alice.session().ledger().unwrap().directory();
    let key = directory.account(&name).unwrap().keys[0];
    entry.statement.seen = directory.head();
    entry.statement.sequence = directory.sequence(&bob);
    entry.statement.fact = Fact::AdminAdd(AdminAdd { account: bob });
    entry.signatures.truncate(1);
    entry.signatures[0].key = key;
    entries.push(encode(&entry));
    entries
}

/// The operator writes `entries` into the database, and signs their head with the log key.
fn written(office: &Office, mallory: &Mallory, entries: &[Vec<u8>]) {
    let (index, entry) = (entries.len() - 1, entries.last().unwrap());
    let row = "insert into log_entry (entry_index, leaf, entry) values (?1, ?2, ?3)";
    let added = (index, leaf_hash(entry).0, entry);
    assert_eq!(mallory.database().execute(row, added), Ok(1));
    mallory.sign_head(office, entries);
}

/// Whether a server starts on the folder as it is.
pub(super) async fn starts(office: &Office) -> bool {
    let config = Config::load(&office.data()).unwrap();
    let time = Arc::new(office.time.clone());
    valise_server::Server::open(config, time).await.is_ok()
}

fn is_admin(of: &mut Person, name: &str) -> bool {
    let directory = of.session().ledger().unwrap().directory();
    let account = directory.account(&name.parse().unwrap()).unwrap();
    account.admin_since.is_some()
}

#[tokio::test]
async fn d12_a_server_does_not_start_with_an_edited_log() {
    let (mut office, mut alice, mallory) = Office::open_under_mallory().await;
    let _bob = office.hire(&mut alice, "bob").await;
    alice.sync().await;
    office.stop();
    assert!(starts(&office).await);
    let entries = forged(&office, &mut alice);
    written(&office, &mallory, &entries);
    assert!(!starts(&office).await);
}

/// The log with the device of its third entry, alice's first, replaced by another.
fn changed(office: &Office) -> Vec<Vec<u8>> {
    let mut entries = mallory::entries(&office.data());
    let mut entry: Entry = decode(&entries[2]).unwrap();
    let Fact::DeviceAdd(certificate) = &mut entry.statement.fact else {
        panic!("a device");
    };
    certificate.device = DeviceId([1; 32]);
    entries[2] = encode(&entry);
    entries
}

#[tokio::test]
async fn d12_a_server_does_not_start_with_a_changed_row() {
    let (mut office, _alice, mallory) = Office::open_under_mallory().await;
    office.stop();
    let entries = changed(&office);
    let row = "update log_entry set entry = ?1 where entry_index = 2";
    assert_eq!(mallory.database().execute(row, [&entries[2]]), Ok(1));
    assert!(!starts(&office).await);
    mallory.sign_head(&office, &entries);
    assert!(!starts(&office).await);
}

#[tokio::test]
async fn d12_twin_a_server_starts_with_an_edited_log_and_bob_is_an_admin() {
    let (mut office, mut alice, mallory) = Office::open_under_mallory().await;
    let mut bob = office.hire(&mut alice, "bob").await;
    alice.sync().await;
    assert!(enrolment_requests(bob.session()).await.is_err());
    office.stop();
    let entries = forged(&office, &mut alice);
    written(&office, &mallory, &entries);
    office.start_without(Some("D12")).await;
    assert!(enrolment_requests(bob.session()).await.is_ok());
}

#[tokio::test]
async fn d12_an_edited_log_convinces_no_client() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let _bob = office.hire(&mut alice, "bob").await;
    alice.sync().await;
    mallory.serve(&office, forged(&office, &mut alice));
    let refused = alice.session().read_log().await;
    assert!(
        matches!(refused, Err(Error::Alarm(Alarm::ForgedEntry(_)))),
        "{refused:?}"
    );
    assert!(alice.events().contains(&"forged-entry".to_owned()));
    assert!(!is_admin(&mut alice, "bob"));
    mallory.serve(&office, changed(&office));
    let refused = alice.session().read_log().await;
    assert!(
        matches!(
            refused,
            Err(Error::Alarm(
                Alarm::LogFork { .. } | Alarm::LogRollback { .. }
            ))
        ),
        "{refused:?}"
    );
    // Nor one that has never seen the log.
    let refused = alice.other_computer().try_join(&office).await;
    assert!(matches!(refused, Err(Error::Alarm(Alarm::ForgedEntry(_)))));
}

#[tokio::test]
async fn d12_twin_an_edited_log_makes_bob_an_admin_for_alice() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let _bob = office.hire(&mut alice, "bob").await;
    alice.sync().await;
    mallory.serve(&office, forged(&office, &mut alice));
    dangerously_weaken(Some("D12"));
    alice.session().read_log().await.expect("the log");
    assert!(is_admin(&mut alice, "bob"));
}

#[tokio::test]
async fn d12_an_edited_session_makes_no_admin() {
    let (mut office, mut alice, mallory) = Office::open_under_mallory().await;
    let mut bob = office.hire(&mut alice, "bob").await;
    bob.sync().await;
    office.stop();
    let device = bob.session().device();
    let row = "update session set account = 'alice' where device_id = ?1";
    assert!(mallory.database().execute(row, [device.as_ref()]).unwrap() > 0);
    office.start().await;
    let refused = enrolment_requests(bob.session()).await;
    assert!(matches!(
        refused,
        Err(Error::Api(_) | Error::LoginNeeded | Error::Revoked)
    ));
    // Alice's own session may ask.
    alice.sync().await;
    assert!(enrolment_requests(alice.session()).await.is_ok());
}
