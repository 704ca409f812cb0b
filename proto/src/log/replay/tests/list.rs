//! Lists, and the names that they share with people.

use super::*;

#[test]
fn a_list_is_set_changed_and_closed_and_keeps_its_name() {
    let mut office = Office::new();
    let (press, alice, bob) = (name("press"), name("alice"), name("bob"));
    office.add(|o| testing::list_set(&o.directory, &press, &[&alice, &bob], &[&o.alice]));
    let list = office.directory.list(&press).unwrap();
    assert_eq!(list.members, [alice, bob.clone()]);
    assert_eq!((list.set, list.sequence), (4, 1));
    office.add(|o| testing::list_set(&o.directory, &press, &[&bob], &[&o.alice]));
    office.add(|o| testing::list_set(&o.directory, &press, &[], &[&o.alice]));
    let list = office.directory.list(&press).unwrap();
    assert_eq!((list.members.len(), list.set, list.sequence), (0, 6, 3));
    let eve = key();
    let entry = testing::account_add(&office.directory, &press, &eve, &[&office.alice]);
    assert_eq!(office.refusal(&entry), Refusal::NameTaken(press.clone()));
    let entry = testing::batch(&office.directory, &[(&press, &eve)], &[&office.alice]);
    assert_eq!(office.refusal(&entry), Refusal::NameTaken(press.clone()));
    office.add(|o| testing::list_set(&o.directory, &press, &[&bob], &[&o.alice]));
    let lists: Vec<_> = office.directory.lists().map(|(name, _)| name).collect();
    assert_eq!(lists, [&press]);
}

#[test]
fn a_list_keeps_its_rules() {
    let mut office = Office::new();
    let (press, alice, bob, eve) = (name("press"), name("alice"), name("bob"), name("eve"));
    let directory = &office.directory;
    let set = |list: &Name, members: &[&Name]| {
        testing::list_set(directory, list, members, &[&office.alice])
    };
    let order = || Refusal::ListOrder(press.clone());
    let many: Vec<Name> = (0..1001).map(|it| name(&format!("p{it:04}"))).collect();
    let cases = [
        (set(&bob, &[&alice]), Refusal::NameTaken(bob.clone())),
        (set(&press, &[&bob, &alice]), order()),
        (set(&press, &[&alice, &alice]), order()),
        (
            set(&press, &[&eve]),
            Refusal::UnknownAccount {
                kind: "list.set",
                account: eve.clone(),
            },
        ),
        (
            set(&press, &many.iter().collect::<Vec<_>>()),
            Refusal::ListSize(1001),
        ),
        (
            testing::list_set(directory, &press, &[&bob], &[&office.bob]),
            Refusal::NoAuthority {
                kind: "list.set",
                account: bob.clone(),
            },
        ),
    ];
    for (entry, refusal) in cases {
        assert_eq!(office.refusal(&entry), refusal);
    }
    // A list is no member of a list.
    office.add(|o| testing::list_set(&o.directory, &press, &[&bob], &[&o.alice]));
    let nested = testing::list_set(&office.directory, &name("all"), &[&press], &[&office.alice]);
    let refusal = office.refusal(&nested);
    assert!(
        matches!(refusal, Refusal::UnknownAccount { .. }),
        "{refusal}"
    );
}

#[test]
fn d14_d15_a_list_has_its_own_sequence() {
    let mut office = Office::new();
    let (press, bob) = (name("press"), name("bob"));
    let one = testing::list_set(&office.directory, &press, &[&bob], &[&office.alice]);
    let two = testing::list_set(&office.directory, &press, &[], &[&office.alice]);
    let person = testing::account_add(&office.directory, &press, &key(), &[&office.alice]);
    office.add(|_| one.clone());
    for late in [one, two, person] {
        let refusal = office.refusal(&late);
        assert!(matches!(refusal, Refusal::Sequence { .. }), "{refusal}");
    }
}

#[test]
fn the_largest_list_fits() {
    let mut office = Office::new();
    let names: Vec<Name> = (0..1000)
        .map(|it| name(&format!("a-very-long-name-of-thirty-two-{it:03}").replace("two-", "t")))
        .collect();
    assert!(names.iter().all(|name| name.as_str().len() <= 32));
    let members: Vec<_> = names.iter().collect();
    let press = name("press");
    let entry = testing::list_set(&office.directory, &press, &members, &[&office.alice]);
    // The names are nobody's: it fails on that, and not on its size.
    let refusal = office.refusal(&entry);
    assert!(
        matches!(refusal, Refusal::UnknownAccount { .. }),
        "{refusal}"
    );
}
