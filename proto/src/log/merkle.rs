//! RFC 9162 §2.1: the hash tree, inclusion and consistency proofs.

use crate::{id::Hash, log::Head, statement::sha256};

/// A log's tree: append-only, O(log n) an append. Remembers every root, so that the head an old
/// entry had seen can be checked.
///
/// It keeps the hash of every complete subtree, two hashes an entry: any old root, and any proof,
/// is then O(log² n) look-ups and hashes.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Tree {
    /// `levels[k][i]` is the hash of the complete subtree over leaves `i·2^k .. (i+1)·2^k`.
    levels: Vec<Vec<Hash>>,
}

/// A proof does not prove it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the proof does not lead to the root")]
pub struct PeerBadProof;

/// Hash of one leaf: SHA-256(0x00 ‖ entry).
pub fn leaf_hash(entry: &[u8]) -> Hash {
    Hash(sha256(&[&[0], entry]))
}

/// Hash of an inner node: SHA-256(0x01 ‖ left ‖ right).
fn node_hash(left: Hash, right: Hash) -> Hash {
    Hash(sha256(&[&[1], &left.0, &right.0]))
}

/// Root of the empty tree: SHA-256 of nothing.
fn empty_root() -> Hash {
    Hash(sha256(&[]))
}

impl Tree {
    /// Adds a leaf.
    pub fn append(&mut self, leaf: Hash) {
        let mut hash = leaf;
        for level in 0.. {
            if self.levels.len() == level {
                self.levels.push(Vec::new());
            }
            let Some(nodes) = self.levels.get_mut(level) else {
                return;
            };
            let left = nodes.last().copied();
            nodes.push(hash);
            match left {
                Some(left) if nodes.len().is_multiple_of(2) => hash = node_hash(left, hash),
                _ => return,
            }
        }
    }

    /// Number of leaves.
    pub fn size(&self) -> u64 {
        let leaves = self.levels.first().map_or(0, Vec::len);
        u64::try_from(leaves).unwrap_or(u64::MAX)
    }

    /// The present head.
    pub fn head(&self) -> Head {
        let size = self.size();
        Head {
            size,
            root: self.root_at(size).unwrap_or_else(empty_root),
        }
    }

    /// The root when the log had `size` entries; `None` beyond the present size.
    pub fn root_at(&self, size: u64) -> Option<Hash> {
        if size == 0 {
            return Some(empty_root());
        }
        self.subtree(0, size)
    }

    /// The path from leaf `index` to the root at `size`; `None` out of range.
    pub fn inclusion(&self, index: u64, size: u64) -> Option<Vec<Hash>> {
        if index >= size || size > self.size() {
            return None;
        }
        let (mut start, mut count) = (0, size);
        let mut path = Vec::new();
        while count > 1 {
            let left = split(count);
            if index - start < left {
                path.push(self.subtree(start + left, count - left)?);
                count = left;
            } else {
                path.push(self.subtree(start, left)?);
                start += left;
                count -= left;
            }
        }
        path.reverse();
        Some(path)
    }

    /// The proof that the log at `new` extends the log at `old`; `None` out of range.
    pub fn consistency(&self, old: u64, new: u64) -> Option<Vec<Hash>> {
        if old > new || new > self.size() {
            return None;
        }
        let mut path = Vec::new();
        if old == 0 {
            return Some(path);
        }
        let (mut start, mut count) = (0, new);
        while start + count != old {
            let left = split(count);
            if old - start <= left {
                path.push(self.subtree(start + left, count - left)?);
                count = left;
            } else {
                path.push(self.subtree(start, left)?);
                start += left;
                count -= left;
            }
        }
        if start > 0 {
            // The verifier knows the old root, but not this part of it.
            path.push(self.subtree(start, count)?);
        }
        path.reverse();
        Some(path)
    }

