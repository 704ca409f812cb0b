//! Everything a person touches.

pub mod cli;
pub mod clock;
pub mod config;
pub mod safe;
pub mod words;
