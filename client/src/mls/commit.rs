//! Commits that this device makes: a new group, and changes of who is in one.

use openmls::prelude::{
    Extension, Extensions, KeyPackage, MlsGroup, MlsGroupCreateConfig, UnknownExtension,
};
use openmls_traits::OpenMlsProvider as _;
use valise_proto::{
    codec::encode,
    conversation::Conversation,
    id::{DeviceId, GroupId},
    log::checkpoint::SignedHead,
};

use super::{CONVERSATION, Me, MlsError, capabilities, gossip, library, load, wire_format};
use crate::provider::{Provider, SUITE};

/// A commit for the delivery service. It is pending in the group until it comes back in order.
pub(crate) struct Outgoing {
    /// The epoch that it ends.
    pub(crate) epoch: u64,
    /// MLS `PrivateMessage`.
    pub(crate) message: Vec<u8>,
    /// MLS Welcome for the added devices; empty when there are none.
    pub(crate) welcome: Vec<u8>,
}

/// Makes the conversation's group with this device and `packages` in it.
pub(crate) fn create(
    provider: &Provider<'_>,
    me: &Me<'_>,
    record: &Conversation,
    packages: Vec<KeyPackage>,
    log: SignedHead,
) -> Result<Outgoing, MlsError> {
    let id = record
        .group_id(me.org)
        .ok_or_else(|| library("a conversation out of order"))?;
    let extension = Extension::Unknown(CONVERSATION, UnknownExtension(encode(record)));
    let config = MlsGroupCreateConfig::builder()
        .ciphersuite(SUITE)
        .wire_format_policy(wire_format())
        .use_ratchet_tree_extension(true)
        .max_past_epochs(0)
        .capabilities(capabilities())
        .with_group_context_extensions(Extensions::single(extension).map_err(library)?)
        .build();
    let id = openmls::prelude::GroupId::from_slice(id.as_ref());
    let mut group =
        MlsGroup::new_with_group_id(provider, me.signer, &config, id, me.credential_with_key())
            .map_err(library)?;
    let mut outgoing = propose(provider, me, &mut group, &[], packages, log)?;
    // Nobody else is in epoch 0 to read it.
    outgoing.message.clear();
    Ok(outgoing)
}

/// Removes and adds devices. Refuses nothing: the caller has checked both lists.
pub(crate) fn commit(
    provider: &Provider<'_>,
    me: &Me<'_>,
    group: GroupId,
    remove: &[DeviceId],
    add: Vec<KeyPackage>,
    log: SignedHead,
) -> Result<Outgoing, MlsError> {
    let mut group = load(provider, group)?;
    propose(provider, me, &mut group, remove, add, log)
}

fn propose(
    provider: &Provider<'_>,
    me: &Me<'_>,
    group: &mut MlsGroup,
    remove: &[DeviceId],
    add: Vec<KeyPackage>,
    log: SignedHead,
) -> Result<Outgoing, MlsError> {
    let leaving: Vec<_> = group
        .members()
        .filter(|member| {
            remove
                .iter()
                .any(|device| device.as_ref() == member.signature_key)
        })
        .map(|member| member.index)
        .collect();
    let epoch = group.epoch().as_u64();
    let aad = gossip(group, log);
    group.set_aad(aad);
    let bundle = group
        .commit_builder()
        .propose_removals(leaving)
        .propose_adds(add)
        .force_self_update(true)
        .load_psks(provider.storage())
        .map_err(library)?
        .build(provider.rand(), provider.crypto(), me.signer, |_| true)
        .map_err(library)?
        .stage_commit(provider)
        .map_err(library)?;
    let (message, welcome, _) = bundle.into_messages();
    Ok(Outgoing {
        epoch,
        message: message.to_bytes().map_err(library)?,
        welcome: match welcome {
            Some(welcome) => welcome.to_bytes().map_err(library)?,
            None => Vec::new(),
        },
    })
}

/// This device's own commit came back in its place: the next epoch begins.
pub(crate) fn merge_own(provider: &Provider<'_>, group: GroupId) -> Result<(), MlsError> {
    load(provider, group)?
        .merge_pending_commit(provider)
        .map_err(library)
}

/// Another commit won: this device's own one never happened.
pub(crate) fn withdraw_own(provider: &Provider<'_>, group: GroupId) -> Result<(), MlsError> {
    load(provider, group)?
        .clear_pending_commit(provider.storage())
        .map_err(library)
}
