//! Keys that are revoked.

use super::*;

#[test]
fn d13_a_revoked_key_signs_nothing_logs_in_nowhere_and_never_comes_back() {
    let mut office = Office::new();
    let (bob, spare, phone) = (name("bob"), key(), SoftDevice::generate());
    office.add(|o| testing::key_add(&o.directory, &bob, &spare, &[&o.bob]));
    office.add(|o| testing::device_add(&o.directory, &bob, &phone, &spare));
    let (id, login) = (spare.id(), spare.record.login.id.as_slice());
    let keys = |directory: &Directory| -> Vec<_> {
        directory.active_keys(&bob).map(|(id, _)| id).collect()
    };
    assert_eq!(keys(&office.directory), [office.bob.id(), id]);
    assert!(office.directory.key_by_login(login).is_some());
    office.add(|o| testing::key_revoke(&o.directory, &bob, id, &[&o.bob]));
    assert_eq!(keys(&office.directory), [office.bob.id()]);
    assert_eq!(office.directory.key_by_login(login), None);
    assert!(office.directory.key(id).unwrap().revoked.is_some());
    // The devices that it certified stay.
    assert!(office.directory.active_device(phone.id()).is_some());

    let other = SoftDevice::generate();
    let entry = testing::device_add(&office.directory, &bob, &other, &spare);
    let kind = "device.add";
    assert_eq!(
        office.refusal(&entry),
        Refusal::RevokedSigner { kind, key: id }
    );
    let back = testing::key_add(&office.directory, &bob, &spare, &[&office.bob]);
    assert_eq!(office.refusal(&back), Refusal::KeyTaken(id));
    // Nor any part of it, under another's name.
    let mut part = key();
    part.record.login = spare.record.login.clone();
    let entry = testing::account_add(&office.directory, &name("eve"), &part, &[&office.alice]);
    assert_eq!(office.refusal(&entry), Refusal::CredentialId(part.id()));
    let twice = testing::key_revoke(&office.directory, &bob, id, &[&office.bob]);
    assert_eq!(office.refusal(&twice), Refusal::KeyAlreadyRevoked(id));
}

#[test]
fn the_owner_keeps_his_last_key_and_an_admin_may_take_it() {
    let mut office = Office::new();
    let (bob, only) = (name("bob"), office.bob.id());
    let own = testing::key_revoke(&office.directory, &bob, only, &[&office.bob]);
    assert_eq!(office.refusal(&own), Refusal::OwnLastKey(bob.clone()));
    let foreign = testing::key_revoke(&office.directory, &bob, office.alice.id(), &[&office.alice]);
    let unknown = Refusal::UnknownKey {
        account: bob.clone(),
        key: office.alice.id(),
    };
    assert_eq!(office.refusal(&foreign), unknown);
    let dave = office.enrol("dave");
    let stranger = testing::key_revoke(&office.directory, &bob, only, &[&dave]);
    let refusal = office.refusal(&stranger);
    assert!(matches!(refusal, Refusal::NoAuthority { .. }), "{refusal}");
    office.add(|o| testing::key_revoke(&o.directory, &bob, only, &[&o.alice]));
    assert_eq!(office.directory.active_keys(&bob).count(), 0);
}

#[test]
fn d14_a_key_is_revoked_once_by_one_entry() {
    let mut office = Office::new();
    let (bob, spare) = (name("bob"), key());
    office.add(|o| testing::key_add(&o.directory, &bob, &spare, &[&o.bob]));
    let entry = testing::key_revoke(&office.directory, &bob, spare.id(), &[&spare]);
    office.add(|_| entry.clone());
    let refusal = office.refusal(&entry);
    assert!(matches!(refusal, Refusal::Sequence { .. }), "{refusal}");
}

#[test]
fn a_founding_key_without_a_name_is_nobodys_to_revoke() {
    let (a, b) = (key(), key());
    let bytes = testing::genesis(TAG, URL, &[&a, &b], Policy::default());
    let mut directory = Directory::found(&bytes).unwrap();
    let alice = name("alice");
    let named = testing::account_add(&directory, &alice, &a, &[&a]);
    directory.apply(&named).unwrap();
    let entry = testing::key_revoke(&directory, &alice, b.id(), &[&a]);
    let refusal = directory.apply(&entry).unwrap_err();
    assert!(matches!(refusal, Refusal::UnknownKey { .. }), "{refusal}");
}
