//! The real log of the model: a few signed entries, and every log that can be made of them.

use std::collections::BTreeMap;

use valise_proto::{
    id::{Name, OrgTag},
    log::{entry::Policy, replay::Directory},
    testing::{self, SoftDevice, SoftStatementKey},
};

use super::device::{CAROL, Devices, EVERYBODY};

/// Carol's device is revoked.
pub const REVOKE: u8 = 0;
/// Carol's account is suspended.
const SUSPEND: u8 = 1;
/// Somebody who is no admin revokes bob's device.
const PRESUME: u8 = 2;
const ENTRIES: [u8; 3] = [REVOKE, SUSPEND, PRESUME];
/// What the server may be offered at any time, and again. Suspending does the same as revoking.
pub const OFFERED: [u8; 2] = [REVOKE, PRESUME];
/// Entries of a log at most, beyond those by which everybody came in.
const LONGEST: usize = 2;

/// Which entries, in order.
pub type Log = Vec<u8>;

/// What the logs say, all of them that `apply` lets come true.
#[derive(Clone, Debug)]
pub struct Logs(BTreeMap<Log, Devices>);

impl Logs {
    pub fn new() -> Self {
        let tag = OrgTag([5; 16]);
        let names = ["alice", "bob", "carol"].map(|name| name.parse::<Name>().expect("a name"));
        let keys = names.each_ref().map(|_| SoftStatementKey::generate(tag));
        let devices = names.each_ref().map(|_| SoftDevice::generate());
        let genesis = testing::genesis(tag, "https://localhost", &[&keys[0]], Policy::default());
        let mut directory = Directory::found(&genesis).expect("genesis");
        for (name, key) in names.iter().zip(&keys) {
            let add = testing::account_add(&directory, name, key, &[&keys[0]]);
            directory.apply(&add).expect("an account");
        }
        for ((name, key), device) in names.iter().zip(&keys).zip(&devices) {
            let add = testing::device_add(&directory, name, device, key);
            directory.apply(&add).expect("a device");
        }
        // All are signed in sight of the same log, each by itself.
        let entries = [
            testing::device_revoke(&directory, &names[2], devices[2].id(), &[&keys[0]]),
            testing::account_suspend(&directory, &names[2], &[&keys[0]]),
            testing::device_revoke(&directory, &names[1], devices[1].id(), &[&keys[2]]),
        ];
        let active = |directory: &Directory| {
            let active = (0..).zip(&devices);
            let active =
                active.filter(|(_, device)| directory.active_device(device.id()).is_some());
            active.fold(0, |all, (number, _)| all | 1 << number)
        };
        let mut logs = BTreeMap::from([(Log::new(), active(&directory))]);
        let mut open = vec![(Log::new(), directory)];
        while let Some((log, directory)) = open.pop() {
            for entry in ENTRIES {
                let mut next = directory.clone();
                if log.len() < LONGEST && next.apply(&entries[usize::from(entry)]).is_ok() {
                    let log = [&log[..], &[entry]].concat();
                    logs.insert(log.clone(), active(&next));
                    open.push((log, next));
                }
            }
        }
        Self(logs)
    }

    /// The log with one more entry, if `apply` takes it.
    pub fn append(&self, log: &Log, entry: u8) -> Option<Log> {
        let longer = [&log[..], &[entry]].concat();
        self.0.contains_key(&longer).then_some(longer)
    }

    /// Who may send and receive by this log.
    pub fn active(&self, log: &Log) -> Devices {
        self.0.get(log).copied().unwrap_or_default()
    }
}

#[test]
fn d14_d13_the_models_log_is_decided_by_apply() {
    let logs = Logs::new();
    assert_eq!(logs.active(&Log::new()), EVERYBODY);
    for entry in [REVOKE, SUSPEND] {
        let log = logs.append(&Log::new(), entry).expect("an admin's entry");
        assert_eq!(logs.active(&log), EVERYBODY & !CAROL);
        // Replayed, or signed before the other one about the same person was there.
        assert_eq!(logs.append(&log, entry), None);
        assert_eq!(logs.append(&log, PRESUME), None);
    }
    assert_eq!(logs.append(&Log::new(), PRESUME), None);
}
