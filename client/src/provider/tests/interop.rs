//! Groups with others: mls-rs in suite 0x0003, and OpenMLS over its own provider in 0x004E.

use mls_rs::client_builder::MlsConfig;
use mls_rs::group::ReceivedMessage;
use mls_rs::identity::SigningIdentity;
use mls_rs::identity::basic::{BasicCredential, BasicIdentityProvider};
use mls_rs::{
    CipherSuite, CipherSuiteProvider as _, Client, CryptoProvider as _, ExtensionList, Group,
    MlsMessage,
};
use mls_rs_crypto_rustcrypto::RustCryptoProvider;
use openmls::prelude::*;
use openmls_rust_crypto::OpenMlsRustCrypto;
use tls_codec::Serialize as _;

use super::member::{CREDENTIAL, Member, capabilities, checked_key_package};
use crate::provider::SUITE;

const OURS: Ciphersuite = Ciphersuite::MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519;
const THEIRS: CipherSuite = CipherSuite::CURVE25519_CHACHA;

/// mls-rs sends its commits as plaintext unless told otherwise.
const POLICY: WireFormatPolicy = MIXED_CIPHERTEXT_WIRE_FORMAT_POLICY;

fn client(name: &str) -> Client<impl MlsConfig + use<>> {
    let crypto = RustCryptoProvider::new();
    let suite = crypto.cipher_suite_provider(THEIRS).unwrap();
    let (secret, public) = suite.signature_key_generate().unwrap();
    let credential = BasicCredential::new(name.as_bytes().to_vec()).into_credential();
    Client::builder()
        .identity_provider(BasicIdentityProvider::new())
        .crypto_provider(crypto)
        .signing_identity(SigningIdentity::new(credential, public), secret, THEIRS)
        .build()
}

fn text_of(message: ReceivedMessage) -> Vec<u8> {
    match message {
        ReceivedMessage::ApplicationMessage(letter) => letter.data().to_vec(),
        other => panic!("not a letter: {other:?}"),
    }
}

/// Letters both ways, then commits in turn: both sides must stay in the same epoch.
fn correspond(alice: &mut Member, at_alice: &mut MlsGroup, at_bob: &mut Group<impl MlsConfig>) {
    for round in 0..3_u8 {
        let letter = alice.send(at_alice, &[b'a', round]);
        let letter = MlsMessage::from_bytes(&letter).unwrap();
        let received = at_bob.process_incoming_message(letter).unwrap();
        assert_eq!(text_of(received), [b'a', round]);

        let letter = at_bob
            .encrypt_application_message(&[b'b', round], vec![])
            .unwrap();
        let received = alice.receive(at_alice, &letter.to_bytes().unwrap());
        assert_eq!(received.unwrap(), [b'b', round]);

        let commit = alice.step(|provider, signer| {
            let update = LeafNodeParameters::default();
            let bundle = at_alice.self_update(provider, signer, update).unwrap();
            bundle.into_commit().to_bytes().unwrap()
        });
        alice.merge(at_alice);
        at_bob
            .process_incoming_message(MlsMessage::from_bytes(&commit).unwrap())
            .unwrap();
        same_epoch(at_alice, at_bob);

        let commit = at_bob.commit(vec![]).unwrap().commit_message;
        at_bob.apply_pending_commit().unwrap();
        assert_eq!(alice.receive(at_alice, &commit.to_bytes().unwrap()), None);
        same_epoch(at_alice, at_bob);
    }
}

fn same_epoch(ours: &MlsGroup, theirs: &Group<impl MlsConfig>) {
    assert_eq!(ours.epoch().as_u64(), theirs.current_epoch());
    let authenticator = theirs.epoch_authenticator().unwrap();
    assert_eq!(
        ours.epoch_authenticator().as_slice(),
        authenticator.as_bytes()
    );
}

#[test]
fn mls_rs_joins_our_group() {
    let bob = client("bob");
    let package = bob
        .generate_key_package_message(ExtensionList::new(), ExtensionList::new(), None)
        .unwrap();
    let message = MlsMessageIn::tls_deserialize_exact_bytes(&package.to_bytes().unwrap()).unwrap();
    let MlsMessageBodyIn::KeyPackage(package) = message.extract() else {
        panic!("not a key package");
    };

    let mut alice = Member::new("alice", CredentialType::Basic);
    let mut at_alice = alice.found(OURS, POLICY);
    let package = package.tls_serialize_detached().unwrap();
    let (_, welcome) = alice.add(&mut at_alice, &[&package]);
    alice.merge(&mut at_alice);

    let welcome = MlsMessage::from_bytes(&welcome).unwrap();
    let (mut at_bob, _) = bob.join_group(None, &welcome, None).unwrap();
    same_epoch(&at_alice, &at_bob);
    correspond(&mut alice, &mut at_alice, &mut at_bob);
}

