//! Rows of login challenges and signature counters.

use valise_proto::{api::login::CopiedKey, id::KeyId};

use super::{Store, StoreError, Write, id, number, stored};

impl Store {
    /// Whether a challenge is there and not expired. Only [`Write::take_nonce`] uses it up.
    pub async fn has_nonce(&self, nonce: [u8; 32], now_ms: u64) -> Result<bool, StoreError> {
        let row = sqlx::query("select 1 from login_nonce where nonce = $1 and expires_at_ms > $2")
            .bind(&nonce[..])
            .bind(stored(now_ms))
            .fetch_optional(&self.reads)
            .await?;
        Ok(row.is_some())
    }

    /// The keys that [`Write::suspend_key`] has stopped, the newest first, at most 1,000.
    pub async fn suspended_keys(&self) -> Result<Vec<CopiedKey>, StoreError> {
        let rows = sqlx::query(
            "select key_id, suspended_at_ms from credential_counter \
             where suspended_at_ms > 0 order by suspended_at_ms desc limit 1000",
        )
        .fetch_all(&self.reads)
        .await?;
        let rows = rows.iter().map(|row| {
            Ok(CopiedKey {
                key: id(row, 0, "key")?,
                since_ms: number(row, 1, "time")?,
            })
        });
        rows.collect()
    }
}

impl Write {
    /// Remembers a challenge.
    pub async fn insert_nonce(
        &mut self,
        nonce: [u8; 32],
        expires_at_ms: u64,
    ) -> Result<(), StoreError> {
        sqlx::query("insert into login_nonce (nonce, expires_at_ms) values ($1, $2)")
            .bind(&nonce[..])
            .bind(stored(expires_at_ms))
            .execute(&mut *self.0)
            .await?;
        Ok(())
    }

    /// Takes a challenge: true once, for one caller, before it expires.
    pub async fn take_nonce(&mut self, nonce: [u8; 32], now_ms: u64) -> Result<bool, StoreError> {
        let row = sqlx::query(
            "delete from login_nonce where nonce = $1 and expires_at_ms > $2 returning nonce",
        )
        .bind(&nonce[..])
        .bind(stored(now_ms))
        .fetch_optional(&mut *self.0)
        .await?;
        Ok(row.is_some())
    }

    /// Forgets challenges that nobody used.
    pub async fn delete_expired_nonces(&mut self, now_ms: u64) -> Result<(), StoreError> {
        sqlx::query("delete from login_nonce where expires_at_ms <= $1")
            .bind(stored(now_ms))
            .execute(&mut *self.0)
            .await?;
        Ok(())
    }

    /// Raises a key's counter; false when it would not rise (WebAuthn §7.2 step 22), and for a key that
    /// [`Write::suspend_key`] has stopped. A key that has never counted may stay at zero.
    pub async fn raise_counter(&mut self, key: KeyId, counter: u32) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "insert into credential_counter (key_id, counter) values ($1, $2) \
             on conflict (key_id) do update set counter = excluded.counter \
             where credential_counter.suspended_at_ms = 0 \
             and (credential_counter.counter < excluded.counter \
             or (credential_counter.counter = 0 and excluded.counter = 0))",
        )
        .bind(&key.0[..])
        .bind(i64::from(counter))
        .execute(&mut *self.0)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// From now on `key` logs in nowhere, and what it has opened is over. False when it was so before.
    pub async fn suspend_key(&mut self, key: KeyId, now_ms: u64) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "update credential_counter set suspended_at_ms = $2 \
             where key_id = $1 and suspended_at_ms = 0",
        )
        .bind(&key.0[..])
        .bind(stored(now_ms.max(1)))
        .execute(&mut *self.0)
        .await?;
        sqlx::query("delete from session where key_id = $1")
            .bind(&key.0[..])
            .execute(&mut *self.0)
            .await?;
        Ok(done.rows_affected() == 1)
    }
}
