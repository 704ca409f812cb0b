//! Backups: one folder each, which is whole or not there.
//!
//! A backup is made while the server runs: one moment of the database first, then the attached files
//! that this moment names, which only ever grow. It is written under a hidden name and renamed when all
//! of it is on disk. Its manifest has a checksum of each file; that the directory log is the
//! organisation's is checked by replaying it, under its last signed head, at both ends.

mod copy;
mod manifest;
pub mod restore;

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

pub use manifest::{FileLine, Manifest};

use crate::{
    card,
    clock::{Clock, utc},
    config::{Config, DATABASE, FILE, MisuseConfig},
    directory::{Log, LogKey, OpenError},
    store::{Store, StoreError},
    tls::{TlsError, write_private},
};

/// What the data folder remembers of its last backup.
const LAST: &str = "last-backup.toml";
/// How a backup's folder is called until it is whole.
const UNFINISHED: &str = ".unfinished";
/// The folder of attached files, in a backup.
const ATTACHMENTS: &str = "attachments";
/// Rows asked for at a time.
const ROWS: u32 = 1_000;

/// A backup was not made, or is none.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The database is somewhere else.
    #[error(
        "this server's database is PostgreSQL: no backup was made. Let PostgreSQL do it: pg_dump, or base backups with \
         continuous archiving; and copy {0} (configuration, keys, attached files unless they are in S3) beside it. Once put back: valised backup settle"
    )]
    MisusePostgres(PathBuf),
    /// The database is SQLite, and not in the data folder.
    #[error(
        "the database is not in the data folder: no backup was made. Copy it by `sqlite3 .backup`"
    )]
    MisuseDatabase,
    /// There is no database.
    #[error("{0} holds no organisation: nothing was done")]
    MisuseNotFounded(PathBuf),
    /// Not a backup, or one that was never finished.
    #[error("{0} is no backup: it has no backup.toml, which is written last")]
    MisuseNoBackup(PathBuf),
    /// The manifest cannot be read.
    #[error("{0} is no manifest that this program knows")]
    MisuseManifest(PathBuf),
    /// A file is not what it was.
    #[error("{0} is not what was backed up: this backup is damaged. Take another one")]
    Damaged(PathBuf),
    /// A file is missing in a backup.
    #[error("{0} is missing: this backup is damaged. Take another one")]
    Missing(PathBuf),
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file that only its owner reads cannot be written.
    #[error(transparent)]
    Private(#[from] TlsError),
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] MisuseConfig),
    /// The log in it is not the organisation's.
    #[error(transparent)]
    Log(#[from] OpenError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl BackupError {
    /// What becomes of an I/O error at `path`.
    fn at(path: &Path) -> impl Fn(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::File {
            path: path.clone(),
            source,
        }
    }
}

/// What goes into a backup beside the database and the configuration.
#[derive(Clone, Copy, Debug)]
pub struct Choice {
    /// The TLS key and the log's key.
    pub keys: bool,
    /// Attached files.
    pub attachments: bool,
}

/// A backup as its data folder remembers it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Last {
    /// When: milliseconds since 1970 UTC.
    pub created_at_ms: u64,
    /// Where it was written.
    pub path: PathBuf,
}

/// The last backup of `data` that this program made.
pub fn last(data: &Path) -> Option<Last> {
    toml::from_str(&fs::read_to_string(data.join(LAST)).ok()?).ok()
}

/// Makes a backup of the data folder of `config` in a new folder inside `to`, and says which.
pub async fn create(
    config: &Config,
    to: &Path,
    choice: Choice,
    clock: &Arc<dyn Clock>,
) -> Result<(PathBuf, Manifest), BackupError> {
    check_place(config)?;
    let now_ms = clock.now_ms();
    make_folder(to)?;
    let name = format!("valise-{}", utc(now_ms));
    let (path, unfinished) = (to.join(&name), to.join(format!(".{name}{UNFINISHED}")));
    if path.exists() {
        return Err(BackupError::at(&path)(io::ErrorKind::AlreadyExists.into()));
    }
    remove(&unfinished)?;
    make_folder(&unfinished)?;
    let manifest = fill(config, &unfinished, choice, clock).await;
    let manifest = match manifest {
        Ok(manifest) => manifest,
        Err(error) => {
            remove(&unfinished)?;
            return Err(error);
        }
    };
    fs::rename(&unfinished, &path).map_err(BackupError::at(&path))?;
    copy::flush_folder(to)?;
    remember(&config.data, now_ms, &path)?;
    Ok((path, manifest))
}

