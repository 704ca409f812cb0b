//! Rows of enrolments: challenges, and the asks that answered them.

use std::collections::HashMap;

use sqlx::Row;
use valise_proto::id::{DeviceId, EnrolmentId};

use super::{Store, StoreError, Write, id, number, stored};

/// How far an enrolment's row has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum EnrolmentStatus {
    /// A challenge that nobody answered.
    Challenged,
    /// An ask that no admin refused.
    Asked,
    /// An admin refused it.
    Refused,
    /// The key is in the log.
    Settled,
}

/// One enrolment.
#[derive(Clone, Debug)]
pub struct EnrolmentRow {
    /// Its id.
    pub id: EnrolmentId,
    /// The challenge of its registrations.
    pub challenge: [u8; 32],
    /// When the challenge was given: milliseconds since 1970 UTC.
    pub created_at_ms: u64,
    /// From which address block the challenge was asked for.
    pub network: String,
    /// How far it has come.
    pub status: EnrolmentStatus,
    /// The ask.
    pub ask: Option<AskRow>,
}

/// The ask of one enrolment.
#[derive(Clone, Debug)]
pub struct AskRow {
    /// Which device asked.
    pub device: DeviceId,
    /// The ask, canonical bytes.
    pub ask: Vec<u8>,
    /// When: milliseconds since 1970 UTC.
    pub asked_at_ms: u64,
    /// How many entries the log had then.
    pub log_size: u64,
}

impl EnrolmentRow {
    fn read(row: &sqlx::any::AnyRow) -> Result<Self, StoreError> {
        let status = match number(row, 3, "status")? {
            0 => EnrolmentStatus::Challenged,
            1 => EnrolmentStatus::Asked,
            2 => EnrolmentStatus::Refused,
            3 => EnrolmentStatus::Settled,
            _ => return Err(StoreError::Corrupt("status")),
        };
        let ask: Option<Vec<u8>> = row.try_get(5)?;
        let ask = match ask {
            None => None,
            Some(ask) => Some(AskRow {
                device: id(row, 4, "device_id")?,
                ask,
                asked_at_ms: number(row, 6, "asked_at_ms")?,
                log_size: number(row, 7, "log_size")?,
            }),
        };
        let challenge: valise_proto::id::Hash = id(row, 1, "challenge")?;
        Ok(Self {
            id: id(row, 0, "enrolment_id")?,
            challenge: challenge.0,
            created_at_ms: number(row, 2, "created_at_ms")?,
            network: row.try_get(8)?,
            status,
            ask,
        })
    }
}

impl Store {
    /// One enrolment.
    pub async fn enrolment(&self, id: EnrolmentId) -> Result<Option<EnrolmentRow>, StoreError> {
        let row = sqlx::query(
            "select enrolment_id, challenge, created_at_ms, status, device_id, ask, asked_at_ms, log_size, network \
             from enrolment where enrolment_id = $1",
        )
        .bind(&id.0[..])
        .fetch_optional(&self.reads)
        .await?;
        row.map(|row| EnrolmentRow::read(&row)).transpose()
    }

    /// Asks that no admin refused, oldest first.
    pub async fn asked_enrolments(
        &self,
        since_ms: u64,
        limit: u32,
    ) -> Result<Vec<EnrolmentRow>, StoreError> {
        let rows = sqlx::query(
            "select enrolment_id, challenge, created_at_ms, status, device_id, ask, asked_at_ms, log_size, network \
             from enrolment where status = 1 and asked_at_ms > $1 order by asked_at_ms, enrolment_id limit $2",
        )
        .bind(stored(since_ms))
        .bind(i64::from(limit))
        .fetch_all(&self.reads)
        .await?;
        rows.iter().map(EnrolmentRow::read).collect()
    }

    /// How many challenges given after `since_ms` wait for an ask, of each address block.
    pub async fn count_challenged(
        &self,
        since_ms: u64,
    ) -> Result<HashMap<String, u64>, StoreError> {
        let rows = sqlx::query(
            "select network, count(*) from enrolment where status = 0 and created_at_ms > $1 group by network",
        )
        .bind(stored(since_ms))
        .fetch_all(&self.reads)
        .await?;
        rows.iter()
            .map(|row| Ok((row.try_get(0)?, number(row, 1, "count")?)))
            .collect()
    }
}

impl Write {
    /// Remembers a challenge.
    pub async fn insert_enrolment(
        &mut self,
        id: EnrolmentId,
        challenge: [u8; 32],
        created_at_ms: u64,
        network: &str,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "insert into enrolment (enrolment_id, challenge, created_at_ms, network, status) \
             values ($1, $2, $3, $4, 0)",
        )
        .bind(&id.0[..])
        .bind(&challenge[..])
        .bind(stored(created_at_ms))
        .bind(network)
        .execute(&mut *self.0)
        .await?;
        Ok(())
    }

    /// Forgets the oldest challenge of an address block that nobody answered.
    pub async fn delete_oldest_challenge(&mut self, network: &str) -> Result<(), StoreError> {
        sqlx::query(
            "delete from enrolment where enrolment_id = (select enrolment_id from enrolment \
             where status = 0 and network = $1 order by created_at_ms, enrolment_id limit 1)",
        )
        .bind(network)
        .execute(&mut *self.0)
        .await?;
        Ok(())
    }

    /// Records the ask that answers a challenge; false when another was quicker.
    pub async fn answer_enrolment(
        &mut self,
        id: EnrolmentId,
        ask: &AskRow,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "update enrolment set status = 1, device_id = $2, ask = $3, asked_at_ms = $4, log_size = $5 \
             where enrolment_id = $1 and status = 0",
        )
        .bind(&id.0[..])
        .bind(&ask.device.0[..])
        .bind(&ask.ask[..])
        .bind(stored(ask.asked_at_ms))
        .bind(stored(ask.log_size))
        .execute(&mut *self.0)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Refuses an ask; false when there is none.
    pub async fn refuse_enrolment(&mut self, id: EnrolmentId) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "update enrolment set status = 2, network = '' where enrolment_id = $1 and status in (1, 2)",
        )
        .bind(&id.0[..])
        .execute(&mut *self.0)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Records that the key of an ask is in the log.
    pub async fn settle_enrolment(&mut self, id: EnrolmentId) -> Result<(), StoreError> {
        sqlx::query(
            "update enrolment set status = 3, network = '' where enrolment_id = $1 and status = 1",
        )
        .bind(&id.0[..])
        .execute(&mut *self.0)
        .await?;
        Ok(())
    }

    /// Forgets challenges made before `challenged_ms` and asks made before `asked_ms`.
    pub async fn delete_old_enrolments(
        &mut self,
        challenged_ms: u64,
        asked_ms: u64,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "delete from enrolment where (status = 0 and created_at_ms < $1) or (status <> 0 and created_at_ms < $2)",
        )
        .bind(stored(challenged_ms))
        .bind(stored(asked_ms))
        .execute(&mut *self.0)
        .await?;
        Ok(())
    }
}
