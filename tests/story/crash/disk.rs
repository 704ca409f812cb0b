//! R04: the disk refuses what the server writes, or fails to keep it. Nobody is told that the server has
//! what it may not have, and it goes on by itself when the disk does.

use super::subjects;
use crate::support::{program::Cli, site::Site, trace::Tracer};

/// What a disk does to a commit: the system calls that fail, and how.
const FAULTS: [&str; 6] = [
    "fsync,fdatasync:error=EIO",
    "fsync,fdatasync:error=ENOSPC",
    "pwrite64:error=ENOSPC",
    "pwrite64:error=EDQUOT",
    "pwrite64:error=EIO",
    // The second and every third after that: a commit fails in the middle of others.
    "fsync,fdatasync:error=EIO:when=2+3",
];

/// Breaks the disk of a running server, until this is detached.
fn broken(site: &Site, fault: &str) -> Tracer {
    let calls = fault.split(':').next().unwrap();
    let arguments = ["-f", "-o", &site.path("strace.log"), "-e"].map(str::to_owned);
    let [trace, inject] = [format!("trace={calls}"), format!("inject={fault}")];
    let faults = [trace, "-e".to_owned(), inject];
    Tracer::attach(site.pid(), &[&arguments[..], &faults].concat())
}

/// Sends, and returns whether that was acknowledged.
fn send(alice: &Cli, subject: &str) -> bool {
    let sent = alice.run(&["send", "bob", "-s", subject, "-m", "news"]);
    assert_ne!(sent.code, 6, "an honest failure at most: {sent:?}");
    sent.code == 0
}

#[test]
fn r04_v05_a_disk_that_fails_acknowledges_nothing_and_the_server_goes_on_when_it_is_mended() {
    let (mut site, alice, [bob]) = Site::with(["bob"]);
    assert!(send(&alice, "healthy"));
    bob.must(&["sync"]);
    let mut written = vec!["healthy".to_owned()];
    for fault in FAULTS {
        let always = !fault.contains("when");
        let disk = broken(&site, fault);
        for number in 0..3 {
            let subject = format!("{fault} {number}");
            let acknowledged = send(&alice, &subject);
            assert!(!(always && acknowledged), "{subject}");
            written.push(subject);
        }
        disk.detach();
        // The same process: nobody restarted it.
        alice.must(&["sync"]);
        let waiting = alice.json(&["outbox"]).objects();
        assert!(waiting.is_empty(), "{fault}: {waiting:?}");
    }
    // Acknowledged is on disk: the process is killed before anybody fetched anything.
    site.kill();
    site.start();
    bob.must(&["sync"]);
    let mut arrived = subjects(&bob, "alice");
    arrived.sort();
    written.sort();
    assert_eq!(arrived, written, "each once");
}
