//! A witness of every key that seals something, so that a test can show that none seals twice (I7).
//!
//! In MLS every AEAD key is for one message: those of letters, of their senders, of HPKE and of
//! Welcomes. So one that comes again is a ratchet that went back. Compiled in only with the feature
//! `weaken`, which no published binary has.

use std::{cell::RefCell, collections::HashSet};

use valise_proto::statement::sha256;

thread_local! {
    static WITNESS: RefCell<Option<Seen>> = const { RefCell::new(None) };
}

#[derive(Default)]
struct Seen {
    keys: HashSet<[u8; 32]>,
    again: u64,
}

/// From here on this thread remembers which keys sealed something.
pub fn dangerously_witness() {
    WITNESS.set(Some(Seen::default()));
}

/// How many keys this thread has seen sealing, and how often one of them sealed again.
pub fn witnessed() -> (usize, u64) {
    WITNESS.with_borrow(|seen| {
        seen.as_ref()
            .map_or((0, 0), |seen| (seen.keys.len(), seen.again))
    })
}

/// `key` seals something now.
pub(super) fn saw(key: &[u8]) {
    WITNESS.with_borrow_mut(|seen| {
        if let Some(seen) = seen {
            seen.again += u64::from(!seen.keys.insert(sha256(&[key])));
        }
    });
}
