//! What must be so before a fact can be.

mod account;
mod device;
mod key;
mod organisation;
mod recovery;

use super::{Account, Directory, Refusal};
use crate::{
    id::Name,
    log::entry::{Entry, Fact},
};

impl Directory {
    /// The fact fits the directory as it is.
    pub(super) fn check_fact(&self, entry: &Entry) -> Result<(), Refusal> {
        let fact = &entry.statement.fact;
        match fact {
            Fact::Genesis(_) => Err(Refusal::SecondGenesis),
            Fact::AccountAdd(fact) => self.check_account_add(entry, fact),
            Fact::Batch(fact) => self.check_batch(fact),
            Fact::AccountSuspend(fact) => self.check_account_suspend(fact),
            Fact::AccountRestore(fact) => self.check_account_restore(fact),
            Fact::KeyAdd(fact) => self.check_key_add(fact),
            Fact::KeyRevoke(fact) => self.check_key_revoke(entry, fact),
            Fact::DeviceAdd(fact) => self.check_device_add(fact),
            Fact::DeviceRevoke(fact) => self.check_device_revoke(fact),
            Fact::AdminAdd(fact) => self.check_admin_add(fact),
            Fact::AdminRemove(fact) => self.check_admin_remove(fact),
            Fact::RecoveryBegin(fact) => self.check_recovery_begin(fact),
            Fact::RecoveryVeto(fact) => {
                let recovery = self.recovery("recovery.veto", &fact.account, fact.begun);
                recovery.map(|_| ())
            }
            Fact::RecoveryFinish(fact) => self.check_recovery_finish(entry, fact),
            Fact::ThresholdSet(fact) => self.check_threshold_set(fact),
            Fact::ListSet(fact) => self.check_list_set(fact),
            Fact::PolicySet(fact) => super::policy::check_policy(&fact.policy),
        }
    }

    /// A name that nothing had before, person or list.
    fn check_new_name(&self, name: &Name) -> Result<(), Refusal> {
        if self.accounts.contains_key(name) || self.lists.contains_key(name) {
            return Err(Refusal::NameTaken(name.clone()));
        }
        Ok(())
    }

    /// The account, which must exist.
    fn known_account(&self, kind: &'static str, name: &Name) -> Result<&Account, Refusal> {
        self.accounts
            .get(name)
            .ok_or_else(|| Refusal::UnknownAccount {
                kind,
                account: name.clone(),
            })
    }

    /// The account, which must exist and not be suspended.
    fn known_active_account(&self, kind: &'static str, name: &Name) -> Result<&Account, Refusal> {
        let account = self.known_account(kind, name)?;
        if account.suspended.is_some() {
            return Err(Refusal::Suspended {
                kind,
                account: name.clone(),
            });
        }
        Ok(account)
    }

    /// Enough admins are left to sign what needs the threshold: else nobody could ever change
    /// anything again (E10).
    fn check_council(kind: &'static str, (left, needed): (usize, usize)) -> Result<(), Refusal> {
        if left < needed {
            return Err(Refusal::TooFewAdmins { kind, left, needed });
        }
        Ok(())
    }
}
