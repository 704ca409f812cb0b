//! HKDF (RFC 5869) and the labelled HKDF of HPKE (RFC 9180 §4), by ring.

use openmls_traits::types::{CryptoError, HashType};
use ring::digest::{SHA256, SHA384, SHA512};
use ring::hkdf::{self, HKDF_SHA256, HKDF_SHA384, HKDF_SHA512, KeyType, Prk};
use ring::{digest, hmac};
use tls_codec::SecretVLBytes;

/// SHA-2 of `data`.
pub(super) fn hash(hash: HashType, data: &[u8]) -> Vec<u8> {
    let algorithm = match hash {
        HashType::Sha2_256 => &SHA256,
        HashType::Sha2_384 => &SHA384,
        HashType::Sha2_512 => &SHA512,
    };
    digest::digest(algorithm, data).as_ref().to_vec()
}

/// HKDF-Extract (RFC 5869 §2.2), which is HMAC keyed with the salt, over the joined parts of `ikm`.
///
/// ring's own extract keeps the result to itself, and MLS needs the bytes.
pub(super) fn extract(hash: HashType, salt: &[u8], ikm: &[&[u8]]) -> SecretVLBytes {
    let key = hmac::Key::new(algorithm(hash).hmac_algorithm(), salt);
    let mut context = hmac::Context::with_key(&key);
    for part in ikm {
        context.update(part);
    }
    SecretVLBytes::from(context.sign().as_ref())
}

/// HKDF-Expand (RFC 5869 §2.3) to `length` bytes, with the joined parts of `info`.
///
/// # Errors
/// `HkdfOutputLengthInvalid` for more than 255 hashes.
pub(super) fn expand(
    hash: HashType,
    prk: &[u8],
    info: &[&[u8]],
    length: usize,
) -> Result<SecretVLBytes, CryptoError> {
    let mut okm = vec![0; length];
    Prk::new_less_safe(algorithm(hash), prk)
        .expand(info, Length(length))
        .and_then(|expanded| expanded.fill(&mut okm))
        .map_err(|_| CryptoError::HkdfOutputLengthInvalid)?;
    Ok(SecretVLBytes::new(okm))
}

fn algorithm(hash: HashType) -> hkdf::Algorithm {
    match hash {
        HashType::Sha2_256 => HKDF_SHA256,
        HashType::Sha2_384 => HKDF_SHA384,
        HashType::Sha2_512 => HKDF_SHA512,
    }
}

/// How many bytes to expand to; ring asks for a type.
struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

/// HKDF with every input under a label and a suite (RFC 9180 §4).
pub(super) struct Labelled<'s> {
    pub(super) hash: HashType,
    pub(super) suite_id: &'s [u8],
}

impl Labelled<'_> {
    const VERSION: &'static [u8] = b"HPKE-v1";

    /// `LabeledExtract` (RFC 9180 §4).
    pub(super) fn extract(&self, salt: &[u8], label: &str, ikm: &[u8]) -> SecretVLBytes {
        let labelled = [Self::VERSION, self.suite_id, label.as_bytes(), ikm];
        extract(self.hash, salt, &labelled)
    }

    /// `LabeledExpand` (RFC 9180 §4).
    ///
    /// # Errors
    /// `HkdfOutputLengthInvalid` for more than 65,535 bytes or 255 hashes.
    pub(super) fn expand(
        &self,
        prk: &[u8],
        label: &str,
        info: &[u8],
        length: usize,
    ) -> Result<SecretVLBytes, CryptoError> {
        let coded = u16::try_from(length)
            .map_err(|_| CryptoError::HkdfOutputLengthInvalid)?
            .to_be_bytes();
        let labelled = [&coded, Self::VERSION, self.suite_id, label.as_bytes(), info];
        expand(self.hash, prk, &labelled, length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expand_stops_at_255_hashes() {
        for hash in [HashType::Sha2_256, HashType::Sha2_384, HashType::Sha2_512] {
            let prk = vec![3; hash.size()];
            let most = 255 * hash.size();
            assert_eq!(
                expand(hash, &prk, &[b"i"], most).unwrap().as_slice().len(),
                most
            );
            assert_eq!(
                expand(hash, &prk, &[b"i"], most + 1).err(),
                Some(CryptoError::HkdfOutputLengthInvalid)
            );
        }
    }

    #[test]
    fn labelled_expand_stops_where_its_length_field_does() {
        let kdf = Labelled {
            hash: HashType::Sha2_256,
            suite_id: b"suite",
        };
        assert_eq!(
            kdf.expand(&[3; 32], "label", b"", 65_536).err(),
            Some(CryptoError::HkdfOutputLengthInvalid)
        );
    }
}
