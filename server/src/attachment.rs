//! Attached files: ciphertext in a folder or in S3, and how much of each is there in the database.
//!
//! What an upload's row counts was flushed to disk before. So a crash leaves at most bytes that nobody
//! counts, and the next part is written over them, or beside them. A row is deleted before its file: what is
//! left of either without the other is collected once an hour.

mod bucket;
mod folder;
mod place;
mod sweep;

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use hyper::body::Bytes;
use tokio::{
    sync::{Mutex, OwnedSemaphorePermit},
    task::JoinError,
};
use valise_proto::{
    api::attachment::{RANGE_MIN, Stored},
    attachment::HEADER,
    id::{AttachmentId, DeviceId, Name},
    weaken::checked,
};

pub(crate) use self::bucket::Bucket;
pub use self::bucket::{MisuseS3, S3Error};
use self::place::Place;
use crate::{
    Chain, ServeError,
    clock::Clock,
    config::Config,
    directory::Log,
    limit::Turns,
    store::{AttachmentRow, PartRow, Store, StoreError},
};

/// An upload on which nobody goes on is dropped after this long: milliseconds.
pub const UNFINISHED_MS: u64 = 24 * 3_600_000;
/// How often files and rows are compared: milliseconds.
const SWEEP_MS: u64 = 3_600_000;
/// Parts of files on their way to one device at once.
const PARTS_EACH: usize = 2;
/// How long a part waits for others of the same file or device.
const PATIENCE: Duration = Duration::from_secs(30);
/// Rows that are looked at in one go.
const ROWS: u32 = 256;

/// Why a part of a file was not taken or given.
#[derive(Debug, thiserror::Error)]
pub enum AttachmentError {
    /// The id is another upload's: of another device, or of another size.
    #[error("this id was used for something else")]
    Conflict,
    /// There is no such file, or it is not whole, or not this long.
    #[error("there is no such file")]
    NotFound,
    /// A part that is empty, too small or reaches beyond the end.
    #[error("this is no part of the file")]
    Malformed,
    /// Larger than any file may be.
    #[error("the file is larger than this server takes: {0} bytes at most, encrypted")]
    TooLarge(u64),
    /// The account has used up what it may keep here.
    #[error("your files here take all the room that you have: older ones go by themselves")]
    QuotaOfAccount,
    /// Everybody together has.
    #[error("the server keeps as many files as it may")]
    QuotaOfAll,
    /// The disk is as full as it may be.
    #[error("the server's disk is full")]
    DiskFull,
    /// Too many parts at once.
    #[error("too many parts of files at once: wait")]
    TooMany,
    /// The disk failed.
    #[error("a file could not be read or written")]
    Disk(#[source] io::Error),
    /// S3 failed.
    #[error(
        "attached files are kept elsewhere, and that does not work at the moment: try again later"
    )]
    S3(#[from] S3Error),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The work was stopped.
    #[error("the work on a file was stopped")]
    Stopped(#[from] JoinError),
}

impl From<io::Error> for AttachmentError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => Self::DiskFull,
            _ => Self::Disk(error),
        }
    }
}

/// Every file.
#[derive(Debug)]
pub struct Attachments {
    store: Store,
    log: Arc<Log>,
    clock: Arc<dyn Clock>,
    place: Place,
    limits: Limits,
    /// One part of a file at a time.
    uploads: Turns<AttachmentId>,
    downloads: Turns<DeviceId>,
    /// Who begins asks for quotas first: one after the other, and nobody while old ones are dropped.
    beginning: Mutex<()>,
    /// When files and rows are compared next.
    sweep_at_ms: AtomicU64,
}

#[derive(Clone, Copy, Debug)]
struct Limits {
    file_bytes: u64,
    account_bytes: u64,
    account_files: u64,
    all_bytes: u64,
    reserve_percent: u8,
}

