//! Letting new devices into the conversations of their people: whoever syncs next does it, so that
//! nobody's second computer has to wait for a letter from the first.

use super::Report;
use crate::{
    session::{Error, Session},
    store::{ConversationRow, ConversationState, Setting},
};

impl Session {
    /// Adds what is missing in every conversation, once for each device that the log brings.
    pub(super) async fn admit(&mut self, report: &mut Report) -> Result<(), Error> {
        let size = self.directory()?.head().size;
        let from = self.store.read().number(Setting::Admitted)?;
        if from >= size || self.me.member(self.ledger.as_ref()).is_err() {
            return Ok(());
        }
        let (mut tried, mut settled) = (false, true);
        for row in self.store.read().conversations()? {
            // Whoever still writes in an older one lets them in there.
            if !self.has_newcomer(&row, from)? || !self.is_in_use(&row)? {
                continue;
            }
            match self.admit_into(&row).await {
                Ok(Admission::Complete) => {}
                Ok(Admission::Tried) => tried = true,
                Err(error) if error.concerns_everybody() => return Err(error),
                Ok(Admission::Later) | Err(_) => settled = false,
            }
        }
        if tried {
            // Another may have been faster: the next sync looks again.
            return self.pull(report).await;
        }
        if settled {
            let work = self.store.begin()?;
            work.set_number(Setting::Admitted, size)?;
            work.commit()?;
        }
        Ok(())
    }

    /// Whether somebody in the conversation has got a device since the log had `from` entries.
    fn has_newcomer(&self, row: &ConversationRow, from: u64) -> Result<bool, Error> {
        let directory = self.directory()?;
        let accounts = row.record.accounts.iter();
        let mut devices = accounts.flat_map(|name| directory.active_devices(name));
        Ok(devices.any(|id| {
            let new = directory
                .device(id)
                .is_some_and(|found| found.added >= from);
            new && id != self.me.device
        }))
    }

    async fn admit_into(&mut self, row: &ConversationRow) -> Result<Admission, Error> {
        if row.state != ConversationState::Open {
            return Ok(Admission::Complete);
        }
        // A key that this person has not agreed to brings no device in.
        self.unchanged(&row.record.accounts)?;
        let own_changed = !self.changes(&self.me.account)?.keys.is_empty();
        if own_changed || self.store.read().proposed_commit(row.group)?.is_some() {
            return Ok(Admission::Later);
        }
        let drift = match self.drift(row) {
            // Whoever writes there is told.
            Err(Error::Alarm(_)) => return Ok(Admission::Complete),
            drift => drift?,
        };
        if drift.missing.is_empty() {
            return Ok(Admission::Complete);
        }
        let without = self.repair(row, &drift).await?;
        Ok(
            if drift.surplus.is_empty() && without.len() == drift.missing.len() {
                // They have not published anything by which they could be added.
                Admission::Later
            } else {
                Admission::Tried
            },
        )
    }
}

/// What became of letting new devices into a conversation.
enum Admission {
    /// Nobody is missing.
    Complete,
    /// It is not possible yet.
    Later,
    /// A commit went out.
    Tried,
}
