//! Random bytes from the operating system, through ring.

use openmls_traits::types::CryptoError;
use ring::rand::{SecureRandom as _, SystemRandom};
use thiserror::Error;
use zeroize::Zeroizing;

/// The operating system gave no random bytes; nothing can be made safely.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the operating system gave no random bytes")]
pub struct NoRandomness;

impl From<NoRandomness> for CryptoError {
    fn from(_: NoRandomness) -> Self {
        Self::InsufficientRandomness
    }
}

/// Fills `bytes`.
pub(super) fn fill(bytes: &mut [u8]) -> Result<(), NoRandomness> {
    SystemRandom::new().fill(bytes).map_err(|_| NoRandomness)
}

/// `N` bytes that are meant to stay secret.
pub(super) fn secret<const N: usize>() -> Result<Zeroizing<[u8; N]>, NoRandomness> {
    let mut bytes = Zeroizing::new([0; N]);
    fill(bytes.as_mut_slice())?;
    Ok(bytes)
}
