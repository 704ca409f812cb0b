//! When a fact is true, and when it is refused.

use super::*;
use crate::{
    id::OrgTag,
    testing::{self, SoftDevice, SoftStatementKey},
};

const TAG: OrgTag = OrgTag([7; 16]);
const URL: &str = "https://mail.campagne.example";

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn key() -> SoftStatementKey {
    SoftStatementKey::generate(TAG)
}

/// An organisation with one admin, alice, and bob, who has one device.
struct Office {
    directory: Directory,
    log: Vec<Vec<u8>>,
    alice: SoftStatementKey,
    bob: SoftStatementKey,
    laptop: SoftDevice,
}

impl Office {
    fn new() -> Self {
        let (alice, bob, laptop) = (key(), key(), SoftDevice::generate());
        let genesis = testing::genesis(TAG, URL, &[&alice], Policy::default());
        let mut office = Self {
            directory: Directory::found(&genesis).unwrap(),
            log: vec![genesis],
            alice,
            bob,
            laptop,
        };
        office.add(|o| testing::account_add(&o.directory, &name("alice"), &o.alice, &[&o.alice]));
        office.add(|o| testing::account_add(&o.directory, &name("bob"), &o.bob, &[&o.alice]));
        office.add(|o| testing::device_add(&o.directory, &name("bob"), &o.laptop, &o.bob));
        office
    }

    fn add(&mut self, entry: impl FnOnce(&Self) -> Vec<u8>) {
        let entry = entry(self);
        self.directory.apply(&entry).unwrap();
        self.log.push(entry);
    }
}

#[test]
fn an_office_is_founded_and_replays_to_the_same() {
    let office = Office::new();
    let mut again = Directory::found(&office.log[0]).unwrap();
    for entry in &office.log[1..] {
        again.apply(entry).unwrap();
    }
    assert_eq!(again.head(), office.directory.head());
    assert_eq!(again.org(), OrgId(sha256(&[&office.log[0]])));
    let bob = again.account(&name("bob")).unwrap();
    assert_eq!((bob.added, bob.admin_since, bob.sequence), (2, None, 2));
    assert_eq!(again.account(&name("alice")).unwrap().admin_since, Some(1));
    assert_eq!(again.active_devices(&name("bob")), [office.laptop.id()]);
    assert_eq!(again.threshold(), 1);
    let login = office.bob.record.login.id.as_slice();
    assert_eq!(again.key_by_login(login).unwrap().0, office.bob.id());
    let statement = office.bob.record.statement.id.as_slice();
    assert_eq!(again.key_by_login(statement), None);
}
