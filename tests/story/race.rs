//! Many people at the same moment.

use futures_util::future::join_all;

use crate::support::{Office, Person};

fn sorted(person: &mut Person) -> Vec<String> {
    let mut bodies = person.bodies();
    bodies.sort();
    bodies
}

/// What the server accepted for all groups: letters and commits, and the epochs that commits ended.
fn epochs(office: &Office) -> i64 {
    let database = rusqlite::Connection::open(office.data().join("valise.db")).unwrap();
    database
        .query_row("select sum(epoch) from mls_group", (), |row| row.get(0))
        .unwrap()
}

#[tokio::test]
async fn two_people_put_a_conversation_right_at_once() {
    let (office, mut alice) = Office::open().await;
    let mut bob = office.hire(&mut alice, "bob").await;
    let mut carol = office.hire(&mut alice, "carol").await;
    alice.send(&["bob", "carol"], "Plan", "first").await;
    bob.sync().await;
    carol.sync().await;
    let before = epochs(&office);

    // Carol's new computer belongs into the conversation; alice and bob both notice as they write.
    let mut laptop = carol.other_computer();
    laptop.join(&office).await;
    office.time.pass_minutes(1);
    let (from_alice, from_bob) = tokio::join!(
        alice.send(&["bob", "carol"], "Plan", "from alice"),
        bob.send(&["alice", "carol"], "Plan", "from bob"),
    );

    // One commit won, nobody's letter was lost, and both see the same readers.
    assert_eq!(epochs(&office), before + 1);
    for person in [&mut alice, &mut bob, &mut carol] {
        person.sync().await;
        assert_eq!(
            sorted(person),
            ["first", "from alice", "from bob"],
            "{}",
            person.name
        );
    }
    laptop.sync().await;
    assert_eq!(sorted(&mut laptop), ["from alice", "from bob"]);
    assert_eq!(alice.readers(from_alice), bob.readers(from_bob));
    assert_eq!(alice.readers(from_alice).len(), 4);
}

#[tokio::test]
async fn two_people_begin_the_same_conversation_at_once() {
    let (office, mut alice) = Office::open().await;
    let mut bob = office.hire(&mut alice, "bob").await;
    tokio::join!(
        alice.send(&["bob"], "Hello", "from alice"),
        bob.send(&["alice"], "Hello", "from bob"),
    );
    for person in [&mut alice, &mut bob] {
        person.sync().await;
        assert_eq!(
            sorted(person),
            ["from alice", "from bob"],
            "{}",
            person.name
        );
    }
    // From now on both write into the same one of the two.
    let (there, back) = (
        alice.send(&["bob"], "Hello", "again").await,
        bob.send(&["alice"], "Hello", "again").await,
    );
    assert_eq!(alice.letter(there).group, bob.letter(back).group);
}

/// An office of so many people, and their names. All are in one conversation, and have its first letter.
async fn retreat(size: usize) -> (Office, Vec<Person>, Vec<String>) {
    let (office, alice) = Office::open().await;
    let mut people = vec![alice];
    for number in 1..size {
        let name = format!("person{number}");
        let person = office.hire(&mut people[0], &name).await;
        people.push(person);
    }
    let names: Vec<_> = people.iter().map(|it| it.name.to_string()).collect();
    let all: Vec<_> = names.iter().map(String::as_str).collect();
    people[0].send(&all, "Retreat", "Where shall we go?").await;
    join_all(people.iter_mut().map(Person::sync)).await;
    (office, people, names)
}

#[tokio::test]
async fn ten_people_write_at_once() {
    let (_office, mut people, names) = retreat(10).await;
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let answers = people.iter_mut().map(|person| {
        let body = format!("{} says: the sea", person.name);
        let names = &names;
        async move { person.send(names, "Re: Retreat", &body).await }
    });
    join_all(answers).await;

    join_all(people.iter_mut().map(Person::sync)).await;
    let expected = sorted(&mut people[0]);
    assert_eq!(expected.len(), 11);
    for person in &mut people {
        assert_eq!(sorted(person), expected, "{}", person.name);
        assert!(
            !person.events().iter().any(|kind| kind == "gap"),
            "{}",
            person.name
        );
    }
}

/// Each round everybody begins another epoch, of which one comes, and writes.
#[tokio::test]
async fn r10_twenty_people_change_the_keys_at_once_and_no_letter_is_lost() {
    const PEOPLE: usize = 20;
    const ROUNDS: usize = 2;
    let (office, mut people, names) = retreat(PEOPLE).await;
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let (group, _) = people[0].only_group();
    for round in 0..ROUNDS {
        let before = epochs(&office);
        let begun = people
            .iter_mut()
            .map(|person| person.session().attack_keep(group));
        let begun = join_all(begun).await;
        let won = begun.iter().filter(|commit| commit.is_ok()).count();
        assert_eq!((won, epochs(&office)), (1, before + 1));
        office.time.pass_minutes(1);
        let letters = people.iter_mut().map(|person| {
            let (body, names) = (format!("{} in round {round}", person.name), &names);
            async move { person.send(names, "Re: Retreat", &body).await }
        });
        join_all(letters).await;
    }
    join_all(people.iter_mut().map(Person::sync)).await;
    let expected = sorted(&mut people[0]);
    assert_eq!(expected.len(), 1 + ROUNDS * PEOPLE);
    let epoch = people[0].session().attack_epochs().expect("epochs");
    for person in &mut people {
        assert_eq!(sorted(person), expected, "{}", person.name);
        let events = person.events();
        let lost = |kind: &String| kind == "gap" || kind == "unreadable";
        assert!(!events.iter().any(lost), "{}: {events:?}", person.name);
        // Everybody is in the same epoch, of the same past.
        let theirs = person.session().attack_epochs().expect("epochs");
        assert_eq!(theirs, epoch, "{}", person.name);
    }
}
