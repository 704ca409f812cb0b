//! A server that rewrites, rolls back, forks or moves what was signed.

use super::*;
use crate::{
    label,
    log::{entry::AccountSuspend, merkle},
    statement::client_data_hash,
};

/// An organisation of 60 entries, of every kind.
fn large_office() -> Office {
    let mut office = Office::new();
    let carol = office.second_admin();
    for number in 0..9 {
        let account = name(&format!("person{number}"));
        let (first, spare) = (office.enrol(account.as_str()), key());
        let device = SoftDevice::generate();
        let id = device.id();
        office.add(|o| testing::key_add(&o.directory, &account, &spare, &[&first]));
        office.add(|o| testing::device_add(&o.directory, &account, &device, &spare));
        office.add(|o| testing::device_revoke(&o.directory, &account, id, &[&o.alice]));
        office.add(|o| testing::admin_add(&o.directory, &account, &[&o.alice, &carol]));
        office.add(|o| testing::account_suspend(&o.directory, &account, &[&o.alice, &carol]));
    }
    assert_eq!(office.log.len(), 60);
    office
}

#[test]
fn d08_every_flipped_bit_of_every_row_changes_the_root_and_is_refused() {
    let office = large_office();
    let head = office.directory.head();
    let mut directory = Directory::found(&office.log[0]).unwrap();
    for (index, row) in (0..).zip(&office.log) {
        let path = office.directory.tree().inclusion(index, head.size).unwrap();
        let mut row = row.clone();
        for bit in 0..row.len() * 8 {
            row[bit / 8] ^= 1 << (bit % 8);
            let leaf = leaf_hash(&row);
            assert!(merkle::verify_inclusion(leaf, index, head, &path).is_err());
            // Even without the root: replay refuses (a sample, each costs a signature check).
            if bit % 101 == 0 {
                let refused = if index == 0 {
                    Directory::found(&row).is_err()
                } else {
                    directory.apply(&row).is_err()
                };
                assert!(refused, "row {index}, bit {bit}");
            }
            row[bit / 8] ^= 1 << (bit % 8);
        }
        if index > 0 {
            directory.apply(&row).unwrap();
        }
    }
    assert_eq!(directory.head(), head);
}

/// Makes the next entry of a log.
type Act<'a> = dyn Fn(&Directory) -> Vec<u8> + 'a;

/// An entry of each kind that governs, and the directory just before it.
fn acts_of_governance() -> Vec<(Directory, Vec<u8>)> {
    let mut office = Office::new();
    let carol = office.second_admin();
    let dave = office.third_admin(&carol);
    let (bob, new, eve, spare) = (name("bob"), key(), key(), key());
    let both = [&carol, &dave];
    office.add(|o| testing::key_add(&o.directory, &bob, &spare, &[&o.bob]));
    let mut acts = Vec::new();
    let mut act = |office: &mut Office, entry: &Act<'_>| {
        let entry = entry(&office.directory);
        acts.push((office.directory.clone(), entry.clone()));
        office.add(|_| entry);
    };
    let due = testing::TIME_MS + Policy::default().recovery_ms;
    let steps: [&Act<'_>; 11] = [
        &|d| testing::key_revoke(d, &bob, spare.id(), &both),
        &|d| testing::account_suspend(d, &bob, &both),
        &|d| testing::account_restore(d, &bob, &both),
        &|d| testing::admin_remove(d, &name("alice"), &both),
        &|d| testing::recovery_begin(d, &bob, &new, &both),
        &|d| testing::recovery_veto(d, &bob, d.head().size - 1, &[&carol]),
        &|d| testing::recovery_begin(d, &bob, &new, &both),
        &|d| testing::recovery_finish(d, &bob, d.head().size - 1, due, &[&dave]),
        &|d| testing::list_set(d, &name("press"), &[&bob], &[&carol]),
        &|d| testing::policy_set(d, Policy::default(), &both),
        &|d| testing::batch(d, &[(&name("eve"), &eve)], &[&carol]),
    ];
    for step in steps {
        act(&mut office, step);
    }
    act(&mut office, &|d| testing::threshold_set(d, 1, &both));
    acts
}

#[test]
fn d08_every_flipped_bit_of_an_act_of_governance_is_refused() {
    for (directory, entry) in acts_of_governance() {
        assert!(directory.admit(&entry).is_ok());
        // Of a long row, with a key in it, every third bit: each costs a signature check.
        let step = if entry.len() > 1_000 { 3 } else { 1 };
        for bit in (0..entry.len() * 8).step_by(step) {
            let mut entry = entry.clone();
            entry[bit / 8] ^= 1 << (bit % 8);
            assert!(directory.admit(&entry).is_err(), "bit {bit}");
        }
    }
}

#[test]
fn d08_a_deleted_or_moved_row_is_refused() {
    let office = large_office();
    for missing in 1..office.log.len() - 1 {
        let mut directory = Directory::found(&office.log[0]).unwrap();
        let mut rest = office.log[1..].to_vec();
        rest.remove(missing - 1);
        let refused = rest.iter().any(|row| directory.apply(row).is_err());
        assert!(refused, "without row {missing}");
    }
    for first in 1..office.log.len() - 1 {
        let mut directory = Directory::found(&office.log[0]).unwrap();
        let mut rows = office.log[1..].to_vec();
        rows.swap(first - 1, first);
        let refused = rows.iter().any(|row| directory.apply(row).is_err());
        assert!(refused, "rows {first} and {}", first + 1);
    }
}

