//! Who may sign what.

use super::*;
use crate::log::entry::{AccountSuspend, AdminAdd};

fn no_authority(kind: &'static str, account: &str) -> Refusal {
    Refusal::NoAuthority {
        kind,
        account: name(account),
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "one table of twelve cases")]
fn d13_twelve_mis_authorised_entries_are_refused() {
    let mut office = Office::new();
    let carol = office.second_admin();
    let dave = office.enrol("dave");
    let (eve, stranger, phone) = (key(), key(), SoftDevice::generate());
    let Office {
        directory,
        alice,
        bob,
        laptop,
        ..
    } = &office;
    let (b, d, e) = (name("bob"), name("dave"), name("eve"));
    let unknown = |kind| Refusal::UnknownSigner {
        kind,
        key: stranger.id(),
    };
    let cases = [
        // 1 to 3: not an admin.
        (
            testing::account_add(directory, &e, &eve, &[bob]),
            no_authority("account.add", "bob"),
        ),
        (
            testing::account_suspend(directory, &d, &[bob]),
            no_authority("account.suspend", "bob"),
        ),
        (
            testing::admin_add(directory, &b, &[bob]),
            no_authority("admin.add", "bob"),
        ),
        // 4: below the threshold.
        (
            testing::admin_add(directory, &b, &[alice]),
            Refusal::Threshold {
                kind: "admin.add",
                needed: 2,
                found: 1,
            },
        ),
        // 5: an admin's signature does not lend its weight to another's.
        (
            testing::admin_add(directory, &b, &[alice, bob]),
            no_authority("admin.add", "bob"),
        ),
        // 6 and 7: another's device, even an admin's hand.
        (
            testing::device_add(directory, &b, &phone, &dave),
            no_authority("device.add", "dave"),
        ),
        (
            testing::device_add(directory, &b, &phone, alice),
            no_authority("device.add", "alice"),
        ),
        // 8 and 9: a key for another's account, and another's device, not being an admin.
        (
            testing::key_add(directory, &b, &eve, &[&dave]),
            no_authority("key.add", "dave"),
        ),
        (
            testing::device_revoke(directory, &b, laptop.id(), &[&dave]),
            no_authority("device.revoke", "dave"),
        ),
        // 10 and 11: nobody that the log knows, alone or beside an admin.
        (
            testing::account_add(directory, &e, &eve, &[&stranger]),
            unknown("account.add"),
        ),
        (
            testing::account_add(directory, &e, &eve, &[alice, &stranger]),
            unknown("account.add"),
        ),
        // 12: the newcomer itself.
        (
            testing::account_add(directory, &e, &eve, &[&eve]),
            Refusal::UnknownSigner {
                kind: "account.add",
                key: eve.id(),
            },
        ),
    ];
    for (entry, refusal) in cases {
        assert_eq!(office.refusal(&entry), refusal);
    }
    // The same acts by who may.
    office.add(|o| testing::admin_add(&o.directory, &b, &[&o.alice, &carol]));
    office.add(|o| testing::key_add(&o.directory, &d, &eve, &[&dave]));
    office.add(|o| testing::device_add(&o.directory, &d, &phone, &eve));
}

#[test]
fn d13_a_signature_from_before_the_appointment_is_refused() {
    let mut office = Office::new();
    let before = office.directory.head();
    let carol = office.second_admin();
    let appointed = office.directory.head();
    let suspend = Fact::AccountSuspend(AccountSuspend {
        account: name("bob"),
    });
    let mut statement = testing::statement(&office.directory, suspend);
    let org = office.directory.org();

    let early = Refusal::BeforeAppointment {
        kind: "account.suspend",
        account: name("carol"),
    };
    // Carol's account was at index 4, her appointment at 5.
    for size in [before.size, before.size + 1] {
        statement.seen = Head {
            size,
            root: office.directory.tree().root_at(size).unwrap(),
        };
        let entry = testing::sign(statement.clone(), org, &[&carol]);
        assert_eq!(office.refusal(&entry), early);
    }
    statement.seen = appointed;
    office.add(|_| testing::sign(statement, org, &[&carol]));
}

#[test]
fn d13_a_key_signs_nothing_in_sight_of_a_log_without_it() {
    let mut office = Office::new();
    let before = office.directory.head();
    let (spare, phone) = (key(), SoftDevice::generate());
    office.add(|o| testing::key_add(&o.directory, &name("bob"), &spare, &[&o.bob]));
    let certificate = phone.certificate(office.directory.org(), &name("bob"), "phone");
    let mut statement = testing::statement(&office.directory, Fact::DeviceAdd(certificate));
    statement.seen = before;
    let entry = testing::sign(statement, office.directory.org(), &[&spare]);
    let refusal = office.refusal(&entry);
    assert!(
        matches!(refusal, Refusal::BeforeAppointment { .. }),
        "{refusal}"
    );
    office.add(|o| testing::device_add(&o.directory, &name("bob"), &phone, &spare));
}

