//! Encrypting a letter.

use valise_proto::{
    conversation::Conversation,
    id::GroupId,
    letter::Letter,
    log::{checkpoint::SignedHead, replay::Directory},
};

use super::{
    Me, MlsError, gossip, library, load,
    members::{audit, drift},
    provider::Provider,
};
use crate::trust::Alarm;

/// Encrypts `letter` in the group's present epoch. Returns the epoch and the ciphertext.
///
/// The last look before anything leaves: every leaf is checked again, and a group that holds a
/// device which may receive nothing more, or lacks one that should, encrypts nothing.
pub(crate) fn encrypt(
    provider: &Provider<'_>,
    me: &Me<'_>,
    group: GroupId,
    directory: &Directory,
    record: &Conversation,
    letter: &Letter,
    log: SignedHead,
) -> Result<(u64, Vec<u8>), MlsError> {
    let mut group = load(provider, group)?;
    let leaves = audit(group.members(), directory, record)?;
    let drift = drift(directory, record, &leaves);
    if let Some(surplus) = drift.surplus.first() {
        let leaf = leaves.iter().find(|leaf| leaf.device == *surplus);
        if let Some(leaf) = leaf {
            return Err(Alarm::UnauthorisedMember {
                account: leaf.account.clone(),
            }
            .into());
        }
    }
    let epoch = group.epoch().as_u64();
    group.set_aad(gossip(log));
    let message = group
        .create_message(provider, me.signer, &letter.to_padded())
        .map_err(library)?;
    Ok((epoch, message.to_bytes().map_err(library)?))
}
