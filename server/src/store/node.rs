//! What several servers on one database share beside everything else: requests that came, what they count
//! together, and words from one to the others.

use std::{collections::HashSet, fmt};

use sqlx::{AnyPool, Row, postgres::PgListener};

use super::{Store, StoreError, Write, number, stored};

/// A request's name: a hash of its device and nonce.
pub type RequestName = [u8; 16];

/// How a store that several servers share is reached beside its pools.
#[derive(Clone)]
pub(super) struct Shared {
    /// Connections whose commits do not wait for the disk: for what a crash may forget.
    pub(super) quick: AnyPool,
    /// May hold a password.
    pub(super) url: String,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

/// The words of other servers, as they come.
pub struct Words(PgListener);

impl fmt::Debug for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Words").finish_non_exhaustive()
    }
}

impl Words {
    /// The next word; `None` when some may have been missed, since the connection is a new one.
    pub async fn next(&mut self) -> Result<Option<String>, StoreError> {
        let word = self.0.try_recv().await?;
        Ok(word.map(|word| word.payload().to_owned()))
    }
}

impl Store {
    /// Whether several servers may work on this database.
    pub fn is_shared(&self) -> bool {
        self.shared.is_some()
    }

    pub(super) fn quick(&self) -> &AnyPool {
        self.shared
            .as_ref()
            .map_or(&self.writes, |shared| &shared.quick)
    }

    /// Remembers requests; says which of them no server has let in before.
    pub async fn accept_requests(
        &self,
        names: &[RequestName],
        expires_at_ms: u64,
    ) -> Result<HashSet<RequestName>, StoreError> {
        let rows = sqlx::query(
            "with recursive place (at) as \
             (select 0 union all select at + 1 from place where at + 1 < cast($3 as bigint)) \
             insert into request (request_id, expires_at_ms) \
             select substr($1, 16 * at + 1, 16), $2 from place where true \
             on conflict (request_id) do nothing returning request_id",
        )
        .bind(names.concat())
        .bind(stored(expires_at_ms))
        .bind(stored(u64::try_from(names.len()).unwrap_or(u64::MAX)))
        .fetch_all(self.quick())
        .await?;
        rows.iter()
            .map(|row| {
                let name: Vec<u8> = row.try_get(0)?;
                RequestName::try_from(name).map_err(|_| StoreError::Corrupt("request_id"))
            })
            .collect()
    }

    /// Takes a share of a bucket that all servers fill from, which takes `cost_ms` to come back, of at most
    /// `whole_ms`; false when there is not so much in it. One that fills later than ever was counted before
    /// the clock was set back, and is full.
    pub async fn take_share(
        &self,
        bucket: [u8; 32],
        cost_ms: u64,
        whole_ms: u64,
        now_ms: u64,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "insert into bucket (bucket_id, full_at_ms) values ($1, $2 + $3) \
             on conflict (bucket_id) do update set full_at_ms = $3 + \
             case when bucket.full_at_ms > $2 and bucket.full_at_ms <= $2 + 2 * $4 \
             then bucket.full_at_ms else $2 end \
             where bucket.full_at_ms <= $2 or bucket.full_at_ms + $3 <= $2 + $4 \
             or bucket.full_at_ms > $2 + 2 * $4",
        )
        .bind(&bucket[..])
        .bind(stored(now_ms))
        .bind(stored(cost_ms))
        .bind(stored(whole_ms))
        .execute(self.quick())
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// How many entries the directory log has.
    pub async fn log_size(&self) -> Result<u64, StoreError> {
        let row = sqlx::query("select coalesce(max(entry_index) + 1, 0) from log_entry")
            .fetch_one(&self.reads)
            .await?;
        number(&row, 0, "entry_index")
    }

    /// Says `word`, of at most 7,999 bytes, to all servers on this database that listen, this one too.
    pub async fn say(&self, channel: &str, word: &str) -> Result<(), StoreError> {
        if let Some(shared) = &self.shared {
            sqlx::query("select cast(pg_notify($1, $2) as text)")
                .bind(channel)
                .bind(word)
                .execute(&shared.quick)
                .await?;
        }
        Ok(())
    }

    /// What the servers on this database say; `None` when there is but one.
    pub async fn words(&self, channel: &str) -> Result<Option<Words>, StoreError> {
        let Some(shared) = &self.shared else {
            return Ok(None);
        };
        let mut listener = PgListener::connect(&shared.url).await?;
        listener.listen(channel).await?;
        Ok(Some(Words(listener)))
    }
}

impl Write {
    /// From here to its end, no other transaction that asks for this runs beside this one.
    pub async fn alone(&mut self) -> Result<(), StoreError> {
        sqlx::query("update server set server_id = server_id where server_id = 1")
            .execute(&mut *self.0)
            .await?;
        Ok(())
    }

    /// Forgets requests that are too old to come again, and buckets that are full.
    pub async fn delete_old_counts(&mut self, now_ms: u64) -> Result<(), StoreError> {
        for statement in [
            "delete from request where expires_at_ms <= $1",
            "delete from bucket where full_at_ms <= $1",
        ] {
            sqlx::query(statement)
                .bind(stored(now_ms))
                .execute(&mut *self.0)
                .await?;
        }
        Ok(())
    }
}
