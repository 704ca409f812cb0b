//! R08: what every release left on people's disks is opened by today's programs: a server's backup, its
//! database in every schema that there was, a store with its letters, a card, an exported log.
//!
//! `tests/golden/make.sh` makes a folder for each release. They are never made again.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use crate::support::{
    office::free_port,
    program::{Cli, Said, said, valised},
};

/// `tests/golden`.
fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden")
}

fn folders(of: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(of).unwrap().map(|entry| entry.unwrap().path());
    let mut folders: Vec<_> = entries.filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

/// Copies a folder, for its owner alone: git keeps no such thing.
fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    fs::set_permissions(to, fs::Permissions::from_mode(0o700)).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let copied = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &copied);
        } else {
            fs::copy(&path, &copied).unwrap();
            fs::set_permissions(&copied, fs::Permissions::from_mode(0o600)).unwrap();
        }
    }
}

fn operator(folder: &Path, arguments: &str) -> Said {
    let mut command = Command::new(valised());
    command
        .env_clear()
        .current_dir(folder)
        .args(arguments.split(' '));
    said(&command.output().expect("valised runs"))
}

#[test]
fn r08_every_release_s_backup_and_store_are_opened_today() {
    let releases = folders(&golden());
    let releases = releases.iter().filter(|path| path.join("backup").exists());
    let mut count = 0;
    for release in releases {
        count += 1;
        let work = tempfile::tempdir().unwrap();
        let here = work.path().join("golden");
        copy(release, &here);
        // git keeps no empty folder.
        operator(&here, "backup verify backup").done();
        operator(
            &here,
            "backup restore backup --data server --log golden.log",
        )
        .done();
        let status = operator(&here, "status --data server -o json").done();
        let status = status.object();
        let exported = fs::read_to_string(here.join("golden.log")).unwrap();
        let entries = exported.rsplit_once("\n\n").unwrap().1.lines().count();
        assert_eq!(status["log_entries"], entries, "{status}");
        assert_eq!(status["attachments"], 1);
        assert!(status["messages_waiting"].as_u64().unwrap() >= 1);
        serves(&here);

        let alice = Cli::new(&here, "alice");
        let letters = alice.json(&["list"]).objects();
        let mut subjects: Vec<_> = letters
            .iter()
            .map(|letter| letter["subject"].as_str().unwrap())
            .collect();
        subjects.sort_unstable();
        let written = ["Golden and not fetched", "Golden answer", "Golden letter"];
        assert_eq!(subjects, written);
        assert_eq!(alice.json(&["search", "Tournesol"]).objects().len(), 1);
        assert_eq!(alice.json(&["attach", "list", "1"]).objects().len(), 1);
    }
    assert!(count > 0);
}

/// The server starts, and answers.
fn serves(folder: &Path) {
    let port = free_port();
    fs::write(
        folder.join("server/valised.toml"),
        format!("listen = \"127.0.0.1:{port}\"\n"),
    )
    .unwrap();
    let mut server = Command::new(valised())
        .env_clear()
        .current_dir(folder)
        .args(["serve", "--data", "server"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let out = server.stdout.take().unwrap();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(out), &mut line).unwrap();
    let healthy = operator(folder, "healthcheck --data server");
    server.kill().unwrap();
    server.wait().unwrap();
    healthy.done();
}

/// Each schema as its SQL: `sqlite-N.sql` was made by migrations 1 to N, with the log of a real organisation.
#[test]
fn r08_every_schema_that_there_was_is_brought_up_to_date() {
    let schemas = golden().join("schema");
    let mut count = 0;
    for number in 1.. {
        let dump = schemas.join(format!("sqlite-{number}.sql"));
        if !dump.exists() {
            break;
        }
        count += 1;
        let work = tempfile::tempdir().unwrap();
        let server = work.path().join("server");
        copy(&schemas, &server);
        load(&dump, &server);
        let before = operator(work.path(), "migrate status --data server").done();
        assert!(
            before.out.contains(&format!("has schema {number},")),
            "{before:?}"
        );
        let waits = before.out.contains("waits: ");
        operator(work.path(), "migrate run --data server").done();
        let status = operator(work.path(), "status --data server -o json").done();
        assert!(status.object()["log_entries"].as_u64().unwrap() > 3);
        let checked = operator(work.path(), "upgrade-check --data server").done();
        assert!(checked.out.contains("every page is sound"), "{checked:?}");
        let kept = server.join(format!("before-upgrade-{number}.db"));
        assert_eq!(kept.exists(), waits, "{number}");
        // A start does the same by itself.
        if waits {
            fs::remove_file(&kept).unwrap();
        }
        load(&dump, &server);
        serves(work.path());
        assert_eq!(kept.exists(), waits, "{number}");
    }
    assert!(count >= 10, "{count} schemas");
}

/// Makes the server's database what `dump` says.
fn load(dump: &Path, server: &Path) {
    for file in ["valise.db", "valise.db-wal", "valise.db-shm"] {
        drop(fs::remove_file(server.join(file)));
    }
    let loaded = Command::new("sqlite3")
        .arg(server.join("valise.db"))
        .arg(format!(".read {}", dump.display()))
        .output()
        .expect("sqlite3: .ci/install");
    let silent = loaded.stderr.is_empty();
    assert!(loaded.status.success() && silent, "{loaded:?}");
}
