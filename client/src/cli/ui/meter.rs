//! How far a file is, on a line that goes away: for people at a terminal, when it takes a while.

use std::{io::Write, num::NonZeroUsize};

use super::ERASE_LINE;
use crate::{
    clock::Clock,
    safe::Safe,
    session::{Onlooker, Step},
};

/// What is done sooner is not worth a line: milliseconds.
const WHILE_MS: u64 = 400;
/// The line is written again after this long: milliseconds.
const REFRESH_MS: u64 = 100;
/// How wide the bar is.
const BAR: u64 = 20;
/// Columns, where nobody knows.
const COLUMNS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(78);

/// The line.
pub struct Meter {
    to: Box<dyn Write + Send>,
    clock: Box<dyn Clock>,
    columns: NonZeroUsize,
    begun_ms: Option<u64>,
    shown_ms: Option<u64>,
}

impl Meter {
    pub(super) fn new(
        to: Box<dyn Write + Send>,
        clock: Box<dyn Clock>,
        columns: Option<NonZeroUsize>,
    ) -> Self {
        // The last column stays free: some terminals wrap when it is written.
        let columns = columns.and_then(|columns| NonZeroUsize::new(columns.get() - 1));
        Self {
            to,
            clock,
            columns: columns.unwrap_or(COLUMNS),
            begun_ms: None,
            shown_ms: None,
        }
    }

    /// That nobody can see it is no reason to fail.
    fn write(&mut self, text: &str) {
        let written = self.to.write_all(text.as_bytes());
        written.and_then(|()| self.to.flush()).unwrap_or_default();
    }
}

impl Onlooker for Meter {
    fn hear(&mut self, step: Step<'_>) {
        let Step::Moved { what, done, all } = step else {
            if self.shown_ms.take().is_some() {
                self.write(ERASE_LINE);
            }
            self.begun_ms = None;
            return;
        };
        let now_ms = self.clock.monotonic_ms();
        let since = |ms: u64| now_ms.saturating_sub(ms);
        let early = since(*self.begun_ms.get_or_insert(now_ms)) < WHILE_MS;
        if early || self.shown_ms.is_some_and(|shown| since(shown) < REFRESH_MS) {
            return;
        }
        self.shown_ms = Some(now_ms);
        let part = |of: u64| done.min(all).saturating_mul(of) / all.max(1);
        let bar: String = (0..BAR)
            .map(|at| if at < part(BAR) { '#' } else { '-' })
            .collect();
        let (done, all, percent) = (size(done), size(all), part(100));
        let line = Safe::line(&format!("{percent:>3} % {bar} {done} of {all}, {what}"));
        self.write(&format!("{ERASE_LINE}{}", line.truncate(self.columns)));
    }
}

/// So many bytes, as people say it: `1234 bytes`, `12.3 MiB`.
pub fn size(bytes: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"];
    let mut tenths = bytes;
    if bytes < 10_000 {
        return format!("{bytes} bytes");
    }
    let mut unit = "";
    for (position, next) in units.into_iter().enumerate() {
        if position > 0 && tenths < 10_240 {
            break;
        }
        tenths = if position == 0 {
            tenths.saturating_mul(10) / 1024
        } else {
            tenths / 1024
        };
        unit = next;
    }
    format!("{}.{} {unit}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::clock::Manual;

    #[derive(Clone, Default)]
    struct Tape(Arc<Mutex<Vec<u8>>>);

    impl Write for Tape {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[derive(Clone, Default)]
    struct Hand(Arc<Manual>);

    impl Clock for Hand {
        fn now_ms(&self) -> u64 {
            self.0.now_ms()
        }
        fn monotonic_ms(&self) -> u64 {
            self.0.now_ms()
        }
    }

    #[test]
    fn it_shows_after_a_while_now_and_then_and_goes_away() {
        let (tape, hand) = (Tape::default(), Hand::default());
        let mut meter = Meter::new(
            Box::new(tape.clone()),
            Box::new(hand.clone()),
            NonZeroUsize::new(60),
        );
        let mut at = |ms: u64, done: u64| {
            hand.0.set(ms);
            let what = "sending \u{1b}[2Jplan.pdf";
            meter.hear(Step::Moved {
                what,
                done,
                all: 2 << 20,
            });
            let text = String::from_utf8(std::mem::take(&mut *tape.0.lock().unwrap())).unwrap();
            text.replace('\u{1b}', "^")
        };
        assert_eq!(at(0, 0), "");
        assert_eq!(at(399, 1 << 20), "");
        assert_eq!(
            at(400, 1 << 20),
            "\r^[K 50 % ##########---------- 1.0 MiB of 2.0 MiB, sending \u{fffd}[2…"
        );
        assert_eq!(at(450, 1 << 20), "");
        assert!(at(500, 2 << 20).contains("100 % ####################"));
        meter.hear(Step::Ended);
        assert_eq!(&*tape.0.lock().unwrap(), b"\r\x1b[K");
        meter.hear(Step::Ended);
        assert_eq!(tape.0.lock().unwrap().len(), 4);
    }

    #[test]
    fn sizes_as_people_say_them() {
        for (bytes, text) in [
            (0, "0 bytes"),
            (1_234, "1234 bytes"),
            (10_240, "10.0 KiB"),
            (1 << 20, "1.0 MiB"),
            (1_500_000, "1.4 MiB"),
            (2 << 30, "2.0 GiB"),
            (1 << 40, "1.0 TiB"),
            (u64::MAX, "1677721.5 TiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }
}
