//! Where one account lives on this machine.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

/// A folder that only its owner can open: 0700.
#[derive(Clone, Debug)]
pub struct Home(PathBuf);

/// The folder is not fit.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    /// Others may look into it.
    #[error("others can look into {0}")]
    Open(PathBuf),
    /// It cannot be made or read.
    #[error("{0}: {1}")]
    Io(PathBuf, io::Error),
}

impl Home {
    /// Opens the folder, making it if it is not there.
    pub fn open(path: &Path) -> Result<Self, HomeError> {
        let failed = |error| HomeError::Io(path.to_owned(), error);
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(failed)?;
        let mode = fs::metadata(path).map_err(failed)?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(HomeError::Open(path.to_owned()));
        }
        Ok(Self(path.to_owned()))
    }

    /// The folder itself.
    pub fn folder(&self) -> &Path {
        &self.0
    }

    /// The encrypted store.
    pub fn store(&self) -> PathBuf {
        self.0.join("store.db")
    }

    /// The store key, sealed to the person's hardware keys.
    pub fn vault(&self) -> PathBuf {
        self.0.join("vault")
    }

    /// Ciphertext of files that wait for the server.
    pub fn spool(&self) -> PathBuf {
        self.0.join("spool")
    }

    /// Ciphertext of files of which a part has come.
    pub fn partial(&self) -> PathBuf {
        self.0.join("partial")
    }

    /// Whether there is an account here: the vault is the last thing that is made.
    pub fn is_taken(&self) -> bool {
        self.vault().exists()
    }

    /// Removes an account that never came to be: its vault first, so that the rest is unfinished.
    pub fn forget(&self) -> Result<(), HomeError> {
        let vault = self.vault();
        fs::remove_file(&vault).map_err(|error| HomeError::Io(vault, error))?;
        self.clear_unfinished()
    }

    /// Removes a store that was never finished, so that nobody has its key.
    pub fn clear_unfinished(&self) -> Result<(), HomeError> {
        for suffix in ["", "-wal", "-shm"] {
            let path = self.0.join(format!("store.db{suffix}"));
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(HomeError::Io(path, error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The agent's socket.
    pub fn socket(&self) -> PathBuf {
        self.0.join("agent.sock")
    }

    /// Writes a file so that it is there whole or not at all, for its owner only.
    pub fn write(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        write_new(path, content, 0o600)
    }
}

/// Writes `content` under another name, makes it durable, and gives it its name.
pub fn write_new(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let mut file = NewFile::create(path, mode)?;
    file.write_all(content)?;
    file.finish()
}

/// A file that is being written under another name. Dropped unfinished, it is gone.
pub struct NewFile {
    file: fs::File,
    path: PathBuf,
    temporary: Option<PathBuf>,
}

impl NewFile {
    /// Begins the file that shall be at `path`.
    pub fn create(path: &Path, mode: u32) -> io::Result<Self> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let mut temporary = std::ffi::OsString::from(".");
        temporary.push(name);
        temporary.push(".new");
        let temporary = folder(path).join(temporary);
        drop(fs::remove_file(&temporary));
        let file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&temporary)?;
        Ok(Self {
            file,
            path: path.to_owned(),
            temporary: Some(temporary),
        })
    }

    /// Makes the file durable, and gives it its name.
    pub fn finish(mut self) -> io::Result<()> {
        self.file.sync_all()?;
        if let Some(temporary) = &self.temporary {
            fs::rename(temporary, &self.path)?;
            self.temporary = None;
        }
        fs::File::open(folder(&self.path))?.sync_all()
    }
}

impl io::Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            // What stays behind is replaced by the next try.
            drop(fs::remove_file(temporary));
        }
    }
}

/// The folder that a file is in.
fn folder(path: &Path) -> &Path {
    let folder = path.parent();
    let folder = folder.filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c06_a_home_is_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b");
        let home = Home::open(&path).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o700
        );
        home.write(&home.vault(), b"sealed").unwrap();
        assert_eq!(
            fs::metadata(home.vault()).unwrap().permissions().mode() & 0o777,
            0o600
        );
        fs::set_permissions(&path, fs::Permissions::from_mode(0o750)).unwrap();
        assert!(matches!(Home::open(&path), Err(HomeError::Open(_))));
    }

    #[test]
    fn a_file_is_replaced_whole_and_leaves_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        write_new(&path, b"old", 0o600).unwrap();
        write_new(&path, b"new", 0o600).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_is_not_finished_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let mut file = NewFile::create(&path, 0o600).unwrap();
        file.write_all(b"half").unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        drop(file);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_an_interrupted_run_left_is_cleared_and_no_account_is() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::open(&folder.path().join("home")).unwrap();
        fs::write(home.store(), b"half a store").unwrap();
        assert!(!home.is_taken());
        home.clear_unfinished().unwrap();
        assert!(!home.store().exists());
        home.clear_unfinished().unwrap();
        home.write(&home.vault(), b"sealed").unwrap();
        assert!(home.is_taken());
    }
}
