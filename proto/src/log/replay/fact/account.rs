//! What must be so before a fact about a person can be.

use std::collections::BTreeSet;

use crate::{
    id::KeyId,
    log::{
        entry::{AccountAdd, AccountRestore, AccountSuspend, Batch, Entry},
        replay::{Directory, Refusal},
    },
};

/// Largest number of enrolments in a batch.
const BATCH_MAX: usize = 256;

impl Directory {
    pub(super) fn check_account_add(
        &self,
        entry: &Entry,
        fact: &AccountAdd,
    ) -> Result<(), Refusal> {
        self.check_new_name(&fact.account)?;
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

    /// Each enrolment could come alone, and none takes a part of another's key.
    pub(super) fn check_batch(&self, fact: &Batch) -> Result<(), Refusal> {
        let accounts = &fact.accounts;
        if !(1..=BATCH_MAX).contains(&accounts.len()) {
            return Err(Refusal::BatchSize(accounts.len()));
        }
        if !accounts.is_sorted_by(|left, right| left.account < right.account) {
            return Err(Refusal::BatchOrder);
        }
        let (mut credentials, mut public_keys) = (BTreeSet::new(), BTreeSet::new());
        for AccountAdd { account, key } in accounts {
            self.check_new_name(account)?;
            let id: KeyId = key.id();
            self.check_key(id, key, self.policy())?;
            for credential in [&key.statement, &key.login] {
                if !credentials.insert(credential.id.as_slice()) {
                    return Err(Refusal::CredentialId(id));
                }
                if !public_keys.insert(credential.public_key) {
                    return Err(Refusal::PublicKeyTaken(id));
                }
            }
        }
        Ok(())
    }

    pub(super) fn check_account_suspend(&self, fact: &AccountSuspend) -> Result<(), Refusal> {
        let kind = "account.suspend";
        let account = self.known_active_account(kind, &fact.account)?;
        if account.is_able_admin() {
            return Self::check_council(kind, self.council.without_one());
        }
        Ok(())
    }

    pub(super) fn check_account_restore(&self, fact: &AccountRestore) -> Result<(), Refusal> {
        let account = self.known_account("account.restore", &fact.account)?;
        if account.suspended.is_none() {
            return Err(Refusal::NotSuspended(fact.account.clone()));
        }
        Ok(())
    }
}