    /// The tree hash over `count` ≥ 1 leaves from `start`, as the RFC's recursion cuts them:
    /// complete subtrees from left to right, ever smaller, folded from the right.
    fn subtree(&self, start: u64, count: u64) -> Option<Hash> {
        let mut complete = Vec::new();
        let (mut start, mut count) = (start, count);
        while let Some(level) = count.checked_ilog2() {
            let nodes = self.levels.get(usize::try_from(level).ok()?)?;
            complete.push(*nodes.get(usize::try_from(start >> level).ok()?)?);
            start += 1 << level;
            count -= 1 << level;
        }
        let right = complete.pop()?;
        Some(
            complete
                .into_iter()
                .rfold(right, |right, left| node_hash(left, right)),
        )
    }
}

/// The largest power of two smaller than `count`, which is at least 2.
fn split(count: u64) -> u64 {
    1 << (count - 1).ilog2()
}

/// How many steps of the path from leaf `index` lie below the point where it meets the right edge
/// of a tree of `size` leaves, and how many hashes follow on that edge.
fn path_parts(index: u64, size: u64) -> (u32, u32) {
    let inner = u64::BITS - (index ^ (size - 1)).leading_zeros();
    let border = index.checked_shr(inner).unwrap_or(0).count_ones();
    (inner, border)
}

/// Checks that `leaf` is at `index` under `head` (RFC 9162 §2.1.3.2).
pub fn verify_inclusion(
    leaf: Hash,
    index: u64,
    head: Head,
    path: &[Hash],
) -> Result<(), PeerBadProof> {
    if index >= head.size {
        return Err(PeerBadProof);
    }
    let (inner, border) = path_parts(index, head.size);
    let (inner_path, border_path) = split_path(path, inner, border)?;
    let below = chain(leaf, inner_path, index);
    let root = chain_right(below, border_path);
    if root == head.root {
        Ok(())
    } else {
        Err(PeerBadProof)
    }
}

/// Checks that the log under `new` extends the log under `old` (RFC 9162 §2.1.4.2).
///
/// Everything extends the empty log, whose root is the SHA-256 of nothing; a head extends itself
/// only. Both proofs are empty.
pub fn verify_consistency(old: Head, new: Head, path: &[Hash]) -> Result<(), PeerBadProof> {
    let sound = if old.size == new.size {
        path.is_empty() && old.root == new.root
    } else if old.size == 0 {
        path.is_empty() && old.root == empty_root()
    } else {
        return verify_growth(old, new, path);
    };
    if sound { Ok(()) } else { Err(PeerBadProof) }
}

/// [`verify_consistency`] from a log that is not empty to another size.
fn verify_growth(old: Head, new: Head, path: &[Hash]) -> Result<(), PeerBadProof> {
    if grown(old, new, path)? == old.root {
        Ok(())
    } else {
        Err(PeerBadProof)
    }
}

/// The root that the log under `new` had at `size`, if `path` proves it without knowing that root: of any
/// `size` that is no power of two.
pub fn root_before(size: u64, new: Head, path: &[Hash]) -> Result<Hash, PeerBadProof> {
    if size == new.size && path.is_empty() {
        return Ok(new.root);
    }
    if size == 0 || size.is_power_of_two() {
        return Err(PeerBadProof);
    }
    let root = Hash([0; 32]);
    grown(Head { size, root }, new, path)
}

