//! Invitations into groups.

use openmls::prelude::{Extension, GroupContext, MlsMessageBodyIn, MlsMessageIn, StagedWelcome};
use tls_codec::DeserializeBytes as _;
use valise_proto::{
    codec,
    conversation::{Conversation, LeafIdentity},
    id::{GroupId, Name, OrgId},
    log::replay::Directory,
};

use super::{
    CONVERSATION, MlsError, join_config, library, load,
    members::{audit, identity},
    peer,
};
use crate::{
    provider::{Provider, SUITE},
    trust::Alarm,
    weaken::checked,
};

/// Joins the group that a Welcome leads into, if it is what it says it is: the id is the hash of
/// its own record (G04), the inviter and every leaf are certified devices of its accounts (D01,
/// G05), and this account is one of them. `present` is the group when this device is in it already:
/// then only a later epoch of it is an invitation.
pub(crate) fn join(
    provider: &Provider<'_>,
    org: OrgId,
    directory: &Directory,
    account: &Name,
    present: Option<GroupId>,
    bytes: &[u8],
) -> Result<(GroupId, Conversation, LeafIdentity), MlsError> {
    let epoch = match present.map(|group| load(provider, group)) {
        Some(Ok(group)) => Some(group.epoch()),
        Some(Err(MlsError::NoGroup)) | None => None,
        Some(Err(error)) => return Err(error),
    };
    let message = MlsMessageIn::tls_deserialize_exact_bytes(bytes).map_err(peer)?;
    let MlsMessageBodyIn::Welcome(welcome) = message.extract() else {
        return Err(peer("an invitation that is none"));
    };
    // Lifetimes of leaves are not ours to judge: the directory says who is real.
    let staged = StagedWelcome::build_from_welcome(provider, &join_config(), welcome)
        .map_err(peer)?
        .replace_old_group()
        .skip_lifetime_validation()
        .build()
        .map_err(peer)?;
    let (group, record) = purpose(staged.group_context(), org)?;
    let inviter = staged.welcome_sender().map_err(peer)?;
    let inviter = identity(
        directory,
        &record,
        inviter.credential(),
        inviter.signature_key().as_slice(),
    )?;
    // Whoever was shut out since has invited us all the same: the next sender takes them out.
    let past = epoch.is_some_and(|epoch| staged.group_context().epoch() <= epoch);
    if past && checked("G04") {
        return Err(peer("an invitation back into the past of a conversation"));
    }
    audit(staged.members(), directory, &record)?;
    if record.accounts.binary_search(account).is_err() {
        return Err(Alarm::WrongConversation.into());
    }
    staged.into_group(provider).map_err(library)?;
    Ok((group, record, inviter))
}

/// What the group is for, by its own context.
fn purpose(context: &GroupContext, org: OrgId) -> Result<(GroupId, Conversation), MlsError> {
    let mut record = None;
    for extension in context.extensions().iter() {
        match extension {
            Extension::Unknown(CONVERSATION, bytes) => record = Some(&bytes.0),
            _ => return Err(peer("a group with rules of its own")),
        }
    }
    let record = record.ok_or(Alarm::WrongConversation)?;
    let record: Conversation = codec::decode(record).map_err(peer)?;
    let group = GroupId::try_from(context.group_id().as_slice()).map_err(peer)?;
    if context.ciphersuite() != SUITE {
        return Err(peer("a group of another ciphersuite"));
    }
    if record.group_id(org) != Some(group) && checked("G04") {
        return Err(Alarm::WrongConversation.into());
    }
    Ok((group, record))
}
