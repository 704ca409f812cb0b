//! Witnesses: who, beside the server, says which log was the newest, and when (c2sp.org/tlog-witness).
//!
//! A witness signs order and time, and no fact. It never signs a head that does not extend every head
//! that it signed before. So where a majority of witnesses must have signed, no two people can be shown
//! two logs, and no old log can be given a new date, unless as many witnesses lie as agree.

use std::{fmt, str::FromStr};

use data_encoding::{BASE64, HEXLOWER};

use super::{
    Head,
    checkpoint::{
        COSIGNATURE, NOTE_MAX, PeerBadCheckpoint, SignedHead, cosigned_at, is_signer_name,
        key_hash, origin,
    },
    entry::Witness,
    merkle::verify_consistency,
};
use crate::{
    id::{Hash, OrgId},
    key::Ed25519Key,
    weaken::checked,
};

/// Most hashes in a consistency proof (c2sp.org/tlog-witness, "add-checkpoint").
const PROOF_MAX: usize = 63;
/// What the first line of a request begins with.
const OLD: &str = "old ";
/// A hash in base64, with its line feed.
const HASH_LINE: usize = 45;

/// The path of the one request, behind the witness' address.
pub const ADD_CHECKPOINT: &str = "/add-checkpoint";
/// The content type of a [`Refusal::Conflict`].
pub const SIZE_TYPE: &str = "text/x.tlog.size";

/// Not the one accepted form of what witnesses and logs say to each other.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("malformed")]
pub struct PeerMalformed;

/// A log asks to have its head signed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AddCheckpoint {
    /// Size of the newest head that, by what the log knows, the witness has signed; 0: none.
    pub old: u64,
    /// Proof that the checkpoint extends that head.
    pub proof: Vec<Hash>,
    /// The log's signed note.
    pub checkpoint: String,
}

impl AddCheckpoint {
    /// Largest request in bytes.
    pub const MAX: usize = OLD.len() + 22 + PROOF_MAX * HASH_LINE + NOTE_MAX;

    /// Reads exactly what [`AddCheckpoint::to_text`] writes. The checkpoint itself is read by
    /// [`may_cosign`].
    pub fn parse(text: &str) -> Result<Self, PeerMalformed> {
        if text.len() > Self::MAX {
            return Err(PeerMalformed);
        }
        let (head, checkpoint) = text.split_once("\n\n").ok_or(PeerMalformed)?;
        let mut lines = head.split('\n');
        let old = lines.next().and_then(|line| line.strip_prefix(OLD));
        let old = old.and_then(parse_number).ok_or(PeerMalformed)?;
        let proof: Option<Vec<_>> = lines.map(parse_hash).collect();
        let proof = proof.filter(|proof| proof.len() <= PROOF_MAX);
        if checkpoint.is_empty() || checkpoint.len() > NOTE_MAX {
            return Err(PeerMalformed);
        }
        Ok(Self {
            old,
            proof: proof.ok_or(PeerMalformed)?,
            checkpoint: checkpoint.to_owned(),
        })
    }

    /// The body of the request: size, proof, an empty line, the checkpoint.
    pub fn to_text(&self) -> String {
        let mut text = format!("{OLD}{}\n", self.old);
        for hash in &self.proof {
            BASE64.encode_append(&hash.0, &mut text);
            text.push('\n');
        }
        text.push('\n');
        text.push_str(&self.checkpoint);
        text
    }
}

/// The size in a [`Refusal::Conflict`], as its body says it.
pub fn format_size(size: u64) -> String {
    format!("{size}\n")
}

/// Reads exactly what [`format_size`] writes.
pub fn parse_size(text: &str) -> Result<u64, PeerMalformed> {
    let number = text.strip_suffix('\n').and_then(parse_number);
    number.ok_or(PeerMalformed)
}

/// A number in its one spelling.
fn parse_number(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

fn parse_hash(line: &str) -> Option<Hash> {
    let bytes = BASE64.decode(line.as_bytes()).ok()?;
    Some(Hash(bytes.try_into().ok()?))
}

/// Why a witness does not sign.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// Not a request, or not a checkpoint.
    #[error("malformed")]
    Malformed,
    /// A log that this witness does not watch.
    #[error("unknown log")]
    UnknownLog,
    /// Not under the log's own signature.
    #[error("not signed by the log")]
    NotSigned,
    /// The log says that it grows, and its new head is smaller than the old one.
    #[error("the old size is larger than the checkpoint")]
    Shrinks,
    /// Another head than the one that the log asks from is the newest one here, or it has another
    /// root.
    #[error("the newest head here has {size} entries")]
    Conflict {
        /// Its size.
        size: u64,
    },
    /// The new head does not extend the old one.
    #[error("the new head does not extend the old one")]
    Proof,
}

