//! Letters that waited and go together: what the server says of them, and who is shut out meanwhile.

use reqwest::{Method, StatusCode};
use valise_client::{
    api::ApiError,
    mail::Draft,
    session::{Error, Session},
    weaken::dangerously_weaken,
};
use valise_proto::api::{
    LETTERS,
    delivery::{Accepted, AcceptedLetters, LETTERS_MAX, Letters},
};

use crate::support::{Mallory, Office, Person};

/// Bob has alice's first letter; `count` more wait at her computer, and are not encrypted.
async fn waiting(count: usize) -> (Office, Person, Person, Mallory, Vec<String>) {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let mut bob = office.hire(&mut alice, "bob").await;
    alice.send(&["bob"], "Plan", "first").await;
    bob.sync().await;
    let mut bodies = vec!["first".to_owned()];
    // Who has not just looked at the server encrypts nothing yet.
    office.time.pass(10_000);
    for number in 0..count {
        let body = number.to_string();
        write(alice.session(), &body);
        bodies.push(body);
    }
    mallory.forget();
    (office, alice, bob, mallory, bodies)
}

fn write(session: &mut Session, body: &str) {
    let draft = Draft {
        to: vec!["bob".to_owned()],
        subject: "Plan".to_owned(),
        body: body.to_owned(),
        ..Draft::default()
    };
    session.write(draft).expect("writing");
}

/// How many letters went in each request.
fn sizes(mallory: &Mallory) -> Vec<usize> {
    let seen = mallory.seen(&Method::POST, LETTERS);
    let letters = seen.iter().map(|it| it.request::<Letters>().into_vec());
    letters.map(|letters| letters.len()).collect()
}

#[tokio::test]
async fn letters_that_waited_go_together_and_come_in_order() {
    let (_office, mut alice, mut bob, mallory, bodies) = waiting(LETTERS_MAX + 8).await;
    assert_eq!(alice.sync().await.sent, 40);
    assert_eq!(sizes(&mallory), [LETTERS_MAX, 8]);
    assert_eq!(bob.sync().await.letters, 40);
    assert_eq!(bob.bodies(), bodies);
    // Alice is given her own back, without their content.
    assert_eq!(alice.sync().await.letters, 0);
    bob.send(&["alice"], "Plan", "last").await;
    alice.sync().await;
    for person in [&mut alice, &mut bob] {
        let events = person.events();
        let wrong =
            |kind: &String| ["gap", "missing-letter", "unreadable"].contains(&kind.as_str());
        assert!(!events.iter().any(wrong), "{events:?}");
    }
}

/// Of three conversations in turn: they are opened together, and keep the order in which they came.
#[tokio::test]
async fn letters_of_several_conversations_come_in_order() {
    let (office, mut alice) = Office::open().await;
    let [mut bob, _carol, _dave] = office.hire_all(&mut alice, ["bob", "carol", "dave"]).await;
    let mut bodies = Vec::new();
    for round in 0..9 {
        for to in [&["bob"][..], &["bob", "carol"], &["bob", "dave"]] {
            let body = format!("{round} to {}", to.join(" and "));
            alice.send(to, "Plan", &body).await;
            bodies.push(body);
        }
    }
    assert_eq!(bob.sync().await.letters, 27);
    assert_eq!(bob.bodies(), bodies);
    for to in [&["alice"][..], &["alice", "carol"]] {
        bob.send(to, "Plan", "Yes.").await;
    }
    assert_eq!(alice.sync().await.letters, 2);
}

#[tokio::test]
async fn a_long_letter_goes_alone() {
    let (_office, mut alice, mut bob, mallory, mut bodies) = waiting(3).await;
    let long = "x".repeat(100_000);
    write(alice.session(), &long);
    write(alice.session(), "after it");
    bodies.extend([long, "after it".to_owned()]);
    assert_eq!(alice.sync().await.sent, 5);
    assert_eq!(sizes(&mallory), [3, 1, 1]);
    bob.sync().await;
    assert_eq!(bob.bodies(), bodies);
}

/// Of every request the server says that only the first letter was accepted.
#[tokio::test]
async fn r05_a_server_that_counts_too_few_gets_the_others_again_and_none_comes_twice() {
    let (_office, mut alice, mut bob, mallory, bodies) = waiting(5).await;
    mallory.alter(&Method::POST, LETTERS, |answer: &mut AcceptedLetters| {
        let mut accepted = answer.clone().into_vec();
        accepted.truncate(1);
        *answer = accepted.try_into().unwrap();
    });
    assert_eq!(alice.sync().await.sent, 5);
    assert_eq!(sizes(&mallory), [5, 4, 3, 2, 1]);
    mallory.behave();
    bob.sync().await;
    assert_eq!(bob.bodies(), bodies);
    assert!(!bob.events().contains(&"repeated-letter".to_owned()));
}

