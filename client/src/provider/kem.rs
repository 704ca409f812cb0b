//! The two key encapsulation mechanisms of our suites, as HPKE calls them (RFC 9180 §4).

mod x25519;
mod xwing;

use openmls_traits::types::{CryptoError, HpkeKemType, HpkeKeyPair};
use tls_codec::SecretVLBytes;

/// A key encapsulation mechanism.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kem {
    /// DHKEM(X25519, HKDF-SHA256) (RFC 9180 §4.1 and §7.1).
    X25519,
    /// X-Wing: ML-KEM-768 and X25519 together (draft-connolly-cfrg-xwing-kem-06).
    XWing,
}

/// What encapsulation makes: a secret, and the bytes from which the receiver gets the same one.
pub(super) struct Encapsulated {
    pub(super) shared_secret: SecretVLBytes,
    pub(super) enc: Vec<u8>,
}

impl TryFrom<HpkeKemType> for Kem {
    type Error = CryptoError;

    fn try_from(kem: HpkeKemType) -> Result<Self, CryptoError> {
        match kem {
            HpkeKemType::DhKem25519 => Ok(Self::X25519),
            HpkeKemType::XWingKemDraft6 => Ok(Self::XWing),
            _ => Err(CryptoError::UnsupportedCiphersuite),
        }
    }
}

impl Kem {
    /// The code point that HPKE hashes. For X-Wing it is not the number OpenMLS' enum carries.
    pub(super) fn id(self) -> [u8; 2] {
        match self {
            Self::X25519 => [0x00, 0x20],
            Self::XWing => [0x64, 0x7a],
        }
    }

    /// `Encap(pkR)` (RFC 9180 §4).
    ///
    /// # Errors
    /// `InvalidLength` or `InvalidPublicKey` for a key that nobody should encrypt to.
    pub(super) fn encapsulate(self, public: &[u8]) -> Result<Encapsulated, CryptoError> {
        match self {
            Self::X25519 => x25519::encapsulate(public),
            Self::XWing => xwing::encapsulate(public),
        }
    }

    /// `Decap(enc, skR)` (RFC 9180 §4).
    ///
    /// # Errors
    /// `InvalidLength` for either input, `InvalidPublicKey` for an `enc` of small order.
    pub(super) fn decapsulate(
        self,
        enc: &[u8],
        private: &[u8],
    ) -> Result<SecretVLBytes, CryptoError> {
        match self {
            Self::X25519 => x25519::decapsulate(enc, private),
            Self::XWing => xwing::decapsulate(enc, private),
        }
    }

    /// Whether a sender could encapsulate to this key at all, without doing it.
    ///
    /// # Errors
    /// As [`Self::encapsulate`].
    pub(super) fn check_public_key(self, public: &[u8]) -> Result<(), CryptoError> {
        match self {
            Self::X25519 => x25519::check_public_key(public),
            Self::XWing => xwing::check_public_key(public).map(drop),
        }
    }

    /// `DeriveKeyPair(ikm)` (RFC 9180 §4).
    pub(super) fn derive_key_pair(self, ikm: &[u8]) -> Result<HpkeKeyPair, CryptoError> {
        match self {
            Self::X25519 => x25519::derive_key_pair(ikm),
            Self::XWing => xwing::derive_key_pair(ikm),
        }
    }
}
