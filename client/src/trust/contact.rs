//! What has changed about a person since they were last seen.

use valise_proto::{
    id::{DeviceId, KeyId, Name},
    log::replay::{Account, Directory},
};

/// Keys and devices that are new.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Changes {
    /// Keys: whoever has one speaks for the person from now on.
    pub keys: Vec<KeyId>,
    /// Devices that may receive.
    pub devices: Vec<DeviceId>,
}

impl Changes {
    /// What entries from `seen` on have added to `name`.
    pub fn since(directory: &Directory, name: &Name, seen: u64) -> Self {
        Self::of(
            directory,
            name,
            |key| directory.key(key).is_some_and(|key| key.added >= seen),
            |id| {
                let device = directory.device(id);
                device.is_some_and(|device| device.added >= seen) && !is_first(directory, name, id)
            },
        )
    }

    /// Keys and devices of `name` that these choose.
    pub(crate) fn of(
        directory: &Directory,
        name: &Name,
        mut key: impl FnMut(KeyId) -> bool,
        mut device: impl FnMut(DeviceId) -> bool,
    ) -> Self {
        let keys = directory.account(name).map(|account: &Account| {
            let keys = account.keys.iter().copied();
            keys.filter(|id| key(*id)).collect()
        });
        let mut devices = directory.active_devices(name);
        devices.retain(|id| device(*id));
        Self {
            keys: keys.unwrap_or_default(),
            devices,
        }
    }

    /// Whether nothing is new.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.devices.is_empty()
    }
}

/// Whether it is the first computer that `name` ever had: nobody could have written to them before.
pub(crate) fn is_first(directory: &Directory, name: &Name, device: DeviceId) -> bool {
    let account = directory.account(name);
    account.is_some_and(|account| account.devices.first() == Some(&device))
}

/// How well this person knows somebody.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standing {
    /// A key was added, and this person has not agreed to it.
    Changed,
    /// The words of every key were compared.
    Verified,
    /// Known by the directory log alone.
    Unverified,
}

impl Standing {
    /// One word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Verified => "verified",
            Self::Unverified => "unverified",
        }
    }
}
