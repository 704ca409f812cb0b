//! Switches one check off, so that a test can show the attack that the check stops.
//!
//! Compiled in only with the feature `weaken`, which no published binary has. Without it every
//! check is a constant `true` and there is nothing to switch. Client and server ask here too.

/// Whether the check with this id of the attack catalogue is on.
#[cfg(not(feature = "weaken"))]
#[inline]
pub const fn checked(_id: &str) -> bool {
    true
}

#[cfg(feature = "weaken")]
thread_local! {
    static OFF: std::cell::RefCell<Option<String>> = const { std::cell::RefCell::new(None) };
}

/// Whether the check with this id of the attack catalogue is on.
#[cfg(feature = "weaken")]
pub fn checked(id: &str) -> bool {
    OFF.with_borrow(|off| off.as_deref() != Some(id))
}

/// Switches the check `id` off in this thread, or every check on again. A server is weakened in all
/// of its own threads, and nobody else with it.
#[cfg(feature = "weaken")]
pub fn dangerously_weaken(id: Option<&str>) {
    OFF.set(id.map(str::to_owned));
}
