//! X-Wing against its draft's vectors, and against keys that would weaken it.

use data_encoding::HEXLOWER;
use openmls_traits::types::HashType;

use super::*;
use crate::provider::kdf;
use crate::provider::kem::x25519::small_order::POINTS;

/// One vector of draft-connolly-cfrg-xwing-kem-06, appendix C. The long values are kept as SHA-256.
struct Vector {
    seed: &'static str,
    eseed: &'static str,
    shared_secret: &'static str,
    public_key_hash: &'static str,
    ciphertext_hash: &'static str,
}

const VECTORS: [Vector; 3] = [
    Vector {
        seed: "7f9c2ba4e88f827d616045507605853ed73b8093f6efbc88eb1a6eacfa66ef26",
        eseed: "3cb1eea988004b93103cfb0aeefd2a686e01fa4a58e8a3639ca8a1e3f9ae57e2\
            35b8cc873c23dc62b8d260169afa2f75ab916a58d974918835d25e6a435085b2",
        shared_secret: "d2df0522128f09dd8e2c92b1e905c793d8f57a54c3da25861f10bf4ca613e384",
        public_key_hash: "2e816deebcd76c5c80d0cd2d174478871658e8e2ff42bc9d4a6e486372e856bb",
        ciphertext_hash: "17cd532d657e44c897ca6583e548a5424fc70bf54f99515a4d2bcf99e3469f33",
    },
    Vector {
        seed: "badfd6dfaac359a5efbb7bcc4b59d538df9a04302e10c8bc1cbf1a0b3a5120ea",
        eseed: "17cda7cfad765f5623474d368ccca8af0007cd9f5e4c849f167a580b14aabdef\
            aee7eef47cb0fca9767be1fda69419dfb927e9df07348b196691abaeb580b32d",
        shared_secret: "f2e86241c64d60f6649fbc6c5b7d17180b780a3f34355e64a85749949c45f150",
        public_key_hash: "c42ba5f8430d7d2c83739338203819f090e8303ce9c8b02107c272bfa5376916",
        ciphertext_hash: "1661ea86d608a1924ba30840cb0a65f13ae051e3aec9cf0f064efc0bc92f2154",
    },
    Vector {
        seed: "ef58538b8d23f87732ea63b02b4fa0f4873360e2841928cd60dd4cee8cc0d4c9",
        eseed: "22a96188d032675c8ac850933c7aff1533b94c834adbb69c6115bad4692d8619\
            f90b0cdf8a7b9c264029ac185b70b83f2801f2f4b3f70c593ea3aeeb613a7f1b",
        shared_secret: "953f7f4e8c5b5049bdc771d1dffada0dd961477d1a2ae0988baa7ea6898d893f",
        public_key_hash: "6b080d6b84f095342092fa7a22423e58bd681397ad0ef00eac92bd254db4fa95",
        ciphertext_hash: "d3ca5578500344b5896cffc4fd740c9311946b82951df155e6fd86a7966b43c6",
    },
];

fn hex(text: &str) -> Vec<u8> {
    HEXLOWER.decode(text.as_bytes()).unwrap()
}

fn public_of(seed: &[u8]) -> Vec<u8> {
    let key = private_key(seed).unwrap();
    key.encapsulation_key().to_bytes().to_vec()
}

#[test]
fn the_draft_vectors_hold() {
    for vector in VECTORS {
        let seed = hex(vector.seed);
        let public = public_of(&seed);
        let hash = kdf::hash(HashType::Sha2_256, &public);
        assert_eq!(HEXLOWER.encode(&hash), vector.public_key_hash);

        let randomness = hex(vector.eseed).try_into().unwrap();
        let made = encapsulate_with(&randomness, &public).unwrap();
        assert_eq!(
            HEXLOWER.encode(made.shared_secret.as_slice()),
            vector.shared_secret
        );
        let hash = kdf::hash(HashType::Sha2_256, &made.enc);
        assert_eq!(HEXLOWER.encode(&hash), vector.ciphertext_hash);

        let received = decapsulate(&made.enc, &seed).unwrap();
        assert_eq!(received.as_slice(), made.shared_secret.as_slice());
    }
}

#[test]
fn g19_an_x25519_half_of_small_order_is_refused_by_both_sides() {
    let seed = [5; 32];
    let public = public_of(&seed);
    let enc = encapsulate(&public).unwrap().enc;
    for point in POINTS {
        let mut weak = public.clone();
        weak[1184..].copy_from_slice(&hex(point));
        assert_eq!(
            encapsulate(&weak).err(),
            Some(CryptoError::InvalidPublicKey),
            "{point}"
        );

        let mut weak = enc.clone();
        weak[1088..].copy_from_slice(&hex(point));
        assert_eq!(
            decapsulate(&weak, &seed).err(),
            Some(CryptoError::InvalidPublicKey),
            "{point}"
        );
    }
}

#[test]
fn an_ml_kem_half_that_is_not_reduced_is_refused() {
    let mut public = public_of(&[5; 32]);
    // A first coefficient of 4095, where the modulus is 3329.
    public[..2].copy_from_slice(&[0xff, 0x0f]);
    assert_eq!(
        encapsulate(&public).err(),
        Some(CryptoError::InvalidPublicKey)
    );
}

#[test]
fn inputs_of_another_length_are_refused() {
    let seed = [5; 32];
    let public = public_of(&seed);
    let enc = encapsulate(&public).unwrap().enc;
    assert!(encapsulate(&public[1..]).is_err());
    assert!(encapsulate(b"").is_err());
    assert_eq!(
        decapsulate(&enc[1..], &seed).err(),
        Some(CryptoError::InvalidLength)
    );
    assert_eq!(
        decapsulate(b"", &seed).err(),
        Some(CryptoError::InvalidLength)
    );
    assert_eq!(
        decapsulate(&enc, &seed[1..]).err(),
        Some(CryptoError::InvalidLength)
    );
}
