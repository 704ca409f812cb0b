//! Admins: who makes and unmakes them, how many must agree, and that enough are always left.

use super::*;
use crate::log::entry::{AdminRemove, ThresholdSet};

fn below(kind: &'static str, needed: usize, found: usize) -> Refusal {
    Refusal::Threshold {
        kind,
        needed,
        found,
    }
}

#[test]
fn e10_the_last_admin_stays() {
    let mut office = Office::new();
    let alice = name("alice");
    for (kind, entry) in [
        (
            "account.suspend",
            testing::account_suspend(&office.directory, &alice, &[&office.alice]),
        ),
        (
            "admin.remove",
            testing::admin_remove(&office.directory, &alice, &[&office.alice]),
        ),
    ] {
        let (left, needed) = (0, 1);
        let refusal = Refusal::TooFewAdmins { kind, left, needed };
        assert_eq!(office.refusal(&entry), refusal);
    }
    let only = office.alice.id();
    let entry = testing::key_revoke(&office.directory, &alice, only, &[&office.alice]);
    assert_eq!(office.refusal(&entry), Refusal::OwnLastKey(alice));
}

#[test]
fn e10_as_many_admins_stay_as_must_sign() {
    let mut office = Office::new();
    let carol = office.second_admin();
    let carols = name("carol");
    // Two admins, and two must sign: neither can go, however many agree.
    let refused = |kind| Refusal::TooFewAdmins {
        kind,
        left: 1,
        needed: 2,
    };
    let both = [&office.alice, &carol];
    let directory = &office.directory;
    let entries = [
        (
            "account.suspend",
            testing::account_suspend(directory, &carols, &both),
        ),
        (
            "admin.remove",
            testing::admin_remove(directory, &carols, &both),
        ),
    ];
    for (kind, entry) in entries {
        assert_eq!(office.refusal(&entry), refused(kind));
    }
    // With a third there is room for one, and no more.
    let dave = office.third_admin(&carol);
    assert_eq!(office.directory.able_admins(), 3);
    let by = [&office.alice, &dave];
    let last = testing::key_revoke(&office.directory, &carols, carol.id(), &by);
    office.add(|_| last);
    assert_eq!(office.directory.able_admins(), 2);
    let by = [&office.alice, &dave];
    let last = testing::key_revoke(&office.directory, &name("alice"), by[0].id(), &[&dave]);
    assert_eq!(office.refusal(&last), below("key.revoke", 2, 1));
    let entry = testing::admin_remove(&office.directory, &name("dave"), &[&office.alice, &dave]);
    assert_eq!(office.refusal(&entry), refused("admin.remove"));
    // Carol, who has no key, can sign nothing, and may go.
    office.add(|o| testing::admin_remove(&o.directory, &carols, &[&o.alice, &dave]));
    assert_eq!(office.directory.able_admins(), 2);
    // The two may say that one is enough; then one may go.
    office.add(|o| testing::threshold_set(&o.directory, 1, &[&o.alice, &dave]));
    office.add(|o| testing::admin_remove(&o.directory, &name("dave"), &[&o.alice]));
    assert_eq!(office.directory.threshold(), 1);
}

#[test]
fn e10_a_second_admin_without_a_key_is_refused() {
    let mut office = Office::new();
    let (bob, key) = (name("bob"), office.bob.id());
    office.add(|o| testing::key_revoke(&o.directory, &bob, key, &[&o.alice]));
    let entry = testing::admin_add(&office.directory, &bob, &[&office.alice]);
    let refusal = Refusal::TooFewAdmins {
        kind: "admin.add",
        left: 1,
        needed: 2,
    };
    assert_eq!(office.refusal(&entry), refusal);
}

#[test]
fn e06_the_threshold_says_who_changes_it() {
    let mut office = Office::new();
    for (asked, admins) in [(0, 1), (2, 1), (255, 1)] {
        let entry = testing::threshold_set(&office.directory, asked, &[&office.alice]);
        assert_eq!(
            office.refusal(&entry),
            Refusal::ThresholdRange { asked, admins }
        );
    }
    let carol = office.second_admin();
    let dave = office.third_admin(&carol);
    let alone = testing::threshold_set(&office.directory, 1, &[&carol]);
    assert_eq!(office.refusal(&alone), below("threshold.set", 2, 1));
    let own = testing::threshold_set(&office.directory, 1, &[&office.bob]);
    let refusal = office.refusal(&own);
    assert!(matches!(refusal, Refusal::NoAuthority { .. }), "{refusal}");
    office.add(|o| testing::threshold_set(&o.directory, 3, &[&o.alice, &carol]));
    // It was two before, and is three now, for itself too.
    let two = testing::threshold_set(&office.directory, 1, &[&office.alice, &carol]);
    assert_eq!(office.refusal(&two), below("threshold.set", 3, 2));
    let all = [&office.alice, &carol, &dave];
    let one = testing::threshold_set(&office.directory, 1, &all);
    office.add(|_| one);
    office.add(|o| testing::admin_add(&o.directory, &name("bob"), &[&o.alice]));
}

