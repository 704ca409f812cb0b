//! The database: open, migrate, begin. The only room that names sqlx, the only file that knows which database.
//!
//! Reads go to a small pool. Every write goes through [`Store::begin`]: SQLite has one writer, so
//! there is one connection for it, and who waits for it waits in order.

mod attachment;
mod delivery;
mod directory;
mod enrolment;
mod figures;
mod key_package;
mod login;
mod node;
mod proposal;
mod restored;
mod schema;
mod server_node;
mod session;
mod snapshot;

use std::time::Duration;

use sqlx::{
    Any, AnyPool, Connection as _, Row, Transaction,
    any::{AnyPoolOptions, AnyRow},
};

pub use attachment::{AttachmentRow, PartId, PartRow, Use};
pub use delivery::{GroupRow, Invitation, NewMessage, Past, PendingMessage, Submission};
pub use enrolment::{AskRow, EnrolmentRow, EnrolmentStatus};
pub use figures::Figures;
pub use node::{RequestName, Words};
pub use proposal::ProposalRow;
pub use restored::OVER;
pub use schema::Schema;
pub use server_node::NodeRow;
pub use session::SessionRow;

/// The database failed, or holds what the server never wrote.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database refused, or is not there.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    /// The schema could not be brought up to date.
    #[error("the database could not be migrated")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// A later program has been at work here.
    #[error("the database was not touched")]
    Newer(#[source] NewerSchema),
    /// A column holds what no code of ours writes.
    #[error("the database holds a malformed {0}")]
    Corrupt(&'static str),
}

/// The database is of a later program than this one.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "it has schema {found}, and this program knows none after {known}. Start the newer valised, or restore the \
     backup from before the upgrade"
)]
pub struct NewerSchema {
    /// The database's.
    pub found: u64,
    /// The newest that this program knows.
    pub known: u64,
}

impl StoreError {
    /// Another server on the same database was quicker: the same again may do better.
    pub fn was_overtaken(&self) -> bool {
        let Self::Database(sqlx::Error::Database(error)) = self else {
            return false;
        };
        // PostgreSQL's serialization_failure and deadlock_detected.
        let code = error.code();
        error.is_unique_violation() || matches!(code.as_deref(), Some("40001" | "40P01"))
    }
}

/// The open database.
#[derive(Clone, Debug)]
pub struct Store {
    reads: AnyPool,
    writes: AnyPool,
    begin: &'static str,
    /// There when several servers may work on the database.
    shared: Option<node::Shared>,
}

/// One transaction. Dropped without [`Write::commit`], nothing happened.
#[derive(Debug)]
pub struct Write(Transaction<'static, Any>);

const PRAGMAS: &str = "pragma busy_timeout = 10000; pragma foreign_keys = on; \
    pragma journal_mode = wal; pragma synchronous = full; pragma secure_delete = on; \
    pragma cache_size = -2000; pragma temp_store = memory";

impl Store {
    /// Opens and migrates the database at `url` (`sqlite:` or `postgres:`), making a SQLite file
    /// when there is none.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        let store = Self::connect(url).await?;
        store.migrate().await?;
        Ok(store)
    }

    /// Opens the database at `url` with whatever schema it has.
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        sqlx::any::install_default_drivers();
        let sqlite = url.starts_with("sqlite:");
        let options = |connections: u32, quick: bool| {
            AnyPoolOptions::new()
                .max_connections(connections)
                .min_connections(0)
                .acquire_timeout(Duration::from_secs(30))
                .idle_timeout(None)
                .max_lifetime(None)
                .test_before_acquire(!sqlite)
                .after_connect(move |connection, _| {
                    Box::pin(async move {
                        if sqlite {
                            sqlx::raw_sql(PRAGMAS).execute(connection).await?;
                        } else if quick {
                            let quick = "set synchronous_commit = off";
                            sqlx::raw_sql(quick).execute(connection).await?;
                        }
                        Ok(())
                    })
                })
        };
        let pool = |connections, quick| {
            options(connections, quick).after_release(|connection, _| {
                Box::pin(async move {
                    // SQLite ends a transaction by itself when its disk is full or fails
                    // (lang_transaction §3.1); sqlx then counts one for ever that is not there. Such a
                    // connection is not used again.
                    connection.ping().await?;
                    Ok(!connection.is_in_transaction())
                })
            })
        };
        let writes = pool(if sqlite { 1 } else { 4 }, false).connect(url).await?;
        let shared = if sqlite {
            None
        } else {
            Some(node::Shared {
                quick: pool(2, true).connect_lazy(url)?,
                url: url.to_owned(),
            })
        };
        Ok(Self {
            // Of one question each.
            reads: options(if sqlite { 2 } else { 4 }, false).connect_lazy(url)?,
            writes,
            shared,
            begin: if sqlite { "begin immediate" } else { "begin" },
        })
    }

    /// Begins the one kind of transaction that writes.
    pub async fn begin(&self) -> Result<Write, StoreError> {
        Ok(Write(self.writes.begin_with(self.begin).await?))
    }

    /// Asks the database for an answer, any answer.
    pub async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query("select 1").fetch_one(&self.reads).await?;
        Ok(())
    }

    /// Closes every connection; SQLite then folds its write-ahead log into the file.
    pub async fn close(&self) {
        if let Some(shared) = &self.shared {
            shared.quick.close().await;
        }
        self.reads.close().await;
        self.writes.close().await;
    }
}

impl Write {
    /// Makes it so, durably.
    pub async fn commit(self) -> Result<(), StoreError> {
        Ok(self.0.commit().await?)
    }
}

/// A column of ids.
fn id<T>(row: &AnyRow, column: usize, what: &'static str) -> Result<T, StoreError>
where
    T: for<'a> TryFrom<&'a [u8]>,
{
    let bytes: Vec<u8> = row.try_get(column)?;
    T::try_from(&bytes).map_err(|_| StoreError::Corrupt(what))
}

/// A column of numbers that are never negative.
fn number(row: &AnyRow, column: usize, what: &'static str) -> Result<u64, StoreError> {
    let number: i64 = row.try_get(column)?;
    u64::try_from(number).map_err(|_| StoreError::Corrupt(what))
}

/// A number as the databases keep it; what does not fit is capped, and no real number is near it.
fn stored(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
