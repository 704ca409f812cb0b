//! What a person sees of a lying server: the real program ends as it promises to, names the lie in its
//! events, and has sent no letter.
//!
//! Each attack is set up by the file that shows it in process, and its twin. Here a person types a
//! command at it. What lies ends the command with 6. What comes in by itself and does not open, or does
//! not come, ends the command that fetched with 12, once: it stops nobody, or every server could stop
//! everybody.

mod act;
mod delivery;
mod log;
mod member;

use reqwest::Method;
use valise_proto::api::{COMMITS, LETTERS};

use crate::support::{Mallory, Office, Person, Said};

/// A command, and what comes of it when somebody lies.
struct Typed<'w> {
    words: &'w [&'w str],
    /// The exit code.
    code: i32,
    /// The event that is new then.
    event: &'w str,
    /// Letters in the outbox then.
    kept: usize,
}

/// Alice writes to bob.
const LETTER: &[&str] = &["send", "bob", "-s", "Source", "-m", "Jean", "--yes"];

/// A letter to these people is refused, and kept.
fn refused<'w>(words: &'w [&'w str], event: &'w str) -> Typed<'w> {
    Typed {
        words,
        code: 6,
        event,
        kept: 1,
    }
}

/// A look at the server, in which something does not open.
fn looks(event: &str) -> Typed<'_> {
    Typed {
        words: &["sync"],
        code: 12,
        event,
        kept: 0,
    }
}

impl Typed<'_> {
    /// `person`'s store is shut, as it is between two commands; then the command runs.
    fn by(&self, person: &mut Person, office: &Office, mallory: &Mallory) -> Said {
        let known = person.events().len();
        person.close();
        mallory.forget();
        let cli = office.cli(person.name.as_str());
        let said = cli.run(self.words);
        let event = self.event;
        assert_eq!(said.code, self.code, "{event}: {said:?}");
        assert!(mallory.seen(&Method::POST, LETTERS).is_empty(), "{event}");
        let alarm = self.code == 6;
        if alarm {
            assert!(said.err.contains(" — nothing "), "{event}: {said:?}");
            assert!(mallory.seen(&Method::POST, COMMITS).is_empty(), "{event}");
        }
        let mut events = cli.json(&["events"]).objects();
        events.sort_by_key(|event| event["id"].as_u64());
        let mut shown = events.iter().skip(known);
        let shown = shown.find(|shown| shown["kind"] == event);
        let shown = shown.unwrap_or_else(|| panic!("{event} is not new in {events:?}"));
        assert_eq!(shown["alarm"], alarm, "{event}");
        let waiting = cli.json(&["outbox", "list"]).objects();
        assert_eq!(waiting.len(), self.kept, "{event}: {waiting:?}");
        said
    }
}
