//! Cosignatures: who saw a head as the newest one, and when (c2sp.org/tlog-cosignature).

use super::{PeerBadCheckpoint, format_signature, key_hash, split};
use crate::key::Ed25519Key;

/// The signed-note signature type of `cosignature/v1` (c2sp.org/signed-note, "Signature types").
pub(in crate::log) const COSIGNATURE: u8 = 0x04;

/// What a cosigner signs: that at `time`, seconds since 1970, `text` was the newest checkpoint.
fn signed_text(text: &str, time: u64) -> String {
    format!("cosignature/v1\ntime {time}\n{text}\n")
}

/// A cosigner's word.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Cosignature {
    /// When the checkpoint was the newest one that it saw: seconds since 1970.
    pub time: u64,
    /// Ed25519 over that time and the checkpoint's text.
    pub signature: [u8; 64],
}

impl Cosignature {
    /// The line by which it stands behind a note's other lines, with its line feed.
    pub fn to_line(&self, name: &str, key: Ed25519Key) -> String {
        let hash = key_hash(name, COSIGNATURE, key);
        format_signature(name, &[&hash, &self.time.to_be_bytes(), &self.signature])
    }
}

/// The line by which the cosigner `name` says that `note` was the newest checkpoint at `time`, in
/// seconds since 1970; `sign` is Ed25519. It goes behind the note's other lines.
pub fn format_cosignature(
    note: &str,
    name: &str,
    key: Ed25519Key,
    time: u64,
    sign: impl FnOnce(&[u8]) -> [u8; 64],
) -> Result<String, PeerBadCheckpoint> {
    let (text, _) = split(note)?;
    let signature = sign(signed_text(text, time).as_bytes());
    Ok(Cosignature { time, signature }.to_line(name, key))
}

/// The newest word of the cosigner `name` under `note`; `None` when it gave none.
///
/// Its other signatures and other signers' lines are skipped. A line under its name and key that it
/// did not sign is refused.
pub fn cosignature(
    note: &str,
    name: &str,
    key: Ed25519Key,
) -> Result<Option<Cosignature>, PeerBadCheckpoint> {
    let (text, lines) = split(note)?;
    let hash = key_hash(name, COSIGNATURE, key);
    let mut newest: Option<Cosignature> = None;
    for (signer, signed) in lines {
        let Some(stamped) = signed.strip_prefix(&hash).filter(|_| signer == name) else {
            continue;
        };
        let (time, signature) = stamped
            .split_first_chunk()
            .ok_or(PeerBadCheckpoint::Signature)?;
        let (time, signature) = (u64::from_be_bytes(*time), signature.try_into());
        let signature: [u8; 64] = signature.map_err(|_| PeerBadCheckpoint::Signature)?;
        key.verify(signed_text(text, time).as_bytes(), &signature)
            .map_err(|_| PeerBadCheckpoint::Signature)?;
        if newest.is_none_or(|known| known.time < time) {
            newest = Some(Cosignature { time, signature });
        }
    }
    Ok(newest)
}

/// When the cosigner `name` last said that `note` was the newest checkpoint, in seconds since 1970; see
/// [`cosignature`].
pub fn cosigned_at(
    note: &str,
    name: &str,
    key: Ed25519Key,
) -> Result<Option<u64>, PeerBadCheckpoint> {
    Ok(cosignature(note, name, key)?.map(|word| word.time))
}
