//! What the server learns besides the letters: each thing that it keeps has a written reason.

use std::collections::BTreeSet;

use reqwest::Method;
use valise_client::{account::enrolment_requests, weaken::dangerously_weaken};
use valise_proto::api::{COMMITS, LETTERS, delivery};

use super::insider::letter;
use crate::support::{
    Mallory, Office, Person, mallory,
    search::{count, files_with},
};

const REASONS: &str = include_str!("../../migrations/README.md");

/// Every migration for PostgreSQL, in their order.
fn migrations_of_postgres() -> Vec<String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../migrations/postgres");
    let files = std::fs::read_dir(folder).expect("the migrations");
    let mut paths: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    paths.sort();
    let read = |path| std::fs::read_to_string(path).expect("a migration");
    paths.into_iter().map(read).collect()
}

/// Columns that the migrations for PostgreSQL make: one column a line, as we write them.
fn columns_of_postgres() -> BTreeSet<String> {
    let mut columns = BTreeSet::new();
    let files = migrations_of_postgres();
    let mut table = "";
    for line in files.iter().flat_map(|file| file.lines()) {
        let words: Vec<_> = line.split_whitespace().collect();
        match words[..] {
            ["create", "table", name, ..] => table = name,
            ["alter", "table", name, "add", "column", column, ..] => {
                columns.insert(format!("{name}.{column}"));
            }
            [column, _, ..]
                if line.starts_with("    ") && !["primary", "unique"].contains(&column) =>
            {
                columns.insert(format!("{table}.{column}"));
            }
            _ => {}
        }
    }
    columns
}

/// Columns for which somebody has written down why they are there.
fn reasons() -> BTreeSet<String> {
    let rows = REASONS.lines().filter_map(|line| {
        let (column, reason) = line.strip_prefix("| `")?.split_once("` | ")?;
        assert!(reason.trim_end_matches(" |").len() > 12, "{line}");
        Some(column.to_owned())
    });
    rows.collect()
}

/// What is kept without a reason, and reasons for what is not kept.
fn unexplained(columns: &BTreeSet<String>) -> Vec<String> {
    columns.symmetric_difference(&reasons()).cloned().collect()
}

#[tokio::test]
async fn p01_every_column_of_the_server_has_a_written_reason() {
    let (office, _alice) = Office::open().await;
    let columns = mallory::columns(&office.data());
    assert!(columns.len() > 50, "{columns:?}");
    assert_eq!(unexplained(&columns), Vec::<String>::new());
    assert_eq!(unexplained(&columns_of_postgres()), Vec::<String>::new());
}

/// The twin: a column that says who has read what is named.
#[tokio::test]
async fn p01_twin_a_new_column_is_named() {
    let (mut office, _alice) = Office::open().await;
    office.stop();
    let database = mallory::database(&office.data());
    let add = "alter table message add column read_at_ms bigint";
    database.execute(add, ()).unwrap();
    let columns = mallory::columns(&office.data());
    assert_eq!(unexplained(&columns), ["message.read_at_ms"]);
}

/// Sizes of what the server gets for letters of these texts.
async fn sizes(texts: &[String], off: Option<&str>) -> BTreeSet<usize> {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    dangerously_weaken(off);
    let _bob = office.hire(&mut alice, "bob").await;
    alice.send(&["bob"], "Vote", "hello").await;
    mallory.forget();
    for text in texts {
        alice.send(&["bob"], "Vote", text).await;
    }
    let seen = mallory.seen(&Method::POST, LETTERS);
    assert_eq!(seen.len(), texts.len());
    seen.iter().map(|exchange| exchange.body.len()).collect()
}

/// From one word to a few lines, and around a page.
fn texts() -> [Vec<String>; 2] {
    let short = ["No.", "Yes.", "Yes, and as soon as we can."].map(str::to_owned);
    let long = (0..5).map(|more| "x".repeat(3_000 + 20 * more)).collect();
    [short.to_vec(), long]
}

#[tokio::test]
async fn p02_letters_of_about_one_length_look_alike() {
    let [short, long] = texts();
    assert_eq!(sizes(&short, None).await.len(), 1);
    assert!(sizes(&long, None).await.len() <= 2);
}

#[tokio::test]
async fn p02_twin_every_length_shows() {
    for texts in texts() {
        assert_eq!(sizes(&texts, Some("P02")).await.len(), texts.len());
    }
}

/// What of the people's names is readable in the commit by which alice lets bob's second computer in.
async fn names_in_a_commit(off: Option<&str>) -> Vec<&'static str> {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    dangerously_weaken(off);
    let mut bob = office.hire(&mut alice, "bob").await;
    alice.send(&["bob"], "First", "first").await;
    bob.sync().await;
    bob.other_computer().join(&office).await;
    office.time.pass(10_000);
    mallory.forget();
    alice.send(&["bob"], "Second", "second").await;
    let commits = mallory.seen(&Method::POST, COMMITS);
    let commit: delivery::Commit = commits[0].request();
    assert_eq!(commit.added.len(), 1);
    let mut names = vec!["alice", "bob"];
    names.retain(|name| count(commit.message.as_slice(), name.as_bytes()) > 0);
    names
}

#[tokio::test]
async fn p05_a_commit_does_not_say_who_comes_or_goes() {
    assert!(names_in_a_commit(None).await.is_empty());
}

#[tokio::test]
async fn p05_twin_a_commit_in_clear_names_both() {
    assert_eq!(names_in_a_commit(Some("P05")).await, ["alice", "bob"]);
}

const CANARY: &str = "canary-7f3a91c04e";

/// Alice's letter with the canary in it is on its way, as `send` sends it.
async fn sent(office: &Office, alice: &mut Person, in_clear: bool) {
    let _bob = office.hire(alice, "bob").await;
    alice.send(&["bob"], "First", "first").await;
    if in_clear {
        let (group, _) = alice.only_group();
        let plain = letter(alice.session().device(), &["bob"], CANARY);
        let sent = alice.session().attack_send_in_clear(group, &plain).await;
        sent.expect("the server takes what it cannot read");
    } else {
        alice.send(&["bob"], CANARY, CANARY).await;
    }
}

#[tokio::test]
async fn v08_a_letter_is_not_in_the_servers_files() {
    let (office, mut alice) = Office::open().await;
    sent(&office, &mut alice, false).await;
    assert!(files_with(&office.data(), CANARY.as_bytes()).is_empty());
}

/// The twin: a client that forgot to encrypt is found out by the same search.
#[tokio::test]
async fn v08_twin_a_letter_in_clear_is_found_in_the_servers_files() {
    let (office, mut alice) = Office::open().await;
    sent(&office, &mut alice, true).await;
    assert!(!files_with(&office.data(), CANARY.as_bytes()).is_empty());
}

/// From where somebody asked, the server knows until he is decided on and the asks are looked at again.
fn networks(mallory: &Mallory) -> u32 {
    let sql = "select count(*) from enrolment where network <> ''";
    mallory
        .database()
        .query_row(sql, (), |row| row.get(0))
        .unwrap()
}

#[tokio::test]
async fn p04_no_address_is_kept_but_an_askers() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let mut bob = office.person("bob");
    bob.ask(&office).await;
    // The twin: this column does say from where.
    assert_eq!(networks(&mallory), 1);
    alice.enrol(&bob.name.clone()).await;
    bob.join(&office).await;
    alice.send(&["bob"], "First", "first").await;
    bob.sync().await;
    let waiting = alice.online(async |session, _| enrolment_requests(session).await);
    assert!(waiting.await.expect("asks").is_empty());
    assert_eq!(networks(&mallory), 0);
}
