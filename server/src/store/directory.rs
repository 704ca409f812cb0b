//! Rows of the directory log.

use futures_util::TryStreamExt;
use sqlx::Row;
use valise_proto::id::{Hash, OrgId};

use super::{Store, StoreError, Write, id, number, stored};

impl Store {
    /// The organisation and its last signed head; `None` before `valised init`.
    pub async fn organisation(&self) -> Result<Option<(OrgId, String)>, StoreError> {
        let row = sqlx::query("select org_id, checkpoint from server where server_id = 1")
            .fetch_optional(&self.reads)
            .await?;
        row.map(|row| Ok((id(&row, 0, "org_id")?, row.try_get(1)?)))
            .transpose()
    }

    /// Entries from `from`, in order: at most `limit` of them and `bytes_max` bytes, but one at least
    /// if there is one.
    pub async fn log_entries(
        &self,
        from: u64,
        limit: u32,
        bytes_max: usize,
    ) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut rows = sqlx::query(
            "select entry_index, entry from log_entry where entry_index >= $1 order by entry_index limit $2",
        )
        .bind(stored(from))
        .bind(i64::from(limit))
        .fetch(&self.reads);
        let (mut entries, mut bytes) = (Vec::new(), 0_usize);
        let mut expected = from;
        while let Some(row) = rows.try_next().await? {
            if number(&row, 0, "entry_index")? != expected {
                return Err(StoreError::Corrupt("entry_index"));
            }
            let entry: Vec<u8> = row.try_get(1)?;
            bytes = bytes.saturating_add(entry.len());
            if bytes > bytes_max && !entries.is_empty() {
                break;
            }
            entries.push(entry);
            expected = expected.saturating_add(1);
        }
        Ok(entries)
    }

    /// Where the entry with this leaf hash is.
    pub async fn log_index(&self, leaf: Hash) -> Result<Option<u64>, StoreError> {
        let row = sqlx::query("select entry_index from log_entry where leaf = $1")
            .bind(&leaf.0[..])
            .fetch_optional(&self.reads)
            .await?;
        row.map(|row| number(&row, 0, "entry_index")).transpose()
    }
}

impl Write {
    /// Writes the organisation's row.
    pub async fn insert_organisation(
        &mut self,
        org: OrgId,
        checkpoint: &str,
    ) -> Result<(), StoreError> {
        sqlx::query("insert into server (server_id, org_id, checkpoint) values (1, $1, $2)")
            .bind(&org.0[..])
            .bind(checkpoint)
            .execute(&mut *self.0)
            .await?;
        Ok(())
    }

    /// Appends one entry.
    pub async fn append_log_entry(
        &mut self,
        index: u64,
        leaf: Hash,
        entry: &[u8],
    ) -> Result<(), StoreError> {
        sqlx::query("insert into log_entry (entry_index, leaf, entry) values ($1, $2, $3)")
            .bind(stored(index))
            .bind(&leaf.0[..])
            .bind(entry)
            .execute(&mut *self.0)
            .await?;
        Ok(())
    }

    /// Replaces the last signed head.
    pub async fn set_checkpoint(&mut self, checkpoint: &str) -> Result<(), StoreError> {
        sqlx::query("update server set checkpoint = $1 where server_id = 1")
            .bind(checkpoint)
            .execute(&mut *self.0)
            .await?;
        Ok(())
    }
}
