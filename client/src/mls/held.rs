//! A group that stays in memory from one letter to the next: reading one takes longer than a letter does.

use openmls::prelude::MlsGroup;
use valise_proto::id::GroupId;

use super::{MlsError, load};
use crate::{
    store::{MlsStamp, StoreError, Work},
    weaken::checked,
};

/// A group as it was when its transaction was committed.
pub(crate) struct Held {
    id: GroupId,
    group: MlsGroup,
    stamp: MlsStamp,
}

impl Held {
    /// To be kept if `work`, which has just changed the group for the last time, is committed.
    pub(super) fn after(work: &Work<'_>, id: GroupId, group: MlsGroup) -> Result<Self, StoreError> {
        let stamp = work.mls_stamp()?;
        Ok(Self { id, group, stamp })
    }

    /// The group `id` for this transaction: the one that was held, if nothing at all has changed since.
    /// A group behind its store would use keys twice.
    pub(super) fn or_load(
        held: Option<Self>,
        work: &Work<'_>,
        id: GroupId,
    ) -> Result<MlsGroup, MlsError> {
        let stamp = work.mls_stamp()?;
        let current = |held: &Self| held.stamp == stamp || !checked("C14");
        match held.filter(|held| held.id == id && current(held)) {
            Some(held) => Ok(held.group),
            None => load(&work.mls(), id),
        }
    }
}
