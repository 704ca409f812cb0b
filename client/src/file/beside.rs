//! Two halves of the work on one file, each on a processor of its own: a hash takes as long as a cipher.

use std::{
    io::ErrorKind,
    panic::resume_unwind,
    sync::mpsc::{Receiver, SyncSender, channel, sync_channel},
    thread,
};

use super::FileError;

/// Buffers under way between the halves at most.
const BUFFERS: usize = 8;

/// Where the first half passes on what it has filled.
pub(super) struct Filling<'f> {
    full: SyncSender<Vec<u8>>,
    spent: &'f Receiver<Vec<u8>>,
}

impl Filling<'_> {
    /// A buffer of `length` bytes, with whatever it held before.
    pub(super) fn buffer(&self, length: usize) -> Vec<u8> {
        let mut buffer = self.spent.try_recv().unwrap_or_default();
        buffer.resize(length, 0);
        buffer
    }

    /// Passes a buffer on. It fails when the other half has stopped, which then says why.
    pub(super) fn pass(&self, buffer: Vec<u8>) -> Result<(), FileError> {
        let stopped = |_| FileError::Io("the other half".to_owned(), ErrorKind::BrokenPipe.into());
        self.full.send(buffer).map_err(stopped)
    }
}

/// Runs `fill` on a thread of its own, and here, in their order, `empty` with what it passes on. Returns
/// what `fill` made of it all. `empty`'s error stops both.
pub(super) fn beside<M: Send>(
    fill: impl FnOnce(&Filling<'_>) -> Result<M, FileError> + Send,
    mut empty: impl FnMut(&mut Vec<u8>) -> Result<(), FileError>,
) -> Result<M, FileError> {
    let (ready, filled) = sync_channel(BUFFERS);
    let (give_back, spent) = channel();
    thread::scope(|scope| {
        let filling = scope.spawn(move || {
            let spent = &spent;
            fill(&Filling { full: ready, spent })
        });
        let emptied: Result<(), FileError> = filled.iter().try_for_each(|mut buffer| {
            empty(&mut buffer)?;
            // Nobody needs it any more once all is filled.
            let _unneeded = give_back.send(buffer);
            Ok(())
        });
        // Whoever still fills hears it now.
        drop(filled);
        let made = filling.join().unwrap_or_else(|panic| resume_unwind(panic));
        emptied?;
        made
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(line: &Filling<'_>) -> Result<u8, FileError> {
        for number in 0..100 {
            let mut buffer = line.buffer(1);
            buffer.fill(number);
            line.pass(buffer)?;
        }
        Ok(42)
    }

    #[test]
    fn all_of_it_arrives_in_order() {
        let mut seen = Vec::new();
        let made = beside(numbers, |buffer| {
            seen.append(&mut buffer.clone());
            Ok(())
        });
        assert_eq!(made.unwrap(), 42);
        assert_eq!(seen, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn the_half_that_failed_says_why() {
        let stopped = beside(numbers, |buffer| match buffer.as_slice() {
            [7] => Err(FileError::NoName("seven".to_owned())),
            _ => Ok(()),
        });
        assert!(matches!(stopped, Err(FileError::NoName(_))), "{stopped:?}");
        let fails = |line: &Filling<'_>| {
            line.pass(vec![1])?;
            Err::<u8, _>(FileError::TooMany)
        };
        let mut seen = 0;
        let stopped = beside(fails, |_| {
            seen += 1;
            Ok(())
        });
        assert!(matches!(stopped, Err(FileError::TooMany)), "{stopped:?}");
        assert_eq!(seen, 1);
    }
}
