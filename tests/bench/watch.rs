//! The only clock of the measurements, and what keeps an office's clock on the machine's.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use valise_client::clock::{Clock as _, System};

use crate::support::Time;

#[expect(clippy::disallowed_methods, reason = "this is what measures")]
pub fn now() -> Instant {
    Instant::now()
}

pub fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// Milliseconds that `run` takes.
pub fn timed<T>(run: impl FnOnce() -> T) -> (T, f64) {
    let start = now();
    let result = run();
    (result, ms(start.elapsed()))
}

/// The same, of something that waits.
pub async fn timed_async<T>(work: impl Future<Output = T>) -> (T, f64) {
    let start = now();
    let done = work.await;
    (done, ms(start.elapsed()))
}

/// While this lives, an office's time passes as the machine's does.
pub struct Passing {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Passing {
    pub fn of(time: &Time) -> Self {
        let (time, stop) = (time.clone(), Arc::new(AtomicBool::new(false)));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                let here = valise_client::clock::Clock::now_ms(&time);
                time.pass(System.now_ms().saturating_sub(here));
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        Self {
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}
