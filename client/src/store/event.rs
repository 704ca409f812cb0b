//! What went wrong or changed.

use super::{
    Reader, StoreError, Work,
    log::{signed, unsigned},
};

/// One event.
#[derive(Clone, Debug)]
pub struct EventRow {
    /// Its number.
    pub id: u64,
    /// This device's clock: milliseconds.
    pub at_ms: u64,
    /// Its name: `ghost-device`.
    pub kind: String,
    /// A trust failure.
    pub alarm: bool,
    /// For people: may hold untrusted text.
    pub detail: String,
}

impl Reader<'_> {
    /// Every event, oldest first.
    pub fn events(&self) -> Result<Vec<EventRow>, StoreError> {
        let sql = "select id, at_ms, kind, alarm, detail from event order by id";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map((), |row| {
            let (id, at_ms): (i64, i64) = (row.get(0)?, row.get(1)?);
            Ok((id, at_ms, row.get(2)?, row.get(3)?, row.get(4)?))
        })?;
        rows.map(|row| {
            let (id, at_ms, kind, alarm, detail) = row?;
            Ok(EventRow {
                id: unsigned(id)?,
                at_ms: unsigned(at_ms)?,
                kind,
                alarm,
                detail,
            })
        })
        .collect()
    }

    /// How many events there are of this name.
    pub fn count_events(&self, kind: &str) -> Result<u64, StoreError> {
        let sql = "select count(*) from event where kind = ?1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let count: i64 = statement.query_row([kind], |row| row.get(0))?;
        unsigned(count)
    }
}

impl Work<'_> {
    /// Records an event.
    pub fn add_event(
        &self,
        at_ms: u64,
        kind: &str,
        alarm: bool,
        detail: &str,
    ) -> Result<(), StoreError> {
        let sql = "insert into event (at_ms, kind, alarm, detail) values (?1, ?2, ?3, ?4)";
        self.transaction
            .execute(sql, (signed(at_ms)?, kind, alarm, detail))?;
        Ok(())
    }
}
