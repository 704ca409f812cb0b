//! An agent in a thread, on a home of its own, with a clock that the test owns.

use std::{
    fs,
    net::Shutdown,
    os::unix::{
        fs::PermissionsExt as _,
        net::{UnixListener, UnixStream},
    },
    path::PathBuf,
    thread::{self, JoinHandle},
};

use tempfile::TempDir;
use zeroize::Zeroizing;

use super::*;
use crate::{
    agent::{status, stop, store_key},
    clock::{Manual, System},
    store::StoreKey,
};

const IDLE: Duration = Duration::from_mins(15);
const LONGEST: Duration = Duration::from_hours(8);

fn key(byte: u8) -> StoreKey {
    Zeroizing::new([byte; 32])
}

fn setup(byte: u8) -> Setup {
    Setup {
        key: key(byte),
        idle: IDLE,
        longest: LONGEST,
    }
}

fn home() -> (TempDir, Home) {
    let folder = TempDir::new().unwrap();
    let home = Home::open(&folder.path().join("home")).unwrap();
    (folder, home)
}

struct Running {
    _folder: TempDir,
    home: Home,
    clock: Arc<Manual>,
    agent: JoinHandle<Result<(), AgentError>>,
}

impl Running {
    fn new() -> Self {
        let (folder, home) = home();
        let clock = Arc::new(Manual::new(1_000_000));
        let agent = serve(&home, setup(7), clock.clone());
        Self {
            _folder: folder,
            home,
            clock,
            agent,
        }
    }

    /// What an agent that is asked raw bytes says.
    fn hears(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = UnixStream::connect(self.home.socket()).unwrap();
        stream.write_all(bytes).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        // The agent closes without reading what it does not want: the kernel calls that a reset.
        drop(stream.read_to_end(&mut answer));
        answer
    }

    fn ends(self) {
        self.agent.join().unwrap().unwrap();
        assert!(!self.home.socket().exists());
        assert!(store_key(&self.home).is_none());
    }
}

fn serve(home: &Home, setup: Setup, clock: Arc<dyn Clock>) -> JoinHandle<Result<(), AgentError>> {
    let agent = Agent::open(home, setup, clock).unwrap();
    thread::spawn(move || agent.serve())
}

#[test]
fn the_key_comes_out_as_it_went_in_until_it_is_told_to_stop() {
    let running = Running::new();
    for _ in 0..3 {
        assert_eq!(store_key(&running.home), Some(key(7)));
    }
    assert!(stop(&running.home).unwrap());
    // The answer to stop comes after the socket is gone: no wait is needed here.
    assert!(!running.home.socket().exists());
    assert!(store_key(&running.home).is_none());
    assert!(status(&running.home).is_none());
    assert!(!stop(&running.home).unwrap());
    running.ends();
}

#[test]
fn the_idle_limit_ends_it_and_use_restarts_the_idle_time() {
    let running = Running::new();
    for _ in 0..4 {
        running.clock.advance(in_ms(IDLE) - 1);
        assert_eq!(store_key(&running.home), Some(key(7)));
    }
    running.clock.advance(in_ms(IDLE));
    assert!(store_key(&running.home).is_none());
    running.ends();
}

#[test]
fn the_absolute_limit_ends_it_though_it_is_used() {
    let running = Running::new();
    let step = in_ms(IDLE) - 1;
    let steps = in_ms(LONGEST) / step;
    for _ in 0..steps {
        running.clock.advance(step);
        assert_eq!(store_key(&running.home), Some(key(7)));
    }
    let rest = in_ms(LONGEST) - steps * step;
    assert!(rest < in_ms(IDLE));
    let left = status(&running.home).unwrap().left;
    assert_eq!(left, Duration::from_millis(rest));
    running.clock.advance(rest);
    assert!(store_key(&running.home).is_none());
    running.ends();
}

#[test]
fn it_ends_by_itself_when_nobody_comes() {
    let (_folder, home) = home();
    let short = Setup {
        idle: Duration::from_millis(50),
        ..setup(7)
    };
    let agent = serve(&home, short, Arc::new(System));
    agent.join().unwrap().unwrap();
    assert!(!home.socket().exists());
}

#[test]
fn status_tells_the_limit_and_is_no_use() {
    let running = Running::new();
    running.clock.advance(60_000);
    let expected = AgentStatus {
        idle: IDLE,
        left: Duration::from_mins(14),
    };
    assert_eq!(status(&running.home), Some(expected));
    assert_eq!(status(&running.home), Some(expected));
    assert!(store_key(&running.home).is_some());
    assert_eq!(status(&running.home).unwrap().left, IDLE);
    assert!(stop(&running.home).unwrap());
    running.ends();
}

