//! crypto-basics.json: each labelled function by itself.

use openmls_traits::crypto::OpenMlsCrypto as _;
use openmls_traits::types::{Ciphersuite, HpkeCiphertext, SignatureScheme};
use serde::Deserialize;

use super::{Hex, derive_secret, each, expand_with_label, opaque};
use crate::provider::Crypto;

#[derive(Deserialize)]
struct Vector {
    ref_hash: RefHash,
    expand_with_label: Expand,
    derive_secret: Derive,
    derive_tree_secret: DeriveTree,
    sign_with_label: Sign,
    encrypt_with_label: Encrypt,
}

#[derive(Deserialize)]
struct RefHash {
    label: String,
    value: Hex,
    out: Hex,
}

#[derive(Deserialize)]
struct Expand {
    secret: Hex,
    label: String,
    context: Hex,
    length: u16,
    out: Hex,
}

#[derive(Deserialize)]
struct Derive {
    secret: Hex,
    label: String,
    out: Hex,
}

#[derive(Deserialize)]
struct DeriveTree {
    secret: Hex,
    label: String,
    generation: u32,
    length: u16,
    out: Hex,
}

#[derive(Deserialize)]
struct Sign {
    #[serde(rename = "priv")]
    private: Hex,
    #[serde(rename = "pub")]
    public: Hex,
    content: Hex,
    label: String,
    signature: Hex,
}

#[derive(Deserialize)]
struct Encrypt {
    #[serde(rename = "priv")]
    private: Hex,
    #[serde(rename = "pub")]
    public: Hex,
    label: String,
    context: Hex,
    plaintext: Hex,
    kem_output: Hex,
    ciphertext: Hex,
}

#[test]
fn crypto_basics() {
    each("crypto-basics.json", |suite, vector: Vector| {
        secrets(suite, &vector);
        signature(&vector.sign_with_label);
        encryption(suite, vector.encrypt_with_label);
    });
}

fn secrets(suite: Ciphersuite, vector: &Vector) {
    // RFC 9420 §5.2
    let RefHash { label, value, out } = &vector.ref_hash;
    let input = [opaque(label.as_bytes()), opaque(&value.0)].concat();
    assert_eq!(Crypto.hash(suite.hash_algorithm(), &input).unwrap(), out.0);

    let v = &vector.expand_with_label;
    let ours = expand_with_label(suite, &v.secret.0, &v.label, &v.context.0, v.length);
    assert_eq!(ours, v.out.0);

    let v = &vector.derive_secret;
    assert_eq!(derive_secret(suite, &v.secret.0, &v.label), v.out.0);

    // RFC 9420 §9
    let v = &vector.derive_tree_secret;
    let generation = v.generation.to_be_bytes();
    let ours = expand_with_label(suite, &v.secret.0, &v.label, &generation, v.length);
    assert_eq!(ours, v.out.0);
}

/// `SignWithLabel` (RFC 9420 §5.1.2).
fn signature(v: &Sign) {
    let label = opaque(format!("MLS 1.0 {}", v.label).as_bytes());
    let content = [label, opaque(&v.content.0)].concat();
    let scheme = SignatureScheme::ED25519;
    Crypto
        .verify_signature(scheme, &content, &v.public.0, &v.signature.0)
        .unwrap();
    assert_eq!(
        Crypto.sign(scheme, &content, &v.private.0).unwrap(),
        v.signature.0
    );
}

/// `EncryptWithLabel` (RFC 9420 §5.1.3).
fn encryption(suite: Ciphersuite, v: Encrypt) {
    let label = opaque(format!("MLS 1.0 {}", v.label).as_bytes());
    let info = [label, opaque(&v.context.0)].concat();
    let theirs = HpkeCiphertext {
        kem_output: v.kem_output.0.into(),
        ciphertext: v.ciphertext.0.into(),
    };
    let ours = Crypto
        .hpke_seal(suite.hpke_config(), &v.public.0, &info, b"", &v.plaintext.0)
        .unwrap();
    for sealed in [theirs, ours] {
        let opened = Crypto.hpke_open(suite.hpke_config(), &sealed, &v.private.0, &info, b"");
        assert_eq!(opened.unwrap(), v.plaintext.0);
    }
}
