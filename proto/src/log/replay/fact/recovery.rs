//! What must be so before somebody gets a new key without an old one (E07).

use super::key::check_model;
use crate::{
    id::Name,
    log::{
        entry::{Entry, RecoveryBegin, RecoveryFinish},
        replay::{Directory, Recovery, Refusal},
    },
};

impl Directory {
    pub(super) fn check_recovery_begin(&self, fact: &RecoveryBegin) -> Result<(), Refusal> {
        let account = self.known_active_account("recovery.begin", &fact.account)?;
        if let Some(recovery) = &account.recovery {
            return Err(Refusal::RecoveryUnderWay {
                account: fact.account.clone(),
                begun: recovery.begun,
            });
        }
        self.check_key(fact.key.id(), &fact.key, self.policy())
    }

    pub(super) fn check_recovery_finish(
        &self,
        entry: &Entry,
        fact: &RecoveryFinish,
    ) -> Result<(), Refusal> {
        let recovery = self.recovery("recovery.finish", &fact.account, fact.begun)?;
        // A policy that became shorter since shortens nothing that was promised before.
        let wait_ms = recovery.wait_ms.max(self.policy.recovery_ms);
        let due_ms = recovery.begun_ms.saturating_add(wait_ms);
        if entry.statement.time < due_ms {
            return Err(Refusal::RecoveryEarly {
                account: fact.account.clone(),
                early_ms: due_ms.saturating_sub(entry.statement.time),
            });
        }
        // No part of the key was given to another meanwhile; the models may have changed.
        check_model(recovery.key.id(), &recovery.key, self.policy())
    }

    /// The recovery of `name` that entry `begun` began and nothing ended.
    pub(super) fn recovery(
        &self,
        kind: &'static str,
        name: &Name,
        begun: u64,
    ) -> Result<&Recovery, Refusal> {
        let account = self.known_account(kind, name)?;
        let recovery = account.recovery.as_ref();
        recovery
            .filter(|recovery| recovery.begun == begun)
            .ok_or_else(|| Refusal::NoRecovery {
                kind,
                account: name.clone(),
                begun,
            })
    }
}
