//! Putting a backup back: into an empty folder, or over one that is set aside whole.
//!
//! Everything is made in a folder inside the data folder and checked there; then it is moved into place.
//! Interrupted anywhere, `valised serve` refuses until it was run again.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::{Deserialize, Serialize};
use valise_proto::id::DeviceId;

use super::{ATTACHMENTS, BackupError, Manifest, copy, make_folder, remove, verify};
use crate::{
    clock::{Clock, utc},
    config::{Config, DATABASE},
    data::{DataLock, MisuseLocked},
    directory::{Log, LogKey, TakeBackError},
    store::{Store, StoreError},
};

/// Where a restore is made until it is whole.
const STAGE: &str = "restore-unfinished";
/// What the data folder remembers of being restored.
const RESTORED: &str = "restored.toml";
/// What must be in the data folder, from the backup or from `--keys`.
const KEYS: [&str; 3] = ["log.key", "tls.crt", "tls.key"];

/// So long an operator is reminded of it: milliseconds.
const NEWS_MS: u64 = 7 * 86_400_000;

/// A backup was not put back.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The backup, or a file.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// There is something in the folder.
    #[error(
        "{0} is not empty: nothing was restored. With --replace, what is there is set aside in a folder of its own"
    )]
    MisuseNotEmpty(PathBuf),
    /// A server runs.
    #[error(transparent)]
    Locked(#[from] MisuseLocked),
    /// A key is nowhere.
    #[error("this backup was made without keys: name the folder that has {0}, with --keys")]
    MisuseNoKey(&'static str),
    /// The exported log is not this organisation's, or another branch of it.
    #[error(transparent)]
    TakeBack(#[from] TakeBackError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The last restore was interrupted.
    #[error(
        "the restore of {0} was interrupted: nothing is served. Run it again: valised backup restore … --replace"
    )]
    MisuseUnfinished(PathBuf),
}

/// How to put a backup back.
#[derive(Clone, Debug, Default)]
pub struct Manner {
    /// Set aside what is in the data folder.
    pub replace: bool,
    /// Keys of a backup that was made without.
    pub keys: Option<PathBuf>,
    /// The log as somebody's `valise admin log export` wrote it: entries that the backup lacks.
    pub log: Option<PathBuf>,
}

/// That, when and from what a data folder was restored.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Restored {
    /// When the backup was made, where that is known: milliseconds since 1970 UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup_at_ms: Option<u64>,
    /// When it was put back.
    pub restored_at_ms: u64,
    /// Entries of the log when the backup was made.
    pub log_entries: u64,
    /// Entries that were given back since, from exported logs.
    pub given_back: u64,
    /// Conversations that ended by it.
    pub conversations_ended: u64,
    /// Where that is which was in the data folder before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set_aside: Option<PathBuf>,
}

impl Restored {
    /// Whether it still has to be spoken of.
    pub fn is_news(&self, now_ms: u64) -> bool {
        now_ms.saturating_sub(self.restored_at_ms) < NEWS_MS
    }

    /// What the data folder says.
    pub fn read(data: &Path) -> Option<Self> {
        toml::from_str(&fs::read_to_string(data.join(RESTORED)).ok()?).ok()
    }

    /// Says it in `data`.
    pub fn write(&self, data: &Path) -> Result<(), BackupError> {
        let path = data.join(RESTORED);
        let text = toml::to_string(self).unwrap_or_default();
        fs::write(&path, text).map_err(BackupError::at(&path))
    }
}

/// Nothing is served from a folder that is half restored.
pub fn refuse_unfinished(data: &Path) -> Result<(), RestoreError> {
    if data.join(STAGE).exists() {
        return Err(RestoreError::MisuseUnfinished(data.to_owned()));
    }
    Ok(())
}

