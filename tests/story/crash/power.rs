//! R03: the power fails. What a real server asked of its disk is recorded, with the moments at which others
//! were told that something is kept; then the data folder is built as it may stand after any of those
//! moments, and opened.

use std::{
    collections::HashMap,
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::Stdio,
    sync::{Arc, Mutex},
    thread::park_timeout,
    time::Duration,
};

use reqwest::Method;
use rusqlite::Connection;
use tempfile::TempDir;
use valise_client::clock::{Clock as _, System};
use valise_proto::{
    api::{COMMITS, LETTERS, LOG, attachment::Stored, delivery},
    codec::decode,
    id::{AttachmentId, GroupId, SubmissionId},
};
use valise_server::{Server, clock::SystemClock, config::Config};

use crate::{
    simulation::number,
    support::{
        Cli, Dice, Mallory, Site,
        drive::{Drive, Heeds, Unflushed},
        mallory::{Exchange, database},
        site::code,
        trace,
    },
};

/// How many crashes must lose nothing, unless `VALISE_CRASHES` asks for more.
const CRASHES: u64 = 300;
/// How many of them a whole `valised serve` is started from.
const STARTS: u64 = 3;

/// What somebody was told is kept.
#[derive(Clone, Debug)]
enum Promise {
    /// A letter, under this number.
    Letter(GroupId, SubmissionId, u64),
    /// A commit, and whether somebody is invited by it.
    Commit(GroupId, SubmissionId, u64, bool),
    /// So many bytes of a file.
    File(AttachmentId, u64),
    /// An entry of the log, beside those of the founding.
    Entry,
}

/// A day of an office, and what the disk was asked for.
struct Day {
    drive: Drive,
    /// What was done to the disk when the operator had his card.
    founded: usize,
    /// Entries of the log by then.
    entries: u64,
    /// What else is in the folder by then: keys, configuration, card.
    kept: Vec<(String, Vec<u8>)>,
    /// What was promised, and when: microseconds since 1970.
    told: Vec<(u64, Promise)>,
    /// From when on bob fetched: what was there may be deleted.
    fetched_us: u64,
    /// Each attached file as it is at the end.
    files: HashMap<AttachmentId, Vec<u8>>,
    seed: u64,
    /// Where crashed folders are opened: in memory where there is such a place, as nobody needs them long.
    folder: TempDir,
    _site: Site,
}

/// What an answer promises.
fn promise(exchange: &Exchange) -> Option<Promise> {
    if !exchange.status.is_success() {
        return None;
    }
    let sequence = || {
        let accepted: delivery::Accepted = decode(&exchange.answer).unwrap();
        accepted.sequence
    };
    if exchange.is(&Method::POST, LETTERS) {
        let letter: delivery::Letter = exchange.request();
        return Some(Promise::Letter(letter.group, letter.id, sequence()));
    }
    if exchange.is(&Method::POST, COMMITS) {
        let commit: delivery::Commit = exchange.request();
        let invites = !commit.welcome.as_slice().is_empty();
        return Some(Promise::Commit(
            commit.group,
            commit.id,
            sequence(),
            invites,
        ));
    }
    if exchange.is(&Method::POST, LOG) {
        return Some(Promise::Entry);
    }
    let file = exchange.path.strip_prefix("/v1/attachments/")?;
    let id = file.split('?').next()?.parse().ok()?;
    let stored: Stored = decode(&exchange.answer).ok()?;
    Some(Promise::File(id, stored.bytes))
}

/// What mallory sees that the server tells, and when.
fn promises(mallory: &Mallory) -> Arc<Mutex<Vec<(u64, Promise)>>> {
    let told = Arc::<Mutex<Vec<_>>>::default();
    let notes = Arc::clone(&told);
    mallory.on_response(move |exchange| {
        let mut told = notes.lock().unwrap();
        // Not before it was so: the clock tells milliseconds.
        let now_us = (System.now_ms() + 1) * 1000;
        told.extend(promise(exchange).map(|promise| (now_us, promise)));
    });
    told
}

/// The files right in a folder.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        (name, fs::read(entry.path()).unwrap())
    });
    entries.collect()
}