#[test]
fn what_is_no_request_gets_no_answer_and_does_no_harm() {
    let running = Running::new();
    assert_eq!(running.hears(&[2]).len(), 17);
    for garbage in [&b""[..], &[0], &[4], &[255], &[1, 0], &[3, 3], &[1; 4096]] {
        assert!(running.hears(garbage).is_empty(), "{garbage:?}");
    }
    assert!(store_key(&running.home).is_some());
    assert!(stop(&running.home).unwrap());
    running.ends();
}

#[test]
fn a_peer_that_never_asks_keeps_nobody_out() {
    let running = Running::new();
    let silent: Vec<_> = (0..PEERS_MAX * 3)
        .map(|_| {
            let stream = UnixStream::connect(running.home.socket()).unwrap();
            assert!(store_key(&running.home).is_some());
            stream
        })
        .collect();
    // The oldest were shown out.
    let mut oldest = &silent[0];
    assert_eq!(oldest.read(&mut [0]).unwrap(), 0);
    assert!(stop(&running.home).unwrap());
    running.ends();
}

#[test]
fn only_its_owner_can_reach_the_socket() {
    let running = Running::new();
    let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(running.home.socket()), 0o600);
    assert_eq!(mode(running.home.folder().to_owned()), 0o700);
    let names: Vec<_> = fs::read_dir(running.home.folder()).unwrap().collect();
    assert_eq!(names.len(), 1, "only the socket: {names:?}");

    fs::set_permissions(running.home.folder(), fs::Permissions::from_mode(0o750)).unwrap();
    assert!(store_key(&running.home).is_none());
    assert!(matches!(stop(&running.home), Err(AgentError::Folder(_))));
    fs::set_permissions(running.home.folder(), fs::Permissions::from_mode(0o700)).unwrap();
    assert!(stop(&running.home).unwrap());
    running.ends();
}

#[test]
fn a_dead_agents_socket_is_replaced() {
    let (_folder, home) = home();
    drop(UnixListener::bind(home.socket()).unwrap());
    assert!(home.socket().exists());
    assert!(store_key(&home).is_none());
    let agent = serve(&home, setup(1), Arc::new(Manual::new(0)));
    assert_eq!(store_key(&home), Some(key(1)));
    assert!(stop(&home).unwrap());
    agent.join().unwrap().unwrap();
}

#[test]
fn a_new_agent_ends_the_old_one() {
    let running = Running::new();
    let new = serve(&running.home, setup(8), running.clock.clone());
    running.agent.join().unwrap().unwrap();
    assert_eq!(store_key(&running.home), Some(key(8)));
    assert!(stop(&running.home).unwrap());
    new.join().unwrap().unwrap();
}

#[test]
fn an_agent_that_lost_its_socket_ends_and_leaves_its_successors_alone() {
    let running = Running::new();
    // Connected before it was lost: this wakes the agent without its socket.
    let mut early = UnixStream::connect(running.home.socket()).unwrap();
    fs::remove_file(running.home.socket()).unwrap();
    let successor = UnixListener::bind(running.home.socket()).unwrap();
    // It may have seen the loss before it reads this, and be gone.
    drop(early.write_all(&[0]));
    running.agent.join().unwrap().unwrap();
    assert!(running.home.socket().exists());
    drop(successor);
}

#[test]
fn one_that_takes_connections_and_says_nothing_is_called_stuck() {
    let (_folder, home) = home();
    let _stuck = UnixListener::bind(home.socket()).unwrap();
    assert!(matches!(stop(&home), Err(AgentError::Stuck)));
    assert!(store_key(&home).is_none());
}

#[test]
fn an_answer_with_a_tail_is_no_answer() {
    let (_folder, home) = home();
    let listener = UnixListener::bind(home.socket()).unwrap();
    let liar = thread::spawn(move || {
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().unwrap();
            stream.read_exact(&mut [0]).unwrap();
            stream
                .write_all(&[[1].as_slice(), &[9; 33]].concat())
                .unwrap();
        }
    });
    assert!(store_key(&home).is_none());
    assert!(matches!(stop(&home), Err(AgentError::Garbled)));
    liar.join().unwrap();
}

#[test]
fn a_long_home_is_as_good_as_a_short_one() {
    let folder = TempDir::new().unwrap();
    let home = Home::open(&folder.path().join("a".repeat(200))).unwrap();
    assert!(home.socket().as_os_str().len() > 107);
    let agent = serve(&home, setup(3), Arc::new(Manual::new(0)));
    assert_eq!(store_key(&home), Some(key(3)));
    assert!(stop(&home).unwrap());
    agent.join().unwrap().unwrap();
    assert!(!home.socket().exists());
}
