//! Limits for each key: how often, by a token bucket, and how many at once.

use std::{
    collections::HashMap,
    fmt,
    hash::Hash,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use valise_proto::statement::sha256;

use crate::store::{Store, StoreError};

/// A minute, in milliseconds.
pub const MINUTE_MS: u64 = 60_000;

/// An hour, in milliseconds.
pub const HOUR_MS: u64 = 60 * MINUTE_MS;

/// Most keys remembered by one [`Rate`]. When there are more, full buckets are forgotten first,
/// then new keys are refused.
const KEYS_MAX: usize = 50_000;

/// "At most `burst` at once, refilled in `period_ms`", for each key.
#[derive(Debug)]
pub struct Rate<K> {
    burst: u64,
    period_ms: u64,
    /// Key to (tokens × period, when that was so).
    buckets: Mutex<HashMap<K, (u64, u64)>>,
}

impl<K: Eq + Hash> Rate<K> {
    /// At most `burst` at once, refilled in `period_ms`.
    pub fn new(burst: u32, period_ms: u64) -> Self {
        Self {
            burst: u64::from(burst),
            period_ms,
            buckets: Mutex::default(),
        }
    }

    /// Takes one token of `key`; false when there is none.
    pub fn take(&self, key: K, now_ms: u64) -> bool {
        self.take_many(key, 1, now_ms)
    }

    /// Takes `tokens` of `key` at once, or a whole bucket if that is less; false when there are
    /// too few, and then none are taken.
    pub fn take_many(&self, key: K, tokens: u64, now_ms: u64) -> bool {
        let cost = tokens.min(self.burst.max(1)).saturating_mul(self.period_ms);
        let full = self.burst.saturating_mul(self.period_ms);
        let refilled = |(tokens, at): (u64, u64)| {
            let gained = now_ms.saturating_sub(at).saturating_mul(self.burst);
            tokens.saturating_add(gained).min(full)
        };
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= KEYS_MAX && !buckets.contains_key(&key) {
            buckets.retain(|_, bucket| refilled(*bucket) < full);
            if buckets.len() >= KEYS_MAX {
                return false;
            }
        }
        let bucket = buckets.entry(key).or_insert((full, now_ms));
        let left = refilled(*bucket).checked_sub(cost);
        *bucket = (left.unwrap_or_else(|| refilled(*bucket)), now_ms);
        left.is_some()
    }
}

/// A [`Rate`] that all servers on one database count together.
#[derive(Debug)]
pub struct SharedRate<K> {
    name: &'static str,
    here: Rate<K>,
    store: Store,
}

impl<K: Eq + Hash + fmt::Debug> SharedRate<K> {
    /// The rate of this name: at most `burst` at once, refilled in `period_ms`. What this server alone does
    /// not allow, the database is not asked for.
    pub fn new(name: &'static str, burst: u32, period_ms: u64, store: &Store) -> Self {
        Self {
            name,
            here: Rate::new(burst, period_ms),
            store: store.clone(),
        }
    }

    /// Takes one token of `key`; false when there is none.
    pub async fn take(&self, key: K, now_ms: u64) -> Result<bool, StoreError> {
        let bucket = sha256(&[self.name.as_bytes(), format!(" {key:?}").as_bytes()]);
        if !self.here.take(key, now_ms) {
            return Ok(false);
        }
        if !self.store.is_shared() {
            return Ok(true);
        }
        let whole_ms = self.here.period_ms;
        let cost_ms = whole_ms / self.here.burst.max(1);
        self.store
            .take_share(bucket, cost_ms, whole_ms, now_ms)
            .await
    }
}

/// How many places are taken at once, by all and by each key.
#[derive(Debug)]
pub struct Places<K: Eq + Hash> {
    all_max: usize,
    each_max: usize,
    taken: Arc<Mutex<HashMap<K, usize>>>,
}

/// One place; dropped, it is free again.
#[derive(Debug)]
pub struct Place<K: Eq + Hash> {
    key: K,
    taken: Arc<Mutex<HashMap<K, usize>>>,
}

impl<K: Copy + Eq + Hash> Places<K> {
    /// At most `all_max`, and `each_max` of one key.
    pub fn new(all_max: usize, each_max: usize) -> Self {
        Self {
            all_max,
            each_max,
            taken: Arc::default(),
        }
    }

    /// How many are taken.
    pub fn taken(&self) -> usize {
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.values().sum()
    }

    /// A place for one more; `None` when there is none.
    pub fn enter(&self, key: K) -> Option<Place<K>> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = taken.values().sum();
        let each = taken.get(&key).copied().unwrap_or(0);
        if all >= self.all_max || each >= self.each_max {
            return None;
        }
        taken.insert(key, each + 1);
        Some(Place {
            key,
            taken: Arc::clone(&self.taken),
        })
    }
}

