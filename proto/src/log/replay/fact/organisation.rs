//! What must be so before a fact about admins or a list can be.

use crate::log::{
    entry::{AdminAdd, AdminRemove, ListSet, ThresholdSet},
    replay::{Directory, Refusal},
};

/// Most members of a list.
const LIST_MAX: usize = 1_000;

impl Directory {
    pub(super) fn check_admin_add(&self, fact: &AdminAdd) -> Result<(), Refusal> {
        let kind = "admin.add";
        let account = self.known_active_account(kind, &fact.account)?;
        if account.admin_since.is_some() {
            return Err(Refusal::AlreadyAdmin(fact.account.clone()));
        }
        // A second admin without a key would raise the threshold, and could not help to meet it.
        Self::check_council(kind, self.council.with_one(!account.keys.is_empty()))
    }

    pub(super) fn check_admin_remove(&self, fact: &AdminRemove) -> Result<(), Refusal> {
        let kind = "admin.remove";
        let account = self.known_account(kind, &fact.account)?;
        if account.admin_since.is_none() {
            return Err(Refusal::NotAdmin(fact.account.clone()));
        }
        if account.is_able_admin() {
            return Self::check_council(kind, self.council.without_one());
        }
        Ok(())
    }

    pub(super) fn check_threshold_set(&self, fact: &ThresholdSet) -> Result<(), Refusal> {
        let admins = self.able_admins();
        if (1..=admins).contains(&fact.threshold.into()) {
            return Ok(());
        }
        Err(Refusal::ThresholdRange {
            asked: fact.threshold,
            admins,
        })
    }

    pub(super) fn check_list_set(&self, fact: &ListSet) -> Result<(), Refusal> {
        let ListSet { list, members } = fact;
        if self.accounts.contains_key(list) {
            return Err(Refusal::NameTaken(list.clone()));
        }
        if members.len() > LIST_MAX {
            return Err(Refusal::ListSize(members.len()));
        }
        if !members.is_sorted_by(|left, right| left < right) {
            return Err(Refusal::ListOrder(list.clone()));
        }
        for member in members {
            self.known_account("list.set", member)?;
        }
        Ok(())
    }
}
