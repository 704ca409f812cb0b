//! The habits of e-mail: write, reply, read, thread.

mod addressees;
mod attachment;
mod compose;
mod quote;
mod who;

pub use addressees::Addressees;
pub use attachment::Saved;
pub use compose::Draft;
pub use quote::{Quote, quoted, quotes};
pub use who::Reader;
