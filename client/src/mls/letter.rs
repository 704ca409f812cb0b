//! Encrypting a letter, in a group that was looked through first.

use openmls::prelude::MlsGroup;
use valise_proto::{
    conversation::{Conversation, LeafIdentity},
    id::GroupId,
    letter::Letter,
    log::{checkpoint::SignedHead, replay::Directory},
};

use super::{
    Me, MlsError, gossip, library, load,
    members::{Drift, audit, drift},
};
use crate::{provider::Provider, trust::Alarm};

/// A group whose leaves were all compared with the directory, in this transaction.
pub(crate) struct Audited {
    group: MlsGroup,
    leaves: Vec<LeafIdentity>,
    /// What has to change before everybody whom a letter is for can get it, and nobody else.
    pub(crate) drift: Drift,
}

/// Opens a group for a letter: the last look before anything leaves.
pub(crate) fn audited(
    provider: &Provider<'_>,
    group: GroupId,
    directory: &Directory,
    record: &Conversation,
) -> Result<Audited, MlsError> {
    let group = load(provider, group)?;
    let leaves = audit(group.members(), directory, record)?;
    let drift = drift(directory, record, &leaves);
    Ok(Audited {
        group,
        leaves,
        drift,
    })
}

impl Audited {
    /// Encrypts `letter` in the group's present epoch. Returns the epoch and the ciphertext.
    ///
    /// A group that holds a device which may receive nothing more encrypts nothing.
    pub(crate) fn encrypt(
        mut self,
        provider: &Provider<'_>,
        me: &Me<'_>,
        letter: &Letter,
        log: SignedHead,
    ) -> Result<(u64, Vec<u8>), MlsError> {
        let mut leaves = self.leaves.into_iter();
        if let Some(leaf) = leaves.find(|leaf| self.drift.surplus.contains(&leaf.device)) {
            return Err(Alarm::UnauthorisedMember {
                account: leaf.account,
            }
            .into());
        }
        let epoch = self.group.epoch().as_u64();
        let aad = gossip(&self.group, log);
        self.group.set_aad(aad);
        let message = self
            .group
            .create_message(provider, me.signer, &letter.to_padded())
            .map_err(library)?;
        Ok((epoch, message.to_bytes().map_err(library)?))
    }
}
