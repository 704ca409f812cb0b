//! One day of one seed: the network and the programs fail as planned, then all is repaired, and
//! what must hold is looked at.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{
    book::{Book, Written},
    network::{SERVER, Wire, listen},
    organisation::{ADMIN, COMPUTERS, Organisation, SECOND},
    plan::{Blow, DAY_MS, Deed, Plan},
    served::Served,
};
use crate::support::{Person, Time, search};
use turmoil::Sim;
use valise_client::{
    api::dangerously_carry, clock::pause, mail::Draft, provider::dangerously_witness,
    random::dangerously_seed, session::Error, weaken::dangerously_weaken,
};

/// One step of the simulation: milliseconds.
const STEP_MS: u64 = 25;
/// How often the server does what it does by itself: milliseconds.
const TIDY_MS: u64 = 10_000;
/// After so many rounds everybody must have everything.
const ROUNDS: usize = 12;
/// What every letter says: it must be nowhere on the server.
const CANARY: &str = "canary";

/// Which rule is off, and where: the day must show it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Off {
    pub client: Option<&'static str>,
    pub server: Option<&'static str>,
}

/// Everything that a day needs.
struct Day {
    plan: Plan,
    off: Off,
    organisation: Organisation,
    served: Arc<Served>,
    /// True time, and the server's.
    time: Time,
    server_time: Time,
    /// The clock of each computer, and the next of its deeds.
    times: Vec<Time>,
    next: Vec<Mutex<usize>>,
    book: Mutex<Book>,
}

/// Lets the day of `plan` happen.
pub fn live(plan: &Plan, off: Off, served: &Arc<Served>) -> Book {
    // Before the seed is set: the first copy of all founds the organisation, which ends every seed.
    let organisation = Organisation::copy();
    dangerously_seed(Some(plan.seed));
    dangerously_weaken(off.client);
    dangerously_witness();
    let time = Time::still_at(organisation.now_ms);
    let day = Arc::new(Day {
        times: plan.computers.iter().map(|_| time.another()).collect(),
        next: plan.computers.iter().map(|_| Mutex::default()).collect(),
        plan: plan.clone(),
        off,
        organisation,
        served: Arc::clone(served),
        server_time: time.another(),
        time,
        book: Mutex::default(),
    });
    day.open_server();
    dangerously_carry(Some(Arc::new(Wire::new(plan))));
    Arc::clone(&day).fail();
    dangerously_carry(Some(served.clone()));
    day.settle();
    dangerously_carry(None);
    dangerously_weaken(None);
    dangerously_seed(None);
    let mut book = day.book();
    std::mem::take(&mut *book)
}

impl Day {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn say(&self, what: &str) {
        let at_ms = self.time.passed_ms();
        self.book().said.push(format!("{at_ms:>7} ms  {what}"));
    }

    fn open_server(&self) {
        let data = self.organisation.data();
        self.served.open(&data, &self.server_time, self.off.server);
    }

    /// The computer in this place of the plan, opened from its disk.
    fn open(&self, place: usize) -> Person {
        let number = self.plan.computers[place];
        let time = self.times[place].clone();
        let mut person = self.organisation.computer(number, time);
        person.open_with(&self.organisation.keys[number]);
        person
    }

    /// The network, the programs and the clocks, for as long as the plan has it.
    fn fail(self: Arc<Self>) {
        let (from_ms, to_ms) = self.plan.latency_ms;
        let broken = f64::from(self.plan.broken) / 1000.0;
        let mut sim = turmoil::Builder::new()
            .simulation_duration(Duration::from_millis(10 * DAY_MS))
            .tick_duration(Duration::from_millis(STEP_MS))
            .min_message_latency(Duration::from_millis(from_ms))
            .max_message_latency(Duration::from_millis(to_ms))
            .fail_rate(broken)
            .repair_rate(0.2)
            .rng_seed(self.plan.seed)
            .build();
        let served = Arc::clone(&self.served);
        sim.host(SERVER, move || listen(Arc::clone(&served)));
        for (place, number) in self.plan.computers.iter().enumerate() {
            let day = Arc::clone(&self);
            sim.host(host(*number), move || Arc::clone(&day).work(place));
        }
        for (at_ms, blow) in &self.plan.blows {
            self.step_until(&mut sim, *at_ms);
            self.strike(&mut sim, *blow);
        }
        self.step_until(&mut sim, DAY_MS);
    }

