//! Facts about a person who has lost every key: admins give a new one, after a wait (E07).

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use crate::{id::Name, key::KeyRecord};

/// `recovery.begin`: from now on anybody concerned has [`super::Policy::recovery_ms`] to object.
#[derive(Clone, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
pub struct RecoveryBegin {
    /// Whose account. It has one recovery at a time.
    pub account: Name,
    /// The key that it shall have.
    pub key: KeyRecord,
}

/// `recovery.veto`: it ends here.
#[derive(Clone, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
pub struct RecoveryVeto {
    /// Whose account.
    pub account: Name,
    /// Index of the `recovery.begin` entry.
    pub begun: u64,
}

/// `recovery.finish`: the new key is the account's only one. Every older key and every device of
/// the account is revoked.
#[derive(Clone, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
pub struct RecoveryFinish {
    /// Whose account.
    pub account: Name,
    /// Index of the `recovery.begin` entry.
    pub begun: u64,
}
