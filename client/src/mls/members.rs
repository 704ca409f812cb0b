//! Who is in a group, and who should be.

use openmls::prelude::{Member, MlsGroup};
use valise_proto::{
    conversation::{Conversation, LeafIdentity},
    id::{DeviceId, GroupId},
    log::replay::Directory,
};

use super::{MlsError, load, provider::Provider};
use crate::{
    trust::{Alarm, member_identity},
    weaken::checked,
};

/// The difference between a group's leaves and the devices that its accounts have now.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Drift {
    /// Devices that belong in the group and are not.
    pub(crate) missing: Vec<DeviceId>,
    /// Devices in the group that may receive nothing more.
    pub(crate) surplus: Vec<DeviceId>,
}

/// Who `member` is, checked against the directory and the conversation.
pub(super) fn identity(
    directory: &Directory,
    record: &Conversation,
    credential: &openmls::prelude::Credential,
    signature_key: &[u8],
) -> Result<LeafIdentity, Alarm> {
    let identity = member_identity(directory, credential.serialized_content(), signature_key)?;
    if record.accounts.binary_search(&identity.account).is_err() && checked("G01") {
        return Err(Alarm::UnauthorisedMember {
            account: identity.account,
        });
    }
    Ok(identity)
}

/// Every leaf's identity, each checked: the box audit.
pub(super) fn audit(
    group: impl Iterator<Item = Member>,
    directory: &Directory,
    record: &Conversation,
) -> Result<Vec<LeafIdentity>, Alarm> {
    group
        .map(|member| identity(directory, record, &member.credential, &member.signature_key))
        .collect()
}

/// Every leaf's identity of a group that this device is in, each checked.
pub(crate) fn identities(
    provider: &Provider<'_>,
    group: GroupId,
    directory: &Directory,
    record: &Conversation,
) -> Result<Vec<LeafIdentity>, MlsError> {
    let group: MlsGroup = load(provider, group)?;
    Ok(audit(group.members(), directory, record)?)
}

/// Compares a group's leaves with the devices that its accounts have now.
pub(crate) fn drift(
    directory: &Directory,
    record: &Conversation,
    leaves: &[LeafIdentity],
) -> Drift {
    let wanted: Vec<DeviceId> = record
        .accounts
        .iter()
        .flat_map(|name| directory.active_devices(name))
        .collect();
    let present: Vec<DeviceId> = leaves.iter().map(|leaf| leaf.device).collect();
    Drift {
        missing: wanted
            .iter()
            .filter(|device| !present.contains(device))
            .copied()
            .collect(),
        surplus: present
            .iter()
            .filter(|device| !wanted.contains(device) && checked("G14") && checked("D01"))
            .copied()
            .collect(),
    }
}
