//! The directory log: forged, cut, turned back, doubled or out of date.

use reqwest::Method;
use valise_client::session::Error;
use valise_proto::{
    api::{LOG, directory},
    codec::{Text, decode, encode},
    log::entry::Entry,
};

use super::{LETTER, refused};
use crate::attack::{authority, fork, frozen, insider, lists, log, rewrite};
use crate::support::{Mallory, Office, Person, mallory::entries};

/// An office on the machine's own time, in which bob has just been enrolled. Then he gets a second
/// computer, of which alice has not heard.
async fn news() -> (Office, Person, Mallory) {
    let (office, mut alice, mallory) = Office::open_now_under_mallory().await;
    let bob = office.hire(&mut alice, "bob").await;
    alice.sync().await;
    bob.other_computer().join(&office).await;
    (office, alice, mallory)
}

/// Alice writes to bob, and is told of a forged entry.
fn forged_for(office: &Office, person: &mut Person, mallory: &Mallory) {
    let typed = refused(LETTER, "forged-entry");
    typed.by(person, office, mallory);
}

#[tokio::test]
async fn d20_the_program_names_a_head_that_the_log_key_did_not_sign() {
    let (office, mut alice, mallory) = news().await;
    mallory.alter(&Method::GET, LOG, |page: &mut directory::Page| {
        let note = page.checkpoint.as_str();
        let at = note.rfind("\n— ").expect("a signature") - 8;
        let other = if note.as_bytes()[at] == b'A' {
            "B"
        } else {
            "A"
        };
        let changed = format!("{}{other}{}", &note[..at], &note[at + 1..]);
        page.checkpoint = Text::truncated(&changed);
    });
    let typed = refused(LETTER, "bad-checkpoint");
    typed.by(&mut alice, &office, &mallory);
}

#[tokio::test]
async fn d13_the_program_names_an_entry_that_nobody_may_sign() {
    let (office, mut alice, mallory) = news().await;
    let mut log = entries(&office.data());
    let last = log.last_mut().expect("an entry");
    let mut entry: Entry = decode(last).expect("an entry");
    entry.signatures.clear();
    *last = encode(&entry);
    mallory.serve(&office, log);
    forged_for(&office, &mut alice, &mallory);
}

#[tokio::test]
async fn d07_the_program_names_a_log_that_went_back() {
    let (office, mut alice, mallory) = Office::open_now_under_mallory().await;
    let _bob = office.hire(&mut alice, "bob").await;
    alice.sync().await;
    let mut log = entries(&office.data());
    log.pop();
    mallory.serve(&office, log);
    let typed = refused(LETTER, "log-rollback");
    typed.by(&mut alice, &office, &mallory);
}

#[tokio::test]
async fn d04_the_program_names_a_log_from_tomorrow() {
    let (office, mut alice, mallory) = news().await;
    mallory.on_clock(&office.card, |now_ms| now_ms + 86_400_000);
    let typed = refused(LETTER, "future-log");
    typed.by(&mut alice, &office, &mallory);
}

#[tokio::test]
async fn d04_the_program_names_a_log_of_yesterday() {
    const MINUTES: u32 = 25 * 60;
    let (office, mut alice, mallory) = Office::open_ago_under_mallory(MINUTES).await;
    let _stolen = frozen::frozen(&office, &mallory, &mut alice).await;
    office.time.pass_minutes(MINUTES.into());
    let typed = refused(LETTER, "stale-log");
    typed.by(&mut alice, &office, &mallory);
}

#[tokio::test]
async fn d05_the_program_names_a_log_that_is_hidden() {
    let (office, mut alice, mallory) = news().await;
    mallory.alter(&Method::GET, LOG, |page: &mut directory::Page| {
        page.entries.clear();
    });
    let typed = refused(LETTER, "hidden-log");
    typed.by(&mut alice, &office, &mallory);
}

#[tokio::test]
async fn d05_the_program_names_a_letter_from_another_log() {
    let (office, mut alice, mallory) = Office::open_now_under_mallory().await;
    let _bob = insider::another_log(&office, &mallory, &mut alice).await;
    let typed = refused(LETTER, "log-fork");
    let said = typed.by(&mut alice, &office, &mallory);
    assert!(said.err.contains("valise log evidence export"), "{said:?}");
}

