//! What a directory holds of each person, key, device and list.

use std::ops::Range;

use crate::{
    id::{DeviceId, Hash, KeyId, Name},
    key::KeyRecord,
};

/// A person.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Account {
    /// Index of the entry that added the account.
    pub added: u64,
    /// Index of the entry that made it an admin; `None` when it is none, or none any more.
    pub admin_since: Option<u64>,
    /// Index of the entry that suspended it; `None` when it is not suspended now.
    pub suspended: Option<u64>,
    /// Suspensions that are over: from the index of the entry that suspended it to that of the one
    /// that restored it.
    pub suspensions: Vec<Range<u64>>,
    /// Its keys, in the order of the log, without the revoked ones.
    pub keys: Vec<KeyId>,
    /// Its devices, revoked ones too, in the order of the log.
    pub devices: Vec<DeviceId>,
    /// The recovery that is under way.
    pub recovery: Option<Recovery>,
    /// Entries about it so far: the next one's sequence.
    pub sequence: u64,
}

impl Account {
    /// Index of the entry that restored it last.
    pub fn restored(&self) -> Option<u64> {
        self.suspensions.last().map(|range| range.end)
    }

    /// An admin who can sign: neither suspended nor without a key.
    pub(super) fn is_able_admin(&self) -> bool {
        self.admin_since.is_some() && self.suspended.is_none() && !self.keys.is_empty()
    }
}

/// A new key that waits for objections.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Recovery {
    /// Index of its `recovery.begin` entry.
    pub begun: u64,
    /// That entry's time: milliseconds.
    pub begun_ms: u64,
    /// How long it waits at least, by the rules when it began: milliseconds.
    pub wait_ms: u64,
    /// The key. Nobody else may enrol it meanwhile.
    pub key: KeyRecord,
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
    /// Index of the entry that revoked it.
    pub revoked: Option<u64>,
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

/// A named set of accounts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct List {
    /// Its members, sorted; none: it is closed.
    pub members: Vec<Name>,
    /// Index of the entry that set them.
    pub set: u64,
    /// Entries about it so far: the next one's sequence.
    pub sequence: u64,
}
