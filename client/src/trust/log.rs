//! The log as this device has it, and how it grows: a signed checkpoint, a proof that it extends
//! what was seen, and every entry replayed.

use valise_proto::{
    api::directory::{Appended, Page},
    card::Card,
    id::OrgId,
    log::{
        Head, checkpoint,
        merkle::{leaf_hash, verify_consistency, verify_inclusion},
        replay::Directory,
    },
    statement::sha256,
};

use super::Alarm;
use crate::{
    store::{StoreError, VerifiedLog},
    weaken::checked,
};

/// The directory and the card that it must belong to.
pub struct Ledger {
    card: Card,
    directory: Directory,
}

/// What one page brought.
#[derive(Debug)]
pub struct Progress {
    /// Entries that are new, in order.
    pub entries: Vec<Vec<u8>>,
    /// Index of the first of them.
    pub first: u64,
    /// The server has more than this page held.
    pub more: bool,
    /// The checkpoint, as signed.
    pub checkpoint: String,
}

impl Ledger {
    /// A log that starts with the genesis entry that the server shows: refused unless its hash is
    /// the organisation on the card (D11).
    pub fn begin(card: Card, genesis: &[u8]) -> Result<Self, Alarm> {
        let seen = OrgId(sha256(&[genesis]));
        let wrong = Alarm::WrongGenesis {
            expected: card.org,
            seen,
        };
        if seen != card.org && checked("D11") {
            return Err(wrong);
        }
        let directory = Directory::found(genesis).map_err(Alarm::ForgedEntry)?;
        if directory.genesis().tag != card.tag && checked("D11") {
            return Err(wrong);
        }
        Ok(Self { card, directory })
    }

    /// The log out of this device's own store: entries that [`Ledger::advance`] once accepted, and
    /// the head that they had. The store lets nobody else write, so no signature is checked again,
    /// which took 90 µs each; the head is, so that nothing is missing or in another place.
    pub fn restore(card: Card, log: &VerifiedLog) -> Result<Self, StoreError> {
        let damaged = || StoreError::Damaged("the log is not the one that was verified");
        let (genesis, rest) = log.entries.split_first().ok_or_else(damaged)?;
        let mut ledger = Self::begin(card, genesis).map_err(|_| damaged())?;
        for entry in rest {
            let applied = ledger.directory.apply_verified(entry);
            applied.map_err(|_| damaged())?;
        }
        if ledger.head() == log.head {
            Ok(ledger)
        } else {
            Err(damaged())
        }
    }

    /// The card.
    pub fn card(&self) -> &Card {
        &self.card
    }

    /// The directory.
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Size and root.
    pub fn head(&self) -> Head {
        self.directory.head()
    }

    /// Takes a page of the server's log that starts where this one ends. On refusal nothing has
    /// changed.
    pub fn advance(&mut self, page: Page) -> Result<Progress, Alarm> {
        let seen = self.head();
        let shown = checkpoint::open(page.checkpoint.as_str(), self.card.org, self.card.log)?;
        if shown.size < seen.size {
            return Err(Alarm::LogRollback { seen, shown });
        }
        if shown.size == seen.size && shown.root != seen.root {
            return Err(Alarm::LogFork {
                size: seen.size,
                ours: seen.root,
                theirs: shown.root,
            });
        }
        verify_consistency(seen, shown, &page.consistency)
            .map_err(|_| Alarm::LogRollback { seen, shown })?;
        let mut next = self.directory.clone();
        let mut entries = Vec::with_capacity(page.entries.len());
        for entry in page.entries {
            let entry = entry.into_vec();
            next.apply(&entry).map_err(Alarm::ForgedEntry)?;
            entries.push(entry);
        }
        let head = next.head();
        if head.size > shown.size || (head.size == shown.size && head.root != shown.root) {
            return Err(Alarm::LogFork {
                size: head.size,
                ours: head.root,
                theirs: shown.root,
            });
        }
        if entries.is_empty() && head.size < shown.size {
            // Or this device would ask for the rest for ever.
            let (seen, shown) = (shown.size, head.size);
            return Err(Alarm::HiddenLog { seen, shown });
        }
        self.directory = next;
        let more = head.size < shown.size;
        let checkpoint = page.checkpoint.into_string();
        Ok(Progress {
            entries,
            first: seen.size,
            more,
            checkpoint,
        })
    }

    /// Checks the server's answer to an append: the entry is in a log that its checkpoint signs, of
    /// which this is the head.
    pub fn check_appended(&self, entry: &[u8], answer: &Appended) -> Result<Head, Alarm> {
        let head = checkpoint::open(answer.checkpoint.as_str(), self.card.org, self.card.log)?;
        verify_inclusion(leaf_hash(entry), answer.index, head, &answer.inclusion)
            .map_err(|_| Alarm::UnprovenEntry)?;
        Ok(head)
    }
}

#[cfg(test)]
mod tests;
