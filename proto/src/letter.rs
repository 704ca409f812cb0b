//! A letter: what only its people may see. It travels padded inside an MLS application message.

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use crate::{
    codec::{self, Bytes, Limited, Malformed, Text, encode},
    id::{Hash, LetterId, Name, ThreadId},
    label,
    statement::sha256,
};

/// How the body is to be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
#[repr(u8)]
pub enum Format {
    /// Plain text.
    Plain = 0,
    /// Markdown, a safe subset of it.
    Markdown = 1,
}

/// One file of the attachment manifest. The ciphertext itself travels beside the letter.
#[derive(Clone, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
pub struct Attachment {
    /// File name as the writer saw it: untrusted.
    pub name: Text<255>,
    /// Plaintext size in bytes.
    pub size: u64,
    /// SHA-256 of the plaintext.
    pub content: Hash,
    /// Where the server keeps the ciphertext, and the key that opens it: 16 and 32 bytes.
    pub blob: Bytes<48>,
}

/// One letter.
#[derive(Clone, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
pub struct Letter {
    /// The letter's id: receivers show an id once (G08).
    pub id: LetterId,
    /// Counts this device's letters in this conversation, from 1: a gap shows (G07).
    pub sequence: u64,
    /// Hash of this device's previous letter here; zero before the first.
    pub previous: Hash,
    /// The thread, which may run through several conversations.
    pub thread: ThreadId,
    /// The letter this one answers.
    pub in_reply_to: Option<LetterId>,
    /// When it was written by its writer's clock: milliseconds since 1970, UTC.
    pub date: u64,
    /// Subject, one line: untrusted.
    pub subject: Text<998>,
    /// To, in the writer's order.
    pub to: Vec<Name>,
    /// Cc, in the writer's order. To, Cc and the writer are exactly the conversation's accounts.
    pub cc: Vec<Name>,
    /// How to read the body.
    pub format: Format,
    /// The text: untrusted.
    pub body: Text<{ 1 << 20 }>,
    /// Attached files.
    pub attachments: Vec<Attachment>,
}

impl Limited for Letter {
    const MAX: usize = 2 << 20;
}

impl Letter {
    /// Largest padded letter in bytes.
    pub const PADDED_MAX: usize = Self::MAX + Self::MAX / 8;

    /// The hash that this device's next letter names as its previous one.
    pub fn hash(&self) -> Hash {
        Hash(sha256(&[label::LETTER, &encode(self)]))
    }

    /// The bytes to encrypt: length (u32), letter, zeros up to a Padmé bucket of at least 256
    /// bytes, so that the size tells little (P02).
    pub fn to_padded(&self) -> Vec<u8> {
        let letter = encode(self);
        let length = u32::try_from(letter.len())
            .unwrap_or(u32::MAX)
            .to_be_bytes();
        let mut padded = [&length[..], &letter].concat();
        padded.resize(padme(padded.len()).max(256), 0);
        padded
    }

    /// Reads what [`Letter::to_padded`] wrote, and nothing else.
    pub fn from_padded(bytes: &[u8]) -> Result<Self, Malformed> {
        let malformed = Malformed { what: "Letter" };
        if bytes.len() > Self::PADDED_MAX {
            return Err(malformed);
        }
        let (length, rest) = bytes.split_first_chunk::<4>().ok_or(malformed)?;
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| malformed)?;
        let letter: Self = codec::decode(rest.get(..length).ok_or(malformed)?)?;
        if letter.to_padded() == bytes {
            Ok(letter)
        } else {
            Err(malformed)
        }
    }
}

/// The Padmé bucket of `length` (Nikitin et al., "Reducing Metadata Leakage from Encrypted Files
/// and Communication with PURBs", 2019): at most 12 % longer, and O(log log n) bits leak.
fn padme(length: usize) -> usize {
    let Some(exponent) = length.checked_ilog2() else {
        return length;
    };
    let kept_bits = exponent.checked_ilog2().map_or(0, |bits| bits + 1);
    let mask = (1_usize << exponent.saturating_sub(kept_bits)) - 1;
    (length + mask) & !mask
}