impl<K: Eq + Hash> Drop for Place<K> {
    fn drop(&mut self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(each) = taken.get_mut(&self.key) {
            *each = each.saturating_sub(1);
            if *each == 0 {
                taken.remove(&self.key);
            }
        }
    }
}

/// What counts as one address: an IPv4 address, or the /64 of an IPv6 one, since a household has a whole /64.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() >> 64 << 64).into()),
    }
}

/// How many of one key may be at something at once. Who comes later waits, in order.
#[derive(Debug)]
pub struct Turns<K> {
    each_max: usize,
    taken: Mutex<HashMap<K, Arc<Semaphore>>>,
}

impl<K: Eq + Hash> Turns<K> {
    /// At most `each_max` of one key.
    pub fn new(each_max: usize) -> Self {
        Self {
            each_max,
            taken: Mutex::default(),
        }
    }

    /// A turn of `key`, when there is one within `patience`; dropped, it is the next one's.
    pub async fn wait(&self, key: K, patience: Duration) -> Option<OwnedSemaphorePermit> {
        self.wait_for(key, 1, patience).await
    }

    /// The same for so many turns at once.
    pub async fn wait_for(
        &self,
        key: K,
        count: u32,
        patience: Duration,
    ) -> Option<OwnedSemaphorePermit> {
        let turns = {
            let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
            // Who has a turn or waits for one holds the other half.
            taken.retain(|_, turns| Arc::strong_count(turns) > 1);
            let turns = taken.entry(key);
            Arc::clone(turns.or_insert_with(|| Arc::new(Semaphore::new(self.each_max))))
        };
        timeout(patience, turns.acquire_many_owned(count))
            .await
            .ok()?
            .ok()
    }
}

/// A block of addresses that one hand may well hold all of: an IPv4 /24, an IPv6 /48.
pub fn block(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4((address.to_bits() >> 8 << 8).into()),
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() >> 80 << 80).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn l17_a_bucket_empties_and_refills() {
        let rate = Rate::new(3, 60_000);
        let taken = (0..10).filter(|_| rate.take("a", 1_000)).count();
        assert_eq!(taken, 3);
        assert!(rate.take("b", 1_000), "another key has its own");
        assert!(!rate.take("a", 20_000));
        assert!(rate.take("a", 21_000));
        assert!(!rate.take("a", 21_000));
    }

    #[test]
    fn l17_what_is_larger_takes_more() {
        let rate = Rate::new(3, 60_000);
        assert!(rate.take_many("a", 2, 0));
        assert!(!rate.take_many("a", 2, 0));
        assert!(rate.take("a", 0));
        assert!(
            rate.take_many("b", 99, 0),
            "a full bucket pays for anything"
        );
        assert!(!rate.take("b", 0));
    }

    #[test]
    fn an_address_is_in_its_block() {
        for (address, expected) in [
            ("192.0.2.77", "192.0.2.0"),
            ("::ffff:192.0.2.77", "192.0.2.0"),
            ("2001:db8:1:2::3", "2001:db8:1::"),
        ] {
            let expected: IpAddr = expected.parse().unwrap();
            assert_eq!(block(address.parse().unwrap()), expected);
        }
    }

    #[test]
    fn one_address_does_not_take_every_place() {
        let connections = Places::new(3, 2);
        let address = |text: &str| network(text.parse().unwrap());
        let first = connections.enter(address("2001:db8::1"));
        let second = connections.enter(address("2001:db8::2"));
        assert!(first.is_some() && second.is_some());
        assert!(connections.enter(address("2001:db8::3")).is_none());
        assert!(connections.enter(address("192.0.2.1")).is_some());
        drop(first);
        assert!(connections.enter(address("2001:db8::3")).is_some());
    }
}
