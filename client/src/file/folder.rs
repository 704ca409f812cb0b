//! The folder in which files are saved: held open, so that what is saved lands in it and nowhere else,
//! whatever happens to its path meanwhile.

use std::{
    fs::File,
    io::{self, Write},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

use rustix::{
    fs::{AtFlags, CWD, Mode, OFlags, RenameFlags, linkat, openat, renameat_with, unlinkat},
    io::Errno,
};
use valise_proto::{id::AttachmentId, weaken::checked};

use super::{
    FileError,
    name::{numbered, safe_name},
};

/// Names that are tried for one file at most.
const NAMES: u32 = 1_000;

/// An open folder.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    open: OwnedFd,
}

/// A file on its way: hidden, and gone if it never arrives.
pub struct Arriving<'f> {
    folder: &'f Folder,
    hidden: String,
    file: File,
}

impl Folder {
    /// Opens the folder at `path`.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        let open = openat(CWD, path, flags, Mode::empty())
            .map_err(|error| FileError::Io(path.display().to_string(), error.into()))?;
        Ok(Self {
            path: path.to_owned(),
            open,
        })
    }

    /// Begins a file, hidden. What an interrupted run left of the same one is removed first.
    pub fn begin(&self, id: AttachmentId) -> Result<Arriving<'_>, FileError> {
        let hidden = format!(".valise-{id}.part");
        self.remove(&hidden);
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(&self.open, &hidden, flags, Mode::RUSR | Mode::WUSR)
            .map_err(|error| self.failed(error.into()))?;
        Ok(Arriving {
            folder: self,
            hidden,
            file: file.into(),
        })
    }

    /// Gives a hidden file a name that nothing has yet.
    fn name(&self, hidden: &str, name: &str) -> Result<(), Errno> {
        let flags = RenameFlags::NOREPLACE;
        match renameat_with(&self.open, hidden, &self.open, name, flags) {
            // A file system that cannot do that has links, as a rule, which never replace either.
            Err(Errno::INVAL | Errno::NOSYS) => {
                linkat(&self.open, hidden, &self.open, name, AtFlags::empty())?;
                self.remove(hidden);
                Ok(())
            }
            named => named,
        }
    }

    fn remove(&self, name: &str) {
        // Whatever stays is in the way of the next one, who says so.
        let _gone = unlinkat(&self.open, name, AtFlags::empty());
    }

    fn failed(&self, error: io::Error) -> FileError {
        FileError::Io(self.path.display().to_string(), error)
    }
}

impl Arriving<'_> {
    /// The file has arrived, whole and as its letter says: makes it durable and shows it, under the
    /// safe form of `wanted` or the next free name like it. Nothing is ever replaced, and it is no
    /// program.
    pub fn show(self, wanted: &str) -> Result<PathBuf, FileError> {
        let folder = self.folder;
        self.file.sync_all().map_err(|error| folder.failed(error))?;
        let safe = if checked("C09") {
            safe_name(wanted)
        } else {
            wanted.to_owned()
        };
        for number in 1..=NAMES {
            let name = if number == 1 {
                safe.clone()
            } else {
                numbered(&safe, number)
            };
            match folder.name(&self.hidden, &name) {
                Err(Errno::EXIST) => {}
                named => {
                    named.map_err(|error| folder.failed(error.into()))?;
                    rustix::fs::fsync(&folder.open).map_err(|error| folder.failed(error.into()))?;
                    return Ok(folder.path.join(name));
                }
            }
        }
        Err(FileError::NoName(safe))
    }
}

impl Write for Arriving<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Arriving<'_> {
    fn drop(&mut self) {
        self.folder.remove(&self.hidden);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::fs::{PermissionsExt as _, symlink},
    };

    use super::*;

    const ID: AttachmentId = AttachmentId([7; 16]);

    fn save(folder: &Folder, wanted: &str, content: &[u8]) -> PathBuf {
        let mut arriving = folder.begin(ID).unwrap();
        arriving.write_all(content).unwrap();
        arriving.show(wanted).unwrap()
    }

    #[test]
    fn c09_nothing_is_replaced_and_nothing_can_be_run() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::open(place.path()).unwrap();
        fs::write(place.path().join("plan.pdf"), b"mine").unwrap();
        symlink("/nowhere", place.path().join("plan (2).pdf")).unwrap();
        fs::create_dir(place.path().join("plan (3).pdf")).unwrap();
        let saved = save(&folder, "plan.pdf", b"theirs");
        assert_eq!(saved, place.path().join("plan (4).pdf"));
        assert_eq!(fs::read(&saved).unwrap(), b"theirs");
        assert_eq!(
            fs::metadata(&saved).unwrap().permissions().mode() & 0o7777,
            0o600
        );
        assert_eq!(fs::read(place.path().join("plan.pdf")).unwrap(), b"mine");
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 4);
    }

    #[test]
    fn c09_a_folder_that_is_swapped_for_a_link_leads_nowhere_else() {
        let place = tempfile::tempdir().unwrap();
        let (mine, theirs) = (place.path().join("mine"), place.path().join("theirs"));
        fs::create_dir(&mine).unwrap();
        fs::create_dir(&theirs).unwrap();
        let folder = Folder::open(&mine).unwrap();
        let mut arriving = folder.begin(ID).unwrap();
        arriving.write_all(b"secret").unwrap();
        fs::rename(&mine, place.path().join("moved")).unwrap();
        symlink(&theirs, &mine).unwrap();
        arriving.show("plan.pdf").unwrap();
        assert_eq!(fs::read_dir(&theirs).unwrap().count(), 0);
        assert!(place.path().join("moved/plan.pdf").exists());
    }

    #[test]
    fn c09_a_link_in_the_place_of_the_hidden_file_is_not_followed() {
        let place = tempfile::tempdir().unwrap();
        let target = place.path().join("target");
        fs::write(&target, b"mine").unwrap();
        let folder = Folder::open(place.path()).unwrap();
        symlink(&target, place.path().join(format!(".valise-{ID}.part"))).unwrap();
        save(&folder, "plan.pdf", b"theirs");
        assert_eq!(fs::read(&target).unwrap(), b"mine");
    }

    #[test]
    fn what_never_arrives_is_gone() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::open(place.path()).unwrap();
        let mut arriving = folder.begin(ID).unwrap();
        arriving.write_all(b"half").unwrap();
        drop(arriving);
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
        // And what a killed run left is the next one's to clear.
        fs::write(place.path().join(format!(".valise-{ID}.part")), b"half").unwrap();
        save(&folder, "plan.pdf", b"whole");
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
    }
}
