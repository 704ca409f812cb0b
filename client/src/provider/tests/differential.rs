//! Every primitive against OpenMLS' own provider, on random inputs.

use openmls_rust_crypto::RustCrypto;
use openmls_traits::crypto::OpenMlsCrypto;
use openmls_traits::types::{AeadType, Ciphersuite, HashType, SignatureScheme};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::provider::Crypto;

const HASHES: [HashType; 3] = [HashType::Sha2_256, HashType::Sha2_384, HashType::Sha2_512];
const AEADS: [AeadType; 3] = [
    AeadType::Aes128Gcm,
    AeadType::Aes256Gcm,
    AeadType::ChaCha20Poly1305,
];

fn bytes(most: usize) -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..=most)
}

/// One side seals and sets up an export, the other opens and exports.
fn hpke_crosses(
    sender: &impl OpenMlsCrypto,
    receiver: &impl OpenMlsCrypto,
    suite: Ciphersuite,
    [ikm, info, aad, text]: [&[u8]; 4],
) {
    let config = || suite.hpke_config();
    let pair = receiver.derive_hpke_keypair(config(), ikm).unwrap();
    let public = sender.derive_hpke_keypair(config(), ikm).unwrap().public;
    assert_eq!(pair.public, public, "{suite:?}: other key pair");

    let sealed = sender
        .hpke_seal(config(), &public, info, aad, text)
        .unwrap();
    let opened = receiver.hpke_open(config(), &sealed, &pair.private, info, aad);
    assert_eq!(opened.unwrap(), text, "{suite:?}");
    let other = [info, b"x"].concat();
    let refused = receiver.hpke_open(config(), &sealed, &pair.private, &other, aad);
    assert!(refused.is_err(), "{suite:?}: other info");

    let (enc, sent) = sender
        .hpke_setup_sender_and_export(config(), &public, info, aad, 48)
        .unwrap();
    let exported = receiver
        .hpke_setup_receiver_and_export(config(), &enc, &pair.private, info, aad, 48)
        .unwrap();
    assert_eq!(&*sent, &*exported, "{suite:?}: other export");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn hash_hmac_and_hkdf_agree(
        key in bytes(200), data in bytes(300), info in bytes(80), length in 1_usize..600,
    ) {
        let theirs = RustCrypto::default();
        for hash in HASHES {
            prop_assert_eq!(Crypto.hash(hash, &data), theirs.hash(hash, &data));
            prop_assert_eq!(Crypto.hmac(hash, &key, &data), theirs.hmac(hash, &key, &data));
            let prk = Crypto.hkdf_extract(hash, &key, &data).unwrap();
            prop_assert_eq!(&prk, &theirs.hkdf_extract(hash, &key, &data).unwrap());
            prop_assert_eq!(
                Crypto.hkdf_expand(hash, prk.as_slice(), &info, length),
                theirs.hkdf_expand(hash, prk.as_slice(), &info, length)
            );
        }
    }

    #[test]
    fn aeads_agree_and_open_each_other(
        key in any::<[u8; 32]>(), nonce in any::<[u8; 12]>(), aad in bytes(60), text in bytes(400),
    ) {
        let theirs = RustCrypto::default();
        for aead in AEADS {
            let key = &key[..aead.key_size()];
            let ours = Crypto.aead_encrypt(aead, key, &text, &nonce, &aad).unwrap();
            prop_assert_eq!(&ours, &theirs.aead_encrypt(aead, key, &text, &nonce, &aad).unwrap());
            let opened = Crypto.aead_decrypt(aead, key, &ours, &nonce, &aad).unwrap();
            prop_assert_eq!(&opened, &text);
            let opened = theirs.aead_decrypt(aead, key, &ours, &nonce, &aad).unwrap();
            prop_assert_eq!(&opened, &text);
        }
    }

    #[test]
    fn signatures_agree_and_verify_each_other(message in bytes(300), flip in 0_usize..512) {
        let theirs = RustCrypto::default();
        let scheme = SignatureScheme::ED25519;
        let (ours_private, ours_public) = Crypto.signature_key_gen(scheme).unwrap();
        let (theirs_private, theirs_public) = theirs.signature_key_gen(scheme).unwrap();
        for (private, public) in [(ours_private, ours_public), (theirs_private, theirs_public)] {
            let signature = Crypto.sign(scheme, &message, &private).unwrap();
            prop_assert_eq!(&signature, &theirs.sign(scheme, &message, &private).unwrap());
            prop_assert!(Crypto.verify_signature(scheme, &message, &public, &signature).is_ok());
            prop_assert!(theirs.verify_signature(scheme, &message, &public, &signature).is_ok());
            let mut wrong = signature;
            wrong[flip / 8] ^= 1 << (flip % 8);
            prop_assert!(Crypto.verify_signature(scheme, &message, &public, &wrong).is_err());
        }
    }

    #[test]
    fn hpke_crosses_both_ways_in_every_suite(
        ikm in vec(any::<u8>(), 32..=64), info in bytes(60), aad in bytes(60), text in bytes(300),
    ) {
        let theirs = RustCrypto::default();
        for suite in Crypto.supported_ciphersuites() {
            let inputs = [&ikm[..], &info, &aad, &text];
            hpke_crosses(&Crypto, &theirs, suite, inputs);
            hpke_crosses(&theirs, &Crypto, suite, inputs);
            hpke_crosses(&Crypto, &Crypto, suite, inputs);
        }
    }
}
