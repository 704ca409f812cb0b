//! The organisation's rules.

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use crate::codec::{Bytes, Text};

/// `policy.set`
#[derive(Clone, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
pub struct PolicySet {
    /// All rules, the ones that stay too.
    pub policy: Policy,
}

/// The organisation's rules. They stand in the log, so that nothing can loosen them unseen.
#[derive(Clone, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
pub struct Policy {
    /// The MLS ciphersuite of every group: 0x004E, for ever.
    pub suite: u16,
    /// Which hardware keys may be enrolled, by their makers' authorities. Empty: any hardware key
    /// that is not a synced credential and not the software key.
    pub attestation: Vec<AttestationAuthority>,
    /// Largest padded letter in bytes.
    pub letter_bytes_max: u32,
    /// A login ends after this long: milliseconds (NIST SP 800-63B AAL3: 12 h).
    pub session_ms: u64,
    /// A login ends after this long without use: milliseconds (AAL3: 15 min).
    pub session_idle_ms: u64,
    /// The server drops undelivered ciphertext after this long: milliseconds.
    pub retention_ms: u64,
    /// Clients drop letters after this long: milliseconds; 0: never.
    pub client_retention_ms: u64,
    /// How long a recovery waits for objections: milliseconds.
    pub recovery_ms: u64,
    /// Who watches the log and signs its heads beside the server, each name and key once.
    pub witnesses: Vec<Witness>,
    /// How many of them must have signed a head: more than half, or 0 without witnesses (D19).
    pub witness_quorum: u8,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            suite: 0x004E,
            attestation: Vec::new(),
            letter_bytes_max: 1 << 20,
            session_ms: 12 * 3_600_000,
            session_idle_ms: 15 * 60_000,
            retention_ms: 30 * 86_400_000,
            client_retention_ms: 0,
            recovery_ms: 24 * 3_600_000,
            witnesses: Vec::new(),
            witness_quorum: 0,
        }
    }
}

/// Somebody who signs heads of the log that extend every head he signed before.
#[derive(Clone, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
pub struct Witness {
    /// As its signature lines name it.
    pub name: Text<64>,
    /// Its Ed25519 key.
    pub key: [u8; 32],
}

/// One maker's attestation authority.
#[derive(Clone, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
pub struct AttestationAuthority {
    /// Its certificate, DER.
    pub certificate: Bytes<2048>,
    /// Models (AAGUIDs) that are allowed under it, sorted.
    pub models: Vec<[u8; 16]>,
}
