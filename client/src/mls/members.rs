//! Who is in a group, and who should be.

use openmls::prelude::{LeafNode, Member, MlsGroup};
use tls_codec::{DeserializeBytes as _, Serialize as _, VLBytes};
use valise_proto::{
    conversation::{Conversation, LeafIdentity},
    id::{DeviceId, GroupId},
    log::replay::Directory,
};

use super::{MlsError, load, peer};
use crate::{
    provider::{Crypto, Provider, SUITE},
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

/// Somebody can encrypt to this HPKE key of `owner`: one leaf or package whose key is of low order
/// makes every later commit of everybody fail (G19).
pub(super) fn usable(key: &[u8], owner: &LeafIdentity) -> Result<(), Alarm> {
    if Crypto.check_hpke_key(SUITE, key).is_err() && checked("G19") {
        return Err(Alarm::WeakKey {
            account: owner.account.clone(),
        });
    }
    Ok(())
}

/// The same for the key of a leaf that is not in the tree yet.
pub(super) fn usable_leaf(leaf: &LeafNode, owner: &LeafIdentity) -> Result<(), MlsError> {
    // The key itself is private to OpenMLS; this is it with its length before it.
    let key = leaf.encryption_key().tls_serialize_detached();
    let key = VLBytes::tls_deserialize_exact_bytes(&key.map_err(peer)?).map_err(peer)?;
    Ok(usable(key.as_slice(), owner)?)
}

/// Every leaf's identity, each checked: the box audit.
pub(super) fn audit(
    group: impl Iterator<Item = Member>,
    directory: &Directory,
    record: &Conversation,
) -> Result<Vec<LeafIdentity>, Alarm> {
    group
        .map(|member| {
            let identity = identity(directory, record, &member.credential, &member.signature_key)?;
            usable(&member.encryption_key, &identity)?;
            Ok(identity)
        })
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

/// A client that lacks one of these checks takes every leaf at its word, and misses nobody.
fn credulous() -> bool {
    !["D01", "D02", "D03", "G01"].into_iter().all(checked)
}

/// Compares a group's leaves with the devices that its accounts have now.
pub(super) fn drift(
    directory: &Directory,
    record: &Conversation,
    leaves: &[LeafIdentity],
) -> Drift {
    if credulous() {
        return Drift::default();
    }
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
            .filter(|device| !wanted.contains(device) && checked("G14"))
            .copied()
            .collect(),
    }
}
