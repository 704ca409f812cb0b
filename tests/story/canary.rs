//! V08, C01, C06, C12: letters leave no trace of themselves but in an unlocked store.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::LazyLock,
};

use crate::support::{
    Site,
    program::{Cli, said},
    search::{count, everything_in, files_with, memory, told_to},
};

const LETTERS: usize = 25;

/// In every subject, body, file name and search of this file; nowhere else on this machine.
static CANARY: LazyLock<String> = LazyLock::new(|| format!("kanarie{}x", std::process::id()));

/// Many letters with canaries, read, answered and searched for.
fn correspond(alice: &Cli, bob: &Cli) {
    let canary = &*CANARY;
    for number in 0..LETTERS {
        let (subject, body) = (format!("{canary}s{number}"), format!("{canary}b{number}\n"));
        let sent = alice.run_with(
            &["send", "bob", "-s", &subject],
            &body.repeat(1 + number * 9),
        );
        assert_eq!(sent.code, 0, "{sent:?}");
    }
    bob.must(&["sync"]);
    for number in LETTERS - 3..LETTERS {
        assert_eq!(
            bob.json(&["search", &format!("{canary}b{number}")])
                .objects()
                .len(),
            1
        );
        assert!(bob.must(&["read", "@unread"]).out.contains(canary));
        let answered = bob.run_with(&["reply", "@last"], &format!("{canary}r{number}"));
        assert_eq!(answered.code, 0, "{answered:?}");
    }
    alice.must(&["sync"]);
    assert_eq!(
        alice
            .json(&["search", &format!("{canary}r")])
            .objects()
            .len(),
        3
    );
}

/// A file whose name and content are canaries, on the writer's desk.
fn file(site: &Site) -> String {
    let desk = site.folder.path().join("desk");
    fs::create_dir_all(&desk).unwrap();
    let file = desk.join(format!("{}f\u{202e}fdp.exe", *CANARY));
    fs::write(&file, CANARY.repeat(30_000)).unwrap();
    file.to_str().unwrap().to_owned()
}

/// Alice sends bob a file, and bob is shown what came, begins to fetch it, and has it.
fn attach(site: &Site, alice: &Cli, bob: &Cli) {
    let file = file(site);
    alice.must(&["send", "bob", "-s", "File", "-m", "See.", "-a", &file]);
    bob.must(&["sync"]);
    let name = Path::new(&file).file_name().unwrap().to_str().unwrap();
    let bytes = fs::metadata(&file).unwrap().len();
    for person in [alice, bob] {
        let read = person.json(&["read", "@last"]).object();
        assert_eq!(read["attachments"][0]["name"], name);
        assert_eq!(read["attachments"][0]["size"], bytes);
        let shown = person.must(&["read", "@last", "-o", "human"]).out;
        let line = shown.lines().find(|line| line.starts_with("File:"));
        let line = line.expect("the file");
        assert!(line.contains(&format!("{}f", *CANARY)), "{line}");
        assert!(
            line.contains("fdp.exe (") && line.ends_with(" KiB)"),
            "{line}"
        );
        assert!(!line.contains('\u{202e}'), "{line}");
    }
    let place = site.folder.path().join("place");
    fs::create_dir(&place).unwrap();
    let save = ["attach", "save", "@last", "--to", place.to_str().unwrap()];
    bob.dies_at("after-part-stored", &save);
    let partial = everything_in(&bob.home.join("partial"));
    assert!(partial.iter().any(|path| path.is_file()));
    assert_eq!(
        files_with(&bob.home, CANARY.as_bytes()),
        Vec::<PathBuf>::new()
    );
    bob.must(&save);
    assert_eq!(files_with(&place, CANARY.as_bytes()).len(), 1);
}

