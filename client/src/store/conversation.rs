//! Conversations and what each sender has sent in them.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, Row};
use valise_proto::{
    codec,
    conversation::Conversation,
    id::{DeviceId, GroupId, Hash, Name},
};

use super::{
    Reader, StoreError, Work,
    log::{signed, unsigned},
};
use crate::weaken::checked;

/// Where a conversation is in its life.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ConversationState {
    /// Made here, its first commit not yet accepted.
    Creating,
    /// In use.
    Open,
    /// Split in two: what opens is read, and nothing is sent in it. A new letter starts another one.
    Disputed,
    /// Beyond repair, or left: a new letter starts another one.
    Closed,
}

impl ConversationState {
    fn name(self) -> &'static str {
        match self {
            Self::Creating => "creating",
            Self::Open => "open",
            Self::Disputed => "disputed",
            Self::Closed => "closed",
        }
    }
}

/// One conversation.
#[derive(Clone, Debug)]
pub struct ConversationRow {
    /// Its group.
    pub group: GroupId,
    /// What it is for.
    pub record: Conversation,
    /// Where it is in its life.
    pub state: ConversationState,
    /// The message of the group with which this device came in: 1, or 0, when it was there from
    /// the beginning.
    pub joined: u64,
    /// Last message of the group that is durable here.
    pub cursor: u64,
    /// Letters that this device has sent here.
    pub sent: u64,
    /// Hash of the last of them.
    pub sent_hash: Hash,
    /// When this device last had new keys here, by its clock: milliseconds; 0: not known.
    pub renewed_ms: u64,
}

/// What one device has sent in one conversation, as far as was received.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Sender {
    /// Its last letter's sequence.
    pub sequence: u64,
    /// And hash.
    pub hash: Hash,
}

const COLUMNS: &str = "group_id, record, state, joined, cursor, sent, sent_hash, renewed_ms";

fn accounts_text(accounts: &[Name]) -> String {
    let names: Vec<_> = accounts.iter().map(Name::as_str).collect();
    names.join(" ")
}

fn read_row(row: &Row<'_>) -> rusqlite::Result<Result<ConversationRow, StoreError>> {
    let (group, record): (Vec<u8>, Vec<u8>) = (row.get(0)?, row.get(1)?);
    let state: String = row.get(2)?;
    let (joined, cursor, sent): (i64, i64, i64) = (row.get(3)?, row.get(4)?, row.get(5)?);
    let sent_hash: Vec<u8> = row.get(6)?;
    let renewed_ms: i64 = row.get(7)?;
    Ok((|| {
        let damaged = StoreError::Damaged("a conversation");
        Ok(ConversationRow {
            group: GroupId::try_from(&*group).map_err(|_| StoreError::Damaged("a group id"))?,
            record: codec::decode(&record).map_err(|_| StoreError::Damaged("a conversation"))?,
            state: match &*state {
                "creating" => ConversationState::Creating,
                "open" => ConversationState::Open,
                "disputed" => ConversationState::Disputed,
                "closed" => ConversationState::Closed,
                _ => return Err(damaged),
            },
            joined: unsigned(joined)?,
            cursor: unsigned(cursor)?,
            sent: unsigned(sent)?,
            sent_hash: Hash::try_from(&*sent_hash).map_err(|_| StoreError::Damaged("a hash"))?,
            renewed_ms: unsigned(renewed_ms)?,
        })
    })())
}

impl ConversationRow {
    fn has_ended(&self) -> bool {
        matches!(
            self.state,
            ConversationState::Disputed | ConversationState::Closed
        )
    }
}

