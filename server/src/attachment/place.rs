//! Where attached files are: in a folder, one file an id; or in S3, one object a part.

use std::{io, sync::Arc};

use hyper::body::Bytes;
use tokio::task::spawn_blocking;
use valise_proto::id::{AttachmentId, OrgId};

use super::{
    AttachmentError, S3Error,
    bucket::{Bucket, Object},
    folder::Folder,
};
use crate::{
    ServeError,
    config::Config,
    store::{PartId, Store},
};

/// Files that are forgotten in one transaction at most: a folder's have no parts.
const FILES_MAX: usize = 256;

/// The one place.
#[derive(Debug)]
pub(super) enum Place {
    Folder(Arc<Folder>),
    Bucket(Bucket),
}

impl Place {
    /// The one that the configuration names.
    pub(super) fn open(config: &Config, org: OrgId) -> Result<Self, ServeError> {
        if let Some(bucket) = Bucket::new(config)? {
            return Ok(Self::Bucket(bucket.inside(org)));
        }
        let folder = Folder::open(&config.attachments_path())?;
        Ok(Self::Folder(Arc::new(folder)))
    }

    /// Writes a part of the file, and says under which name if it has one of its own. It is on disk then.
    pub(super) async fn write(
        &self,
        id: AttachmentId,
        at: u64,
        part: Bytes,
        size_bytes: u64,
    ) -> Result<Option<PartId>, AttachmentError> {
        match self {
            Self::Folder(folder) => {
                let folder = Arc::clone(folder);
                spawn_blocking(move || folder.write(id, at, &part, size_bytes)).await??;
                Ok(None)
            }
            Self::Bucket(bucket) => Ok(Some(bucket.put(id, part).await?)),
        }
    }

    /// `length` bytes of a whole file from `at` on.
    pub(super) async fn read(
        &self,
        store: &Store,
        id: AttachmentId,
        at: u64,
        length: usize,
    ) -> Result<Vec<u8>, AttachmentError> {
        match self {
            Self::Folder(folder) => {
                let folder = Arc::clone(folder);
                match spawn_blocking(move || folder.read(id, at, length)).await? {
                    // Somebody took the file away: the next sweep takes the row.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {
                        Err(AttachmentError::NotFound)
                    }
                    part => Ok(part?),
                }
            }
            Self::Bucket(bucket) => match join(bucket, store, id, at, length).await {
                // The same, but that nobody takes the row before its time.
                Err(AttachmentError::S3(S3Error::PeerMissing)) => Err(AttachmentError::NotFound),
                part => part,
            },
        }
    }

    /// Takes a file away, or those parts of it, if they are there.
    pub(super) async fn remove(
        &self,
        id: AttachmentId,
        parts: impl IntoIterator<Item = PartId>,
    ) -> Result<(), AttachmentError> {
        match self {
            Self::Folder(folder) => {
                let folder = Arc::clone(folder);
                Ok(spawn_blocking(move || folder.remove(id)).await??)
            }
            Self::Bucket(bucket) => {
                let parts: Vec<Object> = parts.into_iter().map(|part| (id, part)).collect();
                Ok(bucket.remove(&parts).await?)
            }
        }
    }

    /// How many files may be forgotten at once: of a file in S3 each part is named.
    pub(super) fn files_at_once(&self) -> usize {
        match self {
            Self::Folder(_) => FILES_MAX,
            Self::Bucket(_) => 1,
        }
    }

    /// Whether there is room for so many bytes more, and for what stays free. S3 says so itself.
    pub(super) async fn fits(
        &self,
        bytes: u64,
        reserve_percent: u8,
    ) -> Result<bool, AttachmentError> {
        let Self::Folder(folder) = self else {
            return Ok(true);
        };
        let folder = Arc::clone(folder);
        let space = spawn_blocking(move || folder.space()).await??;
        Ok(space.free.saturating_sub(space.reserve(reserve_percent)) >= bytes)
    }
}

/// Reads what the parts of a file hold between two places.
async fn join(
    bucket: &Bucket,
    store: &Store,
    id: AttachmentId,
    at: u64,
    length: usize,
) -> Result<Vec<u8>, AttachmentError> {
    let bytes = u64::try_from(length).map_err(|_| AttachmentError::Malformed)?;
    let end = at.checked_add(bytes).ok_or(AttachmentError::Malformed)?;
    let mut read = Vec::with_capacity(length);
    let mut next = at;
    for part in store.attachment_parts(id, at, end).await? {
        if part.from_bytes > next {
            break;
        }
        let to = part.to_bytes.min(end);
        let range = next - part.from_bytes..to - part.from_bytes;
        read.extend_from_slice(&bucket.get(&(id, part.id), range).await?);
        next = to;
    }
    if next == end {
        Ok(read)
    } else {
        // It was begun when files were kept elsewhere.
        Err(AttachmentError::NotFound)
    }
}
