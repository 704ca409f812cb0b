//! passive-client-*.json: a member that joins by Welcome and follows every commit, through OpenMLS.

use openmls::prelude::*;
use openmls::schedule::PreSharedKeyId;
use openmls_sqlite_storage::Connection;
use openmls_traits::storage::StorageProvider as _;
use serde::Deserialize;
use serde_json::json;

use super::{Hex, each};
use crate::provider::{Provider, migrate};

#[derive(Deserialize)]
struct Vector {
    external_psks: Vec<ExternalPsk>,
    key_package: Hex,
    encryption_priv: Hex,
    init_priv: Hex,
    welcome: Hex,
    ratchet_tree: Option<Hex>,
    initial_epoch_authenticator: Hex,
    epochs: Vec<Step>,
}

#[derive(Deserialize)]
struct ExternalPsk {
    psk_id: Hex,
    psk: Hex,
}

#[derive(Deserialize)]
struct Step {
    proposals: Vec<Hex>,
    commit: Hex,
    epoch_authenticator: Hex,
}

#[test]
fn passive_client_welcome() {
    each("passive-client-welcome.json", |_, vector| follow(&vector));
}

#[test]
fn passive_client_handling_commit() {
    each("passive-client-handling-commit.json", |_, vector| {
        follow(&vector);
    });
}

#[test]
fn passive_client_random() {
    each("passive-client-random.json", |_, vector| follow(&vector));
}

fn follow(vector: &Vector) {
    let mut connection = Connection::open_in_memory().unwrap();
    migrate(&mut connection).unwrap();
    let provider = Provider::new(&connection);
    for ExternalPsk { psk_id, psk } in &vector.external_psks {
        PreSharedKeyId::external(psk_id.0.clone(), vec![])
            .store(&provider, &psk.0)
            .unwrap();
    }
    keep_key_package(&provider, vector);
    let mut group = join(&provider, vector);
    let authenticator = |group: &MlsGroup| group.epoch_authenticator().as_slice().to_vec();
    assert_eq!(authenticator(&group), vector.initial_epoch_authenticator.0);
    for epoch in &vector.epochs {
        for message in epoch.proposals.iter().chain([&epoch.commit]) {
            process(&provider, &mut group, &message.0);
        }
        assert_eq!(authenticator(&group), epoch.epoch_authenticator.0);
    }
}

fn message(bytes: &[u8]) -> MlsMessageIn {
    MlsMessageIn::tls_deserialize_exact_bytes(bytes).unwrap()
}

/// Stores a key package with private keys that we did not make.
///
/// OpenMLS offers no constructor for this, so the bundle goes through its stored form. The
/// vectors are from 2023: an expired lifetime, which OpenMLS checks last, is no fault here.
fn keep_key_package(provider: &Provider<'_>, vector: &Vector) {
    let MlsMessageBodyIn::KeyPackage(package) = message(&vector.key_package.0).extract() else {
        panic!("not a key package");
    };
    let checked = package
        .clone()
        .validate(provider.crypto(), ProtocolVersion::Mls10);
    assert!(
        matches!(
            checked,
            Ok(_) | Err(KeyPackageVerifyError::LifetimeError(_))
        ),
        "{checked:?}"
    );
    let private = |key: &Hex| json!(HpkePrivateKey::from(key.0.as_slice()));
    let bundle: KeyPackageBundle = serde_json::from_value(json!({
        "key_package": package,
        "private_init_key": private(&vector.init_priv),
        "private_encryption_key": { "key": private(&vector.encryption_priv) },
    }))
    .unwrap();
    let reference = bundle.key_package().hash_ref(provider.crypto()).unwrap();
    provider
        .storage()
        .write_key_package(&reference, &bundle)
        .unwrap();
}

fn join(provider: &Provider<'_>, vector: &Vector) -> MlsGroup {
    let MlsMessageBodyIn::Welcome(welcome) = message(&vector.welcome.0).extract() else {
        panic!("not a Welcome");
    };
    let config = MlsGroupJoinConfig::builder()
        .wire_format_policy(MIXED_CIPHERTEXT_WIRE_FORMAT_POLICY)
        .number_of_resumption_psks(16)
        .build();
    let mut builder = StagedWelcome::build_from_welcome(provider, &config, welcome)
        .unwrap()
        .skip_lifetime_validation();
    if let Some(tree) = &vector.ratchet_tree {
        let tree = RatchetTreeIn::tls_deserialize_exact_bytes(&tree.0).unwrap();
        builder = builder.with_ratchet_tree(tree);
    }
    builder.build().unwrap().into_group(provider).unwrap()
}

fn process(provider: &Provider<'_>, group: &mut MlsGroup, bytes: &[u8]) {
    let message = message(bytes).try_into_protocol_message().unwrap();
    match group
        .process_message(provider, message)
        .unwrap()
        .into_content()
    {
        ProcessedMessageContent::ProposalMessage(proposal) => group
            .store_pending_proposal(provider.storage(), *proposal)
            .unwrap(),
        ProcessedMessageContent::StagedCommitMessage(commit) => {
            group.merge_staged_commit(provider, *commit).unwrap();
        }
        other => panic!("neither a proposal nor a commit: {other:?}"),
    }
}
