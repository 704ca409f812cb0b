//! What a directory answers.

use super::{Account, Device, Directory, Key, List};
use crate::{
    id::{DeviceId, KeyId, Name, OrgId},
    key::Ed25519Key,
    log::{
        Head,
        entry::{Fact, Genesis, Policy},
        merkle::Tree,
    },
};

impl Directory {
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
        &self.policy
    }

    /// Size and root.
    pub fn head(&self) -> Head {
        self.tree.head()
    }

    /// The hash tree, for proofs and old roots.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// How many admins must sign what needs the threshold: what `threshold.set` says; before the
    /// first one, one while there was only ever one admin, two as soon as there were more.
    pub fn threshold(&self) -> usize {
        self.council.threshold()
    }

    /// How many admins can sign: neither suspended nor without a key. A founding key that has no
    /// name yet counts, since it is free to take one. Never fewer than [`Directory::threshold`].
    pub fn able_admins(&self) -> usize {
        self.council.able()
    }

    /// The sequence of the next entry that says `fact`.
    pub fn sequence_of(&self, fact: &Fact) -> u64 {
        match fact {
            Fact::ThresholdSet(_) | Fact::PolicySet(_) => self.sequence,
            // Nobody whom a batch names has had an entry; and genesis is the first of all.
            fact => fact.subject().map_or(0, |name| self.sequence(name)),
        }
    }

    /// The sequence of the next entry about the account or list `name`: 0 for a name never used.
    pub fn sequence(&self, name: &Name) -> u64 {
        let list = || Some(self.lists.get(name)?.sequence);
        let account = self.accounts.get(name).map(|account| account.sequence);
        account.or_else(list).unwrap_or(0)
    }

    /// A person by name.
    pub fn account(&self, name: &Name) -> Option<&Account> {
        self.accounts.get(name)
    }

    /// Everybody, by name.
    pub fn accounts(&self) -> impl Iterator<Item = (&Name, &Account)> {
        self.accounts.iter()
    }

    /// An account that may log in, send and receive now: not suspended.
    pub fn active_account(&self, name: &Name) -> Option<&Account> {
        let account = self.accounts.get(name)?;
        account.suspended.is_none().then_some(account)
    }

    /// Every such account, by name.
    pub fn active_accounts(&self) -> impl Iterator<Item = (&Name, &Account)> {
        let accounts = self.accounts.iter();
        accounts.filter(|(_, account)| account.suspended.is_none())
    }

    /// A list by name.
    pub fn list(&self, name: &Name) -> Option<&List> {
        self.lists.get(name)
    }

    /// Every list, by name.
    pub fn lists(&self) -> impl Iterator<Item = (&Name, &List)> {
        self.lists.iter()
    }

    /// A hardware key, revoked or not.
    pub fn key(&self, id: KeyId) -> Option<&Key> {
        self.keys.get(&id)
    }

    /// The key that has this L credential and is not revoked.
    pub fn key_by_login(&self, credential_id: &[u8]) -> Option<(KeyId, &Key)> {
        let id = *self.credentials.get(credential_id)?;
        let key = self.keys.get(&id)?;
        let login = key.record.login.id.as_slice() == credential_id;
        (login && key.revoked.is_none()).then_some((id, key))
    }

    /// The keys with which `name` may sign, log in and open stores now; none for a suspended
    /// account.
    pub fn active_keys(&self, name: &Name) -> impl Iterator<Item = (KeyId, &Key)> {
        let account = self.active_account(name);
        account
            .into_iter()
            .flat_map(|account| &account.keys)
            .filter_map(|id| Some((*id, self.keys.get(id)?)))
    }

    /// A device, revoked or not.
    pub fn device(&self, id: DeviceId) -> Option<&Device> {
        self.devices.get(&id)
    }

    /// The key of a device, revoked or not. It was looked at when its entry first came.
    pub fn device_key(&self, id: DeviceId) -> Option<Ed25519Key> {
        self.device(id).map(|_| Ed25519Key::read_before(id.0))
    }

    /// A device that may log in, send and receive now: certified, not revoked, its account not
    /// suspended.
    pub fn active_device(&self, id: DeviceId) -> Option<&Device> {
        let device = self.devices.get(&id)?;
        self.active_account(&device.account)?;
        device.revoked.is_none().then_some(device)
    }

    /// Whether `id` was shut out, by its own or its account's entry, after the first `size` entries.
    pub fn revoked_by(&self, id: DeviceId, size: u64) -> bool {
        let Some(device) = self.devices.get(&id) else {
            return false;
        };
        let account = self.accounts.get(&device.account);
        let suspended = account.and_then(|account| account.suspended);
        let since = [device.revoked, suspended].into_iter().flatten();
        let mut suspensions = account.iter().flat_map(|account| &account.suspensions);
        since.into_iter().any(|index| index < size)
            || suspensions.any(|range| range.start < size && size <= range.end)
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
