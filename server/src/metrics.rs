//! What the server counts while it works, and how Prometheus reads it (text format 0.0.4).
//!
//! Numbers only: no name, no id and no address is ever a label.

use std::{
    fmt::Write as _,
    sync::atomic::{AtomicU64, Ordering},
};

/// Upper bounds of the buckets: seconds.
const BOUNDS: [f64; 10] = [
    0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 60.0, 600.0, 3_600.0, 86_400.0,
];

/// One number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// How many so far.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How long something took, each time.
#[derive(Debug, Default)]
pub struct Durations {
    /// How many took so long at most, for each of [`BOUNDS`].
    buckets: [Counter; BOUNDS.len()],
    count: Counter,
    sum_ms: AtomicU64,
}

impl Durations {
    /// It took `ms` this time.
    pub fn add(&self, ms: u64) {
        for (bound, bucket) in BOUNDS.iter().zip(&self.buckets) {
            if seconds(ms) <= *bound {
                bucket.add();
            }
        }
        self.count.add();
        self.sum_ms.fetch_add(ms, Ordering::Relaxed);
    }
}

/// What delivery counts.
#[derive(Debug, Default)]
pub struct Counts {
    /// Letters accepted, on disk.
    pub letters: Counter,
    /// Commits accepted, on disk.
    pub commits: Counter,
    /// Acknowledgements taken.
    pub acks: Counter,
    /// Letters and commits that came too late for their group's epoch: their device tries again.
    pub stale: Counter,
    /// Transactions that the database did not take: none of their writes was acknowledged.
    pub failed: Counter,
    /// From a message's coming to its acknowledgement by a device.
    pub lag: Durations,
}

/// Milliseconds as seconds.
pub fn seconds(ms: u64) -> f64 {
    std::time::Duration::from_millis(ms).as_secs_f64()
}

/// A page that Prometheus reads.
#[derive(Debug, Default)]
pub struct Page(String);

impl Page {
    /// A number that goes up and down.
    pub fn gauge(&mut self, name: &str, help: &str, value: f64) {
        self.one("gauge", name, help, value);
    }

    /// A number that only grows.
    pub fn counter(&mut self, name: &str, help: &str, counter: &Counter) {
        self.head("counter", name, help);
        let _written = writeln!(self.0, "valise_{name} {}", counter.get());
    }

    /// How long something took.
    pub fn durations(&mut self, name: &str, help: &str, durations: &Durations) {
        self.head("histogram", name, help);
        // Read before the buckets: what comes meanwhile is in none of them more than here.
        let count = durations.count.get();
        for (bound, bucket) in BOUNDS.iter().zip(&durations.buckets) {
            let value = bucket.get().min(count);
            let _written = writeln!(self.0, "valise_{name}_bucket{{le=\"{bound}\"}} {value}");
        }
        let sum = seconds(durations.sum_ms.load(Ordering::Relaxed));
        let _written = writeln!(
            self.0,
            "valise_{name}_bucket{{le=\"+Inf\"}} {count}\nvalise_{name}_sum {sum}\nvalise_{name}_count {count}"
        );
    }

    /// The text.
    pub fn into_text(self) -> String {
        self.0
    }

    fn one(&mut self, kind: &str, name: &str, help: &str, value: f64) {
        self.head(kind, name, help);
        let _written = writeln!(self.0, "valise_{name} {value}");
    }

    fn head(&mut self, kind: &str, name: &str, help: &str) {
        let _written = writeln!(
            self.0,
            "# HELP valise_{name} {help}\n# TYPE valise_{name} {kind}"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_hold_what_took_so_long_at_most() {
        let durations = Durations::default();
        for ms in [1, 5, 6, 3_000, 100_000_000] {
            durations.add(ms);
        }
        let mut page = Page::default();
        page.durations("lag_seconds", "Lag.", &durations);
        let text = page.into_text();
        for line in [
            "# TYPE valise_lag_seconds histogram",
            "valise_lag_seconds_bucket{le=\"0.005\"} 2",
            "valise_lag_seconds_bucket{le=\"0.02\"} 3",
            "valise_lag_seconds_bucket{le=\"86400\"} 4",
            "valise_lag_seconds_bucket{le=\"+Inf\"} 5",
            "valise_lag_seconds_count 5",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}: {text}");
        }
    }
}
