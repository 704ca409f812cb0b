//! Opening messages, several in one transaction, and keeping the letters in them.

use std::collections::HashMap;

use valise_proto::{
    api::delivery::Message,
    conversation::LeafIdentity,
    id::{DeviceId, GroupId, Name},
    letter::Letter,
    log::{Head, replay::Directory},
};

use super::{
    chain::{Place, place},
    outgoing::everybody,
};
use crate::{
    mls::{self, MlsError, Received},
    store::{ConversationRow, ConversationState, NewLetter, Sender, StoreError, Work},
    trust::{Alarm, Ledger},
    weaken::checked,
};

/// Messages that are opened in one transaction.
pub(super) struct Opening<'a> {
    ledger: &'a Ledger,
    own: (&'a Name, DeviceId),
    now: u64,
    /// The group of the letter before, of an earlier transaction.
    held: Option<mls::Held>,
    /// The groups of which a letter was opened, and the last of them.
    groups: HashMap<GroupId, mls::Receiver>,
    last: Option<GroupId>,
    /// A commit was merged: who is in the group has to be looked at anew.
    pub(super) changed: bool,
}

impl<'a> Opening<'a> {
    pub(super) fn new(
        ledger: &'a Ledger,
        own: (&'a Name, DeviceId),
        now: u64,
        held: Option<mls::Held>,
    ) -> Self {
        Self {
            ledger,
            own,
            now,
            held,
            groups: HashMap::new(),
            last: None,
            changed: false,
        }
    }

    /// Opens the next message of the conversation that `work` has read as `row`. How many letters there were
    /// in it that are new; after an error nothing of it may stay in the store.
    pub(super) fn open(
        &mut self,
        work: &Work<'_>,
        row: &ConversationRow,
        message: &Message,
    ) -> Result<u64, MlsError> {
        let proposed = work.read().proposed_commit(message.group)?;
        let letters = if proposed.is_some_and(|own| own.submission == message.id) {
            // This device's own commit, in its place.
            self.changed = true;
            mls::merge_own(&work.mls(), message.group)?;
            work.remove_proposed_commit(message.group)?;
            work.open_conversation(message.group, self.now)?;
            0
        } else if message.message.as_slice().is_empty() {
            self.own_letter(work, message)?;
            0
        } else {
            self.receive(work, row, message)?
        };
        work.advance_cursor(message.group, message.sequence)?;
        Ok(letters)
    }

    /// The group for the next letter, once `work` is committed. None after a commit: a group from before it
    /// is not the one in the store.
    pub(super) fn hold(mut self, work: &Work<'_>) -> Result<Option<mls::Held>, StoreError> {
        if self.changed {
            return Ok(None);
        }
        let last = self
            .last
            .and_then(|id| Some((id, self.groups.remove(&id)?)));
        match last {
            Some((id, group)) => group.hold(work, id).map(Some),
            None => Ok(self.held),
        }
    }

    /// This device's own letter, in its place, be it that the server's word never came back. Anything else
    /// was emptied on the way.
    fn own_letter(&self, work: &Work<'_>, message: &Message) -> Result<(), MlsError> {
        let waiting = work.read().outbox_by_submission(message.id)?;
        if let Some((number, encrypted)) =
            waiting.and_then(|row| Some((row.number, row.encrypted?)))
        {
            work.remove_from_outbox(number)?;
            work.count_sent(encrypted.group, encrypted.hash)?;
        }
        if !work.is_echo(message.id)? {
            if checked("G22") {
                return Err(Alarm::StoreRollback.into());
            }
            let detail = "a message of a conversation came without its content";
            work.add_event(self.now, "gap", false, detail)?;
        }
        Ok(())
    }

    fn receive(
        &mut self,
        work: &Work<'_>,
        row: &ConversationRow,
        message: &Message,
    ) -> Result<u64, MlsError> {
        let (ledger, now) = (self.ledger, self.now);
        let group = match self.groups.remove(&message.group) {
            Some(group) => group,
            None => mls::Receiver::open(self.held.take(), work, message.group)?,
        };
        let provider = work.mls();
        let bytes = message.message.as_slice();
        let (received, group) = group.receive(&provider, ledger, &row.record, bytes)?;
        match received {
            Received::Letter {
                sender,
                letter,
                head,
            } => {
                let kept = Incoming {
                    row,
                    sender: &sender,
                    letter: &letter,
                    remark: remark(ledger.directory(), &sender, head),
                    now,
                    own: self.own,
                };
                let letters = keep(work, &kept)?;
                self.groups
                    .extend(group.map(|group| (message.group, group)));
                self.last = Some(message.group);
                Ok(letters)
            }
            Received::Commit { removed, left } => {
                self.changed = true;
                // Whoever lost the race proposes again.
                work.remove_proposed_commit(message.group)?;
                if !removed.is_empty() {
                    let detail = "a device was taken out of a conversation although it may read it";
                    work.add_event(now, "removed-device", false, detail)?;
                }
                if left {
                    work.set_conversation_state(message.group, ConversationState::Closed)?;
                }
                Ok(0)
            }
        }
    }
}

/// A letter that opened.
struct Incoming<'a> {
    row: &'a ConversationRow,
    sender: &'a LeafIdentity,
    letter: &'a Letter,
    remark: &'static str,
    now: u64,
    own: (&'a Name, DeviceId),
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
    let people = everybody(&sender.account, letter.to.iter().chain(&letter.cc));
    if people != row.record.accounts && checked("G09") {
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
fn remark(directory: &Directory, sender: &LeafIdentity, head: Head) -> &'static str {
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
