//! Everything a person touches.
pub mod key;
