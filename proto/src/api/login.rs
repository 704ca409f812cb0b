//! Logging in: one assertion of L, bound to the device that asks.

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use crate::{
    codec::{Bytes, Limited},
    id::{DeviceId, KeyId, Name, SessionId},
    label,
    statement::sha256,
};

/// The server's half of a challenge: single use, valid 60 s.
#[derive(Clone, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
pub struct Challenge {
    /// Random.
    pub nonce: [u8; 32],
}

impl Limited for Challenge {
    const MAX: usize = 32;
}

/// The WebAuthn challenge: both sides compute it, so an assertion is good for one device only.
pub fn challenge(nonce: [u8; 32], device: DeviceId, account: &Name) -> [u8; 32] {
    sha256(&[label::LOGIN, &nonce, &device.0, account.as_str().as_bytes()])
}

/// The assertion.
#[derive(Clone, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
pub struct Finish {
    /// Which challenge.
    pub nonce: [u8; 32],
    /// Who logs in.
    pub account: Name,
    /// With which credential.
    pub credential_id: Bytes<1023>,
    /// WebAuthn §6.1.
    pub authenticator_data: Bytes<512>,
    /// JSON: type `webauthn.get`, challenge, origin.
    pub client_data: Bytes<1024>,
    /// DER.
    pub signature: Bytes<72>,
}

impl Limited for Finish {
    const MAX: usize = 4096;
}

/// A login. Bound to the device key that signed the request.
#[derive(Clone, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
pub struct Session {
    /// Not a secret.
    pub id: SessionId,
    /// When it ends at the latest: milliseconds since 1970 UTC, the server's clock.
    pub ends_at_ms: u64,
    /// It ends after this long without use: milliseconds.
    pub idle_ms: u64,
}

impl Limited for Session {
    const MAX: usize = 32;
}

/// Keys that log in nowhere, because their signature counters went back: somebody may have copied them. The
/// newest first.
#[derive(Clone, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
pub struct Copied {
    /// At most 1,000.
    pub keys: Vec<CopiedKey>,
}

impl Limited for Copied {
    const MAX: usize = 64 * 1024;
}

/// One of them.
#[derive(Clone, Copy, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
pub struct CopiedKey {
    /// Which.
    pub key: KeyId,
    /// Since when: milliseconds since 1970 UTC, the server's clock.
    pub since_ms: u64,
}
