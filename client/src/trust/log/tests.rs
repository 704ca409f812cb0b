//! The log out of the store: the same directory, or none.

use valise_proto::{
    codec::Text,
    id::{Hash, OrgTag},
    key::Ed25519Key,
    log::entry::{Policy, Witness},
    testing::{self, SoftDevice, SoftStatementKey},
};

use super::*;

const TAG: OrgTag = OrgTag([7; 16]);

/// The entries of an office of two, and its card.
fn office() -> (Card, Ledger, Vec<Vec<u8>>) {
    let (alice, bob) = (
        SoftStatementKey::generate(TAG),
        SoftStatementKey::generate(TAG),
    );
    let url = "https://mail.campagne.example";
    let genesis = testing::genesis(TAG, url, &[&alice], Policy::default());
    let card = Card {
        url: url.parse().unwrap(),
        org: OrgId(sha256(&[&genesis])),
        tag: TAG,
        tls: Hash([1; 32]),
        log: Ed25519Key::try_from(SoftDevice::generate().id().0).unwrap(),
    };
    let mut ledger = Ledger::begin(card.clone(), &genesis).unwrap();
    let mut entries = vec![genesis];
    let mut add = |entry: Vec<u8>, directory: &mut Directory| {
        directory.apply(&entry).unwrap();
        entries.push(entry);
    };
    let (a, b) = ("alice".parse().unwrap(), "bob".parse().unwrap());
    let directory = &mut ledger.directory;
    add(
        testing::account_add(directory, &a, &alice, &[&alice]),
        directory,
    );
    add(
        testing::account_add(directory, &b, &bob, &[&alice]),
        directory,
    );
    let laptop = SoftDevice::generate();
    add(testing::device_add(directory, &b, &laptop, &bob), directory);
    (card, ledger, entries)
}

fn restore(card: Card, head: Head, entries: &[Vec<u8>]) -> Result<Ledger, StoreError> {
    let entries = entries.to_vec();
    Ledger::restore(card, &VerifiedLog { head, entries }, None)
}

#[test]
fn what_was_verified_is_restored_as_it_was() {
    let (card, ledger, entries) = office();
    let again = restore(card, ledger.head(), &entries).unwrap();
    assert_eq!(
        format!("{:?}", again.directory),
        format!("{:?}", ledger.directory)
    );
}

#[test]
fn a_log_that_is_not_the_one_that_was_verified_is_refused() {
    let (card, ledger, entries) = office();
    let head = ledger.head();
    let refused = |head: Head, entries: &[Vec<u8>]| {
        let restored = restore(card.clone(), head, entries);
        matches!(restored, Err(StoreError::Damaged(_)))
    };
    let root = Hash([9; 32]);
    assert!(refused(Head { root, ..head }, &entries));
    assert!(refused(head, &entries[..3]));
    assert!(refused(head, &[]));
    let mut swapped = entries.clone();
    swapped.swap(1, 2);
    assert!(refused(head, &swapped));
    // A signature that nobody made: one bit of it is enough.
    let mut forged = entries.clone();
    *forged[2].last_mut().unwrap() ^= 1;
    assert!(refused(head, &forged));
    let mut cut = entries;
    cut[3].pop();
    assert!(refused(head, &cut));
}

/// Every letter asks for the word: the witnesses' lines are verified when the log is read, and out of the
/// store, and not again.
#[test]
fn d19_a_witness_line_is_verified_once() {
    const NOW_MS: u64 = 1_800_000_000_000;
    let (alice, server, witness) = (
        SoftStatementKey::generate(TAG),
        SoftDevice::generate(),
        SoftDevice::generate(),
    );
    let url = "https://mail.campagne.example";
    let policy = Policy {
        witnesses: vec![Witness {
            name: "w".to_owned().try_into().unwrap(),
            key: witness.id().0,
        }],
        witness_quorum: 1,
        ..Policy::default()
    };
    let genesis = testing::genesis(TAG, url, &[&alice], policy);
    let card = Card {
        url: url.parse().unwrap(),
        org: OrgId(sha256(&[&genesis])),
        tag: TAG,
        tls: Hash([1; 32]),
        log: Ed25519Key::try_from(server.id().0).unwrap(),
    };
    let mut ledger = Ledger::begin(card.clone(), &genesis).unwrap();
    let key = Ed25519Key::try_from(witness.id().0).unwrap();
    let head = ledger.head();
    let unseen = checkpoint::format_signed(card.org, head, card.log, |text| server.sign(text));
    let line =
        checkpoint::format_cosignature(&unseen, "w", key, NOW_MS / 1000, |it| witness.sign(it));
    let seen = unseen.clone() + &line.unwrap();
    let page = |note: &str| Page {
        checkpoint: Text::truncated(note),
        consistency: Vec::new(),
        entries: Vec::new(),
    };
    ledger.advance(&page(&unseen), NOW_MS).unwrap();
    let unwitnessed = Alarm::UnwitnessedLog {
        quorum: 1,
        witnesses: 1,
    };
    assert_eq!(ledger.word(NOW_MS), Err(unwitnessed));
    ledger.advance(&page(&seen), NOW_MS).unwrap();
    let word = ledger.word(NOW_MS).unwrap();
    let log = VerifiedLog {
        head,
        entries: vec![genesis],
    };
    let mut restored = Ledger::restore(card.clone(), &log, Some(&seen)).unwrap();
    for ledger in [&mut ledger, &mut restored] {
        // There is nothing left to verify.
        ledger.signed.as_mut().unwrap().note.clear();
        assert_eq!(ledger.word(NOW_MS), Ok(word));
        assert_eq!(ledger.sightings(NOW_MS)[0].seen_ms, Some(NOW_MS));
    }
    let restored = Ledger::restore(card, &log, Some(&unseen)).unwrap();
    assert!(restored.word(NOW_MS).is_err());
}
