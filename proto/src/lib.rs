//! What two strangers must agree on. Pure: no I/O, no async, no clock, no randomness, no SQL, no MLS.
//!
//! Everything that comes from outside is bytes until one of these makes it a value: a size check,
//! one strict parse by [`codec`], and a signature whose check is the only way to the verified type.

pub mod api;
pub mod attachment;
pub mod card;
pub mod codec;
pub mod conversation;
pub mod history;
pub mod id;
pub mod key;
pub mod label;
pub mod letter;
pub mod log;
pub mod request;
pub mod statement;
pub mod weaken;

#[cfg(any(test, feature = "testing"))]
pub mod fuzz;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
