//! Entries to [`Directory`]: the one place that says when a fact is true.
//!
//! Pure: server, every client and any auditor run the same function on the same bytes.
//!
//! | fact            | who signs                                                                 |
//! |-----------------|---------------------------------------------------------------------------|
//! | genesis         | every founding key                                                        |
//! | account.add     | an admin; or a founding key, alone, for the account that it gets          |
//! | key.add         | a key of the account, never an admin                                      |
//! | device.add      | exactly one key of the account                                            |
//! | device.revoke   | a key of the account, or an admin                                         |
//! | account.suspend | an admin                                                                  |
//! | admin.add       | as many admins as [`Directory::threshold`] says                           |
//!
//! Every signer of an entry must have the authority for it, more signers than needed too. A
//! suspended account signs nothing. And a signer's authority (its key, its name, its admin role)
//! must have been in the log that it had seen when it signed: `index < seen.size` (D13).

mod authority;
mod fact;
mod refusal;

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    card::ServerUrl,
    codec::decode,
    id::{DeviceId, Hash, KeyId, Name, OrgId},
    key::KeyRecord,
    log::{
        Head,
        entry::{Entry, Fact, Genesis, Policy, Statement},
        merkle::{Tree, leaf_hash},
    },
    statement::sha256,
};

pub use refusal::Refusal;

/// The one MLS ciphersuite: X-Wing, AES-256-GCM, SHA-384, Ed25519.
const SUITE: u16 = 0x004E;

/// Everything that is so after some number of entries.
#[derive(Clone, Debug)]
pub struct Directory {
    org: OrgId,
    genesis: Genesis,
    tree: Tree,
    accounts: BTreeMap<Name, Account>,
    keys: BTreeMap<KeyId, Key>,
    /// Every credential id, S or L, and its key.
    credentials: BTreeMap<Vec<u8>, KeyId>,
    /// Every public key, S or L: no two credentials share one, so no signature counts for two.
    public_keys: BTreeSet<[u8; 65]>,
    devices: BTreeMap<DeviceId, Device>,
}

/// A person.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Account {
    /// Index of the entry that added the account.
    pub added: u64,
    /// Index of the entry that made it an admin.
    pub admin_since: Option<u64>,
    /// Index of the entry that suspended it.
    pub suspended: Option<u64>,
    /// Its keys, in the order of the log.
    pub keys: Vec<KeyId>,
    /// Its devices, revoked ones too, in the order of the log.
    pub devices: Vec<DeviceId>,
    /// Entries about it so far: the next one's sequence.
    pub sequence: u64,
}

/// A hardware key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Key {
    /// What the log says of it.
    pub record: KeyRecord,
    /// Whose it is; `None` for a founding key that has no name yet.
    pub account: Option<Name>,
    /// Index of the entry that added it.
    pub added: u64,
}

/// A device.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Device {
    /// Whose it is.
    pub account: Name,
    /// What its owner calls it: untrusted.
    pub label: String,
    /// Index of its `device.add` entry.
    pub added: u64,
    /// Leaf hash of that entry.
    pub certificate: Hash,
    /// Index of the entry that revoked it.
    pub revoked: Option<u64>,
}