#[test]
fn d13_a_suspended_account_signs_nothing() {
    let mut office = Office::new();
    let carol = office.second_admin();
    let dave = office.third_admin(&carol);
    let phone = SoftDevice::generate();
    let device = testing::device_add(&office.directory, &name("carol"), &phone, &carol);
    let revoke = testing::device_revoke(
        &office.directory,
        &name("bob"),
        office.laptop.id(),
        &[&carol],
    );
    office.add(|o| testing::account_suspend(&o.directory, &name("carol"), &[&o.alice, &dave]));
    let suspended = |kind| Refusal::SuspendedSigner {
        kind,
        account: name("carol"),
    };
    assert_eq!(office.refusal(&revoke), suspended("device.revoke"));
    // The sequence has moved on, too.
    let refusal = office.refusal(&device);
    assert!(matches!(refusal, Refusal::Sequence { .. }), "{refusal}");
    let device = testing::device_add(&office.directory, &name("carol"), &phone, &carol);
    assert_eq!(office.refusal(&device), suspended("device.add"));
}

#[test]
fn e06_two_keys_of_one_admin_are_one_signature() {
    let mut office = Office::new();
    office.second_admin();
    let spare = key();
    office.add(|o| testing::key_add(&o.directory, &name("alice"), &spare, &[&o.alice]));
    let entry = testing::admin_add(&office.directory, &name("bob"), &[&office.alice, &spare]);
    let refusal = office.refusal(&entry);
    assert_eq!(
        refusal,
        Refusal::Threshold {
            kind: "admin.add",
            needed: 2,
            found: 1
        }
    );
}

#[test]
fn e06_what_is_missing_is_admins_and_nothing_else_may_be_wrong() {
    let mut office = Office::new();
    let carol = office.second_admin();
    let (spare, bob) = (key(), name("bob"));
    office.add(|o| testing::key_add(&o.directory, &name("alice"), &spare, &[&o.alice]));
    let Office {
        directory, alice, ..
    } = &office;
    let add = |signers: &[&SoftStatementKey]| {
        let entry = testing::admin_add(directory, &bob, signers);
        decode::<Entry>(&entry).unwrap()
    };
    assert_eq!(directory.needed(&add(&[alice]).statement.fact), 2);
    for (signers, missing) in [
        (&[alice][..], 1),
        (&[alice, &spare], 1),
        (&[alice, &carol], 0),
    ] {
        assert_eq!(directory.missing(&add(signers)), Ok(missing));
    }
    // One who may not sign lends nothing, and a signature for another statement is none.
    let refused = directory.missing(&add(&[alice, &office.bob]));
    assert_eq!(refused, Err(no_authority("admin.add", "bob")));
    let mut forged = add(&[alice]);
    forged.statement.time += 1;
    let refused = directory.missing(&forged);
    assert!(matches!(refused, Err(Refusal::Signature { .. })));
    let suspend = testing::account_suspend(directory, &bob, &[alice]);
    let suspend: Entry = decode(&suspend).unwrap();
    assert_eq!(directory.needed(&suspend.statement.fact), 1);
    assert_eq!(directory.missing(&suspend), Ok(0));
}

#[test]
fn e06_an_admin_adds_no_key_to_another_account() {
    let mut office = Office::new();
    let carol = office.second_admin();
    let smuggled = key();
    // Alice alone, and as a helping hand: for the other admin, and for anybody.
    let mut refused = Vec::new();
    for (account, own) in [("carol", &carol), ("bob", &office.bob)] {
        for signers in [&[&office.alice][..], &[&office.alice, own]] {
            let entry = testing::key_add(&office.directory, &name(account), &smuggled, signers);
            refused.push(entry);
        }
    }
    for entry in refused {
        assert_eq!(office.refusal(&entry), no_authority("key.add", "alice"));
    }
    // Both admins together cannot do it either.
    let both = [&office.alice, &carol];
    let entry = testing::key_add(&office.directory, &name("bob"), &smuggled, &both);
    let refusal = office.refusal(&entry);
    assert!(matches!(refusal, Refusal::NoAuthority { .. }), "{refusal}");
    // So the key that alice holds is never the second admin's.
    let bob = name("bob");
    let promote = testing::admin_add(&office.directory, &bob, &[&office.alice, &smuggled]);
    let unknown = Refusal::UnknownSigner {
        kind: "admin.add",
        key: smuggled.id(),
    };
    assert_eq!(office.refusal(&promote), unknown);
    // The same key by its owner's own hand.
    office.add(|o| testing::key_add(&o.directory, &name("carol"), &smuggled, &[&carol]));
    office.add(|o| testing::admin_add(&o.directory, &bob, &[&o.alice, &smuggled]));
}

