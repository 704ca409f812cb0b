//! The signed tree head: a C2SP tlog-checkpoint in a signed note (c2sp.org/tlog-checkpoint,
//! c2sp.org/signed-note), with one Ed25519 signature by the server's log key.

use crate::{id::OrgId, key::Ed25519Key, log::Head};

/// A checkpoint is malformed or not the server's.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PeerBadCheckpoint {
    /// Not the one accepted form.
    #[error("malformed checkpoint")]
    Malformed,
    /// Signed by another key, or for another organisation.
    #[error("the checkpoint is not signed by this organisation's server")]
    Signature,
}

/// The origin line, which is also the signing key's name: `valise/<org_id>`.
pub fn origin(org: OrgId) -> String {
    format!("valise/{org}")
}

/// The note's text, which the server signs.
pub fn note_text(_org: OrgId, _head: Head) -> String {
    todo!()
}

/// The whole signed note; `sign` is Ed25519 over the note's text.
pub fn format_signed(
    _org: OrgId,
    _head: Head,
    _key: Ed25519Key,
    _sign: impl FnOnce(&[u8]) -> [u8; 64],
) -> String {
    todo!()
}

/// Reads a signed note of at most 4 KiB. Accepts exactly what [`format_signed`] writes, followed by
/// other signers' lines, which are skipped.
pub fn open(_note: &str, _org: OrgId, _key: Ed25519Key) -> Result<Head, PeerBadCheckpoint> {
    todo!()
}
