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
    log::checkpoint::SignedHead,
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

    /// The nonce of a conversation that takes the place of `ended`: one half says so, `random` is the other.
    pub fn nonce_after(ended: GroupId, random: [u8; 8]) -> [u8; 16] {
        let mut nonce = [0; 16];
        let (says, rest) = nonce.split_at_mut(8);
        says.copy_from_slice(&Self::mark(ended));
        rest.copy_from_slice(&random);
        nonce
    }

    /// How a conversation names `ended` as the one whose place it takes.
    pub fn mark(ended: GroupId) -> [u8; 8] {
        first_half(&sha256(&[label::SUCCESSOR, &ended.0]))
    }

    /// The [`Conversation::mark`] of the one whose place it takes, if it takes any.
    pub fn place_of(&self) -> [u8; 8] {
        first_half(&self.nonce)
    }
}

/// The half of a nonce that says whose place it takes.
fn first_half(bytes: &[u8]) -> [u8; 8] {
    // Both callers have more.
    bytes.first_chunk().copied().unwrap_or_default()
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

/// The authenticated data of every MLS message (gossip): it can be read even of a message that does
/// not open.
///
/// The sender's view of the log stands under the server's signature: a receiver whose own log
/// disagrees has proof that the server lies; without the signature it is the sender who does. The
/// state of the group has no signature but the message's own: one that does not open and names
/// another state than the receiver's comes from another half of a split group (G06), or is a lie.
#[derive(Clone, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
pub struct AuthenticatedData {
    /// Version of this structure: [`AuthenticatedData::VERSION`].
    pub version: u8,
    /// Size and root of the sender's log, as the server signed them.
    pub log: SignedHead,
    /// The group in the message's epoch: see [`AuthenticatedData::state_of`].
    pub state: Hash,
}

impl AuthenticatedData {
    /// The one version that there is.
    pub const VERSION: u8 = 3;

    /// What a message says of its group: the hash of the epoch's `epoch_authenticator` (RFC 9420
    /// §8.7), which depends on all that ever happened in the group, and which only members know.
    pub fn state_of(epoch_authenticator: &[u8]) -> Hash {
        Hash(sha256(&[label::GROUP_STATE, epoch_authenticator]))
    }
}

impl Limited for AuthenticatedData {
    const MAX: usize = 137;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{codec::decode, log::Head};

    const ORG: OrgId = OrgId([1; 32]);

    fn conversation(creator: &str, accounts: &[&str]) -> Conversation {
        Conversation {
            nonce: [9; 16],
            creator: creator.parse().unwrap(),
            accounts: accounts.iter().map(|name| name.parse().unwrap()).collect(),
        }
    }

    #[test]
    fn g10_a_successor_names_the_one_conversation_that_it_follows() {
        let (ended, other) = (GroupId([1; 32]), GroupId([2; 32]));
        let mut next = conversation("bob", &["alice", "bob"]);
        assert_ne!(next.place_of(), Conversation::mark(ended));
        next.nonce = Conversation::nonce_after(ended, [7; 8]);
        assert_eq!(next.place_of(), Conversation::mark(ended));
        assert_ne!(next.place_of(), Conversation::mark(other));
        let id = next.group_id(ORG);
        next.nonce = Conversation::nonce_after(ended, [8; 8]);
        assert_eq!(next.place_of(), Conversation::mark(ended));
        assert_ne!(next.group_id(ORG), id);
    }

    #[test]
    fn g04_a_group_id_is_the_hash_of_all_that_a_conversation_is() {
        let good = conversation("alice", &["alice", "bob"]);
        let id = good.group_id(ORG).unwrap();
        let mut another = good.clone();
        another.nonce[0] ^= 1;
        assert_ne!(another.group_id(ORG), Some(id));
        for (creator, accounts) in [
            ("bob", &["alice", "bob"][..]),
            ("alice", &["alice", "bob", "carol"]),
            ("alice", &["alice"]),
        ] {
            let other = conversation(creator, accounts).group_id(ORG);
            assert!(other.is_some_and(|other| other != id), "{accounts:?}");
        }
        assert_ne!(good.group_id(OrgId([2; 32])), Some(id));
    }

    #[test]
    fn g04_a_conversation_that_breaks_its_rules_has_no_id() {
        for (creator, accounts) in [
            ("alice", &["bob", "alice"][..]),
            ("alice", &["alice", "alice", "bob"]),
            ("carol", &["alice", "bob"]),
            ("alice", &[]),
        ] {
            let broken = conversation(creator, accounts);
            assert_eq!(broken.group_id(ORG), None, "{creator} {accounts:?}");
        }
        let crowd: Vec<String> = (0..1001).map(|number| format!("a{number:04}")).collect();
        let crowd: Vec<&str> = crowd.iter().map(String::as_str).collect();
        assert!(
            conversation("a0000", &crowd[..1000])
                .group_id(ORG)
                .is_some()
        );
        assert_eq!(conversation("a0000", &crowd).group_id(ORG), None);
    }

    #[test]
    fn the_largest_of_each_fits_its_limit() {
        let long = |number: usize| format!("a{number:031}");
        let crowd: Vec<String> = (0..1000).map(long).collect();
        let crowd: Vec<&str> = crowd.iter().map(String::as_str).collect();
        let largest = conversation(&long(0), &crowd);
        assert_eq!(decode(&encode(&largest)), Ok(largest));
        let leaf = LeafIdentity {
            account: long(0).parse().unwrap(),
            device: DeviceId([1; 32]),
            index: u64::MAX,
            certificate: Hash([2; 32]),
        };
        assert_eq!(decode(&encode(&leaf)), Ok(leaf));
        let data = AuthenticatedData {
            version: AuthenticatedData::VERSION,
            log: SignedHead {
                head: Head {
                    size: u64::MAX,
                    root: Hash([3; 32]),
                },
                signature: [4; 64],
            },
            state: Hash([5; 32]),
        };
        assert_eq!(encode(&data).len(), AuthenticatedData::MAX);
        assert_eq!(decode(&encode(&data)), Ok(data));
    }
}
