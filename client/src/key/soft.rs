//! The software key: a CTAP 2.1 authenticator in a file, for tests, scripts and demonstrations.
//!
//! It stands in for hardware, so its file holds private keys in the clear. Mozilla's code drives it
//! byte for byte as it drives a USB key. Its attestation comes from a test authority whose private
//! key is public: servers refuse its model ([`super::SOFT_KEY_AAGUID`]).
//!
//! `device` carries the bytes, `ctap2` obeys them with the help of `pin`, `credential` and
//! `attestation`, and `store` keeps what a key keeps without power.

mod attestation;
mod cbor;
mod credential;
mod ctap2;
mod device;
mod pin;
mod store;

pub use attestation::{test_ca_der, test_ca_pem};

use super::{KeyError, ceremony::Driver};
use authenticator::authenticatorservice::AuthenticatorService;
use ring::digest::{SHA256, digest};
use std::{io, path::Path};
use store::{State, Verification};

/// The model that the attestation names.
pub const AAGUID: [u8; 16] = super::SOFT_KEY_AAGUID;

/// Makes a new key in a file that must not exist: with this PIN, or else one that verifies its user
/// by itself, as a fingerprint key does, and never asks.
///
/// # Errors
/// [`KeyError::File`] if the file exists or cannot be written, or if the PIN is not 4 to 63 bytes.
pub fn create(path: &Path, pin: Option<&str>) -> Result<(), KeyError> {
    let failed = |error| KeyError::File(path.to_owned(), error);
    let verification = match pin {
        None => Verification::BuiltIn,
        Some(pin) if (4..=63).contains(&pin.len()) => Verification::Pin {
            hash: pin_hash(pin),
            tries_left: store::PIN_TRIES,
        },
        Some(_) => {
            let reason = "a PIN has 4 to 63 bytes";
            return Err(failed(io::Error::new(io::ErrorKind::InvalidInput, reason)));
        }
    };
    store::create(path, &State::new(verification)).map_err(failed)
}

/// The names of the last commands that reached the key, oldest first, and `touch` for each finger on it.
///
/// # Errors
/// [`KeyError::File`] if the file cannot be read.
pub fn commands(path: &Path) -> Result<Vec<String>, KeyError> {
    store::read(path)
        .map(|state| state.commands)
        .map_err(|error| KeyError::File(path.to_owned(), error))
}

/// Plugs the key in `path` in. A missing file becomes a key that verifies its user by itself.
pub(super) fn open(path: &Path) -> Result<Driver, KeyError> {
    match create(path, None) {
        Err(KeyError::File(_, error)) if error.kind() == io::ErrorKind::AlreadyExists => {}
        other => other?,
    }
    let port = device::Port::open(path).map_err(|error| KeyError::File(path.to_owned(), error))?;
    let mut service =
        AuthenticatorService::new().map_err(|error| KeyError::Protocol(error.to_string()))?;
    service.add_transport(Box::new(port));
    Ok(Driver::new(
        service,
        |_| Ok(()),
        format!("software key {}", path.display()),
    ))
}

/// What a key keeps of its PIN: LEFT(SHA-256(PIN), 16) (CTAP 2.1 §6.5.5.5).
fn pin_hash(pin: &str) -> [u8; 16] {
    let mut left = [0; 16];
    left.iter_mut()
        .zip(digest(&SHA256, pin.as_bytes()).as_ref())
        .for_each(|(l, d)| *l = *d);
    left
}

/// Fills the key in `path` with credentials of other relying parties, but for one slot.
#[cfg(test)]
pub(super) fn fill_but_one(path: &Path) {
    store::update(path, |state| {
        let filler = |_| store::Credential {
            id: [0; 32],
            rp_id: "elsewhere".to_owned(),
            user_id: Vec::new(),
            private_key: [0; 32],
            random: None,
            resident: true,
            protection: 3,
        };
        state.credentials = (1..store::MAX_CREDENTIALS).map(filler).collect();
    })
    .unwrap();
}

/// A key whose PIN was never set, as it comes out of its box.
#[cfg(test)]
pub(super) fn create_without_pin(path: &Path) {
    store::create(path, &State::new(Verification::NoPin)).unwrap();
}
