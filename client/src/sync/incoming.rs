//! What the server brings: Welcomes and messages, each in a transaction of its own, or in one with those
//! right behind it.

use reqwest::Method;
use valise_proto::{
    api::{
        ACKS,
        delivery::{Ack, Cursor, Message, Page, Welcome},
    },
    id::{GroupId, Name},
};

use super::{Report, opening::Opening};
use crate::{
    api::ApiError,
    failpoint::reached,
    mls::{self, MlsError},
    session::{Error, Session, keep_alarm},
    store::{ConversationRow, ConversationState, Setting, StoreError, Work},
    trust::{Alarm, Freshness},
    weaken::checked,
};

/// More messages than this are never missing at once: the server makes numbers up.
const JUMP_MAX: u64 = 10_000_000;
/// So many messages are opened in one transaction: other programs of this account wait for it.
const TOGETHER_MAX: usize = 64;
/// How often one message may send this device back to the log before the server is lying.
const TRIES: usize = 2;

impl Session {
    /// Takes everything in a page. Returns what may be acknowledged, if anything.
    pub(super) async fn take(
        &mut self,
        page: Page,
        report: &mut Report,
    ) -> Result<Option<Ack>, Error> {
        let known = self.directory()?.tree().size();
        if page.log_size != known || self.freshness() != Freshness::New {
            self.read_log().await?;
        }
        let mut ack = Ack::default();
        for welcome in &page.welcomes {
            self.take_welcome(welcome, report).await?;
            ack.welcomes = welcome.number;
        }
        let mut rest = page.messages.as_slice();
        while let Some(first) = rest.first() {
            let mut taken = self.open_together(rest, report)?;
            if taken == 0 {
                self.take_message(first, report).await?;
                taken = 1;
            }
            let (now, later) = rest.split_at(taken);
            for message in now {
                let cursor = Cursor {
                    group: message.group,
                    sequence: message.sequence,
                };
                ack.groups.retain(|earlier| earlier.group != message.group);
                ack.groups.push(cursor);
            }
            rest = later;
        }
        Ok((ack != Ack::default()).then_some(ack))
    }

    /// Once a session: what this device has acknowledged, it has. A store that was put back from a copy
    /// has not, and would use keys again; it leaves those groups, and others begin in their place.
    pub(super) async fn compare(&mut self, report: &mut Report) -> Result<(), Error> {
        if std::mem::replace(&mut self.compared, true) {
            return Ok(());
        }
        let acked: Ack = self.request(Method::GET, ACKS, Vec::new()).await?;
        for cursor in acked.groups {
            let row = self.store.read().conversation(cursor.group)?;
            let row = row.filter(|row| row.state != ConversationState::Closed);
            if row.is_some_and(|row| row.cursor < cursor.sequence) && checked("G22") {
                let ends = Some(cursor.group);
                let ends = ends.map(|group| (group, ConversationState::Closed));
                self.park(&Alarm::StoreRollback.into(), ends, report, |_| Ok(()))?;
            }
        }
        Ok(())
    }

    async fn take_welcome(&mut self, welcome: &Welcome, report: &mut Report) -> Result<(), Error> {
        if welcome.number <= self.store.read().number(Setting::Mailbox)? {
            return Ok(());
        }
        let mut outcome = self.join(welcome);
        if let Err(MlsError::Alarm(_)) = outcome {
            // The inviter may have seen a certificate that this device has not.
            self.read_log().await?;
            outcome = self.join(welcome);
        }
        match outcome {
            Ok(()) => return Ok(()),
            Err(MlsError::Store(error)) => return Err(error.into()),
            Err(error) => self.park(&error, None, report, |work| {
                work.set_number(Setting::Mailbox, welcome.number)
            })?,
        }
        Ok(())
    }

    fn join(&mut self, welcome: &Welcome) -> Result<(), MlsError> {
        let directory = self.ledger.as_ref().ok_or(MlsError::NoGroup)?.directory();
        let work = self.store.begin()?;
        if welcome.number <= work.read().number(Setting::Mailbox)? {
            // Another process of this account was faster.
            return Ok(());
        }
        let known = work.read().conversation(welcome.group)?;
        let known = known.filter(|row| row.state != ConversationState::Closed);
        let (group, record, inviter) = mls::join(
            &work.mls(),
            directory.org(),
            directory,
            &self.me.account,
            known.as_ref().map(|row| row.group),
            welcome.message.as_slice(),
        )?;
        if known.is_some_and(|row| row.cursor + 1 < welcome.sequence) {
            let detail = "messages of a conversation never came before this device was added again";
            work.add_event(self.clock.now_ms(), "gap", false, detail)?;
        }
        if group != welcome.group {
            return Err(Alarm::WrongConversation.into());
        }
        work.put_conversation(group, &record, ConversationState::Open, welcome.sequence)?;
        work.set_renewed(group, self.clock.now_ms())?;
        for name in record
            .accounts
            .iter()
            .filter(|name| **name != self.me.account)
        {
            work.meet(name, directory.head().size)?;
        }
        let people: Vec<_> = record.accounts.iter().map(Name::as_str).collect();
        let detail = format!(
            "{} began a conversation of {}",
            inviter.account,
            people.join(", ")
        );
        work.add_event(self.clock.now_ms(), "conversation", false, &detail)?;
        work.set_number(Setting::Mailbox, welcome.number)?;
        work.commit()?;
        reached("after-welcome");
        Ok(())
    }

