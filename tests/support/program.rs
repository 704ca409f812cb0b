//! The real programs, as processes.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value;

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

    /// How many commands have reached the key.
    pub fn key_commands(&self) -> usize {
        valise_client::key::soft::commands(&self.key)
            .expect("the key")
            .len()
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

    /// Runs it for a program, and expects it to do as asked.
    #[track_caller]
    pub fn json(&self, arguments: &[&str]) -> Said {
        self.run(&[arguments, &["-o", "json"]].concat()).done()
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
        said(&child.wait_with_output().expect("valise ends"))
    }
}

impl Said {
    /// It did what it was asked.
    #[track_caller]
    pub fn done(self) -> Self {
        assert_eq!(self.code, 0, "{}{}", self.out, self.err);
        self
    }

    /// The answer: one JSON object a line, and nothing else.
    #[track_caller]
    pub fn objects(&self) -> Vec<Value> {
        let objects = self.out.lines().map(|line| {
            let value: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
            assert!(value.is_object(), "{line}");
            value
        });
        objects.collect()
    }

    /// The answer: one JSON object.
    #[track_caller]
    pub fn object(&self) -> Value {
        let mut objects = self.objects();
        assert_eq!(objects.len(), 1, "{}", self.out);
        objects.remove(0)
    }

    /// The refusal as a person reads it, without the requests to touch the key before it.
    pub fn refusal(&self) -> &str {
        self.err.find("error[").map_or("", |at| &self.err[at..])
    }
}

pub fn said(output: &Output) -> Said {
    Said {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
