//! Evidence against the server: kept until somebody has dealt with it.

use rusqlite::OptionalExtension;
use valise_proto::log::Head;

use super::{
    Reader, StoreError, Work,
    log::{signed, unsigned},
};

/// One piece of evidence.
#[derive(Clone, Debug)]
pub struct EvidenceRow {
    /// Its number.
    pub id: u64,
    /// This device's clock when it was found: milliseconds.
    pub at_ms: u64,
    /// `valise_proto::log::evidence::Evidence`.
    pub text: String,
    /// When a person said that it is dealt with: milliseconds.
    pub dismissed_ms: Option<u64>,
}

impl Reader<'_> {
    /// All of it, oldest first.
    pub fn evidence(&self) -> Result<Vec<EvidenceRow>, StoreError> {
        let sql = "select id, at_ms, text, dismissed_ms from evidence order by id";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map((), |row| {
            let (id, at_ms): (i64, i64) = (row.get(0)?, row.get(1)?);
            Ok((id, at_ms, row.get(2)?, row.get::<_, Option<i64>>(3)?))
        })?;
        rows.map(|row| {
            let (id, at_ms, text, dismissed_ms) = row?;
            Ok(EvidenceRow {
                id: unsigned(id)?,
                at_ms: unsigned(at_ms)?,
                text,
                dismissed_ms: dismissed_ms.map(unsigned).transpose()?,
            })
        })
        .collect()
    }

    /// The oldest that nobody has dealt with.
    pub fn open_evidence(&self) -> Result<Option<String>, StoreError> {
        let sql = "select text from evidence where dismissed_ms is null order by id limit 1";
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement.query_row((), |row| row.get(0)).optional()?)
    }
}

impl Work<'_> {
    /// Keeps the evidence that the head `older` gives. One head gives evidence once.
    pub fn add_evidence(&self, at_ms: u64, older: Head, text: &str) -> Result<(), StoreError> {
        let sql = "insert into evidence (at_ms, size, root, text) values (?1, ?2, ?3, ?4)
                   on conflict (size, root) do nothing";
        // A size is not ours: beyond what an integer holds, it is the largest one.
        let size = i64::try_from(older.size).unwrap_or(i64::MAX);
        self.transaction
            .execute(sql, (signed(at_ms)?, size, older.root.as_ref(), text))?;
        Ok(())
    }

    /// All of it is dealt with. Returns how much was not.
    pub fn dismiss_evidence(&self, at_ms: u64) -> Result<usize, StoreError> {
        let sql = "update evidence set dismissed_ms = ?1 where dismissed_ms is null";
        Ok(self.transaction.execute(sql, [signed(at_ms)?])?)
    }
}
