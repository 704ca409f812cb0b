//! The delivery service: it orders commits and letters of each group, and keeps ciphertext until
//! every device acknowledged it.
//!
//! Contract. (1) One gap-free sequence, from 1, and one current epoch per group. (2) A commit is
//! accepted iff its epoch is current, and makes the next epoch current; a letter iff its epoch is
//! current; else [`super::ErrorCode::Stale`]. (3) A commit and its Welcome are stored in one transaction, and
//! so are the letters of one request, in their order, up to the first that is refused. (4) The same
//! submission id again answers as the first time. (5) A device has one cursor per group and one mailbox
//! of Welcomes; what every device acknowledged is deleted.

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use crate::{
    codec::{Bytes, Limited, Run},
    id::{DeviceId, GroupId, SubmissionId},
};

/// Largest MLS message in bytes.
pub const MESSAGE_MAX: usize = 4 << 20;

/// A commit to one group. Epoch 0 of an unknown group creates the group, the caller its member.
#[derive(Clone, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
pub struct Commit {
    /// The write's id.
    pub id: SubmissionId,
    /// The group.
    pub group: GroupId,
    /// The epoch that this commit ends.
    pub epoch: u64,
    /// MLS `PrivateMessage`; empty when it creates the group (nobody else is there to read it).
    pub message: Bytes<MESSAGE_MAX>,
    /// Devices that are members from the next epoch on: at most 1,000.
    pub added: Vec<DeviceId>,
    /// Devices that are members no more.
    pub removed: Vec<DeviceId>,
    /// MLS Welcome for all of `added`; empty when there are none.
    pub welcome: Bytes<MESSAGE_MAX>,
}

impl Limited for Commit {
    const MAX: usize = super::BODY_MAX;
}

/// An encrypted letter.
#[derive(Clone, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
pub struct Letter {
    /// The write's id.
    pub id: SubmissionId,
    /// The group.
    pub group: GroupId,
    /// The epoch it is encrypted in.
    pub epoch: u64,
    /// MLS `PrivateMessage`.
    pub message: Bytes<MESSAGE_MAX>,
}

impl Limited for Letter {
    const MAX: usize = MESSAGE_MAX + 128;
}

/// Letters in one request at most.
pub const LETTERS_MAX: usize = 32;

/// Letters of one request: together no larger than one may be.
pub type Letters = Run<Letter, LETTERS_MAX>;

impl Limited for Letters {
    const MAX: usize = Letter::MAX;
}

/// What became of the letters of one request, from the first on. When there are fewer than letters, the
/// next one was refused, and none behind it was looked at; sent again, it says why. When the first one is
/// refused, the refusal is the answer.
pub type AcceptedLetters = Run<Accepted, LETTERS_MAX>;

impl Limited for AcceptedLetters {
    const MAX: usize = LETTERS_MAX * Accepted::MAX;
}

/// Stored, durably.
#[derive(Clone, Copy, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
pub struct Accepted {
    /// Its number in the group.
    pub sequence: u64,
}

impl Limited for Accepted {
    const MAX: usize = 8;
}

/// What a device has not acknowledged yet, oldest first, as much as fits 4 MiB (at least one).
#[derive(Clone, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
pub struct Page {
    /// The log's size: when it is more than the device's, the log is read first.
    pub log_size: u64,
    /// Welcomes, by number.
    pub welcomes: Vec<Welcome>,
    /// Messages; within a group by sequence, without gaps.
    pub messages: Vec<Message>,
    /// 1 when there is more after acknowledging these.
    pub more: u8,
    /// Fresh key packages that the server still has of this device.
    pub key_packages: u16,
}

impl Limited for Page {
    const MAX: usize = 2 * super::BODY_MAX;
}

/// An invitation into a group, in the device's mailbox.
#[derive(Clone, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
pub struct Welcome {
    /// Its number in this mailbox, from 1.
    pub number: u64,
    /// The group.
    pub group: GroupId,
    /// The sequence of the commit that added the device: its first message is the next.
    pub sequence: u64,
    /// MLS Welcome.
    pub message: Bytes<MESSAGE_MAX>,
}

/// One message of a group.
#[derive(Clone, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
pub struct Message {
    /// The group.
    pub group: GroupId,
    /// Its number in the group.
    pub sequence: u64,
    /// The write's id: how a device knows its own.
    pub id: SubmissionId,
    /// MLS `PrivateMessage`; empty for the device that sent it, which has it already.
    pub message: Bytes<MESSAGE_MAX>,
}

/// Everything up to here is durable on this device. Going back is ignored.
#[derive(Clone, Debug, Default, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
pub struct Ack {
    /// Last Welcome's number, 0 for none.
    pub welcomes: u64,
    /// Cursors of groups.
    pub groups: Vec<Cursor>,
}

impl Limited for Ack {
    const MAX: usize = 1 << 20;
}

/// The last message of one group that a device has.
#[derive(Clone, Copy, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
pub struct Cursor {
    /// The group.
    pub group: GroupId,
    /// The message's sequence.
    pub sequence: u64,
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::codec::{decode, encode};

    proptest! {
        #[test]
        fn a_commit_and_its_delivery_read_back(
            id: [u8; 16],
            group: [u8; 32],
            epoch: u64,
            message in vec(any::<u8>(), 0..300),
            added in vec(any::<[u8; 32]>(), 0..5),
            removed in vec(any::<[u8; 32]>(), 0..5),
        ) {
            let (id, group) = (SubmissionId(id), GroupId(group));
            let message: Bytes<MESSAGE_MAX> = message.try_into().unwrap();
            let commit = Commit {
                id,
                group,
                epoch,
                message: message.clone(),
                added: added.into_iter().map(DeviceId).collect(),
                removed: removed.into_iter().map(DeviceId).collect(),
                welcome: message.clone(),
            };
            prop_assert_eq!(decode(&encode(&commit)), Ok(commit));
            let letter = Letter { id, group, epoch, message: message.clone() };
            prop_assert_eq!(decode(&encode(&letter)), Ok(letter));
            let page = Page {
                log_size: epoch,
                welcomes: vec![Welcome { number: 1, group, sequence: epoch, message: message.clone() }],
                messages: vec![Message { group, sequence: epoch, id, message }],
                more: 0,
                key_packages: 7,
            };
            prop_assert_eq!(decode(&encode(&page)), Ok(page));
            let ack = Ack { welcomes: epoch, groups: vec![Cursor { group, sequence: epoch }] };
            prop_assert_eq!(decode(&encode(&ack)), Ok(ack));
        }
    }
}
