//! What the server brings: Welcomes and messages, each in a transaction of its own.

use reqwest::Method;
use valise_proto::{
    api::{
        ACKS,
        delivery::{Ack, Cursor, Message, Page, Welcome},
    },
    conversation::LeafIdentity,
    id::{GroupId, Name},
    letter::Letter,
    log::Head,
};

use super::{
    Report,
    chain::{Place, place},
};
use crate::{
    api::ApiError,
    failpoint::reached,
    mls::{self, MlsError, Received},
    session::{Error, Session, keep_alarm},
    store::{ConversationRow, ConversationState, NewLetter, Sender, Setting, StoreError, Work},
    trust::{Alarm, Freshness},
    weaken::checked,
};

/// More messages than this are never missing at once: the server makes numbers up.
const JUMP_MAX: u64 = 10_000_000;
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
        for message in &page.messages {
            self.take_message(message, report).await?;
            let cursor = Cursor {
                group: message.group,
                sequence: message.sequence,
            };
            ack.groups.retain(|earlier| earlier.group != message.group);
            ack.groups.push(cursor);
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
            match self.open_message(&row, message) {
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

    fn open_message(&mut self, row: &ConversationRow, message: &Message) -> Result<u64, MlsError> {
        let ledger = self.ledger.as_ref().ok_or(MlsError::NoGroup)?;
        let now = self.clock.now_ms();
        let own = (&self.me.account, self.me.device);
        let work = self.store.begin()?;
        let present = work.read().conversation(message.group)?;
        if present.is_none_or(|present| message.sequence <= present.cursor) {
            // Another process of this account was faster.
            return Ok(0);
        }
        let mut letters = 0;
        let proposed = work.read().proposed_commit(message.group)?;
        if proposed.is_some_and(|own| own.submission == message.id) {
            // This device's own commit, in its place.
            mls::merge_own(&work.mls(), message.group)?;
            work.remove_proposed_commit(message.group)?;
            work.open_conversation(message.group, now)?;
        } else if message.message.as_slice().is_empty() {
            // This device's own letter, in its place, be it that the server's word never came back.
            // Anything else was emptied on the way.
            let waiting = work.read().outbox_by_submission(message.id)?;
            if let Some((row, encrypted)) =
                waiting.and_then(|row| Some((row.number, row.encrypted?)))
            {
                work.remove_from_outbox(row)?;
                work.count_sent(encrypted.group, encrypted.hash)?;
            }
            if !work.is_echo(message.id)? {
                if checked("G22") {
                    return Err(Alarm::StoreRollback.into());
                }
                let detail = "a message of a conversation came without its content";
                work.add_event(now, "gap", false, detail)?;
            }
        } else {
            let bytes = message.message.as_slice();
            match mls::receive(&work.mls(), message.group, ledger, &row.record, bytes)? {
                Received::Letter {
                    sender,
                    letter,
                    head,
                } => {
                    let remark = remark(ledger.directory(), &sender, head);
                    let kept = Incoming {
                        row,
                        sender: &sender,
                        letter: &letter,
                        remark,
                        now,
                        own,
                    };
                    letters = keep(&work, &kept)?;
                }
                Received::Commit { removed, left } => {
                    // Whoever lost the race proposes again.
                    work.remove_proposed_commit(message.group)?;
                    if !removed.is_empty() {
                        let detail =
                            "a device was taken out of a conversation although it may read it";
                        work.add_event(now, "removed-device", false, detail)?;
                    }
                    if left {
                        work.set_conversation_state(message.group, ConversationState::Closed)?;
                    }
                }
            }
        }
        work.advance_cursor(message.group, message.sequence)?;
        work.commit()?;
        reached(if letters > 0 {
            "after-letter-stored"
        } else {
            "after-merge"
        });
        Ok(letters)
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

/// A letter that opened.
struct Incoming<'a> {
    row: &'a ConversationRow,
    sender: &'a LeafIdentity,
    letter: &'a Letter,
    remark: &'static str,
    now: u64,
    own: (&'a Name, valise_proto::id::DeviceId),
}

/// Keeps a letter: once, in its writer's order, with gaps noted. Returns how many were new.
fn keep(work: &Work<'_>, incoming: &Incoming<'_>) -> Result<u64, MlsError> {
    let Incoming {
        row,
        sender,
        letter,
        remark,
        now,
        own,
    } = incoming;
    let (group, device) = (row.group, sender.device);
    let mut people: Vec<&Name> = letter.to.iter().chain(&letter.cc).collect();
    people.push(&sender.account);
    people.sort();
    people.dedup();
    if !people.iter().copied().eq(&row.record.accounts) && checked("G09") {
        return Err(Alarm::WrongRecipients {
            sender: sender.account.clone(),
        }
        .into());
    }
    // Else somebody could be there first with a colleague's id, and have the letter dropped.
    if letter.id != Letter::id_of(device, letter.nonce) && checked("G08") {
        return Err(Alarm::BorrowedId {
            sender: sender.account.clone(),
        }
        .into());
    }
    if !chained(work, incoming)? {
        return Ok(0);
    }
    let account = &sender.account;
    // A conversation has one order, and whoever answered had this letter before him.
    let late = checked("G30") && work.read().is_answered(letter.id, group)?;
    let mine = sender.account == *own.0;
    let new = NewLetter {
        letter,
        group: Some(group),
        sender: account,
        device,
        here_ms: *now,
        outgoing: mine,
        unread: !mine,
        remark: if remark.is_empty() {
            unseen(work, letter)?
        } else {
            remark
        },
        imported: None,
    };
    if work.add_letter(&new)?.is_some() {
        if late {
            let detail = format!("a letter of {account} came after its answer");
            work.add_event(*now, "late-letter", false, &detail)?;
        }
        return Ok(1);
    }
    let detail = format!("{account} sent a letter again that was here already: it is shown once");
    work.add_event(*now, "repeated-letter", false, &detail)?;
    Ok(0)
}

/// Puts a letter into its writer's chain; false when that has gone past it. Gaps are noted.
fn chained(work: &Work<'_>, incoming: &Incoming<'_>) -> Result<bool, StoreError> {
    let Incoming {
        row,
        sender,
        letter,
        now,
        ..
    } = incoming;
    let known = work.read().sender(row.group, sender.device)?;
    let (account, sequence) = (&sender.account, letter.sequence);
    // Who came in later has not missed what was said before.
    match place(known, letter, row.joined > 1) {
        Place::Next => {}
        Place::AfterGap => {
            let detail = format!("letters of {account} before number {sequence} are missing");
            work.add_event(*now, "missing-letter", false, &detail)?;
        }
        Place::Past => {
            let detail = format!("a letter of {account} came a second time and was dropped");
            work.add_event(*now, "repeated-letter", false, &detail)?;
            return Ok(false);
        }
    }
    let hash = letter.hash();
    work.put_sender(row.group, sender.device, Sender { sequence, hash })?;
    Ok(true)
}

/// What the reader must know: that the letter before this one has not come, so that an answer is not
/// read as one to something else (G30).
fn unseen(work: &Work<'_>, letter: &Letter) -> Result<&'static str, StoreError> {
    let Some(answered) = letter.in_reply_to.filter(|_| checked("G30")) else {
        return Ok("");
    };
    let here = work.read().letter_by_id(answered)?.is_some();
    Ok(if here {
        ""
    } else {
        "answers a letter that had not come here"
    })
}

/// What the reader must know: the writer's device was revoked after the letter was written.
fn remark(
    directory: &valise_proto::log::replay::Directory,
    sender: &LeafIdentity,
    head: Head,
) -> &'static str {
    if directory.active_device(sender.device).is_some() {
        return "";
    }
    let revoked = directory
        .device(sender.device)
        .and_then(|device| device.revoked);
    if revoked.is_some_and(|index| head.size > index) {
        return "written on a device that was revoked before";
    }
    "written on a device that has been revoked since"
}
