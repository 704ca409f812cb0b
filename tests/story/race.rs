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

#[tokio::test]
async fn ten_people_write_at_once() {
    let (office, alice) = Office::open().await;
    let mut people = vec![alice];
    for name in [
        "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy",
    ] {
        let person = office.hire(&mut people[0], name).await;
        people.push(person);
    }
    let names: Vec<_> = people
        .iter()
        .map(|person| person.name.to_string())
        .collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    people[0]
        .send(&names, "Retreat", "Where shall we go?")
        .await;
    join_all(people.iter_mut().map(Person::sync)).await;

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
