//! Many enrolments under one touch.

use super::*;
use crate::codec::Text;
use crate::log::entry::{AccountAdd, Batch, SIGNATURES_MAX};

fn batch(office: &Office, people: &[(&str, &SoftStatementKey)]) -> Vec<u8> {
    let names: Vec<_> = people.iter().map(|(text, _)| name(text)).collect();
    let keys = people.iter().map(|(_, key)| *key);
    let people: Vec<_> = names.iter().zip(keys).collect();
    testing::batch(&office.directory, &people, &[&office.alice])
}

/// The largest key record that there is.
fn largest() -> SoftStatementKey {
    let mut key = key();
    for credential in [&mut key.record.statement, &mut key.record.login] {
        let id = [testing::random::<512>(), testing::random::<512>()].concat();
        credential.id = id[..1023].to_vec().try_into().unwrap();
    }
    assert_eq!(encode(&key.record).len(), 16 + 2 * (2 + 1023 + 65) + 1216);
    key
}

#[test]
fn a_batch_enrols_everybody_with_one_entry_each() {
    let mut office = Office::new();
    let (carol, dave, phone) = (key(), key(), SoftDevice::generate());
    let entry = batch(&office, &[("carol", &carol), ("dave", &dave)]);
    office.add(|_| entry);
    for (text, key) in [("carol", &carol), ("dave", &dave)] {
        let account = office.directory.account(&name(text)).unwrap();
        assert_eq!((account.added, account.sequence), (4, 1));
        assert_eq!(account.keys, [key.id()]);
    }
    office.add(|o| testing::device_add(&o.directory, &name("dave"), &phone, &dave));
}

#[test]
fn the_largest_batch_fits_an_entry_and_a_page() {
    let mut office = Office::new();
    let keys: Vec<_> = (0..256).map(|_| largest()).collect();
    let accounts = (0..256).zip(&keys).map(|(number, key)| AccountAdd {
        account: name(&format!("a-very-long-name-of-thirty-2-{number:03}")),
        key: key.record.clone(),
    });
    let fact = Fact::Batch(Batch {
        accounts: accounts.collect(),
    });
    let entry = testing::next(&office.directory, fact, &[&office.alice]);
    assert!(entry.len() > 850 * 1024 && entry.len() <= Entry::MAX - SIGNATURES_MAX);
    let page = crate::api::directory::Page {
        checkpoint: Text::default(),
        consistency: Vec::new(),
        entries: vec![entry.clone().try_into().unwrap()],
    };
    assert_eq!(decode(&encode(&page)), Ok(page));
    office.add(|_| entry);
    assert_eq!(office.directory.accounts().count(), 258);
}

#[test]
fn a_batch_is_all_or_nothing() {
    let mut office = Office::new();
    let (carol, dave) = (key(), key());
    let entry = batch(&office, &[("bob", &carol), ("carol", &dave)]);
    assert_eq!(office.refusal(&entry), Refusal::NameTaken(name("bob")));
    let entry = batch(&office, &[("carol", &carol), ("dave", &office.bob)]);
    assert_eq!(office.refusal(&entry), Refusal::KeyTaken(office.bob.id()));
    assert!(office.directory.account(&name("carol")).is_none());
    let mut soft = key();
    soft.record.model = crate::key::SOFT_KEY_MODEL;
    let entry = batch(&office, &[("carol", &carol), ("dave", &soft)]);
    assert_eq!(office.refusal(&entry), Refusal::SoftKey(soft.id()));
}

#[test]
fn a_batch_has_1_to_256_sorted_names() {
    let mut office = Office::new();
    let (carol, dave) = (key(), key());
    let entry = batch(&office, &[]);
    assert_eq!(office.refusal(&entry), Refusal::BatchSize(0));
    for names in [["dave", "carol"], ["carol", "carol"]] {
        let entry = batch(&office, &[(names[0], &carol), (names[1], &dave)]);
        assert_eq!(office.refusal(&entry), Refusal::BatchOrder);
    }
    let names: Vec<_> = (0..257).map(|it| name(&format!("p{it:03}"))).collect();
    let people: Vec<_> = names.iter().map(|name| (name, &carol)).collect();
    let entry = testing::batch(&office.directory, &people, &[&office.alice]);
    assert_eq!(office.refusal(&entry), Refusal::BatchSize(257));
}