    fn step_until(&self, sim: &mut Sim<'_>, at_ms: u64) {
        while self.time.passed_ms() < at_ms {
            let before_ms = self.time.passed_ms();
            sim.step().expect("a step");
            self.time.has_passed(millis(sim.elapsed()));
            if before_ms / TIDY_MS < self.time.passed_ms() / TIDY_MS {
                self.served.tidy();
            }
        }
    }

    fn strike(&self, sim: &mut Sim<'_>, blow: Blow) {
        self.say(&format!("{blow:?}"));
        match blow {
            Blow::Clock(None, by_ms) => self.server_time.set_wrong(by_ms),
            Blow::Clock(Some(number), by_ms) => self.clock_of(number).set_wrong(by_ms),
            Blow::Clocks(by_ms) => {
                self.server_time.set_wrong(by_ms);
                self.times.iter().for_each(|time| time.set_wrong(by_ms));
            }
            Blow::Crash(number) => sim.crash(host(number)),
            Blow::Restart(number) => {
                if !sim.is_host_running(host(number)) {
                    sim.bounce(host(number));
                }
            }
            Blow::Cut(number) => sim.partition(host(number), SERVER),
            Blow::CutOneWay(number, true) => sim.partition_oneway(host(number), SERVER),
            Blow::CutOneWay(number, false) => sim.partition_oneway(SERVER, host(number)),
            Blow::Hold(number) => sim.hold(host(number), SERVER),
            Blow::Mend(number) => sim.repair(host(number), SERVER),
            Blow::Release(number) => sim.release(host(number), SERVER),
            Blow::ServerCrash => {
                sim.crash(SERVER);
                self.served.crash();
            }
            Blow::ServerRestart => {
                if !sim.is_host_running(SERVER) {
                    self.open_server();
                    sim.bounce(SERVER);
                }
            }
        }
    }

    fn clock_of(&self, number: usize) -> &Time {
        let place = self.plan.computers.iter().position(|it| *it == number);
        &self.times[place.expect("it takes part")]
    }

    /// The program at one computer, from its start until it dies.
    async fn work(self: Arc<Self>, place: usize) -> turmoil::Result {
        let mut person = self.open(place);
        loop {
            let next = {
                let mut next = self.next[place]
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                *next += 1;
                *next - 1
            };
            let Some((at_ms, deed)) = self.plan.deeds[place].get(next).cloned() else {
                return std::future::pending().await;
            };
            let now_ms = millis(turmoil::sim_elapsed().unwrap_or_default());
            pause(Duration::from_millis(at_ms.saturating_sub(now_ms))).await;
            let done = self.perform(&mut person, place, &deed).await;
            let done = done.unwrap_or_else(|error| error.to_string());
            let number = self.plan.computers[place];
            self.say(&format!("{} {deed:?}: {done}", host(number)));
            self.book().look(number, person.session());
        }
    }

    async fn perform(
        &self,
        person: &mut Person,
        place: usize,
        deed: &Deed,
    ) -> Result<String, Error> {
        match deed {
            Deed::Sync => {
                let report = person.try_sync().await?;
                let waits = person.session().store().read().outbox()?.len();
                let (letters, sent) = (report.letters, report.sent);
                Ok(format!("{letters} new, {sent} sent, {waits} wait"))
            }
            Deed::Revoke => {
                let mut second = self.organisation.computer(SECOND, self.time.clone());
                second.open_with(&self.organisation.keys[SECOND]);
                let device = second.session().device();
                person.try_revoke(&second.name, device).await?;
                Ok("shut out".to_owned())
            }
            Deed::Write(to) => {
                let number = self.plan.computers[place];
                let text = self.write(person, number, to)?;
                let sent = person
                    .online(async |session, _| session.send(text.1).await)
                    .await;
                if person
                    .session()
                    .store()
                    .read()
                    .outbox_row(text.1)?
                    .is_none()
                {
                    self.book().gone.insert(text.0.clone());
                }
                sent.map(|_| format!("{} is gone", text.0))
            }
        }
    }

