//! Attacks, by the ids of the catalogue. The test is the attacker.
//!
//! Each promise has a file. An attack comes with its twin, which shows that it would succeed if that
//! one check were missing, in the client or in the server. Where the check is the library's there is
//! nothing to switch off; then the twin shows that the attack's bytes are good but for the one thing.

mod attachment;
mod authority;
mod board;
mod bytes;
mod changed_key;
mod enrolment;
mod flight;
mod flood;
mod fork;
mod frozen;
mod ghost;
mod history;
mod injection;
pub mod insider;
mod lists;
mod log;
mod login;
mod metadata;
mod order;
mod outside;
mod package;
mod program;
mod quote;
mod rewrite;
mod rogue_admin;
mod secrecy;
mod split;
mod stolen;
mod text;
mod touch;
mod trap;
mod waiting;
mod wedge;
mod witness;
