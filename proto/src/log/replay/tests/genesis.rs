//! The founding, and how founding keys get their names.

use super::*;
use crate::log::entry::AttestationAuthority;

fn records(keys: &[&SoftStatementKey]) -> Vec<KeyRecord> {
    keys.iter().map(|key| key.record.clone()).collect()
}

fn found(statement: Statement, signers: &[&SoftStatementKey]) -> Result<Directory, Refusal> {
    Directory::found(&testing::sign(statement, OrgId([0; 32]), signers))
}

#[test]
#[expect(clippy::type_complexity, reason = "a plain list of changes")]
fn genesis_keeps_its_rules() {
    let (a, b) = (key(), key());
    let both = [&a, &b];
    let good = testing::genesis_statement(TAG, URL, records(&both), Policy::default());
    assert!(found(good.clone(), &both).is_ok());
    let spoilt = |change: &dyn Fn(&mut Statement, &mut Genesis)| {
        let mut statement = good.clone();
        let Fact::Genesis(mut genesis) = statement.fact.clone() else {
            panic!("not genesis");
        };
        change(&mut statement, &mut genesis);
        statement.fact = Fact::Genesis(genesis);
        found(statement, &both).unwrap_err()
    };
    assert_eq!(
        spoilt(&|statement, _| statement.version = 2),
        Refusal::Version {
            kind: "genesis",
            version: 2
        }
    );
    let changes: [&dyn Fn(&mut Statement, &mut Genesis); 3] = [
        &|statement: &mut Statement, _: &mut Genesis| statement.seen.size = 1,
        &|statement: &mut Statement, _: &mut Genesis| statement.seen.root.0[0] = 1,
        &|statement: &mut Statement, _: &mut Genesis| statement.sequence = 1,
    ];
    for change in changes {
        assert_eq!(spoilt(change), Refusal::GenesisSawSomething);
    }
    assert_eq!(spoilt(&|_, g| g.founders.clear()), Refusal::FounderCount(0));
    let many = || records(&[&key(), &key(), &key(), &key(), &key()]);
    assert_eq!(
        spoilt(&|_, g| g.founders = many()),
        Refusal::FounderCount(5)
    );
    assert_eq!(spoilt(&|_, g| g.policy.suite = 0x0001), Refusal::Suite(1));
    let twice = records(&[&a, &a]);
    assert_eq!(
        spoilt(&|_, g| g.founders = twice.clone()),
        Refusal::KeyTaken(a.id())
    );
    let http = || "http://mail.example".to_owned().try_into().unwrap();
    assert_eq!(spoilt(&|_, g| g.url = http()), Refusal::Url);
    let unsorted = || AttestationAuthority {
        certificate: vec![].try_into().unwrap(),
        models: vec![testing::HARD_KEY_MODEL, testing::HARD_KEY_MODEL],
    };
    assert_eq!(
        spoilt(&|_, g| g.policy.attestation = vec![unsorted()]),
        Refusal::UnsortedModels
    );
    let refusal = spoilt(&|_, g| g.tag = OrgTag([8; 16]));
    assert!(matches!(refusal, Refusal::Signature { .. }), "{refusal}");
    let bulk = || AttestationAuthority {
        certificate: vec![0; 2048].try_into().unwrap(),
        models: vec![testing::HARD_KEY_MODEL],
    };
    let refusal =
        spoilt(&|_, g| g.policy.attestation = vec![bulk(), bulk(), bulk(), bulk(), bulk()]);
    assert!(matches!(refusal, Refusal::TooLarge { .. }), "{refusal}");
}

#[test]
fn every_founder_signs_and_nobody_else() {
    let (a, b, stranger) = (key(), key(), key());
    let statement = testing::genesis_statement(TAG, URL, records(&[&a, &b]), Policy::default());
    assert_eq!(
        found(statement.clone(), &[&a]).unwrap_err(),
        Refusal::FounderDidNotSign(b.id())
    );
    assert_eq!(
        found(statement.clone(), &[]).unwrap_err(),
        Refusal::Unsigned { kind: "genesis" }
    );
    assert_eq!(
        found(statement, &[&a, &b, &stranger]).unwrap_err(),
        Refusal::UnknownSigner {
            kind: "genesis",
            key: stranger.id()
        }
    );
}

#[test]
fn genesis_is_first_and_only() {
    let mut office = Office::new();
    let bytes = office.log[0].clone();
    assert_eq!(office.refusal(&bytes), Refusal::SecondGenesis);
    assert_eq!(
        Directory::found(&office.log[1]).unwrap_err(),
        Refusal::NotGenesis {
            kind: "account.add"
        }
    );
}

#[test]
fn a_founding_key_signs_its_own_naming_and_nothing_else_before() {
    let (a, b, c) = (key(), key(), key());
    let bytes = testing::genesis(TAG, URL, &[&a, &b], Policy::default());
    let mut directory = Directory::found(&bytes).unwrap();
    // Two founders: the threshold is two from the start.
    assert_eq!(directory.threshold(), 2);
    let (alice, bela, carol) = (name("alice"), name("bela"), name("carol"));
    let unnamed = |key: &SoftStatementKey| Refusal::UnnamedSigner {
        kind: "account.add",
        key: key.id(),
    };
    let other = testing::account_add(&directory, &carol, &c, &[&a]);
    assert_eq!(directory.apply(&other), Err(unnamed(&a)));
    let other = testing::account_add(&directory, &bela, &b, &[&a]);
    assert_eq!(directory.apply(&other), Err(unnamed(&a)));
    directory
        .apply(&testing::account_add(&directory, &alice, &a, &[&a]))
        .unwrap();
    // Alice is an admin now, and still cannot say whose the other founding key is.
    let taken = testing::account_add(&directory, &bela, &b, &[&a]);
    assert_eq!(directory.apply(&taken), Err(Refusal::FounderNaming(b.id())));
    let both = testing::account_add(&directory, &bela, &b, &[&a, &b]);
    assert_eq!(directory.apply(&both), Err(Refusal::FounderNaming(b.id())));
    directory
        .apply(&testing::account_add(&directory, &carol, &c, &[&a]))
        .unwrap();
    let alone = testing::admin_add(&directory, &carol, &[&a]);
    let refusal = directory.apply(&alone).unwrap_err();
    assert!(matches!(refusal, Refusal::Threshold { .. }), "{refusal}");
    directory
        .apply(&testing::account_add(&directory, &bela, &b, &[&b]))
        .unwrap();
    directory
        .apply(&testing::admin_add(&directory, &carol, &[&a, &b]))
        .unwrap();
    // A name is given once.
    let again = testing::account_add(&directory, &name("alicia"), &a, &[&a]);
    assert_eq!(directory.apply(&again), Err(Refusal::KeyTaken(a.id())));
}
