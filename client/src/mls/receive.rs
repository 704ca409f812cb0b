//! Messages from others: each is opened, checked and merged in one transaction, or changes nothing.

use openmls::prelude::{
    ContentType, LeafNodeIndex, MlsGroup, MlsMessageIn, ProcessedMessageContent, Proposal, Sender,
    StagedCommit,
};
use tls_codec::DeserializeBytes as _;
use valise_proto::{
    codec,
    conversation::{AuthenticatedData, Conversation, LeafIdentity},
    id::{DeviceId, GroupId},
    letter::Letter,
    log::{Head, replay::Directory},
};

use super::{
    MlsError, library, load,
    members::{audit, identity, usable_leaf},
    peer,
    provider::Provider,
};
use crate::{
    trust::{Alarm, Gossip, compare},
    weaken::checked,
};

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

/// Opens one message of `group` and merges it if it is a commit.
pub(crate) fn receive(
    provider: &Provider<'_>,
    group: GroupId,
    directory: &Directory,
    record: &Conversation,
    bytes: &[u8],
) -> Result<Received, MlsError> {
    let mut group = load(provider, group)?;
    let message = MlsMessageIn::tls_deserialize_exact_bytes(bytes).map_err(peer)?;
    let message = message.try_into_protocol_message().map_err(peer)?;
    if message.is_external() && checked("G02") {
        return Err(peer("an external message"));
    }
    let message = group.process_message(provider, message).map_err(peer)?;
    let gossip: AuthenticatedData = codec::decode(message.aad()).map_err(peer)?;
    if gossip.version != 1 {
        return Err(peer("authenticated data of another version"));
    }
    if compare(directory, gossip.head)? == Gossip::Ahead {
        return Err(MlsError::Ahead(gossip.head));
    }
    let Sender::Member(index) = *message.sender() else {
        return Err(peer("a message from outside the group"));
    };
    let sender = sender(&group, index, directory, record)?;
    match message.into_content() {
        ProcessedMessageContent::ApplicationMessage(content) => {
            let letter = Letter::from_padded(&content.into_bytes()).map_err(peer)?;
            Ok(Received::Letter {
                sender,
                letter: Box::new(letter),
                head: gossip.head,
            })
        }
        ProcessedMessageContent::StagedCommitMessage(commit) => {
            merge(provider, &mut group, directory, record, &sender, *commit)
        }
        _ => Err(peer("neither a letter nor a commit")),
    }
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
    directory: &Directory,
    record: &Conversation,
    sender: &LeafIdentity,
    commit: StagedCommit,
) -> Result<Received, MlsError> {
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
                if directory.active_device(added.device).is_none() && checked("D01") {
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
