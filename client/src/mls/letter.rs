//! Encrypting a letter, in a group that was looked through first.

use openmls::prelude::MlsGroup;
use valise_proto::{
    conversation::{Conversation, LeafIdentity},
    id::GroupId,
    letter::Letter,
    log::{checkpoint::SignedHead, replay::Directory},
};

use super::{
    Held, Me, MlsError, gossip, library, load,
    members::{Drift, audit, drift},
};
use crate::{
    provider::Provider,
    store::{StoreError, Work},
    trust::Alarm,
};

/// A group whose leaves were all compared with the directory, in this transaction.
pub(crate) struct Audited {
    group: MlsGroup,
    leaves: Vec<LeafIdentity>,
    /// What has to change before everybody whom a letter is for can get it, and nobody else.
    pub(crate) drift: Drift,
}

/// Looks a group through.
pub(crate) fn audited(
    provider: &Provider<'_>,
    group: GroupId,
    directory: &Directory,
    record: &Conversation,
) -> Result<Audited, MlsError> {
    Audited::of(load(provider, group)?, directory, record)
}

impl Audited {
    fn of(group: MlsGroup, directory: &Directory, record: &Conversation) -> Result<Self, MlsError> {
        let leaves = audit(group.members(), directory, record)?;
        let drift = drift(directory, record, &leaves);
        Ok(Self {
            group,
            leaves,
            drift,
        })
    }

    /// Opens a group for letters: the last look before anything leaves.
    pub(crate) fn open(
        held: Option<Held>,
        work: &Work<'_>,
        group: GroupId,
        directory: &Directory,
        record: &Conversation,
    ) -> Result<Self, MlsError> {
        Self::of(Held::or_load(held, work, group)?, directory, record)
    }

    /// For the next letter, once `work` is committed.
    pub(crate) fn hold(self, work: &Work<'_>, group: GroupId) -> Result<Held, StoreError> {
        Held::after(work, group, self.group)
    }

    /// Encrypts `letter` in the group's present epoch. Returns the epoch and the ciphertext.
    ///
    /// A group that holds a device which may receive nothing more encrypts nothing.
    pub(crate) fn encrypt(
        &mut self,
        provider: &Provider<'_>,
        me: &Me<'_>,
        letter: &Letter,
        log: SignedHead,
    ) -> Result<(u64, Vec<u8>), MlsError> {
        let mut leaves = self.leaves.iter();
        if let Some(leaf) = leaves.find(|leaf| self.drift.surplus.contains(&leaf.device)) {
            return Err(Alarm::UnauthorisedMember {
                account: leaf.account.clone(),
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