/// Before a migration: keeps the SQLite database as it is, beside itself. `None` where nothing would
/// change, or the database is elsewhere. Half a copy is no copy, here too.
pub async fn copy_before_upgrade(config: &Config) -> Result<Option<PathBuf>, BackupError> {
    if config.database.is_some() || !config.data.join(DATABASE).is_file() {
        return Ok(None);
    }
    let store = Store::connect(&config.database_url()).await?;
    let copied = copy_old(config, &store).await;
    store.close().await;
    copied
}

async fn copy_old(config: &Config, store: &Store) -> Result<Option<PathBuf>, BackupError> {
    let schema = store.schema().await?;
    let path = config
        .data
        .join(format!("before-upgrade-{}.db", schema.found));
    if schema.found == 0 || schema.waiting.is_empty() || path.exists() {
        return Ok(None);
    }
    let unfinished = path.with_extension("unfinished");
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(BackupError::at(&unfinished)(error));
        }
        _ => {}
    }
    store.snapshot(&unfinished).await?;
    let private = fs::Permissions::from_mode(0o600);
    fs::set_permissions(&unfinished, private).map_err(BackupError::at(&unfinished))?;
    let flushed = fs::File::open(&unfinished).and_then(|file| file.sync_all());
    flushed.map_err(BackupError::at(&unfinished))?;
    fs::rename(&unfinished, &path).map_err(BackupError::at(&path))?;
    copy::flush_folder(&config.data)?;
    Ok(Some(path))
}

/// A backup is made of a SQLite database in the data folder, and of nothing else.
fn check_place(config: &Config) -> Result<(), BackupError> {
    match &config.database {
        Some(url) if url.starts_with("postgres") => {
            Err(BackupError::MisusePostgres(config.data.clone()))
        }
        Some(_) => Err(BackupError::MisuseDatabase),
        None if config.data.join(DATABASE).is_file() => Ok(()),
        None => Err(BackupError::MisuseNotFounded(config.data.clone())),
    }
}

/// Writes everything into `folder`, the manifest last, and flushes it.
async fn fill(
    config: &Config,
    folder: &Path,
    choice: Choice,
    clock: &Arc<dyn Clock>,
) -> Result<Manifest, BackupError> {
    let copied = folder.join(DATABASE);
    let store = Store::connect(&config.database_url()).await?;
    let taken = store.snapshot(&copied).await;
    store.close().await;
    taken?;
    let private = fs::Permissions::from_mode(0o600);
    fs::set_permissions(&copied, private).map_err(BackupError::at(&copied))?;

    let store = Store::connect(&Config::sqlite_url(&copied)).await?;
    let looked = look_through(config, &store, choice, clock).await;
    store.close().await;
    let (mut manifest, ids) = looked?;

    let mut files = vec![copy::checksum(folder, Path::new(DATABASE))?];
    let mut names = vec![(config.data.join(FILE), FILE)];
    // A folder from before cards were kept has none.
    let card = config.data.join(card::FILE);
    if card.exists() {
        names.push((card, card::FILE));
    }
    let tls = [
        (
            config.tls_certificate.is_none(),
            config.tls_certificate_path(),
            "tls.crt",
        ),
        (config.tls_key.is_none(), config.tls_key_path(), "tls.key"),
    ];
    if choice.keys {
        names.push((config.log_key_path(), "log.key"));
    }
    for (here, path, name) in tls {
        if !here {
            manifest.elsewhere.push(path.display().to_string());
        } else if choice.keys {
            names.push((path, name));
        }
    }
    for (from, name) in names {
        let copied = copy::file(&from, folder, Path::new(name))?;
        files.push(copied.ok_or(BackupError::Missing(from))?);
    }
    if manifest.attachments {
        make_folder(&folder.join(ATTACHMENTS))?;
        for id in ids {
            let from = config.attachments_path().join(&id);
            // One that was dropped meanwhile is missed by nobody.
            files.extend(copy::file(
                &from,
                folder,
                &Path::new(ATTACHMENTS).join(&id),
            )?);
        }
        copy::flush_folder(&folder.join(ATTACHMENTS))?;
    }
    manifest.files = files;
    let text = toml::to_string(&manifest)
        .map_err(|_| BackupError::MisuseManifest(folder.join(manifest::FILE)))?;
    write_private(&folder.join(manifest::FILE), text.as_bytes())?;
    copy::flush_folder(folder)?;
    Ok(manifest)
}