#[tokio::test]
async fn d06_the_program_names_two_logs() {
    let (mut office, mut alice, mallory) = Office::open_now_under_mallory().await;
    let _bob = fork::two_worlds(&mut office, &mallory, &mut alice).await;
    let typed = refused(LETTER, "log-fork");
    typed.by(&mut alice, &office, &mallory);
}

/// There and back again: what was seen once is not forgotten.
#[tokio::test]
async fn d10_the_program_names_a_log_that_swings() {
    let (office, mut alice, mallory) = Office::open_ago_under_mallory(11).await;
    let swinging = fork::swinging(&office, &mut alice, &mallory);
    let (_stolen, [one, _]) = Box::pin(swinging).await;
    let typed = refused(LETTER, "log-fork");
    typed.by(&mut alice, &office, &mallory);
    mallory.serve(&office, one);
    alice.reopen();
    let refused = alice.try_sync().await;
    assert!(matches!(refused, Err(Error::Alarm(_))), "{refused:?}");
}

#[tokio::test]
async fn d08_the_program_names_one_changed_bit() {
    let (mut office, mut alice, mallory) = Office::open_now_under_mallory().await;
    let [_bob, mut carol] = rewrite::one_bit_changed(&mut office, &mut alice, &mallory).await;
    office.start_without(Some("D12")).await;
    forged_for(&office, &mut carol, &mallory);
}

#[tokio::test]
async fn d09_the_program_names_a_log_without_one_entry() {
    let (office, mut alice, mallory) = Office::open_now_under_mallory().await;
    let (_bob, mut carol, at) = rewrite::bob_leaves(&office, &mut alice).await;
    let mut log = entries(&office.data());
    log.remove(at);
    mallory.serve(&office, log);
    forged_for(&office, &mut carol, &mallory);
}

#[tokio::test]
async fn d12_the_program_names_an_admin_by_the_operators_word() {
    let (office, mut alice, mallory) = Office::open_now_under_mallory().await;
    let _bob = office.hire(&mut alice, "bob").await;
    alice.sync().await;
    mallory.serve(&office, log::forged(&office, &mut alice));
    forged_for(&office, &mut alice, &mallory);
}

#[tokio::test]
async fn d14_the_program_names_an_old_entry_that_comes_again() {
    let (office, mut alice, mallory) = Office::open_now_under_mallory().await;
    let replayed = authority::replayed(&office, &mut alice, &mallory, "account.restore");
    let (_bob, mut carol) = replayed.await;
    forged_for(&office, &mut carol, &mallory);
}

#[tokio::test]
async fn d16_the_program_names_an_entry_of_another_spelling() {
    let (office, mut alice, mallory) = Office::open_now_under_mallory().await;
    let (mut carol, spelt) = rewrite::respelt(&office, &mut alice).await;
    mallory.serve(&office, spelt);
    forged_for(&office, &mut carol, &mallory);
}

#[tokio::test]
async fn d17_the_program_names_a_signature_that_was_made_for_something_else() {
    let (office, mut alice, mallory) = Office::open_now_under_mallory().await;
    let entry = authority::misused(&office, &mut alice).await;
    mallory.serve(
        &office,
        [entries(&office.data()), vec![encode(&entry)]].concat(),
    );
    let words = ["send", "eve", "-s", "Source", "-m", "Jean", "--yes"];
    let typed = refused(&words, "forged-entry");
    typed.by(&mut alice, &office, &mallory);
}

/// Who is on a list is looked up before the letter is kept.
#[tokio::test]
async fn g27_the_program_names_a_list_of_the_servers_making() {
    let (office, mut alice, mallory) = Office::open_now_under_mallory().await;
    let [mut bob, ..] = lists::press(&office, &mut alice).await;
    mallory.serve(&office, lists::with_dave(&office));
    let words = ["send", "press", "-s", "Source", "-m", "Jean", "--yes"];
    let mut typed = refused(&words, "forged-entry");
    typed.kept = 0;
    let said = typed.by(&mut bob, &office, &mallory);
    assert!(said.err.contains("nothing was sent or kept"), "{said:?}");
}
