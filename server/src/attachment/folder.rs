//! The folder of attached files: one file an id, written at a place, flushed before it counts.

use std::{
    collections::HashSet,
    fs::{self, DirBuilder, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use valise_proto::id::AttachmentId;

use crate::data::Space;

/// The folder.
#[derive(Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    /// Opens it for its owner alone, making it if it is not there.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        if !path.is_dir() {
            DirBuilder::new().recursive(true).mode(0o700).create(path)?;
            // Its name must last as long as what is in it.
            if let Some(parent) = path.parent() {
                File::open(parent)?.sync_all()?;
            }
        }
        Ok(Self(path.to_owned()))
    }

    fn path(&self, id: AttachmentId) -> PathBuf {
        self.0.join(id.to_string())
    }

    /// Writes `part` from `at` on, over whatever was there and nobody counted, and flushes it. What else is
    /// within the file's `size_bytes` stays: another server may be writing the same.
    pub(super) fn write(
        &self,
        id: AttachmentId,
        at: u64,
        part: &[u8],
        size_bytes: u64,
    ) -> io::Result<()> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(self.path(id))?;
        let before = file.metadata()?.len();
        if before < at {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if before > size_bytes {
            file.set_len(size_bytes)?;
        }
        if let Err(error) = file.write_all_at(part, at) {
            // What nobody counts takes no room.
            file.set_len(before.min(size_bytes))?;
            return Err(error);
        }
        file.sync_data()?;
        if at == 0 {
            File::open(&self.0)?.sync_all()?;
        }
        Ok(())
    }

    /// `length` bytes from `at` on.
    pub(super) fn read(&self, id: AttachmentId, at: u64, length: usize) -> io::Result<Vec<u8>> {
        let file = File::open(self.path(id))?;
        let mut part = vec![0; length];
        file.read_exact_at(&mut part, at)?;
        Ok(part)
    }

    /// Takes a file away, if it is there.
    pub(super) fn remove(&self, id: AttachmentId) -> io::Result<()> {
        match fs::remove_file(self.path(id)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Whether it is there.
    pub(super) fn has(&self, id: AttachmentId) -> bool {
        self.path(id).exists()
    }

    /// Every file that is there.
    pub(super) fn ids(&self) -> io::Result<HashSet<AttachmentId>> {
        let mut ids = HashSet::new();
        for entry in fs::read_dir(&self.0)? {
            let id = entry?.file_name().to_str().map(str::parse::<AttachmentId>);
            ids.extend(id.and_then(Result::ok));
        }
        Ok(ids)
    }

    /// How much room its disk has.
    pub(super) fn space(&self) -> io::Result<Space> {
        Space::of(&self.0)
    }
}
