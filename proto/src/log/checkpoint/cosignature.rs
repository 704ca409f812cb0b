//! Cosignatures: who saw a head as the newest one, and when (c2sp.org/tlog-cosignature).

use super::{PeerBadCheckpoint, format_signature, key_hash, split};
use crate::key::Ed25519Key;

/// The signed-note signature type of `cosignature/v1` (c2sp.org/signed-note, "Signature types").
const COSIGNATURE: u8 = 0x04;

/// What a cosigner signs: that at `time`, seconds since 1970, `text` was the newest checkpoint.
fn signed_text(text: &str, time: u64) -> String {
    format!("cosignature/v1\ntime {time}\n{text}\n")
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
    let hash = key_hash(name, COSIGNATURE, key);
    Ok(format_signature(
        name,
        &[&hash, &time.to_be_bytes(), &signature],
    ))
}

/// When the cosigner `name` last said that `note` was the newest checkpoint, in seconds since 1970;
/// `None` when it did not say so.
///
/// Its other signatures and other signers' lines are skipped. A line under its name and key that it
/// did not sign is refused.
pub fn cosigned_at(
    note: &str,
    name: &str,
    key: Ed25519Key,
) -> Result<Option<u64>, PeerBadCheckpoint> {
    let (text, lines) = split(note)?;
    let hash = key_hash(name, COSIGNATURE, key);
    let mut newest = None;
    for (signer, signed) in lines {
        let Some(stamped) = signed.strip_prefix(&hash).filter(|_| signer == name) else {
            continue;
        };
        let (time, signature) = stamped
            .split_first_chunk()
            .ok_or(PeerBadCheckpoint::Signature)?;
        let time = u64::from_be_bytes(*time);
        key.verify(signed_text(text, time).as_bytes(), signature)
            .map_err(|_| PeerBadCheckpoint::Signature)?;
        newest = newest.max(Some(time));
    }
    Ok(newest)
}
