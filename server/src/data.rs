//! The data folder while a program has it open: servers share it, who replaces it has it alone, and its
//! disk has so much room.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

use rustix::fs::{FlockOperation, flock, statvfs};

/// Somebody else has the folder open.
#[derive(Debug, thiserror::Error)]
pub enum MisuseLocked {
    /// A server, or another command.
    #[error("{0} is in use: stop its server first. Nothing was done")]
    InUse(PathBuf),
    /// It cannot be opened.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// How much room a disk has: bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Space {
    /// Free for this process.
    pub(crate) free: u64,
    /// In all.
    pub(crate) all: u64,
}

impl Space {
    /// Of the disk on which `path` is.
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        let disk = statvfs(path)?;
        Ok(Self {
            free: disk.f_bavail.saturating_mul(disk.f_frsize),
            all: disk.f_blocks.saturating_mul(disk.f_frsize),
        })
    }

    /// What stays free of attached files.
    pub(crate) fn reserve(self, percent: u8) -> u64 {
        self.all / 100 * u64::from(percent)
    }
}

/// The folder, held until this is dropped or the process ends.
#[derive(Debug)]
pub struct DataLock {
    _folder: File,
}

impl DataLock {
    /// With others that share it: for servers.
    pub fn shared(data: &Path) -> Result<Self, MisuseLocked> {
        Self::take(data, FlockOperation::NonBlockingLockShared)
    }

    /// With nobody else: for what changes the folder under a server's feet.
    pub fn alone(data: &Path) -> Result<Self, MisuseLocked> {
        Self::take(data, FlockOperation::NonBlockingLockExclusive)
    }

    fn take(data: &Path, operation: FlockOperation) -> Result<Self, MisuseLocked> {
        let failed = |source| MisuseLocked::File {
            path: data.to_owned(),
            source,
        };
        let folder = File::open(data).map_err(failed)?;
        match flock(&folder, operation) {
            Ok(()) => Ok(Self { _folder: folder }),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(MisuseLocked::InUse(data.to_owned())),
            Err(error) => Err(failed(error.into())),
        }
    }
}
