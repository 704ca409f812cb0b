//! How fast a new client replays the log of a large office.

use valise_proto::{
    id::OrgTag,
    log::{entry::Policy, replay::Directory},
    testing::{self, SoftDevice, SoftStatementKey},
};

use crate::{
    baseline::Baseline,
    figure::{at_most, count, note},
    watch::timed,
};

/// Entries that are replayed.
const ENTRIES: u64 = 20_000;

pub fn measure(best: &Baseline) {
    let log = large_office();
    let (again, ms) = timed(|| {
        let mut directory = Directory::found(&log[0]).unwrap();
        for entry in &log[1..] {
            directory.apply(entry).unwrap();
        }
        directory
    });
    assert_eq!(again.head().size, ENTRIES);
    let name = "log: 20,000 entries replayed in full, one core";
    at_most(5.0, name, ms / 1000.0, "s", None);
    let rate = count(log.len()) / ms * 1000.0;
    let ratio = Some((rate / best.p256_verify, "P-256 verify"));
    note("  entries of it", rate, "/s", ratio);
    let (kept, ms) = timed(|| {
        let mut directory = Directory::found(&log[0]).unwrap();
        for entry in &log[1..] {
            directory.apply_verified(entry).unwrap();
        }
        directory
    });
    assert_eq!(kept.head(), again.head());
    let rate = count(log.len()) / ms * 1000.0;
    note("  the same out of one's own store", rate, "/s", None);
    let bytes: usize = log.iter().map(Vec::len).sum();
    note(
        "  bytes of an entry",
        count(bytes) / count(log.len()),
        "B",
        None,
    );
}

/// Three entries a person: account, second key, device.
fn large_office() -> Vec<Vec<u8>> {
    let tag = OrgTag([7; 16]);
    let key = || SoftStatementKey::generate(tag);
    let alice = key();
    let url = "https://mail.campagne.example";
    let mut log = vec![testing::genesis(tag, url, &[&alice], Policy::default())];
    let mut directory = Directory::found(&log[0]).unwrap();
    let mut add = |directory: &mut Directory, entry: Vec<u8>| {
        if directory.head().size < ENTRIES {
            directory.apply(&entry).unwrap();
            log.push(entry);
        }
    };
    let admin = "alice".parse().unwrap();
    let entry = testing::account_add(&directory, &admin, &alice, &[&alice]);
    add(&mut directory, entry);
    for number in 0.. {
        if directory.head().size >= ENTRIES {
            break;
        }
        let person = format!("person{number}").parse().unwrap();
        let (first, second, laptop) = (key(), key(), SoftDevice::generate());
        let entry = testing::account_add(&directory, &person, &first, &[&alice]);
        add(&mut directory, entry);
        let entry = testing::key_add(&directory, &person, &second, &[&first]);
        add(&mut directory, entry);
        let entry = testing::device_add(&directory, &person, &laptop, &second);
        add(&mut directory, entry);
    }
    log
}
