//! Who is suspended may come back, and starts from there.

use super::*;

#[test]
fn a_restored_account_is_what_it_was() {
    let mut office = Office::new();
    let (bob, laptop) = (name("bob"), office.laptop.id());
    let early = testing::account_restore(&office.directory, &bob, &[&office.alice]);
    assert_eq!(office.refusal(&early), Refusal::NotSuspended(bob.clone()));
    office.add(|o| testing::account_suspend(&o.directory, &bob, &[&o.alice]));
    let suspended = office.directory.head().size;
    assert_eq!(office.directory.active_keys(&bob).count(), 0);
    let dave = office.enrol("dave");
    let by_dave = testing::account_restore(&office.directory, &bob, &[&dave]);
    let refusal = office.refusal(&by_dave);
    assert!(matches!(refusal, Refusal::NoAuthority { .. }), "{refusal}");
    office.add(|o| testing::account_restore(&o.directory, &bob, &[&o.alice]));
    let restored = office.directory.head().size;
    let directory = &office.directory;
    assert!(directory.active_device(laptop).is_some());
    assert_eq!(directory.active_keys(&bob).count(), 1);
    // What was so then stays so: sizes at which the laptop was shut out.
    let out: Vec<_> = (1..=restored)
        .filter(|size| directory.revoked_by(laptop, *size))
        .collect();
    assert_eq!(out, [suspended, suspended + 1]);
}

#[test]
fn d13_nothing_signed_in_sight_of_a_log_from_before_the_restore_counts() {
    let mut office = Office::new();
    let (bob, phone) = (name("bob"), SoftDevice::generate());
    office.add(|o| testing::account_suspend(&o.directory, &bob, &[&o.alice]));
    let before = office.directory.head();
    office.add(|o| testing::account_restore(&o.directory, &bob, &[&o.alice]));
    let certificate = phone.certificate(office.directory.org(), &bob, "phone");
    let mut statement = testing::statement(&office.directory, Fact::DeviceAdd(certificate));
    statement.seen = before;
    let entry = testing::sign(statement, office.directory.org(), &[&office.bob]);
    let kind = "device.add";
    let account = bob.clone();
    assert_eq!(
        office.refusal(&entry),
        Refusal::BeforeAppointment { kind, account }
    );
    office.add(|o| testing::device_add(&o.directory, &bob, &phone, &o.bob));
}

#[test]
fn e06_an_admin_comes_back_by_the_threshold_and_not_by_himself() {
    let mut office = Office::new();
    let carol = office.second_admin();
    let dave = office.third_admin(&carol);
    let carols = name("carol");
    office.add(|o| testing::account_suspend(&o.directory, &carols, &[&o.alice, &dave]));
    assert_eq!(office.directory.able_admins(), 2);
    let own = testing::account_restore(&office.directory, &carols, &[&carol]);
    let refusal = office.refusal(&own);
    assert!(
        matches!(refusal, Refusal::SuspendedSigner { .. }),
        "{refusal}"
    );
    let helped = testing::account_restore(&office.directory, &carols, &[&office.alice, &carol]);
    let refusal = office.refusal(&helped);
    assert!(
        matches!(refusal, Refusal::SuspendedSigner { .. }),
        "{refusal}"
    );
    let alone = testing::account_restore(&office.directory, &carols, &[&office.alice]);
    let refusal = office.refusal(&alone);
    assert!(matches!(refusal, Refusal::Threshold { .. }), "{refusal}");
    office.add(|o| testing::account_restore(&o.directory, &carols, &[&o.alice, &dave]));
    assert_eq!(office.directory.able_admins(), 3);
    office.add(|o| testing::admin_add(&o.directory, &name("bob"), &[&o.alice, &carol]));
}

#[test]
fn d14_a_restore_is_good_once() {
    let mut office = Office::new();
    let bob = name("bob");
    office.add(|o| testing::account_suspend(&o.directory, &bob, &[&o.alice]));
    let restore = testing::account_restore(&office.directory, &bob, &[&office.alice]);
    office.add(|_| restore.clone());
    office.add(|o| testing::account_suspend(&o.directory, &bob, &[&o.alice]));
    let refusal = office.refusal(&restore);
    assert!(matches!(refusal, Refusal::Sequence { .. }), "{refusal}");
}