/// Puts the backup in `folder` back into `data`, whose server is stopped.
pub async fn restore(
    folder: &Path,
    data: &Path,
    manner: &Manner,
    clock: &Arc<dyn Clock>,
) -> Result<Restored, RestoreError> {
    let manifest = verify(folder)?;
    make_folder(data)?;
    let _lock = DataLock::alone(data)?;
    let stage = data.join(STAGE);
    let present = names(data)?;
    if present.iter().any(|name| *name != stage) && !manner.replace {
        return Err(RestoreError::MisuseNotEmpty(data.to_owned()));
    }
    remove(&stage)?;
    make_folder(&stage)?;
    let staged = fill(&manifest, folder, &stage, manner, clock).await;
    let mut restored = match staged {
        Ok(restored) => restored,
        Err(error) => {
            // Nothing has moved yet.
            remove(&stage)?;
            return Err(error);
        }
    };
    super::remember(&stage, manifest.created_at_ms, folder)?;
    restored.set_aside = set_aside(data, &stage, clock.now_ms())?;
    restored.write(&stage)?;
    copy::flush_folder(&stage)?;
    for name in names(&stage)? {
        rename_into(&name, data)?;
    }
    copy::flush_folder(data)?;
    remove(&stage)?;
    copy::flush_folder(data)?;
    Ok(restored)
}

/// Copies the backup into `stage`, and makes of it what a server may go on from.
async fn fill(
    manifest: &Manifest,
    folder: &Path,
    stage: &Path,
    manner: &Manner,
    clock: &Arc<dyn Clock>,
) -> Result<Restored, RestoreError> {
    make_folder(&stage.join(ATTACHMENTS))?;
    for file in &manifest.files {
        let copied = copy::file(&folder.join(&file.path), stage, &file.path)?;
        if copied.as_ref() != Some(file) {
            return Err(BackupError::Damaged(folder.join(&file.path)).into());
        }
    }
    let config = Config::load(stage).map_err(BackupError::from)?;
    for name in KEYS {
        let outside = match name {
            "tls.crt" => config.tls_certificate.is_some(),
            "tls.key" => config.tls_key.is_some(),
            _ => false,
        };
        if outside || stage.join(name).exists() {
            continue;
        }
        let from = manner.keys.as_ref().map(|keys| keys.join(name));
        let from = from.ok_or(RestoreError::MisuseNoKey(name))?;
        let copied = copy::file(&from, stage, Path::new(name))?;
        copied.ok_or(BackupError::Missing(from))?;
    }
    let store = Store::connect(&Config::sqlite_url(&stage.join(DATABASE))).await?;
    let settled = settle(&config, &store, manner.log.as_deref(), clock).await;
    store.close().await;
    Ok(Restored {
        backup_at_ms: Some(manifest.created_at_ms),
        ..settled?
    })
}

/// Checks the database, takes entries back, and cuts off what its devices have gone on without.
async fn settle(
    config: &Config,
    store: &Store,
    exported: Option<&Path>,
    clock: &Arc<dyn Clock>,
) -> Result<Restored, RestoreError> {
    if store.is_sqlite() {
        store.check_pages().await?;
    }
    store.migrate().await?;
    let log = open_log(config, store, clock).await?;
    let log_entries = log.now().directory.head().size;
    let given_back = match exported {
        Some(exported) => log.take_back(exported).await?,
        None => 0,
    };
    let mut write = store.begin().await?;
    write.hold_log(true).await?;
    let conversations_ended = write.end_groups().await?;
    write.forget_key_packages().await?;
    write.end_sessions().await?;
    write.raise_mailboxes(devices(&log)).await?;
    write.commit().await?;
    Ok(Restored {
        backup_at_ms: None,
        restored_at_ms: clock.now_ms(),
        log_entries,
        given_back,
        conversations_ended,
        set_aside: None,
    })
}

async fn open_log(
    config: &Config,
    store: &Store,
    clock: &Arc<dyn Clock>,
) -> Result<Log, BackupError> {
    let key = LogKey::load(config)?;
    Ok(Log::open(store.clone(), key, Arc::clone(clock)).await?)
}

