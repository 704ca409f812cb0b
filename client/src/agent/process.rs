//! The agent as a process: how it is started, and how it makes itself hard to look into.

use std::{
    io::{self, Write as _},
    net::Shutdown,
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::net::UnixStream,
    },
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    thread,
    time::Duration,
};

use rustix::{
    fs::{Mode, OFlags, open},
    process::{
        DumpableBehavior, Resource, Rlimit, chdir, set_dumpable_behavior, setrlimit, setsid, umask,
    },
    stdio::{dup2_stderr, dup2_stdin, dup2_stdout},
};
use zeroize::Zeroizing;

use super::{
    AgentError,
    protocol::{SETUP_BYTES, Setup},
    read_to_end,
    serve::Agent,
};
use crate::{clock::Clock, home::Home, store::StoreKey};

/// The first argument that makes this program the agent. The second is the home.
pub const SUBCOMMAND: &str = "agent-process";

/// How long an agent may take to start: it may have to wait for an earlier one to end.
const PATIENCE: Duration = Duration::from_secs(5);
/// What the new agent says when it listens. Anything else is the reason why not.
const READY: u8 = 0;
/// How much of a reason is read.
const REASON_BYTES_MAX: usize = 512;

/// Starts an agent for this home, and waits until it listens. It forgets the key when nobody asked
/// for it during `idle`, and after `longest` in any case. An earlier agent is replaced.
///
/// The key goes through a socket pair that nobody else has, never in arguments or environment.
pub fn start(
    home: &Home,
    key: &StoreKey,
    idle: Duration,
    longest: Duration,
) -> Result<(), AgentError> {
    let failed = |error| AgentError::Io("cannot start the agent", error);
    let mut command = Command::new(std::env::current_exe().map_err(failed)?);
    let folder = std::path::absolute(home.folder()).map_err(failed)?;
    command.arg(SUBCOMMAND).arg(folder);
    let setup = Setup {
        key: key.clone(),
        idle,
        longest,
    };
    launch(command, &setup)
}

fn launch(mut command: Command, setup: &Setup) -> Result<(), AgentError> {
    let failed = |error| AgentError::Io("cannot start the agent", error);
    let (ours, theirs) = UnixStream::pair().map_err(failed)?;
    command
        .stdin(OwnedFd::from(theirs))
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut child = command.spawn().map_err(failed)?;
    // It keeps the child's end open, and we could not see that the child has gone.
    drop(command);
    let mut reason = [0; REASON_BYTES_MAX];
    match hand_over(ours, setup, &mut reason) {
        Ok([READY]) => {
            // A program that runs longer than the agent takes note of its end.
            let reaper = thread::Builder::new().spawn(move || child.wait());
            reaper.map(drop).map_err(failed)
        }
        refused => {
            // It may have ended by itself.
            drop(child.kill());
            drop(child.wait());
            let reason = refused.map_err(failed)?;
            Err(AgentError::NotStarted(
                String::from_utf8_lossy(reason).into_owned(),
            ))
        }
    }
}

/// Gives the new agent its key and reads what it says to that.
fn hand_over<'r>(
    mut agent: UnixStream,
    setup: &Setup,
    reason: &'r mut [u8],
) -> io::Result<&'r [u8]> {
    agent.set_read_timeout(Some(PATIENCE))?;
    agent.write_all(&setup.to_bytes())?;
    agent.shutdown(Shutdown::Write)?;
    read_to_end(&mut agent, reason)
}

/// The body of the hidden subcommand: reads the key and its limits from standard input, leaves the
/// terminal, and serves until a limit is reached or it is told to stop.
///
/// A signal that ends the process ends the key with it; the socket that stays behind is replaced
/// by the next agent.
pub fn run(home: &Path, clock: Arc<dyn Clock>) -> Result<(), AgentError> {
    harden().map_err(|error| AgentError::Io("cannot protect the agent's memory", error))?;
    let mut starter = io::stdin()
        .as_fd()
        .try_clone_to_owned()
        .map(UnixStream::from)
        .map_err(|error| AgentError::Io("cannot read the key", error))?;
    let agent = prepare(&mut starter, home, clock);
    let said = match &agent {
        Ok(_) => starter.write_all(&[READY]),
        Err(error) => starter.write_all(error.to_string().as_bytes()),
    };
    drop(starter);
    let agent = agent?;
    said.map_err(|error| AgentError::Io("nobody waits for the agent", error))?;
    agent.serve()
}

fn prepare(
    starter: &mut UnixStream,
    home: &Path,
    clock: Arc<dyn Clock>,
) -> Result<Agent, AgentError> {
    let setup = receive(starter)?;
    let home = Home::open(home).map_err(|_| AgentError::Folder(home.to_owned()))?;
    detach().map_err(|error| AgentError::Io("cannot leave the terminal", error))?;
    Agent::open(&home, setup, clock)
}

/// Reads the key and its limits, and nothing else.
fn receive(starter: &mut UnixStream) -> Result<Setup, AgentError> {
    let mut bytes = Zeroizing::new([0; SETUP_BYTES + 1]);
    starter
        .set_read_timeout(Some(PATIENCE))
        .and_then(|()| read_to_end(starter, bytes.as_mut_slice()))
        .map_err(|error| AgentError::Io("cannot read the key", error))
        .and_then(|bytes| Setup::from_bytes(bytes).ok_or(AgentError::Setup))
}

/// No core file, no debugger, no reading of `/proc/<pid>/mem` (prctl(2), `PR_SET_DUMPABLE`), and
/// nothing that others may open.
pub(crate) fn harden() -> io::Result<()> {
    umask(Mode::RWXG | Mode::RWXO);
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Core, none)?;
    Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}

/// Leaves the terminal, its folder and its streams, so that closing a window ends nothing and
/// nobody waits for our output.
fn detach() -> io::Result<()> {
    setsid()?;
    chdir("/")?;
    let nowhere = open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    dup2_stdin(&nowhere)?;
    dup2_stdout(&nowhere)?;
    Ok(dup2_stderr(&nowhere)?)
}

#[cfg(test)]
mod tests;
