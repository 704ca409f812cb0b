//! Ciphertext that waits on this computer: of files that go out, and of files that come in.
//!
//! Whoever puts something into the spool holds it shared until a row of the store names it. Whoever
//! clears it takes it alone: so nothing is cleared that is about to be named.

use std::{
    collections::HashSet,
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Seek as _},
    os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::{Duration, UNIX_EPOCH},
};

use valise_proto::id::AttachmentId;

use super::FileError;

/// What came of a file and was not asked for any more for so long is thrown away: milliseconds.
const FORGOTTEN_MS: u64 = 7 * 86_400_000;

/// Where files wait that go out.
#[derive(Debug)]
pub struct Spool {
    path: PathBuf,
    held: File,
}

/// As much of a file's ciphertext as has come.
#[derive(Debug)]
pub struct Partial {
    path: PathBuf,
    file: File,
}

fn failed(path: &Path, error: io::Error) -> FileError {
    FileError::Io(path.display().to_string(), error)
}

fn folder(path: &Path) -> io::Result<File> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    File::open(path)
}

impl Spool {
    /// Holds the spool at `path`, making it if it is not there.
    pub fn hold(path: &Path) -> Result<Self, FileError> {
        let held = folder(path).and_then(|held| held.lock_shared().map(|()| held));
        Ok(Self {
            path: path.to_owned(),
            held: held.map_err(|error| failed(path, error))?,
        })
    }

    /// Where the ciphertext of this file is.
    pub fn file(&self, id: AttachmentId) -> PathBuf {
        self.path.join(id.to_string())
    }

    /// Makes the names of what was put in durable.
    pub fn flush(&self) -> Result<(), FileError> {
        let flushed = self.held.sync_all();
        flushed.map_err(|error| failed(&self.path, error))
    }

    /// Removes everything from the spool at `path` that `named` does not name, unless somebody puts
    /// something in just now.
    pub fn clear<E: From<FileError>>(
        path: &Path,
        named: impl FnOnce() -> Result<HashSet<AttachmentId>, E>,
    ) -> Result<(), E> {
        if !path.exists() {
            return Ok(());
        }
        let held = folder(path).map_err(|error| failed(path, error))?;
        if held.try_lock().is_err() {
            return Ok(());
        }
        let named = named()?;
        remove(path, |name, _| !named.contains(&name)).map_err(|error| failed(path, error))?;
        Ok(())
    }
}

impl Partial {
    /// What has come so far of file `id`, in the folder at `path`. Another process that fetches the
    /// same one is waited for.
    pub fn open(path: &Path, id: AttachmentId) -> Result<Self, FileError> {
        let name = path.join(id.to_string());
        let open = || {
            folder(path)?;
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .open(&name)?;
            file.lock().map(|()| file)
        };
        let file = open().map_err(|error| failed(path, error))?;
        Ok(Self { path: name, file })
    }

    /// How much of it is here: bytes.
    pub fn length(&self) -> Result<u64, FileError> {
        let file = self.file.metadata().map_err(|error| self.failed(error))?;
        Ok(file.len())
    }

    /// Adds what came next.
    pub fn add(&mut self, at: u64, part: &[u8]) -> Result<(), FileError> {
        let added = self.file.write_all_at(part, at);
        added.map_err(|error| self.failed(error))
    }

    /// Throws away what has come.
    pub fn empty(&mut self) -> Result<(), FileError> {
        self.file.set_len(0).map_err(|error| self.failed(error))
    }

    /// Its bytes, from the first on.
    pub fn bytes(&mut self) -> Result<&mut File, FileError> {
        match self.file.rewind() {
            Ok(()) => Ok(&mut self.file),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// It is not needed any more.
    pub fn remove(self) -> Result<(), FileError> {
        fs::remove_file(&self.path).map_err(|error| self.failed(error))
    }

    /// Removes from the folder at `path` what nobody has asked for lately.
    pub fn clear(path: &Path, now_ms: u64) -> Result<(), FileError> {
        let before = UNIX_EPOCH + Duration::from_millis(now_ms.saturating_sub(FORGOTTEN_MS));
        let old = |_, file: &fs::Metadata| file.modified().is_ok_and(|time| time < before);
        if path.exists() {
            remove(path, old).map_err(|error| failed(path, error))?;
        }
        Ok(())
    }

    fn failed(&self, error: io::Error) -> FileError {
        failed(&self.path, error)
    }
}

/// Removes the files of ids that are `wrong`.
fn remove(path: &Path, wrong: impl Fn(AttachmentId, &fs::Metadata) -> bool) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let id = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok());
        if id.is_some_and(|id| entry.metadata().is_ok_and(|file| wrong(id, &file))) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_names_is_cleared_and_what_is_being_put_in_is_not() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("spool");
        let (kept, orphan) = (AttachmentId([1; 16]), AttachmentId([2; 16]));
        let clear = || Spool::clear(&path, || Ok::<_, FileError>(HashSet::from([kept])));
        clear().unwrap();
        let spool = Spool::hold(&path).unwrap();
        for id in [kept, orphan] {
            fs::write(spool.file(id), b"ciphertext").unwrap();
        }
        clear().unwrap();
        assert!(spool.file(orphan).exists(), "somebody holds the spool");
        let orphan = spool.file(orphan);
        drop(spool);
        clear().unwrap();
        assert!(!orphan.exists());
        assert_eq!(fs::read_dir(&path).unwrap().count(), 1);
    }

    #[test]
    fn what_has_come_is_kept_for_a_week() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("partial");
        let mut partial = Partial::open(&path, AttachmentId([1; 16])).unwrap();
        partial.add(0, b"half").unwrap();
        drop(partial);
        let now = fs::metadata(&path).unwrap().modified().unwrap();
        let now = now.duration_since(UNIX_EPOCH).unwrap().as_millis();
        let now = u64::try_from(now).unwrap();
        Partial::clear(&path, now).unwrap();
        let partial = Partial::open(&path, AttachmentId([1; 16])).unwrap();
        assert_eq!(partial.length().unwrap(), 4);
        drop(partial);
        Partial::clear(&path, now + FORGOTTEN_MS + 60_000).unwrap();
        assert_eq!(fs::read_dir(&path).unwrap().count(), 0);
    }
}
