//! For tests only: keys in software, and valid signed entries made with them.
//!
//! Behind the feature `testing`. A test takes a valid entry from here and spoils it.
#![expect(
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    reason = "tests' own values: a failure here is the test's failure"
)]

use ring::{
    rand::{SecureRandom, SystemRandom},
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair},
};

use crate::{
    codec::encode,
    id::{DeviceId, Hash, KeyId, Name, OrgId, OrgTag},
    key::{Credential, KeyRecord, VAULT_PUBLIC_LEN},
    log::{
        Head,
        entry::{
            AccountAdd, AccountRestore, AccountSuspend, AdminAdd, AdminRemove, Batch,
            DeviceCertificate, DeviceRevoke, Entry, Fact, Genesis, KeyAdd, KeyRevoke, ListSet,
            Policy, PolicySet, RecoveryBegin, RecoveryFinish, RecoveryVeto, Statement,
            ThresholdSet,
        },
        replay::Directory,
    },
    statement::{AUTHENTICATOR_DATA_LEN, StatementSignature, relying_party, sha256},
};

/// The model of [`SoftStatementKey`], which passes for hardware.
pub const HARD_KEY_MODEL: [u8; 16] = *b"valise-hard-key\0";

/// When every entry of this file says that it was signed: milliseconds since 1970.
pub const TIME_MS: u64 = 1_800_000_000_000;

/// The S credential of a hardware key, without the hardware.
#[derive(Debug)]
pub struct SoftStatementKey {
    /// What the log says of the key. A test may change it before it enrols the key.
    pub record: KeyRecord,
    tag: OrgTag,
    pair: EcdsaKeyPair,
}

impl SoftStatementKey {
    /// A new key whose S credential is for the organisation with this tag.
    pub fn generate(tag: OrgTag) -> Self {
        let pair = p256();
        let record = KeyRecord {
            model: HARD_KEY_MODEL,
            statement: credential(&pair),
            login: credential(&p256()),
            vault: random::<VAULT_PUBLIC_LEN>(),
        };
        Self { record, tag, pair }
    }

    /// The key's id.
    pub fn id(&self) -> KeyId {
        self.record.id()
    }

    /// Signs under touch and PIN.
    pub fn sign(&self, client_data_hash: &[u8; 32]) -> StatementSignature {
        self.sign_as(
            &authenticator_data(&relying_party(self.tag)),
            client_data_hash,
        )
    }

    /// Signs whatever authenticator data: for forgeries.
    pub fn sign_as(
        &self,
        authenticator_data: &[u8; AUTHENTICATOR_DATA_LEN],
        client_data_hash: &[u8; 32],
    ) -> StatementSignature {
        let signed = [&authenticator_data[..], client_data_hash].concat();
        let signature = self.pair.sign(&SystemRandom::new(), &signed).unwrap();
        StatementSignature {
            key: self.id(),
            authenticator_data: *authenticator_data,
            signature: signature.as_ref().to_vec().try_into().unwrap(),
        }
    }
}

/// What an authenticator says for `relying_party` after touch and PIN, its counter at 1.
pub fn authenticator_data(relying_party: &str) -> [u8; AUTHENTICATOR_DATA_LEN] {
    let hash = sha256(&[relying_party.as_bytes()]);
    let data = [&hash[..], &[0b101], &[0, 0, 0, 1]].concat();
    data.try_into().unwrap()
}

/// A device key.
#[derive(Debug)]
pub struct SoftDevice {
    pair: Ed25519KeyPair,
}

impl SoftDevice {
    /// A new device.
    pub fn generate() -> Self {
        Self::from_seed(random())
    }

    /// The device with this secret.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self {
            pair: Ed25519KeyPair::from_seed_unchecked(&seed).unwrap(),
        }
    }

    /// The device's id.
    pub fn id(&self) -> DeviceId {
        DeviceId::try_from(self.pair.public_key().as_ref()).unwrap()
    }

    /// An Ed25519 signature.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.pair.sign(message).as_ref().try_into().unwrap()
    }

    /// The certificate that this device agrees to.
    pub fn certificate(&self, org: OrgId, name: &Name, label: &str) -> DeviceCertificate {
        let device = self.id();
        DeviceCertificate {
            account: name.clone(),
            device,
            label: label.to_owned().try_into().unwrap(),
            consent: self.sign(&DeviceCertificate::consent_bytes(org, name, device)),
        }
    }
}

