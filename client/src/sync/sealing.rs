//! Encrypting letters: in one transaction the group's leaves are compared with the directory, the ratchet
//! moves, and the ciphertexts are kept.

use valise_proto::{
    id::{DeviceId, GroupId, Hash},
    letter::Letter,
    log::{checkpoint::SignedHead, replay::Directory},
};

use super::{
    conversation::everybody_reachable,
    outgoing::{Ready, everybody},
};
use crate::{
    failpoint::reached,
    mls::{self, Drift, Me, MlsError},
    session::{Error, Identity, Session, View},
    store::{Encrypted, LetterRow, OutboxRow, StoreError, Work},
    trust::Ledger,
};

/// What became of encrypting letters.
pub(super) enum Try {
    /// Who is in the group has to change first.
    Drifted(Drift),
    /// They are on their way.
    Encrypted(Vec<Ready>),
    /// Another process of this account was faster.
    Overtaken,
}

/// By what a letter can be encrypted as it is written.
pub(crate) struct AtOnce {
    group: GroupId,
    log: SignedHead,
    /// What was looked at.
    pub(crate) view: View,
}

impl AtOnce {
    /// Encrypts the letter that `work` has just put into the outbox; false, and nothing of it in the store,
    /// when that takes more. The group that is held may be kept once `work` is committed.
    pub(crate) fn seal(
        &self,
        work: &Work<'_>,
        (me, ledger): (&Identity, Option<&Ledger>),
        held: &mut Option<mls::Held>,
        number: u64,
    ) -> bool {
        let sealed = work.part(|work| {
            let mut sealing = Sealing::by(me, ledger, self.log, held.take())?;
            let tried = sealing.seal(work, &[number], self.group, &[])?;
            *held = sealing.held;
            match tried {
                Try::Encrypted(_) => Ok(()),
                Try::Drifted(_) | Try::Overtaken => Err(Error::Wrong("not at once")),
            }
        });
        sealed.is_ok()
    }
}

impl Session {
    /// What is known of the server.
    pub(super) fn view(&self) -> Result<View, Error> {
        Ok(View {
            log_size: self.directory()?.head().size,
            pulled_at_ms: self.pulled_at_ms,
        })
    }

    /// By what a letter that is being written can be encrypted in the transaction that keeps it: when nothing
    /// else waits, and nothing has to be asked or changed first.
    pub(crate) fn at_once(&self, letter: &Letter) -> Result<Option<AtOnce>, Error> {
        let accounts = everybody(&self.me.account, letter.to.iter().chain(&letter.cc));
        let read = self.store.read();
        if !self.is_fresh() || !read.outbox_numbers()?.is_empty() {
            return Ok(None);
        }
        if self.unchanged(&accounts).is_err() {
            return Ok(None);
        }
        // Without a word nothing may be sent, and whoever sends it says why.
        let (Some(row), Ok(log)) = (read.conversation_of(&accounts)?, self.word()) else {
            return Ok(None);
        };
        if read.proposed_commit(row.group)?.is_some() {
            return Ok(None);
        }
        let (group, view) = (row.group, self.view()?);
        Ok(Some(AtOnce { group, log, view }))
    }

    /// One transaction: all leaves are compared with the directory, the ratchet moves, and the
    /// ciphertexts are kept.
    pub(super) fn try_encrypt(
        &mut self,
        numbers: &[u64],
        group: GroupId,
        without_package: &[DeviceId],
    ) -> Result<Try, Error> {
        let log = self.word()?;
        let mut sealing = Sealing::by(&self.me, self.ledger.as_ref(), log, self.held.take())?;
        let work = self.store.begin()?;
        let tried = sealing.seal(&work, numbers, group, without_package)?;
        if matches!(tried, Try::Encrypted(_)) {
            work.commit()?;
            self.held = sealing.held;
            reached("after-encrypt");
        }
        Ok(tried)
    }
}

/// What letters are encrypted by.
struct Sealing<'a> {
    directory: &'a Directory,
    me: Me<'a>,
    log: SignedHead,
    /// The group of the letter before; after success, of these.
    held: Option<mls::Held>,
}

impl<'a> Sealing<'a> {
    fn by(
        me: &'a Identity,
        ledger: Option<&'a Ledger>,
        log: SignedHead,
        held: Option<mls::Held>,
    ) -> Result<Self, Error> {
        Ok(Self {
            directory: ledger.ok_or(Error::NotEnrolled)?.directory(),
            me: me.member(ledger)?,
            log,
            held,
        })
    }

    fn seal(
        &mut self,
        work: &Work<'_>,
        numbers: &[u64],
        group: GroupId,
        without_package: &[DeviceId],
    ) -> Result<Try, Error> {
        let Self {
            directory,
            me,
            log,
            held,
        } = self;
        let mut waiting = Vec::with_capacity(numbers.len());
        for number in numbers {
            let row = work.read().outbox_row(*number)?;
            let Some(row) = row.filter(|row| row.encrypted.is_none()) else {
                return Ok(Try::Overtaken);
            };
            waiting.push(row);
        }
        let row = work.read().conversation(group)?.ok_or(MlsError::NoGroup)?;
        let mut audited = mls::Audited::open(held.take(), work, group, directory, &row.record)?;
        let mut drift = audited.drift.clone();
        drift
            .missing
            .retain(|device| !without_package.contains(device));
        if drift != Drift::default() {
            return Ok(Try::Drifted(drift));
        }
        everybody_reachable(directory, &row.record, &audited.drift)?;
        let (mut last, mut ready) = ((row.sent, row.sent_hash), Vec::new());
        for OutboxRow {
            number,
            submission,
            nonce,
            ..
        } in waiting
        {
            let kept = work.read().letter(number)?;
            let letter = letter(&kept.ok_or(Error::NoSuchLetter(number))?, nonce, last)?;
            let (epoch, message) = audited.encrypt(&work.mls(), me, &letter, *log)?;
            let hash = letter.hash();
            last = (letter.sequence, hash);
            let encrypted = Encrypted {
                group,
                epoch,
                hash,
                message,
            };
            work.set_encrypted(number, &encrypted)?;
            ready.push(Ready {
                number,
                submission,
                encrypted,
            });
        }
        *held = Some(audited.hold(work, group)?);
        Ok(Try::Encrypted(ready))
    }
}

/// The letter as it travels, next in this device's chain after the `last` number and hash.
fn letter(kept: &LetterRow, nonce: [u8; 16], last: (u64, Hash)) -> Result<Letter, Error> {
    let damaged = |_| StoreError::Damaged("a letter in the outbox");
    Ok(Letter {
        id: kept.id,
        nonce,
        sequence: last.0 + 1,
        previous: last.1,
        thread: kept.thread,
        in_reply_to: kept.in_reply_to,
        date: kept.date_ms,
        subject: kept.subject.clone().try_into().map_err(damaged)?,
        to: kept.to.clone(),
        cc: kept.cc.clone(),
        format: kept.format,
        body: kept.body.clone().try_into().map_err(damaged)?,
        attachments: kept.attachments.clone(),
    })
}
