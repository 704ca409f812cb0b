//! Facts about one person, or about several at once: names and keys.

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use crate::{
    id::{KeyId, Name},
    key::KeyRecord,
};

/// `account.add`
#[derive(Clone, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
pub struct AccountAdd {
    /// The name, never used before.
    pub account: Name,
    /// The first key. A key belongs to one account for ever.
    pub key: KeyRecord,
}

/// `batch`: many enrolments under one touch, all of them or none.
#[derive(Clone, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
pub struct Batch {
    /// 1 to 256, sorted by name, each name once. After it, each of them has had one entry.
    pub accounts: Vec<AccountAdd>,
}

/// `account.suspend`
#[derive(Clone, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
pub struct AccountSuspend {
    /// Who.
    pub account: Name,
}

/// `account.restore`: the suspension is over. Its keys and devices are what they were.
#[derive(Clone, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
pub struct AccountRestore {
    /// Who.
    pub account: Name,
}

/// `key.add`
#[derive(Clone, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
pub struct KeyAdd {
    /// Whose key.
    pub account: Name,
    /// The key.
    pub key: KeyRecord,
}

/// `key.revoke`
#[derive(Clone, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
pub struct KeyRevoke {
    /// Whose key.
    pub account: Name,
    /// Which one. A revoked key never comes back. The devices that it certified stay.
    pub key: KeyId,
}