#[test]
fn d07_a_rolled_back_or_forked_log_does_not_go_on() {
    let mut office = Office::new();
    let mut fork = office.directory.clone();
    let old = office.directory.head();
    // Two views: here bob is suspended, there he is not.
    office.add(|o| testing::account_suspend(&o.directory, &name("bob"), &[&o.alice]));
    let (eve, dave) = (key(), key());
    fork.apply(&testing::account_add(
        &fork,
        &name("eve"),
        &eve,
        &[&office.alice],
    ))
    .unwrap();
    // What was signed in one view is refused in the other.
    let there = testing::account_add(&fork, &name("dave"), &dave, &[&office.alice]);
    let refusal = office.refusal(&there);
    assert_eq!(
        refusal,
        Refusal::SeenRoot {
            kind: "account.add",
            seen: old.size + 1
        }
    );
    // And what was signed in sight of more than a rolled back log holds, too.
    office.add(|o| testing::account_add(&o.directory, &name("eve"), &eve, &[&o.alice]));
    let here = testing::account_add(&office.directory, &name("dave"), &dave, &[&office.alice]);
    assert_eq!(
        fork.apply(&here),
        Err(Refusal::SeenSize {
            kind: "account.add",
            seen: old.size + 2,
            size: old.size + 1
        })
    );
    // Heads: an older one does not extend a newer one, and no proof joins the views.
    let (new, forked) = (office.directory.head(), fork.head());
    let tree = office.directory.tree();
    let path = tree.consistency(old.size, new.size).unwrap();
    assert_eq!(merkle::verify_consistency(old, new, &path), Ok(()));
    assert!(merkle::verify_consistency(new, old, &path).is_err());
    let path = tree.consistency(forked.size, new.size).unwrap();
    assert!(merkle::verify_consistency(forked, new, &path).is_err());
}

#[test]
fn d13_an_entry_must_have_seen_something_and_not_the_future() {
    let mut office = Office::new();
    let fact = Fact::AccountSuspend(AccountSuspend {
        account: name("bob"),
    });
    let good = testing::statement(&office.directory, fact);
    let size = office.directory.head().size;
    for seen in [0, size + 1, u64::MAX] {
        let mut statement = good.clone();
        statement.seen.size = seen;
        let entry = testing::sign(statement, office.directory.org(), &[&office.alice]);
        let kind = "account.suspend";
        assert_eq!(
            office.refusal(&entry),
            Refusal::SeenSize { kind, seen, size }
        );
    }
    let mut statement = good;
    statement.version = 0;
    let entry = testing::sign(statement, office.directory.org(), &[&office.alice]);
    let refusal = office.refusal(&entry);
    assert!(matches!(refusal, Refusal::Version { .. }), "{refusal}");
}

#[test]
fn d16_only_the_canonical_bytes_are_an_entry() {
    let mut office = Office::new();
    let good = testing::account_suspend(&office.directory, &name("bob"), &[&office.alice]);
    for end in 0..good.len() {
        let refusal = office.directory.apply(&good[..end]).unwrap_err();
        assert!(matches!(refusal, Refusal::Malformed(_)), "cut at {end}");
    }
    for trailing in [&[0][..], &good] {
        let refusal = office.refusal(&[&good, trailing].concat());
        assert!(matches!(refusal, Refusal::Malformed(_)), "{refusal}");
    }
    let refusal = office.refusal(&vec![0; Entry::MAX + 1]);
    assert!(matches!(refusal, Refusal::Malformed(_)), "{refusal}");
    // The length of the signatures, in four bytes instead of two.
    let signatures = decode::<Entry>(&good).unwrap().signatures;
    let body: Vec<u8> = signatures.iter().flat_map(encode).collect();
    let (statement, vector) = good.split_at(good.len() - body.len() - 2);
    assert_eq!(vector[2..], body);
    let length = u32::from(u16::from_be_bytes([vector[0], vector[1]]) & 0x3fff) | 0x8000_0000;
    let long = [statement, &length.to_be_bytes(), &body].concat();
    let refusal = office.refusal(&long);
    assert!(matches!(refusal, Refusal::Malformed(_)), "{refusal}");
    office.add(|_| good);
}

#[test]
fn d17_a_signature_is_good_for_one_label_organisation_and_party() {
    let mut office = Office::new();
    let fact = Fact::AccountSuspend(AccountSuspend {
        account: name("bob"),
    });
    let statement = testing::statement(&office.directory, fact);
    let (org, bytes) = (office.directory.org(), encode(&statement));
    let entry = |signature| {
        encode(&Entry {
            statement: statement.clone(),
            signatures: vec![signature],
        })
    };
    let alice = &office.alice;
    let right = client_data_hash(label::ENTRY, org, &bytes);
    let login = testing::authenticator_data("mail.campagne.example");
    let elsewhere = testing::authenticator_data("valise:aaaaaaaaaaaaaaaaaaaaaaaaaa");
    let forgeries = [
        alice.sign(&client_data_hash(label::UNLOCK, org, &bytes)),
        alice.sign(&client_data_hash(label::CREATE, org, &bytes)),
        alice.sign(&client_data_hash(b"", org, &bytes)),
        alice.sign(&client_data_hash(label::ENTRY, OrgId([0; 32]), &bytes)),
        alice.sign(&client_data_hash(label::ENTRY, OrgId([1; 32]), &bytes)),
        alice.sign(&sha256(&[&bytes])),
        alice.sign_as(&login, &right),
        alice.sign_as(&elsewhere, &right),
    ]
    .map(entry);
    let good = entry(alice.sign(&right));
    for forgery in forgeries {
        let refusal = office.refusal(&forgery);
        assert!(matches!(refusal, Refusal::Signature { .. }), "{refusal}");
    }
    office.add(|_| good);
}
