//! The habits of e-mail: write, reply, read, thread.

mod compose;
mod who;

pub use compose::Draft;
pub use who::Reader;