/// Makes an entry that these sign.
type Act<'a> = dyn Fn(&[&SoftStatementKey]) -> Vec<u8> + 'a;

#[test]
fn e06_one_rogue_admin_governs_nobody() {
    let mut office = Office::new();
    let carol = office.second_admin();
    let dave = office.third_admin(&carol);
    let spare = key();
    // Two keys of his own are still one admin.
    office.add(|o| testing::key_add(&o.directory, &name("alice"), &spare, &[&o.alice]));
    let (bob, carols) = (name("bob"), name("carol"));
    let (fresh, directory, alice) = (key(), &office.directory, &office.alice);
    let acts: [&Act<'_>; 8] = [
        &|by| testing::admin_add(directory, &bob, by),
        &|by| testing::admin_remove(directory, &carols, by),
        &|by| testing::account_suspend(directory, &carols, by),
        &|by| testing::key_revoke(directory, &carols, carol.id(), by),
        &|by| testing::threshold_set(directory, 1, by),
        &|by| testing::policy_set(directory, Policy::default(), by),
        &|by| testing::recovery_begin(directory, &carols, &fresh, by),
        &|by| testing::recovery_begin(directory, &bob, &fresh, by),
    ];
    let mut refused = Vec::new();
    for act in acts {
        refused.extend([act(&[alice]), act(&[alice, &spare])]);
        // The same by two is right.
        let mut right = directory.clone();
        right.apply(&act(&[alice, &dave])).unwrap();
    }
    for entry in refused {
        let refusal = office.refusal(&entry);
        assert!(
            matches!(
                refusal,
                Refusal::Threshold {
                    needed: 2,
                    found: 1,
                    ..
                }
            ),
            "{refusal}"
        );
    }
}

#[test]
fn e06_a_device_of_an_admin_is_one_admins_to_revoke_and_his_own_to_replace() {
    let mut office = Office::new();
    let carol = office.second_admin();
    let (carols, stolen, new) = (
        name("carol"),
        SoftDevice::generate(),
        SoftDevice::generate(),
    );
    office.add(|o| testing::device_add(&o.directory, &carols, &stolen, &carol));
    office.add(|o| testing::device_revoke(&o.directory, &carols, stolen.id(), &[&o.alice]));
    office.add(|o| testing::device_add(&o.directory, &carols, &new, &carol));
    office.add(|o| testing::admin_add(&o.directory, &name("bob"), &[&o.alice, &carol]));
}

#[test]
fn d13_a_removed_admin_signs_nothing_even_in_sight_of_an_old_log() {
    let mut office = Office::new();
    let carol = office.second_admin();
    let dave = office.third_admin(&carol);
    let (old, eve) = (office.directory.head(), key());
    let before = testing::account_add(&office.directory, &name("eve"), &eve, &[&carol]);
    office.add(|o| testing::admin_remove(&o.directory, &name("carol"), &[&o.alice, &dave]));
    let refusal = Refusal::NoAuthority {
        kind: "account.add",
        account: name("carol"),
    };
    assert_eq!(office.refusal(&before), refusal);
    // Appointed again, she has the role from there on.
    office.add(|o| testing::admin_add(&o.directory, &name("carol"), &[&o.alice, &dave]));
    let entry: Entry = decode(&before).unwrap();
    assert_eq!(entry.statement.seen, old);
    let refusal = office.refusal(&before);
    assert!(
        matches!(refusal, Refusal::BeforeAppointment { .. }),
        "{refusal}"
    );
    office.add(|o| testing::account_add(&o.directory, &name("eve"), &eve, &[&carol]));
}

#[test]
fn only_an_admin_is_removed() {
    let mut office = Office::new();
    let entry = testing::admin_remove(&office.directory, &name("bob"), &[&office.alice]);
    assert_eq!(office.refusal(&entry), Refusal::NotAdmin(name("bob")));
    let entry = testing::admin_remove(&office.directory, &name("eve"), &[&office.alice]);
    let refusal = office.refusal(&entry);
    assert!(
        matches!(refusal, Refusal::UnknownAccount { .. }),
        "{refusal}"
    );
}

#[test]
fn d14_d15_the_organisation_has_one_sequence() {
    let mut office = Office::new();
    let first = testing::threshold_set(&office.directory, 1, &[&office.alice]);
    let racing = testing::policy_set(&office.directory, Policy::default(), &[&office.alice]);
    office.add(|_| first.clone());
    let refusal = |kind, found, expected| Refusal::OrganisationSequence {
        kind,
        expected,
        found,
    };
    assert_eq!(office.refusal(&first), refusal("threshold.set", 0, 1));
    assert_eq!(office.refusal(&racing), refusal("policy.set", 0, 1));
    // Nor is it a person's.
    let remove = Fact::AdminRemove(AdminRemove {
        account: name("bob"),
    });
    assert_eq!(office.directory.sequence_of(&remove), 2);
    let again = Fact::ThresholdSet(ThresholdSet { threshold: 1 });
    assert_eq!(office.directory.sequence_of(&again), 1);
    office.add(|o| testing::policy_set(&o.directory, Policy::default(), &[&o.alice]));
}
