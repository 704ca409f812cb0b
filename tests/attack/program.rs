//! What a person sees of a lying server: the real program ends with 6, names the lie in its events,
//! and has sent nothing.

use reqwest::Method;
use valise_proto::{
    api::{COMMITS, LETTERS, LOG, SYNC, delivery, directory},
    codec::{Text, decode, encode},
    log::entry::Entry,
};

use super::{fork, ghost, package};
use crate::support::{Cli, Mallory, Office, Person, mallory::entries};

/// An office on the machine's own time, in which bob has just been enrolled, and alice's program.
async fn open() -> (Office, Person, Person, Mallory, Cli) {
    let (office, mut alice, mallory) = Office::open_now_under_mallory().await;
    let bob = office.hire(&mut alice, "bob").await;
    alice.sync().await;
    let cli = office.cli("alice");
    (office, alice, bob, mallory, cli)
}

/// Alice's program is told to write to bob. Her store is shut, as it is between two commands.
async fn named(mallory: &Mallory, alice: &mut Person, cli: &Cli, kind: &str) {
    alice.close();
    mallory.forget();
    let program = cli.clone();
    let sent = tokio::task::spawn_blocking(move || {
        program.run(&["send", "bob", "-s", "Source", "-m", "Jean", "--yes"])
    });
    let sent = sent.await.expect("the program ends");
    assert_eq!(sent.code, 6, "{kind}: {sent:?}");
    assert!(sent.err.contains("nothing was sent"), "{kind}: {sent:?}");
    for path in [LETTERS, COMMITS] {
        assert!(
            mallory.seen(&Method::POST, path).is_empty(),
            "{kind}: {path}"
        );
    }
    let events = cli.json(&["events"]).objects();
    let shown = events
        .iter()
        .find(|event| event["kind"] == kind)
        .unwrap_or_else(|| panic!("{kind} is not among {events:?}"));
    assert_eq!(shown["alarm"], true, "{kind}");
    // A second try fares no better, and the letter is kept.
    let waiting = cli.json(&["outbox", "list"]).objects();
    assert_eq!(waiting.len(), 1, "{kind}: {waiting:?}");
}

#[tokio::test]
async fn d20_the_program_names_a_head_that_the_log_key_did_not_sign() {
    let (office, mut alice, bob, mallory, cli) = open().await;
    bob.other_computer().join(&office).await;
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
    named(&mallory, &mut alice, &cli, "bad-checkpoint").await;
}

#[tokio::test]
async fn d13_the_program_names_an_entry_that_nobody_may_sign() {
    let (office, mut alice, bob, mallory, cli) = open().await;
    bob.other_computer().join(&office).await;
    let mut log = entries(&office.data());
    let last = log.last_mut().expect("an entry");
    let mut entry: Entry = decode(last).expect("an entry");
    entry.signatures.clear();
    *last = encode(&entry);
    mallory.serve(&office, log);
    named(&mallory, &mut alice, &cli, "forged-entry").await;
}

#[tokio::test]
async fn d07_the_program_names_a_log_that_went_back() {
    let (office, mut alice, _bob, mallory, cli) = open().await;
    let mut log = entries(&office.data());
    log.pop();
    mallory.serve(&office, log);
    named(&mallory, &mut alice, &cli, "log-rollback").await;
}

#[tokio::test]
async fn d04_the_program_names_a_log_from_tomorrow() {
    let (office, mut alice, bob, mallory, cli) = open().await;
    bob.other_computer().join(&office).await;
    mallory.on_clock(&office.card, |now_ms| now_ms + 86_400_000);
    named(&mallory, &mut alice, &cli, "future-log").await;
}

#[tokio::test]
async fn d05_the_program_names_a_log_that_is_hidden() {
    let (office, mut alice, bob, mallory, cli) = open().await;
    bob.other_computer().join(&office).await;
    mallory.alter(&Method::GET, LOG, |page: &mut directory::Page| {
        page.entries.clear();
    });
    named(&mallory, &mut alice, &cli, "hidden-log").await;
}

#[tokio::test]
async fn d06_the_program_names_two_logs() {
    let (mut office, mut alice, mallory) = Office::open_now_under_mallory().await;
    let _bob = fork::two_worlds(&mut office, &mallory, &mut alice).await;
    let cli = office.cli("alice");
    named(&mallory, &mut alice, &cli, "log-fork").await;
}

#[tokio::test]
async fn d01_the_program_names_a_ghost() {
    let (_office, mut alice, _bob, mallory, cli) = open().await;
    let ghost = ghost::ghost();
    ghost::serve(&mallory, ghost.package().expect("a package"));
    named(&mallory, &mut alice, &cli, "ghost-device").await;
}

#[tokio::test]
async fn g13_the_program_names_a_package_that_lasts_too_long() {
    let (office, mut alice, mallory) = Office::open_now_under_mallory().await;
    let _bob = package::lasting(&office, &mallory, &mut alice, 31).await;
    let cli = office.cli("alice");
    named(&mallory, &mut alice, &cli, "stale-package").await;
}

/// What comes in by itself and does not open is an event, and stops nobody.
#[tokio::test]
async fn g32_the_program_says_which_letter_did_not_open() {
    let (_office, mut alice, mut bob, mallory, cli) = open().await;
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
    alice.close();
    let program = cli.clone();
    let synced = tokio::task::spawn_blocking(move || program.run(&["sync"]));
    let synced = synced.await.expect("the program ends");
    assert_eq!(synced.code, 0, "{synced:?}");
    let events = cli.json(&["events"]).objects();
    let kinds: Vec<_> = events.iter().map(|event| event["kind"].clone()).collect();
    assert!(kinds.contains(&"unreadable".into()), "{kinds:?}");
}
