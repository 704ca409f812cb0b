//! The log out of the store: the same directory, or none.

use valise_proto::{
    id::{Hash, OrgTag},
    key::Ed25519Key,
    log::entry::Policy,
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
    Ledger::restore(card, &VerifiedLog { head, entries })
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
