//! How far a file is that is encrypted, sent or fetched: told to whoever looks on.

use super::Session;

/// What an onlooker hears.
#[derive(Clone, Copy, Debug)]
pub enum Step<'s> {
    /// So many bytes of so many are done.
    Moved {
        /// Doing what: our own words, and the file's name as somebody wrote it.
        what: &'s str,
        /// Bytes.
        done: u64,
        /// Bytes.
        all: u64,
    },
    /// Nothing goes on any more, for good or ill.
    Ended,
}

/// Somebody who looks on.
pub trait Onlooker: Send {
    /// Hears how far a file is.
    fn hear(&mut self, step: Step<'_>);
}

impl Session {
    /// From now on `onlooker` hears how far files are.
    pub fn tell(&mut self, onlooker: impl Onlooker + 'static) {
        self.onlooker = Some(Box::new(onlooker));
    }

    pub(crate) fn moved(&mut self, what: &str, done: u64, all: u64) {
        if let Some(onlooker) = &mut self.onlooker {
            onlooker.hear(Step::Moved { what, done, all });
        }
    }

    /// The result, and nothing goes on any more.
    pub(crate) fn ended<T>(&mut self, result: T) -> T {
        if let Some(onlooker) = &mut self.onlooker {
            onlooker.hear(Step::Ended);
        }
        result
    }
}
