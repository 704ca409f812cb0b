//! Gossip: every message carries its sender's view of the log, and every receiver compares.

use valise_proto::log::checkpoint::SignedHead;

use super::{Alarm, Ledger};
use crate::weaken::checked;

/// What a colleague's head says about ours.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Gossip {
    /// The same log.
    Agrees,
    /// The colleague has seen entries that this device has not: read the log, then ask again.
    Ahead,
    /// The server never signed it: the colleague lies, and nothing follows from it.
    Unsigned,
}

/// Compares a colleague's head with this device's log. Two logs under one signature are the server's
/// doing, and proven.
pub(crate) fn compare(ledger: &Ledger, theirs: SignedHead) -> Result<Gossip, Alarm> {
    let card = ledger.card();
    if theirs.verify(card.org, card.log).is_err() {
        return Ok(Gossip::Unsigned);
    }
    if theirs.head.size > ledger.signed_size() {
        return Ok(Gossip::Ahead);
    }
    match ledger.evidence(theirs) {
        Some(evidence) if checked("D05") => Err(Alarm::LogFork(Box::new(evidence))),
        _ => Ok(Gossip::Agrees),
    }
}