#[test]
fn l07_no_two_of_a_batch_share_a_part_of_a_key() {
    let mut office = Office::new();
    let carol = key();
    let changes: [fn(&mut KeyRecord, &KeyRecord); 4] = [
        |record, other| record.statement.id = other.statement.id.clone(),
        |record, other| record.login.id = other.statement.id.clone(),
        |record, other| record.login.public_key = other.login.public_key,
        |record, other| record.statement.public_key = other.login.public_key,
    ];
    for (number, change) in changes.iter().enumerate() {
        let mut dave = key();
        change(&mut dave.record, &carol.record);
        let entry = batch(&office, &[("carol", &carol), ("dave", &dave)]);
        let refusal = if number < 2 {
            Refusal::CredentialId(dave.id())
        } else {
            Refusal::PublicKeyTaken(dave.id())
        };
        assert_eq!(office.refusal(&entry), refusal);
    }
    let entry = batch(&office, &[("carol", &carol), ("dave", &carol)]);
    assert_eq!(office.refusal(&entry), Refusal::CredentialId(carol.id()));
}

#[test]
fn e06_a_batch_names_no_founding_key_and_makes_no_admin() {
    let (a, b) = (key(), key());
    let bytes = testing::genesis(TAG, URL, &[&a, &b], Policy::default());
    let mut directory = Directory::found(&bytes).unwrap();
    let unnamed = testing::batch(&directory, &[(&name("alice"), &a)], &[&a]);
    let refusal = directory.apply(&unnamed).unwrap_err();
    assert!(
        matches!(refusal, Refusal::UnnamedSigner { .. }),
        "{refusal}"
    );
    let named = testing::account_add(&directory, &name("alice"), &a, &[&a]);
    directory.apply(&named).unwrap();
    let taken = testing::batch(&directory, &[(&name("bela"), &b)], &[&a]);
    assert_eq!(directory.apply(&taken), Err(Refusal::KeyTaken(b.id())));
    let eve = key();
    let entry = testing::batch(&directory, &[(&name("eve"), &eve)], &[&a]);
    directory.apply(&entry).unwrap();
    assert_eq!(directory.account(&name("eve")).unwrap().admin_since, None);
}

#[test]
fn d13_a_batch_is_an_admins() {
    let mut office = Office::new();
    let carol = key();
    let entry = testing::batch(
        &office.directory,
        &[(&name("carol"), &carol)],
        &[&office.bob],
    );
    let refusal = Refusal::NoAuthority {
        kind: "batch",
        account: name("bob"),
    };
    assert_eq!(office.refusal(&entry), refusal);
}

#[test]
fn d14_d15_a_batch_again_or_beside_another_is_refused() {
    let mut office = Office::new();
    let (carol, dave) = (key(), key());
    let one = batch(&office, &[("carol", &carol)]);
    let two = batch(&office, &[("carol", &dave), ("dave", &carol)]);
    office.add(|_| one.clone());
    for late in [one.clone(), two] {
        assert_eq!(office.refusal(&late), Refusal::NameTaken(name("carol")));
    }
    let mut entry: Entry = decode(&one).unwrap();
    entry.statement.sequence = 1;
    let refusal = office.refusal(&encode(&entry));
    assert!(
        matches!(refusal, Refusal::OrganisationSequence { .. }),
        "{refusal}"
    );
}

#[test]
fn every_other_kind_stays_small() {
    let mut office = Office::new();
    // Signatures without end, and a policy of many authorities.
    let entry = testing::account_suspend(&office.directory, &name("bob"), &[&office.alice]);
    let mut entry: Entry = decode(&entry).unwrap();
    entry.signatures = vec![entry.signatures[0].clone(); 100];
    let large = encode(&entry);
    let authority = crate::log::entry::AttestationAuthority {
        certificate: vec![0; 2048].try_into().unwrap(),
        models: Vec::new(),
    };
    let policy = Policy {
        attestation: vec![authority; 7],
        ..Policy::default()
    };
    let loose = testing::policy_set(&office.directory, policy, &[&office.alice]);
    for entry in [large, loose] {
        let refusal = office.refusal(&entry);
        assert!(matches!(refusal, Refusal::TooLarge { .. }), "{refusal}");
    }
}
