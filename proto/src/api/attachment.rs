//! Attached files: ciphertext that the server keeps beside the letters, see [`crate::attachment`].
//!
//! Contract. (1) An id is known only to whoever knows the file's key; whoever names it may read it. (2)
//! Only the device that began an upload goes on with it. (3) An upload is written from its beginning on,
//! without gaps; what an answer counts is on disk. Bytes for another place change nothing, and the answer
//! says where to go on: so whatever is cut is sent again. (4) It can be read once it is whole.

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use super::ATTACHMENT;
use crate::{codec::Limited, id::AttachmentId};

/// Largest part of a file in one request or answer: bytes.
pub const RANGE_MAX: usize = 4 << 20;
/// Smallest part in one request, but for the last: bytes.
pub const RANGE_MIN: usize = 64 << 10;

/// Begins an upload, or asks how far it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
pub struct Begin {
    /// Size of the whole ciphertext: bytes.
    pub size: u64,
}

impl Limited for Begin {
    const MAX: usize = 8;
}

/// So much of the upload is on disk.
#[derive(Clone, Copy, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
pub struct Stored {
    /// Bytes from its beginning.
    pub bytes: u64,
}

impl Limited for Stored {
    const MAX: usize = 8;
}

/// Where the file of this id is.
pub fn path(id: AttachmentId) -> String {
    ATTACHMENT.replace("{id}", &id.to_string())
}

/// The query of a part that is sent.
pub fn at(offset: u64) -> String {
    format!("at={offset}")
}

/// Reads [`at`], and no other spelling.
pub fn parse_at(query: &str) -> Option<u64> {
    let offset = query.strip_prefix("at=")?.parse().ok()?;
    (at(offset) == query).then_some(offset)
}

/// The query of a part that is read.
pub fn range(offset: u64, length: usize) -> String {
    format!("at={offset}&length={length}")
}

/// Reads [`range()`], and no other spelling.
pub fn parse_range(query: &str) -> Option<(u64, usize)> {
    let (offset, length) = query.strip_prefix("at=")?.split_once("&length=")?;
    let (offset, length) = (offset.parse().ok()?, length.parse().ok()?);
    (length <= RANGE_MAX && range(offset, length) == query).then_some((offset, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_has_one_spelling() {
        assert_eq!(parse_at("at=7"), Some(7));
        assert_eq!(parse_range("at=7&length=4194304"), Some((7, RANGE_MAX)));
        for bad in ["", "at=", "at=07", "at=+7", "at=-1", "at=7&length=1", "7"] {
            assert_eq!(parse_at(bad), None, "{bad}");
        }
        for bad in [
            "",
            "at=7",
            "at=7&length=",
            "at=7&length=4194305",
            "length=1&at=7",
            "at=7&length=01",
        ] {
            assert_eq!(parse_range(bad), None, "{bad}");
        }
        let id = AttachmentId([1; 16]);
        assert_eq!(path(id), format!("/v1/attachments/{id}"));
    }
}
