//! New keys by age: a computer that only reads changes its keys too, so that copied ones read on for a week
//! at most (G21).

use valise_proto::{
    id::{DeviceId, GroupId},
    statement::sha256,
};

use super::Report;
use crate::{
    session::{Error, Session},
    store::{ConversationRow, ConversationState},
    weaken::checked,
};

/// Keys are older than this by no sync's end: milliseconds.
const AGE_MS: u64 = 7 * 86_400_000;
/// Some conversations are due up to this much earlier, each by its own share, so that the people of one do
/// not all change their keys at the same moment: milliseconds.
const SPREAD_MS: u64 = 86_400_000;
/// In how many conversations one sync renews keys; the next goes on.
const AT_ONCE: usize = 16;

impl Session {
    /// Renews this device's keys wherever they are a week old.
    pub(super) async fn renew(&mut self, report: &mut Report) -> Result<(), Error> {
        if self.me.member(self.ledger.as_ref()).is_err() {
            return Ok(());
        }
        let now_ms = self.clock.now_ms();
        let mut tried = 0;
        for row in self.store.read().conversations()? {
            if tried == AT_ONCE || !checked("G21") {
                break;
            }
            if !is_due(&row, self.me.device, now_ms) || !self.is_in_use(&row)? {
                continue;
            }
            match self.renew_in(&row).await {
                Ok(renewed) => tried += usize::from(renewed),
                Err(error) if error.concerns_everybody() => return Err(error),
                // It is tried again by the next sync, and whoever writes there is told.
                Err(_) => {}
            }
        }
        if tried > 0 {
            self.pull(report).await
        } else {
            Ok(())
        }
    }

    /// It is the conversation of its people that everybody uses.
    pub(super) fn is_in_use(&self, row: &ConversationRow) -> Result<bool, Error> {
        let current = self.store.read().conversation_of(&row.record.accounts)?;
        Ok(current.is_some_and(|current| current.group == row.group))
    }

    async fn renew_in(&mut self, row: &ConversationRow) -> Result<bool, Error> {
        if self.store.read().proposed_commit(row.group)?.is_some() {
            return Ok(false);
        }
        let drift = match self.drift(row) {
            Err(Error::Alarm(_)) => return Ok(false),
            drift => drift?,
        };
        self.renew_keys(row, &drift.surplus).await?;
        Ok(true)
    }
}

/// Its keys there are old. A clock that was set back does not make them younger.
fn is_due(row: &ConversationRow, device: DeviceId, now_ms: u64) -> bool {
    let age_ms = AGE_MS.saturating_sub(share_ms(row.group, device));
    row.state == ConversationState::Open && now_ms.abs_diff(row.renewed_ms) >= age_ms
}

fn share_ms(group: GroupId, device: DeviceId) -> u64 {
    let [a, b, c, d, ..] = sha256(&[&group.0, &device.0]);
    u64::from(u32::from_be_bytes([a, b, c, d])) % SPREAD_MS
}
