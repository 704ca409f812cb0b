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
        slow_hash(label::WORDS, org, name, &encode(self))
    }
}

/// What the six words over all `keys` of a person say, in whatever order they come: a slow hash as in
/// [`KeyRecord::fingerprint`].
pub fn keys_fingerprint(org: OrgId, name: &Name, mut keys: Vec<KeyId>) -> [u8; 10] {
    keys.sort_unstable();
    let keys: Vec<_> = keys.iter().map(|key| key.0).collect();
    slow_hash(label::PERSON_WORDS, org, name, keys.as_flattened())
}

fn slow_hash(label: &[u8], org: OrgId, name: &Name, secret: &[u8]) -> [u8; 10] {
    const ROUNDS: std::num::NonZeroU32 = std::num::NonZeroU32::MIN.saturating_add((1 << 17) - 1);
    let mut out = [0; 10];
    let salt = [label, &org.0, name.as_str().as_bytes()].concat();
    let algorithm = ring::pbkdf2::PBKDF2_HMAC_SHA256;
    ring::pbkdf2::derive(algorithm, ROUNDS, &salt, secret, &mut out);
    out
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

    /// A key that was read from these bytes before.
    pub(crate) fn read_before(bytes: [u8; 32]) -> Self {
        Self(bytes)
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Every encoding of a point of order 1, 2, 4 or 8, the ones that are not canonical too
    /// (Chalkias, Garillot, Nikolaenko, "Taming the many `EdDSA`s", 2020, table 6c), with both signs.
    fn small_order() -> Vec<[u8; 32]> {
        let order_8 = "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a";
        let order_8_negated = "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05";
        let mut field = [0xff; 32];
        field[31] = 0x7f;
        // y = p - 1, p and p + 1, where p = 2^255 - 19.
        let near_p = [0xec, 0xed, 0xee].map(|low| {
            let mut y = field;
            y[0] = low;
            y
        });
        let mut one = [0; 32];
        one[0] = 1;
        let hex = |text: &str| -> [u8; 32] {
            let bytes = data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap();
            bytes.try_into().unwrap()
        };
        let mut all = vec![[0; 32], one, hex(order_8), hex(order_8_negated)];
        all.extend(near_p);
        let negated = all.clone().into_iter().map(|mut key| {
            key[31] ^= 0x80;
            key
        });
        all.extend(negated);
        all
    }

    #[test]
    fn l11_small_order_ed25519_keys_are_refused() {
        assert_eq!(small_order().len(), 14);
        for bytes in small_order() {
            assert_eq!(Ed25519Key::try_from(bytes), Err(PeerWeakKey), "{bytes:?}");
            // A second opinion, where it reads them at all.
            if let Ok(key) = ed25519_dalek::VerifyingKey::from_bytes(&bytes) {
                assert!(key.is_weak(), "{bytes:?}");
            }
        }
    }

    #[test]
    fn l11_a_key_off_the_curve_not_canonical_or_with_torsion_is_refused() {
        let good = crate::testing::SoftDevice::from_seed([1; 32]).id().0;
        assert!(Ed25519Key::try_from(good).is_ok());
        assert_eq!(Ed25519Key::try_from([0xff; 32]), Err(PeerWeakKey));
        let point = CompressedEdwardsY(good).decompress().unwrap();
        for torsion in &curve25519_dalek::constants::EIGHT_TORSION[1..] {
            let mixed = (point + torsion).compress().0;
            assert_eq!(Ed25519Key::try_from(mixed), Err(PeerWeakKey));
        }
        // Half of all strings are no point; each one that is read is of full order.
        let read = (0..=u8::MAX).filter(|first| {
            let mut bytes = good;
            bytes[0] = *first;
            Ed25519Key::try_from(bytes).is_ok()
        });
        assert!((1..100).contains(&read.count()));
    }

    #[test]
    fn e11_the_words_of_a_person_cover_every_key_name_and_organisation() {
        let (org, name): (_, Name) = (OrgId([1; 32]), "karim".parse().unwrap());
        let (first, second) = (KeyId([1; 32]), KeyId([2; 32]));
        let words = keys_fingerprint(org, &name, vec![first, second]);
        assert_eq!(keys_fingerprint(org, &name, vec![second, first]), words);
        assert_ne!(keys_fingerprint(org, &name, vec![first]), words);
        assert_ne!(
            keys_fingerprint(OrgId([2; 32]), &name, vec![first, second]),
            words
        );
        let other = "karima".parse().unwrap();
        assert_ne!(keys_fingerprint(org, &other, vec![first, second]), words);
    }

    #[test]
    fn e05_the_fingerprint_covers_name_organisation_and_every_part_of_the_key() {
        let tag = crate::id::OrgTag([7; 16]);
        let record = crate::testing::SoftStatementKey::generate(tag).record;
        let (org, name) = (OrgId([1; 32]), "alice".parse().unwrap());
        let words = record.fingerprint(org, &name);
        assert_eq!(record.fingerprint(org, &name), words);
        assert_ne!(record.fingerprint(OrgId([2; 32]), &name), words);
        assert_ne!(record.fingerprint(org, &"alicia".parse().unwrap()), words);
        let changes: [&dyn Fn(&mut KeyRecord); 4] = [
            &|record: &mut KeyRecord| record.model[0] ^= 1,
            &|record: &mut KeyRecord| record.statement.public_key[64] ^= 1,
            &|record: &mut KeyRecord| record.login.public_key[64] ^= 1,
            &|record: &mut KeyRecord| record.vault[1215] ^= 1,
        ];
        for change in changes {
            let mut other = record.clone();
            change(&mut other);
            assert_ne!(other.fingerprint(org, &name), words);
        }
    }
}
