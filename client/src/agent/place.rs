//! Where the agent listens: one socket in the home, reached through the open folder.
//!
//! A socket's path has at most 107 bytes (unix(7)), a home's has more at times. The folder's own
//! entry below `/proc/self/fd` is always short; it also makes sure that the folder that was looked
//! at is the one that is used.

use std::{
    ffi::{OsStr, OsString},
    io,
    os::{
        fd::{AsRawFd as _, OwnedFd},
        unix::net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::{
    fs::{AtFlags, Mode, OFlags, chmodat, fstat, open, renameat, statat, unlinkat},
    io::Errno,
    net::{
        AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with,
        sockopt::{Timeout, set_socket_timeout, socket_peercred},
    },
    process::{Uid, geteuid},
};

use super::AgentError;
use crate::home::Home;

/// How long an agent may take to accept, to read and to answer.
const PATIENCE: Duration = Duration::from_secs(1);
/// How many may wait to be accepted.
const BACKLOG: i32 = 16;

/// The folder, opened and found to be this person's alone, and the socket's name in it.
pub(super) struct Place {
    folder: OwnedFd,
    name: OsString,
    /// Who we are, and the only one to talk with.
    owner: Uid,
}

impl Place {
    /// Opens the folder of the agent's socket.
    pub(super) fn of(home: &Home) -> Result<Self, AgentError> {
        let socket = home.socket();
        let folder = socket.parent().unwrap_or(Path::new("/"));
        let name = socket.file_name().unwrap_or_default().to_owned();
        let failed = |error: Errno| AgentError::Io("cannot open the home", error.into());
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = open(folder, flags, Mode::empty()).map_err(failed)?;
        let stat = fstat(&opened).map_err(failed)?;
        let owner = geteuid();
        if stat.st_uid != owner.as_raw() || stat.st_mode & 0o077 != 0 {
            return Err(AgentError::Folder(folder.to_owned()));
        }
        Ok(Self {
            folder: opened,
            name,
            owner,
        })
    }

    /// Connects to the agent. None when nobody listens.
    pub(super) fn connect(&self) -> Result<Option<UnixStream>, AgentError> {
        let failed = |error: Errno| AgentError::Io("cannot reach the agent", error.into());
        let socket = new_socket(SocketFlags::CLOEXEC).map_err(failed)?;
        for way in [Timeout::Recv, Timeout::Send] {
            set_socket_timeout(&socket, way, Some(PATIENCE)).map_err(failed)?;
        }
        let address = self.address(&self.name).map_err(failed)?;
        match connect(&socket, &address) {
            Ok(()) => {}
            Err(Errno::NOENT | Errno::CONNREFUSED) => return Ok(None),
            Err(Errno::AGAIN) => return Err(AgentError::Stuck),
            Err(error) => return Err(failed(error)),
        }
        let stream = UnixStream::from(socket);
        let agent =
            peer(&stream).map_err(|error| AgentError::Io("cannot see who listens", error))?;
        if agent != self.owner {
            return Err(AgentError::Stranger(agent.as_raw()));
        }
        Ok(Some(stream))
    }

    /// Listens, in the place of whatever had the name before.
    ///
    /// The socket is made under another name and then given its own: nobody finds it half made,
    /// and what a dead agent left behind is replaced.
    pub(super) fn listen(self) -> io::Result<Door> {
        let socket = new_socket(SocketFlags::CLOEXEC | SocketFlags::NONBLOCK)?;
        let mut unfinished = self.name.clone();
        unfinished.push(format!(".{}", std::process::id()));
        match unlinkat(&self.folder, &unfinished, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
        }
        bind(&socket, &self.address(&unfinished)?)?;
        chmodat(
            &self.folder,
            &unfinished,
            Mode::RUSR | Mode::WUSR,
            AtFlags::empty(),
        )?;
        listen(&socket, BACKLOG)?;
        renameat(&self.folder, &unfinished, &self.folder, &self.name)?;
        let identity = self.identity()?;
        Ok(Door {
            place: self,
            listener: UnixListener::from(socket),
            identity,
        })
    }

    fn address(&self, name: &OsStr) -> rustix::io::Result<SocketAddrUnix> {
        let folder = PathBuf::from(format!("/proc/self/fd/{}", self.folder.as_raw_fd()));
        SocketAddrUnix::new(folder.join(name))
    }

    /// What tells one file from another that has the same name later.
    fn identity(&self) -> rustix::io::Result<(u64, u64)> {
        let stat = statat(&self.folder, &self.name, AtFlags::SYMLINK_NOFOLLOW)?;
        Ok((stat.st_dev, stat.st_ino))
    }
}

/// A socket that listens. Dropped, it is gone from the home.
pub(super) struct Door {
    pub(super) listener: UnixListener,
    place: Place,
    identity: (u64, u64),
}

impl Door {
    /// Whether the socket in the home is still this one. If not, nobody can reach it any more.
    pub(super) fn stands(&self) -> bool {
        self.place.identity() == Ok(self.identity)
    }

    /// Whether the socket's owner knocks.
    pub(super) fn lets_in(&self, stream: &UnixStream) -> io::Result<bool> {
        Ok(peer(stream)? == self.place.owner)
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        if self.stands() {
            // A socket that stays behind is refused by the kernel and replaced by the next agent.
            let _ = unlinkat(&self.place.folder, &self.place.name, AtFlags::empty());
        }
    }
}

/// Who is at the other end, as the kernel knows it (unix(7), `SO_PEERCRED`).
fn peer(stream: &UnixStream) -> io::Result<Uid> {
    Ok(socket_peercred(stream)?.uid)
}

fn new_socket(flags: SocketFlags) -> rustix::io::Result<OwnedFd> {
    socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn neither_side_talks_to_another_user() {
        let folder = TempDir::new().unwrap();
        let home = Home::open(&folder.path().join("home")).unwrap();
        let us = geteuid();
        let other = Uid::from_raw(us.as_raw() + 1);
        let mut door = Place::of(&home).unwrap().listen().unwrap();
        let mut place = Place::of(&home).unwrap();

        let stream = place.connect().unwrap().unwrap();
        assert!(door.lets_in(&stream).unwrap());
        door.place.owner = other;
        assert!(!door.lets_in(&stream).unwrap());

        place.owner = other;
        let refused = place.connect().unwrap_err();
        assert!(matches!(refused, AgentError::Stranger(uid) if uid == us.as_raw()));
    }
}
