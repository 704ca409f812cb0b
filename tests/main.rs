//! Stories and attacks: the real server, the real client, software keys, real TLS between them.
//!
//! A story is a paragraph that anybody can read. An attack comes twice: the honest client refuses,
//! and the client with that one check switched off falls for it, so that no test is empty.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    missing_docs,
    unreachable_pub,
    reason = "tests stop at the first surprise, and tell what they measured"
)]

mod attack;
mod model;
mod simulation;
mod story;
mod support;
mod terminal;
