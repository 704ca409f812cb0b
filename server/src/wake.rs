//! Tells waiting devices that there is something, and keeps one stream a device.
//!
//! Both in this process. Where several servers share a database, what happens here goes out as [`Ring`]s,
//! which the room `node` carries to the others. A ring that is lost costs time and nothing else: streams look
//! for themselves now and then.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{Notify, mpsc, oneshot};
use valise_proto::id::DeviceId;

/// Rings that wait to be carried at most.
const RINGS_MAX: usize = 4_096;

/// What other servers on the same database are told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ring {
    /// There is something for this device.
    Bell(DeviceId),
    /// This device's stream is here now.
    Stream(DeviceId),
}

/// Who waits.
#[derive(Debug, Default)]
pub struct Wake {
    waiting: Mutex<HashMap<DeviceId, Arc<Notify>>>,
    /// Where rings go out, if there are other servers.
    out: Option<mpsc::Sender<Ring>>,
    /// The one push stream of each device.
    streams: Mutex<HashMap<DeviceId, oneshot::Sender<()>>>,
}

impl Wake {
    /// For one server alone, or for several: then what is received must be carried to the others.
    pub fn new(shared: bool) -> (Arc<Self>, Option<mpsc::Receiver<Ring>>) {
        let (out, rings) = if shared {
            let (out, rings) = mpsc::channel(RINGS_MAX);
            (Some(out), Some(rings))
        } else {
            (None, None)
        };
        let wake = Self {
            out,
            ..Self::default()
        };
        (Arc::new(wake), rings)
    }

    /// A bell that rings when there is something for `device`. All of a device's streams share one
    /// bell that remembers one ring: nothing is missed between reading and waiting.
    pub fn bell(&self, device: DeviceId) -> Arc<Notify> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|_, bell| Arc::strong_count(bell) > 1);
        Arc::clone(waiting.entry(device).or_default())
    }

    /// Rings the bells of `devices`, here and elsewhere.
    pub fn ring<'a>(&self, devices: impl IntoIterator<Item = &'a DeviceId> + Clone) {
        self.ring_here(devices.clone());
        for device in devices {
            self.tell(Ring::Bell(*device));
        }
    }

    fn tell(&self, ring: Ring) {
        if let Some(out) = &self.out {
            // When there are too many, whoever is not told looks later.
            let _full = out.try_send(ring);
        }
    }

    /// What another server said.
    pub fn hear(&self, ring: Ring) {
        match ring {
            Ring::Bell(device) => self.ring_here([&device]),
            Ring::Stream(device) => drop(self.streams().remove(&device)),
        }
    }

    /// Rings every bell here: something may have been missed.
    pub fn ring_all(&self) {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        for bell in waiting.values() {
            bell.notify_waiters();
            bell.notify_one();
        }
    }

    fn ring_here<'a>(&self, devices: impl IntoIterator<Item = &'a DeviceId>) {
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

    /// How many streams there are here.
    pub fn open_streams(&self) -> usize {
        let streams = self.streams();
        let open = streams.values().filter(|stream| !stream.is_closed());
        open.count()
    }

    /// Takes the place of the device's stream, wherever it is. What is returned resolves when the next one
    /// does.
    pub fn replace(&self, device: DeviceId) -> oneshot::Receiver<()> {
        let (replaced, told) = oneshot::channel();
        let mut streams = self.streams();
        streams.retain(|_, stream| !stream.is_closed());
        // Dropped, the former one tells its stream.
        streams.insert(device, replaced);
        self.tell(Ring::Stream(device));
        told
    }

    fn streams(&self) -> std::sync::MutexGuard<'_, HashMap<DeviceId, oneshot::Sender<()>>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
