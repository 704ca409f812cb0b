//! An admin who does very much at once: his key may be in other hands, and everybody shall see it (E13).
//!
//! It stops nobody: what he did is in the log and valid, and who goes on writing is told. Each entry is one
//! act, a batch too. What somebody does with his own keys and computers is no act of an admin.

use std::collections::BTreeSet;

use valise_proto::{
    codec::decode,
    id::Name,
    log::{
        entry::{Entry, Fact},
        replay::Directory,
    },
};

use crate::store::{StoreError, Work};

/// More acts of one admin within an hour than this are haste.
const ACTS_MAX: usize = 20;
const HOUR_MS: u64 = 3_600_000;
/// Who reads the log for the first time is told of no haste from before that.
const FIRST_MS: u64 = 24 * HOUR_MS;

/// Counts the acts in these new verified entries, and keeps one event for each admin who was hasty and had
/// not been so in the hour before. Returns what to tell the person.
///
/// An act was done when its signer says; but not before `complete_ms`, when this device had all of the log
/// without it, and not after `now_ms`. So no false date spreads a burst over a week.
pub(super) fn record(
    work: &Work<'_>,
    directory: &Directory,
    complete_ms: Option<u64>,
    now_ms: u64,
    entries: &[(u64, &[u8])],
) -> Result<Vec<String>, StoreError> {
    let Some((first, _)) = entries.first() else {
        return Ok(Vec::new());
    };
    let mut admins = BTreeSet::new();
    let mut newest_ms = 0;
    for (position, entry) in entries {
        let entry: Entry = decode(entry).map_err(|_| StoreError::Damaged("the log"))?;
        let time_ms = entry.statement.time;
        let at_ms = time_ms.max(complete_ms.unwrap_or(0)).min(now_ms);
        if complete_ms.is_none() && now_ms.saturating_sub(at_ms) > FIRST_MS {
            continue;
        }
        newest_ms = newest_ms.max(at_ms);
        for name in actors(directory, &entry) {
            work.add_act(*position, &name, at_ms)?;
            admins.insert(name);
        }
    }
    let mut warnings = Vec::new();
    for name in admins {
        let acts = work.read().acts(&name)?;
        let (old, new): (Vec<_>, Vec<_>) = acts.iter().partition(|(at, _)| at < first);
        let times = |acts: Vec<&(u64, u64)>| acts.iter().map(|(_, ms)| *ms).collect::<Vec<_>>();
        if let Some(count) = haste(&times(old), &times(new)) {
            let detail = format!("admin {name} did {count} acts within an hour");
            work.add_event(now_ms, "admin-haste", true, &detail)?;
            warnings.push(detail);
        }
    }
    work.forget_acts(newest_ms.saturating_sub(2 * HOUR_MS))?;
    Ok(warnings)
}

/// The people who signed this entry for others.
fn actors(directory: &Directory, entry: &Entry) -> BTreeSet<Name> {
    let fact = &entry.statement.fact;
    if matches!(fact, Fact::Genesis(_)) {
        return BTreeSet::new();
    }
    let names = entry
        .signers()
        .filter_map(|id| directory.key(id)?.account.clone());
    names.filter(|name| fact.subject() != Some(name)).collect()
}

/// The most acts within an hour, if the `new` ones, in milliseconds and in order, begin a haste: those
/// `old` ones that were done in the hour before them were not too many already.
fn haste(old: &[u64], new: &[u64]) -> Option<usize> {
    let since_ms = new.first()?.saturating_sub(HOUR_MS);
    let before: Vec<_> = old.iter().copied().filter(|at| *at >= since_ms).collect();
    if before.len() > ACTS_MAX {
        return None;
    }
    let mut all = [&before, new].concat();
    all.sort_unstable();
    let within = |(index, at): (usize, &u64)| {
        let rest = all.iter().skip(index);
        rest.take_while(|later| **later - *at < HOUR_MS).count()
    };
    let most = all.iter().enumerate().map(within).max()?;
    (most > ACTS_MAX).then_some(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `count` acts, one every `each_ms`.
    fn acts(from_ms: u64, count: u64, each_ms: u64) -> Vec<u64> {
        (0..count)
            .map(|number| from_ms + number * each_ms)
            .collect()
    }

    #[test]
    fn e13_more_than_twenty_within_an_hour_are_haste() {
        let minute = 60_000;
        assert_eq!(haste(&[], &[]), None);
        assert_eq!(haste(&[], &acts(0, 20, 0)), None);
        assert_eq!(haste(&[], &acts(0, 21, 0)), Some(21));
        // One every three minutes are twenty an hour, for as long as one likes.
        assert_eq!(haste(&[], &acts(0, 500, 3 * minute)), None);
        assert_eq!(haste(&[], &acts(0, 500, 2 * minute)), Some(30));
        // What came before counts too, if it was within the hour.
        assert_eq!(haste(&acts(0, 15, 0), &acts(10 * minute, 6, 0)), Some(21));
        assert_eq!(haste(&acts(0, 15, 0), &acts(61 * minute, 6, 0)), None);
    }

    #[test]
    fn e13_a_burst_is_told_once() {
        let minute = 60_000;
        let old = acts(0, 23, minute);
        assert_eq!(haste(&old, &acts(30 * minute, 5, minute)), None);
        let later = acts(3 * 60 * minute, 21, minute);
        assert_eq!(haste(&old, &later), Some(21));
    }
}
