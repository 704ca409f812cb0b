//! Bodies: what kinds there are, how large each may be, and how many are in memory at once.

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Bytes, to_bytes},
    http::{HeaderMap, header},
};
use tls_codec::{DeserializeBytes, Serialize};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use valise_proto::{
    api::{BODY_MAX, ErrorCode, attachment::RANGE_MAX},
    codec::{Limited, decode},
    id::DeviceId,
    log::entry::Entry,
};

use super::error::Error;
use crate::{config::Config, limit::Turns};

/// A body larger than this is large: bytes.
const LARGE: usize = 1 << 20;
/// Large bodies of one device at once.
const LARGE_EACH: usize = 2;
/// All bodies of one device at once: bytes. A large body finds room beside small ones.
const BYTES_EACH: u32 = 16 << 20;
const _: () = assert!(LARGE_EACH * BODY_MAX <= 16 << 20);

/// A kind of body.
pub(super) trait Body: Sized {
    /// Largest size in bytes: nothing more is read.
    const MAX: usize;

    /// Reads all of it.
    fn read(bytes: Bytes) -> Result<Self, Error>;
}

/// No body.
pub(super) struct Nothing;

/// An entry of the log, as it came: its exact bytes are what is signed and hashed.
pub(super) struct RawEntry(pub(super) Bytes);

/// A part of an attached file, as it came.
pub(super) struct Part(pub(super) Bytes);

/// A body in the canonical encoding.
pub(super) struct Read<T>(pub(super) T);

impl Body for Nothing {
    const MAX: usize = 0;

    fn read(_bytes: Bytes) -> Result<Self, Error> {
        Ok(Self)
    }
}

impl Body for RawEntry {
    const MAX: usize = Entry::MAX;

    fn read(bytes: Bytes) -> Result<Self, Error> {
        Ok(Self(bytes))
    }
}

impl Body for Part {
    const MAX: usize = RANGE_MAX;

    fn read(bytes: Bytes) -> Result<Self, Error> {
        Ok(Self(bytes))
    }
}

impl<T: DeserializeBytes + Serialize + Limited> Body for Read<T> {
    const MAX: usize = T::MAX;

    fn read(bytes: Bytes) -> Result<Self, Error> {
        Ok(Self(decode(&bytes)?))
    }
}

/// Room for bodies.
#[derive(Debug)]
pub(crate) struct Bodies {
    each_max: usize,
    all_max: u32,
    timeout: Duration,
    /// One permit a byte.
    free: Arc<Semaphore>,
    /// So that a few slow devices do not take all of it.
    large: Turns<DeviceId>,
    /// Nor many small bodies of one of them: one turn a byte.
    each: Turns<DeviceId>,
}

/// Where one body lies; dropped, it is free again.
#[derive(Debug)]
pub(super) struct Room {
    _bytes: OwnedSemaphorePermit,
    _each: OwnedSemaphorePermit,
    _large: Option<OwnedSemaphorePermit>,
}

impl Bodies {
    pub(crate) fn new(config: &Config) -> Self {
        let all_max = config.bodies_bytes_max;
        Self {
            each_max: config.body_bytes_max,
            all_max,
            timeout: Duration::from_millis(config.body_timeout_ms),
            free: Arc::new(Semaphore::new(usize::try_from(all_max).unwrap_or(0))),
            large: Turns::new(LARGE_EACH),
            each: Turns::new(usize::try_from(BYTES_EACH).unwrap_or(usize::MAX)),
        }
    }

    /// Receives a body of at most `max` bytes that `device` says it sends.
    pub(super) async fn receive(
        &self,
        device: DeviceId,
        headers: &HeaderMap,
        body: axum::body::Body,
        max: usize,
    ) -> Result<(Bytes, Room), Error> {
        if headers.contains_key(header::CONTENT_ENCODING) {
            return Err(Error::new(
                ErrorCode::Malformed,
                "bodies are never compressed",
            ));
        }
        let too_large = || Error::new(ErrorCode::TooLarge, "the body is too large");
        let max = max.min(self.each_max);
        let stated = headers
            .get(header::CONTENT_LENGTH)
            .and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        if stated.is_some_and(|length| length > max) {
            return Err(too_large());
        }
        let room = self.room(device, stated.unwrap_or(max)).await?;
        match timeout(self.timeout, to_bytes(body, max)).await {
            Ok(Ok(bytes)) => Ok((bytes, room)),
            Ok(Err(_)) => Err(too_large()),
            Err(_) => Err(Error::new(ErrorCode::Malformed, "the body came too slowly")),
        }
    }

    async fn room(&self, device: DeviceId, size: usize) -> Result<Room, Error> {
        let refused = || Error::new(ErrorCode::TooMany, "too many large requests at once");
        let large = if size > LARGE {
            let turn = self.large.wait(device, self.timeout).await;
            Some(turn.ok_or_else(refused)?)
        } else {
            None
        };
        let size = u32::try_from(size).unwrap_or(u32::MAX).min(self.all_max);
        let share = size.min(BYTES_EACH);
        let each = self.each.wait_for(device, share, self.timeout).await;
        let each = each.ok_or_else(refused)?;
        let free = Arc::clone(&self.free).acquire_many_owned(size);
        match timeout(self.timeout, free).await {
            Ok(Ok(bytes)) => Ok(Room {
                _bytes: bytes,
                _each: each,
                _large: large,
            }),
            _ => Err(Error::new(
                ErrorCode::Unavailable,
                "too many requests at once: try again",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn v02_many_small_bodies_of_one_device_leave_room_for_others() {
        let bodies = Bodies::new(&Config::default());
        let (slow, other) = (DeviceId([1; 32]), DeviceId([2; 32]));
        let now = Duration::ZERO;
        let mut taken = Vec::new();
        while let Ok(room) = timeout(now, bodies.room(slow, LARGE)).await {
            taken.push(room.unwrap());
        }
        assert_eq!(taken.len(), 16);
        let free = timeout(now, bodies.room(other, LARGE)).await;
        assert!(free.is_ok_and(|room| room.is_ok()));
        drop(taken.pop());
        let free = timeout(now, bodies.room(slow, LARGE)).await;
        assert!(free.is_ok_and(|room| room.is_ok()));
    }

    #[tokio::test]
    async fn bodies_wait_for_room_and_one_device_takes_little_of_it() {
        let bodies = Bodies::new(&Config {
            bodies_bytes_max: 6 << 20,
            ..Config::default()
        });
        let (slow, other) = (DeviceId([1; 32]), DeviceId([2; 32]));
        let now = Duration::ZERO;
        let first = bodies.room(slow, 2 << 20).await.unwrap();
        let _second = bodies.room(slow, 2 << 20).await.unwrap();
        assert!(timeout(now, bodies.room(slow, 2 << 20)).await.is_err());
        let small = timeout(now, bodies.room(slow, LARGE)).await.unwrap();
        drop(small.unwrap());
        let _third = bodies.room(other, 2 << 20).await.unwrap();
        // All of it is taken now.
        assert!(timeout(now, bodies.room(other, 1)).await.is_err());
        drop(first);
        let free = timeout(now, bodies.room(other, 1)).await;
        assert!(free.is_ok_and(|room| room.is_ok()));
    }
}
