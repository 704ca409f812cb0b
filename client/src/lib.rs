//! Everything a person touches: the command line, the agent, the encrypted store, MLS.

pub mod account;
pub mod agent;
pub mod api;
#[cfg(feature = "weaken")]
pub mod attack;
pub mod cli;
pub mod clock;
pub mod config;
pub mod drill;
pub mod failpoint;
pub mod file;
#[cfg(feature = "weaken")]
pub mod fuzz;
pub mod history;
pub mod home;
pub mod key;
pub mod mail;
pub mod mls;
pub mod provider;
pub mod random;
pub mod safe;
pub mod session;
pub mod store;
pub mod sync;
pub mod trust;
pub mod vault;
pub mod witness;
pub mod words;

pub use valise_proto::weaken;
