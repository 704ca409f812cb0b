//! R02: a writer or reader who dies between any two steps.

use super::{all_is_well, subjects};
use crate::support::{Site, program::Cli};

/// Everybody fetches, the writer first.
fn sync(people: &[&Cli]) {
    for person in people {
        person.must(&["sync"]);
    }
}

#[test]
fn r02_a_writer_dies_after_any_step_and_every_letter_arrives_once() {
    let names = ["bob", "carol", "dave"];
    let (_site, alice, others) = Site::with(names);
    // One more conversation for each step: it is made, and then written in.
    let steps: [(&str, &[&str]); 8] = [
        ("after-write", &["alice"]),
        ("after-claim", &["bob"]),
        ("after-commit-made", &["carol"]),
        ("after-commit-accepted", &["dave"]),
        ("after-merge", &["bob", "carol"]),
        ("after-encrypt", &["bob", "dave"]),
        ("after-letter-accepted", &["carol", "dave"]),
        ("after-letter-row", &["bob", "carol", "dave"]),
    ];
    for (step, to) in steps {
        alice.dies_at(step, &[&["send"], to, &["-s", step, "-m", "dies"]].concat());
        let next = format!("{step}, next");
        alice.must(&[&["send"], to, &["-s", &next, "-m", "goes on"]].concat());
        let all = subjects(&alice, "alice");
        assert!(all.ends_with(&[step.to_owned(), next.clone()]), "{all:?}");
        for (name, person) in names
            .iter()
            .zip(&others)
            .filter(|(name, _)| to.contains(name))
        {
            person.must(&["sync"]);
            let arrived = subjects(person, "alice");
            assert!(
                arrived.ends_with(&[step.to_owned(), next.clone()]),
                "{name}: {arrived:?}"
            );
        }
    }
    for (name, person) in names.iter().zip(&others) {
        let meant = steps.iter().filter(|(_, to)| to.contains(name));
        let meant: Vec<_> = meant
            .flat_map(|(step, _)| [(*step).to_owned(), format!("{step}, next")])
            .collect();
        person.must(&["sync"]);
        assert_eq!(subjects(person, "alice"), meant, "{name}");
        all_is_well(person);
    }
    alice.must(&["sync"]);
    all_is_well(&alice);
}

#[test]
fn r02_a_reader_dies_after_any_step_and_every_letter_is_there_once() {
    let (site, alice, [bob]) = Site::with(["bob"]);
    let steps = [
        "after-welcome",
        "after-letter-stored",
        "after-page-stored",
        "after-ack",
    ];
    for step in steps {
        alice.must(&["send", "bob", "-s", step, "-m", "first"]);
        alice.must(&[
            "send",
            "bob",
            "-s",
            &format!("{step}, next"),
            "-m",
            "second",
        ]);
        bob.dies_at(step, &["sync"]);
        sync(&[&bob, &bob]);
    }
    let meant: Vec<_> = steps
        .iter()
        .flat_map(|step| [(*step).to_owned(), format!("{step}, next")])
        .collect();
    assert_eq!(subjects(&bob, "alice"), meant);
    // Another computer of bob's comes into the conversation by a commit.
    let second = site.other_computer(&alice, "alice");
    bob.must(&[
        "send",
        "alice",
        "-s",
        "to two computers",
        "-m",
        "a commit, then a letter",
    ]);
    alice.dies_at("after-merge", &["sync"]);
    sync(&[&alice, &second]);
    assert_eq!(subjects(&alice, "bob"), ["to two computers"]);
    assert_eq!(subjects(&second, "bob"), ["to two computers"]);
    all_is_well(&bob);
    all_is_well(&alice);
    all_is_well(&second);
}

/// Between the death and the next try somebody else changes who is in the conversation.
#[test]
fn r02_a_writer_dies_and_the_conversation_goes_on_without_her() {
    let (site, alice, [bob]) = Site::with(["bob"]);
    alice.must(&[
        "send",
        "bob",
        "-s",
        "begin",
        "-m",
        "the conversation is there",
    ]);
    bob.must(&["sync"]);
    let mut meant = vec!["begin".to_owned()];
    let mut computers = Vec::new();
    for step in [
        "after-write",
        "after-encrypt",
        "after-letter-accepted",
        "after-commit-made",
    ] {
        if step == "after-commit-made" {
            // Both want to let the same computer in. Bob wins.
            computers.push(site.other_computer(&bob, step));
            alice.dies_at(step, &["send", "bob", "-s", step, "-m", "dies"]);
        } else {
            alice.dies_at(step, &["send", "bob", "-s", step, "-m", "dies"]);
            computers.push(site.other_computer(&bob, step));
        }
        bob.must(&["send", "alice", "-s", step, "-m", "in between"]);
        alice.must(&["outbox", "retry"]);
        bob.must(&["sync"]);
        meant.push(step.to_owned());
        assert_eq!(subjects(&bob, "alice"), meant);
    }
    alice.must(&["sync"]);
    assert_eq!(subjects(&alice, "alice"), meant);
    assert_eq!(subjects(&alice, "bob"), meant[1..]);
    for computer in &computers {
        computer.must(&["sync"]);
    }
    assert!(subjects(&computers[0], "alice").ends_with(&meant[2..]));
    all_is_well(&alice);
    all_is_well(&bob);
    for computer in &computers {
        all_is_well(computer);
    }
}

/// A commit that the server will never take must not stand in the way for ever.
#[test]
fn r02_a_writer_dies_and_the_computer_that_she_let_in_is_revoked() {
    let (site, alice, [bob]) = Site::with(["bob"]);
    alice.must(&[
        "send",
        "bob",
        "-s",
        "begin",
        "-m",
        "the conversation is there",
    ]);
    let stolen = site.other_computer(&bob, "stolen");
    let device = stolen.json(&["whoami"]).objects().remove(0)["device"]
        .as_str()
        .unwrap()
        .to_owned();
    alice.dies_at(
        "after-commit-made",
        &["send", "bob", "-s", "dies", "-m", "dies"],
    );
    bob.must(&["device", "revoke", &device, "--yes"]);
    alice.must(&["outbox", "retry"]);
    bob.must(&["sync"]);
    assert_eq!(subjects(&bob, "alice"), ["begin", "dies"]);
    all_is_well(&alice);
    all_is_well(&bob);
}
