//! Acts of admins within the last two hours of the log.

use valise_proto::id::Name;

use super::{
    Reader, StoreError, Work,
    log::{signed, unsigned},
};

impl Reader<'_> {
    /// The acts of `admin` that are kept: the entry of each, and when it was done in milliseconds.
    pub fn acts(&self, admin: &Name) -> Result<Vec<(u64, u64)>, StoreError> {
        let sql = "select position, at_ms from act where admin = ?1 order by at_ms, position";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([admin.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))?;
        rows.map(|row| {
            let (position, at_ms) = row?;
            Ok((unsigned(position)?, unsigned(at_ms)?))
        })
        .collect()
    }
}

impl Work<'_> {
    /// Keeps an act, once.
    pub fn add_act(&self, position: u64, admin: &Name, at_ms: u64) -> Result<(), StoreError> {
        let sql = "insert or replace into act (position, admin, at_ms) values (?1, ?2, ?3)";
        let act = (signed(position)?, admin.as_str(), signed(at_ms)?);
        self.transaction.execute(sql, act)?;
        Ok(())
    }

    /// Forgets the acts from before `since_ms`.
    pub fn forget_acts(&self, since_ms: u64) -> Result<(), StoreError> {
        let sql = "delete from act where at_ms < ?1";
        self.transaction.execute(sql, [signed(since_ms)?])?;
        Ok(())
    }
}
