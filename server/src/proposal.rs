//! Acts that wait for more admins: kept and shown, never judged. What makes one true is the log.

use std::sync::Arc;

use valise_proto::{
    api::proposal::{OPEN_MAX, OPEN_MS, Open, Proposal, Propose, SIGNATURES_MAX},
    codec::{decode, encode},
    id::{Name, ProposalId},
    log::{entry::Entry, replay::Refusal},
};

use crate::{
    clock::Clock,
    directory::Log,
    store::{ProposalRow, Store, StoreError},
};

/// Why an act is not kept.
#[derive(Debug, thiserror::Error)]
pub enum ProposalError {
    /// The id is another statement's.
    #[error("the id is not the one of this statement")]
    AnotherStatement,
    /// Not one signature, or not one by a key of the caller.
    #[error("an act carries one signature here: its bringer's own")]
    AnotherSigner,
    /// One signature is enough for it.
    #[error("this needs no other admin: append it to the log")]
    Complete,
    /// The log could not take it, whoever else signs.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Too many acts wait, or too many have signed this one.
    #[error("too many acts wait for admins: sign or reject some")]
    TooMany,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Every act that waits.
#[derive(Debug)]
pub struct Proposals {
    /// Where they are kept.
    pub store: Store,
    /// Who is who.
    pub log: Arc<Log>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

impl Proposals {
    /// Keeps an act, or one more signature under it. Brought again, it is there once.
    pub async fn put(
        &self,
        caller: &Name,
        id: ProposalId,
        propose: &Propose,
    ) -> Result<(), ProposalError> {
        let entry = &propose.entry;
        if ProposalId::of(&entry.statement) != id {
            return Err(ProposalError::AnotherStatement);
        }
        let snapshot = self.log.now();
        let directory = &snapshot.directory;
        let own = match entry.signatures.as_slice() {
            [signature] => directory
                .key(signature.key)
                .is_some_and(|key| key.account.as_ref() == Some(caller)),
            _ => false,
        };
        if !own {
            return Err(ProposalError::AnotherSigner);
        }
        if directory.missing(entry)? == 0 {
            return Err(ProposalError::Complete);
        }
        let open = self.open().await?.proposals;
        let same = open
            .iter()
            .find(|open| open.entry.statement == entry.statement);
        let full = match same {
            Some(open) => open.entry.signatures.len() >= SIGNATURES_MAX,
            None => open.len() >= OPEN_MAX,
        };
        if full {
            return Err(ProposalError::TooMany);
        }
        let mut write = self.store.begin().await?;
        write
            .put_proposal(&ProposalRow {
                id,
                account: caller.to_string(),
                proposed_at_ms: self.clock.now_ms(),
                entry: encode(entry),
            })
            .await?;
        Ok(write.commit().await?)
    }

    /// Every act that waits, oldest first. What the log has overtaken is forgotten.
    pub async fn open(&self) -> Result<Open, StoreError> {
        let since_ms = self.clock.now_ms().saturating_sub(OPEN_MS);
        let rows = self.store.proposals(since_ms).await?;
        let snapshot = self.log.now();
        let mut proposals: Vec<(ProposalId, Proposal)> = Vec::new();
        let mut overtaken = Vec::new();
        for row in rows {
            let signed: Propose =
                decode(&row.entry).map_err(|_| StoreError::Corrupt("proposal"))?;
            if snapshot.directory.missing(&signed.entry).is_err() {
                overtaken.push(row);
                continue;
            }
            let kept = proposals.len();
            match proposals.iter_mut().find(|(id, _)| *id == row.id) {
                Some((_, proposal)) => merge(&mut proposal.entry, signed.entry),
                None if kept < OPEN_MAX => {
                    let proposal = Proposal {
                        proposed_at_ms: row.proposed_at_ms,
                        entry: signed.entry,
                    };
                    proposals.push((row.id, proposal));
                }
                None => {}
            }
        }
        if !overtaken.is_empty() {
            let mut write = self.store.begin().await?;
            for row in overtaken {
                write
                    .delete_proposal_signature(row.id, &row.account)
                    .await?;
            }
            write.commit().await?;
        }
        Ok(Open {
            proposals: proposals.into_iter().map(|(_, open)| open).collect(),
        })
    }

    /// Forgets an act. Whoever kept its bytes still has them: the log alone makes them worthless.
    pub async fn reject(&self, id: ProposalId) -> Result<(), StoreError> {
        let mut write = self.store.begin().await?;
        write.delete_proposal(id).await?;
        write.commit().await
    }
}

/// Puts the signatures of `other` under the same statement.
fn merge(entry: &mut Entry, other: Entry) {
    entry.signatures.extend(other.signatures);
    entry.signatures.sort_by_key(|signature| signature.key);
}
