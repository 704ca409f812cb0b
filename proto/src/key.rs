//! Public halves: what the log says of a hardware key, and Ed25519 keys that peers choose.

use curve25519_dalek::edwards::CompressedEdwardsY;
use ring::signature;
use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use crate::{
    codec::{Bytes, Limited, encode},
    id::{KeyId, Name, OrgId},
    label,
    statement::sha256,
};

/// Size of an X-Wing public key in bytes (draft-connolly-cfrg-xwing-kem).
pub const VAULT_PUBLIC_LEN: usize = 1216;

/// The model number of the software key that tests use in place of hardware. Refused wherever the
/// organisation's policy does not name its test authority.
pub const SOFT_KEY_MODEL: [u8; 16] = *b"valise-soft-key\0";

/// One credential on a hardware key.
#[derive(Clone, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
pub struct Credential {
    /// Credential id, 1 to 1023 bytes (WebAuthn §7.1 step 25).
    pub id: Bytes<1023>,
    /// P-256 public key, uncompressed SEC1.
    pub public_key: [u8; 65],
}

/// What the log says of a hardware key.
#[derive(Clone, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
pub struct KeyRecord {
    /// AAGUID: the model.
    pub model: [u8; 16],
    /// S: signs statements, under `valise:<org tag>`.
    pub statement: Credential,
    /// L: logs in, under the server's host name.
    pub login: Credential,
    /// V: X-Wing public key, to which stores and history are sealed.
    pub vault: [u8; VAULT_PUBLIC_LEN],
}

impl Limited for KeyRecord {
    const MAX: usize = 3600;
}

impl KeyRecord {
    /// The key's id.
    pub fn id(&self) -> KeyId {
        KeyId(sha256(&[&encode(self)]))
    }

    /// What the six words say: 80 bits of a slow hash (PBKDF2-HMAC-SHA256, 2^17 rounds) over the
    /// organisation, the name and the whole record. The words carry 62 of them; the rounds make
    /// the search for another record with the same words 2^17 times dearer.
    pub fn fingerprint(&self, org: OrgId, name: &Name) -> [u8; 10] {
        const ROUNDS: std::num::NonZeroU32 =
            std::num::NonZeroU32::MIN.saturating_add((1 << 17) - 1);
        let mut out = [0; 10];
        let secret = encode(self);
        let salt = [label::WORDS, &org.0, name.as_str().as_bytes()].concat();
        ring::pbkdf2::derive(
            ring::pbkdf2::PBKDF2_HMAC_SHA256,
            ROUNDS,
            &salt,
            &secret,
            &mut out,
        );
        out
    }
}

/// An Ed25519 public key that a peer chose, checked: canonical, on the curve, of full order.
///
/// ring accepts keys of small order, for which signatures verify that nobody made.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Ed25519Key([u8; 32]);

/// The peer chose a key of small order, off the curve or not canonical.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a weak or malformed Ed25519 key")]
pub struct PeerWeakKey;

/// The signature is not this key's over this message.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the Ed25519 signature does not verify")]
pub struct PeerEd25519Signature;

impl Ed25519Key {
    /// The key's 32 bytes.
    pub fn to_bytes(self) -> [u8; 32] {
        self.0
    }

    /// Checks `signature` over `message` (RFC 8032).
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), PeerEd25519Signature> {
        signature::UnparsedPublicKey::new(&signature::ED25519, &self.0)
            .verify(message, signature)
            .map_err(|_| PeerEd25519Signature)
    }
}

impl TryFrom<[u8; 32]> for Ed25519Key {
    type Error = PeerWeakKey;

    fn try_from(bytes: [u8; 32]) -> Result<Self, PeerWeakKey> {
        let point = CompressedEdwardsY(bytes).decompress().ok_or(PeerWeakKey)?;
        let sound = point.is_torsion_free() && !point.is_small_order();
        if sound && point.compress().0 == bytes {
            Ok(Self(bytes))
        } else {
            Err(PeerWeakKey)
        }
    }
}
