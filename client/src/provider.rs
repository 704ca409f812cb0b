//! Our crypto provider for OpenMLS: ring, x25519-dalek and x-wing, over one SQLite connection.
//!
//! ```no_run
//! # use valise_client::provider::{migrate, Provider};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let mut connection = openmls_sqlite_storage::Connection::open("store")?;
//! migrate(&mut connection)?; // once, when the store is made or opened
//! let transaction = connection.transaction()?;
//! let provider = Provider::new(&transaction);
//! // every OpenMLS call of one step takes `&provider`, our own rows go through `transaction`
//! transaction.commit()?; // on any error: drop it, and load the group again
//! # Ok(())
//! # }
//! ```

mod aead;
mod crypto;
mod hpke;
mod kdf;
mod kem;
mod signature;
mod signer;
mod storage;
#[cfg(feature = "weaken")]
mod witness;

pub use crypto::Crypto;
use openmls::prelude::KeyPackageBundle;
use openmls_sqlite_storage::Connection;
use openmls_traits::OpenMlsProvider;
use openmls_traits::types::Ciphersuite;
pub use signer::{DeviceSigner, SeedRefused};
pub use storage::{MessagePack, MessagePackError, MigrationFailed, Storage, StorageError, migrate};
#[cfg(feature = "weaken")]
pub use witness::{dangerously_witness, witnessed};

/// The product's only ciphersuite: X-Wing, AES-256-GCM, SHA-384 and Ed25519
/// (0x004E, draft-ietf-mls-pq-ciphersuites). The others exist for published test vectors.
pub const SUITE: Ciphersuite = Ciphersuite::MLS_128_MLKEM768X25519_AES256GCM_SHA384_Ed25519;

/// What every OpenMLS call wants: cryptography, randomness, and storage inside one transaction.
///
/// It borrows the connection, so it lives no longer than the transaction it writes to. OpenMLS
/// makes several writes for one step; only the caller's commit makes them one.
pub struct Provider<'c> {
    crypto: Crypto,
    storage: Storage<'c>,
    connection: &'c Connection,
}

impl<'c> Provider<'c> {
    /// Reads and writes through `connection`, which is usually `&transaction`.
    pub fn new(connection: &'c Connection) -> Self {
        Self {
            crypto: Crypto,
            storage: Storage::new(connection),
            connection,
        }
    }

    /// Every key package whose private half is here: OpenMLS finds one only by its hash.
    pub(crate) fn key_packages(&self) -> Result<Vec<KeyPackageBundle>, StorageError> {
        storage::key_packages(self.connection)
    }
}

impl<'c> OpenMlsProvider for Provider<'c> {
    type CryptoProvider = Crypto;
    type RandProvider = Crypto;
    type StorageProvider = Storage<'c>;

    fn storage(&self) -> &Self::StorageProvider {
        &self.storage
    }

    fn crypto(&self) -> &Self::CryptoProvider {
        &self.crypto
    }

    fn rand(&self) -> &Self::RandProvider {
        &self.crypto
    }
}

#[cfg(test)]
mod tests;
