//! R04: each single system call by which a letter or a file is kept fails once, at the server's and at the
//! writer's. Who was told that it is kept was told the truth, and everybody goes on.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use valise_client::clock::{Clock as _, System};

use super::{all_is_well, subjects};
use crate::{
    simulation::number,
    support::{
        Cli, Dice, Site,
        trace::{self, Call, Tracer},
    },
};

/// How many faults there are for each of server and writer, unless `VALISE_FAULTS` asks for more.
const FAULTS: u64 = 12;
/// How a call may fail. `ENOSPC`: where something is written or made.
const ERRORS: [&str; 2] = ["EIO", "ENOSPC"];

/// One call that fails: the so many-th of this name in a thread.
#[derive(Clone, Debug)]
struct Fault {
    call: String,
    number: usize,
    error: &'static str,
}

/// What is written: a letter, or one with a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Letter,
    File,
}

/// The calls of a trace that touch what is below `folder`.
fn touched(trace: &Path, folder: &Path) -> Vec<Call> {
    let mut calls = trace::calls(trace);
    calls.retain(|call| place(call, folder).is_some());
    calls
}

/// The file below `folder` that a call is about.
fn place(call: &Call, folder: &Path) -> Option<PathBuf> {
    let path = match call.name.as_str() {
        "openat" if call.arguments[2].contains("O_CREAT") => Some(call.named(1, folder)),
        "openat" => None,
        "rename" | "unlink" | "mkdir" => Some(call.named(0, folder)),
        _ => call.of(),
    };
    path.filter(|path| path.starts_with(folder) && !path.ends_with("server.log"))
}

/// Every fault that a healthy day knows: the most calls of a name that one thread made.
fn faults(calls: &[Call]) -> Vec<Fault> {
    let mut each: BTreeMap<(&str, u32), usize> = BTreeMap::new();
    for call in calls {
        *each.entry((&call.name, call.thread)).or_default() += 1;
    }
    let mut most: BTreeMap<&str, usize> = BTreeMap::new();
    for ((name, _), count) in each {
        let most = most.entry(name).or_default();
        *most = count.max(*most);
    }
    let mut faults = Vec::new();
    for (name, count) in most {
        for number in 1..=count {
            faults.extend(ERRORS.map(|error| Fault {
                call: name.to_owned(),
                number,
                error,
            }));
        }
    }
    faults
}

/// Some of them, in their order.
fn some<T>(mut all: Vec<T>, dice: &mut Dice) -> Vec<T> {
    let most = usize::try_from(number("VALISE_FAULTS", FAULTS)).unwrap();
    while all.len() > most {
        let at = dice.roll(u64::try_from(all.len()).unwrap());
        all.remove(usize::try_from(at).unwrap());
    }
    all
}

impl Fault {
    /// What strace is told: files below `folder` alone are meant.
    fn arguments(&self, log: &Path, files: &[PathBuf]) -> Vec<String> {
        let mut arguments = trace::arguments(log);
        for file in files {
            arguments.push(format!("-P{}", file.display()));
        }
        arguments.push(format!(
            "-einject={}:error={}:when={}",
            self.call, self.error, self.number
        ));
        arguments
    }
}

/// Whether a flush that failed, or a write, was made good before anybody was told that all is kept: the
/// file was written to again, and flushed. What is no part of a commit need not be.
fn made_good(calls: &[Call]) -> bool {
    let failed = calls.iter().rposition(|call| {
        let kept = ["pwrite64", "write", "fsync", "fdatasync"].contains(&call.name.as_str());
        call.was_injected() && kept
    });
    let Some(failed) = failed else {
        return true;
    };
    let file = calls[failed].of().expect("a file");
    // The database itself is written from the write-ahead log, which stays until that is flushed.
    if file.ends_with("valise.db") || file.is_dir() {
        return true;
    }
    let mut after = calls[failed + 1..]
        .iter()
        .filter(|call| call.of().as_ref() == Some(&file) && call.done().is_some());
    let written = after.any(|call| call.name.contains("write"));
    written && after.any(|call| call.name.contains("sync"))
}

