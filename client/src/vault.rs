//! The store key, sealed to the person's hardware keys.
//!
//! Each hardware key of a person has an X-Wing key pair V, whose private half is derived from the
//! key's hmac-secret and exists only while the key is touched. The random store key is sealed to
//! every V by HPKE (RFC 9180, base mode, the suite of the letters), so that a spare key opens a
//! store it has never been plugged in for. A history is sealed in the same way, see [`stream`].

pub mod stream;

use openmls_traits::{crypto::OpenMlsCrypto as _, types::HpkeCiphertext};
use ring::hkdf;
use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};
use valise_proto::{
    codec::{self, Bytes, Limited, encode},
    id::{OrgId, OrgTag},
    key::{KeyRecord, VAULT_PUBLIC_LEN},
    label,
    statement::{client_data_hash, relying_party, sha256},
};
use zeroize::Zeroizing;

use crate::{
    key::{Assertion, AssertionRequest, Key, KeyError, Prompt},
    provider::{Crypto, SUITE},
    random,
    store::StoreKey,
};

/// The vault file: public, in clear. It holds no name and nothing that opens anything.
#[derive(Clone, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
pub struct Vault {
    version: u8,
    tag: OrgTag,
    boxes: Vec<SealedKey>,
}

impl Limited for Vault {
    const MAX: usize = 64 * 1024;
}

/// The store key, sealed to one V.
#[derive(Clone, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
struct SealedKey {
    /// Credential id of the S whose hmac-secret makes V.
    credential: Bytes<1023>,
    /// HPKE encapsulation.
    encapsulated: Bytes<1120>,
    /// Store key and tag: 48 bytes.
    sealed: Bytes<48>,
}

/// Why the vault does not open.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The file is not a vault, or not of this version.
    #[error("the vault file is damaged")]
    Damaged,
    /// The hardware key refused, or is not there.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The key answered, but what it opens is not the store key.
    #[error("this security key does not open this store")]
    NotThisKey,
    /// The machine has no randomness, or a public key in the log is not one.
    #[error("sealing failed")]
    Sealing,
}

/// V: the private seed and the public half.
pub struct VaultKey {
    private: openmls_traits::types::HpkePrivateKey,
    /// The half that the log knows.
    pub public: [u8; VAULT_PUBLIC_LEN],
}

impl VaultKey {
    /// Derives V out of an hmac-secret.
    pub fn derive(secret: &[u8; 32]) -> Result<Self, VaultError> {
        let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, b"").extract(secret);
        let mut seed = Zeroizing::new([0; 32]);
        prk.expand(&[label::VAULT_SEED], hkdf::HKDF_SHA256)
            .and_then(|okm| okm.fill(&mut *seed))
            .map_err(|_| VaultError::Sealing)?;
        let pair = Crypto
            .derive_hpke_keypair(SUITE.hpke_config(), &*seed)
            .map_err(|_| VaultError::Sealing)?;
        let public = pair.public.try_into().map_err(|_| VaultError::Sealing)?;
        Ok(Self {
            private: pair.private,
            public,
        })
    }

    /// Opens what [`seal_to`] has sealed to this V, for the same purpose.
    pub fn open(&self, info: &[u8], sealed: &SealedSecret) -> Result<StoreKey, VaultError> {
        let ciphertext = HpkeCiphertext {
            kem_output: sealed.encapsulated.as_slice().into(),
            ciphertext: sealed.sealed.as_slice().into(),
        };
        let opened = Crypto
            .hpke_open(SUITE.hpke_config(), &ciphertext, &self.private, info, b"")
            .map_err(|_| VaultError::NotThisKey)?;
        let opened = Zeroizing::new(opened);
        let secret = opened.as_slice().try_into();
        Ok(Zeroizing::new(secret.map_err(|_| VaultError::Damaged)?))
    }
}

/// A secret, sealed to one V.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SealedSecret {
    /// HPKE encapsulation.
    pub encapsulated: Bytes<1120>,
    /// Secret and tag: 48 bytes.
    pub sealed: Bytes<48>,
}

/// A touch of the key: which one it was, and its V.
pub struct Touched {
    /// Credential id of its S.
    pub credential: Vec<u8>,
    /// V.
    pub key: VaultKey,
}

/// The hmac-secret salt: one V per organisation and key.
pub fn salt(tag: OrgTag) -> [u8; 32] {
    sha256(&[label::VAULT_SALT, &tag.0])
}