    /// Writes a letter, and notes that it is written once it is on disk.
    fn write(
        &self,
        person: &mut Person,
        number: usize,
        to: &[&'static str],
    ) -> Result<(String, u64), Error> {
        let seen = person.session().ledger().expect("a log").head().size;
        let (name, _) = COMPUTERS[number];
        let mut book = self.book();
        let text = format!("{CANARY}-{}-{}", host(number), book.written.len());
        let row = person.session().write(Draft {
            to: to.iter().map(ToString::to_string).collect(),
            subject: text.clone(),
            body: text.clone(),
            ..Draft::default()
        })?;
        book.written.push(Written {
            text: text.clone(),
            at: number,
            people: to.iter().copied().chain([name]).collect(),
            seen,
        });
        Ok((text, row))
    }

    /// All is repaired, and everybody starts anew and reads and sends until there is nothing left.
    fn settle(&self) {
        self.say("everything is repaired");
        self.served.crash();
        self.server_time.set_wrong(0);
        self.times.iter().for_each(|time| time.set_wrong(0));
        self.open_server();
        self.time.pass(60_000);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .expect("a runtime");
        let places = 0..self.plan.computers.len();
        let mut people: Vec<_> = places
            .map(|place| (self.plan.computers[place], self.open(place)))
            .collect();
        let quiet = runtime.block_on(self.quiet(&mut people));
        self.served.crash();
        let mut book = self.book();
        if !quiet {
            book.wrong.push("I1: it never became quiet".to_owned());
        }
        let with_clocks = self
            .plan
            .blows
            .iter()
            .any(|(_, blow)| matches!(blow, Blow::Clock(..) | Blow::Clocks(_)));
        book.revoked = revoked(&mut people);
        book.close(&mut people, with_clocks);
        let leaked = search::files_with(&self.organisation.data(), CANARY.as_bytes());
        if !leaked.is_empty() {
            book.wrong
                .push(format!("I6: the server can read letters in {leaked:?}"));
        }
    }

    /// Whether everybody had everything, and nothing more to send, after a few rounds.
    async fn quiet(&self, people: &mut [(usize, Person)]) -> bool {
        for _ in 0..ROUNDS {
            let mut quiet = true;
            for (number, person) in &mut *people {
                self.time.pass(6_000);
                let synced = person.try_sync().await;
                let waits = person
                    .session()
                    .store()
                    .read()
                    .outbox()
                    .expect("the outbox");
                quiet &= match &synced {
                    Ok(report) => {
                        report.letters + report.sent + report.entries == 0 && waits.is_empty()
                    }
                    Err(error) => *number == SECOND && matches!(error, Error::Revoked),
                };
                self.say(&format!(
                    "{} {synced:?}, {} wait",
                    host(*number),
                    waits.len()
                ));
            }
            if quiet {
                return true;
            }
        }
        false
    }
}

/// The index of the entry that shut the second computer out, by what the admin has.
fn revoked(people: &mut [(usize, Person)]) -> Option<u64> {
    let (_, second) = people.iter_mut().find(|(number, _)| *number == SECOND)?;
    let device = second.session().device();
    let ledger = people[ADMIN].1.session().ledger().expect("a log");
    ledger.directory().device(device)?.revoked
}

/// A computer's name on the network.
fn host(number: usize) -> &'static str {
    ["alice", "bob", "carol", "dave", "erin", "bob2"][number]
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).expect("a day is short")
}
