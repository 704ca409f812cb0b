//! The organisation's rules, at the founding and at every change.

use super::*;
use crate::log::entry::{AttestationAuthority, PolicySet, Witness};

fn witness(text: &str, seed: u8) -> Witness {
    Witness {
        name: text.to_owned().try_into().unwrap(),
        key: SoftDevice::from_seed([seed; 32]).id().0,
    }
}

fn witnessed(witnesses: Vec<Witness>, witness_quorum: u8) -> Policy {
    Policy {
        witnesses,
        witness_quorum,
        ..Policy::default()
    }
}

/// The refusal of a policy: the same for a change and for a founding.
fn refusal(office: &mut Office, policy: Policy) -> Refusal {
    let entry = testing::policy_set(&office.directory, policy.clone(), &[&office.alice]);
    let refusal = office.refusal(&entry);
    let founder = key();
    let genesis = testing::genesis(TAG, URL, &[&founder], policy);
    assert_eq!(Directory::found(&genesis).unwrap_err(), refusal);
    refusal
}

#[test]
fn a_changed_policy_is_the_policy() {
    let mut office = Office::new();
    let policy = Policy {
        session_ms: 3_600_000,
        attestation: vec![AttestationAuthority {
            certificate: vec![1].try_into().unwrap(),
            models: vec![[9; 16]],
        }],
        ..Policy::default()
    };
    office.add(|o| testing::policy_set(&o.directory, policy.clone(), &[&o.alice]));
    assert_eq!(office.directory.policy(), &policy);
    assert_eq!(office.directory.genesis().policy, Policy::default());
    // New keys keep to the new rules; the old ones stay.
    let eve = key();
    let entry = testing::account_add(&office.directory, &name("eve"), &eve, &[&office.alice]);
    assert_eq!(office.refusal(&entry), Refusal::Model(eve.id()));
    let phone = SoftDevice::generate();
    office.add(|o| testing::device_add(&o.directory, &name("bob"), &phone, &o.bob));
}

#[test]
#[expect(clippy::type_complexity, reason = "a plain list of changes")]
fn a_policy_keeps_to_sound_limits_and_to_its_suite() {
    let mut office = Office::new();
    let limits: [(&'static str, fn(&mut Policy)); 11] = [
        ("letter_bytes_max", |it| it.letter_bytes_max = 0),
        ("letter_bytes_max", |it| it.letter_bytes_max = u32::MAX),
        ("session_ms", |it| it.session_ms = 0),
        ("session_ms", |it| it.session_ms = u64::MAX),
        ("session_idle_ms", |it| it.session_idle_ms = 0),
        ("session_idle_ms", |it| {
            it.session_idle_ms = it.session_ms + 1;
        }),
        ("retention_ms", |it| it.retention_ms = 0),
        ("retention_ms", |it| it.retention_ms = u64::MAX),
        ("client_retention_ms", |it| {
            it.client_retention_ms = u64::MAX;
        }),
        ("recovery_ms", |it| it.recovery_ms = 3_599_999),
        ("recovery_ms", |it| it.recovery_ms = u64::MAX),
    ];
    for (limit, change) in limits {
        let mut policy = Policy::default();
        change(&mut policy);
        let refusal = refusal(&mut office, policy);
        assert!(
            matches!(refusal, Refusal::PolicyLimit { rule, .. } if rule == limit),
            "{limit}: {refusal}"
        );
    }
    let suite = Policy {
        suite: 0x0001,
        ..Policy::default()
    };
    assert_eq!(refusal(&mut office, suite), Refusal::Suite(1));
    let unsorted = AttestationAuthority {
        certificate: vec![].try_into().unwrap(),
        models: vec![[2; 16], [1; 16]],
    };
    let policy = Policy {
        attestation: vec![unsorted],
        ..Policy::default()
    };
    assert_eq!(refusal(&mut office, policy), Refusal::UnsortedModels);
}

#[test]
fn d19_more_than_half_of_the_witnesses_must_agree() {
    let mut office = Office::new();
    let all = [witness("w1", 1), witness("w2", 2), witness("w3", 3)];
    for witnesses in 0..=3 {
        for quorum in 0..=5 {
            let policy = witnessed(all[..witnesses].to_vec(), quorum);
            let number = usize::from(quorum);
            if number * 2 > witnesses && number <= witnesses || witnesses == 0 && number == 0 {
                office.add(|o| testing::policy_set(&o.directory, policy, &[&o.alice]));
            } else {
                let refusal = refusal(&mut office, policy);
                assert_eq!(refusal, Refusal::WitnessQuorum { quorum, witnesses });
            }
        }
    }
}

#[test]
fn d19_a_witness_counts_once_and_nobody_signs_for_it() {
    let mut office = Office::new();
    let mut try_witnesses = |witnesses| refusal(&mut office, witnessed(witnesses, 2));
    let twice = Refusal::WitnessTwice { number: 2 };
    assert_eq!(
        try_witnesses(vec![witness("w1", 1), witness("w2", 1)]),
        twice
    );
    assert_eq!(
        try_witnesses(vec![witness("w1", 1), witness("w1", 2)]),
        twice
    );
    let mut weak = witness("w2", 2);
    weak.key = [0; 32];
    let refused = try_witnesses(vec![witness("w1", 1), weak]);
    assert_eq!(refused, Refusal::WitnessKey { number: 2 });
    for bad in ["", "w 1", "w+1", "w\n1", "w\u{1b}"] {
        let refused = try_witnesses(vec![witness(bad, 1), witness("w2", 2)]);
        assert_eq!(refused, Refusal::WitnessName { number: 1 }, "{bad:?}");
    }
}

#[test]
fn d13_a_policy_needs_the_threshold_and_an_admin() {
    let mut office = Office::new();
    let carol = office.second_admin();
    let loose = Policy {
        session_ms: 30 * 86_400_000,
        ..Policy::default()
    };
    let own = testing::policy_set(&office.directory, loose.clone(), &[&office.bob]);
    let refusal = office.refusal(&own);
    assert!(matches!(refusal, Refusal::NoAuthority { .. }), "{refusal}");
    let alone = testing::policy_set(&office.directory, loose.clone(), &[&carol]);
    let refusal = office.refusal(&alone);
    assert!(matches!(refusal, Refusal::Threshold { .. }), "{refusal}");
    let fact = Fact::PolicySet(PolicySet { policy: loose });
    let both = testing::next(&office.directory, fact, &[&office.alice, &carol]);
    office.add(|_| both);
}
