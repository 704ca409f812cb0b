//! What the software key keeps without power: one file, changed as a whole or not at all.

use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File, Permissions},
    io::{self, Read, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// Wrong PINs in all before the key blocks (CTAP 2.1 §6.5.2.2).
pub(super) const PIN_TRIES: u8 = 8;

/// How many credentials fit.
pub(super) const MAX_CREDENTIALS: usize = 1000;

/// How many command names are kept.
const MAX_COMMANDS: usize = 1000;

/// No file of ours is larger, in bytes.
const MAX_FILE: u64 = 4 << 20;

/// Everything in the file.
#[derive(Serialize, Deserialize)]
pub(super) struct State {
    pub(super) verification: Verification,
    /// Signatures so far, over all credentials.
    pub(super) counter: u32,
    pub(super) credentials: Vec<Credential>,
    /// Names of the last commands, for tests that show what was never sent.
    pub(super) commands: Vec<String>,
}

/// How the key knows its user.
#[derive(Serialize, Deserialize)]
pub(super) enum Verification {
    /// By itself, and always successfully.
    BuiltIn,
    /// By a PIN that is not set yet.
    NoPin,
    /// By a PIN.
    Pin {
        /// See [`super::pin_hash`].
        hash: [u8; 16],
        /// Wrong PINs until the key blocks for ever.
        tries_left: u8,
    },
}

/// One credential.
#[derive(Serialize, Deserialize, Clone)]
pub(super) struct Credential {
    pub(super) id: [u8; 32],
    pub(super) rp_id: String,
    pub(super) user_id: Vec<u8>,
    /// P-256 scalar.
    pub(super) private_key: [u8; 32],
    /// What hmac-secret derives from, if it was asked for.
    pub(super) random: Option<Random>,
    /// Whether it can be found without its id.
    pub(super) resident: bool,
    /// credProtect level, 1 to 3 (CTAP 2.1 §12.1).
    pub(super) protection: u8,
}

/// `CredRandomWithUV` and `CredRandomWithoutUV` of hmac-secret (CTAP 2.1 §12.5).
#[derive(Serialize, Deserialize, Clone)]
pub(super) struct Random {
    pub(super) with_uv: [u8; 32],
    pub(super) without_uv: [u8; 32],
}

impl State {
    pub(super) fn new(verification: Verification) -> Self {
        Self {
            verification,
            counter: 0,
            credentials: Vec::new(),
            commands: Vec::new(),
        }
    }

    pub(super) fn log(&mut self, command: &str) {
        if self.commands.len() >= MAX_COMMANDS {
            self.commands.remove(0);
        }
        self.commands.push(command.to_owned());
    }
}

/// Writes the first state of a key. An existing file is left alone.
pub(super) fn create(path: &Path, state: &State) -> io::Result<()> {
    let _locked = lock(path)?;
    if path.try_exists()? {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    write(path, state)
}

/// The state as it stands.
pub(super) fn read(path: &Path) -> io::Result<State> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_FILE).read_to_end(&mut bytes)?;
    ciborium::from_reader(bytes.as_slice())
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))
}

/// Lets `change` work on the state and stores what it leaves, before its answer is known to anyone.
pub(super) fn update<T>(path: &Path, change: impl FnOnce(&mut State) -> T) -> io::Result<T> {
    let _locked = lock(path)?;
    let mut state = read(path)?;
    let answer = change(&mut state);
    write(path, &state)?;
    Ok(answer)
}

/// Keeps other processes away: a lock on the folder, because the file itself is replaced.
fn lock(path: &Path) -> io::Result<File> {
    let folder = File::open(folder(path))?;
    folder.lock()?;
    Ok(folder)
}

/// Replaces the file in one step, readable only by its owner: a crash leaves the old or the new one.
fn write(path: &Path, state: &State) -> io::Result<()> {
    let mut bytes = Vec::new();
    ciborium::into_writer(state, &mut bytes).map_err(io::Error::other)?;
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let draft = PathBuf::from(name);
    let mut file = File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&draft)?;
    // A draft that a crash left behind keeps its own mode.
    file.set_permissions(Permissions::from_mode(0o600))?;
    file.write_all(&bytes)?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    File::open(folder(path))?.sync_all()
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    fn new_file() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("alice.key");
        create(&path, &State::new(Verification::BuiltIn)).unwrap();
        (folder, path)
    }

    #[test]
    fn the_file_is_private_and_alone() {
        let (folder, path) = new_file();
        update(&path, |state| state.counter = 7).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert_eq!(read(&path).unwrap().counter, 7);
    }

    #[test]
    fn a_second_create_changes_nothing() {
        let (_folder, path) = new_file();
        update(&path, |state| state.counter = 7).unwrap();
        let again = create(&path, &State::new(Verification::NoPin)).unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(read(&path).unwrap().counter, 7);
    }

    #[test]
    fn a_draft_left_by_a_kill_is_ignored_and_replaced() {
        let (folder, path) = new_file();
        let draft = folder.path().join("alice.key.new");
        fs::write(&draft, b"half a st").unwrap();
        assert_eq!(read(&path).unwrap().counter, 0);
        update(&path, |state| state.counter = 1).unwrap();
        assert_eq!(read(&path).unwrap().counter, 1);
        assert!(!draft.exists());
    }

    /// The child of the next test: writes until it is killed.
    #[test]
    fn writer() {
        let Some(path) = std::env::var_os("VALISE_TEST_KEY").map(PathBuf::from) else {
            return;
        };
        while update(&path, |state| state.counter += 1).is_ok() {}
    }

    #[test]
    fn a_kill_at_any_moment_leaves_a_whole_key() {
        let (_folder, path) = new_file();
        let mut last = 0;
        for _ in 0..10 {
            let mut child = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "key::soft::store::tests::writer"])
                .env("VALISE_TEST_KEY", &path)
                .stdout(Stdio::null())
                .spawn()
                .unwrap();
            let target = last + 20;
            while last < target {
                last = read(&path).unwrap().counter;
            }
            child.kill().unwrap();
            child.wait().unwrap();
            let left = read(&path).unwrap().counter;
            assert!(left >= last, "what was read before the kill is still there");
            last = left;
        }
    }

    #[test]
    fn damage_is_an_error_not_a_new_key() {
        let (_folder, path) = new_file();
        fs::write(&path, b"\xa1\x00").unwrap();
        assert_eq!(
            read(&path).err().unwrap().kind(),
            io::ErrorKind::InvalidData
        );
    }

    #[test]
    fn concurrent_changes_are_all_kept() {
        let (_folder, path) = new_file();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..25 {
                        update(&path, |state| state.counter += 1).unwrap();
                    }
                });
            }
        });
        assert_eq!(read(&path).unwrap().counter, 100);
    }

    #[test]
    fn the_command_log_is_bounded() {
        let mut state = State::new(Verification::BuiltIn);
        for turn in 0..MAX_COMMANDS + 5 {
            state.log(&turn.to_string());
        }
        assert_eq!(state.commands.len(), MAX_COMMANDS);
        assert_eq!(state.commands.first().unwrap(), "5");
    }
}
