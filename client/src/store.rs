//! The encrypted local store: the only room that speaks SQL.
//!
//! SQLCipher encrypts every page, the full-text index and the write-ahead log included. MLS state,
//! letters and the outbox change in one `begin immediate` transaction, so that no crash can tear a
//! ratchet from the letter that it opened.

mod act;
mod conversation;
mod event;
mod evidence;
mod letter;
mod log;
mod outbox;
mod person;
mod setting;
mod upload;

use std::{cell::Cell, path::Path};

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};
use zeroize::Zeroizing;

pub use conversation::{ConversationRow, ConversationState, Sender};
pub use event::EventRow;
pub use evidence::EvidenceRow;
pub use letter::{Filter, LetterRow, NewLetter};
pub use log::VerifiedLog;
pub use outbox::{Encrypted, OutboxRow, ProposedCommit};
pub use person::ContactRow;
pub use setting::Setting;
pub use upload::UploadRow;

use crate::provider::{MigrationFailed, Provider, migrate};

/// Prepared statements that are kept.
const STATEMENTS: usize = 256;
/// The schema's version: written in the file, refused when newer.
const VERSION: u32 = 8;
/// What leads from each version to the next.
#[expect(clippy::as_conversions, reason = "one for each version")]
const MIGRATIONS: [&str; VERSION as usize] = [
    include_str!("../../migrations/client/0001_first.sql"),
    include_str!("../../migrations/client/0002_evidence.sql"),
    include_str!("../../migrations/client/0003_people.sql"),
    include_str!("../../migrations/client/0004_history.sql"),
    include_str!("../../migrations/client/0005_act.sql"),
    include_str!("../../migrations/client/0006_upload.sql"),
    include_str!("../../migrations/client/0007_renewed.sql"),
    include_str!("../../migrations/client/0008_answer.sql"),
];

/// Why the store cannot be used. Nothing of its content is in the text.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The key does not open it, or the file is damaged.
    #[error("the store does not open with this key, or is damaged")]
    NotOpened,
    /// There is a store already.
    #[error("there is a store already")]
    Exists,
    /// Written by a newer valise.
    #[error(
        "the store was written by a newer valise (format {found}; this one reads up to {VERSION})"
    )]
    Newer {
        /// The format's number.
        found: u32,
    },
    /// A row breaks the store's own rules.
    #[error("the store is damaged: {0}")]
    Damaged(&'static str),
    /// SQLite failed: disk full, I/O error, a lock held too long.
    #[error("the store failed: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The MLS tables could not be made.
    #[error(transparent)]
    Mls(#[from] MigrationFailed),
}

impl StoreError {
    /// Another process holds the store's lock.
    pub fn is_busy(&self) -> bool {
        self.sqlite_code() == Some(rusqlite::ErrorCode::DatabaseBusy)
    }

    /// The disk is full.
    pub fn is_full(&self) -> bool {
        self.sqlite_code() == Some(rusqlite::ErrorCode::DiskFull)
    }

    fn sqlite_code(&self) -> Option<rusqlite::ErrorCode> {
        match self {
            Self::Sqlite(error) => error.sqlite_error_code(),
            _ => None,
        }
    }
}

/// The open store.
pub struct Store {
    connection: Connection,
    /// How often a transaction here turned to the MLS state.
    mls_uses: Cell<u64>,
}

/// One transaction. Dropped without [`Work::commit`], nothing has happened.
pub struct Work<'s> {
    transaction: Transaction<'s>,
    mls_uses: &'s Cell<u64>,
}

/// The MLS state at one moment: as long as the stamp is the same, nobody has changed it, neither another
/// process of this account nor another transaction of this one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct MlsStamp {
    /// SQLite's own: changes when another connection has committed anything.
    data_version: i64,
    uses: u64,
}

/// The 256-bit raw key of the store.
pub type StoreKey = Zeroizing<[u8; 32]>;

impl Store {
    /// Makes a new store, open under `key`.
    pub fn create(path: &Path, key: &StoreKey) -> Result<Self, StoreError> {
        if path.exists() {
            return Err(StoreError::Exists);
        }
        Self::open_with(
            path,
            key,
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
        )
    }

    /// Opens a store that exists.
    pub fn open(path: &Path, key: &StoreKey) -> Result<Self, StoreError> {
        Self::open_with(path, key, OpenFlags::SQLITE_OPEN_READ_WRITE)
    }