/// The root at the size of `old` that `path` proves under `new`; the one of `old` is believed where its size
/// is a power of two.
fn grown(old: Head, new: Head, path: &[Hash]) -> Result<Hash, PeerBadProof> {
    if old.size > new.size {
        return Err(PeerBadProof);
    }
    // The path starts at the largest complete subtree at the old log's right edge. When that is
    // the whole old log, its root is known and not in the proof.
    let (inner, border) = path_parts(old.size - 1, new.size);
    let level = old.size.trailing_zeros();
    let inner = inner.checked_sub(level).ok_or(PeerBadProof)?;
    let (seed, path) = if old.size.is_power_of_two() {
        (old.root, path)
    } else {
        let (seed, rest) = path.split_first().ok_or(PeerBadProof)?;
        (*seed, rest)
    };
    let (inner_path, border_path) = split_path(path, inner, border)?;
    let index = (old.size - 1) >> level;
    let left_of_old = inner_path
        .iter()
        .enumerate()
        .filter(|(level, _)| index >> level & 1 == 1)
        .map(|(_, hash)| hash);
    let old_root = chain_right(chain_right(seed, left_of_old), border_path);
    let new_root = chain_right(chain(seed, inner_path, index), border_path);
    if new_root == new.root {
        Ok(old_root)
    } else {
        Err(PeerBadProof)
    }
}

/// Cuts a path in its two parts; refuses a path of any other length.
fn split_path(path: &[Hash], inner: u32, border: u32) -> Result<(&[Hash], &[Hash]), PeerBadProof> {
    let inner = usize::try_from(inner).map_err(|_| PeerBadProof)?;
    let border = usize::try_from(border).map_err(|_| PeerBadProof)?;
    if path.len() != inner + border {
        return Err(PeerBadProof);
    }
    path.split_at_checked(inner).ok_or(PeerBadProof)
}

/// Climbs from `hash`, node `index` of its level: each bit says on which side the sibling is.
fn chain(hash: Hash, path: &[Hash], index: u64) -> Hash {
    path.iter()
        .enumerate()
        .fold(hash, |hash, (level, sibling)| {
            if index >> level & 1 == 0 {
                node_hash(hash, *sibling)
            } else {
                node_hash(*sibling, hash)
            }
        })
}

