//! Files of this computer that go out or come in: sealed on the way out, and on the way in opened,
//! compared with the letter, and saved under a safe name inside the named folder.
//!
//! Nothing here looks into a file: it is never opened by another program, decompressed or shown. Memory
//! is that of a few chunks, however large the file is.

mod beside;
mod folder;
mod name;
mod seal;
mod spool;

use std::io;

use valise_proto::attachment::{BadAttachment, FILES_MAX, SIZE_MAX};

pub use folder::{Arriving, Folder};
pub use name::{mixes_alphabets, safe_name};
pub use seal::{Sealed, encrypt, open, seal};
pub use spool::{Partial, Spool};

/// A file cannot go out or come in.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It was written to while it was read.
    #[error("{0} changed while it was read")]
    Changed(String),
    /// A folder is no file.
    #[error("{0} is a folder")]
    Folder(String),
    /// A device, a pipe, a socket.
    #[error("{0} is not a plain file")]
    NotPlain(String),
    /// Larger than any file may be.
    #[error("{0} is larger than {SIZE_MAX} bytes")]
    TooLarge(String),
    /// More files than a letter carries.
    #[error("a letter carries at most {FILES_MAX} files")]
    TooMany,
    /// Every name that we would give it is taken.
    #[error("every name like {0} is taken")]
    NoName(String),
    /// The disk or its rights say no.
    #[error("{0}: {1}")]
    Io(String, #[source] io::Error),
    /// What came is not what its writer sealed, or what is to go is broken.
    #[error(transparent)]
    Bad(#[from] BadAttachment),
}

impl FileError {
    /// The disk is full.
    pub fn is_full(&self) -> bool {
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        matches!(self, Self::Io(_, error)
            if matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge))
    }
}
