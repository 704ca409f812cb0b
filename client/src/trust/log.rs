//! The log as this device has it, and how it grows: a signed checkpoint, a proof that it extends
//! what was seen, and every entry replayed.

use valise_proto::{
    api::directory::{Appended, Page},
    card::Card,
    id::OrgId,
    log::{
        Head,
        checkpoint::{self, SignedHead},
        entry::Policy,
        evidence::Evidence,
        merkle::{leaf_hash, verify_consistency, verify_inclusion},
        replay::Directory,
        witness::seen_at,
    },
    statement::sha256,
};

use super::{
    Alarm,
    freshness::{Freshness, Sighting, heard, said_ms, sightings, witnessed_ms},
};
use crate::{
    store::{StoreError, VerifiedLog},
    weaken::checked,
};

/// The directory and the card that it must belong to.
#[derive(Clone)]
pub struct Ledger {
    card: Card,
    directory: Directory,
    /// The last checkpoint up to which everything was read.
    signed: Option<Checkpoint>,
}

/// A checkpoint that the server signed.
#[derive(Clone)]
struct Checkpoint {
    note: String,
    log: SignedHead,
    /// When the server said that it is the newest: milliseconds.
    said_ms: Option<u64>,
    /// When each witness signed it, in the policy's order: seconds. Verified once; every letter asks.
    seen_at: Vec<Option<u64>>,
}

impl Checkpoint {
    fn open(card: &Card, note: &str) -> Result<(Self, Option<u64>), Alarm> {
        let log = SignedHead::open(note, card.org, card.log)?;
        let said = checkpoint::cosigned_at(note, &checkpoint::origin(card.org), card.log)?;
        let opened = Self {
            note: note.to_owned(),
            log,
            said_ms: None,
            seen_at: Vec::new(),
        };
        Ok((opened, said))
    }