/// Climbs from `hash` where every sibling is on the left.
fn chain_right<'a>(hash: Hash, path: impl IntoIterator<Item = &'a Hash>) -> Hash {
    path.into_iter()
        .fold(hash, |hash, sibling| node_hash(*sibling, hash))
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;
    use proptest::prelude::*;

    use super::*;

    /// The eight leaves that RFC 6962's reference implementation tests with.
    const LEAVES: [&str; 8] = [
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    ];

    /// Roots after 0 to 8 of them, from the same place.
    const ROOTS: [&str; 9] = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];

    fn leaf(index: u64) -> Hash {
        leaf_hash(&index.to_be_bytes())
    }

    fn tree(size: u64) -> Tree {
        let mut tree = Tree::default();
        for index in 0..size {
            tree.append(leaf(index));
        }
        tree
    }

    fn head(tree: &Tree, size: u64) -> Head {
        Head {
            size,
            root: tree.root_at(size).unwrap(),
        }
    }

    fn flip(hash: &mut Hash, bit: usize) {
        hash.0[bit / 8] ^= 1 << (bit % 8);
    }

    #[test]
    fn the_reference_roots() {
        let mut tree = Tree::default();
        assert_eq!(HEXLOWER.encode(&tree.head().root.0), ROOTS[0]);
        for (leaf, root) in LEAVES.iter().zip(&ROOTS[1..]) {
            tree.append(leaf_hash(&HEXLOWER.decode(leaf.as_bytes()).unwrap()));
            assert_eq!(HEXLOWER.encode(&tree.head().root.0), *root);
        }
        for (size, root) in (0..).zip(ROOTS) {
            assert_eq!(HEXLOWER.encode(&tree.root_at(size).unwrap().0), root);
        }
        assert_eq!(tree.root_at(9), None);
    }

    #[test]
    fn every_proof_to_size_64_verifies_and_has_one_length() {
        let tree = tree(64);
        for size in 0..=64 {
            for index in 0..size {
                let head = head(&tree, size);
                let path = tree.inclusion(index, size).unwrap();
                assert_eq!(verify_inclusion(leaf(index), index, head, &path), Ok(()));
                let mut longer = path.clone();
                longer.push(head.root);
                assert!(verify_inclusion(leaf(index), index, head, &longer).is_err());
                for end in 0..path.len() {
                    assert!(verify_inclusion(leaf(index), index, head, &path[..end]).is_err());
                }
            }
            for old in 0..=size {
                let (old, new) = (head(&tree, old), head(&tree, size));
                let path = tree.consistency(old.size, new.size).unwrap();
                assert_eq!(verify_consistency(old, new, &path), Ok(()));
                let mut longer = path.clone();
                longer.push(new.root);
                assert!(verify_consistency(old, new, &longer).is_err());
                for end in 0..path.len() {
                    assert!(verify_consistency(old, new, &path[..end]).is_err());
                }
            }
        }
    }

    #[test]
    fn every_flipped_bit_of_a_proof_is_refused() {
        let tree = tree(23);
        for size in 1..=23 {
            for index in 0..size {
                let path = tree.inclusion(index, size).unwrap();
                for bit in 0..path.len() * 256 {
                    let mut path = path.clone();
                    flip(&mut path[bit / 256], bit % 256);
                    let head = head(&tree, size);
                    assert!(verify_inclusion(leaf(index), index, head, &path).is_err());
                }
            }
        }
        for (old, new) in [(1, 2), (3, 7), (6, 8), (7, 23), (8, 23), (16, 17), (22, 23)] {
            let path = tree.consistency(old, new).unwrap();
            let (old, new) = (head(&tree, old), head(&tree, new));
            for bit in 0..path.len() * 256 {
                let mut path = path.clone();
                flip(&mut path[bit / 256], bit % 256);
                assert!(verify_consistency(old, new, &path).is_err());
            }
        }
    }

    #[test]
    fn what_is_out_of_range_has_no_proof() {
        let tree = tree(5);
        assert_eq!(tree.inclusion(5, 5), None);
        assert_eq!(tree.inclusion(0, 6), None);
        assert_eq!(tree.consistency(3, 2), None);
        assert_eq!(tree.consistency(3, 6), None);
        assert_eq!(tree.consistency(0, 5), Some(vec![]));
        assert_eq!(tree.consistency(5, 5), Some(vec![]));
    }

    #[test]
    fn sizes_at_the_edge_of_u64_do_not_panic() {
        for (old, new) in [(u64::MAX - 1, u64::MAX), (1 << 63, u64::MAX), (1, u64::MAX)] {
            let root = Hash([7; 32]);
            for length in 0..130 {
                let path = vec![root; length];
                let (old, new) = (Head { size: old, root }, Head { size: new, root });
                assert!(verify_consistency(old, new, &path).is_err());
                assert!(verify_inclusion(root, old.size, new, &path).is_err());
            }
        }
    }

    proptest! {
        #[test]
        fn another_leaf_index_size_or_root_is_refused(
            size in 2_u64..=64, a in any::<u64>(), b in any::<u64>(), bit in 0_usize..256,
        ) {
            let tree = tree(64);
            let (index, other) = (a % size, b % size);
            let path = tree.inclusion(index, size).unwrap();
            let whole = head(&tree, size);
            let mut wrong = whole;
            flip(&mut wrong.root, bit);
            prop_assert!(verify_inclusion(leaf(index), index, wrong, &path).is_err());
            if other != index {
                prop_assert!(verify_inclusion(leaf(other), index, whole, &path).is_err());
                prop_assert!(verify_inclusion(leaf(index), other, whole, &path).is_err());
                let path = tree.consistency(index.min(other), size).unwrap();
                let wrong_size = Head { size: index.max(other), ..head(&tree, index.min(other)) };
                prop_assert!(verify_consistency(wrong_size, whole, &path).is_err());
            }
            let path = tree.consistency(index, size).unwrap();
            prop_assert!(verify_consistency(head(&tree, index), wrong, &path).is_err() || index == 0);
            let mut wrong = head(&tree, index);
            flip(&mut wrong.root, bit);
            prop_assert!(verify_consistency(wrong, whole, &path).is_err());
        }
    }
}
