//! One clock for everybody in a story, or clocks that differ.

use std::sync::{
    Arc,
    atomic::{AtomicI64, AtomicU64, Ordering},
};

use valise_client::clock::Clock as _;

/// Time that passes when it is told to. Starts at the machine's present.
#[derive(Clone, Debug)]
pub struct Time {
    passed_ms: Arc<AtomicU64>,
    /// When it stands still between two words; none when the machine's own time runs below it.
    still_ms: Option<u64>,
    /// How far this clock is wrong: milliseconds.
    skew: Arc<AtomicI64>,
}

impl Time {
    /// Stands still until it is told to pass.
    pub fn still() -> Self {
        Self::still_at(valise_client::clock::System.now_ms())
    }

    /// Stands still at `now_ms` until it is told to pass.
    pub fn still_at(now_ms: u64) -> Self {
        Self {
            passed_ms: Arc::default(),
            still_ms: Some(now_ms),
            skew: Arc::default(),
        }
    }

    /// Another clock for the same time, which can be set wrong by itself.
    pub fn another(&self) -> Self {
        Self {
            skew: Arc::default(),
            ..self.clone()
        }
    }

    /// Sets this clock wrong by so much, or right again.
    pub fn set_wrong(&self, by_ms: i64) {
        self.skew.store(by_ms, Ordering::SeqCst);
    }

    /// How much has passed since the beginning.
    pub fn passed_ms(&self) -> u64 {
        self.passed_ms.load(Ordering::SeqCst)
    }

    /// So much has passed since the beginning.
    pub fn has_passed(&self, ms: u64) {
        self.passed_ms.store(ms, Ordering::SeqCst);
    }

    /// Runs with the machine's: for stories with real processes.
    pub fn running() -> Self {
        Self {
            passed_ms: Arc::default(),
            still_ms: None,
            skew: Arc::default(),
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

    fn shown_ms(&self) -> u64 {
        let skew_ms = self.skew.load(Ordering::SeqCst);
        self.present_ms().saturating_add_signed(skew_ms)
    }
}

impl valise_client::clock::Clock for Time {
    fn now_ms(&self) -> u64 {
        self.shown_ms()
    }

    fn monotonic_ms(&self) -> u64 {
        self.present_ms()
    }
}

impl valise_server::clock::Clock for Time {
    fn now_ms(&self) -> u64 {
        self.shown_ms()
    }

    fn monotonic_ms(&self) -> u64 {
        self.present_ms()
    }
}
