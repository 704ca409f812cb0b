//! Ed25519 (RFC 8032), by ring.

use curve25519_dalek::edwards::CompressedEdwardsY;
use openmls_traits::types::CryptoError;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};

use crate::{random, weaken::checked};

/// A new key: the 32-byte private seed and the public key.
pub(super) fn generate() -> Result<(Vec<u8>, Vec<u8>), CryptoError> {
    let seed = random::secret::<32>()?;
    let public = key_pair(seed.as_slice())?.public_key().as_ref().to_vec();
    Ok((seed.to_vec(), public))
}

/// Signs with the key that belongs to a 32-byte seed.
pub(super) fn sign(seed: &[u8], message: &[u8]) -> Result<Vec<u8>, CryptoError> {
    Ok(key_pair(seed)?.sign(message).as_ref().to_vec())
}

/// Verifies a signature under a key that a peer chose.
///
/// A key of small order verifies signatures that nobody made, and ring accepts such keys: they
/// are refused before ring sees them.
pub(super) fn verify(public: &[u8], message: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
    let weak = CompressedEdwardsY::from_slice(public)
        .map_err(|_| CryptoError::InvalidLength)?
        .decompress()
        .ok_or(CryptoError::InvalidPublicKey)?
        .is_small_order();
    if weak {
        return Err(CryptoError::InvalidPublicKey);
    }
    let verified = UnparsedPublicKey::new(&ED25519, public).verify(message, signature);
    // Every member can make every other member's message keys: this alone tells them apart (G23).
    if verified.is_err() && checked("G23") {
        return Err(CryptoError::InvalidSignature);
    }
    Ok(())
}

fn key_pair(seed: &[u8]) -> Result<Ed25519KeyPair, CryptoError> {
    Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| CryptoError::InvalidLength)
}

#[cfg(test)]
mod tests {
    use curve25519_dalek::constants::EIGHT_TORSION;

    use super::*;

    #[test]
    fn a_signature_verifies_and_a_changed_one_does_not() {
        let (seed, public) = generate().unwrap();
        let signature = sign(&seed, b"a letter").unwrap();
        assert_eq!(verify(&public, b"a letter", &signature), Ok(()));
        let refused = Err(CryptoError::InvalidSignature);
        assert_eq!(verify(&public, b"a lettre", &signature), refused);
        assert_eq!(verify(&public, b"a letter", &signature[1..]), refused);
        assert_eq!(verify(&public, b"a letter", b""), refused);
        let (_, other) = generate().unwrap();
        assert_eq!(verify(&other, b"a letter", &signature), refused);
    }

    #[test]
    fn keys_of_small_order_verify_nothing() {
        let mut ring_accepts = 0;
        for point in EIGHT_TORSION {
            let public = point.compress().to_bytes();
            // R of small order too, s = 0: the equation holds whenever 8 divides the challenge.
            let mut signature = [0; 64];
            signature[..32].copy_from_slice(&public);
            for number in 0..64_u32 {
                let message = number.to_be_bytes();
                let by_ring = UnparsedPublicKey::new(&ED25519, public);
                ring_accepts += u32::from(by_ring.verify(&message, &signature).is_ok());
                assert_eq!(
                    verify(&public, &message, &signature),
                    Err(CryptoError::InvalidPublicKey)
                );
            }
        }
        assert!(
            ring_accepts > 0,
            "ring refuses weak keys now: the check can go"
        );
    }

    #[test]
    fn the_same_weak_keys_in_non_canonical_bytes_are_refused() {
        // y = 1 + p and y = p: other spellings of the identity and of a point of order four.
        for low in [0xee, 0xed] {
            for high in [0x7f, 0xff] {
                let mut public = [0xff; 32];
                public[0] = low;
                public[31] = high;
                assert!(verify(&public, b"", &[0; 64]).is_err());
            }
        }
    }

    #[test]
    fn a_key_of_another_length_is_refused() {
        for length in [0, 31, 33, 64] {
            let key = vec![1; length];
            assert_eq!(verify(&key, b"", &[0; 64]), Err(CryptoError::InvalidLength));
            assert_eq!(sign(&key, b""), Err(CryptoError::InvalidLength));
        }
    }
}