#[test]
fn e06_suspending_an_admin_lowers_no_threshold() {
    let mut office = Office::new();
    let carol = office.second_admin();
    let dave = office.third_admin(&carol);
    let bob = name("bob");
    // One admin alone does not disable another.
    let alone = testing::account_suspend(&office.directory, &name("carol"), &[&office.alice]);
    let too_few = Refusal::Threshold {
        kind: "account.suspend",
        needed: 2,
        found: 1,
    };
    assert_eq!(office.refusal(&alone), too_few);
    office.add(|o| testing::account_suspend(&o.directory, &name("carol"), &[&o.alice, &dave]));
    assert_eq!(office.directory.threshold(), 2);
    let alone = testing::admin_add(&office.directory, &bob, &[&office.alice]);
    let too_few = Refusal::Threshold {
        kind: "admin.add",
        needed: 2,
        found: 1,
    };
    assert_eq!(office.refusal(&alone), too_few);
    // Nor does the suspended admin make up the number.
    let both = testing::admin_add(&office.directory, &bob, &[&office.alice, &carol]);
    let suspended = Refusal::SuspendedSigner {
        kind: "admin.add",
        account: name("carol"),
    };
    assert_eq!(office.refusal(&both), suspended);
    assert_eq!(office.directory.account(&bob).unwrap().admin_since, None);
}

#[test]
fn d12_a_role_is_in_the_log_or_nowhere() {
    let mut office = Office::new();
    let operator = key();
    let (org, bob) = (office.directory.org(), name("bob"));
    let fact = Fact::AdminAdd(AdminAdd {
        account: bob.clone(),
    });
    let statement = testing::statement(&office.directory, fact);
    // Nobody, himself, a key he made up, and an admin's signature from another entry.
    let unsigned = testing::sign(statement.clone(), org, &[]);
    let own = testing::sign(statement.clone(), org, &[&office.bob]);
    let made_up = testing::sign(statement.clone(), org, &[&operator]);
    let stolen = encode(&Entry {
        statement,
        signatures: decode::<Entry>(&office.log[2]).unwrap().signatures,
    });
    assert_eq!(
        office.refusal(&unsigned),
        Refusal::Unsigned { kind: "admin.add" }
    );
    assert_eq!(office.refusal(&own), no_authority("admin.add", "bob"));
    let refusal = office.refusal(&made_up);
    assert!(
        matches!(refusal, Refusal::UnknownSigner { .. }),
        "{refusal}"
    );
    let refusal = office.refusal(&stolen);
    assert!(matches!(refusal, Refusal::Signature { .. }), "{refusal}");
    assert_eq!(office.directory.account(&bob).unwrap().admin_since, None);
}

#[test]
fn d16_signatures_have_one_order_and_no_doubles() {
    let mut office = Office::new();
    let carol = office.second_admin();
    let fact = Fact::AdminAdd(AdminAdd {
        account: name("bob"),
    });
    let statement = testing::statement(&office.directory, fact);
    let signers = [&office.alice, &carol];
    let mut entry = testing::entry(statement, office.directory.org(), &signers);
    let right = encode(&entry);
    entry.signatures.reverse();
    let unsorted = encode(&entry);
    entry.signatures[1] = entry.signatures[0].clone();
    let doubled = encode(&entry);
    let order = Refusal::SignatureOrder { kind: "admin.add" };
    assert_eq!(office.refusal(&unsorted), order);
    assert_eq!(office.refusal(&doubled), order);
    office.add(|_| right);
}

#[test]
fn a_device_has_exactly_one_signature() {
    let mut office = Office::new();
    let (spare, phone) = (key(), SoftDevice::generate());
    office.add(|o| testing::key_add(&o.directory, &name("bob"), &spare, &[&o.bob]));
    let certificate = phone.certificate(office.directory.org(), &name("bob"), "phone");
    let fact = Fact::DeviceAdd(certificate);
    let entry = testing::next(&office.directory, fact, &[&office.bob, &spare]);
    assert_eq!(
        office.refusal(&entry),
        Refusal::OneSignature {
            kind: "device.add",
            found: 2
        }
    );
}
