//! Tells waiting devices that there is something, and keeps one stream a device: in this process.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{Notify, oneshot};
use valise_proto::id::DeviceId;

/// Who waits.
#[derive(Debug, Default)]
pub struct Wake {
    waiting: Mutex<HashMap<DeviceId, Arc<Notify>>>,
}

impl Wake {
    /// A bell that rings when there is something for `device`. All of a device's streams share one
    /// bell that remembers one ring: nothing is missed between reading and waiting.
    pub fn bell(&self, device: DeviceId) -> Arc<Notify> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|_, bell| Arc::strong_count(bell) > 1);
        Arc::clone(waiting.entry(device).or_default())
    }

    /// Rings the bells of those of `devices` that wait.
    pub fn ring<'a>(&self, devices: impl IntoIterator<Item = &'a DeviceId>) {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.is_empty() {
            return;
        }
        for device in devices {
            if let Some(bell) = waiting.get(device) {
                bell.notify_waiters();
                bell.notify_one();
            }
        }
    }
}

/// The one push stream of each device.
#[derive(Debug, Default)]
pub struct Streams(Mutex<HashMap<DeviceId, oneshot::Sender<()>>>);

impl Streams {
    /// How many there are.
    pub fn count(&self) -> usize {
        let streams = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        streams
            .values()
            .filter(|stream| !stream.is_closed())
            .count()
    }

    /// Takes the place of the device's stream. What is returned resolves when the next one does.
    pub fn replace(&self, device: DeviceId) -> oneshot::Receiver<()> {
        let (replaced, told) = oneshot::channel();
        let mut streams = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        streams.retain(|_, stream| !stream.is_closed());
        // Dropped, the former one tells its stream.
        streams.insert(device, replaced);
        told
    }
}
