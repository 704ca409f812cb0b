//! Acts that wait for more admins: an entry of the log with fewer signatures than it needs. The server
//! has no power over them. What counts are the signatures, and every client checks them itself.

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use crate::{
    codec::{Limited, encode},
    id::ProposalId,
    log::entry::{Entry, Statement},
    statement::sha256,
};

/// Acts that wait at most, in one organisation.
pub const OPEN_MAX: usize = 64;
/// Signatures that an act collects at most, one of each admin.
pub const SIGNATURES_MAX: usize = 16;
/// An act waits this long: milliseconds.
pub const OPEN_MS: u64 = 7 * 86_400_000;

impl ProposalId {
    /// The name of the act that `statement` says.
    pub fn of(statement: &Statement) -> Self {
        Self(sha256(&[&encode(statement)]))
    }
}

/// "This is what I sign."
#[derive(Clone, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
pub struct Propose {
    /// The statement, and one signature: the caller's own.
    pub entry: Entry,
}

/// Any act that can need several admins, and its signature: a batch is larger, and one admin's.
impl Limited for Propose {
    const MAX: usize = 48 * 1024;
}

/// Every act that waits, oldest first.
#[derive(Clone, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
pub struct Open {
    /// At most [`OPEN_MAX`].
    pub proposals: Vec<Proposal>,
}

impl Limited for Open {
    const MAX: usize = 4 << 20;
}

/// An act that waits.
#[derive(Clone, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
pub struct Proposal {
    /// When its first signature arrived: milliseconds since 1970 UTC, the server's clock.
    pub proposed_at_ms: u64,
    /// The statement, and the signatures so far, sorted by key id.
    pub entry: Entry,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{fuzz::seed, log::entry};

    #[test]
    fn every_act_that_can_need_several_admins_fits() {
        for fact in seed::facts() {
            let largest = fact.statement_max() + entry::SIGNATURES_MAX;
            // One admin's word is enough for a batch.
            assert_eq!(largest <= Propose::MAX, fact.kind() != "batch");
        }
        let largest = 12 * 1024 + entry::SIGNATURES_MAX;
        assert!(OPEN_MAX * largest <= Open::MAX);
    }
}
