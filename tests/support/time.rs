//! One clock for everybody in a story.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// Time that stands still until it is told to pass. Starts at the machine's present.
#[derive(Clone, Debug)]
pub struct Time(Arc<AtomicU64>);

impl Time {
    pub fn now() -> Self {
        use valise_client::clock::Clock as _;
        Self(Arc::new(AtomicU64::new(
            valise_client::clock::System.now_ms(),
        )))
    }

    pub fn pass(&self, ms: u64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }

    pub fn pass_days(&self, days: u64) {
        self.pass(days * 86_400_000);
    }
}

impl valise_client::clock::Clock for Time {
    fn now_ms(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    fn monotonic_ms(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

impl valise_server::clock::Clock for Time {
    fn now_ms(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}
