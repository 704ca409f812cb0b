//! The directory log's entries.

use super::{Reader, StoreError, Work};

impl Reader<'_> {
    /// Every entry, in order.
    pub fn log_entries(&self) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut statement = self
            .connection
            .prepare_cached("select position, entry from log_entry order by position")?;
        let rows = statement.query_map((), |row| Ok((row.get::<_, i64>(0)?, row.get(1)?)))?;
        let mut entries = Vec::new();
        for row in rows {
            let (position, entry) = row?;
            if usize::try_from(position) != Ok(entries.len()) {
                return Err(StoreError::Damaged("the log has a hole"));
            }
            entries.push(entry);
        }
        Ok(entries)
    }
}

impl Work<'_> {
    /// Adds an entry. Never replaces one: another process of this account may have read the same.
    pub fn add_log_entry(&self, position: u64, entry: &[u8]) -> Result<(), StoreError> {
        let sql = "insert into log_entry (position, entry) values (?1, ?2)
                   on conflict (position) do update set entry = entry where entry = excluded.entry";
        let kept = self
            .transaction
            .prepare_cached(sql)?
            .execute((signed(position)?, entry))?;
        if kept == 1 {
            Ok(())
        } else {
            Err(StoreError::Damaged("two log entries in one place"))
        }
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