/// Two people write to bob at once, the first of them with a file.
fn both_write(people: [&Cli; 2], subject: &str, file: Option<&Path>) {
    let mut letters = people.map(|_| vec!["send", "bob", "-s", subject, "-m", "news"]);
    if let Some(file) = file {
        letters[0].extend(["-a", file.to_str().unwrap()]);
    }
    let running = [0, 1].map(|at| people[at].start(&letters[at]));
    for mut child in running {
        assert_eq!(code(&mut child), 0);
    }
}

/// Three runs of the server: stopped in good order, killed, stopped. Says when bob fetched.
fn days_work(site: &mut Site, alice: &Cli, film: &Path, drive: &mut Drive) -> u64 {
    let mut fetched_us = u64::MAX;
    let mut people = Vec::new();
    for (part, rounds) in [("first", 3), ("second", 5), ("third", 2)] {
        let trace = site.folder.path().join(format!("{part}.trace"));
        site.start_traced(&trace);
        let pid = site.pid();
        if part == "first" {
            alice.must(&["join", &site.path("card.valise")]);
            people = ["bob", "carol"].map(|name| site.hire(alice, name)).into();
            people.push(alice.clone());
            for person in &people {
                site.unlock(person);
            }
        }
        let [bob, carol, alice] = &people[..] else {
            panic!("three people")
        };
        if part == "second" {
            fetched_us = System.now_ms() * 1000;
            bob.must(&["sync"]);
        }
        for round in 0..rounds {
            let with = (round == 1).then_some(film);
            both_write([alice, carol], &format!("{part}.{round}"), with);
        }
        if part == "second" {
            site.kill();
        } else {
            site.stop();
        }
        while !trace::is_whole(&trace, pid) {
            park_timeout(Duration::from_millis(1));
        }
        drive.go_on(&trace::calls(&trace));
    }
    fetched_us
}

impl Day {
    /// Two people write to a third, with files, who fetches once; the server is stopped in good order, and
    /// killed once.
    fn live() -> Self {
        let seed = System.now_ms();
        println!("seed {seed}");
        let mut site = Site::apart();
        let folder = site.folder.path().to_owned();
        let data = folder.join("server");
        let mut drive = Drive::new(&data);
        let trace = folder.join("init.trace");
        let alice = site.person("alice");
        site.found_traced(&alice, &trace);
        drive.go_on(&trace::calls(&trace));
        let founded = drive.len();
        let entries = count(&database(&data), "log_entry");
        let mut kept = files(&data);
        kept.retain(|(name, _)| !name.starts_with("valise.db"));
        assert_eq!(
            kept.len(),
            5,
            "configuration, two files for TLS, log key, card"
        );

        let (public, server) = site.ports();
        let mallory = Mallory::start(public, server, &data);
        let told = promises(&mallory);
        let film = folder.join("film");
        fs::write(&film, Dice(seed).bytes(300_000)).unwrap();

        let fetched_us = days_work(&mut site, &alice, &film, &mut drive);
        drop(mallory);
        let files = files(&data.join("attachments")).into_iter();
        let files = files.map(|(name, bytes)| (name.parse().unwrap(), bytes));
        let told = told.lock().unwrap().clone();
        let day = Self {
            files: files.collect(),
            drive,
            founded,
            entries,
            kept,
            told,
            fetched_us,
            seed,
            folder: tempfile::tempdir_in("/dev/shm")
                .or_else(|_| tempfile::tempdir())
                .unwrap(),
            _site: site,
        };
        println!(
            "{} changes and flushes of the disk, {} of them at the founding; {} promises",
            day.drive.len(),
            day.founded,
            day.told.len()
        );
        let files = |(_, promise): &&(u64, Promise)| matches!(promise, Promise::File(..));
        assert!(day.told.len() > 30 && day.told.iter().filter(files).count() >= 6);
        day
    }

