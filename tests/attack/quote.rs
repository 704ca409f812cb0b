//! "Alice wrote": whoever reads it is told whether she did.

use serde_json::json;
use valise_client::{
    mail::{quoted, quotes},
    weaken::dangerously_weaken,
};

use crate::support::{Office, Person};

const SAID: &str = "We vote on Monday.\nNothing is decided.";

/// Bob answers what alice said, and what she did not: `Everything is decided.`
async fn misquoted(office: &Office, alice: &mut Person) -> Person {
    let mut bob = office.hire(alice, "bob").await;
    alice.send(&["bob"], "Vote", SAID).await;
    bob.sync().await;
    let forged = format!("{}\nSo be it.", quoted("alice", "Everything is decided."));
    bob.reply(1, false, &forged).await;
    bob
}

/// The program marks a forged quote for people and for programs, and an honest one is not marked.
#[tokio::test]
async fn g25_a_forged_quote_is_marked_and_an_honest_one_is_not() {
    let (office, mut alice) = Office::open_now().await;
    misquoted(&office, &mut alice).await.close();
    let bob = office.cli("bob");
    bob.run(&["reply", "1", "--quote", "-m", "Good."]).done();
    alice.sync().await;
    alice.close();
    let alice = office.cli("alice");
    let read = alice.json(&["read", "2"]).object();
    let quote =
        |first, lines, verified| json!([{"first": first, "lines": lines, "verified": verified}]);
    assert_eq!(read["quotes"], quote(2, 1, false));
    let read = alice.json(&["read", "3"]).object();
    assert_eq!(read["quotes"], quote(2, 2, true));
    let shown = alice.run(&["read", "2"]).done().out;
    let lines: Vec<_> = shown.lines().collect();
    let at = lines
        .iter()
        .position(|line| *line == "  > Everything is decided.");
    assert_eq!(
        lines[at.expect("the quote") - 1],
        "  [unverified quote]",
        "{shown}"
    );
    let shown = alice.run(&["thread", "1"]).done().out;
    assert_eq!(shown.matches("[unverified quote]").count(), 1, "{shown}");
    assert_eq!(shown.matches("Quotes:").count(), 1, "{shown}");
}

/// Whether all that stands behind `>` in the newest letter passes for what the letter before it says.
fn passes(person: &mut Person) -> bool {
    let letters = person.letters();
    let [.., said, answer] = &letters[..] else {
        panic!("{letters:?}");
    };
    let quotes = quotes(&answer.body, Some(&said.body));
    assert_eq!(quotes.len(), 1);
    quotes[0].verified
}

#[tokio::test]
async fn g25_twin_a_forged_quote_passes_for_a_colleagues_word() {
    let (office, mut alice) = Office::open().await;
    let _bob = misquoted(&office, &mut alice).await;
    alice.sync().await;
    assert!(!passes(&mut alice));
    dangerously_weaken(Some("G25"));
    assert!(passes(&mut alice));
}
