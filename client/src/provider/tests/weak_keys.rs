//! Key packages whose signatures hold and whose HPKE keys nobody can encrypt to (G19).

use openmls::prelude::*;
use openmls_traits::signatures::Signer as _;
use tls_codec::{Serialize as _, VLByteSlice};

use super::member::{CREDENTIAL, Member, checked_key_package};
use crate::provider::{Crypto, SUITE};

const POLICY: WireFormatPolicy = PURE_CIPHERTEXT_WIRE_FORMAT_POLICY;

/// Length of an X-Wing public key; its X25519 half is at the end.
const KEY: usize = 1216;

/// Where the init key begins: after version, suite and the key's own length (RFC 9420 §10).
const INIT_KEY: usize = 2 + 2 + 2;

/// Where the leaf's encryption key begins: it is the first field of the leaf node (RFC 9420 §7.2).
const LEAF_KEY: usize = INIT_KEY + KEY + 2;

/// An Ed25519 signature with its length.
const SIGNATURE: usize = 2 + 64;

/// Zeroes the X25519 half of the key that begins at `key`, and signs leaf and package again, as
/// their owner could.
fn weakened(member: &Member, package: &[u8], key: usize) -> Vec<u8> {
    let mut package = package.to_vec();
    package[key + KEY - 32..key + KEY].fill(0);
    // Behind the leaf stand the package's extensions, none, and its signature.
    let leaf = LEAF_KEY - 2..package.len() - 1 - SIGNATURE;
    sign(member, "LeafNodeTBS", &mut package[leaf]);
    sign(member, "KeyPackageTBS", &mut package);
    package
}

/// `SignWithLabel` (RFC 9420 §5.1.2) over everything before the signature that ends `structure`.
fn sign(member: &Member, label: &str, structure: &mut [u8]) {
    let opaque = |bytes: &[u8]| VLByteSlice(bytes).tls_serialize_detached().unwrap();
    let (signed, signature) = structure.split_at_mut(structure.len() - SIGNATURE);
    let label = opaque(format!("MLS 1.0 {label}").as_bytes());
    let made = member.signer.sign(&[label, opaque(signed)].concat());
    signature.copy_from_slice(&opaque(&made.unwrap()));
}

#[test]
fn g19_a_key_package_with_a_weak_init_key_is_not_added() {
    let mut alice = Member::new("alice", CREDENTIAL);
    let mut bob = Member::new("bob", CREDENTIAL);
    let mut group = alice.found(SUITE, POLICY);
    let good = bob.key_package(SUITE);
    let weak = weakened(&bob, &good, INIT_KEY);
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
fn g19_a_leaf_with_a_weak_key_is_found_before_it_stops_the_group() {
    let mut alice = Member::new("alice", CREDENTIAL);
    let mut bob = Member::new("bob", CREDENTIAL);
    let mut group = alice.found(SUITE, POLICY);
    let good = bob.key_package(SUITE);
    let weak = weakened(&bob, &good, LEAF_KEY);

    let (_, _) = alice.add(&mut group, &[&weak]);
    alice.merge(&mut group);
    let keys: Vec<_> = group
        .members()
        .map(|member| member.encryption_key)
        .collect();
    assert_eq!(Crypto.check_hpke_key(SUITE, &keys[0]), Ok(()));
    assert!(Crypto.check_hpke_key(SUITE, &keys[1]).is_err());

    // What the check prevents: nobody can renew the path while such a leaf is in the tree.
    alice.step(|provider, signer| {
        let update = LeafNodeParameters::default();
        assert!(group.self_update(provider, signer, update).is_err());
    });
    // And what heals it, should it have happened: removing that leaf needs no encryption to it.
    let id = group.group_id().clone();
    alice.step(|provider, signer| {
        let mut group = MlsGroup::load(provider.storage(), &id).unwrap().unwrap();
        let weak = LeafNodeIndex::new(1);
        group.remove_members(provider, signer, &[weak]).unwrap();
    });
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