/// Of several conversations of the same people the one to use, so that everybody settles on the same:
/// whoever has most predecessors among them, and of those the one with the smallest group id. The rows are
/// sorted by group id.
///
/// A predecessor is named by its id, which nobody chooses. So whoever makes a conversation with a small id,
/// or many of them, and ends it, wins nothing: one more takes its place (G10).
fn foremost(rows: Vec<ConversationRow>) -> Option<ConversationRow> {
    let marks: BTreeMap<_, _> = rows
        .iter()
        .map(|row| (Conversation::mark(row.group), row))
        .collect();
    let before = |row: &ConversationRow| {
        let before = marks.get(&row.record.place_of()).copied();
        before.filter(|_| checked("G10"))
    };
    let depth = |row: &ConversationRow| {
        let mut next = before(row);
        // A circle would be a collision of hashes: it ends all the same.
        let steps = rows.iter().take_while(|_| {
            let here = next;
            next = here.and_then(before);
            here.is_some()
        });
        steps.count()
    };
    let depths: Vec<_> = rows.iter().map(depth).collect();
    let deepest = depths.iter().max()?;
    let first = depths.iter().position(|depth| depth == deepest)?;
    rows.into_iter().nth(first)
}

impl Reader<'_> {
    /// The conversation with this group.
    pub fn conversation(&self, group: GroupId) -> Result<Option<ConversationRow>, StoreError> {
        let sql = format!("select {COLUMNS} from conversation where group_id = ?1");
        let mut statement = self.connection.prepare_cached(&sql)?;
        statement
            .query_row([group.as_ref()], read_row)
            .optional()?
            .transpose()
    }

    /// The conversation of exactly these accounts (sorted) in which one may write; `None` where the one that
    /// everybody uses has ended here, and where there is none.
    pub fn conversation_of(
        &self,
        accounts: &[Name],
    ) -> Result<Option<ConversationRow>, StoreError> {
        Ok(self.foremost(accounts)?.filter(|row| !row.has_ended()))
    }

    /// The conversation of exactly these accounts (sorted) that everybody uses and that has ended here.
    pub fn ended_conversation_of(&self, accounts: &[Name]) -> Result<Option<GroupId>, StoreError> {
        let ended = self.foremost(accounts)?.filter(ConversationRow::has_ended);
        Ok(ended.map(|row| row.group))
    }

    /// The accounts of every conversation that has ended and has no successor.
    pub fn ended_conversations(&self) -> Result<Vec<Vec<Name>>, StoreError> {
        let sql = format!(
            "select {COLUMNS} from conversation
             where state in ('disputed', 'closed') and cursor > 0 group by accounts"
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let rows = statement.query_map((), read_row)?;
        let mut ended = Vec::new();
        for row in rows {
            let accounts = row??.record.accounts;
            if self.ended_conversation_of(&accounts)?.is_some() {
                ended.push(accounts);
            }
        }
        Ok(ended)
    }

    /// Of all conversations of exactly these accounts (sorted) the one that everybody uses, ended here or
    /// not: see [`foremost`].
    fn foremost(&self, accounts: &[Name]) -> Result<Option<ConversationRow>, StoreError> {
        // Of one that the server never took (cursor 0) nobody knows.
        let sql = format!(
            "select {COLUMNS} from conversation where accounts = ?1
             and (state in ('creating', 'open') or cursor > 0) order by group_id"
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let rows = statement.query_map([accounts_text(accounts)], read_row)?;
        let rows = rows
            .map(|row| row?)
            .collect::<Result<Vec<_>, StoreError>>()?;
        Ok(foremost(rows))
    }

    /// Every conversation that is not closed.
    pub fn conversations(&self) -> Result<Vec<ConversationRow>, StoreError> {
        let sql = format!("select {COLUMNS} from conversation where state <> 'closed'");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let rows = statement.query_map((), read_row)?;
        rows.map(|row| row?).collect()
    }

    /// What `device` has sent in `group`; `None` before its first letter.
    pub fn sender(&self, group: GroupId, device: DeviceId) -> Result<Option<Sender>, StoreError> {
        let sql = "select sequence, hash from sender where group_id = ?1 and device = ?2";
        let mut statement = self.connection.prepare_cached(sql)?;
        let row: Option<(i64, Vec<u8>)> = statement
            .query_row((group.as_ref(), device.as_ref()), |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .optional()?;
        let Some((sequence, hash)) = row else {
            return Ok(None);
        };
        let hash = Hash::try_from(&*hash).map_err(|_| StoreError::Damaged("a hash"))?;
        Ok(Some(Sender {
            sequence: unsigned(sequence)?,
            hash,
        }))
    }
}

impl Work<'_> {
    /// Adds a conversation that this device came into with message `joined`, or replaces the same
    /// one after it was added again.
    pub fn put_conversation(
        &self,
        group: GroupId,
        record: &Conversation,
        state: ConversationState,
        joined: u64,
    ) -> Result<(), StoreError> {
        let sql = "insert into conversation
                     (group_id, record, accounts, state, joined, cursor, sent_hash)
                   values (?1, ?2, ?3, ?4, ?5, ?5, zeroblob(32))
                   on conflict (group_id) do update
                   set state = excluded.state, joined = excluded.joined,
                       cursor = max(cursor, excluded.cursor)";
        self.transaction.prepare_cached(sql)?.execute((
            group.as_ref(),
            codec::encode(record),
            accounts_text(&record.accounts),
            state.name(),
            signed(joined)?,
        ))?;
        Ok(())
    }

    /// Changes a conversation's state.
    pub fn set_conversation_state(
        &self,
        group: GroupId,
        state: ConversationState,
    ) -> Result<(), StoreError> {
        let sql = "update conversation set state = ?2 where group_id = ?1";
        self.transaction
            .prepare_cached(sql)?
            .execute((group.as_ref(), state.name()))?;
        Ok(())
    }

    /// This device's own commit came back at `now_ms`: it has new keys there, and a conversation that begins
    /// with it is in use, if nothing else ended it.
    pub fn open_conversation(&self, group: GroupId, now_ms: u64) -> Result<(), StoreError> {
        let sql =
            "update conversation set state = 'open' where group_id = ?1 and state = 'creating'";
        self.transaction
            .prepare_cached(sql)?
            .execute([group.as_ref()])?;
        self.set_renewed(group, now_ms)
    }

    /// This device has new keys in a conversation since `now_ms`.
    pub fn set_renewed(&self, group: GroupId, now_ms: u64) -> Result<(), StoreError> {
        let sql = "update conversation set renewed_ms = ?2 where group_id = ?1";
        self.transaction
            .prepare_cached(sql)?
            .execute((group.as_ref(), signed(now_ms)?))?;
        Ok(())
    }

    /// Moves the cursor forward; never back.
    pub fn advance_cursor(&self, group: GroupId, sequence: u64) -> Result<(), StoreError> {
        let sql = "update conversation set cursor = max(cursor, ?2) where group_id = ?1";
        self.transaction
            .prepare_cached(sql)?
            .execute((group.as_ref(), signed(sequence)?))?;
        Ok(())
    }

    /// Counts one accepted letter of this device.
    pub fn count_sent(&self, group: GroupId, hash: Hash) -> Result<(), StoreError> {
        let sql = "update conversation set sent = sent + 1, sent_hash = ?2 where group_id = ?1";
        self.transaction
            .prepare_cached(sql)?
            .execute((group.as_ref(), hash.as_ref()))?;
        Ok(())
    }

    /// Remembers a sender's last letter.
    pub fn put_sender(
        &self,
        group: GroupId,
        device: DeviceId,
        sender: Sender,
    ) -> Result<(), StoreError> {
        let sql = "insert into sender (group_id, device, sequence, hash) values (?1, ?2, ?3, ?4)
                   on conflict (group_id, device) do update
                   set sequence = excluded.sequence, hash = excluded.hash";
        self.transaction.prepare_cached(sql)?.execute((
            group.as_ref(),
            device.as_ref(),
            signed(sender.sequence)?,
            sender.hash.as_ref(),
        ))?;
        Ok(())
    }
}
