//! Somebody else than TCP and TLS who carries requests to the server: a network that a test breaks.
//!
//! Compiled in only with the feature `weaken`, which no published binary has.

use std::{cell::RefCell, pin::Pin, sync::Arc};

use super::{ApiError, Parcel, Reply};

/// A reply on its way.
pub type Carried<'c> = Pin<Box<dyn Future<Output = Result<Reply, ApiError>> + Send + 'c>>;

/// Carries requests, and their answers back.
pub trait Carrier: Send + Sync {
    /// Carries one. [`ApiError::Broken`] when the connection broke, [`ApiError::Unreachable`] when
    /// there was none, or no answer in time.
    fn carry(&self, parcel: Parcel) -> Carried<'_>;
}

thread_local! {
    static CARRIER: RefCell<Option<Arc<dyn Carrier>>> = const { RefCell::new(None) };
}

/// Every [`super::Api`] that this thread makes from here on sends by `carrier`; with none, by TCP and
/// TLS again.
pub fn dangerously_carry(carrier: Option<Arc<dyn Carrier>>) {
    CARRIER.set(carrier);
}

/// Who carries for this thread.
pub(super) fn of_this_thread() -> Option<Arc<dyn Carrier>> {
    CARRIER.with_borrow(Clone::clone)
}
