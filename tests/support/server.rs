//! The real server, as a process.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::{
    Cli,
    office::free_port,
    program::{said, valised},
};

/// `valised`, and the folder in which everybody lives.
pub struct Server {
    pub folder: TempDir,
    port: u16,
    child: Option<Child>,
}

impl Server {
    /// A folder, and a port that is free.
    pub fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a folder"),
            port: free_port(),
            child: None,
        }
    }

    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    pub fn listen(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Where a file in the folder is.
    pub fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// Somebody who lives here.
    pub fn cli(&self, name: &str) -> Cli {
        Cli::new(self.folder.path(), name)
    }

    /// Runs an operator's command in the folder, and expects it to do as asked.
    #[track_caller]
    pub fn run(&self, arguments: &str) {
        said(&self.command(arguments).output().expect("valised runs")).done();
    }

    fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(valised());
        command
            .env_clear()
            .current_dir(self.folder.path())
            .args(arguments.split(' '));
        command
    }

    /// Starts it, and returns when it says that it serves.
    pub fn start(&mut self) {
        let mut child = self
            .command("serve --data server")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("valised runs");
        let mut line = String::new();
        let out = child.stdout.take().expect("stdout");
        BufReader::new(out).read_line(&mut line).expect("a line");
        assert!(line.starts_with("valised: serving https://"), "{line}");
        self.child = Some(child);
    }

    /// Stops it in good order.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            kill_process(Pid::from_child(&child), Signal::TERM).expect("a running server");
            assert!(child.wait().expect("valised ends").success());
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.kill());
            drop(child.wait());
        }
    }
}
