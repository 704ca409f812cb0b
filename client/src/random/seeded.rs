//! Bytes that a number foretells, so that a simulation can be run again as it was.
//!
//! Compiled in only with the feature `weaken`, which no published binary has.

use std::cell::RefCell;

use valise_proto::statement::sha256;

thread_local! {
    static SEEDED: RefCell<Option<Seeded>> = const { RefCell::new(None) };
}

/// SHA-256 of a seed and a counter.
struct Seeded {
    seed: u64,
    blocks: u64,
}

/// From here on this thread has no randomness, but bytes that follow from `seed`; with none, it has
/// the operating system's again.
pub fn dangerously_seed(seed: Option<u64>) {
    SEEDED.set(seed.map(|seed| Seeded { seed, blocks: 0 }));
}

/// Fills `bytes` if this thread was given a seed.
pub(super) fn fill(bytes: &mut [u8]) -> bool {
    SEEDED.with_borrow_mut(|seeded| {
        let Some(seeded) = seeded else {
            return false;
        };
        for chunk in bytes.chunks_mut(32) {
            let block = sha256(&[&seeded.seed.to_be_bytes(), &seeded.blocks.to_be_bytes()]);
            seeded.blocks += 1;
            chunk.copy_from_slice(block.split_at(chunk.len()).0);
        }
        true
    })
}

#[cfg(test)]
mod tests {
    use super::{super::bytes, *};

    #[test]
    fn a_seed_foretells_everything_and_the_systems_randomness_comes_back() {
        dangerously_seed(Some(7));
        let first: ([u8; 40], [u8; 40]) = (bytes().unwrap(), bytes().unwrap());
        dangerously_seed(Some(7));
        let again: ([u8; 40], [u8; 40]) = (bytes().unwrap(), bytes().unwrap());
        assert_eq!(first, again);
        assert_ne!(first.0, first.1);
        dangerously_seed(None);
        assert_ne!(bytes::<40>().unwrap(), first.0);
    }
}
