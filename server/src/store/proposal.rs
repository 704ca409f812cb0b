//! Rows of acts that wait for more admins: one of each admin who signed.

use sqlx::Row;
use valise_proto::id::ProposalId;

use super::{Store, StoreError, Write, id, number, stored};

/// One admin's signature under an act that waits.
#[derive(Clone, Debug)]
pub struct ProposalRow {
    /// The act's name.
    pub id: ProposalId,
    /// Who signed.
    pub account: String,
    /// When: milliseconds since 1970 UTC.
    pub proposed_at_ms: u64,
    /// The statement and this admin's signature, canonical bytes.
    pub entry: Vec<u8>,
}

impl Store {
    /// Every signature that came after `since_ms`, oldest first.
    pub async fn proposals(&self, since_ms: u64) -> Result<Vec<ProposalRow>, StoreError> {
        let rows = sqlx::query(
            "select proposal_id, account, proposed_at_ms, entry from proposal \
             where proposed_at_ms > $1 order by proposed_at_ms, proposal_id, account",
        )
        .bind(stored(since_ms))
        .fetch_all(&self.reads)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(ProposalRow {
                    id: id(row, 0, "proposal_id")?,
                    account: row.try_get(1)?,
                    proposed_at_ms: number(row, 2, "proposed_at_ms")?,
                    entry: row.try_get(3)?,
                })
            })
            .collect()
    }
}

impl Write {
    /// Keeps a signature; the second of the same admin changes nothing.
    pub async fn put_proposal(&mut self, row: &ProposalRow) -> Result<(), StoreError> {
        sqlx::query(
            "insert into proposal (proposal_id, account, proposed_at_ms, entry) \
             values ($1, $2, $3, $4) on conflict do nothing",
        )
        .bind(&row.id.0[..])
        .bind(&row.account)
        .bind(stored(row.proposed_at_ms))
        .bind(&row.entry[..])
        .execute(&mut *self.0)
        .await?;
        Ok(())
    }

    /// Forgets an act and all its signatures.
    pub async fn delete_proposal(&mut self, id: ProposalId) -> Result<(), StoreError> {
        sqlx::query("delete from proposal where proposal_id = $1")
            .bind(&id.0[..])
            .execute(&mut *self.0)
            .await?;
        Ok(())
    }

    /// Forgets one admin's signature.
    pub async fn delete_proposal_signature(
        &mut self,
        id: ProposalId,
        account: &str,
    ) -> Result<(), StoreError> {
        sqlx::query("delete from proposal where proposal_id = $1 and account = $2")
            .bind(&id.0[..])
            .bind(account)
            .execute(&mut *self.0)
            .await?;
        Ok(())
    }

    /// Forgets what came before `before_ms`.
    pub async fn delete_old_proposals(&mut self, before_ms: u64) -> Result<(), StoreError> {
        sqlx::query("delete from proposal where proposed_at_ms < $1")
            .bind(stored(before_ms))
            .execute(&mut *self.0)
            .await?;
        Ok(())
    }
}
