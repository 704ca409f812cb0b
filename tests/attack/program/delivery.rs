//! Letters on their way: dropped, repeated, swapped, spoiled, forged and handed back.

use reqwest::Method;
use valise_proto::api::{SYNC, delivery};

use super::{LETTER, Typed, looks, refused};
use crate::attack::{bytes, flight, insider, order};
use crate::support::Office;

const BOTH: [&str; 2] = ["bob", "carol"];

/// What carol's program says that happened when the server lets five letters through as `change` likes,
/// of which `shown` come.
async fn five_letters(
    change: fn(&[delivery::Message]) -> Vec<delivery::Message>,
    event: &str,
    shown: &[&str],
) {
    let (office, mut alice, mallory) = Office::open_now_under_mallory().await;
    let mut people = office.hire_all(&mut alice, BOTH).await;
    order::five_letters(&mut alice, &mallory, &mut people, change).await;
    let [_, mut carol] = people;
    let typed = looks(event);
    let said = typed.by(&mut carol, &office, &mallory);
    let note = "places where letters are missing: ";
    assert!(said.err.contains(note), "{said:?}");
    carol.reopen();
    assert_eq!(carol.bodies(), shown);
}

#[tokio::test]
async fn g07_the_program_says_which_letters_are_missing() {
    let shown = ["0", "1", "3", "5"];
    five_letters(order::shuffled, "missing-letter", &shown).await;
}

#[tokio::test]
async fn g29_the_program_says_which_letter_was_withheld() {
    let shown = ["0", "1", "3", "4", "5"];
    five_letters(order::withheld, "missing-letter", &shown).await;
}

/// A mark on the letter too: whoever reads it does not read the events first.
#[tokio::test]
async fn g30_the_program_marks_an_answer_to_an_unseen_letter() {
    let (office, mut alice, mallory) = Office::open_now_under_mallory().await;
    let mut carol = order::answer_first(&office, &mallory, &mut alice, true).await;
    let said = looks("late-letter").by(&mut carol, &office, &mallory);
    let note = "letters that came after their answers: 1. See: valise events";
    assert!(said.err.contains(note), "{said:?}");
    let cli = office.cli("carol");
    let mark = |number| cli.json(&["read", number]).object()["remark"].clone();
    let [marked, unmarked] = ["2", "3"].map(mark);
    assert_eq!(marked, order::MARK);
    assert!(unmarked.is_null(), "{unmarked}");
}

/// Bob's letters come as `change` leaves them, and do not open; his last one does.
async fn spoiled(letters: usize, change: impl Fn(usize, &mut Vec<u8>) + Send + 'static) {
    let (office, mut alice, mallory) = Office::open_now_under_mallory().await;
    flight::written(&office, &mallory, &mut alice, letters, change).await;
    let typed = Typed {
        words: &["sync", "-o", "json"],
        ..looks("unreadable")
    };
    let said = typed.by(&mut alice, &office, &mallory);
    let note = format!("messages that did not open: {letters}. See: valise events");
    assert!(said.err.contains(&note), "{said:?}");
    let record = said.object();
    assert_eq!(record["unopened"], letters, "{record}");
    // What was said once does not stop the next command.
    office.cli("alice").run(&["sync"]).done();
    // The last one shows that those before it are missing.
    assert_eq!(record["gaps"], 1, "{record}");
    alice.reopen();
    assert_eq!(alice.bodies(), ["first", "last"]);
    let events = alice.events();
    let unreadable = events.iter().filter(|kind| *kind == "unreadable").count();
    assert_eq!(unreadable, letters, "{events:?}");
}

#[tokio::test]
async fn g17_the_program_shows_no_letter_with_a_cut_tag() {
    spoiled(4, |round, message| {
        *message = bytes::cut(message, round % 2 == 0, [1, 1, 16, 16][round]);
    })
    .await;
}

#[tokio::test]
async fn g18_the_program_goes_on_behind_nonsense() {
    spoiled(4, |round, message| match round {
        0 => message.truncate(9),
        1 => *message = vec![0xbf; 100_000],
        2 => message.resize(100_000, 0xff),
        _ => message[4..12].fill(0x80),
    })
    .await;
}

#[tokio::test]
async fn g24_the_program_shows_no_letter_with_a_flipped_bit() {
    spoiled(4, |round, message| flight::flip(100 + round, message)).await;
}

#[tokio::test]
async fn g23_the_program_shows_nothing_in_a_colleagues_name() {
    let (office, mut alice, mallory) = Office::open_now_under_mallory().await;
    flight::written_by_carol(&office, &mut alice).await;
    let typed = looks("unreadable");
    typed.by(&mut alice, &office, &mallory);
    alice.reopen();
    assert_eq!(alice.bodies(), ["Hello"]);
}

#[tokio::test]
async fn g09_the_program_names_a_letter_that_hides_a_reader() {
    let (office, mut alice, mallory) = Office::open_now_under_mallory().await;
    let mut carol = insider::to_alice_alone(&office, &mut alice).await;
    let typed = refused(LETTER, "wrong-recipients");
    typed.by(&mut carol, &office, &mallory);
    carol.reopen();
    assert_eq!(carol.bodies()[0], "At nine.");
    assert!(!carol.bodies().contains(&"Between us.".to_owned()));
}

#[tokio::test]
async fn g10_the_program_goes_on_in_another_conversation_after_a_spoiled_commit() {
    let (office, mut alice, mallory) = Office::open_now_under_mallory().await;
    let (mut bob, group) = bytes::committed(&office, &mallory, &mut alice, 1).await;
    let typed = looks("unreadable");
    typed.by(&mut bob, &office, &mallory);
    let commits = mallory.commits();
    assert!(
        commits.iter().all(|commit| commit.group != group),
        "{commits:?}"
    );
}

#[tokio::test]
async fn g28_the_program_takes_no_letter_of_its_own_for_a_colleagues() {
    let (office, mut alice, mallory) = Office::open_now_under_mallory().await;
    let (_bob, letter, _) = bytes::captured(&office, &mallory, &mut alice).await;
    alice.sync().await;
    let before = alice.bodies();
    mallory.hand(
        &mut alice,
        letter.group,
        letter.id,
        letter.message.into_vec(),
    );
    let typed = looks("unreadable");
    typed.by(&mut alice, &office, &mallory);
    alice.reopen();
    assert_eq!(alice.bodies(), before);
}

#[tokio::test]
async fn g32_the_program_says_which_letter_did_not_open() {
    let (office, mut alice, mallory) = Office::open_now_under_mallory().await;
    let mut bob = office.hire(&mut alice, "bob").await;
    alice.send(&["bob"], "Hello", "hello").await;
    bob.sync().await;
    bob.reply(1, false, "Here I am.").await;
    mallory.alter(&Method::GET, SYNC, |page: &mut delivery::Page| {
        for message in &mut page.messages {
            let mut bytes = message.message.as_slice().to_vec();
            // Its own letter comes back empty.
            if let Some(last) = bytes.last_mut() {
                *last ^= 1;
            }
            message.message = bytes.try_into().expect("a message");
        }
    });
    let typed = looks("unreadable");
    typed.by(&mut alice, &office, &mallory);
}
