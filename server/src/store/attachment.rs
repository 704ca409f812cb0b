//! Rows of attached files: whose they are, how large, and how much of them is on disk.

use sqlx::Row;
use valise_proto::id::{AttachmentId, DeviceId};

use super::{Store, StoreError, Write, id, number, stored};

/// One file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AttachmentRow {
    /// Its id.
    pub id: AttachmentId,
    /// Whose quota it is in.
    pub account: String,
    /// Who may go on with the upload.
    pub device: DeviceId,
    /// Size of the whole ciphertext: bytes.
    pub size_bytes: u64,
    /// How much of it is on disk: bytes.
    pub stored_bytes: u64,
}

/// The name of an object in S3 that holds a part of a file.
pub type PartId = [u8; 16];

/// A part of a file, where files are kept part by part.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PartRow {
    /// Its name.
    pub id: PartId,
    /// Where it begins in the file: bytes.
    pub from_bytes: u64,
    /// Where it ends: bytes.
    pub to_bytes: u64,
}

/// What files take.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Use {
    /// How many there are.
    pub files: u64,
    /// What they take once they are whole: bytes.
    pub bytes: u64,
}

impl Store {
    /// The file of this id.
    pub async fn attachment(&self, of: AttachmentId) -> Result<Option<AttachmentRow>, StoreError> {
        let row = sqlx::query(
            "select attachment_id, account, device_id, size_bytes, stored_bytes from attachment \
             where attachment_id = $1",
        )
        .bind(&of.0[..])
        .fetch_optional(&self.reads)
        .await?;
        row.map(|row| {
            Ok(AttachmentRow {
                id: id(&row, 0, "attachment_id")?,
                account: row.try_get(1)?,
                device: id(&row, 2, "device_id")?,
                size_bytes: number(&row, 3, "size_bytes")?,
                stored_bytes: number(&row, 4, "stored_bytes")?,
            })
        })
        .transpose()
    }

    /// The parts of a file that hold something of what is between two places, in order.
    pub async fn attachment_parts(
        &self,
        of: AttachmentId,
        from_bytes: u64,
        to_bytes: u64,
    ) -> Result<Vec<PartRow>, StoreError> {
        let rows = sqlx::query(
            "select part_id, at_bytes, end_bytes from attachment_part \
             where attachment_id = $1 and at_bytes < $3 and end_bytes > $2 order by at_bytes",
        )
        .bind(&of.0[..])
        .bind(stored(from_bytes))
        .bind(stored(to_bytes))
        .fetch_all(&self.reads)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(PartRow {
                    id: id(row, 0, "part_id")?,
                    from_bytes: number(row, 1, "at_bytes")?,
                    to_bytes: number(row, 2, "end_bytes")?,
                })
            })
            .collect()
    }

    /// Ids after `after`, in order, of files of which something must be on disk, or of all.
    pub async fn attachment_ids(
        &self,
        after: Option<AttachmentId>,
        begun: bool,
        limit: u32,
    ) -> Result<Vec<AttachmentId>, StoreError> {
        let rows = sqlx::query(
            "select attachment_id from attachment where attachment_id > $1 and stored_bytes >= $2 \
             order by attachment_id limit $3",
        )
        .bind(after.map_or_else(Vec::new, |after| after.0.to_vec()))
        .bind(i64::from(begun))
        .bind(i64::from(limit))
        .fetch_all(&self.reads)
        .await?;
        rows.iter().map(|row| id(row, 0, "attachment_id")).collect()
    }

    /// Files that have not changed for too long: unfinished ones since `unfinished_ms`, whole ones
    /// since `whole_ms`.
    pub async fn old_attachments(
        &self,
        unfinished_ms: u64,
        whole_ms: u64,
        limit: u32,
    ) -> Result<Vec<AttachmentId>, StoreError> {
        let rows = sqlx::query(
            "select attachment_id from attachment where changed_at_ms < $1 \
             and (stored_bytes < size_bytes or changed_at_ms < $2) limit $3",
        )
        .bind(stored(unfinished_ms.max(whole_ms)))
        .bind(stored(whole_ms))
        .bind(i64::from(limit))
        .fetch_all(&self.reads)
        .await?;
        rows.iter().map(|row| id(row, 0, "attachment_id")).collect()
    }
}

impl Write {
    /// What the files of `account` take, or those of everybody.
    pub async fn attachment_use(&mut self, account: Option<&str>) -> Result<Use, StoreError> {
        let row = sqlx::query(
            "select count(*), cast(coalesce(sum(size_bytes), 0) as bigint) from attachment \
             where $1 = '' or account = $1",
        )
        .bind(account.unwrap_or_default())
        .fetch_one(&mut *self.0)
        .await?;
        Ok(Use {
            files: number(&row, 0, "count")?,
            bytes: number(&row, 1, "sum")?,
        })
    }

    /// A file of which nothing is there yet; false when there is one of that id.
    pub async fn add_attachment(
        &mut self,
        row: &AttachmentRow,
        now_ms: u64,
    ) -> Result<bool, StoreError> {
        let added = sqlx::query(
            "insert into attachment \
             (attachment_id, account, device_id, size_bytes, stored_bytes, changed_at_ms) \
             values ($1, $2, $3, $4, 0, $5) on conflict do nothing",
        )
        .bind(&row.id.0[..])
        .bind(&row.account)
        .bind(&row.device.0[..])
        .bind(stored(row.size_bytes))
        .bind(stored(now_ms))
        .execute(&mut *self.0)
        .await?;
        Ok(added.rows_affected() == 1)
    }

    /// More of a file is on disk; false when it is not as far as `from_bytes` any more.
    pub async fn grow_attachment(
        &mut self,
        id: AttachmentId,
        from_bytes: u64,
        to_bytes: u64,
        now_ms: u64,
    ) -> Result<bool, StoreError> {
        let grown = sqlx::query(
            "update attachment set stored_bytes = $3, changed_at_ms = $4 \
             where attachment_id = $1 and stored_bytes = $2",
        )
        .bind(&id.0[..])
        .bind(stored(from_bytes))
        .bind(stored(to_bytes))
        .bind(stored(now_ms))
        .execute(&mut *self.0)
        .await?;
        Ok(grown.rows_affected() == 1)
    }

    /// A part of a file is there.
    pub async fn add_attachment_part(
        &mut self,
        of: AttachmentId,
        part: &PartRow,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "insert into attachment_part (attachment_id, at_bytes, end_bytes, part_id) \
             values ($1, $2, $3, $4)",
        )
        .bind(&of.0[..])
        .bind(stored(part.from_bytes))
        .bind(stored(part.to_bytes))
        .bind(&part.id[..])
        .execute(&mut *self.0)
        .await?;
        Ok(())
    }

    /// Forgets a file; says which parts it had.
    pub async fn delete_attachment(&mut self, of: AttachmentId) -> Result<Vec<PartId>, StoreError> {
        sqlx::query("delete from attachment where attachment_id = $1")
            .bind(&of.0[..])
            .execute(&mut *self.0)
            .await?;
        let parts = "delete from attachment_part where attachment_id = $1 returning part_id";
        let rows = sqlx::query(parts)
            .bind(&of.0[..])
            .fetch_all(&mut *self.0)
            .await?;
        rows.iter().map(|row| id(row, 0, "part_id")).collect()
    }
}