impl Attachments {
    /// Opens the folder, making it if it is not there; or takes S3 at its word.
    pub fn open(
        config: &Config,
        store: &Store,
        log: &Arc<Log>,
        clock: &Arc<dyn Clock>,
    ) -> Result<Arc<Self>, ServeError> {
        Ok(Arc::new(Self {
            store: store.clone(),
            log: Arc::clone(log),
            clock: Arc::clone(clock),
            place: Place::open(config, log.now().directory.org())?,
            limits: Limits {
                file_bytes: config.attachment_bytes_max,
                account_bytes: config.attachments_per_account_bytes_max,
                account_files: config.attachments_per_account_max,
                all_bytes: config.attachments_bytes_max,
                reserve_percent: config.disk_reserve_percent,
            },
            uploads: Turns::new(1),
            downloads: Turns::new(PARTS_EACH),
            beginning: Mutex::default(),
            sweep_at_ms: AtomicU64::new(0),
        }))
    }

    /// Begins an upload, or says how far it is.
    pub async fn begin(
        &self,
        account: &Name,
        device: DeviceId,
        id: AttachmentId,
        size_bytes: u64,
    ) -> Result<Stored, AttachmentError> {
        let _turn = self.beginning.lock().await;
        if let Some(row) = self.store.attachment(id).await? {
            own(&row, device)?;
            return if row.size_bytes == size_bytes {
                Ok(stored(&row))
            } else {
                Err(AttachmentError::Conflict)
            };
        }
        if size_bytes > self.limits.file_bytes {
            return Err(AttachmentError::TooLarge(self.limits.file_bytes));
        }
        if size_bytes < u64::try_from(HEADER).unwrap_or(u64::MAX) {
            return Err(AttachmentError::Malformed);
        }
        self.room_for(size_bytes).await?;
        let mut write = self.store.begin().await?;
        // Another server may begin one too.
        write.alone().await?;
        let fits = |used: u64, max: u64| used.saturating_add(size_bytes) <= max;
        let own = write.attachment_use(Some(account.as_str())).await?;
        if own.files >= self.limits.account_files || !fits(own.bytes, self.limits.account_bytes) {
            return Err(AttachmentError::QuotaOfAccount);
        }
        let all = write.attachment_use(None).await?;
        if !fits(all.bytes, self.limits.all_bytes) {
            return Err(AttachmentError::QuotaOfAll);
        }
        let row = AttachmentRow {
            id,
            account: account.to_string(),
            device,
            size_bytes,
            stored_bytes: 0,
        };
        if !write.add_attachment(&row, self.clock.now_ms()).await? {
            return Err(AttachmentError::Conflict);
        }
        write.commit().await?;
        Ok(stored(&row))
    }

    /// Writes the next part of an upload. It must run to its end: what it counts is on disk.
    pub async fn append(
        &self,
        device: DeviceId,
        id: AttachmentId,
        at: u64,
        part: Bytes,
    ) -> Result<Stored, AttachmentError> {
        let turn = self.uploads.wait(id, PATIENCE).await;
        let _turn = turn.ok_or(AttachmentError::TooMany)?;
        let row = self.store.attachment(id).await?;
        let row = row.ok_or(AttachmentError::NotFound)?;
        own(&row, device)?;
        if at != row.stored_bytes || row.stored_bytes == row.size_bytes {
            return Ok(stored(&row));
        }
        let length = part.len();
        let bytes = u64::try_from(length).map_err(|_| AttachmentError::Malformed)?;
        let end = at.checked_add(bytes).filter(|end| *end <= row.size_bytes);
        let end = end.ok_or(AttachmentError::Malformed)?;
        if length == 0 || (length < RANGE_MIN && end != row.size_bytes) {
            return Err(AttachmentError::Malformed);
        }
        self.room_for(bytes).await?;
        let kept = self.place.write(id, at, part, row.size_bytes).await?;
        let kept = kept.map(|part| PartRow {
            id: part,
            from_bytes: at,
            to_bytes: end,
        });
        let mut write = self.store.begin().await?;
        let now_ms = self.clock.now_ms();
        if write.grow_attachment(id, at, end, now_ms).await? {
            if let Some(part) = &kept {
                write.add_attachment_part(id, part).await?;
            }
            write.commit().await?;
            return Ok(Stored { bytes: end });
        }
        drop(write);
        // Another server has taken it already. In a folder both wrote the same place.
        if let Some(part) = kept {
            self.place.remove(id, [part.id]).await?;
        }
        let row = self.store.attachment(id).await?;
        Ok(stored(&row.ok_or(AttachmentError::NotFound)?))
    }

