//! What a program asked of its disk, call by call: strace writes it down, and this reads it back.

use std::{
    collections::HashMap,
    ffi::OsStr,
    fs,
    io::{BufRead as _, BufReader},
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    process::{Child, ChildStderr, Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};

/// What strace is told: every thread, when each call began and how long it took, which file a number
/// means, and every byte.
const OPTIONS: [&str; 8] = [
    "-f",
    "-ttt",
    "-T",
    "-y",
    "-xx",
    "-s",
    "16777216",
    "-esignal=kill",
];
/// The calls that change a disk, or ask it to keep what it has. `?`: where the machine has it.
const CALLS: &str = "openat,write,writev,pwrite64,pwritev,fsync,fdatasync,ftruncate,fallocate,\
    ?open,?creat,?rename,renameat,renameat2,?unlink,unlinkat,?link,linkat,?mkdir,mkdirat,?rmdir";

/// The arguments of strace for such a trace in `file`, before those of the program.
pub fn arguments(file: &Path) -> Vec<String> {
    let mut arguments: Vec<_> = OPTIONS.iter().map(|it| (*it).to_owned()).collect();
    arguments.extend([format!("-etrace={CALLS}"), "-o".to_owned()]);
    arguments.push(file.to_str().expect("a name").to_owned());
    arguments
}

/// strace at work on a process that runs already.
pub struct Tracer {
    strace: Child,
    /// It would end if nobody read what it says.
    _said: BufReader<ChildStderr>,
}

impl Tracer {
    /// With these arguments, before that of the process.
    pub fn attach(pid: u32, arguments: &[String]) -> Self {
        let mut strace = Command::new("strace")
            .args(arguments)
            .args(["-p", &pid.to_string()])
            .stderr(Stdio::piped())
            .spawn()
            .expect("strace: .ci/install");
        let mut said = BufReader::new(strace.stderr.take().unwrap());
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        assert!(
            line.contains("attached"),
            "may a process be traced here? {line}"
        );
        Self {
            strace,
            _said: said,
        }
    }

    /// The process goes on without it.
    pub fn detach(mut self) {
        kill_process(Pid::from_child(&self.strace), Signal::TERM).unwrap();
        self.strace.wait().unwrap();
    }
}

/// One call that has ended.
#[derive(Clone, Debug)]
pub struct Call {
    pub thread: u32,
    pub name: String,
    pub arguments: Vec<String>,
    /// What it answered, and with `-y` which file that is.
    pub result: String,
    /// Microseconds since 1970.
    pub begun_us: u64,
    pub ended_us: u64,
}

/// Every call of a trace, in the order of their ends.
pub fn calls(file: &Path) -> Vec<Call> {
    let text = fs::read_to_string(file).expect("a trace");
    let mut calls = Vec::new();
    let mut unfinished: HashMap<&str, (u64, &str)> = HashMap::new();
    for line in text.lines() {
        let Some((thread, at_us, rest)) = head(line) else {
            continue;
        };
        let said = if let Some(begun) = rest.strip_suffix(" <unfinished ...>") {
            unfinished.insert(thread, (at_us, begun));
            continue;
        } else if let Some(resumed) = rest.strip_prefix("<... ") {
            let (_, tail) = resumed.split_once(" resumed>").expect("a resumed call");
            let (begun_us, begun) = unfinished.remove(thread).expect("its beginning");
            (begun_us, format!("{begun}{tail}"))
        } else {
            (at_us, rest.to_owned())
        };
        calls.extend(call(thread, said.0, &said.1));
    }
    calls.sort_by_key(|call| call.ended_us);
    calls
}

/// Whether the trace of process `pid` is whole: it has written down its end.
pub fn is_whole(file: &Path, pid: u32) -> bool {
    let text = fs::read(file).unwrap_or_default();
    let tail = text.len().saturating_sub(200);
    let tail = String::from_utf8_lossy(&text[tail..]);
    let mut lines = tail.lines().rev();
    let pid = pid.to_string();
    lines.any(|line| line.split(' ').next() == Some(&pid) && line.contains("+++ "))
}

/// Thread, time and the rest of a line about a call.
fn head(line: &str) -> Option<(&str, u64, &str)> {
    let (thread, rest) = line.split_once(' ')?;
    let (time, rest) = rest.trim_start().split_once(' ')?;
    let about_a_call = !rest.starts_with("+++") && !rest.starts_with("---");
    about_a_call.then(|| (thread, microseconds(time), rest))
}

fn microseconds(time: &str) -> u64 {
    let (seconds, rest) = time.split_once('.').expect("seconds");
    let number = |text: &str| text.parse::<u64>().expect("a number");
    number(seconds) * 1_000_000 + number(rest)
}

/// `None`: the process died in it.
fn call(thread: &str, begun_us: u64, said: &str) -> Option<Call> {
    let (name, rest) = said.split_once('(')?;
    let (arguments, result) = rest.rsplit_once(") = ").or_else(|| {
        // strace aligns short lines.
        let at = rest.rfind(") ")?;
        let result = rest[at + 2..].trim_start().strip_prefix("= ")?;
        Some((&rest[..at], result))
    })?;
    let (result, took) = result.rsplit_once(" <")?;
    let took = microseconds(took.strip_suffix('>')?);
    Some(Call {
        thread: thread.parse().expect("a thread"),
        name: name.to_owned(),
        arguments: arguments.split(", ").map(str::to_owned).collect(),
        result: result.to_owned(),
        begun_us,
        ended_us: begun_us + took,
    })
}

impl Call {
    /// What it answered: a number of bytes, a file, nought. `None`: it failed.
    pub fn done(&self) -> Option<u64> {
        let number = self.result.split(['<', ' ']).next().expect("a word");
        number.parse().ok()
    }

    /// Whether strace let it fail.
    pub fn was_injected(&self) -> bool {
        self.result.contains("(INJECTED)")
    }

    /// The file that an argument, or an answer, means by its number.
    pub fn file(text: &str) -> Option<PathBuf> {
        let (_, name) = text.split_once('<')?;
        let (name, rest) = name.split_once('>')?;
        let gone = rest.starts_with("(deleted)");
        (!gone && name.starts_with("\\x2f")).then(|| path(&bytes(name)))
    }

    /// The file that its first argument means.
    pub fn of(&self) -> Option<PathBuf> {
        Self::file(&self.arguments[0])
    }

    /// An argument in quotes.
    pub fn quoted(&self, at: usize) -> Vec<u8> {
        let text = self.arguments[at].strip_prefix('"');
        let text = text.and_then(|text| text.strip_suffix('"'));
        bytes(text.expect("the whole text, in quotes"))
    }

    /// An argument that is a number.
    pub fn number(&self, at: usize) -> u64 {
        self.arguments[at].parse().expect("a number")
    }

    /// The name in an argument, of a file in `folder` unless it says otherwise.
    pub fn named(&self, at: usize, folder: &Path) -> PathBuf {
        folder.join(path(&self.quoted(at)))
    }
}

fn path(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(bytes))
}

/// `\x61\x62`
fn bytes(text: &str) -> Vec<u8> {
    let digit = |digit: u8| char::from(digit).to_digit(16).expect("a digit");
    let number = |pair: &[u8]| u8::try_from(digit(pair[2]) * 16 + digit(pair[3]));
    let bytes = text.as_bytes().chunks_exact(4);
    bytes.map(|pair| number(pair).expect("a byte")).collect()
}
