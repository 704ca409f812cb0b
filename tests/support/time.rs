//! One clock for everybody in a story.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use valise_client::clock::Clock as _;

/// Time that passes when it is told to. Starts at the machine's present.
#[derive(Clone, Debug)]
pub struct Time {
    passed_ms: Arc<AtomicU64>,
    /// When it stands still between two words; none when the machine's own time runs below it.
    still_ms: Option<u64>,
}

impl Time {
    /// Stands still until it is told to pass.
    pub fn still() -> Self {
        Self {
            passed_ms: Arc::default(),
            still_ms: Some(valise_client::clock::System.now_ms()),
        }
    }

    /// Runs with the machine's: for stories with real processes.
    pub fn running() -> Self {
        Self {
            passed_ms: Arc::default(),
            still_ms: None,
        }
    }

    pub fn stands_still(&self) -> bool {
        self.still_ms.is_some()
    }

    pub fn pass(&self, ms: u64) {
        self.passed_ms.fetch_add(ms, Ordering::SeqCst);
    }

    pub fn pass_minutes(&self, minutes: u64) {
        self.pass(minutes * 60_000);
    }

    pub fn pass_days(&self, days: u64) {
        self.pass(days * 86_400_000);
    }

    fn present_ms(&self) -> u64 {
        let base = self
            .still_ms
            .unwrap_or_else(|| valise_client::clock::System.now_ms());
        base + self.passed_ms.load(Ordering::SeqCst)
    }
}

impl valise_client::clock::Clock for Time {
    fn now_ms(&self) -> u64 {
        self.present_ms()
    }

    fn monotonic_ms(&self) -> u64 {
        self.present_ms()
    }
}

impl valise_server::clock::Clock for Time {
    fn now_ms(&self) -> u64 {
        self.present_ms()
    }
}
