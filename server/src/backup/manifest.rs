//! What a backup says of itself: `backup.toml`, written last.

use std::{
    fs,
    path::{Component, Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::BackupError;

/// The manifest's name in a backup's folder.
pub(super) const FILE: &str = "backup.toml";
/// The only form there is.
const FORMAT: u32 = 1;
/// Largest manifest that is read: room for 300,000 files.
const BYTES_MAX: u64 = 64 << 20;

/// What is in a backup.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Form of this file.
    format: u32,
    /// Which program wrote it.
    pub program: String,
    /// When: milliseconds since 1970 UTC.
    pub created_at_ms: u64,
    /// The organisation's id.
    pub organisation: String,
    /// Entries of the directory log.
    pub log_entries: u64,
    /// The database's schema.
    pub schema: u64,
    /// Whether the TLS key and the log's key are in it.
    pub keys: bool,
    /// Whether attached files are in it.
    pub attachments: bool,
    /// What the configuration keeps outside the data folder, and is therefore not here.
    pub elsewhere: Vec<String>,
    /// Every file.
    pub files: Vec<FileLine>,
}

/// One file of a backup.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FileLine {
    /// Where, inside the backup's folder.
    pub path: PathBuf,
    /// Its length.
    pub bytes: u64,
    /// SHA-256 of its content, hex.
    pub sha256: String,
}

impl Manifest {
    /// One without files.
    pub(super) fn new(created_at_ms: u64, organisation: String) -> Self {
        Self {
            format: FORMAT,
            program: env!("CARGO_PKG_VERSION").to_owned(),
            created_at_ms,
            organisation,
            log_entries: 0,
            schema: 0,
            keys: false,
            attachments: false,
            elsewhere: Vec::new(),
            files: Vec::new(),
        }
    }

    /// Reads the manifest of the backup in `folder`.
    pub fn read(folder: &Path) -> Result<Self, BackupError> {
        let path = folder.join(FILE);
        let size = fs::metadata(&path).map(|file| file.len());
        let size = size.map_err(|_| BackupError::MisuseNoBackup(folder.to_owned()))?;
        let malformed = || BackupError::MisuseManifest(path.clone());
        if size > BYTES_MAX {
            return Err(malformed());
        }
        let text = fs::read_to_string(&path).map_err(BackupError::at(&path))?;
        Self::parse(&text).ok_or_else(malformed)
    }

    /// The manifest that this text is, if all its files are inside its folder.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let manifest: Self = toml::from_str(text).ok()?;
        let inside = |file: &FileLine| {
            let mut parts = file.path.components();
            parts.all(|part| matches!(part, Component::Normal(_)))
        };
        (manifest.format == FORMAT && manifest.files.iter().all(inside)).then_some(manifest)
    }

    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }
}
