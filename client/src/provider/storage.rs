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
/// It describes itself, which the untagged enum in OpenMLS' state needs, and it names its fields, so
/// that a field which a later OpenMLS adds or moves is never taken for another.
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

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Row {
        epoch: u64,
        secret: Vec<u8>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct LaterRow {
        secret: Vec<u8>,
        #[serde(default)]
        added: bool,
        epoch: u64,
    }

    #[test]
    fn a_later_version_with_moved_and_added_fields_reads_the_row() {
        let (epoch, secret) = (7, vec![1, 2, 3]);
        let stored = MessagePack::to_vec(&Row {
            epoch,
            secret: secret.clone(),
        })
        .unwrap();
        let read: LaterRow = MessagePack::from_slice(&stored).unwrap();
        let added = false;
        assert_eq!(
            read,
            LaterRow {
                secret,
                added,
                epoch
            }
        );
    }

    #[test]
    fn a_damaged_row_is_an_error() {
        let refused = MessagePack::from_slice::<Row>(b"\xc1").unwrap_err();
        assert!(matches!(refused, MessagePackError::Read(_)), "{refused:?}");
    }

    #[test]
    fn migrating_twice_is_harmless() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection).unwrap();
        migrate(&mut connection).unwrap();
    }

    #[test]
    fn a_database_that_is_none_is_named_in_the_error() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("store");
        std::fs::write(&path, [7; 4096]).unwrap();
        let refused = migrate(&mut Connection::open(&path).unwrap()).unwrap_err();
        assert!(refused.source().is_some());
    }
}
