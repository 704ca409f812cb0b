//! A key package whose signatures hold and whose HPKE keys nobody can encrypt to (G19).

use openmls::prelude::*;
use openmls_traits::signatures::Signer as _;
use tls_codec::{Serialize as _, VLByteSlice};

use super::member::{CREDENTIAL, Member, checked_key_package};
use crate::mls::provider::{Crypto, SUITE};

const POLICY: WireFormatPolicy = PURE_CIPHERTEXT_WIRE_FORMAT_POLICY;

/// Length of an X-Wing public key; its X25519 half is at the end.
const KEY: usize = 1216;

/// Where the init key begins: after version, suite and the key's own length.
const INIT_KEY: usize = 2 + 2 + 2;

/// Zeroes the X25519 half of the init key and signs the package again, as its owner could.
fn with_weak_init_key(member: &Member, package: &[u8]) -> Vec<u8> {
    let opaque = |bytes: &[u8]| VLByteSlice(bytes).tls_serialize_detached().unwrap();
    let signature_with_length = 2 + 64;
    let mut signed = package[..package.len() - signature_with_length].to_vec();
    signed[INIT_KEY + KEY - 32..INIT_KEY + KEY].fill(0);
    // SignWithLabel (RFC 9420 §5.1.2)
    let content = [opaque(b"MLS 1.0 KeyPackageTBS"), opaque(&signed)].concat();
    let signature = member.signer.sign(&content).unwrap();
    [signed, opaque(&signature)].concat()
}

#[test]
fn g19_a_key_package_with_a_weak_init_key_is_not_added() {
    let mut alice = Member::new("alice", CREDENTIAL);
    let mut bob = Member::new("bob", CREDENTIAL);
    let mut group = alice.found(SUITE, POLICY);
    let good = bob.key_package(SUITE);
    let weak = with_weak_init_key(&bob, &good);
    assert_ne!(good, weak);

    alice.rolled_back(|provider, signer| {
        // OpenMLS sees nothing wrong with it.
        let package = checked_key_package(provider, &weak).unwrap();
        let key = package.hpke_init_key().as_slice();
        assert!(Crypto.check_hpke_key(SUITE, key).is_err());
        assert!(group.add_members(provider, signer, &[package]).is_err());
    });

    // The good one is still welcome.
    let id = group.group_id().clone();
    let mut group =
        alice.step(|provider, _| MlsGroup::load(provider.storage(), &id).unwrap().unwrap());
    let (_, welcome) = alice.add(&mut group, &[&good]);
    alice.merge(&mut group);
    bob.join(&welcome, POLICY);
}

#[test]
fn the_keys_of_our_own_leaves_pass_the_check() {
    let mut alice = Member::new("alice", CREDENTIAL);
    let group = alice.found(SUITE, POLICY);
    let keys: Vec<_> = group
        .members()
        .map(|member| member.encryption_key)
        .collect();
    assert_eq!(keys.len(), 1);
    for key in keys {
        assert_eq!(Crypto.check_hpke_key(SUITE, &key), Ok(()));
    }
    let p256 = Ciphersuite::MLS_128_DHKEMP256_AES128GCM_SHA256_P256;
    assert!(Crypto.check_hpke_key(p256, &[4; 65]).is_err());
}
