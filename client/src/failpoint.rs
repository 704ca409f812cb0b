//! Dies at one named step, so that a test can show that a crash there loses nothing.
//!
//! Compiled in only with the feature `weaken`, which no published binary has. Without it a step is
//! nothing at all. The environment variable [`VARIABLE`] names the step.

#[cfg(feature = "weaken")]
use std::sync::OnceLock;

#[cfg(feature = "weaken")]
use crate::config::Environment;

/// Names the step at which the process dies.
#[cfg(feature = "weaken")]
pub const VARIABLE: &str = "VALISE_FAILPOINT";

#[cfg(feature = "weaken")]
static ARMED: OnceLock<String> = OnceLock::new();

/// This step is done, and the next one has not begun.
#[cfg(not(feature = "weaken"))]
#[inline]
pub(crate) const fn reached(_step: &str) {}

/// This step is done, and the next one has not begun. Here the process may end, as by SIGKILL:
/// nothing is flushed, nothing unwinds.
#[cfg(feature = "weaken")]
pub(crate) fn reached(step: &str) {
    if ARMED.get().is_some_and(|armed| armed == step) {
        std::process::abort();
    }
}

/// Lets this process die at the step that the environment names, if it names one.
#[cfg(feature = "weaken")]
pub(crate) fn dangerously_arm(environment: &Environment) {
    let step = environment.variables.get(VARIABLE);
    if let Some(step) = step.and_then(|step| step.to_str()) {
        ARMED.get_or_init(|| step.to_owned());
    }
}
