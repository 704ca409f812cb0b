//! What must be so before a fact can be, and what is so after it.

use super::{Account, Device, Directory, Key, Refusal};
use crate::{
    id::{Hash, KeyId, Name},
    key::{Ed25519Key, KeyRecord, SOFT_KEY_MODEL},
    log::entry::{
        AccountAdd, AccountSuspend, AdminAdd, DeviceCertificate, DeviceRevoke, Entry, Fact, KeyAdd,
        Policy,
    },
};

impl Directory {
    /// The fact fits the directory as it is.
    pub(super) fn check_fact(&self, entry: &Entry) -> Result<(), Refusal> {
        match &entry.statement.fact {
            Fact::Genesis(_) => Err(Refusal::SecondGenesis),
            Fact::AccountAdd(fact) => self.check_account_add(entry, fact),
            Fact::KeyAdd(fact) => self.check_key_add(fact),
            Fact::DeviceAdd(fact) => self.check_device_add(fact),
            Fact::DeviceRevoke(fact) => self.check_device_revoke(fact),
            Fact::AccountSuspend(fact) => self.check_account_suspend(fact),
            Fact::AdminAdd(fact) => self.check_admin_add(fact),
        }
    }

    fn check_account_add(&self, entry: &Entry, fact: &AccountAdd) -> Result<(), Refusal> {
        if self.accounts.contains_key(&fact.account) {
            return Err(Refusal::NameTaken(fact.account.clone()));
        }
        let id = fact.key.id();
        match self.keys.get(&id) {
            Some(key) if key.account.is_none() => {
                if entry.signers().eq([id]) {
                    Ok(())
                } else {
                    Err(Refusal::FounderNaming(id))
                }
            }
            _ => self.check_key(id, &fact.key, self.policy()),
        }
    }

    fn check_key_add(&self, fact: &KeyAdd) -> Result<(), Refusal> {
        self.active_account("key.add", &fact.account)?;
        self.check_key(fact.key.id(), &fact.key, self.policy())
    }

    fn check_device_add(&self, fact: &DeviceCertificate) -> Result<(), Refusal> {
        let DeviceCertificate {
            account, device, ..
        } = fact;
        self.active_account("device.add", account)?;
        if self.devices.contains_key(device) {
            return Err(Refusal::DeviceTaken(*device));
        }
        let key = Ed25519Key::try_from(device.0).map_err(|_| Refusal::WeakDevice {
            account: account.clone(),
            device: *device,
        })?;
        let consent = DeviceCertificate::consent_bytes(self.org, account, *device);
        key.verify(&consent, &fact.consent)
            .map_err(|_| Refusal::DeviceConsent {
                account: account.clone(),
                device: *device,
            })
    }

    fn check_device_revoke(&self, fact: &DeviceRevoke) -> Result<(), Refusal> {
        let device = self
            .devices
            .get(&fact.device)
            .filter(|device| device.account == fact.account);
        match device {
            None => Err(Refusal::UnknownDevice {
                account: fact.account.clone(),
                device: fact.device,
            }),
            Some(device) if device.revoked.is_some() => Err(Refusal::AlreadyRevoked(fact.device)),
            Some(_) => Ok(()),
        }
    }

    fn check_account_suspend(&self, fact: &AccountSuspend) -> Result<(), Refusal> {
        let account = self.active_account("account.suspend", &fact.account)?;
        if account.admin_since.is_some() && self.active_admins().nth(1).is_none() {
            return Err(Refusal::LastAdmin(fact.account.clone()));
        }
        Ok(())
    }

    fn check_admin_add(&self, fact: &AdminAdd) -> Result<(), Refusal> {
        let account = self.active_account("admin.add", &fact.account)?;
        if account.admin_since.is_some() {
            return Err(Refusal::AlreadyAdmin(fact.account.clone()));
        }
        Ok(())
    }

    /// The account, which must exist and not be suspended.
    fn active_account(&self, kind: &'static str, name: &Name) -> Result<&Account, Refusal> {
        let account = self
            .accounts
            .get(name)
            .ok_or_else(|| Refusal::UnknownAccount {
                kind,
                account: name.clone(),
            })?;
        if account.suspended.is_some() {
            return Err(Refusal::Suspended {
                kind,
                account: name.clone(),
            });
        }
        Ok(account)
    }

    /// A key may come into the directory: it is new, sound, and of a model that is allowed.
    pub(super) fn check_key(
        &self,
        id: KeyId,
        record: &KeyRecord,
        policy: &Policy,
    ) -> Result<(), Refusal> {
        if self.keys.contains_key(&id) {
            return Err(Refusal::KeyTaken(id));
        }
        let KeyRecord {
            statement, login, ..
        } = record;
        for credential in [statement, login] {
            let bytes = credential.id.as_slice();
            if bytes.is_empty() || self.credentials.contains_key(bytes) {
                return Err(Refusal::CredentialId(id));
            }
            if self.public_keys.contains(&credential.public_key) {
                return Err(Refusal::PublicKeyTaken(id));
            }
            if p256::PublicKey::from_sec1_bytes(&credential.public_key).is_err() {
                return Err(Refusal::PublicKey(id));
            }
        }
        if statement.id == login.id {
            return Err(Refusal::CredentialId(id));
        }
        if statement.public_key == login.public_key {
            return Err(Refusal::PublicKeyTaken(id));
        }
        let authorities = &policy.attestation;
        let listed = authorities
            .iter()
            .any(|authority| authority.models.contains(&record.model));
        if record.model == SOFT_KEY_MODEL && !listed {
            Err(Refusal::SoftKey(id))
        } else if !authorities.is_empty() && !listed {
            Err(Refusal::Model(id))
        } else {
            Ok(())
        }
    }

    /// Makes a checked fact so, as entry `index` with this leaf hash. Cannot fail.
    pub(super) fn settle(&mut self, fact: &Fact, index: u64, leaf: Hash) {
        match fact {
            Fact::Genesis(_) => {}
            Fact::AccountAdd(fact) => self.add_account(fact, index),
            Fact::KeyAdd(fact) => {
                let id = self.add_key(&fact.key, Some(fact.account.clone()), index);
                self.change(&fact.account, |account| account.keys.push(id));
            }
            Fact::DeviceAdd(fact) => {
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
            Fact::DeviceRevoke(fact) => {
                if let Some(device) = self.devices.get_mut(&fact.device) {
                    device.revoked = Some(index);
                }
            }
            Fact::AccountSuspend(fact) => {
                self.change(&fact.account, |account| account.suspended = Some(index));
            }
            Fact::AdminAdd(fact) => {
                self.change(&fact.account, |account| account.admin_since = Some(index));
            }
        }
        if let Some(subject) = fact.subject() {
            self.change(subject, |account| account.sequence += 1);
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
            keys: vec![id],
            devices: Vec::new(),
            sequence: 0,
        };
        self.accounts.insert(fact.account.clone(), account);
    }

    /// Puts a checked key into the directory.
    pub(super) fn add_key(
        &mut self,
        record: &KeyRecord,
        account: Option<Name>,
        index: u64,
    ) -> KeyId {
        let id = record.id();
        for credential in [&record.statement, &record.login] {
            self.credentials
                .insert(credential.id.as_slice().to_vec(), id);
            self.public_keys.insert(credential.public_key);
        }
        let key = Key {
            record: record.clone(),
            account,
            added: index,
        };
        self.keys.insert(id, key);
        id
    }

    fn change(&mut self, name: &Name, change: impl FnOnce(&mut Account)) {
        if let Some(account) = self.accounts.get_mut(name) {
            change(account);
        }
    }
}