/// Does for a database that was put back by other means, by PostgreSQL's own or with the whole machine, what
/// [`restore`] does beside copying. The server of `data` is stopped.
pub async fn settle_in_place(
    data: &Path,
    exported: Option<&Path>,
    clock: &Arc<dyn Clock>,
) -> Result<Restored, RestoreError> {
    let config = Config::load(data).map_err(BackupError::from)?;
    let _lock = DataLock::alone(data)?;
    let store = Store::connect(&config.database_url()).await?;
    let settled = settle(&config, &store, exported, clock).await;
    store.close().await;
    let restored = settled?;
    restored.write(data)?;
    Ok(restored)
}

/// Every device of the log.
fn devices(log: &Log) -> Vec<DeviceId> {
    let snapshot = log.now();
    let accounts = snapshot.directory.accounts();
    accounts
        .flat_map(|(_, account)| account.devices.iter().copied())
        .collect()
}

/// Gives the log of `data`, whose server is stopped, the entries that `exported` has and it has not.
/// Returns how many.
pub async fn take_back(
    data: &Path,
    exported: &Path,
    clock: &Arc<dyn Clock>,
) -> Result<u64, RestoreError> {
    let config = Config::load(data).map_err(BackupError::from)?;
    let _lock = DataLock::alone(data)?;
    let store = Store::open(&config.database_url()).await?;
    let taken = async {
        let log = open_log(&config, &store, clock).await?;
        let count = log.take_back(exported).await?;
        if count > 0 {
            // Some of these devices are news here, and have had invitations before.
            let mut write = store.begin().await?;
            write.raise_mailboxes(devices(&log)).await?;
            write.commit().await?;
        }
        Ok::<_, RestoreError>(count)
    };
    let taken = taken.await;
    store.close().await;
    let count = taken?;
    if let Some(mut restored) = Restored::read(data) {
        restored.given_back += count;
        restored.write(data)?;
    }
    Ok(count)
}

/// Lets the log of `data` take entries again. Returns whether it took none.
pub async fn release_log(data: &Path) -> Result<bool, RestoreError> {
    let config = Config::load(data).map_err(BackupError::from)?;
    let store = Store::open(&config.database_url()).await?;
    let opened = async {
        let mut write = store.begin().await?;
        let news = write.hold_log(false).await?;
        write.commit().await?;
        Ok(news)
    };
    let opened = opened.await;
    store.close().await;
    opened
}

/// Moves what is in `data` into a folder of its own there; `None` when there is nothing.
fn set_aside(data: &Path, stage: &Path, now_ms: u64) -> Result<Option<PathBuf>, BackupError> {
    let mut present = names(data)?;
    // What was set aside before stays where it is.
    present.retain(|path| path != stage && !is_aside(path));
    if present.is_empty() {
        return Ok(None);
    }
    let aside = data.join(format!("{ASIDE}{}", utc(now_ms)));
    make_folder(&aside)?;
    for path in present {
        rename_into(&path, &aside)?;
    }
    copy::flush_folder(&aside)?;
    Ok(Some(aside))
}

/// What the folder of a replaced server's data begins with.
const ASIDE: &str = "replaced-";

fn is_aside(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| name.starts_with(ASIDE))
}

fn rename_into(path: &Path, folder: &Path) -> Result<(), BackupError> {
    let name = path.file_name().unwrap_or_default();
    let to = folder.join(name);
    fs::rename(path, &to).map_err(BackupError::at(&to))
}

fn names(folder: &Path) -> Result<Vec<PathBuf>, BackupError> {
    let entries = fs::read_dir(folder).map_err(BackupError::at(folder))?;
    let paths = entries.map(|entry| Ok(entry?.path()));
    paths
        .collect::<std::io::Result<_>>()
        .map_err(BackupError::at(folder))
}
