//! Somebody was away for three months.

use std::{process::Stdio, thread::park_timeout, time::Duration};

use valise_client::{clock::Clock as _, mail::Draft};
use valise_proto::log::entry::{Fact, Policy, PolicySet};

use crate::support::{Cli, Dice, Office, Person, mallory, server::peak};

const DAYS: u32 = 90;
/// Changes of keys that bob misses.
const EPOCHS: u32 = 30;
/// What everything that waits costs the reader's program beside what an empty sync takes: MB.
const GROWTH_MAX: f64 = 64.0;

/// Letters in each epoch, and the size of each. Few are as large as a page of many.
fn backlog() -> (usize, usize) {
    if std::env::var_os("VALISE_TORTURE").is_some() {
        (334, 4_000)
    } else {
        (3, 60_000)
    }
}

/// The organisation's letters wait for so many days.
async fn keep_for(admin: &mut Person, days: u64) {
    admin.session().read_log().await.expect("the log");
    let policy = admin.session().ledger().expect("a log").directory();
    let policy = Policy {
        retention_ms: days * 86_400_000,
        ..policy.policy().clone()
    };
    let declared = admin.declare(Fact::PolicySet(PolicySet { policy }));
    drop(declared.await.expect("the policy"));
}

/// Alice changes her keys in her one conversation.
async fn change_keys(alice: &mut Person) {
    alice.sync().await;
    let (group, _) = alice.only_group();
    let changed = alice.session().attack_keep(group).await;
    drop(changed.expect("a commit"));
    alice.sync().await;
}

/// Ninety days of letters to bob, and thirty epochs: the bodies of all.
async fn ninety_days(office: &Office, alice: &mut Person) -> Vec<String> {
    let (each, size) = backlog();
    let mut written = Vec::new();
    for _ in 0..EPOCHS {
        office.time.pass_days(u64::from(DAYS / EPOCHS));
        change_keys(alice).await;
        for _ in 0..each {
            let body = format!("{} {}", written.len(), "news ".repeat(size / 5));
            let draft = Draft {
                to: vec!["bob".to_owned()],
                subject: "News".to_owned(),
                body: body.clone(),
                ..Draft::default()
            };
            alice.session().write(draft).expect("writing");
            written.push(body.trim_end().to_owned());
        }
        alice.sync().await;
    }
    written
}

/// The most memory that a sync of `person` takes: MB.
fn sync(person: &Cli) -> f64 {
    let mut sync = person.command(&["sync"]);
    sync.stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    peak(sync.spawn().expect("valise runs"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r07_after_ninety_days_everything_comes_whoever_is_killed() {
    let (office, mut alice) = Office::open_ago(DAYS).await;
    keep_for(&mut alice, 100).await;
    let mut bob = office.hire(&mut alice, "bob").await;
    alice.send(&["bob"], "News", "first").await;
    bob.sync().await;
    bob.close();
    let cli = office.cli("bob");
    let written = ninety_days(&office, &mut alice).await;
    // Killed at the end of a page, before and after it is acknowledged, and at any moment.
    cli.dies_at("after-letter-stored", &["sync"]);
    cli.dies_at("after-page-stored", &["sync"]);
    cli.dies_at("after-ack", &["sync"]);
    let mut dice = Dice(alice.time.now_ms());
    for _ in 0..3 {
        let mut killed = cli.start(&["sync"]);
        park_timeout(Duration::from_millis(dice.roll(1500)));
        drop(killed.kill());
        killed.wait().expect("its end");
    }
    let all = sync(&cli);
    let empty = sync(&cli);
    println!(
        "{} letters: {all} MB, and {empty} MB when there is nothing",
        written.len()
    );
    assert!(all - empty < GROWTH_MAX, "{all} MB, {empty} MB");
    bob.reopen();
    let read: Vec<String> = bob
        .bodies()
        .iter()
        .map(|body| body.trim_end().to_owned())
        .collect();
    assert_eq!(read[0], "first");
    assert!(
        read[1..] == written,
        "{} of {} letters",
        read.len() - 1,
        written.len()
    );
    let events = bob.events();
    assert!(
        events.iter().all(|kind| kind == "conversation"),
        "{events:?}"
    );
    // He writes in the epoch in which everybody is.
    bob.send(&["alice"], "Back", "What did I miss?").await;
    alice.sync().await;
    assert_eq!(alice.bodies().last().unwrap(), "What did I miss?");
}

/// The server keeps no letter for longer than the organisation's rules say. Whoever comes back later reads in
/// his events that something is gone, and opens the next: changes of keys waited for him.
#[tokio::test]
async fn r07_what_waited_longer_than_the_rules_say_is_said_to_be_gone_and_the_next_opens() {
    let (mut office, mut alice) = Office::open_ago(DAYS).await;
    let mut bob = office.hire(&mut alice, "bob").await;
    alice.send(&["bob"], "News", "first").await;
    bob.sync().await;
    bob.close();
    alice.send(&["bob"], "News", "too old").await;
    change_keys(&mut alice).await;
    office.stop();
    office.time.pass_days(u64::from(DAYS));
    office.start().await;
    let waiting = || -> u64 {
        let sql = "select count(*) from message where handshake = 0";
        let count = mallory::database(&office.data()).query_row(sql, (), |row| row.get(0));
        count.expect("a count")
    };
    while waiting() > 0 {
        park_timeout(Duration::from_millis(50));
    }
    alice.send(&["bob"], "News", "new").await;
    bob.reopen();
    bob.sync().await;
    let events = bob.events();
    assert!(events.contains(&"gap".to_owned()), "{events:?}");
    assert!(!events.contains(&"unreadable".to_owned()), "{events:?}");
    assert_eq!(bob.bodies(), ["first", "new"]);
    bob.send(&["alice"], "Back", "What did I miss?").await;
    alice.sync().await;
    assert_eq!(alice.bodies().last().unwrap(), "What did I miss?");
}
