//! Key packages (RFC 9420 §10): how somebody is added while offline. Opaque to the server.

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use crate::{
    codec::{Bytes, Limited},
    id::{DeviceId, Hash},
};

/// How long a package may be used, in seconds: 30 days, as long as the server keeps a letter. Whoever
/// is away for longer has to come back before somebody new can write to them (G13).
pub const LIFETIME_S: u64 = 30 * 86_400;

/// Fresh key packages of the calling device. A package that is known already is kept once.
#[derive(Clone, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
pub struct Publish {
    /// Each handed out once: at most 100.
    pub once: Vec<Bytes<8192>>,
    /// Handed out, again and again, when the others are used up; replaces the earlier one.
    pub last_resort: Option<Bytes<8192>>,
}

impl Limited for Publish {
    const MAX: usize = 1 << 20;
}

/// One key package for each of these devices, please.
#[derive(Clone, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
pub struct Claim {
    /// At most 1,000.
    pub devices: Vec<DeviceId>,
}

impl Limited for Claim {
    const MAX: usize = 33 * 1024;
}

/// In the order of the claim; a device that has published none is left out.
#[derive(Clone, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
pub struct Claimed {
    /// One a device.
    pub packages: Vec<ClaimedPackage>,
}

impl Limited for Claimed {
    const MAX: usize = 8 << 20;
}

/// One device's key package: to be checked against the directory before use (D03).
#[derive(Clone, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
pub struct ClaimedPackage {
    /// Whose.
    pub device: DeviceId,
    /// The package.
    pub package: Bytes<8192>,
    /// True when others may hold the same one.
    pub last_resort: u8,
}

/// SHA-256 of a package: under which the server keeps it.
pub fn package_hash(package: &[u8]) -> Hash {
    Hash(crate::statement::sha256(&[package]))
}