impl Directory {
    /// The directory after the genesis entry, whose hash is the organisation's id.
    pub fn found(genesis: &[u8]) -> Result<Self, Refusal> {
        let entry: Entry = decode(genesis)?;
        let statement = &entry.statement;
        let Fact::Genesis(fact) = &statement.fact else {
            return Err(Refusal::NotGenesis {
                kind: statement.fact.kind(),
            });
        };
        check_version(statement)?;
        let nothing = Head {
            size: 0,
            root: Hash([0; 32]),
        };
        if statement.seen != nothing || statement.sequence != 0 {
            return Err(Refusal::GenesisSawSomething);
        }
        check_genesis(fact)?;
        authority::check_order(&entry)?;
        let mut directory = Self {
            org: OrgId(sha256(&[genesis])),
            genesis: fact.clone(),
            tree: Tree::default(),
            accounts: BTreeMap::new(),
            keys: BTreeMap::new(),
            credentials: BTreeMap::new(),
            public_keys: BTreeSet::new(),
            devices: BTreeMap::new(),
        };
        for founder in &fact.founders {
            directory.check_key(founder.id(), founder, &fact.policy)?;
            let id = directory.add_key(founder, None, 0);
            if !entry.signers().any(|signer| signer == id) {
                return Err(Refusal::FounderDidNotSign(id));
            }
        }
        // The id is the hash of what is signed, so it cannot be in it.
        directory.check_signatures(&entry, OrgId([0; 32]))?;
        directory.tree.append(leaf_hash(genesis));
        Ok(directory)
    }

    /// Whether an entry may come next: nothing changes.
    pub fn admit(&self, entry: &[u8]) -> Result<Entry, Refusal> {
        let entry: Entry = decode(entry)?;
        self.check(&entry)?;
        Ok(entry)
    }

    /// The directory after one more entry. On refusal nothing has changed.
    pub fn apply(&mut self, entry: &[u8]) -> Result<Entry, Refusal> {
        let bytes = entry;
        let entry = self.admit(bytes)?;
        let index = self.tree.size();
        let leaf = leaf_hash(bytes);
        self.settle(&entry.statement.fact, index, leaf);
        self.tree.append(leaf);
        Ok(entry)
    }

    /// How many more admins must sign an entry that is right in every other way; 0 for one that may
    /// come next.
    pub fn missing(&self, entry: &Entry) -> Result<usize, Refusal> {
        let statement = &entry.statement;
        check_version(statement)?;
        self.check_place(statement)?;
        authority::check_order(entry)?;
        // Every rule, the cheap ones first.
        let missing = self.check_authority(entry)?;
        self.check_fact(entry)?;
        self.check_signatures(entry, self.org)?;
        Ok(missing)
    }

    fn check(&self, entry: &Entry) -> Result<(), Refusal> {
        let missing = self.missing(entry)?;
        if missing == 0 {
            return Ok(());
        }
        let fact = &entry.statement.fact;
        let (kind, needed) = (fact.kind(), self.needed(fact));
        let found = needed.saturating_sub(missing);
        Err(Refusal::Threshold {
            kind,
            needed,
            found,
        })
    }

    /// The signer had seen this very log, and the entry is the next one about its subject.
    fn check_place(&self, statement: &Statement) -> Result<(), Refusal> {
        let kind = statement.fact.kind();
        let Some(subject) = statement.fact.subject() else {
            return Err(Refusal::SecondGenesis);
        };
        let (seen, size) = (statement.seen.size, self.tree.size());
        if seen == 0 || seen > size {
            return Err(Refusal::SeenSize { kind, seen, size });
        }
        if self.tree.root_at(seen) != Some(statement.seen.root) {
            return Err(Refusal::SeenRoot { kind, seen });
        }
        let expected = self.sequence(subject);
        if statement.sequence != expected {
            return Err(Refusal::Sequence {
                kind,
                account: subject.clone(),
                expected,
                found: statement.sequence,
            });
        }
        Ok(())
    }

    /// The sequence of the next entry about `name`: 0 for a name never used.
    pub fn sequence(&self, name: &Name) -> u64 {
        self.accounts
            .get(name)
            .map_or(0, |account| account.sequence)
    }

    /// The organisation.
    pub fn org(&self) -> OrgId {
        self.org
    }

    /// Its genesis.
    pub fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// Its rules now.
    pub fn policy(&self) -> &Policy {
        &self.genesis.policy
    }

    /// Size and root.
    pub fn head(&self) -> Head {
        self.tree.head()
    }

