//! A server that gives one commit to half of a conversation, and another to the other half.

use reqwest::{Method, StatusCode};
use valise_client::{trust::Alarm, weaken::dangerously_weaken};
use valise_proto::{
    api::{LETTERS, SYNC, delivery},
    id::GroupId,
};

use super::flight::CONTENT_TYPE;
use crate::support::{Mallory, Office, Person};

/// Everybody, as alice, bob, carol and dave see them.
const OTHERS: [(&str, [&str; 3]); 4] = [
    ("alice", ["bob", "carol", "dave"]),
    ("bob", ["alice", "carol", "dave"]),
    ("carol", ["alice", "bob", "dave"]),
    ("dave", ["alice", "bob", "carol"]),
];

pub(super) fn others(of: &Person) -> [&'static str; 3] {
    let found = OTHERS.iter().find(|(name, _)| of.name.as_str() == *name);
    found.expect("one of the four").1
}

pub(super) async fn write(person: &mut Person, body: &str) {
    let to = others(person);
    person.send(&to, "Source", body).await;
}

/// Alice and bob have gone one way in the conversation of the four, carol and dave the other.
pub(super) async fn two_halves(office: &mut Office, alice: &mut Person) -> ([Person; 3], GroupId) {
    let [mut bob, mut carol, mut dave] = office.hire_all(alice, ["bob", "carol", "dave"]).await;
    write(alice, "hello").await;
    for person in [&mut bob, &mut carol, &mut dave] {
        person.sync().await;
    }
    let (group, _) = alice.only_group();
    office.stop();
    let before = office.copy_database();
    office.start().await;
    change(alice, group).await;
    bob.sync().await;
    office.stop();
    office.restore_database(&before);
    office.start().await;
    change(&mut carol, group).await;
    dave.sync().await;
    office.time.pass(10_000);
    ([bob, carol, dave], group)
}

async fn change(person: &mut Person, group: GroupId) {
    let made = person.session().attack_keep(group).await;
    made.expect("a commit");
    person.sync().await;
}

/// Groups to which letters have gone.
fn written_to(mallory: &Mallory) -> Vec<GroupId> {
    let seen = mallory.seen(&Method::POST, LETTERS).into_iter();
    seen.map(|exchange| exchange.request::<delivery::Letter>().group)
        .collect()
}

#[tokio::test]
async fn g06_a_split_conversation_is_named_at_the_first_message() {
    let (mut office, mut alice, mallory) = Office::open_under_mallory().await;
    let ([mut bob, mut carol, mut dave], group) = two_halves(&mut office, &mut alice).await;
    // A letter of carol's is on its way, encrypted for the half that she takes for the whole.
    mallory.on_request(|exchange| {
        if exchange.is(&Method::POST, LETTERS) {
            exchange.status = StatusCode::BAD_GATEWAY;
        }
    });
    let lost = carol.try_send(&others(&carol), "Source", "Jean").await;
    assert!(lost.is_err());
    mallory.behave();
    write(&mut alice, "Who else reads this?").await;
    mallory.forget();
    let report = carol.sync().await;
    let people = ["alice", "bob", "carol", "dave"].map(|name| name.parse().unwrap());
    let people = people.to_vec();
    assert_eq!(report.alarms, [Alarm::GroupFork { people }]);
    assert!(carol.events().contains(&"group-fork".to_owned()));
    // It went into another conversation of the same people, where both halves read it.
    assert!(!written_to(&mallory).is_empty());
    assert!(!written_to(&mallory).contains(&group));
    for person in [&mut alice, &mut bob, &mut dave] {
        person.sync().await;
        assert_eq!(person.bodies().last().unwrap(), "Jean", "{}", person.name);
    }
    for person in [&mut alice, &mut bob, &mut dave] {
        let body = format!("{}'s answer", person.name);
        write(person, &body).await;
        carol.sync().await;
        assert_eq!(carol.bodies().last(), Some(&body));
    }
    assert!(!written_to(&mallory).contains(&group));
}

/// The twin: without the check the two halves talk to themselves, and no alarm says so.
#[tokio::test]
async fn g06_twin_the_halves_stay_apart() {
    let (mut office, mut alice, mallory) = Office::open_under_mallory().await;
    let ([mut bob, mut carol, mut dave], group) = two_halves(&mut office, &mut alice).await;
    dangerously_weaken(Some("G06"));
    write(&mut alice, "Who else reads this?").await;
    mallory.forget();
    write(&mut carol, "Jean").await;
    assert_eq!(written_to(&mallory), [group]);
    for (person, last) in [
        (&mut alice, "Who else reads this?"),
        (&mut bob, "Who else reads this?"),
        (&mut carol, "Jean"),
        (&mut dave, "Jean"),
    ] {
        person.sync().await;
        assert_eq!(person.bodies().last().unwrap(), last, "{}", person.name);
        assert!(!person.events().contains(&"group-fork".to_owned()));
    }
}

/// Where a message says what its group's state is: behind its content type stand the length of the
/// authenticated data, a version and the signed head of the log.
const STATE: usize = CONTENT_TYPE + 1 + 2 + 1 + 104;

/// Whoever spoils a letter so that it seems to come from another half ends one conversation, and
/// nothing else: what is in it already is read, and the next one of the same people begins.
#[tokio::test]
async fn g06_a_false_word_about_a_group_stops_nobody() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let mut bob = office.hire(&mut alice, "bob").await;
    bob.send(&["alice"], "First", "first").await;
    alice.sync().await;
    let (group, _) = alice.only_group();
    for body in ["spoiled", "second"] {
        bob.send(&["alice"], "Transfer", body).await;
    }
    let mut spoiled = false;
    mallory.alter(&Method::GET, SYNC, move |page: &mut delivery::Page| {
        if let Some(message) = page.messages.first_mut().filter(|_| !spoiled) {
            let mut bytes = message.message.clone().into_vec();
            bytes[STATE] ^= 1;
            message.message = bytes.try_into().unwrap();
            spoiled = true;
        }
    });
    alice.sync().await;
    mallory.behave();
    assert!(alice.events().contains(&"group-fork".to_owned()));
    assert_eq!(alice.bodies(), ["first", "second"]);
    mallory.forget();
    alice.send(&["bob"], "Third", "third").await;
    bob.sync().await;
    bob.send(&["alice"], "Fourth", "fourth").await;
    alice.sync().await;
    assert_eq!(alice.bodies().last().unwrap(), "fourth");
    assert!(bob.bodies().contains(&"third".to_owned()));
    assert!(!written_to(&mallory).contains(&group));
}
