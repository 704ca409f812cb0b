//! Attacks, by the ids of the catalogue. The test is the attacker.
//!
//! Each promise has a file. An attack comes with its twin, which shows that it would succeed if that
//! one check were missing. Where the check is the server's or the library's there is nothing to
//! switch off; then the twin shows that the attack's bytes are good but for the one thing.

mod board;
mod enrolment;
mod flight;
mod ghost;
mod insider;
mod log;
mod login;
mod text;
mod wedge;
