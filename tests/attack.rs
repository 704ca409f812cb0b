//! Attacks, by the ids of the catalogue. The test is the attacker.
//!
//! Each promise has a file. An attack comes with its twin, which shows that it would succeed if that
//! one check were missing, in the client or in the server. Where the check is the library's there is
//! nothing to switch off; then the twin shows that the attack's bytes are good but for the one thing.

mod attachment;
mod board;
mod changed_key;
mod enrolment;
mod flight;
mod fork;
mod frozen;
mod ghost;
pub mod insider;
mod log;
mod login;
mod order;
mod outside;
mod package;
mod program;
mod secrecy;
mod text;
mod trap;
mod wedge;
