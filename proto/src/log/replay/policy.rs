//! What an organisation's rules may be, at the founding and at every change.

use std::{collections::BTreeSet, ops::RangeInclusive};

use super::Refusal;
use crate::{
    key::Ed25519Key,
    letter::Letter,
    log::{checkpoint::is_signer_name, entry::Policy},
};

/// The one MLS ciphersuite: X-Wing, AES-256-GCM, SHA-384, Ed25519.
const SUITE: u16 = 0x004E;

const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;
const YEARS_100_MS: u64 = 36_525 * DAY_MS;

/// Witnesses at most: all their lines fit under one checkpoint.
const WITNESSES_MAX: u64 = 15;

/// The rules are sound.
pub(super) fn check_policy(policy: &Policy) -> Result<(), Refusal> {
    if policy.suite != SUITE {
        return Err(Refusal::Suite(policy.suite));
    }
    let sorted = policy
        .attestation
        .iter()
        .all(|authority| authority.models.is_sorted_by(|left, right| left < right));
    if !sorted {
        return Err(Refusal::UnsortedModels);
    }
    check_limits(policy)?;
    check_witnesses(policy)
}

fn check_limits(policy: &Policy) -> Result<(), Refusal> {
    let letter_max = u64::try_from(Letter::PADDED_MAX).unwrap_or(u64::MAX);
    let witnesses = u64::try_from(policy.witnesses.len()).unwrap_or(u64::MAX);
    let limits: [(&'static str, u64, RangeInclusive<u64>); 7] = [
        (
            "letter_bytes_max",
            policy.letter_bytes_max.into(),
            1..=letter_max,
        ),
        ("session_ms", policy.session_ms, 1..=30 * DAY_MS),
        (
            "session_idle_ms",
            policy.session_idle_ms,
            1..=policy.session_ms,
        ),
        ("retention_ms", policy.retention_ms, 1..=YEARS_100_MS),
        (
            "client_retention_ms",
            policy.client_retention_ms,
            0..=YEARS_100_MS,
        ),
        // Shorter, and a veto would come too late (E07).
        ("recovery_ms", policy.recovery_ms, HOUR_MS..=365 * DAY_MS),
        ("witnesses", witnesses, 0..=WITNESSES_MAX),
    ];
    for (rule, value, range) in limits {
        if !range.contains(&value) {
            let (least, most) = range.into_inner();
            return Err(Refusal::PolicyLimit {
                rule,
                value,
                least,
                most,
            });
        }
    }
    Ok(())
}

/// Each witness is somebody, once, and more than half of them must agree (D19).
fn check_witnesses(policy: &Policy) -> Result<(), Refusal> {
    let (mut names, mut keys) = (BTreeSet::new(), BTreeSet::new());
    for (number, witness) in (1..).zip(&policy.witnesses) {
        if !is_signer_name(witness.name.as_str()) {
            return Err(Refusal::WitnessName { number });
        }
        if Ed25519Key::try_from(witness.key).is_err() {
            return Err(Refusal::WitnessKey { number });
        }
        if !names.insert(&witness.name) || !keys.insert(witness.key) {
            return Err(Refusal::WitnessTwice { number });
        }
    }
    let (witnesses, quorum) = (policy.witnesses.len(), policy.witness_quorum);
    let majority = match usize::from(quorum) {
        0 => witnesses == 0,
        quorum => (witnesses / 2 + 1..=witnesses).contains(&quorum),
    };
    if majority {
        Ok(())
    } else {
        Err(Refusal::WitnessQuorum { quorum, witnesses })
    }
}