#[test]
fn v08_c01_c12_no_word_of_a_letter_is_on_the_server_or_in_a_locked_home() {
    let canary = &*CANARY;
    let (mut site, alice, [bob]) = Site::with(["bob"]);
    correspond(&alice, &bob);
    attach(&site, &alice, &bob);
    // A letter that waits, and a server that has crashed with letters in its write-ahead log.
    site.kill();
    let (subject, file) = (format!("{canary}w"), file(&site));
    let kept = alice.run_with(&["send", "bob", "-s", &subject, "-a", &file], canary);
    assert_eq!(kept.code, 7, "{kept:?}");
    let spool = everything_in(&alice.home.join("spool"));
    assert!(spool.iter().any(|path| path.is_file()));
    assert_eq!(
        files_with(&alice.home, canary.as_bytes()),
        Vec::<PathBuf>::new()
    );
    let server = site.folder.path().join("server");
    assert!(everything_in(&server.join("attachments")).len() > 1);
    assert!(server.join("valise.db-wal").metadata().unwrap().len() > 0);
    let nothing = Vec::<PathBuf>::new();
    assert_eq!(files_with(&server, canary.as_bytes()), nothing);
    site.start();
    alice.must(&["outbox", "retry"]);
    bob.must(&["sync"]);

    assert_eq!(files_with(&server, canary.as_bytes()), nothing);
    match memory(site.pid(), canary.as_bytes()) {
        Ok((found, looked)) => assert_eq!(found, 0, "in {looked} bytes of the server's memory"),
        Err(error) => println!("skipped the server's memory: {error}"),
    }
    // The agents run, and were told nothing that others may read.
    assert_eq!(told_to(canary.as_bytes()), nothing);

    for person in [&alice, &bob] {
        person.must(&["lock"]);
        assert_eq!(person.json(&["status"]).objects()[0]["state"], "locked");
        assert_eq!(files_with(&person.home, canary.as_bytes()), nothing);
        assert_eq!(
            files_with(&person.home, b"alice"),
            nothing,
            "not even a name"
        );
        assert_eq!(files_with(&person.home, b"SQLite format 3"), nothing);
    }

    // The twin: what is there in clear is found.
    assert!(
        !files_with(&server, b"alice").is_empty(),
        "the server knows who writes"
    );
    if let Ok((found, _)) = memory(site.pid(), b"alice") {
        assert!(found > 0);
    }
    site.stop();
    let log = fs::read(site.log()).unwrap();
    assert_eq!(
        (count(&log, canary.as_bytes()), count(&log, b"stopping")),
        (0, 1)
    );
    fs::write(alice.home.join("draft"), format!("a {canary} in clear")).unwrap();
    assert_eq!(
        files_with(&alice.home, canary.as_bytes()),
        [alice.home.join("draft")]
    );
    let mut leak = Command::new("cat")
        .env("LEAK", canary)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let leaks = format!("/proc/{}", leak.id());
    assert_eq!(told_to(canary.as_bytes()), [Path::new(&leaks)]);
    if let Ok((found, _)) = memory(leak.id(), canary.as_bytes()) {
        assert!(found > 0);
    }
    drop(leak.stdin.take());
    leak.wait().unwrap();
}

/// Everything that could tempt a program to write outside its home, empty.
fn outside(site: &Site) -> PathBuf {
    let outside = site.folder.path().join("outside");
    fs::create_dir_all(&outside).unwrap();
    outside
}

/// Runs a command of `person` that must succeed, with every folder of the machine's being `outside`.
fn run_outside(person: &Cli, arguments: &[&str], outside: &Path) {
    let mut command = person.command(arguments);
    for name in ["HOME", "TMPDIR", "SQLITE_TMPDIR"] {
        command.env(name, outside);
    }
    for name in ["DATA", "CONFIG", "CACHE", "STATE", "RUNTIME"] {
        let name = if name == "RUNTIME" {
            "RUNTIME_DIR".into()
        } else {
            format!("{name}_HOME")
        };
        command.env(format!("XDG_{name}"), outside);
    }
    let done = said(
        &command
            .current_dir(outside)
            .stdin(Stdio::null())
            .output()
            .unwrap(),
    );
    assert_eq!(done.code, 0, "{done:?}");
}

#[test]
fn c06_everything_is_the_owners_alone_and_nothing_is_outside_the_home() {
    let (site, alice) = Site::open();
    let outside = outside(&site);
    for arguments in [
        &["unlock"][..],
        &["send", "alice", "-s", "to myself", "-m", "a note"],
        &["sync"],
        &["list"],
        &["read", "@last"],
        &["search", "note"],
        &["doctor"],
    ] {
        run_outside(&alice, arguments, &outside);
    }
    let all = everything_in(&alice.home);
    assert!(all.len() > 3, "{all:?}");
    for path in all {
        let metadata = path.metadata().unwrap();
        let meant = if metadata.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(
            metadata.permissions().mode() & 0o7777,
            meant,
            "{}",
            path.display()
        );
    }
    run_outside(&alice, &["lock"], &outside);
    assert_eq!(everything_in(&outside), [outside]);
}