#[tokio::test]
async fn r05_a_server_that_counts_too_many_is_not_believed() {
    let (_office, mut alice, mut bob, mallory, bodies) = waiting(3).await;
    mallory.alter(&Method::POST, LETTERS, |answer: &mut AcceptedLetters| {
        let mut accepted = answer.clone().into_vec();
        accepted.push(Accepted { sequence: 99 });
        *answer = accepted.try_into().unwrap();
    });
    let refused = alice.try_sync().await;
    let malformed = |error: &Error| matches!(error, Error::Api(ApiError::PeerMalformed));
    assert!(refused.as_ref().is_err_and(malformed), "{refused:?}");
    let waits = alice.session().store().read().outbox().unwrap();
    assert_eq!(waits.len(), 3);
    mallory.behave();
    alice.sync().await;
    bob.sync().await;
    assert_eq!(bob.bodies(), bodies);
}

/// Two programs of alice's write in turn, each with the conversation in its memory; bob reads it all.
async fn in_turn(off: Option<&str>) -> (Office, [Person; 2], Person) {
    let (office, mut alice) = Office::open().await;
    let mut bob = office.hire(&mut alice, "bob").await;
    alice.send(&["bob"], "Plan", "0").await;
    let mut other = office.person("alice");
    let key = alice.unlock();
    other.open_with(&key);
    dangerously_weaken(off);
    for pair in [["1", "2"], ["3", "4"]] {
        for (program, body) in [&mut alice, &mut other].into_iter().zip(pair) {
            program.send(&["bob"], "Plan", body).await;
        }
    }
    bob.sync().await;
    (office, [alice, other], bob)
}

#[tokio::test]
async fn c14_two_programs_of_one_person_use_no_key_twice() {
    let (_office, [mut alice, mut other], mut bob) = in_turn(None).await;
    let mut bodies: Vec<_> = (0..5).map(|number| number.to_string()).collect();
    assert_eq!(bob.bodies(), bodies);
    for (turn, body) in ["5", "6", "7", "8"].into_iter().enumerate() {
        bob.send(&["alice"], "Plan", body).await;
        let program = if turn % 2 == 0 {
            &mut alice
        } else {
            &mut other
        };
        assert_eq!(program.sync().await.letters, 1);
        bodies.push(body.to_owned());
    }
    assert_eq!(alice.bodies(), bodies);
    let wrong = ["unreadable", "missing-letter", "gap"];
    for events in [alice.events(), bob.events()] {
        assert!(
            !events.iter().any(|kind| wrong.contains(&kind.as_str())),
            "{events:?}"
        );
    }
}

#[tokio::test]
async fn c14_twin_a_group_behind_its_store_uses_keys_twice() {
    let (_office, _alice, mut bob) = in_turn(Some("C14")).await;
    assert!(!bob.bodies().contains(&"3".to_owned()));
    assert!(bob.events().contains(&"unreadable".to_owned()));
}

/// Five ciphertexts wait for the network; bob's other computer is shut out meanwhile. No server gets what
/// that computer could open.
#[tokio::test]
async fn g14_no_ciphertext_that_waited_goes_to_who_was_shut_out() {
    let (office, mut alice, mut bob, mallory, mut bodies) = waiting(0).await;
    let mut stolen = bob.other_computer();
    stolen.join(&office).await;
    bob.sync().await;
    alice.send(&["bob"], "Plan", "for three").await;
    stolen.sync().await;
    for number in 0..5 {
        write(alice.session(), &number.to_string());
    }
    mallory.on_request(|exchange| {
        if exchange.is(&Method::POST, LETTERS) {
            exchange.status = StatusCode::BAD_GATEWAY;
            exchange.answer.clear();
        }
    });
    mallory.forget();
    alice.try_sync().await.expect_err("the network eats it");
    let lost = mallory.seen(&Method::POST, LETTERS)[0].request::<Letters>();
    let epoch = lost.into_vec()[0].epoch;
    let (name, device) = (bob.name.clone(), stolen.session().device());
    mallory.behave();
    bob.revoke(&name, device).await;
    office.time.pass(10_000);
    mallory.forget();
    alice.sync().await;
    let sent = mallory.seen(&Method::POST, LETTERS);
    let sent = sent
        .iter()
        .flat_map(|it| it.request::<Letters>().into_vec());
    let epochs: Vec<_> = sent.map(|letter| letter.epoch).collect();
    assert_eq!(epochs, [epoch + 1; 5]);
    bob.sync().await;
    bodies.push("for three".to_owned());
    bodies.extend((0..5).map(|number| number.to_string()));
    assert_eq!(bob.bodies(), bodies);
}
