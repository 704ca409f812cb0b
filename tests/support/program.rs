//! The real programs, as processes.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

/// `valise`, as it was built for this test.
pub fn valise() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_valise"))
}

/// `valised`, built beside it.
pub fn valised() -> PathBuf {
    let path = valise().with_file_name("valised");
    assert!(
        path.exists(),
        "build valised first: cargo build -p valise-server"
    );
    path
}

/// One person's `valise`.
#[derive(Clone, Debug)]
pub struct Cli {
    pub home: PathBuf,
    pub key: PathBuf,
}

/// What a command said.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Cli {
    pub fn new(folder: &Path, name: &str) -> Self {
        Self {
            home: folder.join(name),
            key: folder.join(format!("{name}.key")),
        }
    }

    /// The command, with nothing of this process's environment.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(valise());
        command
            .env_clear()
            .env("TZ", "UTC")
            .arg("--home")
            .arg(&self.home)
            .arg("--key")
            .arg(format!("soft:{}", self.key.display()))
            .args(arguments);
        command
    }

    /// Runs it without a terminal.
    pub fn run(&self, arguments: &[&str]) -> Said {
        self.run_with(arguments, "")
    }

    /// Runs it without a terminal, with `input` on stdin.
    pub fn run_with(&self, arguments: &[&str], input: &str) -> Said {
        let mut child = self
            .command(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("valise runs");
        let mut stdin = child.stdin.take().expect("stdin");
        // A command that reads nothing may be gone already.
        drop(stdin.write_all(input.as_bytes()));
        drop(stdin);
        said(child.wait_with_output().expect("valise ends"))
    }
}

pub fn said(output: Output) -> Said {
    Said {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
