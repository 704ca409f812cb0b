//! A self-signed certificate (RFC 5280 §4.1) for a server that is not the organisation's. Nobody
//! believes a word of it: what a client looks at is the key.

use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _},
};

/// `ecdsa-with-SHA256`, 1.2.840.10045.4.3.2 (RFC 5758 §3.2).
const ECDSA_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
/// `id-ecPublicKey`, 1.2.840.10045.2.1 (RFC 5480 §2.1.1).
const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
/// `secp256r1`, 1.2.840.10045.3.1.7 (RFC 5480 §2.1.1.1).
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];

const SEQUENCE: u8 = 0x30;
const OBJECT: u8 = 0x06;
const BITS: u8 = 0x03;
const TIME: u8 = 0x18;

/// A new key (PKCS #8) and a certificate for it, both in DER. `None`: there is no randomness.
pub(super) fn self_signed() -> Option<(Vec<u8>, Vec<u8>)> {
    let (algorithm, random) = (&ECDSA_P256_SHA256_ASN1_SIGNING, SystemRandom::new());
    let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).ok()?;
    let pair = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).ok()?;
    let signed_by = der(SEQUENCE, &[&der(OBJECT, &[ECDSA_SHA256])]);
    let nobody = der(SEQUENCE, &[]);
    let (from, until) = (
        der(TIME, &[b"20200101000000Z"]),
        der(TIME, &[b"99991231235959Z"]),
    );
    let key_of = der(
        SEQUENCE,
        &[&der(OBJECT, &[EC_PUBLIC_KEY]), &der(OBJECT, &[P256])],
    );
    let key = der(BITS, &[&[0], pair.public_key().as_ref()]);
    let statement = der(
        SEQUENCE,
        &[
            // Version 3, serial number 1.
            &[0xa0, 0x03, 0x02, 0x01, 0x02, 0x02, 0x01, 0x01],
            &signed_by,
            &nobody,
            &der(SEQUENCE, &[&from, &until]),
            &nobody,
            &der(SEQUENCE, &[&key_of, &key]),
        ],
    );
    let signature = pair.sign(&random, &statement).ok()?;
    let signature = der(BITS, &[&[0], signature.as_ref()]);
    let certificate = der(SEQUENCE, &[&statement, &signed_by, &signature]);
    Some((document.as_ref().to_vec(), certificate))
}

/// Tag, length and content (X.690 §8.1). Nothing here is longer than 65,535 bytes.
fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let [.., high, low] = content.len().to_be_bytes();
    let length = match (high, low) {
        (0, short @ 0..0x80) => vec![short],
        (0, long) => vec![0x81, long],
        (high, low) => vec![0x82, high, low],
    };
    [&[tag][..], &length, &content].concat()
}

#[cfg(test)]
mod tests {
    use x509_parser::prelude::{FromDer as _, X509Certificate};

    use super::*;

    #[test]
    fn a_client_reads_it_and_finds_the_key() {
        let (key, certificate) = self_signed().unwrap();
        let (rest, read) = X509Certificate::from_der(&certificate).unwrap();
        assert!(rest.is_empty());
        let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, &key, &SystemRandom::new()).unwrap();
        let public = read.public_key().subject_public_key.data.as_ref();
        assert_eq!(public, pair.public_key().as_ref());
        ring::signature::UnparsedPublicKey::new(&ring::signature::ECDSA_P256_SHA256_ASN1, public)
            .verify(read.tbs_certificate.as_ref(), &read.signature_value.data)
            .unwrap();
    }
}
