//! Hybrid public key encryption in base mode (RFC 9180), over our KEMs, HKDF and AEADs.

use openmls_traits::types::{
    AeadType, CryptoError, HashType, HpkeAeadType, HpkeCiphertext, HpkeConfig, HpkeKdfType,
    HpkeKeyPair,
};
use tls_codec::SecretVLBytes;

use super::aead;
use super::kdf::Labelled;
use super::kem::{Encapsulated, Kem};

/// `mode_base` (RFC 9180 §5): no pre-shared key, no sender key.
const MODE_BASE: u8 = 0x00;

/// A KEM, a KDF and an AEAD that are used together.
pub(super) struct Suite {
    kem: Kem,
    hash: HashType,
    aead: AeadType,
    id: [u8; 10],
}

impl TryFrom<HpkeConfig> for Suite {
    type Error = CryptoError;

    fn try_from(HpkeConfig(kem, kdf, aead): HpkeConfig) -> Result<Self, CryptoError> {
        let kem = Kem::try_from(kem)?;
        let (hash, kdf_id) = match kdf {
            HpkeKdfType::HkdfSha256 => (HashType::Sha2_256, 1),
            HpkeKdfType::HkdfSha384 => (HashType::Sha2_384, 2),
            HpkeKdfType::HkdfSha512 => (HashType::Sha2_512, 3),
        };
        let (aead, aead_id) = match aead {
            HpkeAeadType::AesGcm128 => (AeadType::Aes128Gcm, 1),
            HpkeAeadType::AesGcm256 => (AeadType::Aes256Gcm, 2),
            HpkeAeadType::ChaCha20Poly1305 => (AeadType::ChaCha20Poly1305, 3),
            HpkeAeadType::Export => return Err(CryptoError::UnsupportedAeadAlgorithm),
        };
        let [kem_high, kem_low] = kem.id();
        Ok(Self {
            kem,
            hash,
            aead,
            // suite_id = "HPKE" and three code points (RFC 9180 §5.1).
            id: [
                b'H', b'P', b'K', b'E', kem_high, kem_low, 0, kdf_id, 0, aead_id,
            ],
        })
    }
}

impl Suite {
    /// `SetupBaseS` and one `Seal` (RFC 9180 §6.1).
    pub(super) fn seal(
        &self,
        public: &[u8],
        info: &[u8],
        aad: &[u8],
        plaintext: &[u8],
    ) -> Result<HpkeCiphertext, CryptoError> {
        let (enc, context) = self.setup_sender(public, info)?;
        Ok(HpkeCiphertext {
            kem_output: enc.into(),
            ciphertext: context.seal(aad, plaintext)?.into(),
        })
    }

    /// `SetupBaseR` and one `Open` (RFC 9180 §6.1).
    pub(super) fn open(
        &self,
        input: &HpkeCiphertext,
        private: &[u8],
        info: &[u8],
        aad: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        self.setup_receiver(input.kem_output.as_slice(), private, info)?
            .open(aad, input.ciphertext.as_slice())
    }

    /// `SetupBaseS` (RFC 9180 §5.1.1): the encapsulation to send and the context it makes.
    pub(super) fn setup_sender(
        &self,
        public: &[u8],
        info: &[u8],
    ) -> Result<(Vec<u8>, Context<'_>), CryptoError> {
        let Encapsulated { shared_secret, enc } = self.kem.encapsulate(public)?;
        Ok((enc, self.key_schedule(shared_secret.as_slice(), info)?))
    }

    /// `SetupBaseR` (RFC 9180 §5.1.1).
    pub(super) fn setup_receiver(
        &self,
        enc: &[u8],
        private: &[u8],
        info: &[u8],
    ) -> Result<Context<'_>, CryptoError> {
        let shared_secret = self.kem.decapsulate(enc, private)?;
        self.key_schedule(shared_secret.as_slice(), info)
    }

    /// `DeriveKeyPair` of the suite's KEM (RFC 9180 §4).
    pub(super) fn derive_key_pair(&self, ikm: &[u8]) -> Result<HpkeKeyPair, CryptoError> {
        self.kem.derive_key_pair(ikm)
    }

    /// `KeySchedule` in base mode, where `psk` and `psk_id` are empty (RFC 9180 §5.1).
    fn key_schedule(&self, shared_secret: &[u8], info: &[u8]) -> Result<Context<'_>, CryptoError> {
        let kdf = self.kdf();
        let schedule = [
            &[MODE_BASE],
            kdf.extract(b"", "psk_id_hash", b"").as_slice(),
            kdf.extract(b"", "info_hash", info).as_slice(),
        ]
        .concat();
        let secret = kdf.extract(shared_secret, "secret", b"");
        let expand = |label, length| kdf.expand(secret.as_slice(), label, &schedule, length);
        Ok(Context {
            key: expand("key", self.aead.key_size())?,
            base_nonce: expand("base_nonce", self.aead.nonce_size())?,
            exporter_secret: expand("exp", self.hash.size())?,
            suite: self,
        })
    }

    fn kdf(&self) -> Labelled<'_> {
        Labelled {
            hash: self.hash,
            suite_id: &self.id,
        }
    }
}

/// What both sides hold after setup. It seals or opens once: the first nonce of the sequence is
/// `base_nonce` itself (RFC 9180 §5.2), and MLS never asks for a second.
pub(super) struct Context<'s> {
    suite: &'s Suite,
    key: SecretVLBytes,
    base_nonce: SecretVLBytes,
    exporter_secret: SecretVLBytes,
}

impl Context<'_> {
    /// `ContextS.Seal` (RFC 9180 §5.2).
    fn seal(self, aad: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let (key, nonce) = (self.key.as_slice(), self.base_nonce.as_slice());
        aead::seal(self.suite.aead, key, nonce, aad, plaintext)
    }

    /// `ContextR.Open` (RFC 9180 §5.2).
    fn open(self, aad: &[u8], ciphertext: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let (key, nonce) = (self.key.as_slice(), self.base_nonce.as_slice());
        aead::open(self.suite.aead, key, nonce, aad, ciphertext)
    }

    /// `Context.Export` (RFC 9180 §5.3).
    ///
    /// # Errors
    /// `HkdfOutputLengthInvalid` for more than 255 hashes.
    pub(super) fn export(
        &self,
        exporter_context: &[u8],
        length: usize,
    ) -> Result<SecretVLBytes, CryptoError> {
        let secret = self.exporter_secret.as_slice();
        self.suite
            .kdf()
            .expand(secret, "sec", exporter_context, length)
    }
}

#[cfg(test)]
mod tests;
