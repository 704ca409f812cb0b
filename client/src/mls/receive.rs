//! Messages from others: each is opened, checked and merged in one transaction, or changes nothing.

use openmls::prelude::{
    ContentType, LeafNodeIndex, MlsGroup, MlsMessageIn, ProcessMessageError,
    ProcessedMessageContent, Proposal, ProtocolMessage, Sender, StagedCommit,
};
use tls_codec::DeserializeBytes as _;
use valise_proto::{
    codec,
    conversation::{AuthenticatedData, Conversation, LeafIdentity},
    id::{DeviceId, GroupId, Hash},
    letter::Letter,
    log::{Head, replay::Directory},
};

use super::{
    Held, MlsError, library,
    members::{audit, identity, usable_leaf},
    peer, state,
};
use crate::{
    provider::Provider,
    store::{StoreError, Work},
    trust::{Alarm, Gossip, Ledger, compare},
    weaken::checked,
};

/// The end of the year 9999 UTC: no letter is from later. Milliseconds.
const DATE_MAX_MS: u64 = 253_402_300_799_999;

/// What a message was.
pub(crate) enum Received {
    /// A letter.
    Letter {
        /// Who wrote it, by the signature.
        sender: LeafIdentity,
        /// What it says.
        letter: Box<Letter>,
        /// The sender's view of the log.
        head: Head,
    },
    /// A commit, merged.
    Commit {
        /// Devices that it removed although they may still receive.
        removed: Vec<DeviceId>,
        /// This device is a member no more.
        left: bool,
    },
}

/// Whether a message says of itself that it is a commit: its content type is readable.
pub(crate) fn is_commit(bytes: &[u8]) -> bool {
    let message = MlsMessageIn::tls_deserialize_exact_bytes(bytes).ok();
    let message = message.and_then(|message| message.try_into_protocol_message().ok());
    message.is_some_and(|message| message.content_type() == ContentType::Commit)
}

/// A group as it is in the store, in this transaction. Good until the first error, and until a commit.
pub(crate) struct Receiver(MlsGroup);

impl Receiver {
    /// Reads the group, or takes the one that was held.
    pub(crate) fn open(
        held: Option<Held>,
        work: &Work<'_>,
        group: GroupId,
    ) -> Result<Self, MlsError> {
        Held::or_load(held, work, group).map(Self)
    }

    /// For the next message, once `work` is committed.
    pub(crate) fn hold(self, work: &Work<'_>, group: GroupId) -> Result<Held, StoreError> {
        Held::after(work, group, self.0)
    }

    /// Opens one message and merges it if it is a commit; gives the group back after a letter.
    pub(crate) fn receive(
        self,
        provider: &Provider<'_>,
        ledger: &Ledger,
        record: &Conversation,
        bytes: &[u8],
    ) -> Result<(Received, Option<Self>), MlsError> {
        let Self(mut group) = self;
        let received = receive(provider, &mut group, ledger, record, bytes)?;
        let still = matches!(received, Received::Letter { .. });
        Ok((received, still.then_some(Self(group))))
    }
}

fn receive(
    provider: &Provider<'_>,
    group: &mut MlsGroup,
    ledger: &Ledger,
    record: &Conversation,
    bytes: &[u8],
) -> Result<Received, MlsError> {
    let directory = ledger.directory();
    let message = MlsMessageIn::tls_deserialize_exact_bytes(bytes).map_err(peer)?;
    let message = message.try_into_protocol_message().map_err(peer)?;
    // Whoever comes from outside is let in by nobody (G02), nor in another's place (G03).
    if message.is_external() {
        #[cfg(feature = "weaken")]
        if !["G02", "G03"].into_iter().all(checked) {
            return dangerously_let_in(provider, group, ledger, record, message);
        }
        return Err(peer("an external message"));
    }
    if message.epoch() > group.epoch() {
        return Err(MlsError::LostCommit);
    }
    let forked = message.epoch() == group.epoch() && from_another_half(group, &message);
    let message = group
        .process_message(provider, message)
        .map_err(|error| match error {
            ProcessMessageError::StorageError(error) => MlsError::Store(error.into()),
            _ if forked => split(record),
            other => peer(other),
        })?;
    let Sender::Member(index) = *message.sender() else {
        return Err(peer("a message from outside the group"));
    };
    let authenticated = message.aad().to_vec();
    match message.into_content() {
        ProcessedMessageContent::ApplicationMessage(content) => {
            let head = gossip(group, ledger, &authenticated)?;
            let sender = sender(group, index, directory, record)?;
            let letter = sound(Letter::from_padded(&content.into_bytes()).map_err(peer)?)?;
            Ok(Received::Letter {
                sender,
                letter: Box::new(letter),
                head,
            })
        }
        ProcessedMessageContent::StagedCommitMessage(commit) => {
            let head = gossip(group, ledger, &authenticated)?;
            let room = Room {
                directory,
                record,
                sender: sender(group, index, directory, record)?,
                head,
            };
            merge(provider, group, &room, *commit)
        }
        // Its authenticated data is nobody's word: the signature was not checked.
        _ => Err(peer("neither a letter nor a commit")),
    }
}

