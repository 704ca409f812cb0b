//! What must be so before a fact about a device can be.

use crate::{
    key::Ed25519Key,
    log::{
        entry::{DeviceCertificate, DeviceRevoke},
        replay::{Directory, Refusal},
    },
};

impl Directory {
    pub(super) fn check_device_add(&self, fact: &DeviceCertificate) -> Result<(), Refusal> {
        let DeviceCertificate {
            account, device, ..
        } = fact;
        self.known_active_account("device.add", account)?;
        if self.devices.contains_key(device) {
            return Err(Refusal::DeviceTaken(*device));
        }
        let key = Ed25519Key::try_from(device.0).map_err(|_| Refusal::WeakDevice {
            account: account.clone(),
            device: *device,
        })?;
        let consent = DeviceCertificate::consent_bytes(self.org, account, *device);
        key.verify(&consent, &fact.consent)
            .map_err(|_| Refusal::DeviceConsent {
                account: account.clone(),
                device: *device,
            })
    }

    pub(super) fn check_device_revoke(&self, fact: &DeviceRevoke) -> Result<(), Refusal> {
        let device = self
            .devices
            .get(&fact.device)
            .filter(|device| device.account == fact.account);
        match device {
            None => Err(Refusal::UnknownDevice {
                account: fact.account.clone(),
                device: fact.device,
            }),
            Some(device) if device.revoked.is_some() => Err(Refusal::AlreadyRevoked(fact.device)),
            Some(_) => Ok(()),
        }
    }
}