/// `bytes` random bytes.
pub fn random<const BYTES: usize>() -> [u8; BYTES] {
    let mut out = [0; BYTES];
    SystemRandom::new().fill(&mut out).unwrap();
    out
}

fn p256() -> EcdsaKeyPair {
    let random = SystemRandom::new();
    let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
    let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
    EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).unwrap()
}

fn credential(pair: &EcdsaKeyPair) -> Credential {
    Credential {
        id: random::<32>().to_vec().try_into().unwrap(),
        public_key: pair.public_key().as_ref().try_into().unwrap(),
    }
}

/// The statement of a genesis entry.
pub fn genesis_statement(
    tag: OrgTag,
    url: &str,
    founders: Vec<KeyRecord>,
    policy: Policy,
) -> Statement {
    Statement {
        version: 1,
        seen: Head {
            size: 0,
            root: Hash([0; 32]),
        },
        sequence: 0,
        time: TIME_MS,
        fact: Fact::Genesis(Genesis {
            tag,
            organisation: "Campagne".to_owned().try_into().unwrap(),
            url: url.to_owned().try_into().unwrap(),
            founders,
            policy,
        }),
    }
}

/// A genesis entry, signed by all founders.
pub fn genesis(tag: OrgTag, url: &str, founders: &[&SoftStatementKey], policy: Policy) -> Vec<u8> {
    let records = founders.iter().map(|key| key.record.clone()).collect();
    let statement = genesis_statement(tag, url, records, policy);
    sign(statement, OrgId([0; 32]), founders)
}

/// The next statement of `fact`, in sight of the whole directory.
pub fn statement(directory: &Directory, fact: Fact) -> Statement {
    Statement {
        version: 1,
        seen: directory.head(),
        sequence: directory.sequence_of(&fact),
        time: TIME_MS,
        fact,
    }
}

/// The entry of `statement`, signed by `signers`, in the right order.
pub fn sign(statement: Statement, org: OrgId, signers: &[&SoftStatementKey]) -> Vec<u8> {
    encode(&entry(statement, org, signers))
}

/// [`sign`], not encoded yet.
pub fn entry(statement: Statement, org: OrgId, signers: &[&SoftStatementKey]) -> Entry {
    let hash = statement.client_data_hash(org);
    let mut signatures: Vec<_> = signers.iter().map(|key| key.sign(&hash)).collect();
    signatures.sort_by_key(|signature| signature.key);
    Entry {
        statement,
        signatures,
    }
}

/// The next entry of `fact`, signed by `signers`.
pub fn next(directory: &Directory, fact: Fact, signers: &[&SoftStatementKey]) -> Vec<u8> {
    next_at(directory, fact, TIME_MS, signers)
}

/// [`next`], signed at another time: milliseconds.
pub fn next_at(
    directory: &Directory,
    fact: Fact,
    time: u64,
    signers: &[&SoftStatementKey],
) -> Vec<u8> {
    let statement = Statement {
        time,
        ..statement(directory, fact)
    };
    sign(statement, directory.org(), signers)
}

/// `account.add`
pub fn account_add(
    directory: &Directory,
    name: &Name,
    key: &SoftStatementKey,
    signers: &[&SoftStatementKey],
) -> Vec<u8> {
    let fact = Fact::AccountAdd(AccountAdd {
        account: name.clone(),
        key: key.record.clone(),
    });
    next(directory, fact, signers)
}

/// `key.add`
pub fn key_add(
    directory: &Directory,
    name: &Name,
    key: &SoftStatementKey,
    signers: &[&SoftStatementKey],
) -> Vec<u8> {
    let fact = Fact::KeyAdd(KeyAdd {
        account: name.clone(),
        key: key.record.clone(),
    });
    next(directory, fact, signers)
}

/// `device.add`
pub fn device_add(
    directory: &Directory,
    name: &Name,
    device: &SoftDevice,
    signer: &SoftStatementKey,
) -> Vec<u8> {
    let certificate = device.certificate(directory.org(), name, "laptop");
    next(directory, Fact::DeviceAdd(certificate), &[signer])
}

