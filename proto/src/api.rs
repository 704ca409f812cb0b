//! What client and server say to each other: paths, and one body type each way.
//!
//! Bodies are the canonical encoding of [`crate::codec`], `Content-Type: application/octet-stream`.
//! Three kinds of caller: anybody; a device (the request is signed by a device key, session `-`);
//! a session (signed by the device key that the session is bound to). Every write carries a
//! client-chosen id or is naturally idempotent: sent twice, it happens once and answers the same.

pub mod attachment;
pub mod delivery;
pub mod directory;
pub mod enrolment;
pub mod key_package;
pub mod login;
pub mod proposal;

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use crate::codec::{Limited, Text};

/// `GET`, anybody: the genesis entry, raw. Its hash is the organisation's id.
pub const GENESIS: &str = "/v1/genesis";
/// `POST`, anybody: [`enrolment::Challenge`]. `GET`, an admin's session: [`enrolment::Pending`].
pub const ENROLMENTS: &str = "/v1/enrolments";
/// `PUT`, a device: [`enrolment::Ask`] to nothing. `GET`, the same device: [`enrolment::Status`].
/// `DELETE`, an admin's session: refuses it.
pub const ENROLMENT: &str = "/v1/enrolments/{id}";
/// `POST`, anybody: [`login::Challenge`].
pub const LOGIN: &str = "/v1/login";
/// `POST`, a device: [`login::Finish`] to [`login::Session`]. `DELETE`, a session: ends it.
pub const SESSION: &str = "/v1/session";
/// `GET`, an admin's session: [`login::Copied`].
pub const COPIED_KEYS: &str = "/v1/keys/copied";
/// `GET`, a session, query `from=N&old=M`: [`directory::Page`]. `POST`, a session: an entry, raw, to
/// [`directory::Appended`].
pub const LOG: &str = "/v1/log";
/// `GET`, an admin's session: [`proposal::Open`].
pub const PROPOSALS: &str = "/v1/proposals";
/// `PUT`, an admin's session: [`proposal::Propose`] to nothing; each admin's adds his signature.
/// `DELETE`, an admin's session: it waits no longer.
pub const PROPOSAL: &str = "/v1/proposals/{id}";
/// `POST`, a certified device's session: [`key_package::Publish`] to nothing.
pub const KEY_PACKAGES: &str = "/v1/key-packages";
/// `POST`, a certified device's session: [`key_package::Claim`] to [`key_package::Claimed`].
pub const KEY_PACKAGE_CLAIMS: &str = "/v1/key-packages/claims";
/// `POST`, a certified device's session: [`delivery::Commit`] to [`delivery::Accepted`].
pub const COMMITS: &str = "/v1/commits";
/// `POST`, a certified device's session: [`delivery::Letters`] to [`delivery::AcceptedLetters`].
pub const LETTERS: &str = "/v1/letters";
/// `GET`, a certified device's session: [`delivery::Page`].
pub const SYNC: &str = "/v1/sync";
/// `POST`, a certified device's session: [`delivery::Ack`] to nothing. `GET`, the same: [`delivery::Ack`],
/// what this device has acknowledged in its groups.
pub const ACKS: &str = "/v1/acks";
/// `GET`, a certified device's session: WebSocket upgrade. The server sends [`delivery::Page`] frames
/// whenever there is something, one at once; the client sends [`delivery::Ack`] frames.
pub const PUSH: &str = "/v1/push";
/// `PUT`, a certified device's session: [`attachment::Begin`] to [`attachment::Stored`]. `POST`, the same
/// device, query `at=N`: bytes, raw, to [`attachment::Stored`]. `GET`, a certified device's session, query
/// `at=N&length=M`: bytes, raw.
pub const ATTACHMENT: &str = "/v1/attachments/{id}";

/// Largest request or answer body in bytes.
pub const BODY_MAX: usize = 8 << 20;

/// The body of every answer that is not 2xx.
#[derive(Clone, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
pub struct Problem {
    /// The contract.
    pub code: ErrorCode,
    /// For people: untrusted text.
    pub detail: Text<300>,
}

impl Limited for Problem {
    const MAX: usize = 512;
}

/// What went wrong, as clients act on it. The HTTP status is [`ErrorCode::status`].
#[derive(Clone, Copy, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
#[repr(u8)]
pub enum ErrorCode {
    /// The request is not well-formed.
    Malformed = 0,
    /// No valid signature or session: log in again.
    Unauthenticated = 1,
    /// Signed too long ago or too far ahead: the clocks differ.
    Clock = 2,
    /// The caller may not do this.
    Forbidden = 3,
    /// The device is revoked, or its account suspended.
    Revoked = 4,
    /// There is no such thing, or not for this caller.
    NotFound = 5,
    /// Not for the group's current epoch: fetch, process, encrypt again.
    Stale = 6,
    /// The same id was used for something else.
    Conflict = 7,
    /// Larger than the policy allows.
    TooLarge = 8,
    /// Too often: wait.
    TooMany = 9,
    /// The directory log refuses the entry; the detail says why.
    Refused = 10,
    /// The server's fault; the detail is an incident number.
    Internal = 11,
    /// The server is stopping or overloaded: try again.
    Unavailable = 12,
    /// The key's counter went back: somebody may have a copy, and it logs in nowhere any more (L08).
    KeyCopied = 13,
    /// There is no room for it: on the server's disk, or in what an account may have there.
    Full = 14,
}

impl ErrorCode {
    /// The HTTP status.
    pub fn status(self) -> u16 {
        match self {
            Self::Malformed => 400,
            Self::Unauthenticated | Self::Clock => 401,
            Self::Forbidden | Self::Revoked | Self::KeyCopied => 403,
            Self::NotFound => 404,
            Self::Stale | Self::Conflict => 409,
            Self::TooLarge => 413,
            Self::Refused => 422,
            Self::TooMany => 429,
            Self::Internal => 500,
            Self::Unavailable => 503,
            Self::Full => 507,
        }
    }
}
