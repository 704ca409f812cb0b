//! X-Wing as an HPKE KEM (draft-connolly-cfrg-xwing-kem-06, "Use in HPKE").

use openmls_traits::types::{CryptoError, HpkeKeyPair};
use shake::Shake256;
use shake::digest::{ExtendableOutput as _, Update as _, XofReader as _};
use tls_codec::SecretVLBytes;
use x_wing::{
    Ciphertext, DECAPSULATION_KEY_SIZE, DecapsulationKeyRejectNonContrib, Decapsulator as _,
    ENCAPSULATION_RANDOMNESS_SIZE, EncapsulationKey, KeyExport as _, KeyInit as _,
    TryDecapsulate as _,
};
use zeroize::Zeroizing;

use super::{Encapsulated, x25519};
use crate::random;

pub(super) fn encapsulate(public: &[u8]) -> Result<Encapsulated, CryptoError> {
    encapsulate_with(&*random::secret()?, public)
}

/// `EncapsulateDerand`: 32 bytes for ML-KEM-768, then 32 for X25519.
fn encapsulate_with(
    randomness: &[u8; ENCAPSULATION_RANDOMNESS_SIZE],
    public: &[u8],
) -> Result<Encapsulated, CryptoError> {
    let key = check_public_key(public)?;
    let (ciphertext, shared) = key.encapsulate_deterministic(randomness.into());
    let shared = Zeroizing::new(<[u8; 32]>::from(shared));
    Ok(Encapsulated {
        shared_secret: SecretVLBytes::from(shared.as_slice()),
        enc: ciphertext.to_vec(),
    })
}

/// `Decapsulate`, refusing an X25519 half of small order.
pub(super) fn decapsulate(enc: &[u8], private: &[u8]) -> Result<SecretVLBytes, CryptoError> {
    let enc: &Ciphertext = enc.try_into().map_err(|_| CryptoError::InvalidLength)?;
    let shared = private_key(private)?
        .try_decapsulate(enc)
        .map_err(|_| CryptoError::InvalidPublicKey)?;
    let shared = Zeroizing::new(<[u8; 32]>::from(shared));
    Ok(SecretVLBytes::from(shared.as_slice()))
}

/// `DeriveKeyPair(ikm)`: the private key is the seed `SHAKE256(ikm, 32)`.
pub(super) fn derive_key_pair(ikm: &[u8]) -> Result<HpkeKeyPair, CryptoError> {
    let mut shake = Shake256::default();
    shake.update(ikm);
    let mut seed = Zeroizing::new([0; DECAPSULATION_KEY_SIZE]);
    shake.finalize_xof().read(seed.as_mut_slice());
    let public = private_key(seed.as_slice())?
        .encapsulation_key()
        .to_bytes()
        .to_vec();
    Ok(HpkeKeyPair {
        private: seed.as_slice().into(),
        public,
    })
}

fn private_key(seed: &[u8]) -> Result<DecapsulationKeyRejectNonContrib, CryptoError> {
    DecapsulationKeyRejectNonContrib::new_from_slice(seed).map_err(|_| CryptoError::InvalidLength)
}

/// The key, if both halves are sound: ML-KEM's is reduced (FIPS 203 §7.2) and X25519's, the last 32
/// bytes, is not of small order. x-wing offers the second check to the receiver only.
pub(super) fn check_public_key(public: &[u8]) -> Result<EncapsulationKey, CryptoError> {
    let key = EncapsulationKey::try_from(public).map_err(|_| CryptoError::InvalidPublicKey)?;
    let x25519_half: &[u8; 32] = public.last_chunk().ok_or(CryptoError::InvalidLength)?;
    x25519::check_public_key(x25519_half)?;
    Ok(key)
}

#[cfg(test)]
mod tests;
