//! Entries to [`Directory`]: the one place that says when a fact is true.
//!
//! Pure: server, every client and any auditor run the same function on the same bytes.

use std::collections::BTreeMap;

use crate::{
    codec::Malformed,
    id::{DeviceId, Hash, KeyId, Name, OrgId},
    key::KeyRecord,
    log::{
        Head,
        entry::{Entry, Genesis, Policy},
        merkle::Tree,
    },
};

/// Everything that is so after some number of entries.
#[derive(Clone, Debug)]
pub struct Directory {
    org: OrgId,
    genesis: Genesis,
    tree: Tree,
    accounts: BTreeMap<Name, Account>,
    keys: BTreeMap<KeyId, Key>,
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

/// Why an entry is not a fact. Every variant names what its signer or its bringer did wrong.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Not the canonical bytes of an entry.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    // the rest: to be filled in, one variant a rule
}

impl Directory {
    /// The directory after the genesis entry, whose hash is the organisation's id.
    pub fn found(_genesis: &[u8]) -> Result<Self, Refusal> {
        todo!()
    }

    /// The directory after one more entry. On refusal nothing has changed.
    pub fn apply(&mut self, _entry: &[u8]) -> Result<Entry, Refusal> {
        todo!()
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

    /// How many admins must sign what needs the threshold.
    pub fn threshold(&self) -> usize {
        todo!()
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
    pub fn key_by_login(&self, _credential_id: &[u8]) -> Option<(KeyId, &Key)> {
        todo!()
    }

    /// A device, revoked or not.
    pub fn device(&self, id: DeviceId) -> Option<&Device> {
        self.devices.get(&id)
    }

    /// A device that may log in, send and receive now: certified, not revoked, its account not
    /// suspended.
    pub fn active_device(&self, _id: DeviceId) -> Option<&Device> {
        todo!()
    }

    /// The devices of `name` that may receive now; empty for a suspended account.
    pub fn active_devices(&self, _name: &Name) -> Vec<DeviceId> {
        todo!()
    }
}
