//! Facts about a device.

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use crate::{
    codec::Text,
    id::{DeviceId, Name, OrgId},
    label,
};

/// `device.add`: "this device key, this name, this organisation", signed by the person's S.
#[derive(Clone, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
pub struct DeviceCertificate {
    /// Whose device. The name is in every certificate (D02).
    pub account: Name,
    /// The device key.
    pub device: DeviceId,
    /// What its owner calls it.
    pub label: Text<32>,
    /// The device key's own signature over `DEVICE_CONSENT ‖ org_id ‖ account ‖ 0 ‖ device`, so that nobody
    /// certifies another's device as his own.
    pub consent: [u8; 64],
}

impl DeviceCertificate {
    /// What the device key signs in [`DeviceCertificate::consent`].
    pub fn consent_bytes(org: OrgId, account: &Name, device: DeviceId) -> Vec<u8> {
        [
            label::DEVICE_CONSENT,
            &org.0,
            account.as_str().as_bytes(),
            b"\0",
            &device.0,
        ]
        .concat()
    }
}

/// `device.revoke`
#[derive(Clone, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
pub struct DeviceRevoke {
    /// Whose device.
    pub account: Name,
    /// Which one. A revoked device never comes back.
    pub device: DeviceId,
}
