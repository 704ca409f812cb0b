//! How much is waiting: for operators. Counts and times, and nobody's name.

use valise_proto::id::GroupId;

use super::{Past, Store, StoreError, Write, number, stored};

/// What the database holds now.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Figures {
    /// Messages that some device has not fetched.
    pub messages: u64,
    /// Their size: bytes.
    pub message_bytes: u64,
    /// When the oldest of them came: milliseconds since 1970 UTC; 0 when there is none.
    pub oldest_ms: u64,
    /// Conversations that take letters.
    pub groups: u64,
    /// Attached files.
    pub attachments: u64,
    /// Their size: bytes.
    pub attachment_bytes: u64,
    /// People who asked to be enrolled, and wait.
    pub asks: u64,
}

impl Store {
    /// Counts everything.
    pub async fn figures(&self) -> Result<Figures, StoreError> {
        let messages = "select count(*), cast(coalesce(sum(size_bytes), 0) as bigint), \
                        coalesce(min(stored_at_ms), 0) from message";
        let messages = sqlx::query(messages).fetch_one(&self.reads).await?;
        let attachments =
            "select count(*), cast(coalesce(sum(stored_bytes), 0) as bigint) from attachment";
        let attachments = sqlx::query(attachments).fetch_one(&self.reads).await?;
        let asks = "select count(*) from enrolment where status = 1";
        let asks = sqlx::query(asks).fetch_one(&self.reads).await?;
        Ok(Figures {
            messages: number(&messages, 0, "count")?,
            message_bytes: number(&messages, 1, "sum")?,
            oldest_ms: number(&messages, 2, "min")?,
            groups: self.count_groups().await?,
            attachments: number(&attachments, 0, "count")?,
            attachment_bytes: number(&attachments, 1, "sum")?,
            asks: number(&asks, 0, "count")?,
        })
    }

    /// How many messages [`Write::expire_messages`] would drop.
    pub async fn count_expired(&self, past: Past) -> Result<u64, StoreError> {
        let sql = "select count(*) from message where (handshake = 0 and stored_at_ms < $1) \
                   or (handshake = 1 and stored_at_ms < $2)";
        let row = sqlx::query(sql)
            .bind(stored(past.letters_ms))
            .bind(stored(past.handshakes_ms))
            .fetch_one(&self.reads)
            .await?;
        number(&row, 0, "count")
    }
}

impl Write {
    /// When a message came; `None` when it is gone.
    pub async fn stored_at(
        &mut self,
        group: GroupId,
        sequence: u64,
    ) -> Result<Option<u64>, StoreError> {
        let row =
            sqlx::query("select stored_at_ms from message where group_id = $1 and sequence = $2")
                .bind(&group.0[..])
                .bind(stored(sequence))
                .fetch_optional(&mut *self.0)
                .await?;
        row.map(|row| number(&row, 0, "stored_at_ms")).transpose()
    }
}
