//! Facts about the organisation as a whole: its founding, its admins, its lists.

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use super::Policy;
use crate::{
    codec::Text,
    id::{Name, OrgTag},
    key::KeyRecord,
};

/// The founding of an organisation. It names no person, so that it can be shown to anybody (D18):
/// each founding key gets its name by an [`super::AccountAdd`] that it signs itself, and is an admin's.
#[derive(Clone, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
pub struct Genesis {
    /// Names the relying party of S credentials.
    pub tag: OrgTag,
    /// The organisation's name, for people.
    pub organisation: Text<64>,
    /// Where the server is: `https://host[:port]`, nothing after it.
    pub url: Text<256>,
    /// The founding admins' keys: 1 to 4.
    pub founders: Vec<KeyRecord>,
    /// The rules everybody follows.
    pub policy: Policy,
}

/// `admin.add`
#[derive(Clone, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
pub struct AdminAdd {
    /// Who.
    pub account: Name,
}

/// `admin.remove`: the person stays, the role goes.
#[derive(Clone, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
pub struct AdminRemove {
    /// Who.
    pub account: Name,
}

/// `threshold.set`
#[derive(Clone, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
pub struct ThresholdSet {
    /// How many admins must sign what needs the threshold: 1 to as many as there are.
    pub threshold: u8,
}

/// `list.set`: who gets the letters to a list, from now on.
#[derive(Clone, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
pub struct ListSet {
    /// The list. Lists and accounts share their names: one is never the other, nor ever becomes it.
    pub list: Name,
    /// Accounts, sorted, each once, at most 1,000. None: the list is closed, its name stays taken.
    pub members: Vec<Name>,
}
