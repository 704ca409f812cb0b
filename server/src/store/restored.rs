//! What must change in a database that was put back from a backup: devices have gone on without it.

use valise_proto::id::DeviceId;

use super::{Store, StoreError, Write, number};

/// No group gets there by itself: it takes no more writes, and is only emptied.
pub const OVER: u64 = i64::MAX.unsigned_abs();

/// More invitations than any device gets between a backup and its restore.
const MAILBOX_LEAP: i64 = 1 << 32;

impl Write {
    /// Whether the log takes no entry for now. Returns whether that is news.
    pub async fn hold_log(&mut self, held: bool) -> Result<bool, StoreError> {
        let done = sqlx::query("update server set log_held = $1 where log_held <> $1")
            .bind(i64::from(held))
            .execute(&mut *self.0)
            .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Ends every conversation here. Its devices may be epochs ahead, and would take new messages under
    /// numbers that they have seen for old ones. What was not fetched yet still is.
    pub async fn end_groups(&mut self) -> Result<u64, StoreError> {
        let done = sqlx::query("update mls_group set epoch = $1 where epoch <> $1")
            .bind(i64::MAX)
            .execute(&mut *self.0)
            .await?;
        Ok(done.rows_affected())
    }

    /// Drops all key packages: some were given out since, and open nothing any more. Devices bring new
    /// ones when they next connect.
    pub async fn forget_key_packages(&mut self) -> Result<(), StoreError> {
        sqlx::query("delete from key_package")
            .execute(&mut *self.0)
            .await?;
        Ok(())
    }

    /// Begins the mailboxes of `devices` beyond every number that they may have seen.
    pub async fn raise_mailboxes(
        &mut self,
        devices: impl IntoIterator<Item = DeviceId>,
    ) -> Result<(), StoreError> {
        for device in devices {
            sqlx::query(
                "insert into mailbox (device_id, number) values ($1, $2) \
                 on conflict (device_id) do update set number = mailbox.number + $2",
            )
            .bind(&device.0[..])
            .bind(MAILBOX_LEAP)
            .execute(&mut *self.0)
            .await?;
        }
        Ok(())
    }

    /// Ends every session and forgets every login that was begun.
    pub async fn end_sessions(&mut self) -> Result<(), StoreError> {
        for statement in ["delete from session", "delete from login_nonce"] {
            sqlx::query(statement).execute(&mut *self.0).await?;
        }
        Ok(())
    }
}

impl Store {
    /// Whether the log takes no entry for now.
    pub async fn log_held(&self) -> Result<bool, StoreError> {
        let row = sqlx::query("select log_held from server where server_id = 1")
            .fetch_one(&self.reads)
            .await?;
        Ok(number(&row, 0, "log_held")? != 0)
    }

    /// Conversations that take letters.
    pub async fn count_groups(&self) -> Result<u64, StoreError> {
        let row = sqlx::query("select count(*) from mls_group where epoch <> $1")
            .bind(i64::MAX)
            .fetch_one(&self.reads)
            .await?;
        number(&row, 0, "count")
    }
}