/// What is written in this story.
struct Desk {
    site: Site,
    alice: Cli,
    bob: Cli,
    film: String,
    /// Subjects that were begun, and whether they were said to be sent.
    written: Vec<(String, bool)>,
    dice: Dice,
}

impl Desk {
    fn new() -> Self {
        let seed = System.now_ms();
        println!("seed {seed}");
        let (site, alice, [bob]) = Site::with(["bob"]);
        let film = site.path("film");
        let mut dice = Dice(seed);
        fs::write(&film, dice.bytes(200_000)).unwrap();
        alice.must(&["send", "bob", "-s", "healthy", "-m", "news"]);
        Self {
            site,
            alice,
            bob,
            film,
            written: vec![("healthy".to_owned(), true)],
            dice,
        }
    }

    fn letter(&self, kind: Kind, subject: &str) -> Vec<String> {
        let mut letter = ["send", "bob", "-s", subject, "-m", "news"]
            .map(str::to_owned)
            .to_vec();
        if kind == Kind::File {
            letter.extend(["-a".to_owned(), self.film.clone()]);
        }
        letter
    }

    /// Writes, and notes whether that was acknowledged.
    fn write(&mut self, kind: Kind, subject: &str) -> bool {
        let letter = self.letter(kind, subject);
        let letter: Vec<_> = letter.iter().map(String::as_str).collect();
        let code = self.alice.run(&letter).code;
        self.note(subject, code)
    }

    fn note(&mut self, subject: &str, code: i32) -> bool {
        // Neither an alarm nor a panic.
        assert!(code != 6 && code != 101 && code >= 0, "{subject}: {code}");
        self.written.push((subject.to_owned(), code == 0));
        code == 0
    }

    /// What waits goes out now.
    fn goes_on(&self, what: &str) {
        self.alice.must(&["sync"]);
        let waiting = self.alice.json(&["outbox"]).objects();
        assert!(waiting.is_empty(), "{what}: {waiting:?}");
    }

    /// The server is killed before anybody fetched anything. Then each letter is there once; one of which
    /// the writer was told that it was not kept need not be.
    fn close(mut self) {
        self.site.kill();
        self.site.start();
        self.bob.must(&["sync"]);
        let arrived = subjects(&self.bob, "alice");
        let here = self.written.iter().filter(|(subject, sent)| {
            let times = arrived.iter().filter(|it| *it == subject).count();
            assert!(
                times == 1 || (times == 0 && !sent),
                "{subject}: {times}, {sent}"
            );
            times == 1
        });
        let here: Vec<_> = here.map(|(subject, _)| subject).collect();
        assert_eq!(here, arrived.iter().collect::<Vec<_>>(), "in their order");
        all_is_well(&self.bob);
        let sent = self.written.iter().filter(|(_, sent)| *sent).count();
        println!(
            "{} written, {sent} acknowledged, {} arrived",
            self.written.len(),
            arrived.len()
        );
    }
}

#[test]
fn r04_each_call_of_the_servers_commit_fails_once_and_nobody_is_told_a_lie() {
    let mut desk = Desk::new();
    let data = fs::canonicalize(desk.site.folder.path())
        .unwrap()
        .join("server");
    let log = desk.site.folder.path().join("strace.log");
    let mut all = Vec::new();
    for kind in [Kind::Letter, Kind::File] {
        let tracer = Tracer::attach(desk.site.pid(), &trace::arguments(&log));
        assert!(desk.write(kind, &format!("{kind:?}, healthy")));
        tracer.detach();
        let calls = touched(&log, &data);
        all.extend(faults(&calls).into_iter().map(|fault| (kind, fault)));
    }
    println!("{} faults: {all:?}", all.len());
    let mut injected = 0;
    for (number, (kind, fault)) in some(all, &mut desk.dice).into_iter().enumerate() {
        let subject = format!(
            "{number}, {kind:?}, {} {} {}",
            fault.call, fault.number, fault.error
        );
        let files = [
            data.clone(),
            data.join("valise.db"),
            data.join("valise.db-wal"),
            data.join("attachments"),
        ];
        let meant = if kind == Kind::File { &[][..] } else { &files };
        let tracer = Tracer::attach(desk.site.pid(), &fault.arguments(&log, meant));
        let acknowledged = desk.write(kind, &subject);
        tracer.detach();
        let calls = touched(&log, &data);
        let failed = calls.iter().filter(|call| call.was_injected()).count();
        injected += usize::from(failed > 0);
        assert!(!acknowledged || made_good(&calls), "{subject}: {calls:?}");
        // The same process: nobody restarted it.
        desk.goes_on(&subject);
    }
    println!("{injected} faults came");
    assert!(injected > 0);
    desk.close();
}