    /// The hash tree, for proofs and old roots.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// How many admins must sign what needs the threshold: one while there was only ever one
    /// admin, two as soon as there were more. A founding key without a name is an admin's already.
    ///
    /// Suspended admins count too, so it never falls: one admin may suspend another alone, and
    /// could otherwise appoint alone right after. Lowering it takes an entry of its own,
    /// `threshold.set`, in a later version.
    pub fn threshold(&self) -> usize {
        let unnamed = self.keys.values().filter(|key| key.account.is_none());
        (self.admins().count() + unnamed.count()).clamp(1, 2)
    }

    /// Every admin ever appointed, suspended or not.
    fn admins(&self) -> impl Iterator<Item = &Account> {
        self.accounts
            .values()
            .filter(|account| account.admin_since.is_some())
    }

    /// The admins that are not suspended.
    fn active_admins(&self) -> impl Iterator<Item = &Account> {
        self.admins().filter(|account| account.suspended.is_none())
    }

    /// A person by name.
    pub fn account(&self, name: &Name) -> Option<&Account> {
        self.accounts.get(name)
    }

    /// Everybody, by name.
    pub fn accounts(&self) -> impl Iterator<Item = (&Name, &Account)> {
        self.accounts.iter()
    }

    /// A hardware key.
    pub fn key(&self, id: KeyId) -> Option<&Key> {
        self.keys.get(&id)
    }

    /// The key that has this L credential.
    pub fn key_by_login(&self, credential_id: &[u8]) -> Option<(KeyId, &Key)> {
        let id = *self.credentials.get(credential_id)?;
        let key = self.keys.get(&id)?;
        (key.record.login.id.as_slice() == credential_id).then_some((id, key))
    }

    /// A device, revoked or not.
    pub fn device(&self, id: DeviceId) -> Option<&Device> {
        self.devices.get(&id)
    }

    /// A device that may log in, send and receive now: certified, not revoked, its account not
    /// suspended.
    pub fn active_device(&self, id: DeviceId) -> Option<&Device> {
        let device = self.devices.get(&id)?;
        let account = self.accounts.get(&device.account)?;
        (device.revoked.is_none() && account.suspended.is_none()).then_some(device)
    }

    /// Whether `id` was shut out, by its own or its account's entry, within the first `size` entries.
    pub fn revoked_by(&self, id: DeviceId, size: u64) -> bool {
        let Some(device) = self.devices.get(&id) else {
            return false;
        };
        let suspended = self
            .accounts
            .get(&device.account)
            .and_then(|account| account.suspended);
        [device.revoked, suspended]
            .into_iter()
            .flatten()
            .any(|index| index < size)
    }

    /// The devices of `name` that may receive now; empty for a suspended account.
    pub fn active_devices(&self, name: &Name) -> Vec<DeviceId> {
        let devices = self.accounts.get(name).map(|account| &account.devices);
        devices
            .into_iter()
            .flatten()
            .copied()
            .filter(|id| self.active_device(*id).is_some())
            .collect()
    }
}

fn check_version(statement: &Statement) -> Result<(), Refusal> {
    match statement.version {
        1 => Ok(()),
        version => Err(Refusal::Version {
            kind: statement.fact.kind(),
            version,
        }),
    }
}

/// What genesis says of the organisation is sound.
fn check_genesis(fact: &Genesis) -> Result<(), Refusal> {
    if !(1..=4).contains(&fact.founders.len()) {
        return Err(Refusal::FounderCount(fact.founders.len()));
    }
    if fact.policy.suite != SUITE {
        return Err(Refusal::Suite(fact.policy.suite));
    }
    let url: Result<ServerUrl, _> = fact.url.as_str().parse();
    url.map_err(|_| Refusal::Url)?;
    let sorted = fact
        .policy
        .attestation
        .iter()
        .all(|authority| authority.models.is_sorted_by(|left, right| left < right));
    if sorted {
        Ok(())
    } else {
        Err(Refusal::UnsortedModels)
    }
}

#[cfg(test)]
mod tests;
