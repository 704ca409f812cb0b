//! The hardware key: make a credential, sign with it, and nothing else.
//!
//! Every kind of key is driven by the same code (`ceremony`), through Mozilla's `authenticator`:
//! over USB by its own HID transport (`usb`), and for tests and scripts by a CTAP2 authenticator
//! in a file (`soft`, only with the feature `soft-key`). The only commands ever sent are getInfo,
//! clientPIN, selection, makeCredential and getAssertion: nothing here can reset a key, set a PIN
//! or delete a credential.
//!
//! User verification (PIN or fingerprint) is always demanded: hmac-secret gives another secret
//! without it, and then the store does not open again (CTAP 2.1 §12.5).
//!
//! Credentials can be resident: then the key finds them by their relying party alone, which a
//! machine needs that has never seen their ids. Each takes one of the key's few slots.

mod ceremony;
#[cfg(feature = "soft-key")]
pub mod soft;
mod usb;

use std::{fmt, io, path::PathBuf, str::FromStr};
use zeroize::Zeroizing;

/// The model of the software key, as it stands in its attestation: a server must refuse it.
pub const SOFT_KEY_AAGUID: [u8; 16] = valise_proto::key::SOFT_KEY_MODEL;

/// Gets ready to use the key at `source`. Nothing is asked of the person yet.
///
/// # Errors
/// [`KeyError::File`] if the software key's file cannot be read or made; [`KeyError::Protocol`] if
/// the system has no way to reach USB keys.
pub fn open(source: &Source) -> Result<Box<dyn Key>, KeyError> {
    match source {
        Source::Usb => Ok(Box::new(usb::open()?)),
        #[cfg(feature = "soft-key")]
        Source::Soft(file) => Ok(Box::new(soft::open(file)?)),
    }
}

/// A key that can be asked. Each call is one ceremony: at most one PIN and one touch.
pub trait Key: Send {
    /// Makes an ES256 credential that works only with user verification (credProtect level 3).
    ///
    /// # Errors
    /// See [`KeyError`].
    fn make(
        &mut self,
        new: &NewCredential<'_>,
        prompt: &mut dyn Prompt,
    ) -> Result<MadeCredential, KeyError>;

    /// Signs with a credential, and evaluates hmac-secret on the way if a salt is given.
    ///
    /// # Errors
    /// See [`KeyError`]. [`KeyError::NotThisKey`] comes after the PIN, because credentials of level 3
    /// are hidden until then. [`Prompt::touch`] is not called for it if the key says so within 200 ms,
    /// as it should for an empty allow list (CTAP 2.1 §6.2.2).
    fn assert(
        &mut self,
        request: &AssertionRequest<'_>,
        prompt: &mut dyn Prompt,
    ) -> Result<Assertion, KeyError>;

    /// What to call this key in a sentence.
    fn describe(&self) -> String;
}

/// Talks to the person. The terminal implements it; this room never prints.
pub trait Prompt {
    /// "Touch your key to `purpose`": at most once per ceremony, as the key begins to blink.
    fn touch(&mut self, purpose: &str);

    /// Asks for the key's PIN. `tries_left` is known after a wrong one.
    ///
    /// # Errors
    /// Any error stops the ceremony. It is handed back to the caller as it is, except after a wrong
    /// PIN: then the caller gets [`KeyError::WrongPin`].
    fn pin(&mut self, tries_left: Option<u8>) -> Result<Zeroizing<String>, KeyError>;

    /// No key is plugged in yet. Said once, then up to 15 s are waited.
    fn insert(&mut self);
}

/// A credential to make.
pub struct NewCredential<'a> {
    /// The relying party: a server's host name, or `valise:<org tag>`, which no browser can use.
    pub rp_id: &'a str,
    /// Its name for people; some keys show it.
    pub rp_name: &'a str,
    /// The account, as opaque bytes (1 to 64).
    pub user_id: &'a [u8],
    /// Its name for people.
    pub user_name: &'a str,
    /// SHA-256 that the attestation signs.
    pub client_data_hash: [u8; 32],
    /// Whether the credential must be able to derive secrets.
    pub hmac_secret: bool,
    /// Whether the key must list the credential, so that it is found without its id (option `rk`).
    /// It takes the place of a resident one with the same `rp_id` and `user_id`, whose private key is
    /// then lost, unless that one is in `exclude` (CTAP 2.1 §6.1.2).
    pub resident: bool,
    /// Credentials of the same account: a key that holds one of them is refused.
    pub exclude: &'a [Vec<u8>],
    /// Ends the sentence "Touch your key to …".
    pub purpose: &'a str,
}

/// A credential that now exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadeCredential {
    /// Names the credential to this key.
    pub credential_id: Vec<u8>,
    /// P-256, uncompressed (SEC 1 §2.3.3).
    pub public_key: [u8; 65],
    /// The key's model.
    pub aaguid: [u8; 16],
    /// Canonical CBOR `{fmt, attStmt, authData}`, as WebAuthn transports it (§6.5.4).
    pub attestation_object: Vec<u8>,
}