    /// A part of a whole file, and the turn that it takes until it is sent.
    pub async fn read(
        &self,
        device: DeviceId,
        id: AttachmentId,
        at: u64,
        length: usize,
    ) -> Result<(Vec<u8>, OwnedSemaphorePermit), AttachmentError> {
        let turn = self.downloads.wait(device, PATIENCE).await;
        let turn = turn.ok_or(AttachmentError::TooMany)?;
        let row = self.store.attachment(id).await?;
        let row = row.ok_or(AttachmentError::NotFound)?;
        let end = u64::try_from(length).ok().and_then(|l| at.checked_add(l));
        if row.stored_bytes != row.size_bytes || end.is_none_or(|end| end > row.size_bytes) {
            return Err(AttachmentError::NotFound);
        }
        let part = self.place.read(&self.store, id, at, length).await?;
        Ok((part, turn))
    }

    /// Drops what is too old: unfinished uploads after a day, whole files after the policy's time.
    pub async fn expire(&self) -> Result<(), AttachmentError> {
        // Nobody begins anew what is being taken away.
        let _turn = self.beginning.lock().await;
        let now_ms = self.clock.now_ms();
        let (unfinished_ms, whole_ms) = self.past();
        loop {
            let old = self
                .store
                .old_attachments(unfinished_ms, whole_ms, ROWS)
                .await?;
            if old.is_empty() {
                break;
            }
            self.forget(old).await?;
        }
        if now_ms >= self.sweep_at_ms.load(Ordering::Relaxed) {
            self.sweep().await?;
            self.sweep_at_ms
                .store(now_ms.saturating_add(SWEEP_MS), Ordering::Relaxed);
        }
        Ok(())
    }

    /// How many files [`Attachments::expire`] would drop for their age.
    pub async fn count_old(&self) -> Result<usize, StoreError> {
        let (unfinished_ms, whole_ms) = self.past();
        let old = self
            .store
            .old_attachments(unfinished_ms, whole_ms, u32::MAX);
        Ok(old.await?.len())
    }

    /// Unfinished uploads, and whole files, from before these times are too old.
    fn past(&self) -> (u64, u64) {
        let now_ms = self.clock.now_ms();
        let retention_ms = self.log.now().directory.policy().retention_ms;
        (
            now_ms.saturating_sub(UNFINISHED_MS),
            now_ms.saturating_sub(retention_ms),
        )
    }

    async fn forget(&self, ids: Vec<AttachmentId>) -> Result<(), AttachmentError> {
        for ids in ids.chunks(self.place.files_at_once()) {
            let mut write = self.store.begin().await?;
            let mut parts = Vec::new();
            for id in ids {
                parts.push((*id, write.delete_attachment(*id).await?));
            }
            write.commit().await?;
            for (id, parts) in parts {
                self.place.remove(id, parts).await?;
            }
        }
        Ok(())
    }

    /// Whether there is room for so many bytes more, and the disk's reserve.
    async fn room_for(&self, bytes: u64) -> Result<(), AttachmentError> {
        if self.place.fits(bytes, self.limits.reserve_percent).await? {
            Ok(())
        } else {
            Err(AttachmentError::DiskFull)
        }
    }

    /// Says once at the start, in a sentence, if S3 does not do what it must. Letters go all the same.
    pub(crate) async fn probe(&self) {
        if let Place::Bucket(bucket) = &self.place
            && let Err(error) = bucket.probe().await
        {
            tracing::error!(error = %Chain(&error), "attached files are neither taken nor given");
        }
    }
}

/// Only the device that began an upload goes on with it.
fn own(row: &AttachmentRow, device: DeviceId) -> Result<(), AttachmentError> {
    if row.device == device || !checked("V06") {
        Ok(())
    } else {
        Err(AttachmentError::Conflict)
    }
}

fn stored(row: &AttachmentRow) -> Stored {
    Stored {
        bytes: row.stored_bytes,
    }
}
