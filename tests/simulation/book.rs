//! What was promised and what was seen: the invariants I1 to I8 are checked against it.

use std::collections::{BTreeMap, BTreeSet};

use valise_client::{provider::witnessed, session::Session, store::LetterRow};
use valise_proto::{
    id::{GroupId, Hash},
    log::Head,
};

use super::organisation::{COMPUTERS, SECOND};
use crate::support::Person;

/// Events that an honest server and honest colleagues never cause, whatever the network does.
const NEVER: [&str; 7] = [
    "bad-package",
    "gap",
    "missing-letter",
    "removed-device",
    "repeated-letter",
    "stale-package",
    "unreadable",
];
/// Those that a wrong clock may cause.
const BY_CLOCKS: [&str; 3] = ["future-log", "stale-log", "stale-package"];

/// A letter that somebody wrote. Its text is its name.
#[derive(Clone, Debug)]
pub struct Written {
    pub text: String,
    /// At which computer.
    pub at: usize,
    /// Everybody whom it concerns, its writer included.
    pub people: BTreeSet<&'static str>,
    /// How much of the log its writer had seen.
    pub seen: u64,
}

/// The book of one day.
#[derive(Debug, Default)]
pub struct Book {
    /// In the order in which they were written.
    pub written: Vec<Written>,
    /// Which of them the program said had gone.
    pub gone: BTreeSet<String>,
    /// The index of the entry that shut the second computer out.
    pub revoked: Option<u64>,
    /// What happened, in order.
    pub said: Vec<String>,
    /// What must not have happened.
    pub wrong: Vec<String>,
    logs: BTreeMap<usize, Head>,
    roots: BTreeMap<u64, Hash>,
    epochs: BTreeMap<(GroupId, u64), Vec<u8>>,
}

impl Book {
    fn expect(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.wrong.push(what());
        }
    }

    /// What a computer has now agrees with all that was seen before (I5, I8).
    pub fn look(&mut self, computer: usize, session: &Session) {
        let (name, _) = COMPUTERS[computer];
        if let Some(ledger) = session.ledger() {
            let head = ledger.head();
            let before = self.logs.insert(computer, head);
            let grown = before.is_none_or(|before| before.size <= head.size);
            self.expect(grown, || format!("I8: {name}'s log shrank from {before:?}"));
            for size in before.map_or(0, |before| before.size)..=head.size {
                let root = ledger.directory().tree().root_at(size);
                let root = root.expect("a size that it has");
                let known = *self.roots.entry(size).or_insert(root);
                self.expect(known == root, || {
                    format!("I8: {name} has another log of {size}")
                });
            }
        }
        match session.attack_epochs() {
            Ok(epochs) => {
                for (group, epoch, authenticator) in epochs {
                    let known = self.epochs.entry((group, epoch));
                    let known = known.or_insert_with(|| authenticator.clone());
                    let same = *known == authenticator;
                    self.expect(same, || {
                        format!("I5: {name} is in another epoch {epoch} of {group:?}")
                    });
                }
            }
            Err(error) => self
                .wrong
                .push(format!("{name}'s groups do not open: {error}")),
        }
    }

    /// Everything that must hold once all computers are quiet.
    pub fn close(&mut self, people: &mut [(usize, Person)], with_clocks: bool) {
        for (computer, person) in people.iter_mut() {
            let computer = *computer;
            let (name, label) = COMPUTERS[computer];
            let shown = person.letters();
            self.shown(computer, &shown);
            let mut kinds = BTreeSet::new();
            for event in person.session().events().expect("events") {
                let excused = with_clocks && BY_CLOCKS.contains(&event.kind.as_str());
                let never = NEVER.contains(&event.kind.as_str()) || event.alarm;
                if never && !excused && kinds.insert(event.kind.clone()) {
                    let (kind, detail) = (event.kind, event.detail);
                    self.wrong
                        .push(format!("I4: {name}'s {label} says {kind}: {detail}"));
                }
            }
            self.look(computer, person.session());
        }
        let (keys, again) = witnessed();
        self.expect(again == 0, || format!("I7: {again} keys sealed twice"));
        self.expect(keys > 0, || "I7: nothing was sealed".to_owned());
    }

    /// Once, in order, and all of them (I1, I2, I3).
    fn shown(&mut self, computer: usize, shown: &[LetterRow]) {
        let (name, label) = COMPUTERS[computer];
        let texts: Vec<_> = shown.iter().map(|letter| letter.body.as_str()).collect();
        let shut_out = computer == SECOND && self.revoked.is_some();
        let mut wrong = Vec::new();
        let mut last: BTreeMap<(usize, &BTreeSet<&str>), usize> = BTreeMap::new();
        for (number, written) in self.written.iter().enumerate() {
            let text = &written.text;
            let places = (0..texts.len()).filter(|place| texts[*place] == text);
            let places: Vec<_> = places.collect();
            let entitled = written.people.contains(name);
            if places.len() > 1 {
                wrong.push(format!(
                    "I2: {name}'s {label} shows {text} {} times",
                    places.len()
                ));
            }
            // What never left a computer that was shut out is nobody's but its own.
            let stayed = written.at == SECOND && self.revoked.is_some();
            let due = entitled && !shut_out && (self.gone.contains(text) || !stayed);
            if due && places.is_empty() {
                let gone = self.gone.contains(text);
                wrong.push(format!("I1: {name}'s {label} has no {text} (gone: {gone})"));
            }
            let late = shut_out && self.revoked.is_some_and(|index| written.seen > index);
            if !places.is_empty() && (!entitled || late) {
                wrong.push(format!("{name}'s {label} must not have {text}"));
            }
            if let Some(place) = places.first() {
                let key = (written.at, &written.people);
                if last
                    .insert(key, *place)
                    .is_some_and(|before| before > *place)
                {
                    wrong.push(format!(
                        "I3: {name}'s {label} shows {number}, {text} too early"
                    ));
                }
            }
        }
        if texts.len() > self.written.len() {
            wrong.push(format!("{name}'s {label} shows letters that nobody wrote"));
        }
        self.wrong.append(&mut wrong);
    }
}
