//! Files on their way to the server: what waits in the spool folder, and for which letter.

use rusqlite::Row;
use valise_proto::id::AttachmentId;

use super::{
    Reader, StoreError, Work,
    log::{signed, unsigned},
};

/// A file on its way.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct UploadRow {
    /// Its id, and the name of its ciphertext in the spool.
    pub id: AttachmentId,
    /// Size of the ciphertext: bytes.
    pub size: u64,
}

fn read_row(row: &Row<'_>) -> rusqlite::Result<Result<UploadRow, StoreError>> {
    let (id, size): (Vec<u8>, i64) = (row.get(0)?, row.get(1)?);
    Ok((|| {
        let damaged = |_| StoreError::Damaged("a file on its way");
        Ok(UploadRow {
            id: AttachmentId::try_from(&*id).map_err(damaged)?,
            size: unsigned(size)?,
        })
    })())
}

impl Reader<'_> {
    /// Files that go before letter `number`.
    pub fn uploads(&self, number: u64) -> Result<Vec<UploadRow>, StoreError> {
        let sql = "select attachment_id, size from upload where number = ?1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([signed(number)?], read_row)?;
        rows.map(|row| row?).collect()
    }

    /// Every file on its way.
    pub fn every_upload(&self) -> Result<Vec<UploadRow>, StoreError> {
        let sql = "select attachment_id, size from upload";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map((), read_row)?;
        rows.map(|row| row?).collect()
    }
}

impl Work<'_> {
    /// Lets a file go before letter `number`, which is in the outbox. It is forgotten with that.
    pub fn add_upload(&self, number: u64, upload: &UploadRow) -> Result<(), StoreError> {
        let sql = "insert into upload (number, attachment_id, size) values (?1, ?2, ?3)";
        let row = (signed(number)?, upload.id.as_ref(), signed(upload.size)?);
        self.transaction.execute(sql, row)?;
        Ok(())
    }
}
