//! Vaults that open, and all that must not.
#![cfg(feature = "soft-key")]

use valise_proto::key::Credential;

use super::*;
use crate::key::{NewCredential, Source, open};

const TAG: OrgTag = OrgTag([3; 16]);

struct Willing;

impl Prompt for Willing {
    fn touch(&mut self, _purpose: &str) {}

    fn pin(&mut self, _tries_left: Option<u8>) -> Result<Zeroizing<String>, KeyError> {
        Err(KeyError::Cancelled)
    }

    fn insert(&mut self) {}
}

/// A software key with an S credential, and what the log would say of it.
fn person(folder: &std::path::Path, name: &str) -> (Box<dyn Key>, KeyRecord) {
    let mut key = open(&Source::Soft(folder.join(name))).unwrap();
    let made = key
        .make(
            &NewCredential {
                rp_id: &relying_party(TAG),
                rp_name: "test",
                user_id: name.as_bytes(),
                user_name: name,
                client_data_hash: [0; 32],
                hmac_secret: true,
                resident: true,
                exclude: &[],
                purpose: "test",
            },
            &mut Willing,
        )
        .unwrap();
    let credential = Credential {
        id: made.credential_id.clone().try_into().unwrap(),
        public_key: made.public_key,
    };
    let (_, v) = touch(&mut *key, &mut Willing, TAG, &[made.credential_id], "test").unwrap();
    let record = KeyRecord {
        model: made.aaguid,
        statement: credential.clone(),
        login: credential,
        vault: v.public,
    };
    (key, record)
}

#[test]
fn every_key_of_a_person_opens_the_vault_and_no_other_does() {
    let folder = tempfile::tempdir().unwrap();
    let (mut first, first_record) = person(folder.path(), "first");
    let (mut spare, spare_record) = person(folder.path(), "spare");
    let (mut foreign, _) = person(folder.path(), "foreign");
    let (vault, key) = Vault::seal(TAG, &[&first_record, &spare_record]).unwrap();
    let vault = Vault::from_bytes(&vault.to_bytes()).unwrap();
    assert_eq!(vault.open(&mut *first, &mut Willing).unwrap(), key);
    assert_eq!(vault.open(&mut *spare, &mut Willing).unwrap(), key);
    let refused = vault.open(&mut *foreign, &mut Willing);
    assert!(matches!(
        refused,
        Err(VaultError::Key(KeyError::NotThisKey))
    ));
}

#[test]
fn a_changed_vault_does_not_open() {
    let folder = tempfile::tempdir().unwrap();
    let (mut key, record) = person(folder.path(), "key");
    let (vault, store_key) = Vault::seal(TAG, &[&record]).unwrap();
    let bytes = vault.to_bytes();
    // One bit in each of the sealed bytes; the encapsulation before them is sampled.
    let sealed_from = bytes.len() - 48;
    for index in (200..sealed_from)
        .step_by(97)
        .chain(sealed_from..bytes.len())
    {
        let mut spoiled = bytes.clone();
        spoiled[index] ^= 1;
        let opened = Vault::from_bytes(&spoiled).and_then(|v| v.open(&mut *key, &mut Willing));
        assert!(opened.is_err(), "byte {index}");
    }
    assert_eq!(vault.open(&mut *key, &mut Willing).unwrap(), store_key);
    for length in 0..bytes.len() {
        assert!(
            Vault::from_bytes(&bytes[..length]).is_err(),
            "{length} bytes"
        );
    }
}

#[test]
fn two_vaults_of_one_key_share_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (_, record) = person(folder.path(), "key");
    let (one, one_key) = Vault::seal(TAG, &[&record]).unwrap();
    let (two, two_key) = Vault::seal(TAG, &[&record]).unwrap();
    assert_ne!(one_key, two_key);
    assert_ne!(one.boxes[0].sealed, two.boxes[0].sealed);
}

#[test]
fn an_organisation_has_a_salt_of_its_own() {
    assert_ne!(salt(OrgTag([1; 16])), salt(OrgTag([2; 16])));
}
