//! One question to one witness: its answer is verified before it is believed.

use hyper::StatusCode;
use valise_proto::{
    key::Ed25519Key,
    log::{
        checkpoint::{Cosignature, cosignature},
        witness::{ADD_CHECKPOINT, AddCheckpoint, parse_size},
    },
};

use crate::{
    directory::Snapshot,
    post::{Address, PostError, post},
};

/// Largest answer in bytes: some signature lines.
const ANSWER_MAX: usize = 2048;
/// What a request to a witness is (C2SP tlog-witness).
const TYPE: &str = "text/plain";
/// A witness says once where it is, and is asked from there.
const TRIES: usize = 2;

/// Why a witness' word could not be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum AskError {
    /// There is no answer, or it is none.
    #[error(transparent)]
    Post(#[from] PostError),
    /// It does not answer in time.
    #[error("it does not answer in time")]
    PeerSlow,
    /// It refuses.
    #[error("it refuses with status {0}")]
    PeerRefuses(StatusCode),
    /// What it says is not its signature of this head.
    #[error("it answers with something that is not its signature of this head")]
    PeerUnsigned,
    /// It has signed a log that is longer than this one: this server was set back, or it has a twin.
    #[error(
        "it has signed {size} entries, and the log has fewer: was this server restored from a copy?"
    )]
    Ahead {
        /// Entries that it has signed.
        size: u64,
    },
}

/// Has the witness `name` sign the head of `now`. `old` is the size that it signed last, as far as
/// this server knows.
pub(super) async fn ask(
    address: &Address,
    name: &str,
    key: Ed25519Key,
    now: &Snapshot,
    old: &mut u64,
) -> Result<Cosignature, AskError> {
    let head = now.directory.head();
    let mut refused = StatusCode::CONFLICT;
    for _ in 0..TRIES {
        let proof = now.directory.tree().consistency(*old, head.size);
        let request = AddCheckpoint {
            old: *old,
            proof: proof.ok_or(AskError::Ahead { size: *old })?,
            checkpoint: now.checkpoint.clone(),
        };
        let body = request.to_text().into();
        let (status, answer) = post(address, ADD_CHECKPOINT, TYPE, body, ANSWER_MAX).await?;
        let answer = String::from_utf8(answer).map_err(|_| AskError::PeerUnsigned)?;
        match status {
            StatusCode::OK => {
                let note = format!("{}{answer}", now.checkpoint);
                let word = cosignature(&note, name, key).ok().flatten();
                let word = word.ok_or(AskError::PeerUnsigned)?;
                *old = head.size;
                return Ok(word);
            }
            StatusCode::CONFLICT => match parse_size(&answer) {
                Ok(size) if size > head.size => return Err(AskError::Ahead { size }),
                Ok(size) => *old = size,
                Err(_) => return Err(AskError::PeerRefuses(status)),
            },
            _ => return Err(AskError::PeerRefuses(status)),
        }
        refused = status;
    }
    Err(AskError::PeerRefuses(refused))
}
