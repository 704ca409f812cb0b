//! MLS state in the client's own database, as `MessagePack` with field names.

use std::error::Error as StdError;

use openmls_sqlite_storage::{Codec, Connection, SqliteStorageProvider};
use openmls_traits::storage::{CURRENT_VERSION, StorageProvider};
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

/// MLS state behind a borrowed connection, which is usually a transaction.
pub type Storage<'c> = SqliteStorageProvider<MessagePack, &'c Connection>;

/// What OpenMLS reports when the database failed, inside its own errors.
pub type StorageError = <Storage<'static> as StorageProvider<CURRENT_VERSION>>::Error;

/// How MLS state becomes bytes: `MessagePack` with field names.
///
/// The names are needed: OpenMLS keeps an untagged enum, which only a self-describing format reads.
#[derive(Debug, Clone, Copy, Default)]
pub struct MessagePack;

/// A value of the MLS state could not be written as, or read from, `MessagePack`.
#[derive(Debug, Error)]
pub enum MessagePackError {
    /// OpenMLS handed over a value that has no `MessagePack` form.
    #[error("an MLS value cannot be written as MessagePack")]
    Write(#[from] rmp_serde::encode::Error),
    /// A stored row is not what this version of OpenMLS wrote.
    #[error("a stored MLS value cannot be read as MessagePack")]
    Read(#[from] rmp_serde::decode::Error),
}

impl Codec for MessagePack {
    type Error = MessagePackError;

    fn to_vec<T: Serialize>(value: &T) -> Result<Vec<u8>, Self::Error> {
        Ok(rmp_serde::to_vec_named(value)?)
    }

    fn from_slice<T: DeserializeOwned>(slice: &[u8]) -> Result<T, Self::Error> {
        Ok(rmp_serde::from_slice(slice)?)
    }
}

/// The tables of the MLS state could not be made or brought up to date.
#[derive(Debug, Error)]
#[error("the MLS tables cannot be made or brought up to date")]
pub struct MigrationFailed(#[source] Box<dyn StdError + Send + Sync>);

/// Makes the tables of the MLS state, or brings them up to date. Harmless when they already are.
///
/// # Errors
/// [`MigrationFailed`] with what the database said.
pub fn migrate(connection: &mut Connection) -> Result<(), MigrationFailed> {
    SqliteStorageProvider::<MessagePack, &mut Connection>::new(connection)
        .run_migrations()
        .map_err(|error| MigrationFailed(Box::new(error)))
}
