//! One's own letters on the way to another computer of one's own: what stands in the file.
//!
//! The file is [`MAGIC`], the letters in sealed chunks, a [`SignedManifest`], and the manifest's length
//! (u32). The chunks' key is sealed to the person's V keys. The manifest is signed by S, so that nobody
//! else, who knows all public halves, can make a file that the person's computers take.

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use crate::{
    codec::{Bytes, Limited, Text, encode},
    id::{DeviceId, GroupId, Hash, KeyId, Name, OrgId},
    label,
    letter::Letter,
    log::replay::Directory,
    statement::{PeerSignature, StatementSignature, client_data_hash},
    weaken::checked,
};

/// What the file starts with.
pub const MAGIC: &[u8; 18] = b"valise/history/v1\n";
/// The version that [`MAGIC`] names.
pub const VERSION: u8 = 1;

/// The key of the chunks, sealed to one V.
#[derive(Clone, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
pub struct SealedKey {
    /// The hardware key whose V it is.
    pub key: KeyId,
    /// HPKE encapsulation.
    pub encapsulated: Bytes<1120>,
    /// Key and tag: 48 bytes.
    pub sealed: Bytes<48>,
}

/// What the file is, and all that S signs of it.
#[derive(Clone, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
pub struct Manifest {
    /// [`VERSION`].
    pub version: u8,
    /// The organisation.
    pub org: OrgId,
    /// Whose letters.
    pub account: Name,
    /// The computer that they come from.
    pub device: DeviceId,
    /// When, by that computer's clock: milliseconds since 1970 UTC.
    pub made_ms: u64,
    /// How many letters.
    pub letters: u64,
    /// SHA-256 of the sealed chunks.
    pub content: Hash,
    /// The chunks' key, for each of the person's hardware keys.
    pub seals: Vec<SealedKey>,
}

/// A manifest and its signature.
#[derive(Clone, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
pub struct SignedManifest {
    /// What is signed.
    pub manifest: Manifest,
    /// By an S of the account.
    pub signature: StatementSignature,
}

impl Limited for SignedManifest {
    const MAX: usize = 64 * 1024;
}

/// A history that is not this person's own word.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PeerForeignHistory {
    /// It comes from a computer that is revoked, or was never this person's.
    #[error("it comes from a computer that was revoked, or never was {0}'s")]
    Device(Name),
    /// It is somebody else's.
    #[error("it is {0}'s")]
    Account(Name),
    /// It was signed by a key that is revoked, or was never this person's.
    #[error("it was signed by a security key that was revoked, or never was {0}'s")]
    Key(Name),
    /// It is of another organisation.
    #[error("it is of another organisation")]
    Organisation,
    /// Not that key's signature over this manifest.
    #[error("{0}")]
    Signature(PeerSignature),
}

impl Manifest {
    /// The clientDataHash that S signs.
    pub fn client_data_hash(&self) -> [u8; 32] {
        client_data_hash(label::HISTORY, self.org, &encode(self))
    }
}

impl SignedManifest {
    /// Checks that it is the word of `account`, as `directory` knows it now: its organisation, a
    /// computer and a hardware key of its own, neither revoked, and that key's signature.
    pub fn verify(&self, directory: &Directory, account: &Name) -> Result<(), PeerForeignHistory> {
        let manifest = &self.manifest;
        if manifest.org != directory.org() {
            return Err(PeerForeignHistory::Organisation);
        }
        if manifest.account != *account {
            return Err(PeerForeignHistory::Account(manifest.account.clone()));
        }
        let device = directory.active_device(manifest.device);
        if device.is_none_or(|device| device.account != *account) {
            return Err(PeerForeignHistory::Device(account.clone()));
        }
        let mut keys = directory.active_keys(account);
        let (_, key) = keys
            .find(|(id, _)| *id == self.signature.key)
            .ok_or_else(|| PeerForeignHistory::Key(account.clone()))?;
        let (public, tag) = (&key.record.statement.public_key, directory.genesis().tag);
        let signed = self
            .signature
            .verify(public, tag, &manifest.client_data_hash());
        match signed {
            Err(error) if checked("history") => Err(PeerForeignHistory::Signature(error)),
            _ => Ok(()),
        }
    }
}

/// What its owner did with a letter.
#[derive(Clone, Copy, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
#[repr(u8)]
pub enum Standing {
    /// Read it.
    Read = 0,
    /// Has not read it.
    Unread = 1,
    /// Wrote it.
    Own = 2,
}

/// One letter as a store keeps it. In the chunks each stands behind its length (u32).
#[derive(Clone, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
pub struct KeptLetter {
    /// The letter. Its nonce, sequence and previous hash are not kept: zeros.
    pub letter: Letter,
    /// Its conversation.
    pub group: Option<GroupId>,
    /// Who wrote it.
    pub sender: Name,
    /// On which device.
    pub device: DeviceId,
    /// When it came there: milliseconds since 1970 UTC, by that computer's clock.
    pub here_ms: u64,
    /// Read or not.
    pub standing: Standing,
    /// What its reader must know about it.
    pub remark: Text<256>,
}

impl Limited for KeptLetter {
    const MAX: usize = Letter::MAX + 1024;
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;

