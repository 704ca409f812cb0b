//! Gossip: every message carries its sender's view of the log, and every receiver compares.

use valise_proto::log::{Head, replay::Directory};

use super::Alarm;
use crate::weaken::checked;

/// What a colleague's head says about ours.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Gossip {
    /// The same log.
    Agrees,
    /// The colleague has seen entries that this device has not: read the log, then ask again.
    Ahead,
}

/// Compares a colleague's head with this device's log.
pub(crate) fn compare(directory: &Directory, theirs: Head) -> Result<Gossip, Alarm> {
    let Some(ours) = directory.tree().root_at(theirs.size) else {
        return Ok(Gossip::Ahead);
    };
    if ours != theirs.root && checked("D05") {
        return Err(Alarm::LogFork {
            size: theirs.size,
            ours,
            theirs: theirs.root,
        });
    }
    Ok(Gossip::Agrees)
}