    fn open_with(path: &Path, key: &StoreKey, flags: OpenFlags) -> Result<Self, StoreError> {
        let connection =
            Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        let hex = Zeroizing::new(data_encoding::HEXLOWER.encode(&**key));
        let pragma = Zeroizing::new(format!("pragma key = \"x'{}'\"", *hex));
        // SQLCipher would write to the terminal by itself.
        connection.execute_batch("pragma cipher_log_level = none")?;
        connection.execute_batch(&pragma)?;
        // The first read is where a wrong key shows.
        let version: u32 = connection
            .query_row("select user_version from pragma_user_version", (), |row| {
                row.get(0)
            })
            .map_err(|_| StoreError::NotOpened)?;
        if version > VERSION {
            return Err(StoreError::Newer { found: version });
        }
        connection.execute_batch(
            "pragma journal_mode = wal; pragma synchronous = full; pragma secure_delete = on;
             pragma foreign_keys = on; pragma temp_store = memory; pragma busy_timeout = 10000;",
        )?;
        // All that a letter asks, several times over: the default forgets within one letter.
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        let mut store = Self {
            connection,
            mls_uses: Cell::new(0),
        };
        if version < VERSION {
            store.migrate(version)?;
        }
        Ok(store)
    }

    fn migrate(&mut self, version: u32) -> Result<(), StoreError> {
        if version == 0 {
            migrate(&mut self.connection)?;
        }
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        // Another process of this account may have been faster.
        let version: u32 =
            transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
        for (number, sql) in (1..).zip(MIGRATIONS) {
            if number > version {
                transaction.execute_batch(sql)?;
            }
        }
        transaction.pragma_update(None, "user_version", VERSION)?;
        transaction.commit()?;
        Ok(())
    }

    /// Makes this a store of another version, as a valise of that version would leave it.
    #[cfg(feature = "weaken")]
    pub fn dangerously_set_version(&self, version: u32) -> Result<(), StoreError> {
        let connection = &self.connection;
        Ok(connection.pragma_update(None, "user_version", version)?)
    }

    /// Begins a transaction that may write.
    pub fn begin(&mut self) -> Result<Work<'_>, StoreError> {
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        Ok(Work {
            transaction,
            mls_uses: &self.mls_uses,
        })
    }

    /// Empties the write-ahead log: old ratchet secrets live there until then.
    pub fn truncate_log(&self) -> Result<(), StoreError> {
        self.connection
            .query_row("pragma wal_checkpoint(truncate)", (), |_| Ok(()))?;
        Ok(())
    }

    /// Reads outside a transaction.
    pub fn read(&self) -> Reader<'_> {
        Reader {
            connection: &self.connection,
        }
    }
}

impl Work<'_> {
    /// Makes it so, durably.
    pub fn commit(self) -> Result<(), StoreError> {
        Ok(self.transaction.commit()?)
    }

    /// Reads inside the transaction.
    pub fn read(&self) -> Reader<'_> {
        Reader {
            connection: &self.transaction,
        }
    }

    /// A part that can be undone alone.
    pub fn part<T, E: From<StoreError>>(
        &self,
        run: impl FnOnce(&Self) -> Result<T, E>,
    ) -> Result<T, E> {
        self.transaction
            .execute_batch("savepoint part")
            .map_err(StoreError::from)?;
        let result = run(self);
        let end = if result.is_ok() {
            "release part"
        } else {
            "rollback to part; release part"
        };
        self.transaction
            .execute_batch(end)
            .map_err(StoreError::from)?;
        result
    }

    /// OpenMLS, in this transaction.
    pub(crate) fn mls(&self) -> Provider<'_> {
        self.mls_uses.set(self.mls_uses.get().wrapping_add(1));
        Provider::new(&self.transaction)
    }

    /// The MLS state as it is in this transaction, which holds the only lock for writing.
    pub(crate) fn mls_stamp(&self) -> Result<MlsStamp, StoreError> {
        let sql = "select data_version from pragma_data_version";
        let mut statement = self.transaction.prepare_cached(sql)?;
        Ok(MlsStamp {
            data_version: statement.query_row((), |row| row.get(0))?,
            uses: self.mls_uses.get(),
        })
    }
}

/// Questions to the store.
pub struct Reader<'c> {
    connection: &'c Connection,
}

impl Reader<'_> {
    /// OpenMLS, for reading.
    pub(crate) fn mls(&self) -> Provider<'_> {
        Provider::new(self.connection)
    }
}

#[cfg(test)]
mod tests;
