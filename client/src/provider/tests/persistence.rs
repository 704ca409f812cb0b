//! What a database transaction keeps, and what its loss means for the group in memory.

use openmls::prelude::*;
use openmls_sqlite_storage::Connection;

use super::member::{CREDENTIAL, Member, receive, stage};
use crate::provider::{Provider, SUITE};

const POLICY: WireFormatPolicy = PURE_CIPHERTEXT_WIRE_FORMAT_POLICY;

fn load(member: &Member, group: &GroupId) -> Option<MlsGroup> {
    MlsGroup::load(Provider::new(&member.connection).storage(), group).unwrap()
}

/// Alice and bob in one group.
fn pair() -> (Member, MlsGroup, Member, MlsGroup) {
    let mut alice = Member::new("alice", CREDENTIAL);
    let mut bob = Member::new("bob", CREDENTIAL);
    let mut at_alice = alice.found(SUITE, POLICY);
    let package = bob.key_package(SUITE);
    let (_, welcome) = alice.add(&mut at_alice, &[&package]);
    alice.merge(&mut at_alice);
    let at_bob = bob.join(&welcome, POLICY);
    (alice, at_alice, bob, at_bob)
}

#[test]
fn a_committed_group_survives_closing_the_database() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("store");
    let mut alice = Member::with(Connection::open(&path).unwrap(), "alice", CREDENTIAL);
    let mut bob = Member::new("bob", CREDENTIAL);
    let mut group = alice.found(SUITE, POLICY);
    let package = bob.key_package(SUITE);
    let (_, welcome) = alice.add(&mut group, &[&package]);
    let id = group.group_id().clone();
    drop(group);
    drop(alice);

    // The commit was pending when the program ended.
    let mut alice = Member::with(Connection::open(&path).unwrap(), "alice", CREDENTIAL);
    let mut group = load(&alice, &id).unwrap();
    assert!(group.pending_commit().is_some());
    alice.merge(&mut group);
    let mut at_bob = bob.join(&welcome, POLICY);
    let letter = alice.send(&mut group, b"after the restart");
    assert_eq!(
        bob.receive(&mut at_bob, &letter).unwrap(),
        b"after the restart"
    );
}

#[test]
fn a_rolled_back_group_was_never_there() {
    let mut alice = Member::new("alice", CREDENTIAL);
    let credential = alice.credential.clone();
    let config = MlsGroupCreateConfig::builder()
        .ciphersuite(SUITE)
        .capabilities(super::member::capabilities(SUITE, &credential))
        .build();
    let id = alice.rolled_back(|provider, signer| {
        let group = MlsGroup::new(provider, signer, &config, credential).unwrap();
        group.group_id().clone()
    });
    assert!(load(&alice, &id).is_none());
}

#[test]
fn after_a_rollback_only_the_loaded_group_reads_the_letter() {
    let (mut alice, mut at_alice, mut bob, mut at_bob) = pair();
    let letter = alice.send(&mut at_alice, b"read twice");
    bob.rolled_back(|provider, _| receive(provider, &mut at_bob, &letter))
        .unwrap();

    // The object in memory is ahead of the database: its key for this letter is gone.
    let again = bob.rolled_back(|provider, _| receive(provider, &mut at_bob, &letter));
    assert!(
        format!("{again:?}").contains("SecretReuseError"),
        "{again:?}"
    );

    let mut at_bob = load(&bob, at_bob.group_id()).unwrap();
    assert_eq!(bob.receive(&mut at_bob, &letter).unwrap(), b"read twice");
}

#[test]
fn after_a_rollback_a_commit_is_processed_again_by_the_loaded_group() {
    let (mut alice, mut at_alice, mut bob, mut at_bob) = pair();
    let commit = alice.step(|provider, signer| {
        let update = LeafNodeParameters::default();
        let bundle = at_alice.self_update(provider, signer, update).unwrap();
        bundle.into_commit().to_bytes().unwrap()
    });
    alice.merge(&mut at_alice);
    bob.rolled_back(|provider, _| receive(provider, &mut at_bob, &commit))
        .unwrap();
    let mut at_bob = load(&bob, at_bob.group_id()).unwrap();
    assert_ne!(at_bob.epoch(), at_alice.epoch());
    assert_eq!(bob.receive(&mut at_bob, &commit), None);
    assert_eq!(
        at_bob.epoch_authenticator().as_slice(),
        at_alice.epoch_authenticator().as_slice()
    );
}

#[test]
fn staging_a_welcome_uses_up_the_key_package_unless_rolled_back() {
    let mut alice = Member::new("alice", CREDENTIAL);
    let mut bob = Member::new("bob", CREDENTIAL);
    let mut at_alice = alice.found(SUITE, POLICY);
    let package = bob.key_package(SUITE);
    let (_, welcome) = alice.add(&mut at_alice, &[&package]);
    alice.merge(&mut at_alice);

    // A refused join that is rolled back can be tried again.
    bob.rolled_back(|provider, _| stage(provider, &welcome, POLICY).map(drop))
        .unwrap();
    // A refused join that is committed cannot.
    bob.step(|provider, _| stage(provider, &welcome, POLICY).map(drop))
        .unwrap();
    let again = bob.step(|provider, _| stage(provider, &welcome, POLICY).map(drop));
    assert!(
        matches!(again, Err(WelcomeError::NoMatchingKeyPackage)),
        "{again:?}"
    );
}
