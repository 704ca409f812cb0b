//! R01, R02: `kill -9` at random moments, of the server and of whoever writes or reads.

use std::{collections::BTreeMap, process::Child};

use valise_client::clock::{Clock as _, System};

use super::{all_is_well, subjects};
use crate::{
    simulation::number,
    support::{
        Dice, Site,
        program::Cli,
        site::{code, ends_within},
    },
};

/// Kills of clients, and as many of the server, unless `VALISE_KILLS` asks for more.
const KILLS: u64 = 150;
/// Kills of one of two servers, unless it does.
const NODE_KILLS: u64 = 30;
/// After so many kills everybody looks whether all is there.
const LOOK: usize = 500;
/// Other computers of bob's at most.
const COMPUTERS: usize = 6;

/// What happens in the office.
struct Day {
    site: Site,
    dice: Dice,
    alice: Cli,
    bob: Cli,
    /// Subject of each letter that was begun, and whether `valise send` said that it was sent.
    letters: BTreeMap<String, bool>,
    /// Other computers of bob's, each from its joining on.
    computers: Vec<Cli>,
    /// Milliseconds that a command takes when nobody is killed.
    usual_ms: BTreeMap<&'static str, u64>,
    /// Whether there is another server when one is killed.
    several: bool,
}

/// A command on its way: its process, its name and, of a letter, its subject.
type Begun = (Child, &'static str, Option<String>);

fn times(otherwise: u64) -> usize {
    usize::try_from(number("VALISE_KILLS", otherwise)).expect("a number")
}

impl Day {
    fn begins(site: Site, alice: Cli, bob: Cli, several: bool) -> Self {
        let seed = System.now_ms();
        println!("seed {seed}");
        let mut day = Self {
            site,
            dice: Dice(seed),
            alice,
            bob,
            letters: BTreeMap::new(),
            computers: Vec::new(),
            usual_ms: BTreeMap::new(),
            several,
        };
        day.measure();
        println!("usual times in ms: {:?}", day.usual_ms);
        day
    }

    /// Starts something at random.
    fn begin(&mut self) -> Begun {
        match self.dice.roll(8) {
            0 => (self.alice.start(&["outbox", "retry"]), "retry", None),
            1 => (self.alice.start(&["sync"]), "sync", None),
            2 => (self.bob.start(&["sync"]), "sync", None),
            3 => self.write("bob"),
            _ => self.write("alice"),
        }
    }

    /// Now and then somebody else does something too, and is not killed.
    fn company(&mut self) -> Option<Begun> {
        (self.dice.roll(4) == 0).then(|| self.begin())
    }

    /// Now and then bob sets another computer up, until he has many: the next who writes lets it in.
    fn another_computer(&mut self) {
        if self.computers.len() == COMPUTERS {
            return;
        }
        let name = format!("computer{}", self.computers.len());
        self.computers
            .push(self.site.other_computer(&self.bob, &name));
    }

    fn write(&mut self, from: &str) -> Begun {
        let subject = format!("letter {:04} of {from}", self.letters.len());
        self.letters.insert(subject.clone(), false);
        let (writer, to) = if from == "alice" {
            (&self.alice, "bob")
        } else {
            (&self.bob, "alice")
        };
        let child = writer.start(&["send", to, "-s", &subject, "-m", "news"]);
        (child, "send", Some(subject))
    }

    /// How long to wait before the blow: any moment of the command, and sometimes just after it.
    fn moment(&mut self, verb: &str) -> u64 {
        let usual = self.usual_ms[verb];
        self.dice.roll(usual + usual / 10)
    }

    fn end(&mut self, (mut child, verb, subject): Begun) {
        let code = code(&mut child);
        if let Some(subject) = subject {
            self.letters.insert(subject, code == 0);
        }
        // Unreachable is the only other honest answer of somebody whose server was killed.
        assert!([0, 7].contains(&code), "{verb} ended with {code}");
    }

    fn kill_a_client(&mut self) -> bool {
        let company = self.company();
        let mut begun = self.begin();
        let moment = self.moment(begun.1);
        let in_time = ends_within(&mut begun.0, moment).is_none();
        if in_time {
            begun.0.kill().expect("killing");
            begun.0.wait().expect("its end");
        } else {
            self.end(begun);
        }
        if let Some(begun) = company {
            self.end(begun);
        }
        in_time
    }

    fn kill_the_server(&mut self) -> bool {
        let company = self.company();
        let mut begun = self.begin();
        let moment = self.moment(begun.1);
        let in_time = ends_within(&mut begun.0, moment).is_none();
        self.site.kill();
        if self.several {
            // The other one goes on.
            self.bob.must(&["sync"]);
        }
        self.site.start();
        self.end(begun);
        if let Some(begun) = company {
            self.end(begun);
        }
        in_time
    }

    /// Kills the server as soon as its database has grown.
    fn kill_the_server_when_it_stores(&mut self) -> bool {
        let wal = self.site.folder.path().join("server/valise.db-wal");
        let state = || {
            std::fs::metadata(&wal)
                .ok()
                .map(|file| (file.len(), file.modified().ok()))
        };
        let mut begun = self.write("alice");
        let before = state();
        let stored = loop {
            if state() != before {
                break true;
            }
            if ends_within(&mut begun.0, 0).is_some() {
                break false;
            }
        };
        self.site.kill();
        self.site.start();
        self.end(begun);
        stored
    }

    fn measure(&mut self) {
        for (person, verb, arguments) in [
            (
                self.alice.clone(),
                "send",
                &["send", "bob", "-s", "measured", "-m", "news"][..],
            ),
            (self.alice.clone(), "retry", &["outbox", "retry"]),
            (self.bob.clone(), "sync", &["sync"]),
        ] {
            let begun = System.monotonic_ms();
            person.must(arguments);
            self.usual_ms.insert(verb, System.monotonic_ms() - begun);
        }
        self.letters.insert("measured".to_owned(), true);
    }

    /// Does so now and then, and says how far it is.
    fn look(&self, kills: usize) {
        if kills > 0 && kills.is_multiple_of(LOOK) {
            println!(
                "{kills} kills, {:?} letters acknowledged, and here",
                self.close()
            );
        }
    }

    /// Everybody syncs and nobody is killed. Says how many letters were acknowledged, and how many
    /// arrived: each of them once, in order, and of the acknowledged ones all.
    fn close(&self) -> (usize, usize) {
        for person in [&self.alice, &self.bob, &self.alice, &self.bob] {
            person.must(&["sync"]);
        }
        let mut arrived = Vec::new();
        for from in ["alice", "bob"] {
            let here = subjects(&self.alice, from);
            assert_eq!(
                here,
                subjects(&self.bob, from),
                "each once, in order, at both"
            );
            for computer in &self.computers {
                computer.must(&["sync"]);
                let there = subjects(computer, from);
                assert!(
                    here.ends_with(&there),
                    "{}: {there:?}",
                    computer.home.display()
                );
            }
            arrived.extend(here);
        }
        let count = arrived.len();
        arrived.sort_unstable();
        arrived.dedup();
        assert_eq!(count, arrived.len(), "a letter is here twice");
        let sent: Vec<_> = self.letters.iter().filter(|(_, sent)| **sent).collect();
        for (subject, _) in &sent {
            assert!(
                arrived.contains(subject),
                "{subject} was acknowledged and is lost"
            );
        }
        all_is_well(&self.alice);
        all_is_well(&self.bob);
        for computer in &self.computers {
            all_is_well(computer);
        }
        (sent.len(), arrived.len())
    }
}

#[test]
fn r01_r02_killed_three_hundred_times_nothing_acknowledged_is_lost() {
    let (site, alice, [bob]) = Site::with(["bob"]);
    let begun = System.monotonic_ms();
    let mut day = Day::begins(site, alice, bob, false);
    let times = times(KILLS);
    // At the server, two in five come when it has stored something and may not have said so.
    let (random, storing) = (times - times * 2 / 5, times * 2 / 5);
    let mut kills = (0, 0, 0);
    while kills.0 < times {
        if kills.0 >= 15 * (1 + day.computers.len()) {
            day.another_computer();
        }
        kills.0 += usize::from(day.kill_a_client());
        day.look(kills.0);
    }
    let clients_ms = System.monotonic_ms() - begun;
    while kills.1 < random {
        if kills.1 >= 10 * (day.computers.len() - 2) {
            day.another_computer();
        }
        kills.1 += usize::from(day.kill_the_server());
        day.look(kills.1);
    }
    while kills.2 < storing {
        kills.2 += usize::from(day.kill_the_server_when_it_stores());
        day.look(kills.2);
    }
    let all_ms = System.monotonic_ms() - begun;
    let (sent, arrived) = day.close();
    println!(
        "{kills:?} kills, {} letters begun, {} acknowledged, {} arrived; {clients_ms} ms, {all_ms} ms",
        day.letters.len(),
        sent,
        arrived,
    );
}

/// Two servers on one PostgreSQL: one is killed, the other goes on, and neither is missed.
#[test]
fn r01_one_of_two_servers_is_killed_and_nothing_acknowledged_is_lost() {
    let (mut site, alice) = Site::open_twice();
    let bob = site.hire(&alice, "bob");
    for person in [&alice, &bob] {
        site.unlock(person);
    }
    let mut day = Day::begins(site, alice, bob, true);
    let mut kills = 0;
    while kills < times(NODE_KILLS) {
        if kills >= 12 * (1 + day.computers.len()) {
            day.another_computer();
        }
        kills += usize::from(day.kill_the_server());
        day.look(kills);
    }
    // An operator starts one after the other anew, and somebody writes all the while.
    for _ in 0..2 {
        let begun = day.begin();
        day.site.stop();
        day.bob.must(&["sync"]);
        day.site.start();
        day.end(begun);
    }
    let (sent, arrived) = day.close();
    println!("{kills} kills, {sent} letters acknowledged, {arrived} arrived");
    assert!(sent > 0);
}
