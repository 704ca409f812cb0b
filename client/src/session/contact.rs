//! Other people and oneself as this device knows them, against what the directory log says now.

use valise_proto::{
    codec::decode,
    id::Name,
    key::{KeyRecord, keys_fingerprint},
    log::entry::{Entry, Statement},
};

use super::{Error, Session};
use crate::{
    store::StoreError,
    trust::{Changes, Standing},
    weaken::checked,
};

impl Session {
    /// What is new about `name` since this person last looked. Of oneself: what was not done here.
    pub fn changes(&self, name: &Name) -> Result<Changes, Error> {
        let (directory, read) = (self.directory()?, self.store.read());
        if *name != self.me.account {
            let seen = read.contact(name)?;
            return Ok(seen.map_or_else(Changes::default, |contact| {
                Changes::since(directory, name, contact.seen)
            }));
        }
        if !read.knows_own()? {
            return Ok(Changes::default());
        }
        let mut changes = Changes::of(directory, name, |_| true, |_| true);
        let mut failed = None;
        let mut strange = |id: &[u8]| match read.is_own(id) {
            Ok(own) => !own,
            Err(error) => {
                failed = Some(error);
                false
            }
        };
        changes.keys.retain(|id| strange(id.as_ref()));
        changes.devices.retain(|id| strange(id.as_ref()));
        match failed {
            Some(error) => Err(error.into()),
            None => Ok(changes),
        }
    }

    /// Refuses to go on while somebody of `people` has a key that this person has not agreed to.
    pub(crate) fn unchanged(&self, people: &[Name]) -> Result<(), Error> {
        for name in people.iter().filter(|name| **name != self.me.account) {
            if !self.changes(name)?.keys.is_empty() && checked("E11") {
                return Err(Error::KeysChanged(name.clone()));
            }
        }
        Ok(())
    }

    /// How well this person knows `name`.
    pub fn standing(&self, name: &Name) -> Result<Standing, Error> {
        if !self.changes(name)?.keys.is_empty() {
            return Ok(Standing::Changed);
        }
        let contact = self.store.read().contact(name)?;
        let compared = contact.and_then(|contact| contact.compared);
        let directory = self.directory()?;
        let same = compared
            .is_some_and(|compared| Changes::since(directory, name, compared).keys.is_empty());
        Ok(if same {
            Standing::Verified
        } else {
            Standing::Unverified
        })
    }

    /// This person agrees to what is new about `name` in the log's first `size` entries.
    pub fn accept(&mut self, name: &Name, size: u64) -> Result<(), Error> {
        if *name == self.me.account {
            return self.remember_own();
        }
        let work = self.store.begin()?;
        work.set_seen(name, size)?;
        Ok(work.commit()?)
    }

    /// This person has compared the words of `name`, and they are the same.
    pub fn compared(&mut self, name: &Name) -> Result<(), Error> {
        let size = self.directory()?.head().size;
        let work = self.store.begin()?;
        work.set_compared(name, size)?;
        Ok(work.commit()?)
    }

    /// This admin heard other words from `name` than those of the key that asks for that name.
    pub fn words_differ(&mut self, name: &Name) -> Result<(), Error> {
        let detail =
            format!("the key that asks for the name {name} has other words than its person");
        self.note("words-differ", true, &detail)
    }

    /// What two people read to each other to compare all keys of `name`.
    pub fn fingerprint(&self, name: &Name) -> Result<[u8; 10], Error> {
        let directory = self.directory()?;
        let keys = directory.account(name).map(|account| account.keys.clone());
        Ok(keys_fingerprint(
            directory.org(),
            name,
            keys.unwrap_or_default(),
        ))
    }

    /// Everything of this person that is in the log now was done by this person.
    pub(crate) fn remember_own(&mut self) -> Result<(), Error> {
        let account = self.directory()?.account(&self.me.account).cloned();
        let work = self.store.begin()?;
        if let Some(account) = account {
            for key in &account.keys {
                work.add_own(key.as_ref())?;
            }
            for device in &account.devices {
                work.add_own(device.as_ref())?;
            }
        }
        work.add_own(self.me.device.as_ref())?;
        Ok(work.commit()?)
    }

    /// This person's keys by the log, or before it names any, the one with which they came.
    pub fn own_keys(&self) -> Vec<KeyRecord> {
        let keys = self.ledger.as_ref().and_then(|ledger| {
            let directory = ledger.directory();
            let keys = &directory.account(&self.me.account)?.keys;
            let records = keys.iter().filter_map(|id| directory.key(*id));
            Some(records.map(|key| key.record.clone()).collect::<Vec<_>>())
        });
        keys.filter(|keys| !keys.is_empty())
            .unwrap_or_else(|| vec![self.me.record.clone()])
    }

    /// Gives a key or a device a name for this person alone.
    pub fn label(&mut self, id: &[u8], label: &str) -> Result<(), Error> {
        if label.trim().is_empty() || label.len() > 64 {
            return Err(Error::Wrong("a label has 1 to 64 bytes"));
        }
        let work = self.store.begin()?;
        work.set_label(id, label.trim())?;
        Ok(work.commit()?)
    }

    /// What entry `index` says, and whose keys have signed it, each person once.
    pub fn said(&self, index: u64) -> Result<(Statement, Vec<Name>), Error> {
        let entry = self.store.read().log_entry(index)?;
        let entry: Entry = entry
            .and_then(|entry| decode(&entry).ok())
            .ok_or(StoreError::Damaged("the log"))?;
        let directory = self.directory()?;
        let signers = entry.signers();
        let mut names: Vec<_> = signers
            .filter_map(|id| directory.key(id)?.account.clone())
            .collect();
        names.sort();
        names.dedup();
        Ok((entry.statement, names))
    }
}
