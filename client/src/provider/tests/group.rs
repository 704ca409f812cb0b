//! Whole groups of three in every suite, over our provider alone.

use openmls::prelude::*;

use super::member::{CREDENTIAL, Member, receive};
use crate::provider::{Crypto, SUITE};

const POLICY: WireFormatPolicy = PURE_CIPHERTEXT_WIRE_FORMAT_POLICY;

#[test]
fn three_devices_write_to_each_other_and_one_is_removed() {
    for suite in Crypto.supported_ciphersuites() {
        let mut alice = Member::new("alice", CREDENTIAL);
        let mut bob = Member::new("bob", CREDENTIAL);
        let mut carol = Member::new("carol", CREDENTIAL);

        // alice founds the group and adds bob
        let mut at_alice = alice.found(suite, POLICY);
        let package = bob.key_package(suite);
        let (_, welcome) = alice.add(&mut at_alice, &[&package]);
        alice.merge(&mut at_alice);
        let mut at_bob = bob.join(&welcome, POLICY);

        // bob adds carol
        let package = carol.key_package(suite);
        let (commit, welcome) = bob.add(&mut at_bob, &[&package]);
        bob.merge(&mut at_bob);
        assert_eq!(alice.receive(&mut at_alice, &commit), None);
        let mut at_carol = carol.join(&welcome, POLICY);
        assert_eq!(at_carol.members().count(), 3);

        // everyone writes, everyone else reads
        let letter = alice.send(&mut at_alice, b"from alice");
        assert_eq!(bob.receive(&mut at_bob, &letter).unwrap(), b"from alice");
        assert_eq!(
            carol.receive(&mut at_carol, &letter).unwrap(),
            b"from alice"
        );
        let letter = carol.send(&mut at_carol, b"from carol");
        assert_eq!(
            alice.receive(&mut at_alice, &letter).unwrap(),
            b"from carol"
        );
        assert_eq!(bob.receive(&mut at_bob, &letter).unwrap(), b"from carol");

        // carol rekeys her own path
        let commit = carol.step(|provider, signer| {
            let update = LeafNodeParameters::default();
            let bundle = at_carol.self_update(provider, signer, update).unwrap();
            bundle.into_commit().to_bytes().unwrap()
        });
        carol.merge(&mut at_carol);
        assert_eq!(alice.receive(&mut at_alice, &commit), None);
        assert_eq!(bob.receive(&mut at_bob, &commit), None);

        // alice removes bob: carol follows, bob is out and reads nothing more
        let commit = alice.step(|provider, signer| {
            let leaf = at_bob.own_leaf_index();
            let (commit, _, _) = at_alice.remove_members(provider, signer, &[leaf]).unwrap();
            commit.to_bytes().unwrap()
        });
        alice.merge(&mut at_alice);
        assert_eq!(carol.receive(&mut at_carol, &commit), None);
        assert_eq!(bob.receive(&mut at_bob, &commit), None);
        assert!(!at_bob.is_active());
        let letter = alice.send(&mut at_alice, b"without bob");
        assert_eq!(
            carol.receive(&mut at_carol, &letter).unwrap(),
            b"without bob"
        );
        let refused = bob.step(|provider, _| receive(provider, &mut at_bob, &letter));
        assert!(refused.is_err());
        assert_eq!(
            at_alice.epoch_authenticator().as_slice(),
            at_carol.epoch_authenticator().as_slice()
        );
    }
}

#[test]
fn the_product_suite_is_post_quantum_and_first() {
    assert_eq!(u16::from(SUITE), 0x004e);
    assert_eq!(Crypto.supported_ciphersuites().first(), Some(&SUITE));
    let p256 = Ciphersuite::MLS_128_DHKEMP256_AES128GCM_SHA256_P256;
    assert!(Crypto.supports(p256).is_err());
}
