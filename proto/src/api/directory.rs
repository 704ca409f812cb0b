//! Reading the log and appending to it, with proofs.

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use crate::{
    codec::{Bytes, Limited, Text},
    id::Hash,
    log::entry::Entry,
};

/// Entries `from..`, as many as fit, under a signed checkpoint.
#[derive(Clone, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
pub struct Page {
    /// Signed note over the head at `from + entries.len()` when this page reaches the end, else
    /// over the end; see [`crate::log::checkpoint`].
    pub checkpoint: Text<4096>,
    /// Proof that the checkpoint extends the log of size `old` (query): empty when `old` is 0.
    pub consistency: Vec<Hash>,
    /// Canonical entries.
    pub entries: Vec<Bytes<{ Entry::MAX }>>,
}

impl Limited for Page {
    const MAX: usize = 2 << 20;
}

/// An entry is in the log.
#[derive(Clone, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
pub struct Appended {
    /// Where. The same entry sent again answers the same index.
    pub index: u64,
    /// Signed note of a head that holds it.
    pub checkpoint: Text<4096>,
    /// Path from the entry to the checkpoint's root.
    pub inclusion: Vec<Hash>,
}

impl Limited for Appended {
    const MAX: usize = 8192;
}