#[test]
fn r04_each_call_of_the_writers_store_fails_once_and_nothing_is_lost() {
    let mut desk = Desk::new();
    let home = fs::canonicalize(&desk.alice.home).unwrap();
    let log = desk.site.folder.path().join("strace.log");
    let mut all = Vec::new();
    for kind in [Kind::Letter, Kind::File] {
        let subject = format!("{kind:?}, healthy");
        assert!(desk.write_traced(kind, &subject, &trace::arguments(&log)));
        let calls = touched(&log, &home);
        let mut files: Vec<_> = calls.iter().filter_map(|call| place(call, &home)).collect();
        files.sort();
        files.dedup();
        let faults = faults(&calls).into_iter();
        all.extend(faults.map(|fault| (kind, fault, files.clone())));
    }
    println!("{} faults", all.len());
    let mut injected = 0;
    for (number, (kind, fault, files)) in some(all, &mut desk.dice).into_iter().enumerate() {
        let subject = format!(
            "{number}, {kind:?}, {} {} {}",
            fault.call, fault.number, fault.error
        );
        let acknowledged = desk.write_traced(kind, &subject, &fault.arguments(&log, &files));
        let calls = touched(&log, &home);
        injected += calls.iter().filter(|call| call.was_injected()).count();
        println!("{subject}: {acknowledged}");
        desk.goes_on(&subject);
    }
    println!("{injected} faults came");
    assert!(injected > 0);
    desk.close();
}

impl Desk {
    /// The same with strace at work on the writer from her start.
    fn write_traced(&mut self, kind: Kind, subject: &str, strace: &[String]) -> bool {
        let letter = self.letter(kind, subject);
        let letter: Vec<_> = letter.iter().map(String::as_str).collect();
        let command = self.alice.command(&letter);
        let mut traced = Command::new("strace");
        traced.env_clear().env("TZ", "UTC").args(strace);
        traced.arg(command.get_program()).args(command.get_args());
        let output = traced.stdin(Stdio::null()).output().expect("strace");
        self.note(subject, output.status.code().unwrap_or(-1))
    }
}

/// A server that is told of a failed flush, and says all the same that it keeps what it has.
#[test]
fn r04_twin_a_flush_that_is_tried_again_and_not_written_again_is_a_lie() {
    let lines = [
        (r#"pwrite64(9</d/valise.db-wal>, "", 0, 0)"#, "0"),
        (
            "fdatasync(9</d/valise.db-wal>)",
            "-1 EIO (Input/output error) (INJECTED)",
        ),
        // The system has forgotten what it failed to write: this says nothing.
        ("fdatasync(9</d/valise.db-wal>)", "0"),
        (r#"pwrite64(9</d/valise.db-wal>, "", 0, 0)"#, "0"),
        ("fdatasync(9</d/valise.db-wal>)", "0"),
    ];
    let folder = tempfile::tempdir().unwrap();
    let told = |lines: &[(&str, &str)]| {
        let line = |(at, (call, result)): (usize, &(&str, &str))| {
            let call = call.replace("/d/valise.db-wal", r"\x2f\x64\x2f\x77");
            format!("7 1.00000{at} {call} = {result} <0.000000>\n")
        };
        let text: String = lines.iter().enumerate().map(line).collect();
        let trace = folder.path().join("trace");
        fs::write(&trace, text).unwrap();
        trace::calls(&trace)
    };
    for count in 2..lines.len() {
        assert!(!made_good(&told(&lines[..count])), "{count}");
    }
    assert!(made_good(&told(&lines)));
}