    /// Lets the power fail so often, at moments from the founding to the end; says what was lost.
    fn crash(&self, times: u64, heeds: Heeds) -> Vec<String> {
        let halves = [0, 1].map(|half| (half..times).step_by(2));
        let lost = std::thread::scope(|scope| {
            let works = halves.map(|half| {
                scope.spawn(move || {
                    let runtime = tokio::runtime::Builder::new_current_thread()
                        .enable_all()
                        .build()
                        .unwrap();
                    half.filter_map(|number| {
                        runtime.block_on(self.crash_once(number, times, heeds))
                    })
                    .collect::<Vec<_>>()
                })
            });
            works.map(|work| work.join().unwrap())
        });
        lost.concat()
    }

    async fn crash_once(&self, number: u64, times: u64, heeds: Heeds) -> Option<String> {
        let mut dice = Dice(self.seed ^ (number << 20));
        let moments = u64::try_from(self.drive.len() - self.founded).unwrap() + 1;
        // Spread evenly, or each in its turn.
        let moment = if times < moments {
            number * moments / times
        } else {
            number % moments
        };
        let done = self.founded + usize::try_from(moment).unwrap();
        let unflushed = match dice.roll(8) {
            0 => Unflushed::There,
            1 | 2 => Unflushed::Missing,
            dice_say => Unflushed::Torn {
                sector: if dice_say % 2 == 0 { 512 } else { 4096 },
                chance: 1 + dice.roll(7),
            },
        };
        let folder = self.folder.path().join(format!("{heeds:?}{number}"));
        self.drive.crash(done, unflushed, heeds, &mut dice, &folder);
        let mut lost = self.examine(&folder, self.drive.until_us(done)).await;
        if lost.is_ok() && heeds == Heeds::All && number.is_multiple_of((times / STARTS).max(1)) {
            lost = start(&folder);
        }
        fs::remove_dir_all(&folder).unwrap();
        let what = lost.err()?;
        Some(format!(
            "crash {number}, after {done} events, {unflushed:?}: {what}"
        ))
    }

    /// Opens the folder as the server does, and looks for all that was promised before this time.
    async fn examine(&self, folder: &Path, until_us: u64) -> Result<(), String> {
        for (name, bytes) in &self.kept {
            let here = fs::read(folder.join(name)).ok();
            check(here.as_ref() == Some(bytes), || format!("{name} is lost"))?;
        }
        let config = Config::load(folder).map_err(|error| format!("{error}"))?;
        let server = Server::open(config, Arc::new(SystemClock)).await;
        drop(server.map_err(|error| format!("it does not open: {error:?}"))?);
        let database = database(folder);
        let integrity = "select group_concat(integrity_check) from pragma_integrity_check";
        // What is worst is an error, and no answer.
        let integrity: String = database
            .query_row(integrity, (), |row| row.get(0))
            .unwrap_or_else(|error| error.to_string());
        check(integrity == "ok", || integrity.clone())?;
        let gaps = "select count(*) from (
                select m.sequence last, count(s.sequence) here, count(distinct s.sequence) apart,
                    max(s.sequence) newest, min(s.sequence) oldest
                from mls_group m left join submission s using (group_id) group by group_id
            ) where here <> apart or newest <> last or newest - oldest + 1 <> here";
        let gaps: u64 = database.query_row(gaps, (), |row| row.get(0)).unwrap();
        check(gaps == 0, || format!("{gaps} conversations with a gap"))?;
        self.files_are_whole(&database, folder)?;
        let told = self.told.iter().filter(|(at_us, _)| *at_us < until_us);
        let mut entries = self.entries;
        for (at_us, promise) in told {
            let may_be_gone = self.fetched_us < until_us && *at_us < self.fetched_us;
            match promise {
                Promise::Letter(group, id, sequence) => {
                    accepted(&database, (*group, *id), *sequence)?;
                    let sql = "select count(*) from message where group_id = ?1 and sequence = ?2";
                    let here = rows(&database, sql, *group, *sequence);
                    check(here == 1 || may_be_gone, || {
                        format!("letter {sequence} of {group} is gone")
                    })?;
                }
                Promise::Commit(group, id, sequence, invites) => {
                    accepted(&database, (*group, *id), *sequence)?;
                    let sql = "select count(*) from welcome where group_id = ?1 and sequence = ?2";
                    let here = rows(&database, sql, *group, *sequence);
                    check(here == 1 || may_be_gone || !invites, || {
                        format!("nobody is invited into {group}")
                    })?;
                }
                Promise::File(id, bytes) => {
                    let stored = stored(&database, *id);
                    check(stored >= Some(*bytes), || {
                        format!("of file {id} {bytes} bytes were promised, {stored:?} are there")
                    })?;
                }
                Promise::Entry => entries += 1,
            }
        }
        let here = count(&database, "log_entry");
        check(here >= entries, || format!("{here} entries of {entries}"))
    }

    /// No file has fewer bytes than are counted, or others.
    fn files_are_whole(&self, database: &Connection, folder: &Path) -> Result<(), String> {
        for (id, whole) in &self.files {
            let counted = stored(database, *id).unwrap_or(0);
            let counted = usize::try_from(counted).unwrap();
            let path = folder.join("attachments").join(id.to_string());
            let bytes = fs::read(path).unwrap_or_default();
            check(bytes.get(..counted) == whole.get(..counted), || {
                format!(
                    "{counted} bytes of file {id} count, {} are there",
                    bytes.len()
                )
            })?;
        }
        Ok(())
    }
}