#[test]
fn we_join_a_group_of_mls_rs() {
    let bob = client("bob");
    let mut at_bob = bob
        .create_group(ExtensionList::new(), ExtensionList::new(), None)
        .unwrap();

    let mut alice = Member::new("alice", CredentialType::Basic);
    let package = alice.key_package(OURS);
    let package = alice
        .step(|provider, _| checked_key_package(provider, &package))
        .unwrap();
    let package = MlsMessageOut::from(package).to_bytes().unwrap();
    let made = at_bob
        .commit_builder()
        .add_member(MlsMessage::from_bytes(&package).unwrap())
        .unwrap()
        .build()
        .unwrap();
    at_bob.apply_pending_commit().unwrap();

    let welcome = made.welcome_messages[0].to_bytes().unwrap();
    let mut at_alice = alice.join(&welcome, POLICY);
    same_epoch(&at_alice, &at_bob);
    correspond(&mut alice, &mut at_alice, &mut at_bob);
}

#[test]
fn openmls_over_its_own_provider_shares_a_group_in_the_product_suite() {
    let theirs = OpenMlsRustCrypto::default();
    let bob = Member::new("bob", CREDENTIAL);
    let mut alice = Member::new("alice", CREDENTIAL);

    let package = KeyPackage::builder()
        .leaf_node_capabilities(capabilities(SUITE, &bob.credential))
        .build(SUITE, &theirs, &bob.signer, bob.credential.clone())
        .unwrap();
    let package = package.key_package().tls_serialize_detached().unwrap();
    let mut at_alice = alice.found(SUITE, POLICY);
    let (_, welcome) = alice.add(&mut at_alice, &[&package]);
    alice.merge(&mut at_alice);

    let message = MlsMessageIn::tls_deserialize_exact_bytes(&welcome).unwrap();
    let MlsMessageBodyIn::Welcome(welcome) = message.extract() else {
        panic!("not a Welcome");
    };
    let config = MlsGroupJoinConfig::builder()
        .wire_format_policy(POLICY)
        .build();
    let mut at_bob = StagedWelcome::new_from_welcome(&theirs, &config, welcome, None)
        .unwrap()
        .into_group(&theirs)
        .unwrap();

    // Their commit reaches us, ours reaches them, and a letter follows.
    let update = LeafNodeParameters::default();
    let bundle = at_bob.self_update(&theirs, &bob.signer, update).unwrap();
    at_bob.merge_pending_commit(&theirs).unwrap();
    let commit = bundle.into_commit().to_bytes().unwrap();
    assert_eq!(alice.receive(&mut at_alice, &commit), None);

    let commit = alice.step(|provider, signer| {
        let update = LeafNodeParameters::default();
        let bundle = at_alice.self_update(provider, signer, update).unwrap();
        bundle.into_commit().to_bytes().unwrap()
    });
    alice.merge(&mut at_alice);
    let letter = alice.send(&mut at_alice, b"from alice");
    for (number, bytes) in [commit, letter].into_iter().enumerate() {
        let message = MlsMessageIn::tls_deserialize_exact_bytes(&bytes)
            .unwrap()
            .try_into_protocol_message()
            .unwrap();
        match at_bob
            .process_message(&theirs, message)
            .unwrap()
            .into_content()
        {
            ProcessedMessageContent::StagedCommitMessage(commit) if number == 0 => {
                at_bob.merge_staged_commit(&theirs, *commit).unwrap();
            }
            ProcessedMessageContent::ApplicationMessage(text) if number == 1 => {
                assert_eq!(text.into_bytes(), b"from alice");
            }
            other => panic!("message {number}: {other:?}"),
        }
    }
    let (ours, theirs) = (at_alice.epoch_authenticator(), at_bob.epoch_authenticator());
    assert_eq!(ours.as_slice(), theirs.as_slice());
}
