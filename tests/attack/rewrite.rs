//! The past of the log is not to be changed: no bit of it, no entry out of it, no other spelling.

use reqwest::Method;
use valise_client::{
    clock::Clock as _,
    session::Error,
    trust::{Alarm, Ledger},
    weaken::dangerously_weaken,
};
use valise_proto::{
    api::{LETTERS, delivery},
    codec::{decode, encode},
    log::{
        Head,
        entry::{AccountSuspend, Entry, Fact},
        merkle::{Tree, leaf_hash},
        replay::Refusal,
    },
};

use super::log::starts;
use crate::support::{Mallory, Office, Person, mallory};

const SECRET: &str = "The source is called Jean.";

async fn suspend(admin: &mut Person, name: &str) {
    let account = name.parse().unwrap();
    let suspending = admin.declare(Fact::AccountSuspend(AccountSuspend { account }));
    drop(suspending.await.expect("suspending"));
}

/// Whether `person` refuses the log as it is shown, by this event, and sends nothing.
async fn refuses(person: &mut Person, mallory: &Mallory) -> Alarm {
    let before = person.events().len();
    let tried = person.try_send(&["bob"], "Source", SECRET).await;
    let Err(Error::Alarm(alarm)) = tried else {
        panic!("no alarm: {tried:?}");
    };
    assert_eq!(person.events()[before..], [alarm.kind()]);
    assert!(mallory.seen(&Method::POST, LETTERS).is_empty());
    alarm
}

/// `entry` with the lowest bit of `name` in it flipped.
fn one_bit(entry: &[u8], name: &str) -> Vec<u8> {
    let mut entry = entry.to_vec();
    let places = entry.windows(name.len());
    let at = places
        .enumerate()
        .filter(|(_, bytes)| *bytes == name.as_bytes())
        .map(|(at, _)| at);
    let at: Vec<_> = at.collect();
    assert_eq!(at.len(), 1);
    entry[at[0]] ^= 1;
    entry
}

/// Alice has suspended bob. In the database, one bit of that entry makes it cob's suspension. Carol has
/// not read it yet.
pub(super) async fn one_bit_changed(
    office: &mut Office,
    alice: &mut Person,
    mallory: &Mallory,
) -> [Person; 2] {
    let [bob, _cob, mut carol] = office.hire_all(alice, ["bob", "cob", "carol"]).await;
    carol.sync().await;
    suspend(alice, "bob").await;
    let entries = mallory::entries(&office.data());
    office.stop();
    mallory.rewrite_last(office, &one_bit(entries.last().unwrap(), "bob"));
    [bob, carol]
}

#[tokio::test]
async fn d08_one_bit_of_one_row_is_refused_by_server_and_client() {
    let (mut office, mut alice, mallory) = Office::open_under_mallory().await;
    let [_bob, mut carol] = one_bit_changed(&mut office, &mut alice, &mallory).await;
    assert!(!starts(&office).await);
    // A server that does not look serves it.
    office.start_without(Some("D12")).await;
    mallory.forget();
    let alarm = refuses(&mut carol, &mallory).await;
    assert!(
        matches!(alarm, Alarm::ForgedEntry(Refusal::Signature { .. })),
        "{alarm:?}"
    );
    // So with any other bit, whether the head is signed anew for it or not.
    let entries = mallory::entries(&office.data());
    let mut true_one = entries.clone();
    *true_one.last_mut().unwrap() = one_bit(entries.last().unwrap(), "cob");
    let bits = true_one.last().unwrap().len() * 8;
    for bit in (0..bits).step_by(37) {
        let mut flipped = true_one.clone();
        flipped.last_mut().unwrap()[bit / 8] ^= 1 << (bit % 8);
        mallory.serve(&office, flipped);
        // The server counts how often she asks what became of her commit.
        office.time.pass(2_000);
        let alarm = refuses(&mut carol, &mallory).await;
        assert!(matches!(alarm, Alarm::ForgedEntry(_)), "{bit}: {alarm:?}");
    }
}

/// Whose signature it is, is the check of D12: without it one bit brings bob back.
#[tokio::test]
async fn d08_twin_by_one_bit_a_leaver_reads_on() {
    let (mut office, mut alice, mallory) = Office::open_under_mallory().await;
    let [mut bob, mut carol] = one_bit_changed(&mut office, &mut alice, &mallory).await;
    office.start_without(Some("D12")).await;
    dangerously_weaken(Some("D12"));
    carol.send(&["bob"], "Source", SECRET).await;
    bob.sync().await;
    assert_eq!(bob.bodies(), [SECRET]);
}

/// Carol and bob have written to each other. Then alice suspends bob, and enrols dave, which carol has
/// not read yet. Returns where in the log the suspension is.
pub(super) async fn bob_leaves(office: &Office, alice: &mut Person) -> (Person, Person, usize) {
    let [mut bob, mut carol] = office.hire_all(alice, ["bob", "carol"]).await;
    carol.send(&["bob"], "Hello", "Hello.").await;
    bob.sync().await;
    let at = mallory::entries(&office.data()).len();
    suspend(alice, "bob").await;
    drop(office.hire(alice, "dave").await);
    office.time.pass(10_000);
    (bob, carol, at)
}

