//! What is said to the agent and by it: one byte asks, one answer of fixed size comes back.
//!
//! An answer repeats the byte that asked. Numbers are big-endian milliseconds. Bytes are never
//! given a second meaning: after an update, an old agent may still run.

use std::time::Duration;

use zeroize::Zeroizing;

use super::AgentStatus;
use crate::store::StoreKey;

/// The longest answer: the request's byte and the key.
pub(super) const ANSWER_MAX: usize = 1 + KEY_BYTES;
/// What a new agent is given: the key, the idle limit, the absolute limit.
pub(super) const SETUP_BYTES: usize = KEY_BYTES + 8 + 8;

const KEY_BYTES: usize = 32;

/// What the agent can be asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Request {
    /// The key.
    Key,
    /// How long it stays.
    Status,
    /// To forget it and end.
    Stop,
}

impl Request {
    pub(super) fn to_byte(self) -> u8 {
        match self {
            Self::Key => 1,
            Self::Status => 2,
            Self::Stop => 3,
        }
    }

    /// None when `bytes` is not exactly one request.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [1] => Some(Self::Key),
            [2] => Some(Self::Status),
            [3] => Some(Self::Stop),
            _ => None,
        }
    }
}

/// What the agent says.
pub(super) enum Answer {
    Key(StoreKey),
    Status(AgentStatus),
    Stopped,
}

impl Answer {
    pub(super) fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        // Enough room at once: a vector that grows leaves copies behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(ANSWER_MAX));
        match self {
            Self::Key(key) => {
                bytes.push(Request::Key.to_byte());
                bytes.extend_from_slice(key.as_slice());
            }
            Self::Status(status) => {
                bytes.push(Request::Status.to_byte());
                bytes.extend_from_slice(&in_ms(status.idle).to_be_bytes());
                bytes.extend_from_slice(&in_ms(status.left).to_be_bytes());
            }
            Self::Stopped => bytes.push(Request::Stop.to_byte()),
        }
        bytes
    }

    /// None when `bytes` is not exactly one answer.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (asked, rest) = bytes.split_at_checked(1)?;
        match Request::from_bytes(asked)? {
            Request::Key => read_key(rest).map(Self::Key),
            Request::Status => {
                let (idle, left) = read_durations(rest)?;
                Some(Self::Status(AgentStatus { idle, left }))
            }
            Request::Stop => rest.is_empty().then_some(Self::Stopped),
        }
    }
}

/// What a new agent is given.
pub(super) struct Setup {
    pub(super) key: StoreKey,
    /// How long the key stays when nobody asks for it.
    pub(super) idle: Duration,
    /// How long the key stays at most.
    pub(super) longest: Duration,
}

impl Setup {
    pub(super) fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(SETUP_BYTES));
        bytes.extend_from_slice(self.key.as_slice());
        bytes.extend_from_slice(&in_ms(self.idle).to_be_bytes());
        bytes.extend_from_slice(&in_ms(self.longest).to_be_bytes());
        bytes
    }

    /// None when `bytes` is not exactly a key with two limits.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (key, limits) = bytes.split_at_checked(KEY_BYTES)?;
        let (idle, longest) = read_durations(limits)?;
        Some(Self {
            key: read_key(key)?,
            idle,
            longest,
        })
    }
}

/// Reads bytes as everything that passes the socket: the fuzz target. What is read is written again.
#[cfg(feature = "weaken")]
pub(crate) fn read_anything(bytes: &[u8]) -> bool {
    let request = Request::from_bytes(bytes).map(|it| vec![it.to_byte()]);
    let answer = Answer::from_bytes(bytes).map(|it| it.to_bytes().to_vec());
    let setup = Setup::from_bytes(bytes).map(|it| it.to_bytes().to_vec());
    let mut read = [request, answer, setup].into_iter().flatten().peekable();
    read.peek().is_some() && read.all(|again| again == bytes)
}

fn read_key(bytes: &[u8]) -> Option<StoreKey> {
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    if bytes.len() != KEY_BYTES {
        return None;
    }
    key.copy_from_slice(bytes);
    Some(key)
}

fn read_durations(bytes: &[u8]) -> Option<(Duration, Duration)> {
    let (first, second) = bytes.split_at_checked(8)?;
    let read = |bytes: &[u8]| Some(u64::from_be_bytes(bytes.try_into().ok()?));
    Some((
        Duration::from_millis(read(first)?),
        Duration::from_millis(read(second)?),
    ))
}

/// A limit too long to be written is as good as the longest that can.
pub(super) fn in_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> StoreKey {
        Zeroizing::new(std::array::from_fn(|at| u8::try_from(at).unwrap()))
    }

    #[test]
    fn only_one_known_byte_is_a_request() {
        for request in [Request::Key, Request::Status, Request::Stop] {
            assert_eq!(Request::from_bytes(&[request.to_byte()]), Some(request));
            assert_eq!(Request::from_bytes(&[request.to_byte(), 0]), None);
        }
        for byte in std::iter::once(0).chain(4..=255) {
            assert_eq!(Request::from_bytes(&[byte]), None, "{byte}");
        }
        assert_eq!(Request::from_bytes(&[]), None);
    }

    #[test]
    fn answers_have_one_length_each() {
        let status = AgentStatus {
            idle: Duration::from_mins(15),
            left: Duration::from_millis(1),
        };
        let answers = [Answer::Key(key()), Answer::Status(status), Answer::Stopped];
        for answer in answers {
            let bytes = answer.to_bytes();
            assert!(bytes.len() <= ANSWER_MAX);
            let again = Answer::from_bytes(&bytes).unwrap();
            assert_eq!(again.to_bytes(), bytes);
            assert!(Answer::from_bytes(&bytes[..bytes.len() - 1]).is_none());
            assert!(Answer::from_bytes(&[&bytes[..], &[0]].concat()).is_none());
        }
        let bytes = Answer::Status(status).to_bytes();
        assert_eq!(
            bytes[..],
            [2, 0, 0, 0, 0, 0, 13, 187, 160, 0, 0, 0, 0, 0, 0, 0, 1]
        );
    }

    #[test]
    fn a_setup_has_one_length() {
        let setup = Setup {
            key: key(),
            idle: Duration::from_mins(1),
            longest: Duration::MAX,
        };
        let bytes = setup.to_bytes();
        assert_eq!(bytes.len(), SETUP_BYTES);
        let again = Setup::from_bytes(&bytes).unwrap();
        assert_eq!((&again.key, again.idle), (&setup.key, setup.idle));
        assert_eq!(again.longest, Duration::from_millis(u64::MAX));
        assert!(Setup::from_bytes(&bytes[..SETUP_BYTES - 1]).is_none());
        assert!(Setup::from_bytes(&[&bytes[..], &[0]].concat()).is_none());
    }
}
