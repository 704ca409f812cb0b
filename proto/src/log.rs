//! The directory log: the append-only, hash-tree log of every fact about who is who.
//!
//! Authority comes only from S signatures inside its entries; the server merely orders them. So a
//! lying server can omit, delay or fork, and nothing else, and each of these shows: as a gap, as a
//! stale head, as two heads that cannot both be true.
//!
//! [`entry`] says what a fact is, [`replay`] when it is true, [`merkle`] how the log is hashed,
//! [`checkpoint`] what the server signs, [`witness`] who else signs it and when, [`evidence`] how the
//! server is convicted of two logs.

pub mod checkpoint;
pub mod entry;
pub mod evidence;
pub mod merkle;
pub mod replay;
pub mod witness;

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use crate::{
    codec::{Bytes, Limited},
    id::Hash,
};

/// Size and root of a log: all that two people need to compare.
#[derive(Clone, Copy, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
pub struct Head {
    /// Number of entries.
    pub size: u64,
    /// RFC 9162 §2.1.1 tree hash over the entries' canonical bytes.
    pub root: Hash,
}

impl Limited for Head {
    const MAX: usize = 40;
}

/// The file `genesis.valise` of a founding: the log's first entries, the genesis entry first, then
/// the `account.add` that gives each founding key its name.
#[derive(Clone, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
pub struct GenesisFile {
    /// Canonical entries.
    pub entries: Vec<Bytes<16384>>,
}

impl Limited for GenesisFile {
    const MAX: usize = 64 * 1024;
}
