//! RFC 9162 §2.1: the hash tree, inclusion and consistency proofs.

use crate::{id::Hash, log::Head};

/// A log's tree: append-only, O(log n) an append. Remembers every root, so that the head an old
/// entry had seen can be checked.
#[derive(Clone, Debug, Default)]
pub struct Tree {}

/// A proof does not prove it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the proof does not lead to the root")]
pub struct PeerBadProof;

/// Hash of one leaf: SHA-256(0x00 ‖ entry).
pub fn leaf_hash(_entry: &[u8]) -> Hash {
    todo!()
}

impl Tree {
    /// Adds a leaf.
    pub fn append(&mut self, _leaf: Hash) {
        todo!()
    }

    /// Number of leaves.
    pub fn size(&self) -> u64 {
        todo!()
    }

    /// The present head.
    pub fn head(&self) -> Head {
        todo!()
    }

    /// The root when the log had `size` entries; `None` beyond the present size.
    pub fn root_at(&self, _size: u64) -> Option<Hash> {
        todo!()
    }

    /// The path from leaf `index` to the root at `size`; `None` out of range.
    pub fn inclusion(&self, _index: u64, _size: u64) -> Option<Vec<Hash>> {
        todo!()
    }

    /// The proof that the log at `new` extends the log at `old`; `None` out of range.
    pub fn consistency(&self, _old: u64, _new: u64) -> Option<Vec<Hash>> {
        todo!()
    }
}

/// Checks that `leaf` is at `index` under `head` (RFC 9162 §2.1.3.2).
pub fn verify_inclusion(
    _leaf: Hash,
    _index: u64,
    _head: Head,
    _path: &[Hash],
) -> Result<(), PeerBadProof> {
    todo!()
}

/// Checks that the log under `new` extends the log under `old` (RFC 9162 §2.1.4.2).
pub fn verify_consistency(_old: Head, _new: Head, _path: &[Hash]) -> Result<(), PeerBadProof> {
    todo!()
}