/// Whether the copy is sound: every page, and the whole log under its head. Returns what the manifest
/// says of it, and which attached files it names.
async fn look_through(
    config: &Config,
    store: &Store,
    choice: Choice,
    clock: &Arc<dyn Clock>,
) -> Result<(Manifest, Vec<String>), BackupError> {
    store.check_pages().await?;
    let key = LogKey::load(config)?;
    let log = Log::open(store.clone(), key, Arc::clone(clock)).await?;
    let directory = &log.now().directory;
    let mut manifest = Manifest::new(clock.now_ms(), directory.org().to_string());
    manifest.log_entries = directory.head().size;
    manifest.schema = store.schema().await?.found;
    manifest.keys = choice.keys;
    // What is in S3 is safe there, or not: it is no part of a copy of this machine.
    let elsewhere = config.attachments_bucket();
    manifest.elsewhere.extend(elsewhere.map(ToOwned::to_owned));
    manifest.attachments = choice.attachments && elsewhere.is_none();
    let ids = if manifest.attachments {
        attachments(store).await?
    } else {
        Vec::new()
    };
    Ok((manifest, ids))
}

/// The files of which something is on disk.
async fn attachments(store: &Store) -> Result<Vec<String>, StoreError> {
    let mut ids = Vec::new();
    let mut after = None;
    loop {
        let page = store.attachment_ids(after, true, ROWS).await?;
        after = page.last().copied();
        if after.is_none() {
            return Ok(ids);
        }
        ids.extend(page.iter().map(ToString::to_string));
    }
}

/// Compares every file of the backup in `folder` with its manifest.
pub fn verify(folder: &Path) -> Result<Manifest, BackupError> {
    let manifest = Manifest::read(folder)?;
    for file in &manifest.files {
        if copy::checksum(folder, &file.path)? != *file {
            return Err(BackupError::Damaged(folder.join(&file.path)));
        }
    }
    Ok(manifest)
}

/// Every backup in `folder`, oldest first: its path and, unless it is unfinished or damaged, what it says.
pub fn list(folder: &Path) -> Result<Vec<(PathBuf, Option<Manifest>)>, BackupError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(BackupError::at(folder))? {
        let path = entry.map_err(BackupError::at(folder))?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let ours = name.is_some_and(|name| name.trim_start_matches('.').starts_with("valise-"));
        if ours && path.is_dir() {
            let manifest = Manifest::read(&path).ok();
            found.push((path, manifest));
        }
    }
    found.sort_by_key(|(path, manifest)| {
        let made = manifest.as_ref().map(|manifest| manifest.created_at_ms);
        (made, path.clone())
    });
    Ok(found)
}

/// For `valised doctor` and metrics: how old the newest backup is.
fn remember(data: &Path, created_at_ms: u64, path: &Path) -> Result<(), BackupError> {
    let path = fs::canonicalize(path).map_err(BackupError::at(path))?;
    let last = Last {
        created_at_ms,
        path,
    };
    let text = toml::to_string(&last).unwrap_or_default();
    let (new, place) = (data.join(format!(".{LAST}")), data.join(LAST));
    fs::write(&new, text)
        .and_then(|()| fs::rename(&new, &place))
        .map_err(BackupError::at(&place))
}

/// A folder that only its owner enters, if it is not there.
fn make_folder(path: &Path) -> Result<(), BackupError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(BackupError::at(path))
}

/// Takes a folder away, if it is there.
fn remove(folder: &Path) -> Result<(), BackupError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(BackupError::at(folder)(error))
        }
        _ => Ok(()),
    }
}
