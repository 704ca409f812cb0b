//! What all these tests say of SQLite holds on PostgreSQL too.

use super::cluster;

#[test]
fn all_that_holds_on_sqlite_holds_on_postgres() {
    let said = cluster::again(&[
        // This one itself, and those who choose their database by themselves.
        "--skip",
        "all_that_holds_on_sqlite",
        "--skip",
        "tests::node::",
        // What is about SQLite's own disk.
        "--skip",
        "sqlite_",
        // Among several servers a request asks the database before it begins: dropped there, nothing begins.
        "--skip",
        "an_append_goes_on_when_its_client_does_not",
    ]);
    assert!(!said.contains(" 0 passed"), "{said}");
}
