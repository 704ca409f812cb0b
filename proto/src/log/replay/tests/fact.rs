//! What must be so before a fact can be.

use super::*;
use crate::log::entry::{AttestationAuthority, KeyAdd};

#[test]
fn d02_a_certificate_is_for_one_name() {
    let mut office = Office::new();
    let mallory = office.enrol("mallory");
    let (org, phone) = (office.directory.org(), SoftDevice::generate());
    // Mallory's own certificate, shown as bob's: her signature does not speak for bob.
    let own = phone.certificate(org, &name("mallory"), "phone");
    let mut entry = testing::entry(
        testing::statement(&office.directory, Fact::DeviceAdd(own.clone())),
        org,
        &[&mallory],
    );
    let right = encode(&entry);
    if let Fact::DeviceAdd(certificate) = &mut entry.statement.fact {
        certificate.account = name("bob");
    }
    entry.statement.sequence = office.directory.sequence(&name("bob"));
    let refusal = office.refusal(&encode(&entry));
    assert!(matches!(refusal, Refusal::NoAuthority { .. }), "{refusal}");
    // With bob's key id written over it, it is still not bob's signature.
    entry.signatures[0].key = office.bob.id();
    let refusal = office.refusal(&encode(&entry));
    assert!(
        matches!(refusal, Refusal::DeviceConsent { .. }),
        "{refusal}"
    );
    // Bob certifies mallory's device as his: the device agreed to be mallory's only.
    let mut taken = own;
    taken.account = name("bob");
    let entry = testing::next(&office.directory, Fact::DeviceAdd(taken), &[&office.bob]);
    assert_eq!(
        office.refusal(&entry),
        Refusal::DeviceConsent {
            account: name("bob"),
            device: phone.id()
        }
    );
    office.add(|_| right);
}

#[test]
fn a_weak_device_key_is_refused() {
    let mut office = Office::new();
    let phone = SoftDevice::generate();
    let mut certificate = phone.certificate(office.directory.org(), &name("bob"), "phone");
    certificate.device = DeviceId([0; 32]);
    certificate.consent = [0; 64];
    let entry = testing::next(
        &office.directory,
        Fact::DeviceAdd(certificate),
        &[&office.bob],
    );
    let refusal = office.refusal(&entry);
    assert!(matches!(refusal, Refusal::WeakDevice { .. }), "{refusal}");
}

#[test]
fn d14_an_old_entry_again_is_refused() {
    let mut office = Office::new();
    let laptop = office.laptop.id();
    office.add(|o| testing::device_revoke(&o.directory, &name("bob"), laptop, &[&o.bob]));
    office.add(|o| testing::account_suspend(&o.directory, &name("bob"), &[&o.alice]));
    for entry in office.log.clone() {
        let refusal = office.refusal(&entry);
        assert!(
            matches!(refusal, Refusal::Sequence { .. } | Refusal::SecondGenesis),
            "{refusal}"
        );
    }
    // Nor does a leaver come back by a fresh signature over the old fact.
    let again = testing::next(&office.directory, office.fact(2), &[&office.alice]);
    assert_eq!(office.refusal(&again), Refusal::NameTaken(name("bob")));
    let again = testing::account_suspend(&office.directory, &name("bob"), &[&office.alice]);
    let refusal = office.refusal(&again);
    assert!(matches!(refusal, Refusal::Suspended { .. }), "{refusal}");
    let key = key();
    let more = testing::key_add(&office.directory, &name("bob"), &key, &[&office.bob]);
    let refusal = office.refusal(&more);
    assert!(
        matches!(refusal, Refusal::SuspendedSigner { .. }),
        "{refusal}"
    );
}

#[test]
fn d15_of_two_entries_in_a_race_one_wins() {
    let mut office = Office::new();
    let (first, second) = (key(), key());
    let carol = name("carol");
    let one = testing::account_add(&office.directory, &carol, &first, &[&office.alice]);
    let two = testing::account_add(&office.directory, &carol, &second, &[&office.alice]);
    office.add(|_| one);
    let refusal = office.refusal(&two);
    assert!(matches!(refusal, Refusal::Sequence { .. }), "{refusal}");
}

#[test]
fn a_device_is_certified_once_and_revoked_once() {
    let mut office = Office::new();
    let (bob, laptop) = (name("bob"), office.laptop.id());
    let again = testing::device_add(&office.directory, &bob, &office.laptop, &office.bob);
    assert_eq!(office.refusal(&again), Refusal::DeviceTaken(laptop));
    let foreign =
        testing::device_revoke(&office.directory, &name("alice"), laptop, &[&office.alice]);
    assert_eq!(
        office.refusal(&foreign),
        Refusal::UnknownDevice {
            account: name("alice"),
            device: laptop
        }
    );
    assert!(office.directory.active_device(laptop).is_some());
    office.add(|o| testing::device_revoke(&o.directory, &bob, laptop, &[&o.alice]));
    assert!(office.directory.active_device(laptop).is_none());
    assert!(office.directory.active_devices(&bob).is_empty());
    let twice = testing::device_revoke(&office.directory, &bob, laptop, &[&office.bob]);
    assert_eq!(office.refusal(&twice), Refusal::AlreadyRevoked(laptop));
    let again = testing::device_add(&office.directory, &bob, &office.laptop, &office.bob);
    assert_eq!(office.refusal(&again), Refusal::DeviceTaken(laptop));
}