    /// Verifies the witnesses' lines: of the policy under this very head.
    fn verify_witnesses(&mut self, policy: &Policy) {
        self.seen_at = seen_at(&self.note, &policy.witnesses);
    }
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
    /// The checkpoint over everything that was read, as signed, when it is news.
    pub checkpoint: Option<String>,
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
        let signed = None;
        Ok(Self {
            card,
            directory,
            signed,
        })
    }

    /// The log out of this device's own store: entries and a checkpoint that [`Ledger::advance`] once
    /// accepted, and the head that they had. The store lets nobody else write, so no entry's
    /// signature is checked again; the head is, so that nothing is missing or in another place.
    pub fn restore(
        card: Card,
        log: &VerifiedLog,
        checkpoint: Option<&str>,
    ) -> Result<Self, StoreError> {
        let damaged = || StoreError::Damaged("the log is not the one that was verified");
        let (genesis, rest) = log.entries.split_first().ok_or_else(damaged)?;
        let mut ledger = Self::begin(card, genesis).map_err(|_| damaged())?;
        for entry in rest {
            let applied = ledger.directory.apply_verified(entry);
            applied.map_err(|_| damaged())?;
        }
        if ledger.head() != log.head {
            return Err(damaged());
        }
        // Without one the log is read again before anything is sent.
        ledger.signed = checkpoint.and_then(|note| {
            let (mut checkpoint, said) = Checkpoint::open(&ledger.card, note).ok()?;
            checkpoint.said_ms = said.map(|seconds| seconds.saturating_mul(1000));
            let head = checkpoint.log.head;
            checkpoint.verify_witnesses(ledger.directory.policy());
            (ledger.directory.tree().root_at(head.size) == Some(head.root)).then_some(checkpoint)
        });
        Ok(ledger)
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

    /// When the server last said that this is its newest log: milliseconds since 1970.
    pub fn said_ms(&self) -> Option<u64> {
        self.whole()?.said_ms
    }

    /// The checkpoint, when everything under it was read and nothing else.
    fn whole(&self) -> Option<&Checkpoint> {
        let signed = self.signed.as_ref();
        signed.filter(|signed| signed.log.head == self.head())
    }

    /// The organisation's witnesses, and when each last signed exactly this log.
    pub fn sightings(&self, now_ms: u64) -> Vec<Sighting> {
        let seen = self.whole().map_or(&[][..], |signed| &signed.seen_at);
        sightings(seen, self.directory.policy(), now_ms)
    }

    /// When somebody who counts last said that `checkpoint` is the newest: as many witnesses as the
    /// policy asks for, and the server where there are none. Milliseconds since 1970.
    fn word_ms(&self, checkpoint: &Checkpoint, now_ms: u64) -> Option<u64> {
        let policy = self.directory.policy();
        match policy.witness_quorum {
            0 => checkpoint.said_ms,
            _ => witnessed_ms(&checkpoint.seen_at, policy, now_ms),
        }
    }

    /// When this device last had all of the log that the server had, by the server's word: milliseconds.
    /// What it reads after that came later. `None` before the first time.
    pub(crate) fn complete_ms(&self) -> Option<u64> {
        self.signed.as_ref()?.said_ms
    }

    /// How long ago that was at `now_ms`, by this device's clock.
    pub fn freshness(&self, now_ms: u64) -> Freshness {
        let word_ms = self.whole().and_then(|it| self.word_ms(it, now_ms));
        Freshness::of(word_ms, now_ms)
    }

    /// What goes with everything that this device sends at `now_ms`: its log, as the server signed
    /// it. Refused when it may long have been overtaken.
    pub(crate) fn word(&self, now_ms: u64) -> Result<SignedHead, Alarm> {
        let stale = self.freshness(now_ms) == Freshness::Stale;
        let signed = self.whole().filter(|_| !stale);
        signed.map(|signed| signed.log).ok_or_else(|| {
            let policy = self.directory.policy();
            match policy.witness_quorum {
                0 => Alarm::StaleLog,
                quorum => Alarm::UnwitnessedLog {
                    quorum,
                    witnesses: policy.witnesses.len(),
                },
            }
        })
    }

    /// How many entries are under a checkpoint here: all but those of a log half read.
    pub(super) fn signed_size(&self) -> u64 {
        let signed = self.signed.as_ref();
        signed.map_or(0, |signed| signed.log.head.size)
    }

    /// What a head of the same server proves that contradicts this log; `None` when it does not, or
    /// is of a larger log.
    pub(super) fn evidence(&self, older: SignedHead) -> Option<Evidence> {
        let newer = self.signed.as_ref()?.log;
        let (size, tree) = (older.head.size, self.directory.tree());
        let root = tree.root_at(size).filter(|root| *root != older.head.root)?;
        let proof = tree.consistency(size, newer.head.size)?;
        Some(Evidence {
            older,
            newer,
            root,
            proof,
        })
    }

    /// Takes a page of the server's log that starts where this one ends. On refusal nothing has
    /// changed.
    pub fn advance(&mut self, page: &Page, now_ms: u64) -> Result<Progress, Alarm> {
        let seen = self.head();
        let (mut checkpoint, said) = Checkpoint::open(&self.card, page.checkpoint.as_str())?;
        checkpoint.said_ms = said.map(|seconds| said_ms(seconds, now_ms)).transpose()?;
        let shown = checkpoint.log.head;
        if let Some(evidence) = self.evidence(checkpoint.log) {
            return Err(Alarm::LogFork(Box::new(evidence)));
        }
        if shown.size < seen.size {
            return Err(Alarm::LogRollback { seen, shown });
        }
        verify_consistency(seen, shown, &page.consistency)
            .map_err(|_| Alarm::LogRollback { seen, shown })?;
        let mut next = self.directory.clone();
        let mut entries = Vec::with_capacity(page.entries.len());
        for entry in &page.entries {
            let entry = entry.as_slice().to_vec();
            next.apply(&entry).map_err(Alarm::ForgedEntry)?;
            entries.push(entry);
        }
        let head = next.head();
        if head.size > shown.size || (head.size == shown.size && head.root != shown.root) {
            return Err(Alarm::UnprovenEntry);
        }
        if entries.is_empty() && head.size < shown.size {
            // Or this device would ask for the rest for ever.
            let (seen, shown) = (shown.size, head.size);
            return Err(Alarm::HiddenLog { seen, shown });
        }
        self.directory = next;
        checkpoint.verify_witnesses(self.directory.policy());
        let more = head.size < shown.size;
        let news = !more && self.is_news(&checkpoint, now_ms);
        let note = news.then(|| checkpoint.note.clone());
        if news {
            self.signed = Some(checkpoint);
        }
        Ok(Progress {
            entries,
            first: seen.size,
            more,
            checkpoint: note,
        })
    }

    /// Another head, or a later word about the same: an old page never makes the word older. Only
    /// one from tomorrow, taken while all clocks were wrong, gives way to today's.
    fn is_news(&self, checkpoint: &Checkpoint, now_ms: u64) -> bool {
        let word = |it: &Checkpoint| heard(self.word_ms(it, now_ms), now_ms);
        let words = |it: &Checkpoint| (word(it), heard(it.said_ms, now_ms));
        self.signed.as_ref().is_none_or(|known| {
            known.log.head != checkpoint.log.head || words(known) < words(checkpoint)
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
