//! A new key for somebody who has none, with time to object (E07).

use super::*;

const DAY_MS: u64 = 24 * 3_600_000;
const DUE_MS: u64 = testing::TIME_MS + DAY_MS;

/// Three admins, alice, carol and dave, who began to recover bob's account with the key `new`.
struct Recovered {
    office: Office,
    carol: SoftStatementKey,
    dave: SoftStatementKey,
    new: SoftStatementKey,
    begun: u64,
}

impl Recovered {
    fn begun() -> Self {
        let mut office = Office::new();
        let carol = office.second_admin();
        let dave = office.third_admin(&carol);
        let new = key();
        let begun = office.directory.head().size;
        office.add(|o| {
            testing::recovery_begin(&o.directory, &name("bob"), &new, &[&o.alice, &carol])
        });
        Self {
            office,
            carol,
            dave,
            new,
            begun,
        }
    }

    fn finish(&self, time_ms: u64) -> Vec<u8> {
        let (directory, bob) = (&self.office.directory, name("bob"));
        testing::recovery_finish(directory, &bob, self.begun, time_ms, &[&self.dave])
    }

    fn veto(&self, by: &SoftStatementKey) -> Vec<u8> {
        testing::recovery_veto(&self.office.directory, &name("bob"), self.begun, &[by])
    }

    fn over(&mut self) {
        let finish = self.finish(DUE_MS);
        let refusal = self.office.refusal(&finish);
        assert!(matches!(refusal, Refusal::NoRecovery { .. }), "{refusal}");
    }
}

#[test]
fn e07_a_recovered_account_has_the_new_key_and_nothing_else() {
    let mut it = Recovered::begun();
    let (bob, phone, spare) = (name("bob"), SoftDevice::generate(), key());
    // Whoever holds the old key makes what he can of the time: it goes with the rest.
    it.office
        .add(|o| testing::key_add(&o.directory, &bob, &spare, &[&o.bob]));
    it.office
        .add(|o| testing::device_add(&o.directory, &bob, &phone, &spare));
    let finish = it.finish(DUE_MS);
    let index = it.office.directory.head().size;
    it.office.add(|_| finish.clone());
    let directory = &it.office.directory;
    let keys: Vec<_> = directory.active_keys(&bob).map(|(id, _)| id).collect();
    assert_eq!(keys, [it.new.id()]);
    assert!(directory.active_devices(&bob).is_empty());
    for old in [it.office.bob.id(), spare.id()] {
        assert_eq!(directory.key(old).unwrap().revoked, Some(index));
    }
    let login = it.new.record.login.id.as_slice();
    assert_eq!(directory.key_by_login(login).unwrap().0, it.new.id());
    let again = testing::device_add(directory, &bob, &phone, &it.office.bob);
    let refusal = it.office.refusal(&again);
    assert!(
        matches!(refusal, Refusal::RevokedSigner { .. }),
        "{refusal}"
    );
    let refusal = it.office.refusal(&finish);
    assert!(matches!(refusal, Refusal::Sequence { .. }), "{refusal}");
    it.over();
    let laptop = SoftDevice::generate();
    it.office
        .add(|o| testing::device_add(&o.directory, &bob, &laptop, &it.new));
}

#[test]
fn e07_a_quick_recovery_is_refused() {
    let mut it = Recovered::begun();
    for (time_ms, early_ms) in [(0, DUE_MS), (testing::TIME_MS, DAY_MS), (DUE_MS - 1, 1)] {
        let finish = it.finish(time_ms);
        let account = name("bob");
        assert_eq!(
            it.office.refusal(&finish),
            Refusal::RecoveryEarly { account, early_ms }
        );
    }
    let finish = it.finish(DUE_MS);
    it.office.add(|_| finish);
}

#[test]
fn e07_a_policy_shortens_no_wait_that_began_and_lengthens_it() {
    let policy = |recovery_ms| Policy {
        recovery_ms,
        ..Policy::default()
    };
    for (recovery_ms, early_ms) in [(3_600_000, 1), (2 * DAY_MS, DAY_MS + 1)] {
        let mut it = Recovered::begun();
        it.office.add(|o| {
            testing::policy_set(&o.directory, policy(recovery_ms), &[&o.alice, &it.carol])
        });
        let finish = it.finish(DUE_MS - 1);
        let account = name("bob");
        assert_eq!(
            it.office.refusal(&finish),
            Refusal::RecoveryEarly { account, early_ms }
        );
    }
}

#[test]
fn e07_the_accounts_own_old_key_vetoes() {
    let mut it = Recovered::begun();
    let veto = it.veto(&it.office.bob);
    it.office.add(|_| veto.clone());
    it.over();
    let refusal = it.office.refusal(&veto);
    assert!(matches!(refusal, Refusal::Sequence { .. }), "{refusal}");
    // Bob has what he had, and his new key is free for another beginning.
    assert_eq!(it.office.directory.active_keys(&name("bob")).count(), 1);
    assert_eq!(it.office.directory.active_devices(&name("bob")).len(), 1);
    let by = [&it.office.alice, &it.carol];
    let again = testing::recovery_begin(&it.office.directory, &name("bob"), &it.new, &by);
    it.office.add(|_| again);
    // The old number ends nothing new.
    it.over();
}

