//! A real process: this test program, started again as the agent.

use std::{fs, path::PathBuf};

use rustix::net::sockopt::socket_peercred;
use tempfile::TempDir;

use super::*;
use crate::{
    agent::{place::Place, status, stop, store_key},
    clock::System,
};

/// Not a test: what the started process runs. Its home is the last argument.
#[test]
#[ignore = "the body of the process that the tests below start"]
fn body() {
    let home = std::env::args_os().next_back().map(PathBuf::from).unwrap();
    if home.is_absolute() {
        run(&home, Arc::new(System)).unwrap();
    }
}

fn agent_for(home: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let body = concat!(module_path!(), "::body");
    let (_, body) = body.split_once("::").unwrap();
    command.args(["--exact", "--ignored", "--nocapture", body]);
    command.arg(home);
    command
}

fn setup(byte: u8, idle: Duration) -> Setup {
    Setup {
        key: Zeroizing::new([byte; 32]),
        idle,
        longest: Duration::from_hours(1),
    }
}

fn home() -> (TempDir, Home) {
    let folder = TempDir::new().unwrap();
    let home = Home::open(&folder.path().join("home")).unwrap();
    (folder, home)
}

/// A line of a file below `/proc/<pid>`.
fn line(pid: i32, file: &str, start: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap();
    let line = text.lines().find(|line| line.starts_with(start)).unwrap();
    line.to_owned()
}

/// What only root can see of an agent that holds `[5; 32]`.
fn looks_innocent(pid: i32) {
    let link = |name: &str| fs::read_link(format!("/proc/{pid}/{name}")).unwrap();
    assert_eq!(link("cwd"), Path::new("/"));
    for stream in ["fd/0", "fd/1", "fd/2"] {
        assert_eq!(link(stream), Path::new("/dev/null"));
    }
    for file in ["cmdline", "environ"] {
        let content = fs::read(format!("/proc/{pid}/{file}")).unwrap();
        assert!(!content.windows(32).any(|part| part == [5; 32]), "{file}");
    }
}

#[test]
fn a_process_holds_the_key_and_is_hard_to_look_into() {
    let (_folder, home) = home();
    let minute = Duration::from_mins(1);
    launch(agent_for(home.folder()), &setup(5, minute)).unwrap();
    assert_eq!(store_key(&home), Some(Zeroizing::new([5; 32])));
    assert_eq!(status(&home).unwrap().idle, minute);

    let stream = Place::of(&home).unwrap().connect().unwrap().unwrap();
    let pid = socket_peercred(&stream).unwrap().pid;
    assert_eq!(rustix::process::getsid(Some(pid)).unwrap(), pid);
    let pid = pid.as_raw_nonzero().get();
    assert_ne!(u32::try_from(pid).unwrap(), std::process::id());
    assert!(line(pid, "status", "Umask:").ends_with("0077"));
    let core = line(pid, "limits", "Max core file size");
    assert_eq!(core.matches(" 0 ").count(), 2, "{core}");
    if rustix::process::geteuid().is_root() {
        looks_innocent(pid);
    } else {
        // Not dumpable: its own user cannot look into it.
        for file in ["environ", "cwd", "fd", "mem"] {
            let failed = fs::File::open(format!("/proc/{pid}/{file}")).unwrap_err();
            assert_eq!(failed.kind(), io::ErrorKind::PermissionDenied, "{file}");
        }
    }
    assert!(stop(&home).unwrap());
    assert!(store_key(&home).is_none());
}

#[test]
fn a_new_process_replaces_the_old_one() {
    let (_folder, home) = home();
    for byte in [1, 2] {
        launch(
            agent_for(home.folder()),
            &setup(byte, Duration::from_mins(1)),
        )
        .unwrap();
        assert_eq!(store_key(&home), Some(Zeroizing::new([byte; 32])));
    }
    assert!(stop(&home).unwrap());
    assert!(!stop(&home).unwrap());
}

#[test]
fn one_that_died_by_a_signal_is_replaced() {
    let (_folder, home) = home();
    launch(agent_for(home.folder()), &setup(1, Duration::from_mins(1))).unwrap();
    let mut stream = Place::of(&home).unwrap().connect().unwrap().unwrap();
    let pid = socket_peercred(&stream).unwrap().pid;
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    // The connection ends when the process has.
    drop(io::Read::read(&mut stream, &mut [0]));
    assert!(store_key(&home).is_none());
    launch(agent_for(home.folder()), &setup(2, Duration::from_mins(1))).unwrap();
    assert_eq!(store_key(&home), Some(Zeroizing::new([2; 32])));
    assert!(stop(&home).unwrap());
}

#[test]
fn a_process_that_cannot_start_says_why() {
    let (folder, home) = home();
    let closed = folder.path().join("file");
    fs::write(&closed, "").unwrap();
    let failed = launch(agent_for(&closed), &setup(1, Duration::from_mins(1)));
    let Err(AgentError::NotStarted(reason)) = failed else {
        panic!("{failed:?}");
    };
    assert!(
        reason.contains("is not a folder of yours alone"),
        "{reason}"
    );
    assert!(store_key(&home).is_none());
}

#[test]
fn a_program_that_is_no_agent_is_no_agent() {
    let failed = launch(Command::new("true"), &setup(1, Duration::from_mins(1)));
    // It may be gone before the key is written, or after.
    assert!(
        matches!(
            &failed,
            Err(AgentError::NotStarted(_) | AgentError::Io(_, _))
        ),
        "{failed:?}"
    );
    let failed = launch(
        Command::new("/nonexistent"),
        &setup(1, Duration::from_mins(1)),
    );
    assert!(matches!(failed, Err(AgentError::Io(_, _))), "{failed:?}");
}

#[test]
fn a_key_with_a_tail_or_without_limits_is_refused() {
    for length in [0, 32, SETUP_BYTES - 1, SETUP_BYTES + 1, 4096] {
        let (mut ours, mut theirs) = UnixStream::pair().unwrap();
        ours.write_all(&vec![1; length]).unwrap();
        drop(ours);
        assert!(
            matches!(receive(&mut theirs), Err(AgentError::Setup)),
            "{length}"
        );
    }
}
