//! Everything a person touches: the command line, the agent, the encrypted store, MLS.

pub mod mls;
