//! DHKEM(X25519, HKDF-SHA256) (RFC 9180 §4.1 and §7.1).

use curve25519_dalek::MontgomeryPoint;
use curve25519_dalek::traits::IsIdentity as _;
use openmls_traits::types::{CryptoError, HashType, HpkeKeyPair};
use tls_codec::SecretVLBytes;
use x25519_dalek::{PublicKey, SharedSecret, StaticSecret};
use zeroize::Zeroizing;

use super::Encapsulated;
use crate::provider::kdf::Labelled;
use crate::random;

/// The suite id is `"KEM"` and the code point (RFC 9180 §4.1).
const KDF: Labelled<'static> = Labelled {
    hash: HashType::Sha2_256,
    suite_id: b"KEM\x00\x20",
};

/// Nsecret and Nsk of this KEM (RFC 9180 §7.1).
const SECRET_LENGTH: usize = 32;

pub(super) fn encapsulate(public: &[u8]) -> Result<Encapsulated, CryptoError> {
    encapsulate_with(&StaticSecret::from(*random::secret()?), public)
}

/// `Encap(pkR)` with a given ephemeral key (RFC 9180 §4.1).
fn encapsulate_with(ephemeral: &StaticSecret, public: &[u8]) -> Result<Encapsulated, CryptoError> {
    let public = public_key(public)?;
    let enc = PublicKey::from(ephemeral);
    let dh = agree(ephemeral, &public)?;
    Ok(Encapsulated {
        shared_secret: extract_and_expand(&dh, &enc, &public)?,
        enc: enc.to_bytes().to_vec(),
    })
}

/// `Decap(enc, skR)` (RFC 9180 §4.1).
pub(super) fn decapsulate(enc: &[u8], private: &[u8]) -> Result<SecretVLBytes, CryptoError> {
    let enc = public_key(enc)?;
    let private = private_key(private)?;
    let dh = agree(&private, &enc)?;
    extract_and_expand(&dh, &enc, &PublicKey::from(&private))
}

/// `DeriveKeyPair(ikm)` (RFC 9180 §7.1.3).
pub(super) fn derive_key_pair(ikm: &[u8]) -> Result<HpkeKeyPair, CryptoError> {
    let prk = KDF.extract(b"", "dkp_prk", ikm);
    let private = KDF.expand(prk.as_slice(), "sk", b"", SECRET_LENGTH)?;
    let public = PublicKey::from(&private_key(private.as_slice())?);
    Ok(HpkeKeyPair {
        private: private.as_slice().into(),
        public: public.to_bytes().to_vec(),
    })
}

/// `ExtractAndExpand(dh, kem_context)` (RFC 9180 §4.1).
fn extract_and_expand(
    dh: &SharedSecret,
    enc: &PublicKey,
    public: &PublicKey,
) -> Result<SecretVLBytes, CryptoError> {
    let kem_context = [enc.to_bytes(), public.to_bytes()].concat();
    let prk = KDF.extract(b"", "eae_prk", dh.as_bytes());
    KDF.expand(prk.as_slice(), "shared_secret", &kem_context, SECRET_LENGTH)
}

/// X25519, refusing the all-zero result that every point of small order gives (RFC 9180 §7.1.4).
fn agree(private: &StaticSecret, public: &PublicKey) -> Result<SharedSecret, CryptoError> {
    let shared = private.diffie_hellman(public);
    if shared.was_contributory() {
        Ok(shared)
    } else {
        Err(CryptoError::InvalidPublicKey)
    }
}

/// Refuses a key of small order, which would make every shared secret all-zero.
///
/// Eight times such a point is the identity, on the curve and on its twist.
pub(super) fn check_public_key(public: &[u8]) -> Result<(), CryptoError> {
    let point = MontgomeryPoint(public_key(public)?.to_bytes());
    let eightfold = point.mul_bits_be([true, false, false, false].into_iter());
    if eightfold.is_identity() {
        Err(CryptoError::InvalidPublicKey)
    } else {
        Ok(())
    }
}

fn public_key(bytes: &[u8]) -> Result<PublicKey, CryptoError> {
    <[u8; 32]>::try_from(bytes)
        .map(PublicKey::from)
        .map_err(|_| CryptoError::InvalidLength)
}

fn private_key(bytes: &[u8]) -> Result<StaticSecret, CryptoError> {
    let bytes = <[u8; 32]>::try_from(bytes)
        .map(Zeroizing::new)
        .map_err(|_| CryptoError::InvalidLength)?;
    Ok(StaticSecret::from(*bytes))
}

#[cfg(test)]
pub(super) mod small_order;
#[cfg(test)]
mod tests;
