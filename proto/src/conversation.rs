//! A conversation: the exact set of accounts that a letter goes to, as one MLS group.
//!
//! The group's id is the hash of this record, and the record stands in the MLS group context, so a
//! group is what it says it is: nobody can pass one conversation off as another (G04), and no
//! account outside the set is ever a member (G01).

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use crate::{
    codec::{Limited, encode},
    id::{DeviceId, GroupId, Hash, Name, OrgId},
    label,
    log::Head,
    statement::sha256,
};

/// What a group is for.
#[derive(Clone, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
pub struct Conversation {
    /// Makes two groups of the same people different.
    pub nonce: [u8; 16],
    /// Who started it.
    pub creator: Name,
    /// Everybody in it, the creator included: sorted, each once.
    pub accounts: Vec<Name>,
}

impl Limited for Conversation {
    const MAX: usize = 64 * 1024;
}

impl Conversation {
    /// Most accounts in one conversation.
    pub const ACCOUNTS_MAX: usize = 1000;

    /// The group's id; `None` when the record breaks its own rules (unsorted, doubled, too many,
    /// or a creator who is not in it).
    pub fn group_id(&self, org: OrgId) -> Option<GroupId> {
        let sorted = self.accounts.is_sorted_by(|left, right| left < right);
        let sound = sorted
            && self.accounts.len() <= Self::ACCOUNTS_MAX
            && self.accounts.binary_search(&self.creator).is_ok();
        sound.then(|| GroupId(sha256(&[label::CONVERSATION, &org.0, &encode(self)])))
    }
}

/// The identity in an MLS leaf. Small, because every tree repeats it; the certificate is in the log.
#[derive(Clone, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
pub struct LeafIdentity {
    /// Whose device.
    pub account: Name,
    /// Which device: must equal the leaf's signature key.
    pub device: DeviceId,
    /// Index of its `device.add` entry in the log.
    pub index: u64,
    /// Leaf hash of that entry.
    pub certificate: Hash,
}

impl Limited for LeafIdentity {
    const MAX: usize = 128;
}

/// The authenticated data of every MLS message: the sender's view of the log (gossip). A receiver
/// whose own log disagrees has proof that the server lies.
#[derive(Clone, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
pub struct AuthenticatedData {
    /// Version of this structure: 1.
    pub version: u8,
    /// Size and root of the sender's log.
    pub head: Head,
}

impl Limited for AuthenticatedData {
    const MAX: usize = 41;
}
