//! Who can read a letter: every person, and every device of theirs.

use valise_proto::id::{DeviceId, Name};

use crate::session::{Error, Session};

/// One device that can read a letter.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reader {
    /// Whose.
    pub account: Name,
    /// Which.
    pub device: DeviceId,
    /// What its owner calls it: untrusted.
    pub label: String,
    /// This device.
    pub this: bool,
}

impl Session {
    /// Everybody in the conversation of letter `number`, by the leaves of its group, each checked
    /// against the directory. For a letter that waits for its conversation: who will be in it.
    pub fn readers(&self, number: u64) -> Result<Vec<Reader>, Error> {
        let letter = self
            .store
            .read()
            .letter(number)?
            .ok_or(Error::NoSuchLetter(number))?;
        let directory = self.directory()?;
        let conversation = match letter.group {
            Some(group) => self.store.read().conversation(group)?,
            None => None,
        };
        let devices: Vec<(Name, DeviceId)> = if let Some(row) = conversation {
            let provider = self.store.read();
            let leaves =
                crate::mls::identities(&provider.mls(), row.group, directory, &row.record)?;
            leaves
                .into_iter()
                .map(|leaf| (leaf.account, leaf.device))
                .collect()
        } else {
            let people = letter.to.iter().chain(&letter.cc).chain([&letter.sender]);
            let devices = people.flat_map(|name| {
                let devices = directory.active_devices(name);
                devices.into_iter().map(|device| (name.clone(), device))
            });
            devices.collect()
        };
        let readers = devices.into_iter().map(|(account, device)| Reader {
            label: directory
                .device(device)
                .map(|found| found.label.clone())
                .unwrap_or_default(),
            this: device == self.me.device,
            account,
            device,
        });
        let mut readers: Vec<_> = readers.collect();
        readers.sort_by(|left, right| {
            (&left.account, left.device).cmp(&(&right.account, right.device))
        });
        readers.dedup();
        Ok(readers)
    }
}
