//! The check that every MLS leaf has to pass: its key is a device that its person's own security
//! key certified, in the log that this device verified.

use valise_proto::{
    codec::{self, encode},
    conversation::LeafIdentity,
    id::{DeviceId, Name},
    log::replay::Directory,
};

use super::Alarm;
use crate::weaken::checked;

/// The identity in a leaf with this credential and signature key, checked against `directory`.
///
/// It says who a leaf is, not whether the device may still receive: see
/// [`Directory::active_device`].
pub fn member_identity(
    directory: &Directory,
    credential: &[u8],
    signature_key: &[u8],
) -> Result<LeafIdentity, Alarm> {
    let device = DeviceId::try_from(signature_key).unwrap_or(DeviceId([0; 32]));
    let identity: LeafIdentity = codec::decode(credential).map_err(|_| Alarm::GhostDevice {
        account: nobody(),
        device,
    })?;
    let account = identity.account.clone();
    if identity.device != device && checked("D03") {
        return Err(Alarm::SwappedKey { account });
    }
    let Some(certified) = directory.device(identity.device) else {
        let ghost = Alarm::GhostDevice { account, device };
        return if checked("D01") {
            Err(ghost)
        } else {
            Ok(identity)
        };
    };
    if certified.account != account && checked("D02") {
        return Err(Alarm::MisboundDevice {
            account,
            owner: certified.account.clone(),
        });
    }
    let certificate = (certified.added, certified.certificate);
    if certificate != (identity.index, identity.certificate) && checked("D02") && checked("D03") {
        return Err(Alarm::SwappedKey { account });
    }
    Ok(identity)
}

/// The credential of a device of this directory, as its leaf carries it; `None` when the device is
/// not certified or not active.
pub fn own_credential(directory: &Directory, device: DeviceId) -> Option<Vec<u8>> {
    let certified = directory.active_device(device)?;
    Some(encode(&LeafIdentity {
        account: certified.account.clone(),
        device,
        index: certified.added,
        certificate: certified.certificate,
    }))
}

/// A stand-in for the name in a credential that cannot be read.
fn nobody() -> Name {
    #[expect(clippy::expect_used, reason = "a constant that is a name")]
    "unknown".parse().expect("a name")
}