/// A signature to make.
pub struct AssertionRequest<'a> {
    /// The relying party under which the credential was made.
    pub rp_id: &'a str,
    /// SHA-256 that is signed behind the authenticator data.
    pub client_data_hash: [u8; 32],
    /// Credentials to choose from, of all keys of the person. If empty, the newest resident one of
    /// the relying party signs.
    pub allow: &'a [Vec<u8>],
    /// Salt of hmac-secret: one touch gives signature and secret.
    pub salt: Option<[u8; 32]>,
    /// Ends the sentence "Touch your key to …".
    pub purpose: &'a str,
}

/// A signature by a key.
///
/// `authenticator` parses the authenticator data and writes it again. For a key that keeps CTAP's
/// canonical CBOR, as it must, these are the signed bytes; for any other the signature is invalid.
pub struct Assertion {
    /// Which credential signed.
    pub credential_id: Vec<u8>,
    /// The account: `user_id` of [`NewCredential`]. Keys tell it of resident credentials only, and
    /// nothing signs it.
    pub user_handle: Option<Vec<u8>>,
    /// The first part of what is signed (`WebAuthn` §6.1).
    pub authenticator_data: Vec<u8>,
    /// ECDSA P-256 with SHA-256 over `authenticator_data ‖ client_data_hash`, in DER.
    pub signature: Vec<u8>,
    /// hmac-secret of the salt, if one was asked for.
    pub secret: Option<Zeroizing<[u8; 32]>>,
}

impl fmt::Debug for Assertion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Assertion")
            .field("credential_id", &self.credential_id)
            .finish_non_exhaustive()
    }
}

/// Where the key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Any USB key that is plugged in.
    Usb,
    /// The software key in this file; it is made if it does not exist.
    #[cfg(feature = "soft-key")]
    Soft(PathBuf),
}

impl FromStr for Source {
    type Err = UnknownSource;

    fn from_str(text: &str) -> Result<Self, UnknownSource> {
        match text.split_once(':') {
            None if text == "usb" => Ok(Self::Usb),
            #[cfg(feature = "soft-key")]
            Some(("soft", file)) if !file.is_empty() => Ok(Self::Soft(file.into())),
            _ => Err(UnknownSource(text.to_owned())),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usb => f.write_str("usb"),
            #[cfg(feature = "soft-key")]
            Self::Soft(file) => write!(f, "soft:{}", file.display()),
        }
    }
}

/// A text that names no [`Source`].
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("‘{0}’ is not a place where a key can be; say ‘usb’")]
pub struct UnknownSource(String);

/// Why a ceremony failed. Each text says what to do next, if anything can be done.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The key holds a credential of the exclude list.
    #[error("this key is already enrolled")]
    AlreadyEnrolled,
    /// The person stopped the ceremony.
    #[error("cancelled")]
    Cancelled,
    /// The software key's file cannot be used.
    #[error("the software key {}: {}", .0.display(), .1)]
    File(PathBuf, io::Error),
    /// No slot for one more resident credential is left.
    #[error(
        "this key is full: delete a passkey that you no longer need with its maker's program, \
         or take another key"
    )]
    KeyFull,
    /// A key is plugged in, but this user may not talk to it.
    #[error(
        "a key is plugged in, but {} cannot be opened: install your system's udev rules for \
         FIDO keys (Debian: libfido2-1), then plug the key in again", .0.display()
    )]
    NoAccess(PathBuf),
    /// Nothing was plugged in within 15 s.
    #[error("no key is plugged in")]
    NoKey,
    /// The key has neither a PIN nor a fingerprint.
    #[error(
        "this key has no PIN: set one with its maker's program (or ‘fido2-token -S DEVICE’), \
         then try again"
    )]
    NoPinSet,
    /// The key lacks something that we need: CTAP2, user verification, ES256 or hmac-secret.
    #[error("this key cannot do what is needed: {0}")]
    NotSupported(&'static str),
    /// None of the allowed credentials is on this key; or none were named, and it has no resident
    /// one of this relying party.
    #[error("this is not one of your enrolled keys")]
    NotThisKey,
    /// Nobody touched the key in time.
    #[error("the key was not touched in time")]
    NotTouched,
    /// No tries are left, for ever.
    #[error(
        "the key's PIN is blocked: the key must be reset and enrolled anew, use your other key"
    )]
    PinBlocked,
    /// Three wrong PINs in a row: the key wants to be unplugged before the next try.
    #[error("three wrong PINs in a row: take the key out, plug it in again and try once more")]
    PinPaused,
    /// The key or the way to it misbehaved.
    #[error("the key answered in an unexpected way: {0}")]
    Protocol(String),
    /// The PIN was wrong and no other was given.
    #[error("wrong PIN{}", tries(*.tries_left))]
    WrongPin {
        /// How many tries the key still grants, if it said so.
        tries_left: Option<u8>,
    },
}

fn tries(left: Option<u8>) -> String {
    match left {
        None => String::new(),
        Some(1) => ": 1 try left".to_owned(),
        Some(left) => format!(": {left} tries left"),
    }
}
