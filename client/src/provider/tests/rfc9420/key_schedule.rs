//! key-schedule.json: the secrets of an epoch (RFC 9420 §8) from our HKDF and our `DeriveKeyPair`.

use openmls_traits::crypto::OpenMlsCrypto as _;
use openmls_traits::types::Ciphersuite;
use serde::Deserialize;

use super::{Hex, derive_secret, each, expand_with_label};
use crate::provider::{Crypto, kdf};

#[derive(Deserialize)]
struct Vector {
    initial_init_secret: Hex,
    epochs: Vec<Secrets>,
}

#[derive(Deserialize)]
struct Secrets {
    group_context: Hex,
    commit_secret: Hex,
    psk_secret: Hex,
    joiner_secret: Hex,
    welcome_secret: Hex,
    init_secret: Hex,
    sender_data_secret: Hex,
    encryption_secret: Hex,
    exporter_secret: Hex,
    epoch_authenticator: Hex,
    external_secret: Hex,
    confirmation_key: Hex,
    membership_key: Hex,
    resumption_psk: Hex,
    external_pub: Hex,
    exporter: Exporter,
}

#[derive(Deserialize)]
struct Exporter {
    label: String,
    context: Hex,
    length: u16,
    secret: Hex,
}

#[test]
fn key_schedule() {
    each("key-schedule.json", |suite, vector: Vector| {
        let mut init_secret = vector.initial_init_secret.0;
        for epoch in vector.epochs {
            check(suite, &init_secret, &epoch);
            init_secret = epoch.init_secret.0;
        }
    });
}

fn check(suite: Ciphersuite, init_secret: &[u8], epoch: &Secrets) {
    let hash = suite.hash_algorithm();
    let length = u16::try_from(suite.hash_length()).unwrap();
    let context = &epoch.group_context.0;

    let joiner = kdf::extract(hash, init_secret, &[&epoch.commit_secret.0]);
    let joiner = expand_with_label(suite, joiner.as_slice(), "joiner", context, length);
    assert_eq!(joiner, epoch.joiner_secret.0);

    let member = kdf::extract(hash, &joiner, &[&epoch.psk_secret.0]);
    let welcome = derive_secret(suite, member.as_slice(), "welcome");
    assert_eq!(welcome, epoch.welcome_secret.0);

    let secret = expand_with_label(suite, member.as_slice(), "epoch", context, length);
    for (label, expected) in [
        ("init", &epoch.init_secret),
        ("sender data", &epoch.sender_data_secret),
        ("encryption", &epoch.encryption_secret),
        ("exporter", &epoch.exporter_secret),
        ("authentication", &epoch.epoch_authenticator),
        ("external", &epoch.external_secret),
        ("confirm", &epoch.confirmation_key),
        ("membership", &epoch.membership_key),
        ("resumption", &epoch.resumption_psk),
    ] {
        assert_eq!(derive_secret(suite, &secret, label), expected.0, "{label}");
    }

    let pair = Crypto
        .derive_hpke_keypair(suite.hpke_config(), &epoch.external_secret.0)
        .unwrap();
    assert_eq!(pair.public, epoch.external_pub.0);

    // MLS-Exporter (RFC 9420 §8.5)
    let v = &epoch.exporter;
    let secret = derive_secret(suite, &epoch.exporter_secret.0, &v.label);
    let context = kdf::hash(hash, &v.context.0);
    let exported = expand_with_label(suite, &secret, "exported", &context, v.length);
    assert_eq!(exported, v.secret.0);
}
