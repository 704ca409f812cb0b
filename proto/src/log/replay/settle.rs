//! What is so after a fact. The checks come before: nothing here can fail.

use super::{Account, Device, Directory, Key, List, Recovery};
use crate::{
    id::{Hash, KeyId, Name},
    key::KeyRecord,
    log::entry::{AccountAdd, DeviceCertificate, Fact, ListSet, RecoveryBegin, Statement},
};

impl Directory {
    /// Makes a checked statement so, as entry `index` with this leaf hash.
    pub(super) fn settle(&mut self, statement: &Statement, index: u64, leaf: Hash) {
        let fact = &statement.fact;
        match fact {
            Fact::Genesis(_) => {}
            Fact::AccountAdd(fact) => self.add_account(fact, index),
            Fact::Batch(fact) => {
                for account in &fact.accounts {
                    self.add_account(account, index);
                }
            }
            Fact::AccountSuspend(fact) => self.suspend(&fact.account, index),
            Fact::AccountRestore(fact) => self.change(&fact.account, |account| {
                let since = account.suspended.take();
                account.suspensions.extend(since.map(|since| since..index));
            }),
            Fact::KeyAdd(fact) => {
                let id = self.add_key(&fact.key, Some(fact.account.clone()), index);
                self.change(&fact.account, |account| account.keys.push(id));
            }
            Fact::KeyRevoke(fact) => {
                self.revoke_key(fact.key, index);
                self.change(&fact.account, |account| {
                    account.keys.retain(|key| *key != fact.key);
                });
            }
            Fact::DeviceAdd(fact) => self.add_device(fact, index, leaf),
            Fact::DeviceRevoke(fact) => {
                if let Some(device) = self.devices.get_mut(&fact.device) {
                    device.revoked = Some(index);
                }
            }
            Fact::AdminAdd(fact) => {
                self.council.appoint();
                self.change(&fact.account, |account| account.admin_since = Some(index));
            }
            Fact::AdminRemove(fact) => {
                self.change(&fact.account, |account| account.admin_since = None);
            }
            Fact::RecoveryBegin(fact) => self.begin_recovery(fact, index, statement.time),
            Fact::RecoveryVeto(fact) => {
                self.end_recovery(&fact.account);
            }
            Fact::RecoveryFinish(fact) => self.finish_recovery(&fact.account, index),
            Fact::ThresholdSet(fact) => self.council.set(fact.threshold),
            Fact::ListSet(fact) => self.set_list(fact, index),
            Fact::PolicySet(fact) => self.policy = fact.policy.clone(),
        }
        match fact {
            // These count for themselves.
            Fact::Genesis(_) | Fact::AccountAdd(_) | Fact::Batch(_) | Fact::ListSet(_) => {}
            Fact::ThresholdSet(_) | Fact::PolicySet(_) => self.sequence += 1,
            fact => {
                if let Some(account) = fact.subject().and_then(|it| self.accounts.get_mut(it)) {
                    account.sequence += 1;
                }
            }
        }
    }

    fn add_account(&mut self, fact: &AccountAdd, index: u64) {
        let id = fact.key.id();
        // A founding key is in the directory since genesis, and its person is an admin.
        let founder = if let Some(key) = self.keys.get_mut(&id) {
            key.account = Some(fact.account.clone());
            true
        } else {
            self.add_key(&fact.key, Some(fact.account.clone()), index);
            false
        };
        let account = Account {
            added: index,
            admin_since: founder.then_some(index),
            suspended: None,
            suspensions: Vec::new(),
            keys: vec![id],
            devices: Vec::new(),
            recovery: None,
            sequence: 1,
        };
        self.accounts.insert(fact.account.clone(), account);
    }

    /// Who comes back recovers anew, under the eyes of those who restored him.
    fn suspend(&mut self, name: &Name, index: u64) {
        self.end_recovery(name);
        self.change(name, |account| account.suspended = Some(index));
    }

    fn add_device(&mut self, fact: &DeviceCertificate, index: u64, leaf: Hash) {
        let device = Device {
            account: fact.account.clone(),
            label: fact.label.as_str().to_owned(),
            added: index,
            certificate: leaf,
            revoked: None,
        };
        self.devices.insert(fact.device, device);
        self.change(&fact.account, |account| account.devices.push(fact.device));
    }

    /// Puts a checked key into the directory.
    pub(super) fn add_key(
        &mut self,
        record: &KeyRecord,
        account: Option<Name>,
        index: u64,
    ) -> KeyId {
        let id = record.id();
        self.reserve(id, record);
        let key = Key {
            record: record.clone(),
            account,
            added: index,
            revoked: None,
        };
        self.keys.insert(id, key);
        id
    }

    /// From now on no other key has any part of this one.
    fn reserve(&mut self, id: KeyId, record: &KeyRecord) {
        for credential in [&record.statement, &record.login] {
            self.credentials
                .insert(credential.id.as_slice().to_vec(), id);
            self.public_keys.insert(credential.public_key);
        }
    }

    fn revoke_key(&mut self, id: KeyId, index: u64) {
        if let Some(key) = self.keys.get_mut(&id) {
            key.revoked = Some(index);
        }
    }

    fn begin_recovery(&mut self, fact: &RecoveryBegin, index: u64, time_ms: u64) {
        self.reserve(fact.key.id(), &fact.key);
        let recovery = Recovery {
            begun: index,
            begun_ms: time_ms,
            wait_ms: self.policy.recovery_ms,
            key: fact.key.clone(),
        };
        self.change(&fact.account, |account| account.recovery = Some(recovery));
    }

    /// Ends the recovery of `name`, if there is one, and frees its key.
    fn end_recovery(&mut self, name: &Name) -> Option<Recovery> {
        let recovery = self.accounts.get_mut(name)?.recovery.take()?;
        for credential in [&recovery.key.statement, &recovery.key.login] {
            self.credentials.remove(credential.id.as_slice());
            self.public_keys.remove(&credential.public_key);
        }
        Some(recovery)
    }

    fn finish_recovery(&mut self, name: &Name, index: u64) {
        let Some(recovery) = self.end_recovery(name) else {
            return;
        };
        let Some(account) = self.accounts.get(name).cloned() else {
            return;
        };
        for key in account.keys {
            self.revoke_key(key, index);
        }
        for device in account.devices {
            if let Some(device) = self.devices.get_mut(&device) {
                device.revoked.get_or_insert(index);
            }
        }
        let id = self.add_key(&recovery.key, Some(name.clone()), index);
        self.change(name, |account| account.keys = vec![id]);
    }

    fn set_list(&mut self, fact: &ListSet, index: u64) {
        let list = List {
            members: fact.members.clone(),
            set: index,
            sequence: self.sequence(&fact.list) + 1,
        };
        self.lists.insert(fact.list.clone(), list);
    }

    /// Changes an account, and counts the admins again when it is one.
    fn change(&mut self, name: &Name, change: impl FnOnce(&mut Account)) {
        if let Some(account) = self.accounts.get_mut(name) {
            let before = account.is_able_admin();
            change(account);
            self.council.recount(before, account.is_able_admin());
        }
    }
}