/// What a client does that honours external commits, and still looks who it is.
#[cfg(feature = "weaken")]
fn dangerously_let_in(
    provider: &Provider<'_>,
    group: &mut MlsGroup,
    ledger: &Ledger,
    record: &Conversation,
    message: ProtocolMessage,
) -> Result<Received, MlsError> {
    let message = group.process_message(provider, message).map_err(peer)?;
    word(ledger, message.aad())?;
    let directory = ledger.directory();
    let ProcessedMessageContent::StagedCommitMessage(commit) = message.into_content() else {
        return Err(peer("a proposal from outside"));
    };
    let leaf = commit.update_path_leaf_node();
    let leaf = leaf.ok_or_else(|| peer("a commit without a leaf"))?;
    let key = leaf.signature_key().as_slice();
    let joiner = identity(directory, record, leaf.credential(), key)?;
    usable_leaf(leaf, &joiner)?;
    group
        .merge_staged_commit(provider, *commit)
        .map_err(library)?;
    audit(group.members(), directory, record)?;
    let (removed, left) = (Vec::new(), false);
    Ok(Received::Commit { removed, left })
}

/// Whether a message of this epoch names another past of the group than this device knows. The word
/// has no weight once the message opens: then both have the same past.
fn from_another_half(group: &MlsGroup, message: &ProtocolMessage) -> bool {
    let ProtocolMessage::PrivateMessage(message) = message else {
        return false;
    };
    let said = codec::decode::<AuthenticatedData>(message.aad());
    said.is_ok_and(|said| said.state != state(group)) && checked("G06")
}

fn split(record: &Conversation) -> MlsError {
    let people = record.accounts.clone();
    Alarm::GroupFork { people }.into()
}

/// The sender's view of the log, which must not contradict ours, nor what they say of the group.
fn gossip(group: &MlsGroup, ledger: &Ledger, authenticated: &[u8]) -> Result<Head, MlsError> {
    let (head, said) = word(ledger, authenticated)?;
    if said != state(group) {
        return Err(peer("a false word about the group"));
    }
    Ok(head)
}

/// What a sender says of the log, compared with ours, and of the group.
fn word(ledger: &Ledger, authenticated: &[u8]) -> Result<(Head, Hash), MlsError> {
    let gossip: AuthenticatedData = codec::decode(authenticated).map_err(peer)?;
    if gossip.version != AuthenticatedData::VERSION {
        return Err(peer("authenticated data of another version"));
    }
    match compare(ledger, gossip.log)? {
        Gossip::Agrees => Ok((gossip.log.head, gossip.state)),
        Gossip::Ahead => Err(MlsError::Ahead(gossip.log)),
        Gossip::Unsigned => Err(peer("a view of the log that the server never signed")),
    }
}

/// A letter whose numbers and subject are such as a client writes.
fn sound(letter: Letter) -> Result<Letter, MlsError> {
    let counted = (1..=u64::from(u32::MAX)).contains(&letter.sequence);
    let dated = letter.date <= DATE_MAX_MS;
    let one_line = !letter.subject.as_str().contains(['\n', '\r']);
    if counted && dated && one_line {
        Ok(letter)
    } else {
        Err(peer("a letter that no client writes"))
    }
}

/// What a commit is judged by.
struct Room<'a> {
    directory: &'a Directory,
    record: &'a Conversation,
    /// Who made the commit.
    sender: LeafIdentity,
    /// How much of the log they had seen.
    head: Head,
}

fn sender(
    group: &MlsGroup,
    index: LeafNodeIndex,
    directory: &Directory,
    record: &Conversation,
) -> Result<LeafIdentity, MlsError> {
    let member = group
        .member_at(index)
        .ok_or_else(|| peer("a sender who is no member"))?;
    Ok(identity(
        directory,
        record,
        &member.credential,
        &member.signature_key,
    )?)
}

fn merge(
    provider: &Provider<'_>,
    group: &mut MlsGroup,
    room: &Room<'_>,
    commit: StagedCommit,
) -> Result<Received, MlsError> {
    let Room {
        directory,
        record,
        sender,
        head,
    } = room;
    let mut removed = Vec::new();
    for proposal in commit.queued_proposals() {
        match proposal.proposal() {
            Proposal::Add(add) => {
                let leaf = add.key_package().leaf_node();
                let added = identity(
                    directory,
                    record,
                    leaf.credential(),
                    leaf.signature_key().as_slice(),
                )?;
                usable_leaf(leaf, &added)?;
                // A device revoked since is taken out again before the next letter goes.
                if directory.revoked_by(added.device, head.size) && checked("D01") {
                    return Err(Alarm::UnauthorisedMember {
                        account: added.account,
                    }
                    .into());
                }
            }
            Proposal::Remove(remove) => {
                let member = group.member_at(remove.removed());
                let device = member.and_then(|m| DeviceId::try_from(&*m.signature_key).ok());
                removed.extend(device.filter(|id| directory.active_device(*id).is_some()));
            }
            _ => return Err(peer("a commit that changes more than who is in the group")),
        }
    }
    if let Some(leaf) = commit.update_path_leaf_node() {
        let updated = identity(
            directory,
            record,
            leaf.credential(),
            leaf.signature_key().as_slice(),
        )?;
        usable_leaf(leaf, &updated)?;
        if updated != *sender {
            return Err(Alarm::SwappedKey {
                account: sender.account.clone(),
            }
            .into());
        }
    }
    let left = commit.self_removed();
    group
        .merge_staged_commit(provider, commit)
        .map_err(library)?;
    audit(group.members(), directory, record)?;
    Ok(Received::Commit { removed, left })
}