#[test]
fn e12_a_suspended_account_has_no_active_device() {
    let mut office = Office::new();
    office.add(|o| testing::account_suspend(&o.directory, &name("bob"), &[&o.alice]));
    assert!(office.directory.active_devices(&name("bob")).is_empty());
    assert!(office.directory.active_device(office.laptop.id()).is_none());
    assert!(office.directory.device(office.laptop.id()).is_some());
}

#[test]
fn an_admin_is_somebody_and_is_made_once() {
    let mut office = Office::new();
    let entry = testing::admin_add(&office.directory, &name("nobody"), &[&office.alice]);
    let refusal = office.refusal(&entry);
    assert!(
        matches!(refusal, Refusal::UnknownAccount { .. }),
        "{refusal}"
    );
    let entry = testing::admin_add(&office.directory, &name("alice"), &[&office.alice]);
    assert_eq!(office.refusal(&entry), Refusal::AlreadyAdmin(name("alice")));
}

#[test]
fn l07_every_part_of_a_new_key_is_new_and_sound() {
    let mut office = Office::new();
    let spoilt = |change: &dyn Fn(&mut KeyRecord)| {
        let mut key = key();
        change(&mut key.record);
        key
    };
    let bob = office.bob.record.clone();
    let own = bob.clone();
    let mut try_key = |key: SoftStatementKey| {
        let fact = Fact::KeyAdd(KeyAdd {
            account: name("bob"),
            key: key.record.clone(),
        });
        let entry = testing::next(&office.directory, fact, &[&office.bob]);
        (office.refusal(&entry), key.id())
    };
    let (refusal, id) = try_key(spoilt(&|record| *record = own.clone()));
    assert_eq!(refusal, Refusal::KeyTaken(id));
    let changes: [&dyn Fn(&mut KeyRecord); 5] = [
        &|record: &mut KeyRecord| record.statement.id = bob.statement.id.clone(),
        &|record: &mut KeyRecord| record.login.id = bob.login.id.clone(),
        &|record: &mut KeyRecord| record.login.id = bob.statement.id.clone(),
        &|record: &mut KeyRecord| record.login.id = record.statement.id.clone(),
        &|record: &mut KeyRecord| record.login.id = vec![].try_into().unwrap(),
    ];
    for change in changes {
        let (refusal, id) = try_key(spoilt(change));
        assert_eq!(refusal, Refusal::CredentialId(id));
    }
    let changes: [&dyn Fn(&mut KeyRecord); 3] = [
        &|record: &mut KeyRecord| record.statement.public_key = bob.statement.public_key,
        &|record: &mut KeyRecord| record.login.public_key = bob.statement.public_key,
        &|record: &mut KeyRecord| record.login.public_key = record.statement.public_key,
    ];
    for change in changes {
        let (refusal, id) = try_key(spoilt(change));
        assert_eq!(refusal, Refusal::PublicKeyTaken(id));
    }
    let changes: [&dyn Fn(&mut KeyRecord); 4] = [
        &|record: &mut KeyRecord| record.statement.public_key[64] ^= 1,
        &|record: &mut KeyRecord| record.login.public_key[1] ^= 1,
        &|record: &mut KeyRecord| record.login.public_key[0] = 2,
        &|record: &mut KeyRecord| record.statement.public_key = [0; 65],
    ];
    for change in changes {
        let (refusal, id) = try_key(spoilt(change));
        assert_eq!(refusal, Refusal::PublicKey(id));
    }
}

#[test]
fn l10_a_software_key_needs_a_policy_that_names_it() {
    let mut office = Office::new();
    let mut soft = key();
    soft.record.model = crate::key::SOFT_KEY_MODEL;
    let entry = testing::account_add(&office.directory, &name("eve"), &soft, &[&office.alice]);
    assert_eq!(office.refusal(&entry), Refusal::SoftKey(soft.id()));

    let policy = |model| Policy {
        attestation: vec![AttestationAuthority {
            certificate: vec![1, 2, 3].try_into().unwrap(),
            models: vec![model],
        }],
        ..Policy::default()
    };
    let founder = key();
    let found = |founder: &SoftStatementKey, policy| {
        Directory::found(&testing::genesis(TAG, URL, &[founder], policy))
    };
    // The founders' keys are under the same rule.
    assert_eq!(
        found(&soft, Policy::default()).unwrap_err(),
        Refusal::SoftKey(soft.id())
    );
    assert_eq!(
        found(&founder, policy(crate::key::SOFT_KEY_MODEL)).unwrap_err(),
        Refusal::Model(founder.id())
    );
    let mut directory = found(&soft, policy(crate::key::SOFT_KEY_MODEL)).unwrap();
    let hard = key();
    let named = testing::account_add(&directory, &name("alice"), &soft, &[&soft]);
    directory.apply(&named).unwrap();
    let entry = testing::account_add(&directory, &name("bob"), &hard, &[&soft]);
    assert_eq!(directory.apply(&entry), Err(Refusal::Model(hard.id())));
    let mut other = key();
    other.record.model = crate::key::SOFT_KEY_MODEL;
    let entry = testing::account_add(&directory, &name("bob"), &other, &[&soft]);
    assert!(directory.apply(&entry).is_ok());
}