impl Refusal {
    /// The status of the answer (c2sp.org/tlog-witness, "add-checkpoint").
    pub fn status(self) -> u16 {
        match self {
            Self::Malformed | Self::Shrinks => 400,
            Self::NotSigned => 403,
            Self::UnknownLog => 404,
            Self::Conflict { .. } => 409,
            Self::Proof => 422,
        }
    }
}

/// Whether a witness that watches the log of `org`, whose key is `key`, may sign this head: the newest
/// one that it has signed is `known`, the empty log's when there is none. Returns what it has to remember
/// before its signature leaves.
pub fn may_cosign(
    request: &AddCheckpoint,
    org: OrgId,
    key: Ed25519Key,
    known: Head,
) -> Result<SignedHead, Refusal> {
    let note = &request.checkpoint;
    if note.split('\n').next() != Some(origin(org).as_str()) {
        return Err(Refusal::UnknownLog);
    }
    let signed = SignedHead::open(note, org, key).map_err(|error| match error {
        PeerBadCheckpoint::Malformed => Refusal::Malformed,
        PeerBadCheckpoint::Signature => Refusal::NotSigned,
    })?;
    let head = signed.head;
    if !checked("D06") {
        return Ok(signed);
    }
    if request.old > head.size {
        return Err(Refusal::Shrinks);
    }
    let conflict = Refusal::Conflict { size: known.size };
    if request.old != known.size || (head.size == known.size && head.root != known.root) {
        return Err(conflict);
    }
    verify_consistency(known, head, &request.proof).map_err(|_| Refusal::Proof)?;
    Ok(signed)
}

/// When each of `witnesses` last signed `note`: seconds since 1970, in their order. Each counts once,
/// by its name and its key. Lines that none of them signed say nothing.
pub fn seen_at(note: &str, witnesses: &[Witness]) -> Vec<Option<u64>> {
    let seen = |witness: &Witness| {
        let key = Ed25519Key::try_from(witness.key).ok()?;
        cosigned_at(note, witness.name.as_str(), key).ok()?
    };
    witnesses.iter().map(seen).collect()
}

/// The time at which `quorum` witnesses had signed: the newest but `quorum - 1` of their `times`. `None`
/// while they are fewer, and where no witness is asked for.
///
/// As long as fewer than `quorum` lie, it is not after a time that an honest one wrote.
pub fn quorum_time(times: impl IntoIterator<Item = u64>, quorum: u8) -> Option<u64> {
    let mut times: Vec<_> = times.into_iter().collect();
    times.sort_unstable_by(|left, right| right.cmp(left));
    let quorum = if checked("D19") {
        quorum
    } else {
        quorum.min(1)
    };
    times.get(usize::from(quorum.checked_sub(1)?)).copied()
}

/// As a verifier key: name, key id and key (c2sp.org/signed-note, "Verifier keys"). A slip in it shows.
impl fmt::Display for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name.as_str();
        // A weak key has no id: it is no witness, and is refused where it is read.
        let id =
            Ed25519Key::try_from(self.key).map_or([0; 4], |it| key_hash(name, COSIGNATURE, it));
        let key = BASE64.encode(&[&[COSIGNATURE][..], &self.key].concat());
        write!(f, "{name}+{}+{key}", HEXLOWER.encode(&id))
    }
}

impl FromStr for Witness {
    type Err = PeerMalformed;

    /// Reads exactly what `Display` writes, for a name and a key that a witness can have.
    fn from_str(text: &str) -> Result<Self, PeerMalformed> {
        let mut parts = text.splitn(3, '+');
        let (name, _id, key) = (parts.next(), parts.next(), parts.next());
        let name = name.filter(|name| is_signer_name(name));
        let name = name.and_then(|name| name.to_owned().try_into().ok());
        let key = key.and_then(|key| BASE64.decode(key.as_bytes()).ok());
        let key = key
            .as_deref()
            .and_then(|key| key.strip_prefix(&[COSIGNATURE]));
        let key: Option<[u8; 32]> = key.and_then(|key| key.try_into().ok());
        let key = key.filter(|key| Ed25519Key::try_from(*key).is_ok());
        let witness = Self {
            name: name.ok_or(PeerMalformed)?,
            key: key.ok_or(PeerMalformed)?,
        };
        if witness.to_string() == text {
            Ok(witness)
        } else {
            Err(PeerMalformed)
        }
    }
}

#[cfg(test)]
mod tests;