fn check(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}

fn count(database: &Connection, table: &str) -> u64 {
    let sql = format!("select count(*) from {table}");
    database.query_row(&sql, (), |row| row.get(0)).unwrap()
}

/// How much of a file counts.
fn stored(database: &Connection, id: AttachmentId) -> Option<u64> {
    let sql = "select stored_bytes from attachment where attachment_id = ?1";
    database.query_row(sql, [id.0], |row| row.get(0)).ok()
}

/// What was accepted has its number.
fn accepted(
    database: &Connection,
    (group, id): (GroupId, SubmissionId),
    sequence: u64,
) -> Result<(), String> {
    let sql = "select sequence from submission where group_id = ?1 and submission_id = ?2";
    let here = database.query_row(sql, (group.as_ref(), id.as_ref()), |row| row.get(0));
    let here: Option<u64> = here.ok();
    check(here == Some(sequence), || {
        format!("message {sequence} of {group} was accepted, and has number {here:?}")
    })
}

fn rows(database: &Connection, sql: &str, group: GroupId, sequence: u64) -> u64 {
    let count = database.query_row(sql, (group.as_ref(), sequence), |row| row.get(0));
    count.unwrap()
}

/// Starts the program itself, which must serve.
fn start(folder: &Path) -> Result<(), String> {
    let mut command = std::process::Command::new(crate::support::program::valised());
    command.env_clear().env("VALISED_LISTEN", "127.0.0.1:0");
    command.arg("serve").arg("--data").arg(folder);
    let streams = command.stdout(Stdio::piped()).stderr(Stdio::null());
    let mut server = streams.spawn().unwrap();
    let mut line = String::new();
    let stdout = server.stdout.take().unwrap();
    BufReader::new(stdout).read_line(&mut line).unwrap();
    server.kill().unwrap();
    server.wait().unwrap();
    check(line.starts_with("valised: serving"), || {
        format!("valised does not serve: {line:?}")
    })
}

#[test]
fn r03_the_power_fails_at_any_moment_and_nothing_acknowledged_is_lost() {
    let begun = System.monotonic_ms();
    let day = Day::live();
    let lived_ms = System.monotonic_ms() - begun;
    let times = number("VALISE_CRASHES", CRASHES);
    let lost = day.crash(times, Heeds::All);
    let all_ms = System.monotonic_ms() - begun;
    let count = lost.len();
    println!("{times} crashes, {count} with a loss; {lived_ms} ms for the day, {all_ms} ms in all");
    assert!(lost.is_empty(), "seed {}: {}", day.seed, lost.join("\n"));
}

/// On disks that do not heed flushes, or none of folders, the same checks find what is lost.
#[test]
fn r03_twin_a_disk_that_does_not_heed_flushes_loses_what_was_acknowledged() {
    let day = Day::live();
    let first = day.founded;
    for heeds in [Heeds::Nothing(first), Heeds::Files(first)] {
        let lost = day.crash(40, heeds);
        println!("{heeds:?} heeded: {} of 40 with a loss", lost.len());
        let found = lost.iter().any(|what| what.contains("was accepted"));
        assert!(found, "{heeds:?}: {lost:?}");
    }
}