    async fn take_message(&mut self, message: &Message, report: &mut Report) -> Result<(), Error> {
        // Not invited (yet): nothing here could open it.
        let Some(row) = self.store.read().conversation(message.group)? else {
            return Ok(());
        };
        if message.sequence <= row.cursor {
            return Ok(());
        }
        // This device's own writes come back empty.
        if row.state == ConversationState::Closed && !message.message.as_slice().is_empty() {
            let over = MlsError::PeerMessage("its conversation is over here".to_owned());
            return self.park(&over, None, report, |work| {
                work.advance_cursor(message.group, message.sequence)
            });
        }
        if message.sequence - row.cursor > JUMP_MAX {
            return Err(ApiError::PeerMalformed.into());
        }
        if message.sequence > row.cursor + 1 {
            let missing = message.sequence - row.cursor - 1;
            self.note(
                "gap",
                false,
                &format!("{missing} messages of a conversation never came"),
            )?;
        }
        for attempt in 1..=TRIES {
            match self.open_message(message) {
                Ok(letters) => {
                    report.letters += letters;
                    return Ok(());
                }
                Err(MlsError::Store(error)) => return Err(error.into()),
                Err(MlsError::Ahead(_) | MlsError::Alarm(_)) if attempt < TRIES => {
                    self.read_log().await?;
                }
                Err(error) => {
                    let error = match error {
                        MlsError::Ahead(theirs) => self.hidden(theirs)?.into(),
                        error => error,
                    };
                    let gap = message.sequence > row.cursor + 1;
                    let lost = matches!(error, MlsError::LostCommit) && gap;
                    let rolled_back = matches!(error, MlsError::Alarm(Alarm::StoreRollback));
                    let (group, sequence) = (message.group, message.sequence);
                    let ends = if lost || rolled_back || mls::is_commit(message.message.as_slice())
                    {
                        Some((group, ConversationState::Closed))
                    } else if matches!(error, MlsError::Alarm(Alarm::GroupFork { .. })) {
                        Some((group, ConversationState::Disputed))
                    } else {
                        None
                    };
                    return self.park(&error, ends, report, |work| {
                        work.advance_cursor(group, sequence)
                    });
                }
            }
        }
        Ok(())
    }

    fn open_message(&mut self, message: &Message) -> Result<u64, MlsError> {
        let ledger = self.ledger.as_ref().ok_or(MlsError::NoGroup)?;
        let own = (&self.me.account, self.me.device);
        let mut opening = Opening::new(ledger, own, self.clock.now_ms(), self.held.take());
        let work = self.store.begin()?;
        let row = work.read().conversation(message.group)?;
        let Some(row) = row.filter(|row| message.sequence > row.cursor) else {
            // Another process of this account was faster.
            return Ok(0);
        };
        let letters = opening.open(&work, &row, message)?;
        let held = opening.hold(&work)?;
        work.commit()?;
        self.held = held;
        opened(letters);
        Ok(letters)
    }

    /// Opens messages in one transaction, as they came. Tells how many: the first at which there is more to
    /// do than to keep a letter stays, and is looked at alone.
    fn open_together(&mut self, messages: &[Message], report: &mut Report) -> Result<usize, Error> {
        let Some(ledger) = self.ledger.as_ref().filter(|_| messages.len() > 1) else {
            return Ok(0);
        };
        let own = (&self.me.account, self.me.device);
        let mut opening = Opening::new(ledger, own, self.clock.now_ms(), self.held.take());
        let (mut taken, mut letters) = (0, 0);
        let work = self.store.begin()?;
        for message in messages.iter().take(TOGETHER_MAX) {
            let row = work.read().conversation(message.group)?;
            let next = |row: &ConversationRow| message.sequence == row.cursor + 1;
            let open = |row: &ConversationRow| row.state != ConversationState::Closed;
            let Some(row) = row.filter(|row| next(row) && open(row)) else {
                break;
            };
            match work.part(|work| opening.open(work, &row, message)) {
                Ok(new) => letters += new,
                Err(MlsError::Store(error)) => return Err(error.into()),
                Err(_) => break,
            }
            taken += 1;
            if opening.changed {
                break;
            }
        }
        if taken > 0 {
            let held = opening.hold(&work)?;
            work.commit()?;
            self.held = held;
            opened(letters);
            report.letters += letters;
        }
        Ok(taken)
    }

    /// Leaves a message behind that lies or does not open. A commit that cannot be merged ends the
    /// conversation here, and so does a message from another half of it: see [`Session::succeed`].
    fn park(
        &mut self,
        error: &MlsError,
        ends: Option<(GroupId, ConversationState)>,
        report: &mut Report,
        forget: impl FnOnce(&Work<'_>) -> Result<(), StoreError>,
    ) -> Result<(), Error> {
        let now = self.clock.now_ms();
        let work = self.store.begin()?;
        if let MlsError::Alarm(alarm) = error {
            keep_alarm(&work, self.ledger.as_ref(), now, alarm)?;
            report.alarms.push(alarm.clone());
        } else {
            work.add_event(now, "unreadable", false, &error.to_string())?;
        }
        if let Some((group, state)) = ends {
            work.remove_proposed_commit(group)?;
            work.set_conversation_state(group, state)?;
        }
        forget(&work)?;
        Ok(work.commit()?)
    }
}

fn opened(letters: u64) {
    reached(if letters > 0 {
        "after-letter-stored"
    } else {
        "after-merge"
    });
}
