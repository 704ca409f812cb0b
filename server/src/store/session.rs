//! Rows of sessions.

use sqlx::{Row, any::AnyRow};
use valise_proto::id::{DeviceId, KeyId, Name, SessionId};

use super::{Store, StoreError, Write, id, number, stored};

/// One login. Times are milliseconds since 1970 UTC.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SessionRow {
    /// Its id.
    pub id: SessionId,
    /// The device key that it is bound to.
    pub device: DeviceId,
    /// Whose it is.
    pub account: Name,
    /// The hardware key that logged in.
    pub key: KeyId,
    /// When it began.
    pub created_at_ms: u64,
    /// When it was last used.
    pub used_at_ms: u64,
    /// When it ends at the latest.
    pub ends_at_ms: u64,
}

impl SessionRow {
    fn read(row: &AnyRow) -> Result<Self, StoreError> {
        let account: String = row.try_get(2)?;
        Ok(Self {
            id: id(row, 0, "session_id")?,
            device: id(row, 1, "device_id")?,
            account: account
                .parse()
                .map_err(|_| StoreError::Corrupt("account"))?,
            key: id(row, 3, "key_id")?,
            created_at_ms: number(row, 4, "created_at_ms")?,
            used_at_ms: number(row, 5, "used_at_ms")?,
            ends_at_ms: number(row, 6, "ends_at_ms")?,
        })
    }
}

impl Store {
    /// Every session.
    pub async fn sessions(&self) -> Result<Vec<SessionRow>, StoreError> {
        let rows = sqlx::query(
            "select session_id, device_id, account, key_id, created_at_ms, used_at_ms, ends_at_ms from session",
        )
        .fetch_all(&self.reads)
        .await?;
        rows.iter().map(SessionRow::read).collect()
    }

    /// The session with this id.
    pub async fn session(&self, session: SessionId) -> Result<Option<SessionRow>, StoreError> {
        let row = sqlx::query(
            "select session_id, device_id, account, key_id, created_at_ms, used_at_ms, ends_at_ms from session \
             where session_id = $1",
        )
        .bind(&session.0[..])
        .fetch_optional(&self.reads)
        .await?;
        row.as_ref().map(SessionRow::read).transpose()
    }
}

impl Write {
    /// Adds a session.
    pub async fn insert_session(&mut self, session: &SessionRow) -> Result<(), StoreError> {
        sqlx::query(
            "insert into session (session_id, device_id, account, key_id, created_at_ms, used_at_ms, ends_at_ms) \
             values ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(&session.id.0[..])
        .bind(&session.device.0[..])
        .bind(session.account.as_str())
        .bind(&session.key.0[..])
        .bind(stored(session.created_at_ms))
        .bind(stored(session.used_at_ms))
        .bind(stored(session.ends_at_ms))
        .execute(&mut *self.0)
        .await?;
        Ok(())
    }

    /// Records a session's last use, if no later one is known.
    pub async fn touch_session(
        &mut self,
        session: SessionId,
        used_at_ms: u64,
    ) -> Result<(), StoreError> {
        sqlx::query("update session set used_at_ms = $2 where session_id = $1 and used_at_ms < $2")
            .bind(&session.0[..])
            .bind(stored(used_at_ms))
            .execute(&mut *self.0)
            .await?;
        Ok(())
    }

    /// Ends a session.
    pub async fn delete_session(&mut self, session: SessionId) -> Result<(), StoreError> {
        sqlx::query("delete from session where session_id = $1")
            .bind(&session.0[..])
            .execute(&mut *self.0)
            .await?;
        Ok(())
    }

    /// Ends the sessions that nobody used since `idle_ms`, or whose time is over, whichever server they were
    /// at.
    pub async fn delete_idle_sessions(
        &mut self,
        idle_ms: u64,
        now_ms: u64,
    ) -> Result<(), StoreError> {
        sqlx::query("delete from session where used_at_ms <= $1 or ends_at_ms <= $2")
            .bind(stored(idle_ms))
            .bind(stored(now_ms))
            .execute(&mut *self.0)
            .await?;
        Ok(())
    }
}