    use super::*;
    use crate::{
        id::OrgTag,
        testing::{self, SoftDevice, SoftStatementKey},
    };

    const TAG: OrgTag = OrgTag([7; 16]);

    struct Office {
        directory: Directory,
        alice: Name,
        key: SoftStatementKey,
        device: SoftDevice,
    }

    fn office() -> Office {
        let (key, device) = (SoftStatementKey::generate(TAG), SoftDevice::generate());
        let alice: Name = "alice".parse().unwrap();
        let policy = crate::log::entry::Policy::default();
        let genesis = testing::genesis(TAG, "https://mail.example", &[&key], policy);
        let mut directory = Directory::found(&genesis).unwrap();
        let add = testing::account_add(&directory, &alice, &key, &[&key]);
        directory.apply(&add).unwrap();
        let add = testing::device_add(&directory, &alice, &device, &key);
        directory.apply(&add).unwrap();
        Office {
            directory,
            alice,
            key,
            device,
        }
    }

    fn manifest(office: &Office) -> Manifest {
        Manifest {
            version: VERSION,
            org: office.directory.org(),
            account: office.alice.clone(),
            device: office.device.id(),
            made_ms: testing::TIME_MS,
            letters: 3,
            content: Hash([6; 32]),
            seals: Vec::new(),
        }
    }

    fn signed(manifest: Manifest, key: &SoftStatementKey) -> SignedManifest {
        SignedManifest {
            signature: key.sign(&manifest.client_data_hash()),
            manifest,
        }
    }

    #[test]
    fn what_s_signs_is_frozen() {
        let manifest = Manifest {
            version: VERSION,
            org: OrgId([1; 32]),
            account: "alice".parse().unwrap(),
            device: DeviceId([8; 32]),
            made_ms: testing::TIME_MS,
            letters: 3,
            content: Hash([6; 32]),
            seals: Vec::new(),
        };
        insta::assert_snapshot!(HEXLOWER.encode(&manifest.client_data_hash()), @"24ce448143886a1ab76b2ce91b0c2ec9e9c32a9b9d522d53dc17f0c62a378fa9");
    }

    #[test]
    fn only_the_owners_own_word_is_taken() {
        let office = office();
        let (directory, alice) = (&office.directory, &office.alice);
        let good = signed(manifest(&office), &office.key);
        assert_eq!(good.verify(directory, alice), Ok(()));

        let bob: Name = "bob".parse().unwrap();
        let refused = good.verify(directory, &bob);
        assert_eq!(refused, Err(PeerForeignHistory::Account(alice.clone())));
        let mut other = manifest(&office);
        other.org = OrgId([1; 32]);
        let refused = signed(other, &office.key).verify(directory, alice);
        assert_eq!(refused, Err(PeerForeignHistory::Organisation));
        let mut other = manifest(&office);
        other.device = SoftDevice::generate().id();
        let refused = signed(other, &office.key).verify(directory, alice);
        assert_eq!(refused, Err(PeerForeignHistory::Device(alice.clone())));
        // A key that nobody has enrolled, and the same under the owner's key's id.
        let stranger = SoftStatementKey::generate(TAG);
        let mut forged = signed(manifest(&office), &stranger);
        let refused = forged.verify(directory, alice);
        assert_eq!(refused, Err(PeerForeignHistory::Key(alice.clone())));
        forged.signature.key = office.key.id();
        let refused = forged.verify(directory, alice);
        let wrong = PeerForeignHistory::Signature(PeerSignature::Signature);
        assert_eq!(refused, Err(wrong.clone()));
        // Nothing that S signed for another purpose, and no other letters under the signature.
        let purpose = client_data_hash(label::ENTRY, directory.org(), &encode(&good.manifest));
        let mut forged = good.clone();
        forged.signature = office.key.sign(&purpose);
        assert_eq!(forged.verify(directory, alice), Err(wrong.clone()));
        let mut forged = good;
        forged.manifest.content.0[0] ^= 1;
        assert_eq!(forged.verify(directory, alice), Err(wrong));
    }

    #[test]
    fn what_was_revoked_since_is_refused() {
        let mut office = office();
        let good = signed(manifest(&office), &office.key);
        let (alice, device) = (office.alice.clone(), office.device.id());
        let revoke = testing::device_revoke(&office.directory, &alice, device, &[&office.key]);
        office.directory.apply(&revoke).unwrap();
        let refused = good.verify(&office.directory, &alice);
        assert_eq!(refused, Err(PeerForeignHistory::Device(alice.clone())));

        let other = SoftDevice::generate();
        let add = testing::device_add(&office.directory, &alice, &other, &office.key);
        office.directory.apply(&add).unwrap();
        let second = SoftStatementKey::generate(TAG);
        let add = testing::key_add(&office.directory, &alice, &second, &[&office.key]);
        office.directory.apply(&add).unwrap();
        office.device = other;
        let good = signed(manifest(&office), &office.key);
        assert_eq!(good.verify(&office.directory, &alice), Ok(()));
        let revoke = testing::key_revoke(&office.directory, &alice, office.key.id(), &[&second]);
        office.directory.apply(&revoke).unwrap();
        let refused = good.verify(&office.directory, &alice);
        assert_eq!(refused, Err(PeerForeignHistory::Key(alice)));
    }
}
