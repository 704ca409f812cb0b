//! How long a new client waits for the log of a large office.

use super::*;

/// So many entries a client replays in full.
const ENTRIES: u64 = 20_000;

/// Three entries a person: account, second key, device.
fn large_office() -> Office {
    let mut office = Office::new();
    for number in 0.. {
        if office.directory.head().size >= ENTRIES {
            break;
        }
        let person = name(&format!("person{number}"));
        let (first, second, laptop) = (key(), key(), SoftDevice::generate());
        office.add(|o| testing::account_add(&o.directory, &person, &first, &[&o.alice]));
        office.add(|o| testing::key_add(&o.directory, &person, &second, &[&first]));
        office.add(|o| testing::device_add(&o.directory, &person, &laptop, &second));
    }
    office
}

#[test]
#[ignore = "a measurement: run it with --release --nocapture"]
#[expect(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "it measures, and prints what it measured"
)]
fn a_large_log_replays() {
    let office = large_office();
    let start = std::time::Instant::now();
    let mut again = Directory::found(&office.log[0]).unwrap();
    for entry in &office.log[1..] {
        again.apply(entry).unwrap();
    }
    let seconds = start.elapsed().as_secs_f64();
    assert_eq!(again.head(), office.directory.head());
    let bytes: usize = office.log.iter().map(Vec::len).sum();
    eprintln!(
        "{} entries, {bytes} bytes: {seconds:.2} s",
        office.log.len()
    );
}
