//! Time. The only file that asks the machine for it; everything else takes a [`Clock`].

use std::{
    fmt::Debug,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use rustix::time::{ClockId, clock_gettime};
use valise_proto::weaken::checked;

/// Where the server takes time from.
pub trait Clock: Debug + Send + Sync + 'static {
    /// Milliseconds since 1970 UTC.
    fn now_ms(&self) -> u64;

    /// Milliseconds since some fixed moment. Nobody can set it, and it goes on while the machine sleeps.
    fn monotonic_ms(&self) -> u64;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the file that owns the clock"
    )]
    fn now_ms(&self) -> u64 {
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

/// A clock that moves on its own by more than this was set: milliseconds.
const JUMP_MS: u64 = 10 * 60_000;
/// For so long after that it is not believed: milliseconds.
const DOUBT_MS: u64 = 24 * 3_600_000;

/// Whether a clock may be believed when something is to be deleted because it is old. What a clock that ran
/// ahead has deleted does not come back when it is set right.
#[derive(Debug)]
pub struct Jumps {
    clock: Arc<dyn Clock>,
    last: Mutex<Look>,
}

/// What the clock showed, and until when it is doubted, both by what nobody can set.
#[derive(Debug)]
struct Look {
    ahead_ms: i128,
    doubted_until_ms: u64,
}

impl Jumps {
    /// Believes `clock` as it is now.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let last = Look {
            ahead_ms: ahead_ms(&*clock),
            doubted_until_ms: 0,
        };
        Self {
            clock,
            last: Mutex::new(last),
        }
    }

    /// False for a day after the clock was set, forwards or back.
    pub fn none(&self) -> bool {
        let (ahead_ms, monotonic_ms) = (ahead_ms(&*self.clock), self.clock.monotonic_ms());
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let jump_ms = ahead_ms - std::mem::replace(&mut last.ahead_ms, ahead_ms);
        if jump_ms.unsigned_abs() > u128::from(JUMP_MS) {
            last.doubted_until_ms = monotonic_ms.saturating_add(DOUBT_MS);
            let (minutes, shows) = (jump_ms / 60_000, said(self.clock.now_ms()));
            tracing::error!(
                minutes,
                "this machine's clock was set, and shows {shows}: nothing is deleted for being old for a \
                 day, so set it right"
            );
        }
        monotonic_ms >= last.doubted_until_ms || !checked("V12")
    }
}

/// How far the clock is ahead of what nobody can set.
fn ahead_ms(clock: &dyn Clock) -> i128 {
    i128::from(clock.now_ms()) - i128::from(clock.monotonic_ms())
}

/// A time as it stands in names of folders: `20261127T230500Z`.
pub fn utc(ms: u64) -> String {
    timestamp(ms).strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// A time for people: `2026-11-27 23:05 UTC`.
pub fn said(ms: u64) -> String {
    timestamp(ms).strftime("%Y-%m-%d %H:%M UTC").to_string()
}

fn timestamp(ms: u64) -> jiff::Timestamp {
    let ms = i64::try_from(ms).unwrap_or(i64::MAX);
    jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::MAX)
}

/// A clock that tests move.
#[derive(Debug)]
pub struct ManualClock {
    passed_ms: AtomicU64,
    wrong_ms: AtomicI64,
}

impl ManualClock {
    /// A clock that stands at `now_ms`.
    pub fn new(now_ms: u64) -> Self {
        Self {
            passed_ms: AtomicU64::new(now_ms),
            wrong_ms: AtomicI64::new(0),
        }
    }

    /// Moves it forward.
    pub fn advance(&self, ms: u64) {
        self.passed_ms.fetch_add(ms, Ordering::SeqCst);
    }

    /// Sets it wrong by so much, or right again.
    pub fn set_wrong(&self, by_ms: i64) {
        self.wrong_ms.store(by_ms, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now_ms(&self) -> u64 {
        let wrong_ms = self.wrong_ms.load(Ordering::SeqCst);
        self.monotonic_ms().saturating_add_signed(wrong_ms)
    }

    fn monotonic_ms(&self) -> u64 {
        self.passed_ms.load(Ordering::SeqCst)
    }
}
