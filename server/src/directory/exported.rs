//! A log that somebody exported: how a server that was restored gets the entries back that it lost.
//!
//! Entries carry their own authority. That these were in this very log, in this order, the server itself
//! has signed: the export's checkpoint is under the log's key, and its root covers every entry before.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use data_encoding::BASE64;
use valise_proto::log::{
    Head,
    checkpoint::{self, PeerBadCheckpoint},
    merkle::leaf_hash,
    replay::Refusal,
};

use super::{Log, OpenError};
use crate::store::StoreError;

/// Largest export that is read: ten times a log of 20,000 entries.
const BYTES_MAX: u64 = 256 << 20;

/// The entries were not taken back.
#[derive(Debug, thiserror::Error)]
pub enum TakeBackError {
    /// The file cannot be read.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Not an export.
    #[error("{0} is not what `valise admin log export` writes: nothing was taken back")]
    MisuseFile(PathBuf),
    /// Another log's.
    #[error("the exported log is not signed by this server's log key: nothing was taken back")]
    PeerCheckpoint(#[source] PeerBadCheckpoint),
    /// Another branch.
    #[error(
        "the exported log and this server's go different ways: nothing was taken back. Entries were appended here \
         after the restore, or somebody signed two logs: `valise log evidence` on the computer that exported it"
    )]
    Fork,
    /// An entry that is not valid there.
    #[error("entry {index} of the exported log does not apply here: nothing was taken back")]
    Entry {
        /// Which.
        index: u64,
        /// Why.
        #[source]
        refusal: Refusal,
    },
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// This server's own log is not sound.
    #[error(transparent)]
    Log(#[from] OpenError),
}

impl Log {
    /// Appends the entries that the export at `path` has and this log has not. Returns how many.
    ///
    /// No date is looked at: the log key's signature says that they were taken in their time.
    pub async fn take_back(&self, path: &Path) -> Result<u64, TakeBackError> {
        let (note, entries) = read(path)?;
        let _lock = self.appending.lock().await;
        let now = self.now();
        let known = now.directory.head();
        let head = checkpoint::open(&note, now.directory.org(), self.key.public())
            .map_err(TakeBackError::PeerCheckpoint)?;
        if head.size <= known.size {
            let same = now.directory.tree().root_at(head.size) == Some(head.root);
            return if same {
                Ok(0)
            } else {
                Err(TakeBackError::Fork)
            };
        }
        let mut directory = now.directory.clone();
        let mut new = Vec::new();
        for (index, entry) in (0..head.size).zip(&entries) {
            if index >= known.size {
                let applied = directory.apply(entry);
                applied.map_err(|refusal| forked_or(index, known, refusal))?;
                new.push((index, entry));
            }
        }
        if directory.head() != head {
            return Err(TakeBackError::Fork);
        }
        let checkpoint = self.key.checkpoint(&directory);
        let mut write = self.store.begin().await?;
        for (index, entry) in &new {
            write
                .append_log_entry(*index, leaf_hash(entry), entry)
                .await?;
        }
        write.set_checkpoint(&checkpoint).await?;
        write.commit().await?;
        self.publish(directory, checkpoint);
        Ok(head.size - known.size)
    }
}

/// The first entry that does not apply names another head than this log's: its signer saw another branch.
fn forked_or(index: u64, known: Head, refusal: Refusal) -> TakeBackError {
    if index == known.size {
        TakeBackError::Fork
    } else {
        TakeBackError::Entry { index, refusal }
    }
}

/// The signed note, and the entries in their order.
fn read(path: &Path) -> Result<(String, Vec<Vec<u8>>), TakeBackError> {
    let failed = |source| TakeBackError::File {
        path: path.to_owned(),
        source,
    };
    let malformed = || TakeBackError::MisuseFile(path.to_owned());
    if fs::metadata(path).map_err(failed)?.len() > BYTES_MAX {
        return Err(malformed());
    }
    let text = fs::read(path).map_err(failed)?;
    parse(&text).ok_or_else(malformed)
}

/// The same, of a file's content.
pub(crate) fn parse(text: &[u8]) -> Option<(String, Vec<Vec<u8>>)> {
    let (note, lines) = str::from_utf8(text).ok()?.rsplit_once("\n\n")?;
    let entries = lines.lines().map(|line| BASE64.decode(line.as_bytes()));
    let entries: Result<_, _> = entries.collect();
    Some((format!("{note}\n"), entries.ok()?))
}
