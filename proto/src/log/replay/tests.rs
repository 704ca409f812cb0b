//! When a fact is true, and when it is refused.

mod authority;
mod batch;
mod council;
mod fact;
mod genesis;
mod key;
mod list;
mod policy;
mod random;

mod recovery;
mod suspension;
mod tampering;

use super::*;
use crate::{
    codec::{Limited, encode},
    id::OrgTag,
    key::KeyRecord,
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

    /// Appends an entry that must be right.
    fn add(&mut self, entry: impl FnOnce(&Self) -> Vec<u8>) {
        let entry = entry(self);
        self.directory.apply(&entry).unwrap();
        self.log.push(entry);
    }

    /// Offers an entry that must be wrong, and must leave no trace.
    fn refusal(&mut self, entry: &[u8]) -> Refusal {
        let before = format!("{:?}", self.directory);
        let refusal = self.directory.apply(entry).unwrap_err();
        assert_eq!(format!("{:?}", self.directory), before, "{refusal}");
        refusal
    }

    /// The fact of an entry so far.
    fn fact(&self, index: usize) -> Fact {
        decode::<Entry>(&self.log[index]).unwrap().statement.fact
    }

    /// Enrols another person.
    fn enrol(&mut self, account: &str) -> SoftStatementKey {
        let key = key();
        self.add(|o| testing::account_add(&o.directory, &name(account), &key, &[&o.alice]));
        key
    }

    /// Enrols carol and makes her the second admin.
    fn second_admin(&mut self) -> SoftStatementKey {
        let carol = self.enrol("carol");
        self.add(|o| testing::admin_add(&o.directory, &name("carol"), &[&o.alice]));
        carol
    }

    /// Enrols dave and makes him the third admin; carol is the second.
    fn third_admin(&mut self, carol: &SoftStatementKey) -> SoftStatementKey {
        let dave = self.enrol("dave");
        self.add(|o| testing::admin_add(&o.directory, &name("dave"), &[&o.alice, carol]));
        dave
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
    let mut kept = Directory::found(&office.log[0]).unwrap();
    for entry in &office.log[1..] {
        kept.apply_verified(entry).unwrap();
    }
    assert_eq!(format!("{kept:?}"), format!("{again:?}"));
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

#[test]
fn refusals_say_who_and_what() {
    let mut office = Office::new();
    let mut texts = Vec::new();
    let alice = name("alice");
    let by_bob = testing::account_suspend(&office.directory, &alice, &[&office.bob]);
    let last = testing::account_suspend(&office.directory, &alice, &[&office.alice]);
    let again = testing::next(&office.directory, office.fact(2), &[&office.alice]);
    for entry in [
        by_bob,
        last,
        again,
        office.log[2].clone(),
        office.log[0].clone(),
        vec![],
    ] {
        texts.push(office.refusal(&entry).to_string());
    }
    office.second_admin();
    let one = testing::admin_add(&office.directory, &name("bob"), &[&office.alice]);
    texts.push(office.refusal(&one).to_string());
    insta::assert_snapshot!(texts.join("\n"), @r"
    bob may not sign this account.suspend
    account.suspend would leave 0 admins who can sign, where 1 must
    the name bob was used before
    account.add for bob has sequence 0: the next is 2
    a second genesis entry
    malformed Entry
    admin.add needs the signatures of 2 admins, and has 1
    ");
}