/// One touch: the assertion of S that evaluates hmac-secret, and V. `allow` empty asks for any
/// credential that the key has for this organisation.
pub fn touch(
    key: &mut dyn Key,
    prompt: &mut dyn Prompt,
    tag: OrgTag,
    allow: &[Vec<u8>],
    purpose: &str,
) -> Result<(Assertion, VaultKey), VaultError> {
    let request = AssertionRequest {
        rp_id: &relying_party(tag),
        // Nobody sees this signature: it only carries the hmac-secret.
        client_data_hash: client_data_hash(label::UNLOCK, OrgId([0; 32]), b""),
        allow,
        salt: Some(salt(tag)),
        purpose,
    };
    let mut assertion = key.assert(&request, prompt)?;
    let secret = assertion
        .secret
        .take()
        .ok_or(KeyError::NotSupported("hmac-secret"))?;
    let vault_key = VaultKey::derive(&secret)?;
    Ok((assertion, vault_key))
}

impl Vault {
    /// A new store key, sealed to every one of `keys`.
    pub fn seal(tag: OrgTag, keys: &[&KeyRecord]) -> Result<(Self, StoreKey), VaultError> {
        let store_key = random::secret().map_err(|_| VaultError::Sealing)?;
        Ok((Self::seal_key(tag, keys, &store_key)?, store_key))
    }

    /// This store key, sealed to every one of `keys` and to nobody else.
    pub fn seal_key(
        tag: OrgTag,
        keys: &[&KeyRecord],
        store_key: &StoreKey,
    ) -> Result<Self, VaultError> {
        let boxes = keys
            .iter()
            .map(|record| seal_key_to(tag, record, store_key));
        Ok(Self {
            version: 1,
            tag,
            boxes: boxes.collect::<Result<_, _>>()?,
        })
    }

    /// Whether exactly these keys open it.
    pub fn is_for(&self, keys: &[KeyRecord]) -> bool {
        let opens = |key: &KeyRecord| {
            let mut boxes = self.boxes.iter();
            boxes.any(|sealed| sealed.credential == key.statement.id)
        };
        self.boxes.len() == keys.len() && keys.iter().all(opens)
    }

    /// Reads a vault file.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, VaultError> {
        let vault: Self = codec::decode(bytes).map_err(|_| VaultError::Damaged)?;
        if vault.version == 1 {
            Ok(vault)
        } else {
            Err(VaultError::Damaged)
        }
    }

    /// The vault file.
    pub fn to_bytes(&self) -> Vec<u8> {
        encode(self)
    }

    /// Opens the vault by one touch.
    pub fn open(&self, key: &mut dyn Key, prompt: &mut dyn Prompt) -> Result<StoreKey, VaultError> {
        let (store_key, _) = self.open_by_touch(key, prompt)?;
        Ok(store_key)
    }

    /// The same, and what that touch can open besides.
    pub fn open_by_touch(
        &self,
        key: &mut dyn Key,
        prompt: &mut dyn Prompt,
    ) -> Result<(StoreKey, Touched), VaultError> {
        let allow: Vec<_> = self
            .boxes
            .iter()
            .map(|sealed| sealed.credential.clone().into_vec())
            .collect();
        let (assertion, vault_key) = touch(key, prompt, self.tag, &allow, "open your letters")?;
        let sealed = self
            .boxes
            .iter()
            .find(|sealed| sealed.credential.as_slice() == assertion.credential_id)
            .ok_or(VaultError::NotThisKey)?;
        let secret = SealedSecret {
            encapsulated: sealed.encapsulated.clone(),
            sealed: sealed.sealed.clone(),
        };
        let store_key = vault_key.open(&info(self.tag), &secret)?;
        let touched = Touched {
            credential: assertion.credential_id,
            key: vault_key,
        };
        Ok((store_key, touched))
    }
}

/// Seals `secret` to the V of `record`. `info` says what for: what is sealed for one purpose does not
/// open for another.
pub fn seal_to(
    record: &KeyRecord,
    info: &[u8],
    secret: &[u8; 32],
) -> Result<SealedSecret, VaultError> {
    let sealed = Crypto
        .hpke_seal(SUITE.hpke_config(), &record.vault, info, b"", secret)
        .map_err(|_| VaultError::Sealing)?;
    let encapsulated = sealed.kem_output.as_slice().to_vec();
    let ciphertext = sealed.ciphertext.as_slice().to_vec();
    Ok(SealedSecret {
        encapsulated: encapsulated.try_into().map_err(|_| VaultError::Sealing)?,
        sealed: ciphertext.try_into().map_err(|_| VaultError::Sealing)?,
    })
}

fn seal_key_to(
    tag: OrgTag,
    record: &KeyRecord,
    store_key: &StoreKey,
) -> Result<SealedKey, VaultError> {
    let SealedSecret {
        encapsulated,
        sealed,
    } = seal_to(record, &info(tag), store_key)?;
    Ok(SealedKey {
        credential: record.statement.id.clone(),
        encapsulated,
        sealed,
    })
}

fn info(tag: OrgTag) -> Vec<u8> {
    [label::VAULT_SEAL, &tag.0].concat()
}

#[cfg(test)]
mod tests;
