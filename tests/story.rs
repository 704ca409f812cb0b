//! Days in the life of an office.

mod agent;
mod attachment;
mod away;
mod backup;
mod canary;
mod clock;
mod crash;
mod drill;
mod first_day;
mod golden;
mod governance;
mod haste;
mod history;
mod host;
mod idle;
mod letter;
mod newcomer;
mod offline;
mod one_order;
mod operate;
mod race;
pub mod recovery;
mod refusals;
mod reply_all;
mod scale;
mod second_key;
mod two_admins;
mod two_devices;
mod version;
mod witness;
mod words;

use crate::support::{cluster, storage};

/// What the server keeps, it keeps in PostgreSQL as well: stories of each kind of thing, told once more.
#[test]
fn what_the_server_keeps_can_be_kept_in_postgres() {
    let said = cluster::again(&[
        "story::attachment::r02_a_line_that_is_cut",
        "story::crash::joining",
        "story::crash::step",
        "story::crash::together",
        "story::first_day",
        "story::governance",
        "story::letter",
        "story::newcomer",
        "story::offline",
        "story::recovery",
        "story::reply_all",
        "story::second_key",
        "story::two_admins",
        "story::two_devices",
        // It counts rows in the file of SQLite.
        "--skip",
        "what_waited_longer_than_the_retention_time",
    ]);
    println!("on PostgreSQL: {said}");
}

/// Attached files, in S3: those stories that tell of them, once more.
#[test]
fn what_is_attached_can_be_kept_in_s3() {
    let said = storage::again(&[
        "story::attachment::r02_a_line_that_is_cut",
        "story::attachment::r02_who_dies",
    ]);
    assert!(said.contains(" 2 passed"), "{said}");
    println!("in S3: {said}");
}
