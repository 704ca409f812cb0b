//! The directory log as this device verified it: its entries, and the head that they have.

use rusqlite::OptionalExtension;
use valise_proto::{
    codec::{decode, encode},
    log::Head,
};

use super::{Reader, Setting, StoreError, Work};

/// The directory log as far as this device verified it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct VerifiedLog {
    /// Size and root.
    pub head: Head,
    /// Canonical entries.
    pub entries: Vec<Vec<u8>>,
}

impl Reader<'_> {
    /// The log as far as it was verified. `None` before the first look at it.
    pub fn log(&self) -> Result<Option<VerifiedLog>, StoreError> {
        let Some(head) = self.log_head()? else {
            return Ok(None);
        };
        // Another process of this account may be adding more at this moment.
        let sql = "select position, entry from log_entry where position < ?1 order by position";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([signed(head.size)?], |row| {
            Ok((row.get::<_, i64>(0)?, row.get(1)?))
        })?;
        let mut entries = Vec::new();
        for row in rows {
            let (position, entry) = row?;
            if usize::try_from(position) != Ok(entries.len()) {
                return Err(StoreError::Damaged("the log has a hole"));
            }
            entries.push(entry);
        }
        Ok(Some(VerifiedLog { head, entries }))
    }

    /// Entry `index`, if it was verified.
    pub fn log_entry(&self, index: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let sql = "select entry from log_entry where position = ?1";
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement
            .query_row([signed(index)?], |row| row.get(0))
            .optional()?)
    }

    fn log_head(&self) -> Result<Option<Head>, StoreError> {
        let head = self.setting(Setting::Head)?;
        let damaged = |_| StoreError::Damaged("the log's head");
        head.map(|head| decode(&head).map_err(damaged)).transpose()
    }
}

impl Work<'_> {
    /// Adds verified entries, the first of them at `first`, after which the log has this head. Never
    /// replaces one, and never goes back: another process of this account may have read the same.
    /// Returns how many there were before.
    pub fn add_to_log(
        &self,
        first: u64,
        entries: &[Vec<u8>],
        head: Head,
    ) -> Result<u64, StoreError> {
        let sql = "insert into log_entry (position, entry) values (?1, ?2)
                   on conflict (position) do update set entry = entry where entry = excluded.entry";
        let mut statement = self.transaction.prepare_cached(sql)?;
        for (position, entry) in (first..).zip(entries) {
            if statement.execute((signed(position)?, entry))? != 1 {
                return Err(StoreError::Damaged("two log entries in one place"));
            }
        }
        let known = self.read().log_head()?;
        if known.is_none_or(|known| known.size < head.size) {
            self.set(Setting::Head, &encode(&head))?;
        }
        Ok(known.map_or(0, |known| known.size))
    }
}

impl Work<'_> {
    /// Forgets every entry after this head: only a client without the check D07 or D10 does.
    pub(crate) fn dangerously_cut_log(&self, head: Head) -> Result<(), StoreError> {
        let sql = "delete from log_entry where position >= ?1";
        self.transaction.execute(sql, [signed(head.size)?])?;
        self.set(Setting::Head, &encode(&head))
    }
}

/// SQLite's integers are signed.
pub(super) fn signed(number: u64) -> Result<i64, StoreError> {
    i64::try_from(number).map_err(|_| StoreError::Damaged("a number is out of range"))
}

/// SQLite's integers are signed.
pub(super) fn unsigned(number: i64) -> Result<u64, StoreError> {
    u64::try_from(number).map_err(|_| StoreError::Damaged("a number is out of range"))
}
