//! People as this person knows them: how much of each was seen, what is one's own, and own labels.

use rusqlite::OptionalExtension;
use valise_proto::id::Name;

use super::{
    Reader, StoreError, Work,
    log::{signed, unsigned},
};

/// Somebody with whom there is a conversation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ContactRow {
    /// Entries of the log when this person last wrote to them, or agreed to a change.
    pub seen: u64,
    /// Entries of the log when the words were compared.
    pub compared: Option<u64>,
}

impl Reader<'_> {
    /// What is known of `name`; nothing before the first conversation.
    pub fn contact(&self, name: &Name) -> Result<Option<ContactRow>, StoreError> {
        let sql = "select seen, compared from contact where name = ?1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let row: Option<(i64, Option<i64>)> = statement
            .query_row([name.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        row.map(|(seen, compared)| {
            Ok(ContactRow {
                seen: unsigned(seen)?,
                compared: compared.map(unsigned).transpose()?,
            })
        })
        .transpose()
    }

    /// Whether this key or device is known as this person's own.
    pub fn is_own(&self, id: &[u8]) -> Result<bool, StoreError> {
        let sql = "select 1 from own where id = ?1";
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement.exists([id])?)
    }

    /// Whether anything is known as this person's own.
    pub fn knows_own(&self) -> Result<bool, StoreError> {
        let mut statement = self.connection.prepare_cached("select 1 from own")?;
        Ok(statement.exists(())?)
    }

    /// This person's own name for a key or a device.
    pub fn label(&self, id: &[u8]) -> Result<Option<String>, StoreError> {
        let sql = "select label from label where id = ?1";
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement.query_row([id], |row| row.get(0)).optional()?)
    }
}

impl Work<'_> {
    /// A first conversation with `name`, when the log has `size` entries. Later ones change nothing.
    pub fn meet(&self, name: &Name, size: u64) -> Result<(), StoreError> {
        let sql = "insert or ignore into contact (name, seen) values (?1, ?2)";
        let mut statement = self.transaction.prepare_cached(sql)?;
        statement.execute((name.as_str(), signed(size)?))?;
        Ok(())
    }

    /// This person has seen `name` as the log's first `size` entries say.
    pub fn set_seen(&self, name: &Name, size: u64) -> Result<(), StoreError> {
        let sql = "insert into contact (name, seen) values (?1, ?2)
                   on conflict (name) do update set seen = max(seen, excluded.seen)";
        self.transaction
            .execute(sql, (name.as_str(), signed(size)?))?;
        Ok(())
    }

    /// This person has compared the words of `name` as the log's first `size` entries give them.
    pub fn set_compared(&self, name: &Name, size: u64) -> Result<(), StoreError> {
        self.set_seen(name, size)?;
        let sql = "update contact set compared = ?2 where name = ?1";
        self.transaction
            .execute(sql, (name.as_str(), signed(size)?))?;
        Ok(())
    }

    /// Remembers a key or a device as this person's own.
    pub fn add_own(&self, id: &[u8]) -> Result<(), StoreError> {
        let sql = "insert or ignore into own (id) values (?1)";
        self.transaction.prepare_cached(sql)?.execute([id])?;
        Ok(())
    }

    /// Gives a key or a device a name for this person alone.
    pub fn set_label(&self, id: &[u8], label: &str) -> Result<(), StoreError> {
        let sql = "insert into label (id, label) values (?1, ?2)
                   on conflict (id) do update set label = excluded.label";
        self.transaction.execute(sql, (id, label))?;
        Ok(())
    }
}
