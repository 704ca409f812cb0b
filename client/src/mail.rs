//! The habits of e-mail: write, reply, read, thread.

mod attachment;
mod compose;
mod who;

pub use attachment::Saved;
pub use compose::Draft;
pub use who::Reader;
