//! The server drops, repeats, holds up and swaps letters: every reader is told.

use reqwest::Method;
use valise_client::weaken::dangerously_weaken;
use valise_proto::api::{SYNC, delivery};

use crate::support::{Mallory, Office, Person};

/// Changes the order of what is delivered, and numbers it anew, so that the server's own numbers have
/// no gap.
fn deliver(
    mallory: &Mallory,
    change: impl Fn(&[delivery::Message]) -> Vec<delivery::Message> + Send + 'static,
) {
    mallory.alter(&Method::GET, SYNC, move |page: &mut delivery::Page| {
        let first = page.messages.first().map_or(0, |message| message.sequence);
        page.messages = change(&page.messages);
        for (message, sequence) in page.messages.iter_mut().zip(first..) {
            message.sequence = sequence;
        }
    });
}

/// Alice writes five letters to bob and carol, who will get them as `change` leaves them.
pub(super) async fn five_letters(
    alice: &mut Person,
    mallory: &Mallory,
    [bob, carol]: &mut [Person; 2],
    change: impl Fn(&[delivery::Message]) -> Vec<delivery::Message> + Send + 'static,
) {
    let both = ["bob", "carol"];
    alice.send(&both, "Hello", "0").await;
    carol.sync().await;
    bob.sync().await;
    for body in ["1", "2", "3", "4", "5"] {
        alice.send(&both, "Plan", body).await;
    }
    deliver(mallory, change);
}

/// Carol reads what mallory leaves, and bob everything.
async fn both_read(mallory: &Mallory, [bob, carol]: &mut [Person; 2]) {
    carol.sync().await;
    mallory.behave();
    bob.sync().await;
}

fn missing(of: &mut Person) -> usize {
    let events = of.events();
    events
        .iter()
        .filter(|kind| *kind == "missing-letter")
        .count()
}

/// Drops the second, repeats the third and holds the fourth up.
pub(super) fn shuffled(messages: &[delivery::Message]) -> Vec<delivery::Message> {
    let order: &[usize] = if messages.len() == 5 {
        &[0, 2, 2, 4, 3]
    } else {
        &[]
    };
    order.iter().map(|index| messages[*index].clone()).collect()
}

#[tokio::test]
async fn g07_every_reader_sees_what_is_missing() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let mut people = office.hire_all(&mut alice, ["bob", "carol"]).await;
    five_letters(&mut alice, &mallory, &mut people, shuffled).await;
    both_read(&mallory, &mut people).await;
    let [_, carol] = &mut people;
    assert_eq!(carol.bodies(), ["0", "1", "3", "5"]);
    assert_eq!(missing(carol), 2);
    assert!(carol.events().contains(&"repeated-letter".to_owned()));
}

#[tokio::test]
async fn g07_twin_nobody_sees_what_is_missing() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let mut people = office.hire_all(&mut alice, ["bob", "carol"]).await;
    dangerously_weaken(Some("G07"));
    five_letters(&mut alice, &mallory, &mut people, shuffled).await;
    both_read(&mallory, &mut people).await;
    let [_, carol] = &mut people;
    assert_eq!(carol.bodies(), ["0", "1", "3", "5"]);
    assert_eq!(missing(carol), 0);
}

/// Keeps the second letter from whoever asks now.
pub(super) fn withheld(messages: &[delivery::Message]) -> Vec<delivery::Message> {
    let five = messages.len() == 5;
    let kept = messages.iter().enumerate();
    let kept = kept.filter(|(index, _)| !(five && *index == 1));
    kept.map(|(_, message)| message.clone()).collect()
}

#[tokio::test]
async fn g29_what_is_withheld_from_one_person_shows_at_the_next_letter() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let mut people = office.hire_all(&mut alice, ["bob", "carol"]).await;
    five_letters(&mut alice, &mallory, &mut people, withheld).await;
    both_read(&mallory, &mut people).await;
    let [bob, carol] = &mut people;
    assert_eq!(carol.bodies(), ["0", "1", "3", "4", "5"]);
    assert_eq!(missing(carol), 1);
    assert_eq!(bob.bodies().len(), 6);
    assert_eq!(missing(bob), 0);
}

#[tokio::test]
async fn g29_twin_one_person_is_kept_in_the_dark() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let mut people = office.hire_all(&mut alice, ["bob", "carol"]).await;
    dangerously_weaken(Some("G07"));
    five_letters(&mut alice, &mallory, &mut people, withheld).await;
    both_read(&mallory, &mut people).await;
    let [_, carol] = &mut people;
    assert_eq!(carol.bodies(), ["0", "1", "3", "4", "5"]);
    assert_eq!(missing(carol), 0);
}

pub(super) const MARK: &str = "answers a letter that had not come here";

/// Alice asks, bob says yes; carol, who has not looked yet, is brought his word before her question.
pub(super) async fn answer_first(
    office: &Office,
    mallory: &Mallory,
    alice: &mut Person,
    swapped: bool,
) -> Person {
    let [mut bob, mut carol] = office.hire_all(alice, ["bob", "carol"]).await;
    let both = ["bob", "carol"];
    alice.send(&both, "Hello", "Shall we have pizza?").await;
    bob.sync().await;
    carol.sync().await;
    alice.send(&both, "And", "Shall we rob a bank?").await;
    bob.sync().await;
    bob.reply(2, true, "Yes!").await;
    if swapped {
        deliver(mallory, |messages| messages.iter().rev().cloned().collect());
    }
    carol
}

/// What carol is told of it: each letter with its mark, and how many came after their answers.
async fn told(off: Option<&str>, swapped: bool) -> (Vec<(String, String)>, usize) {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let mut carol = answer_first(&office, &mallory, &mut alice, swapped).await;
    dangerously_weaken(off);
    carol.sync().await;
    let late = carol.events();
    let late = late.iter().filter(|kind| *kind == "late-letter").count();
    let letters = carol.letters().into_iter().skip(1);
    let letters = letters.map(|letter| (letter.body, letter.remark));
    (letters.collect(), late)
}

#[tokio::test]
async fn g30_an_answer_to_an_unseen_letter_is_marked() {
    let (shown, late) = Box::pin(told(None, true)).await;
    assert_eq!(late, 1);
    assert_eq!(shown[0], ("Yes!".to_owned(), MARK.to_owned()));
    assert_eq!(shown[1], ("Shall we rob a bank?".to_owned(), String::new()));
    let (shown, late) = Box::pin(told(None, false)).await;
    assert_eq!(late, 0);
    assert!(
        shown.iter().all(|(_, remark)| remark.is_empty()),
        "{shown:?}"
    );
}

#[tokio::test]
async fn g30_twin_an_answer_stands_behind_another_question() {
    let (shown, late) = Box::pin(told(Some("G30"), true)).await;
    assert_eq!(late, 0);
    assert_eq!(shown[0], ("Yes!".to_owned(), String::new()));
}
