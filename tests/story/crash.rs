//! Nothing that was acknowledged is ever lost, whoever is killed and when.

mod disk;
mod fault;
mod joining;
mod kill;
mod power;
mod step;
mod together;

use serde_json::Value;

use crate::support::program::Cli;

/// Subjects of the letters of `from` that are here, oldest first.
fn subjects(person: &Cli, from: &str) -> Vec<String> {
    let mut letters = person
        .json(&["list", "--limit", "100000", "--from", from])
        .objects();
    letters.reverse();
    let subject = |letter: &Value| letter["subject"].as_str().unwrap().to_owned();
    letters.iter().map(subject).collect()
}

/// Nothing happened here but that conversations began and computers came and went; and nothing waits.
fn all_is_well(person: &Cli) {
    for event in person.json(&["events"]).objects() {
        let kind = event["kind"].as_str().unwrap();
        let usual = [
            "conversation",
            "device-added",
            "device-revoked",
            "own-record",
        ];
        assert!(usual.contains(&kind), "{event}");
    }
    assert_eq!(person.json(&["outbox"]).objects(), Vec::<Value>::new());
}
