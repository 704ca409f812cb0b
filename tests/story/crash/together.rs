//! R11: several commands of one person at once.

use super::{all_is_well, subjects};
use crate::support::{Cli, Site};

/// Begins everything at once; all must end well.
fn at_once(commands: &[(&Cli, Vec<String>)]) {
    std::thread::scope(|scope| {
        for (person, arguments) in commands {
            scope.spawn(move || {
                let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
                person.must(&arguments);
            });
        }
    });
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

#[test]
fn r11_commands_of_one_person_at_the_same_time() {
    let (site, alice, [bob]) = Site::with(["bob"]);
    let mut sent = 0;
    for round in 0..8 {
        if [2, 5].contains(&round) {
            // A commit on the way of all of them.
            site.other_computer(&bob, &format!("round{round}"));
        }
        let letter =
            |from: &str, number| words(&format!("send {from} -s {round}.{number} -m news"));
        at_once(&[
            (&alice, letter("bob", 1)),
            (&alice, letter("bob", 2)),
            (&alice, words("outbox retry")),
            (&alice, words("sync")),
            (&bob, letter("alice", 3)),
            (&bob, words("sync")),
            (&bob, words("sync")),
        ]);
        sent += 1;
    }
    for person in [&alice, &bob, &alice, &bob] {
        person.must(&["sync"]);
    }
    let (from_alice, from_bob) = (subjects(&alice, "alice"), subjects(&bob, "bob"));
    assert_eq!((from_alice.len(), from_bob.len()), (2 * sent, sent));
    assert_eq!(from_alice, subjects(&bob, "alice"));
    assert_eq!(from_bob, subjects(&alice, "bob"));
    all_is_well(&alice);
    all_is_well(&bob);
}
