//! Everything a person touches: the command line, the agent, the encrypted store, MLS.

pub mod mls;
pub mod store;
pub mod trust;
pub mod weaken;