/// Reads the log `entries` with the head that belongs to them, or with another, as a newcomer does.
fn newcomer_reads(
    office: &Office,
    mallory: &Mallory,
    entries: &[Vec<u8>],
    head: Option<Head>,
) -> Result<(), Alarm> {
    let mut tree = Tree::default();
    for entry in entries {
        tree.append(leaf_hash(entry));
    }
    let head = head.unwrap_or(tree.head());
    let mut ledger = Ledger::begin(office.card.clone(), &entries[0])?;
    let note = mallory.note(&office.card, head);
    let page = mallory::page(&tree, &note, 1, &entries[1..]);
    ledger.advance(&page, office.time.now_ms()).map(|_| ())
}

/// There is no map of the directory: everybody has all of the log. Whatever is left out of it, but its
/// end, is missed by somebody's entry after it; and no other root is taken for what was served.
#[tokio::test]
async fn d09_nobody_and_nothing_is_left_out_of_the_directory() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let (_bob, mut carol, at) = bob_leaves(&office, &mut alice).await;
    let all = mallory::entries(&office.data());
    assert_eq!(newcomer_reads(&office, &mallory, &all, None), Ok(()));
    for left_out in 1..all.len() - 1 {
        let mut entries = all.clone();
        entries.remove(left_out);
        let read = newcomer_reads(&office, &mallory, &entries, None);
        assert!(matches!(read, Err(Alarm::ForgedEntry(_))), "{left_out}");
    }
    // A whole person, with all that is about him.
    for name in ["bob", "carol"] {
        let about = |entry: &Vec<u8>| {
            let entry: Entry = decode(entry).unwrap();
            let subject = entry.statement.fact.subject().cloned();
            subject.is_some_and(|subject| subject.as_str() == name)
        };
        let entries: Vec<_> = all.iter().filter(|entry| !about(entry)).cloned().collect();
        let read = newcomer_reads(&office, &mallory, &entries, None);
        assert!(matches!(read, Err(Alarm::ForgedEntry(_))), "{name}");
    }
    let mut tree = Tree::default();
    for entry in &all {
        tree.append(leaf_hash(entry));
    }
    for bit in 0..256 {
        let Head { size, mut root } = tree.head();
        root.0[bit / 8] ^= 1 << (bit % 8);
        let read = newcomer_reads(&office, &mallory, &all, Some(Head { size, root }));
        assert!(read.is_err(), "bit {bit} of the root");
    }
    // And so for carol, who knows all but the end of it: the event, and no letter.
    let mut entries = all;
    entries.remove(at);
    mallory.serve(&office, entries);
    let alarm = refuses(&mut carol, &mallory).await;
    assert!(matches!(alarm, Alarm::ForgedEntry(_)), "{alarm:?}");
}

#[tokio::test]
async fn d09_twin_without_his_suspension_a_leaver_reads_on() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let (mut bob, mut carol, at) = bob_leaves(&office, &mut alice).await;
    let mut entries = mallory::entries(&office.data());
    entries.remove(at);
    mallory.serve(&office, entries);
    dangerously_weaken(Some("D09"));
    carol.send(&["bob"], "Source", SECRET).await;
    let letter: delivery::Letter = mallory.seen(&Method::POST, LETTERS)[0].request();
    let read = bob
        .session()
        .attack_read(letter.group, letter.message.as_slice());
    assert_eq!(read.unwrap().unwrap().body.as_str(), SECRET);
}

/// The last entry, which is genuine, with something behind it.
pub(super) async fn respelt(office: &Office, alice: &mut Person) -> (Person, Vec<Vec<u8>>) {
    let [_bob, mut carol] = office.hire_all(alice, ["bob", "carol"]).await;
    carol.sync().await;
    drop(office.hire(alice, "dave").await);
    office.time.pass(10_000);
    let mut entries = mallory::entries(&office.data());
    entries.last_mut().unwrap().push(0);
    (carol, entries)
}

#[tokio::test]
async fn d16_an_entry_has_one_spelling() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let (mut carol, spelt) = respelt(&office, &mut alice).await;
    mallory.serve(&office, spelt.clone());
    let alarm = refuses(&mut carol, &mallory).await;
    assert!(
        matches!(alarm, Alarm::ForgedEntry(Refusal::Malformed(_))),
        "{alarm:?}"
    );
    // Nor does the server take it: a second entry under one signature.
    mallory.behave();
    let session = carol.session().login_session().unwrap().unwrap();
    let claim = valise_client::attack::Claim::Session(session.id);
    let body = spelt.last().unwrap().clone();
    let refused = carol
        .request(claim, Method::POST, valise_proto::api::LOG, body)
        .await;
    assert!(refused.is_err());
    carol.sync().await;
}

#[tokio::test]
async fn d16_twin_one_signature_stands_under_two_entries() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let (mut carol, spelt) = respelt(&office, &mut alice).await;
    alice.session().read_log().await.expect("the log");
    mallory.serve(&office, spelt.clone());
    dangerously_weaken(Some("D16"));
    carol.session().read_log().await.expect("the log");
    dangerously_weaken(None);
    // Both have the same facts, and two logs that nobody with authority ever told apart.
    let (hers, alices) = (
        carol.session().ledger().unwrap().head(),
        alice.session().ledger().unwrap().head(),
    );
    assert_eq!(hers.size, alices.size);
    assert_ne!(hers.root, alices.root);
    let last = spelt.last().unwrap();
    assert_eq!(
        carol
            .session()
            .store()
            .read()
            .log_entry(hers.size - 1)
            .unwrap()
            .as_ref(),
        Some(last)
    );
    let entry: Result<Entry, _> = decode(&last[..last.len() - 1]);
    assert_eq!(encode(&entry.unwrap()), last[..last.len() - 1]);
    assert!(carol.events().is_empty(), "{:?}", carol.events());
}
