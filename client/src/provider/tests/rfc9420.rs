//! The published known answers of RFC 9420, for the two of its suites that we carry.
//!
//! They are read from `shared/vectors/rfc9420` above this crate, and not run where that is absent.

mod basics;
mod key_schedule;
mod passive_client;

use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use openmls_traits::crypto::OpenMlsCrypto as _;
use openmls_traits::types::Ciphersuite;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tls_codec::{Serialize as _, VLByteSlice};

use crate::provider::{Crypto, kdf};

/// Bytes that a vector file writes in hexadecimal.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Hex(Vec<u8>);

impl TryFrom<String> for Hex {
    type Error = data_encoding::DecodeError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        HEXLOWER.decode(text.as_bytes()).map(Self)
    }
}

/// Runs `check` on every vector of a file whose suite is ours.
#[expect(clippy::print_stderr, reason = "a test that did not run must say so")]
fn each<V: DeserializeOwned>(file: &str, check: impl Fn(Ciphersuite, V)) {
    let Some(folder) = folder() else {
        eprintln!("{file}: not run, there is no shared/vectors/rfc9420");
        return;
    };
    let bytes = std::fs::read(folder.join(file)).unwrap();
    let vectors: Vec<serde_json::Value> = serde_json::from_slice(&bytes).unwrap();
    let mut run = 0;
    for vector in vectors {
        let number = vector["cipher_suite"].as_u64().unwrap();
        let suite = Ciphersuite::try_from(u16::try_from(number).unwrap()).unwrap();
        if Crypto.supports(suite).is_ok() {
            check(suite, serde_json::from_value(vector).unwrap());
            run += 1;
        }
    }
    assert!(run > 0, "{file} has no vector of ours");
}

fn folder() -> Option<PathBuf> {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .map(|above| above.join("shared/vectors/rfc9420"))
        .find(|folder| folder.is_dir())
}

/// `opaque bytes<V>` (RFC 9420 §2.1.2).
fn opaque(bytes: &[u8]) -> Vec<u8> {
    VLByteSlice(bytes).tls_serialize_detached().unwrap()
}

/// `ExpandWithLabel` (RFC 9420 §8).
fn expand_with_label(
    suite: Ciphersuite,
    secret: &[u8],
    label: &str,
    context: &[u8],
    length: u16,
) -> Vec<u8> {
    let label = opaque(format!("MLS 1.0 {label}").as_bytes());
    let context = opaque(context);
    let info = [&length.to_be_bytes()[..], &label, &context];
    kdf::expand(suite.hash_algorithm(), secret, &info, length.into())
        .unwrap()
        .as_slice()
        .to_vec()
}

/// `DeriveSecret` (RFC 9420 §8).
fn derive_secret(suite: Ciphersuite, secret: &[u8], label: &str) -> Vec<u8> {
    let length = u16::try_from(suite.hash_length()).unwrap();
    expand_with_label(suite, secret, label, b"", length)
}
