//! A file becomes ciphertext, and ciphertext a file, one chunk in memory.

use std::{
    fs::{File, Metadata, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::Path,
};

use rustix::fs::OFlags;
use valise_proto::{
    attachment::{CHUNK, FileKey, HEADER, Opener, Sealer, TAG, sealed_size},
    codec::Text,
    letter::Attachment,
};

use super::FileError;
use crate::failpoint::reached;

/// A file that was sealed.
#[derive(Debug)]
pub struct Sealed {
    /// What the letter says of it.
    pub manifest: Attachment,
    /// Size of the ciphertext: bytes.
    pub size: u64,
}

/// Reads the file at `path` once, and writes its ciphertext under `key` to the new file `spool`, for its
/// owner alone and durably. `moved` hears how many bytes of how many are done.
pub fn seal(
    path: &Path,
    key: &FileKey,
    spool: &Path,
    moved: &mut dyn FnMut(u64, u64),
) -> Result<Sealed, FileError> {
    let shown = path.display().to_string();
    let failed = |error| FileError::Io(shown.clone(), error);
    // A pipe must not keep us waiting for its other end.
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or(0);
    let mut file = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(path)
        .map_err(failed)?;
    let before = file.metadata().map_err(failed)?;
    if before.is_dir() {
        return Err(FileError::Folder(shown));
    }
    if !before.is_file() {
        return Err(FileError::NotPlain(shown));
    }
    let Some(size) = sealed_size(before.len()) else {
        return Err(FileError::TooLarge(shown));
    };
    let spooled = |error| FileError::Io(spool.display().to_string(), error);
    let mut out = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(spool)
        .map_err(spooled)?;
    let (mut sealer, header) = Sealer::new(key, before.len())?;
    out.write_all(&header).map_err(spooled)?;
    let (mut chunk, mut done) = (Vec::with_capacity(CHUNK + TAG), 0);
    while let Some(wanted) = sealer.wants() {
        chunk.resize(wanted, 0);
        match file.read_exact(&mut chunk) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(FileError::Changed(shown));
            }
            read => read.map_err(failed)?,
        }
        sealer.seal(&mut chunk)?;
        out.write_all(&chunk).map_err(spooled)?;
        done += u64::try_from(wanted).unwrap_or_default();
        moved(done, before.len());
    }
    reached("after-file-sealed");
    let more = file.read(&mut [0]).map_err(failed)?;
    let after = file.metadata().map_err(failed)?;
    if more != 0 || marks(&before) != marks(&after) {
        return Err(FileError::Changed(shown));
    }
    out.sync_all().map_err(spooled)?;
    let manifest = key.manifest(name_of(path), before.len(), sealer.finish()?)?;
    Ok(Sealed { manifest, size })
}

/// What changes when somebody writes to a file.
fn marks(file: &Metadata) -> (u64, i64, i64, i64, i64) {
    let (modified, changed) = (file.mtime(), file.ctime());
    (
        file.len(),
        modified,
        file.mtime_nsec(),
        changed,
        file.ctime_nsec(),
    )
}

/// The file's own name, as far as a manifest has room.
fn name_of(path: &Path) -> Text<255> {
    let name = path.file_name().unwrap_or_default();
    Text::truncated(&name.to_string_lossy())
}

/// Opens the whole ciphertext in `sealed` into `out`. The content is what the letter says when this
/// returns, and not before: `out` is nobody's until then. `moved` hears how far it is.
pub fn open(
    file: &Attachment,
    sealed: &mut File,
    out: &mut impl Write,
    moved: &mut dyn FnMut(u64, u64),
) -> Result<(), FileError> {
    let failed = |error| FileError::Io("the encrypted file".to_owned(), error);
    let written = |error| FileError::Io("the file".to_owned(), error);
    let mut header = [0; HEADER];
    sealed.read_exact(&mut header).map_err(failed)?;
    let mut opener = Opener::new(file, &header)?;
    let (mut chunk, mut done) = (Vec::with_capacity(CHUNK + TAG), 0);
    while let Some(wanted) = opener.wants() {
        chunk.resize(wanted, 0);
        sealed.read_exact(&mut chunk).map_err(failed)?;
        let content = opener.open(&mut chunk)?;
        out.write_all(content).map_err(written)?;
        done += u64::try_from(content.len()).unwrap_or_default();
        moved(done, file.size);
    }
    Ok(opener.finish()?)
}