/// `device.revoke`
pub fn device_revoke(
    directory: &Directory,
    name: &Name,
    device: DeviceId,
    signers: &[&SoftStatementKey],
) -> Vec<u8> {
    let fact = Fact::DeviceRevoke(DeviceRevoke {
        account: name.clone(),
        device,
    });
    next(directory, fact, signers)
}

/// `account.suspend`
pub fn account_suspend(
    directory: &Directory,
    name: &Name,
    signers: &[&SoftStatementKey],
) -> Vec<u8> {
    let fact = Fact::AccountSuspend(AccountSuspend {
        account: name.clone(),
    });
    next(directory, fact, signers)
}

/// `admin.add`
pub fn admin_add(directory: &Directory, name: &Name, signers: &[&SoftStatementKey]) -> Vec<u8> {
    let fact = Fact::AdminAdd(AdminAdd {
        account: name.clone(),
    });
    next(directory, fact, signers)
}

/// `batch`, in the order of `people`.
pub fn batch(
    directory: &Directory,
    people: &[(&Name, &SoftStatementKey)],
    signers: &[&SoftStatementKey],
) -> Vec<u8> {
    let fact = Fact::Batch(Batch {
        accounts: people
            .iter()
            .map(|(name, key)| AccountAdd {
                account: (*name).clone(),
                key: key.record.clone(),
            })
            .collect(),
    });
    next(directory, fact, signers)
}

/// `account.restore`
pub fn account_restore(
    directory: &Directory,
    name: &Name,
    signers: &[&SoftStatementKey],
) -> Vec<u8> {
    let fact = Fact::AccountRestore(AccountRestore {
        account: name.clone(),
    });
    next(directory, fact, signers)
}

/// `key.revoke`
pub fn key_revoke(
    directory: &Directory,
    name: &Name,
    key: KeyId,
    signers: &[&SoftStatementKey],
) -> Vec<u8> {
    let fact = Fact::KeyRevoke(KeyRevoke {
        account: name.clone(),
        key,
    });
    next(directory, fact, signers)
}

/// `admin.remove`
pub fn admin_remove(directory: &Directory, name: &Name, signers: &[&SoftStatementKey]) -> Vec<u8> {
    let fact = Fact::AdminRemove(AdminRemove {
        account: name.clone(),
    });
    next(directory, fact, signers)
}

/// `threshold.set`
pub fn threshold_set(
    directory: &Directory,
    threshold: u8,
    signers: &[&SoftStatementKey],
) -> Vec<u8> {
    let fact = Fact::ThresholdSet(ThresholdSet { threshold });
    next(directory, fact, signers)
}

/// `recovery.begin`
pub fn recovery_begin(
    directory: &Directory,
    name: &Name,
    key: &SoftStatementKey,
    signers: &[&SoftStatementKey],
) -> Vec<u8> {
    let fact = Fact::RecoveryBegin(RecoveryBegin {
        account: name.clone(),
        key: key.record.clone(),
    });
    next(directory, fact, signers)
}

/// `recovery.veto`
pub fn recovery_veto(
    directory: &Directory,
    name: &Name,
    begun: u64,
    signers: &[&SoftStatementKey],
) -> Vec<u8> {
    let fact = Fact::RecoveryVeto(RecoveryVeto {
        account: name.clone(),
        begun,
    });
    next(directory, fact, signers)
}

/// `recovery.finish`, signed at `time`: milliseconds.
pub fn recovery_finish(
    directory: &Directory,
    name: &Name,
    begun: u64,
    time: u64,
    signers: &[&SoftStatementKey],
) -> Vec<u8> {
    let fact = Fact::RecoveryFinish(RecoveryFinish {
        account: name.clone(),
        begun,
    });
    next_at(directory, fact, time, signers)
}

/// `list.set`, in the order of `members`.
pub fn list_set(
    directory: &Directory,
    list: &Name,
    members: &[&Name],
    signers: &[&SoftStatementKey],
) -> Vec<u8> {
    let fact = Fact::ListSet(ListSet {
        list: list.clone(),
        members: members.iter().copied().cloned().collect(),
    });
    next(directory, fact, signers)
}

/// `policy.set`
pub fn policy_set(directory: &Directory, policy: Policy, signers: &[&SoftStatementKey]) -> Vec<u8> {
    let fact = Fact::PolicySet(PolicySet { policy });
    next(directory, fact, signers)
}
