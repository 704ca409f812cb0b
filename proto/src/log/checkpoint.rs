//! The signed tree head: a C2SP tlog-checkpoint in a signed note (c2sp.org/tlog-checkpoint,
//! c2sp.org/signed-note), with one Ed25519 signature by the server's log key. [`cosigned_at`] reads
//! the lines behind it, which say when the head was the newest one.

mod cosignature;

use data_encoding::BASE64;
use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

pub(super) use cosignature::COSIGNATURE;
pub use cosignature::{Cosignature, cosignature, cosigned_at, format_cosignature};

use crate::{
    codec::Limited,
    id::{Hash, OrgId},
    key::Ed25519Key,
    log::Head,
    statement::sha256,
};

/// Largest signed note in bytes.
pub const NOTE_MAX: usize = 4096;

/// The signed-note signature type of plain Ed25519 (c2sp.org/signed-note, "Signature types").
const ED25519: u8 = 0x01;

/// What each signature line starts with: em dash, space.
const SIGNATURE: &str = "\u{2014} ";

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
pub fn note_text(org: OrgId, head: Head) -> String {
    let root = BASE64.encode(&head.root.0);
    format!("{}\n{}\n{root}\n", origin(org), head.size)
}

/// The whole signed note; `sign` is Ed25519 over the note's text.
pub fn format_signed(
    org: OrgId,
    head: Head,
    key: Ed25519Key,
    sign: impl FnOnce(&[u8]) -> [u8; 64],
) -> String {
    let signature = sign(note_text(org, head).as_bytes());
    SignedHead { head, signature }.to_note(org, key)
}

/// The head in a signed note; see [`SignedHead::open`].
pub fn open(note: &str, org: OrgId, key: Ed25519Key) -> Result<Head, PeerBadCheckpoint> {
    SignedHead::open(note, org, key).map(|signed| signed.head)
}

/// A head under the log key's signature: what the server cannot deny to have said.
#[derive(Clone, Copy, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
pub struct SignedHead {
    /// Size and root.
    pub head: Head,
    /// Ed25519 over [`note_text`].
    pub signature: [u8; 64],
}

impl Limited for SignedHead {
    const MAX: usize = 104;
}

impl SignedHead {
    /// Reads a signed note of at most 4 KiB. Accepts exactly what [`format_signed`] writes, followed
    /// by other signers' lines, which are skipped.
    pub fn open(note: &str, org: OrgId, key: Ed25519Key) -> Result<Self, PeerBadCheckpoint> {
        let (text, signatures) = split(note)?;
        let (found_origin, head) = parse_text(text).ok_or(PeerBadCheckpoint::Malformed)?;
        let mut lines = signatures.iter();
        let (name, signed) = lines.next().ok_or(PeerBadCheckpoint::Malformed)?;
        if found_origin != origin(org) || *name != found_origin {
            return Err(PeerBadCheckpoint::Signature);
        }
        let signature = signed
            .strip_prefix(&key_hash(name, ED25519, key))
            .and_then(|signature| signature.try_into().ok())
            .ok_or(PeerBadCheckpoint::Signature)?;
        let signed = Self { head, signature };
        signed.verify(org, key)?;
        Ok(signed)
    }

    /// Checks that the log key of `org` signed it.
    pub fn verify(&self, org: OrgId, key: Ed25519Key) -> Result<(), PeerBadCheckpoint> {
        key.verify(note_text(org, self.head).as_bytes(), &self.signature)
            .map_err(|_| PeerBadCheckpoint::Signature)
    }

    /// The whole signed note.
    pub fn to_note(&self, org: OrgId, key: Ed25519Key) -> String {
        let name = origin(org);
        let hash = key_hash(&name, ED25519, key);
        let line = format_signature(&name, &[&hash, &self.signature]);
        format!("{}\n{line}", note_text(org, self.head))
    }
}

/// The four bytes by which a note says which key signed, and how (c2sp.org/signed-note, "Key IDs").
pub(super) fn key_hash(name: &str, kind: u8, key: Ed25519Key) -> [u8; 4] {
    let [a, b, c, d, ..] = sha256(&[name.as_bytes(), b"\n", &[kind], &key.to_bytes()]);
    [a, b, c, d]
}

/// One signature line, with its line feed.
fn format_signature(name: &str, parts: &[&[u8]]) -> String {
    format!("{SIGNATURE}{name} {}\n", BASE64.encode(&parts.concat()))
}

/// A line's signer, and key hash with signature.
type Line<'n> = (&'n str, Vec<u8>);

/// The text of a note, without its last line feed, and its signatures, of which it has one or more.
fn split(note: &str) -> Result<(&str, Vec<Line<'_>>), PeerBadCheckpoint> {
    if note.len() > NOTE_MAX {
        return Err(PeerBadCheckpoint::Malformed);
    }
    let parts = note
        .split_once("\n\n")
        .and_then(|(text, lines)| Some((text, lines.strip_suffix('\n')?)));
    let (text, lines) = parts.ok_or(PeerBadCheckpoint::Malformed)?;
    let lines: Option<Vec<_>> = lines.split('\n').map(parse_signature).collect();
    Ok((text, lines.ok_or(PeerBadCheckpoint::Malformed)?))
}

/// Reads the note's text without its last line feed: three lines, each in its one spelling.
fn parse_text(text: &str) -> Option<(&str, Head)> {
    let mut lines = text.split('\n');
    let (origin, size_text, root_text) = (lines.next()?, lines.next()?, lines.next()?);
    let size: u64 = size_text.parse().ok()?;
    let root = BASE64.decode(root_text.as_bytes()).ok()?;
    let root = Hash(root.try_into().ok()?);
    let canonical = size.to_string() == size_text && lines.next().is_none();
    canonical.then_some((origin, Head { size, root }))
}

/// Whether a signature line can hold this name (c2sp.org/signed-note, "Format").
pub(super) fn is_signer_name(name: &str) -> bool {
    let plain = |c: char| !c.is_whitespace() && !c.is_control() && c != '+';
    !name.is_empty() && name.chars().all(plain)
}

/// Reads one signature line: the signer's name, and key hash with signature.
fn parse_signature(line: &str) -> Option<Line<'_>> {
    let (name, signature) = line.strip_prefix(SIGNATURE)?.split_once(' ')?;
    if !is_signer_name(name) {
        return None;
    }
    let signature = BASE64.decode(signature.as_bytes()).ok()?;
    (signature.len() > 4).then_some((name, signature))
}

#[cfg(test)]
mod tests;
