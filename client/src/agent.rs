//! The agent: holds the unlocked store key in memory for a while, as ssh-agent holds keys.
//!
//! It is a process of its own, one for each home. It ends, and the key with it, when nobody asked
//! for the key during the idle limit, when the absolute limit is reached, when it is told to, or
//! when its socket is no longer the one in the home. Time during which the machine sleeps counts.
//! Whoever runs as the same user may ask for the key; the kernel says who asks (`SO_PEERCRED`).

mod place;
mod process;
pub(crate) mod protocol;
mod serve;

use std::{
    io::{self, Write as _},
    path::PathBuf,
    time::Duration,
};

use zeroize::Zeroizing;

pub(crate) use process::harden;
pub use process::{SUBCOMMAND, run, start};

use crate::{home::Home, store::StoreKey};
use place::Place;
use protocol::{ANSWER_MAX, Answer, Request};

/// Why the agent does not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The folder belongs to somebody else, or others may look into it.
    #[error("{0} is not a folder of yours alone")]
    Folder(PathBuf),
    /// The agent's answer is not one.
    #[error("the agent gave an answer that makes no sense")]
    Garbled,
    /// The system refuses something.
    #[error("{0}: {1}")]
    Io(&'static str, #[source] io::Error),
    /// The new agent gave up, and said why.
    #[error("the agent did not start: {0}")]
    NotStarted(String),
    /// What the agent read at its start is not a key with two limits.
    #[error("the agent was not given a key")]
    Setup,
    /// Somebody else listens on our socket.
    #[error("user {0} answers in place of the agent")]
    Stranger(u32),
    /// It takes connections, and does not answer in time.
    #[error("the agent does not answer")]
    Stuck,
}

/// How long the agent keeps the key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AgentStatus {
    /// The idle limit: how long the key stays when nobody asks for it.
    pub idle: Duration,
    /// How long the key stays from now on, if nobody asks for it.
    pub left: Duration,
}

/// The store key, if an agent for this home has it. Asking restarts the idle time. None when there
/// is no agent, or none that can be trusted.
pub fn store_key(home: &Home) -> Option<StoreKey> {
    match ask(home, Request::Key) {
        Ok(Some(Answer::Key(key))) => Some(key),
        _ => None,
    }
}

/// The idle limit and the time left, if there is an agent for this home. Restarts nothing.
pub fn status(home: &Home) -> Option<AgentStatus> {
    match ask(home, Request::Status) {
        Ok(Some(Answer::Status(status))) => Some(status),
        _ => None,
    }
}

/// Makes the agent forget the key and end. `Ok(false)` when there was none. When this returns, the
/// key is overwritten and the socket is gone.
pub fn stop(home: &Home) -> Result<bool, AgentError> {
    match ask(home, Request::Stop)? {
        Some(Answer::Stopped) => Ok(true),
        Some(_) => Err(AgentError::Garbled),
        None => Ok(false),
    }
}

/// Asks the agent of this home. None when there is no agent, or it has just ended.
fn ask(home: &Home, request: Request) -> Result<Option<Answer>, AgentError> {
    let Some(mut agent) = Place::of(home)?.connect()? else {
        return Ok(None);
    };
    // One more than an answer has, to see that nothing follows it.
    let mut answer = Zeroizing::new([0; ANSWER_MAX + 1]);
    let heard = agent
        .write_all(&[request.to_byte()])
        .and_then(|()| read_to_end(&mut agent, answer.as_mut_slice()));
    match heard {
        Ok([]) => Ok(None),
        Ok(answer) => Answer::from_bytes(answer)
            .map(Some)
            .ok_or(AgentError::Garbled),
        Err(error) => match error.kind() {
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => Ok(None),
            io::ErrorKind::WouldBlock => Err(AgentError::Stuck),
            _ => Err(AgentError::Io("cannot talk to the agent", error)),
        },
    }
}

/// Reads until the end or until `buffer` is full, and nowhere else, so that no copy of a secret
/// stays behind.
fn read_to_end<'b>(from: &mut impl io::Read, buffer: &'b mut [u8]) -> io::Result<&'b [u8]> {
    let mut length = 0;
    while let Some(free) = buffer.get_mut(length..).filter(|free| !free.is_empty()) {
        match from.read(free) {
            Ok(0) => break,
            Ok(more) => length += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(buffer.get(..length).unwrap_or_default())
}
