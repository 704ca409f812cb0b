//! A file becomes ciphertext, and ciphertext a file, a few chunks in memory.

use std::{
    fs::{File, Metadata, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::Path,
};

use rustix::fs::OFlags;
use valise_proto::{
    attachment::{CHUNK, Content, FileKey, HEADER, Opener, Sealer, sealed_size},
    codec::Text,
    id::Hash,
    letter::Attachment,
};

use super::{FileError, beside::beside};
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
    let hash = encrypt((&mut file, &shown), before.len(), key, |bytes, done| {
        out.write_all(bytes).map_err(spooled)?;
        moved(done, before.len());
        Ok(())
    })?;
    reached("after-file-sealed");
    let more = file.read(&mut [0]).map_err(failed)?;
    let after = file.metadata().map_err(failed)?;
    if more != 0 || marks(&before) != marks(&after) {
        return Err(FileError::Changed(shown));
    }
    out.sync_all().map_err(spooled)?;
    let manifest = key.manifest(name_of(path), before.len(), hash)?;
    Ok(Sealed { manifest, size })
}

/// Encrypts the `size` bytes of `file`, which is called `shown`, under `key`, and returns their hash.
/// `take` gets the ciphertext in order, and how many bytes of the file are in it so far.
pub fn encrypt(
    (file, shown): (&mut (impl Read + Send), &str),
    size: u64,
    key: &FileKey,
    mut take: impl FnMut(&[u8], u64) -> Result<(), FileError>,
) -> Result<Hash, FileError> {
    let (mut sealer, header) = Sealer::new(key, size)?;
    take(&header, 0)?;
    let mut done = 0;
    let mut seal = |sealer: &mut Sealer, chunk: &mut Vec<u8>| {
        done += u64::try_from(chunk.len()).unwrap_or_default();
        sealer.seal(chunk)?;
        take(chunk, done)
    };
    let content = beside(
        |line| {
            let (mut content, mut left) = (Content::default(), size);
            while left > 0 {
                let length = usize::try_from(left).map_or(CHUNK, |left| left.min(CHUNK));
                let mut chunk = line.buffer(length);
                file.read_exact(&mut chunk)
                    .map_err(|error| match error.kind() {
                        io::ErrorKind::UnexpectedEof => FileError::Changed(shown.to_owned()),
                        _ => FileError::Io(shown.to_owned(), error),
                    })?;
                content.add(&chunk);
                line.pass(chunk)?;
                left = left.saturating_sub(u64::try_from(length).unwrap_or(u64::MAX));
            }
            Ok(content)
        },
        |chunk| seal(&mut sealer, chunk),
    )?;
    // Zeros, in which nothing of the file is left.
    while sealer.wants().is_some() {
        seal(&mut sealer, &mut Vec::new())?;
    }
    Ok(sealer.finish(content)?)
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
    let (mut content, mut done) = (Content::default(), 0);
    let opener = beside(
        |line| {
            while let Some(wanted) = opener.wants() {
                let mut chunk = line.buffer(wanted);
                sealed.read_exact(&mut chunk).map_err(failed)?;
                let length = opener.open(&mut chunk)?.len();
                chunk.truncate(length);
                line.pass(chunk)?;
            }
            Ok(opener)
        },
        |opened| {
            content.add(opened);
            out.write_all(opened).map_err(written)?;
            done += u64::try_from(opened.len()).unwrap_or_default();
            moved(done, file.size);
            Ok(())
        },
    )?;
    Ok(opener.finish(content)?)
}
