//! Files into a backup and out of it: copied, flushed, and their checksums taken on the way.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use data_encoding::HEXLOWER;
use ring::digest::{Context, SHA256};

use super::{BackupError, FileLine};

/// Bytes read at a time.
const PIECE: usize = 64 * 1024;

/// Copies `from` to the new file `name` in `folder`, and flushes it. `None` when there is no `from`.
pub(super) fn file(
    from: &Path,
    folder: &Path,
    name: &Path,
) -> Result<Option<FileLine>, BackupError> {
    let source = match File::open(from) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        source => source.map_err(BackupError::at(from))?,
    };
    let to = folder.join(name);
    let target = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&to)
        .map_err(BackupError::at(&to))?;
    let line = read(&source, name, Some(&target)).map_err(BackupError::at(&to))?;
    target.sync_all().map_err(BackupError::at(&to))?;
    Ok(Some(line))
}

/// The line of the file `name` in `folder`, which is flushed.
pub(super) fn checksum(folder: &Path, name: &Path) -> Result<FileLine, BackupError> {
    let path = folder.join(name);
    let file = match File::open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(BackupError::Missing(path));
        }
        file => file.map_err(BackupError::at(&path))?,
    };
    let line = read(&file, name, None).map_err(BackupError::at(&path))?;
    file.sync_all().map_err(BackupError::at(&path))?;
    Ok(line)
}

fn read(mut source: &File, name: &Path, mut target: Option<&File>) -> io::Result<FileLine> {
    let mut context = Context::new(&SHA256);
    let mut piece = vec![0; PIECE];
    let mut bytes = 0_u64;
    loop {
        let length = source.read(&mut piece)?;
        let read = piece.get(..length).unwrap_or_default();
        if read.is_empty() {
            break;
        }
        context.update(read);
        if let Some(target) = &mut target {
            target.write_all(read)?;
        }
        bytes = bytes.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
    }
    Ok(FileLine {
        path: name.to_owned(),
        bytes,
        sha256: HEXLOWER.encode(context.finish().as_ref()),
    })
}

/// Makes the names in a folder durable.
pub(super) fn flush_folder(path: &Path) -> Result<(), BackupError> {
    let flushed = File::open(path).and_then(|folder| folder.sync_all());
    flushed.map_err(BackupError::at(path))
}
