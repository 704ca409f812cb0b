//! Time, as a parameter: whoever needs it takes a [`Clock`].

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

use rustix::time::{ClockId, clock_gettime};

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Now, in milliseconds since 1970-01-01 UTC.
    fn now_ms(&self) -> u64;

    /// Milliseconds since some fixed moment. Nobody can set it, and it goes on while the machine
    /// sleeps: for limits on how long something may last.
    fn monotonic_ms(&self) -> u64;
}

/// The machine's own clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct System;

impl Clock for System {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that asks the machine for the time"
    )]
    fn now_ms(&self) -> u64 {
        // A clock before 1970 is as wrong as one at 1970, and is noticed the same way.
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    fn monotonic_ms(&self) -> u64 {
        let since = clock_gettime(ClockId::Boottime);
        let part = |value: i64| u64::try_from(value).unwrap_or_default();
        part(since.tv_sec)
            .saturating_mul(1000)
            .saturating_add(part(since.tv_nsec) / 1_000_000)
    }
}

/// Lets `duration` pass, for a person at a terminal to do something elsewhere.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that waits for people"
)]
pub async fn pause(duration: std::time::Duration) {
    tokio::time::sleep(duration).await;
}

/// A clock that moves only when it is told to. Tests own time through it.
#[derive(Debug, Default)]
pub struct Manual(AtomicU64);

impl Manual {
    /// A clock that stands at `now_ms`, in milliseconds since 1970 UTC.
    pub fn new(now_ms: u64) -> Self {
        Self(AtomicU64::new(now_ms))
    }

    /// Moves the clock forward by `by_ms` milliseconds.
    pub fn advance(&self, by_ms: u64) {
        self.0.fetch_add(by_ms, Ordering::SeqCst);
    }

    /// Sets the clock to `now_ms`, forwards or backwards.
    pub fn set(&self, now_ms: u64) {
        self.0.store(now_ms, Ordering::SeqCst);
    }
}

impl Clock for Manual {
    fn now_ms(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    fn monotonic_ms(&self) -> u64 {
        self.now_ms()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_clock_stands_after_2025_and_never_at_the_end_of_time() {
        let now = System.now_ms();
        assert!(now > 1_735_689_600_000, "{now}");
        assert!(now < 32_503_680_000_000, "{now}");
    }

    #[test]
    fn the_monotonic_clock_counts_milliseconds_since_boot() {
        let before = System.monotonic_ms();
        let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
        let after = System.monotonic_ms();
        let seconds: f64 = uptime.split(' ').next().unwrap().parse().unwrap();
        let uptime = std::time::Duration::from_secs_f64(seconds).as_millis();
        // The kernel rounds the text to hundredths of a second.
        assert!(u128::from(before) <= uptime + 20, "{before} {uptime}");
        assert!(u128::from(after) + 20 >= uptime, "{after} {uptime}");
    }

    #[test]
    fn a_manual_clock_moves_only_when_told() {
        let clock = Manual::new(1000);
        assert_eq!((clock.now_ms(), clock.now_ms()), (1000, 1000));
        clock.advance(500);
        assert_eq!((clock.now_ms(), clock.monotonic_ms()), (1500, 1500));
        clock.set(7);
        assert_eq!(clock.now_ms(), 7);
    }
}
