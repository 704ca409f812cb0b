//! How long ago somebody said that this log is the newest one (D04).
//!
//! A server that shows yesterday's log hides today's revocations. So its word ages: it is renewed by
//! every look at the log, and when that does not happen, nothing is sent after a day. Where the
//! organisation has witnesses, it is their word that counts, and the server's does not.

use std::iter::repeat;

use valise_proto::{
    codec::Text,
    log::{entry::Policy, witness::quorum_time},
};

use super::Alarm;
use crate::weaken::checked;

/// An older word is asked for again: milliseconds.
const RENEW_MS: u64 = 10 * 60_000;
/// After an older word people are warned: milliseconds.
const LATE_MS: u64 = 2 * 3_600_000;
/// After an older word nothing is sent: milliseconds.
const STALE_MS: u64 = 24 * 3_600_000;
/// Further in the future no word is from, or a server could write tomorrow's today: milliseconds.
const AHEAD_MS: u64 = 10 * 60_000;

/// What the age of the word means.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Freshness {
    /// A moment ago.
    New,
    /// Young enough.
    Fresh,
    /// Warn: nothing was heard for two hours.
    Late,
    /// Send nothing: nothing was heard for a day, or ever.
    Stale,
}

impl Freshness {
    /// Of a word from `said_ms` at `now_ms`, both in milliseconds since 1970.
    pub(super) fn of(said_ms: Option<u64>, now_ms: u64) -> Self {
        match heard(said_ms, now_ms).map(|said| now_ms.saturating_sub(said)) {
            _ if !checked("D04") => Self::New,
            Some(0..=RENEW_MS) => Self::New,
            Some(0..=LATE_MS) => Self::Fresh,
            Some(0..=STALE_MS) => Self::Late,
            _ => Self::Stale,
        }
    }

    /// The name in `valise status`.
    pub fn name(self) -> &'static str {
        match self {
            Self::New | Self::Fresh => "fresh",
            Self::Late => "late",
            Self::Stale => "stale",
        }
    }
}

/// One witness, and when it last signed the log as it is here: milliseconds since 1970.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sighting {
    /// The witness' name.
    pub witness: Text<64>,
    /// When; `None`: never, or dated into the future.
    pub seen_ms: Option<u64>,
}

/// Each witness of `policy`, of whom `seen` says when it signed, by a clock that shows `now_ms`. Of whom it
/// says nothing has not signed.
pub(super) fn sightings(seen: &[Option<u64>], policy: &Policy, now_ms: u64) -> Vec<Sighting> {
    let seen = seen.iter().copied().chain(repeat(None));
    let seen = seen.map(|seconds| {
        let seen_ms = seconds?.saturating_mul(1000);
        (seen_ms <= now_ms.saturating_add(AHEAD_MS)).then_some(seen_ms)
    });
    let names = policy.witnesses.iter().map(|it| it.name.clone());
    let both = names.zip(seen);
    both.map(|(witness, seen_ms)| Sighting { witness, seen_ms })
        .collect()
}

/// When as many witnesses as `policy` asks for had signed: milliseconds since 1970.
pub(super) fn witnessed_ms(seen: &[Option<u64>], policy: &Policy, now_ms: u64) -> Option<u64> {
    let seen = sightings(seen, policy, now_ms);
    let times = seen.into_iter().filter_map(|it| it.seen_ms);
    quorum_time(times, policy.witness_quorum)
}

/// The word, unless it is from the future: this device's clock may have been wrong when it was taken.
pub(super) fn heard(said_ms: Option<u64>, now_ms: u64) -> Option<u64> {
    said_ms.filter(|said| *said <= now_ms.saturating_add(AHEAD_MS))
}

/// Milliseconds, of a cosignature's seconds. Refused when they are from the future.
pub(super) fn said_ms(seconds: u64, now_ms: u64) -> Result<u64, Alarm> {
    let said_ms = seconds.saturating_mul(1000);
    let ahead_ms = said_ms.saturating_sub(now_ms);
    if ahead_ms > AHEAD_MS {
        let minutes = ahead_ms.div_ceil(60_000);
        return Err(Alarm::FutureLog { minutes });
    }
    Ok(said_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000_000;

    #[test]
    fn d04_a_word_ages() {
        let hour = 3_600_000;
        for (age, freshness) in [
            (0, Freshness::New),
            (10 * 60_000, Freshness::New),
            (10 * 60_000 + 1, Freshness::Fresh),
            (2 * hour, Freshness::Fresh),
            (2 * hour + 1, Freshness::Late),
            (24 * hour, Freshness::Late),
            (24 * hour + 1, Freshness::Stale),
        ] {
            assert_eq!(Freshness::of(Some(NOW - age), NOW), freshness, "{age}");
        }
        assert_eq!(Freshness::of(None, NOW), Freshness::Stale);
        assert_eq!(Freshness::of(Some(NOW + AHEAD_MS), NOW), Freshness::New);
        assert_eq!(
            Freshness::of(Some(NOW + AHEAD_MS + 1), NOW),
            Freshness::Stale
        );
    }

    #[test]
    fn d04_no_word_is_from_the_future() {
        let now = NOW / 1000;
        assert_eq!(said_ms(now + 600, NOW), Ok(NOW + 600_000));
        let minutes = |seconds| {
            said_ms(seconds, NOW).map_err(|alarm| match alarm {
                Alarm::FutureLog { minutes } => minutes,
                other => panic!("{other}"),
            })
        };
        assert_eq!(minutes(now + 601), Err(11));
        assert_eq!(minutes(now + 86_400), Err(1440));
        assert!(minutes(u64::MAX).is_err());
    }
}
