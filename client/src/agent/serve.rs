//! What the agent does all day: waits for requests and for the moment to forget.

use std::{
    collections::VecDeque,
    io::{self, Read as _, Write as _},
    iter,
    os::{fd::AsFd as _, unix::net::UnixStream},
    sync::Arc,
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};

use super::{
    AgentError, AgentStatus,
    place::{Door, Place},
    protocol::{Answer, Request, Setup, in_ms},
};
use crate::{clock::Clock, home::Home};

/// How many may be connected without having asked yet. One more pushes out the oldest, so that a
/// peer that never asks keeps nobody out.
const PEERS_MAX: usize = 16;
/// How often to look at the clock and at the socket in the home. The kernel's wait stands still
/// while the machine sleeps: without this the key would outlive its limit by that much.
const LOOK_EVERY_MS: u64 = 5000;

/// The key, its limits, and the socket. Dropped, the key is overwritten and the socket is gone.
pub(super) struct Agent {
    setup: Setup,
    clock: Arc<dyn Clock>,
    /// When the key came, and when it was last asked for: see [`Clock::monotonic_ms`].
    since_ms: u64,
    used_ms: u64,
    door: Door,
    /// Connected, and nothing heard yet.
    peers: VecDeque<UnixStream>,
}

impl Agent {
    /// Listens in the home. An agent that is there already is told to end.
    pub(super) fn open(
        home: &Home,
        setup: Setup,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, AgentError> {
        let place = Place::of(home)?;
        // One that does not obey loses its socket below, and ends when it sees that.
        drop(super::stop(home));
        let door = place
            .listen()
            .map_err(|error| AgentError::Io("cannot listen in the home", error))?;
        let now_ms = clock.monotonic_ms();
        Ok(Self {
            setup,
            clock,
            since_ms: now_ms,
            used_ms: now_ms,
            door,
            peers: VecDeque::new(),
        })
    }

    /// Serves until a limit is reached or somebody says stop.
    pub(super) fn serve(mut self) -> Result<(), AgentError> {
        let ended = self.until_told();
        // First the key and the socket, then the answer: who hears it can rely on it.
        drop(self);
        let asked = ended.map_err(|error| AgentError::Io("the agent cannot go on", error))?;
        if let Some(mut asked) = asked {
            // Who asked may have left. The key is gone all the same.
            drop(asked.write_all(&Answer::Stopped.to_bytes()));
        }
        Ok(())
    }

    /// Returns who said stop; None when a limit is reached or the socket is lost.
    fn until_told(&mut self) -> io::Result<Option<UnixStream>> {
        while self.left_ms() > 0 && self.door.stands() {
            let mut ready = self.wait()?.into_iter();
            let knocked = ready.next() == Some(true);
            for (peer, ready) in std::mem::take(&mut self.peers).into_iter().zip(ready) {
                if !ready {
                    self.peers.push_back(peer);
                } else if let Some(asked) = self.hear(peer) {
                    return Ok(Some(asked));
                }
            }
            if knocked {
                self.let_in()?;
            }
        }
        Ok(None)
    }

    /// Waits until something happens: whether somebody is at the door, then whether each peer has
    /// said something or left.
    fn wait(&self) -> io::Result<Vec<bool>> {
        let wait = Duration::from_millis(self.left_ms().min(LOOK_EVERY_MS));
        let wait = Timespec::try_from(wait).map_err(|_| io::ErrorKind::InvalidInput)?;
        let mut watched: Vec<_> = iter::once(self.door.listener.as_fd())
            .chain(self.peers.iter().map(UnixStream::as_fd))
            .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
            .collect();
        match poll(&mut watched, Some(&wait)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(watched.iter().map(|fd| !fd.revents().is_empty()).collect())
    }

    /// Lets in who is at the door. Other users are turned away unheard.
    fn let_in(&mut self) -> io::Result<()> {
        for _ in 0..PEERS_MAX {
            let stream = match self.door.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) => {
                    return match error.kind() {
                        io::ErrorKind::ConnectionAborted
                        | io::ErrorKind::Interrupted
                        | io::ErrorKind::WouldBlock => Ok(()),
                        _ => Err(error),
                    };
                }
            };
            if !self.door.lets_in(&stream)? {
                continue;
            }
            // No answer is longer than a socket's buffer: nothing ever waits for a peer.
            stream.set_nonblocking(true)?;
            self.peers.push_back(stream);
            if self.peers.len() > PEERS_MAX {
                drop(self.peers.pop_front());
            }
        }
        Ok(())
    }

    /// Answers one peer and lets it go; one that says anything but a request gets no answer.
    /// Returns the peer if it said stop.
    fn hear(&mut self, mut peer: UnixStream) -> Option<UnixStream> {
        // One more than a request has, to see that nothing follows it.
        let mut heard = [0; 2];
        let length = peer.read(&mut heard).ok()?;
        let request = Request::from_bytes(heard.get(..length)?)?;
        let left_ms = self.left_ms();
        let answer = match request {
            Request::Stop => return Some(peer),
            // The limit passed while we waited.
            _ if left_ms == 0 => return None,
            Request::Key => {
                self.used_ms = self.clock.monotonic_ms();
                Answer::Key(self.setup.key.clone())
            }
            Request::Status => Answer::Status(AgentStatus {
                idle: self.setup.idle,
                left: Duration::from_millis(left_ms),
            }),
        };
        // Who asked may have left.
        drop(peer.write_all(&answer.to_bytes()));
        None
    }

    /// How long the key stays if nobody asks for it.
    fn left_ms(&self) -> u64 {
        let now_ms = self.clock.monotonic_ms();
        let left = |limit, from_ms| in_ms(limit).saturating_sub(now_ms.saturating_sub(from_ms));
        left(self.setup.idle, self.used_ms).min(left(self.setup.longest, self.since_ms))
    }
}

#[cfg(test)]
mod tests;
