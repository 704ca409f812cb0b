//! Who is real: the directory as this device verified it, and everything checked against it.
//!
//! A failure here is an [`Alarm`]: it is never softened into a warning, nothing is sent after it,
//! and it says what was expected, what was seen and whom to call.

mod alarm;
mod contact;
mod freshness;
mod gossip;
mod leaf;
mod log;

pub use alarm::Alarm;
pub(crate) use contact::is_first;
pub use contact::{Changes, Standing};
pub use freshness::{Freshness, Sighting};
pub(crate) use gossip::{Gossip, compare};
pub use leaf::{member_identity, own_credential};
pub use log::{Ledger, Progress};

#[cfg(test)]
mod tests;
