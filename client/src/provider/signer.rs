//! The device key, as OpenMLS signs with it.

use std::fmt;

use openmls_traits::signatures::{Signer, SignerError};
use openmls_traits::types::SignatureScheme;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use thiserror::Error;

/// A device key cannot be made from this seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the seed of a device key has 32 bytes, not {length}")]
pub struct SeedRefused {
    /// How many bytes were given.
    pub length: usize,
}

/// Signs MLS messages with the device's Ed25519 key. Its Debug shows the public half only.
pub struct DeviceSigner(Ed25519KeyPair);

impl DeviceSigner {
    /// The key that belongs to a 32-byte private seed (RFC 8032 §5.1.5).
    ///
    /// # Errors
    /// [`SeedRefused`] for any other length.
    pub fn from_seed(seed: &[u8]) -> Result<Self, SeedRefused> {
        Ed25519KeyPair::from_seed_unchecked(seed)
            .map(Self)
            .map_err(|_| SeedRefused { length: seed.len() })
    }

    /// An Ed25519 signature over `message`: 64 bytes.
    pub fn sign_bytes(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(message).as_ref().to_vec()
    }

    /// The 32 bytes that stand in the device certificate and in the MLS leaf.
    pub fn public_key(&self) -> &[u8] {
        self.0.public_key().as_ref()
    }
}

impl Signer for DeviceSigner {
    fn sign(&self, payload: &[u8]) -> Result<Vec<u8>, SignerError> {
        Ok(self.0.sign(payload).as_ref().to_vec())
    }

    fn signature_scheme(&self) -> SignatureScheme {
        SignatureScheme::ED25519
    }
}

impl fmt::Debug for DeviceSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceSigner")
            .field("public_key", &self.public_key())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::signature::verify;

    #[test]
    fn a_signature_verifies_under_the_public_key() {
        let signer = DeviceSigner::from_seed(&[9; 32]).unwrap();
        let signature = signer.sign(b"a letter").unwrap();
        assert_eq!(verify(signer.public_key(), b"a letter", &signature), Ok(()));
        assert_eq!(signer.signature_scheme(), SignatureScheme::ED25519);
    }

    #[test]
    fn a_seed_of_another_length_is_refused_by_name() {
        let refused = DeviceSigner::from_seed(&[9; 31]).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "the seed of a device key has 32 bytes, not 31"
        );
    }

    #[test]
    fn debug_does_not_show_the_seed() {
        let shown = format!("{:?}", DeviceSigner::from_seed(&[9; 32]).unwrap());
        assert!(!shown.contains("9, 9, 9, 9"), "{shown}");
    }
}
