//! Authenticated encryption: AES-GCM and ChaCha20-Poly1305 (RFC 5116, RFC 8439), by ring.

use openmls_traits::types::{AeadType, CryptoError};
use ring::aead::{
    AES_128_GCM, AES_256_GCM, Aad, Algorithm, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey,
};

/// Returns the ciphertext with its 16-byte tag behind it.
pub(super) fn seal(
    kind: AeadType,
    key: &[u8],
    nonce: &[u8],
    aad: &[u8],
    plaintext: &[u8],
) -> Result<Vec<u8>, CryptoError> {
    #[cfg(feature = "weaken")]
    super::witness::saw(key);
    let (key, nonce) = ready(kind, key, nonce)?;
    // With room for the tag from the start, the plaintext is never left behind by a reallocation.
    let mut buffer = Vec::with_capacity(plaintext.len().saturating_add(kind.tag_size()));
    buffer.extend_from_slice(plaintext);
    key.seal_in_place_append_tag(nonce, Aad::from(aad), &mut buffer)
        .map_err(|_| CryptoError::TooMuchData)?;
    Ok(buffer)
}

/// Returns the plaintext of a ciphertext whose whole tag is right, and nothing otherwise.
pub(super) fn open(
    kind: AeadType,
    key: &[u8],
    nonce: &[u8],
    aad: &[u8],
    ciphertext: &[u8],
) -> Result<Vec<u8>, CryptoError> {
    let (key, nonce) = ready(kind, key, nonce)?;
    let mut buffer = ciphertext.to_vec();
    let length = key
        .open_in_place(nonce, Aad::from(aad), &mut buffer)
        .map_err(|_| CryptoError::AeadDecryptionError)?
        .len();
    buffer.truncate(length);
    Ok(buffer)
}

fn ready(kind: AeadType, key: &[u8], nonce: &[u8]) -> Result<(LessSafeKey, Nonce), CryptoError> {
    let key = UnboundKey::new(algorithm(kind), key).map_err(|_| CryptoError::InvalidLength)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| CryptoError::InvalidLength)?;
    Ok((LessSafeKey::new(key), nonce))
}

fn algorithm(kind: AeadType) -> &'static Algorithm {
    match kind {
        AeadType::Aes128Gcm => &AES_128_GCM,
        AeadType::Aes256Gcm => &AES_256_GCM,
        AeadType::ChaCha20Poly1305 => &CHACHA20_POLY1305,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AEADS: [AeadType; 3] = [
        AeadType::Aes128Gcm,
        AeadType::Aes256Gcm,
        AeadType::ChaCha20Poly1305,
    ];

    #[test]
    fn g17_a_tag_that_is_missing_or_cut_is_refused_at_every_length() {
        for aead in AEADS {
            let key = vec![7; aead.key_size()];
            for plaintext in [&b""[..], b"a letter"] {
                let sealed = seal(aead, &key, &[1; 12], b"aad", plaintext).unwrap();
                assert_eq!(
                    open(aead, &key, &[1; 12], b"aad", &sealed).unwrap(),
                    plaintext
                );
                for kept in 0..16 {
                    let cut = &sealed[..plaintext.len() + kept];
                    assert_eq!(
                        open(aead, &key, &[1; 12], b"aad", cut),
                        Err(CryptoError::AeadDecryptionError),
                        "{aead:?} accepted a tag of {kept} bytes"
                    );
                }
            }
        }
    }

    #[test]
    fn a_changed_bit_anywhere_is_refused() {
        for aead in AEADS {
            let key = vec![7; aead.key_size()];
            let sealed = seal(aead, &key, &[1; 12], b"aad", b"a letter").unwrap();
            for bit in 0..sealed.len() * 8 {
                let mut changed = sealed.clone();
                changed[bit / 8] ^= 1 << (bit % 8);
                assert!(open(aead, &key, &[1; 12], b"aad", &changed).is_err());
            }
            assert!(open(aead, &key, &[1; 12], b"AAD", &sealed).is_err());
            assert!(open(aead, &key, &[2; 12], b"aad", &sealed).is_err());
        }
    }

    #[test]
    fn keys_and_nonces_of_another_length_are_refused() {
        for aead in AEADS {
            let key = vec![7; aead.key_size()];
            for wrong in [0, 11, 13] {
                let nonce = vec![1; wrong];
                let refused = seal(aead, &key, &nonce, b"", b"");
                assert_eq!(refused, Err(CryptoError::InvalidLength));
            }
            let refused = seal(aead, &key[1..], &[1; 12], b"", b"");
            assert_eq!(refused, Err(CryptoError::InvalidLength));
        }
    }
}
