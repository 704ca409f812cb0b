//! A person at a real terminal: what is typed, what is shown.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    process::Command,
    sync::mpsc::{Receiver, channel},
    thread::spawn,
    time::Duration,
};

use expectrl::process::Process as _;
use expectrl::process::unix::{UnixProcess, WaitStatus};

/// Nothing here takes this long, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A terminal of 80 columns and 24 lines, and the program in it.
pub struct Terminal {
    process: UnixProcess,
    keyboard: File,
    output: Receiver<Vec<u8>>,
    /// Everything that the program wrote.
    pub bytes: Vec<u8>,
    /// How much of it was waited for.
    found: usize,
}

impl Terminal {
    pub fn start(mut command: Command) -> Self {
        command.env("TERM", "xterm-256color");
        let mut process = UnixProcess::spawn_command(command).expect("the program runs");
        // As a person's terminal does, unless the program says otherwise.
        process.set_echo(true, None).expect("a terminal");
        let keyboard = process.get_raw_handle().expect("the terminal");
        let mut screen = process.get_raw_handle().expect("the terminal");
        let (send, output) = channel();
        spawn(move || {
            let mut buffer = [0; 4096];
            // The end of a terminal is an error on Linux.
            while let Ok(read @ 1..) = screen.read(&mut buffer) {
                if send.send(buffer[..read].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self {
            process,
            keyboard,
            output,
            bytes: Vec::new(),
            found: 0,
        }
    }

    /// Waits until the program writes `text`, after what was waited for before.
    pub fn sees(&mut self, text: &str) {
        loop {
            let new = &self.bytes[self.found..];
            if let Some(at) = new
                .windows(text.len())
                .position(|part| part == text.as_bytes())
            {
                self.found += at + text.len();
                return;
            }
            let Ok(more) = self.output.recv_timeout(PATIENCE) else {
                panic!(
                    "‘{text}’ never came after:\n{}",
                    String::from_utf8_lossy(&self.bytes)
                );
            };
            self.bytes.extend(more);
        }
    }

    /// Types a line.
    pub fn types(&mut self, line: &str) {
        writeln!(self.keyboard, "{line}").expect("a keyboard");
    }

    /// Waits for a question, and answers it unseen.
    pub fn asks(&mut self, question: &str, answer: &str) {
        self.sees(question);
        self.types_unseen(answer);
    }

    /// Types a line once the terminal has stopped to show what is typed.
    pub fn types_unseen(&mut self, line: &str) {
        // The prompt is written a moment before.
        for _ in 0..PATIENCE.as_millis() {
            if !self.process.get_echo().expect("a terminal") {
                return self.types(line);
            }
            std::thread::park_timeout(Duration::from_millis(1));
        }
        panic!("the terminal shows what is typed");
    }

    /// Waits for the end, and returns the exit code.
    pub fn ends(&mut self) -> i32 {
        while let Ok(more) = self.output.recv_timeout(PATIENCE) {
            self.bytes.extend(more);
        }
        match self.process.wait().expect("the program ends") {
            WaitStatus::Exited(_, code) => code,
            other => panic!("{other:?}"),
        }
    }

    /// What a person sees now.
    pub fn screen(&self) -> String {
        let mut screen = vt100::Parser::default();
        screen.process(&self.bytes);
        screen.screen().contents()
    }
}