#[test]
fn e07_any_one_admin_vetoes_and_nobody_else() {
    let mut it = Recovered::begun();
    let eve = it.office.enrol("eve");
    let veto = it.veto(&eve);
    let refusal = it.office.refusal(&veto);
    assert!(matches!(refusal, Refusal::NoAuthority { .. }), "{refusal}");
    // Not even the key that waits.
    let veto = it.veto(&it.new);
    let refusal = it.office.refusal(&veto);
    assert!(
        matches!(refusal, Refusal::UnknownSigner { .. }),
        "{refusal}"
    );
    let veto = it.veto(&it.dave);
    it.office.add(|_| veto);
    it.over();
}

#[test]
fn e07_a_revoked_key_vetoes_nothing() {
    let mut it = Recovered::begun();
    let (bob, stolen) = (name("bob"), it.office.bob.id());
    it.office
        .add(|o| testing::key_revoke(&o.directory, &bob, stolen, &[&o.alice]));
    let veto = it.veto(&it.office.bob);
    let refusal = it.office.refusal(&veto);
    assert!(
        matches!(refusal, Refusal::RevokedSigner { .. }),
        "{refusal}"
    );
    let finish = it.finish(DUE_MS);
    it.office.add(|_| finish);
}

#[test]
fn e07_a_suspension_ends_a_recovery() {
    let mut it = Recovered::begun();
    let bob = name("bob");
    it.office
        .add(|o| testing::account_suspend(&o.directory, &bob, &[&o.alice]));
    it.over();
    let by = [&it.office.alice, &it.carol];
    let begin = testing::recovery_begin(&it.office.directory, &bob, &it.new, &by);
    let refusal = it.office.refusal(&begin);
    assert!(matches!(refusal, Refusal::Suspended { .. }), "{refusal}");
    it.office
        .add(|o| testing::account_restore(&o.directory, &bob, &[&o.alice]));
    it.over();
}

#[test]
fn e07_an_account_has_one_recovery_at_a_time() {
    let mut it = Recovered::begun();
    let (other, bob) = (key(), name("bob"));
    let by = [&it.office.alice, &it.carol];
    let second = testing::recovery_begin(&it.office.directory, &bob, &other, &by);
    let refusal = Refusal::RecoveryUnderWay {
        account: bob,
        begun: it.begun,
    };
    assert_eq!(it.office.refusal(&second), refusal);
}

#[test]
fn l07_a_key_that_waits_is_nobody_elses() {
    let mut it = Recovered::begun();
    let taken = Refusal::CredentialId(it.new.id());
    let (directory, alice) = (&it.office.directory, &it.office.alice);
    let enrol = testing::account_add(directory, &name("eve"), &it.new, &[alice]);
    let batch = testing::batch(directory, &[(&name("eve"), &it.new)], &[alice]);
    let add = testing::key_add(directory, &name("bob"), &it.new, &[&it.office.bob]);
    for entry in [enrol, batch, add] {
        assert_eq!(it.office.refusal(&entry), taken);
    }
    let known = testing::recovery_begin(
        &it.office.directory,
        &name("dave"),
        &it.office.bob,
        &[&it.office.alice, &it.carol],
    );
    assert_eq!(
        it.office.refusal(&known),
        Refusal::KeyTaken(it.office.bob.id())
    );
}

#[test]
fn l10_a_key_whose_model_was_banned_meanwhile_is_refused() {
    let mut it = Recovered::begun();
    let policy = Policy {
        attestation: vec![crate::log::entry::AttestationAuthority {
            certificate: vec![1].try_into().unwrap(),
            models: vec![[9; 16]],
        }],
        ..Policy::default()
    };
    it.office
        .add(|o| testing::policy_set(&o.directory, policy, &[&o.alice, &it.carol]));
    let finish = it.finish(DUE_MS);
    assert_eq!(it.office.refusal(&finish), Refusal::Model(it.new.id()));
}

#[test]
fn e07_a_recovered_admin_can_sign_again() {
    let mut it = Recovered::begun();
    let (carols, lost, new) = (name("carol"), it.carol.id(), key());
    it.office
        .add(|o| testing::key_revoke(&o.directory, &carols, lost, &[&o.alice, &it.dave]));
    assert_eq!(it.office.directory.able_admins(), 2);
    let begun = it.office.directory.head().size;
    it.office
        .add(|o| testing::recovery_begin(&o.directory, &carols, &new, &[&o.alice, &it.dave]));
    it.office
        .add(|o| testing::recovery_finish(&o.directory, &carols, begun, DUE_MS, &[&o.alice]));
    assert_eq!(it.office.directory.able_admins(), 3);
    it.office
        .add(|o| testing::admin_add(&o.directory, &name("bob"), &[&new, &it.dave]));
}
