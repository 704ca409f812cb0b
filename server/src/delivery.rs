//! The delivery service: orders commits and letters of each group, keeps ciphertext until everybody has it.
//!
//! One writer takes what many connections sent, up to [`BATCH_MAX`] at a time, into one transaction,
//! and answers after its commit: so one flush to disk serves many letters, and nothing is
//! acknowledged that is not on disk. The contract stands in [`valise_proto::api::delivery`].

mod batch;
mod page;

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use tokio::sync::{mpsc, oneshot};
use tracing::Instrument as _;
use valise_proto::{
    api::delivery::{Accepted, AcceptedLetters, Ack, Commit, Letter, Letters},
    id::{DeviceId, GroupId},
    weaken::checked,
};

use self::batch::Batch;
use crate::{
    clock::Clock,
    config::Config,
    directory::Log,
    limit::{HOUR_MS, MINUTE_MS, Rate},
    metrics::Counts,
    store::{Past, Store, StoreError},
    trace,
    wake::Wake,
};

/// Requests that write, in one transaction at most.
const BATCH_MAX: usize = 256;
/// Requests that wait for the writer at most; who comes later waits to be let in.
const QUEUE_MAX: usize = 512;
/// Commits and Welcomes wait for a year, or as long as letters if that is longer: who comes back after
/// months cannot open yesterday's letter without every change of keys before it.
const HANDSHAKES_MS: u64 = 365 * 86_400_000;
/// How often a batch is tried when other servers write to the same groups.
const ATTEMPTS: u32 = 5;
/// Groups in one acknowledgement at most.
pub const CURSORS_MAX: usize = 1_000;
/// What MLS adds to a padded letter at most: bytes.
const OVERHEAD_BYTES: usize = 1_024;

/// So many groups in an acknowledgement cost as much as one write.
const CURSORS_UNIT: usize = 16;
/// So many bytes of a write cost as much as another write.
const BYTES_UNIT: usize = 16 * 1024;

/// Why a write was not accepted.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum DeliveryError {
    /// Not for the group's current epoch.
    #[error("the group is in another epoch: fetch, process and encrypt again")]
    Stale,
    /// The id was used for something else.
    #[error("this id was used for something else")]
    Conflict,
    /// There is no such group, or the device is not a member.
    #[error("there is no such group for this device")]
    NotFound,
    /// A device to be added is unknown, revoked or suspended.
    #[error("a device to be added is not active")]
    InactiveDevice,
    /// The device is no longer active: revoked since its request was let in.
    #[error("the device is revoked or its account suspended")]
    Revoked,
    /// A doubled or missing member of the commit.
    #[error("the commit contradicts itself")]
    Malformed,
    /// Larger than the policy allows.
    #[error("the letter is larger than the organisation allows")]
    TooLarge,
    /// Too often, or too much.
    #[error("too many letters, or commits into one group, from this device: wait")]
    TooMany,
    /// The transaction failed, or the server is stopping: nothing was stored, or nobody knows.
    #[error("not stored: send it again")]
    Unavailable,
}

/// How often one device may write.
#[derive(Debug)]
pub struct Pace {
    /// Anything.
    writes: Rate<DeviceId>,
    /// What stays on disk until everybody has fetched it: KiB.
    kib: Rate<DeviceId>,
    /// Commits, into one group: each makes everybody else there read before they write.
    commits: Rate<(DeviceId, GroupId)>,
}

impl Pace {
    /// As `config` has it.
    pub fn new(config: &Config) -> Self {
        Self {
            writes: Rate::new(config.letters_per_device_minute, MINUTE_MS),
            kib: Rate::new(config.letter_kib_per_device_hour, HOUR_MS),
            commits: Rate::new(config.commits_per_group_minute, MINUTE_MS),
        }
    }

    fn allows(&self, device: DeviceId, work: &Work, now_ms: u64) -> bool {
        let often = !self.writes.take_many(device, work.cost(), now_ms);
        let much = || !self.kib.take_many(device, work.kib(), now_ms) && checked("V14");
        match work {
            _ if often || much() => false,
            Work::Commit(commit) => {
                self.commits.take((device, commit.group), now_ms) || !checked("V15")
            }
            Work::Ack(_) | Work::Letter(_) => true,
        }
    }
}

/// The delivery service.
#[derive(Debug)]
pub struct Delivery {
    store: Store,
    log: Arc<Log>,
    clock: Arc<dyn Clock>,
    pace: Pace,
    queue: mpsc::Sender<Job>,
    counts: Arc<Counts>,
}

/// What one request writes, in its order, up to the first that is refused.
#[derive(Debug)]
struct Job {
    device: DeviceId,
    works: Vec<Work>,
    answer: oneshot::Sender<Answer>,
}

/// What became of a request: at least one write was accepted, or the first was refused.
type Answer = Result<Vec<Accepted>, DeliveryError>;

#[derive(Debug)]
enum Work {
    Ack(Ack),
    Commit(Commit),
    Letter(Letter),
}

impl Work {
    /// What it adds to the disk: bytes.
    fn bytes(&self) -> usize {
        match self {
            Self::Ack(_) => 0,
            Self::Commit(commit) => {
                commit.message.as_slice().len() + commit.welcome.as_slice().len()
            }
            Self::Letter(letter) => letter.message.as_slice().len(),
        }
    }

    /// The same in KiB, rounded up.
    fn kib(&self) -> u64 {
        u64::try_from(self.bytes().div_ceil(1024)).unwrap_or(u64::MAX)
    }

    /// What it takes of the device's rate: by the statements and bytes that the database writes.
    fn cost(&self) -> u64 {
        let units = match self {
            Self::Ack(ack) => ack.groups.len() / CURSORS_UNIT,
            Self::Commit(_) | Self::Letter(_) => self.bytes() / BYTES_UNIT,
        };
        u64::try_from(units).unwrap_or(u64::MAX).saturating_add(1)
    }
}

/// The one task that writes. It ends when the [`Delivery`] is dropped and every write is done.
#[derive(Debug)]
pub struct Writer {
    store: Store,
    log: Arc<Log>,
    clock: Arc<dyn Clock>,
    wake: Arc<Wake>,
    queue: mpsc::Receiver<Job>,
    counts: Arc<Counts>,
}

impl Delivery {
    /// The service, and the writer that must run for it.
    pub fn new(
        store: Store,
        log: Arc<Log>,
        clock: Arc<dyn Clock>,
        wake: Arc<Wake>,
        pace: Pace,
    ) -> (Self, Writer) {
        let (sender, queue) = mpsc::channel(QUEUE_MAX);
        let counts = Arc::<Counts>::default();
        let delivery = Self {
            store: store.clone(),
            log: Arc::clone(&log),
            clock: Arc::clone(&clock),
            pace,
            queue: sender,
            counts: Arc::clone(&counts),
        };
        let writer = Writer {
            store,
            log,
            clock,
            wake,
            queue,
            counts,
        };
        (delivery, writer)
    }

    /// What was done so far.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Accepts letters, up to the first that it refuses.
    pub async fn letters(
        &self,
        device: DeviceId,
        letters: Letters,
    ) -> Result<AcceptedLetters, DeliveryError> {
        let max = self.log.now().directory.policy().letter_bytes_max;
        let max = usize::try_from(max).unwrap_or(usize::MAX);
        let max = max.saturating_add(OVERHEAD_BYTES);
        let small = |letter: &Letter| letter.message.as_slice().len() <= max;
        let letters = letters.into_vec().into_iter().take_while(small);
        let letters: Vec<_> = letters.map(Work::Letter).collect();
        if letters.is_empty() {
            return Err(DeliveryError::TooLarge);
        }
        let accepted = self.submit(device, letters).await?;
        // Never: as many as letters at most, and else the answer is a refusal.
        AcceptedLetters::try_from(accepted).map_err(|_| DeliveryError::Unavailable)
    }

    /// Accepts a commit.
    pub async fn commit(
        &self,
        device: DeviceId,
        commit: Commit,
    ) -> Result<Accepted, DeliveryError> {
        let accepted = self.submit(device, vec![Work::Commit(commit)]).await?;
        accepted.first().copied().ok_or(DeliveryError::Unavailable)
    }

    /// Moves the device's cursors on.
    pub async fn ack(&self, device: DeviceId, ack: Ack) -> Result<(), DeliveryError> {
        if ack.groups.len() > CURSORS_MAX {
            return Err(DeliveryError::Malformed);
        }
        self.submit(device, vec![Work::Ack(ack)]).await.map(drop)
    }

    /// What a device has acknowledged in its groups: if it does not know, its store was put back (G22).
    pub async fn acknowledged(&self, device: DeviceId) -> Result<Ack, StoreError> {
        Ok(Ack {
            welcomes: 0,
            groups: self.store.acknowledged(device).await?,
        })
    }

    /// How much [`Delivery::expire`] would drop.
    pub async fn count_expired(&self) -> Result<u64, StoreError> {
        self.store.count_expired(self.past()).await
    }

    fn past(&self) -> Past {
        let retention_ms = self.log.now().directory.policy().retention_ms;
        let now_ms = self.clock.now_ms();
        let before = |kept_ms| now_ms.saturating_sub(kept_ms);
        Past {
            letters_ms: before(retention_ms),
            handshakes_ms: before(retention_ms.max(HANDSHAKES_MS)),
        }
    }

    async fn submit(&self, device: DeviceId, mut works: Vec<Work>) -> Answer {
        let now_ms = self.clock.now_ms();
        let allowed = |work: &&Work| self.pace.allows(device, work, now_ms);
        let allowed = works.iter().take_while(allowed).count();
        works.truncate(allowed);
        if works.is_empty() {
            return Err(DeliveryError::TooMany);
        }
        let (answer, answered) = oneshot::channel();
        let job = Job {
            device,
            works,
            answer,
        };
        let sent = self.queue.send(job).await;
        sent.map_err(|_| DeliveryError::Unavailable)?;
        answered.await.map_err(|_| DeliveryError::Unavailable)?
    }

    /// Drops ciphertext that is older than the organisation keeps it.
    pub async fn expire(&self) -> Result<(), StoreError> {
        let mut write = self.store.begin().await?;
        write.expire_messages(self.past()).await?;
        write.commit().await
    }
}

/// Every group that the jobs write to, in order, and whether its row will be needed.
fn groups(jobs: &[Job]) -> BTreeMap<GroupId, bool> {
    let mut groups = BTreeMap::new();
    for work in jobs.iter().flat_map(|job| &job.works) {
        match work {
            Work::Ack(ack) => {
                for cursor in &ack.groups {
                    groups.entry(cursor.group).or_insert(false);
                }
            }
            Work::Commit(commit) => drop(groups.insert(commit.group, true)),
            Work::Letter(letter) => drop(groups.insert(letter.group, true)),
        }
    }
    groups
}

impl Writer {
    /// Writes until nobody can send any more.
    pub async fn run(mut self) {
        let mut jobs = Vec::with_capacity(BATCH_MAX);
        while self.queue.recv_many(&mut jobs, BATCH_MAX).await > 0 {
            let mut written = self.write(&jobs).instrument(trace::batch(jobs.len())).await;
            for _ in 1..ATTEMPTS {
                if !written.as_ref().is_err_and(StoreError::was_overtaken) {
                    break;
                }
                written = self.write(&jobs).await;
            }
            match written {
                Ok((answers, woken)) => {
                    self.wake.ring(&woken);
                    for (job, answer) in jobs.drain(..).zip(answers) {
                        self.count(&job.works, &answer);
                        // Who no longer waits asks again with the same id.
                        let _gone = job.answer.send(answer);
                    }
                }
                Err(error) => {
                    self.counts.failed.add();
                    tracing::error!(error = %crate::Chain(&error), "a batch of writes was not stored");
                    for job in jobs.drain(..) {
                        let _gone = job.answer.send(Err(DeliveryError::Unavailable));
                    }
                }
            }
        }
    }

    /// One answer a job, in their order, and whom to wake.
    async fn write(&self, jobs: &[Job]) -> Result<(Vec<Answer>, HashSet<DeviceId>), StoreError> {
        let snapshot = self.log.now();
        let write = self.store.begin().await?;
        let mut batch = Batch::new(write, &snapshot.directory, self.clock.now_ms());
        if self.store.is_shared() {
            batch.lock(groups(jobs)).await?;
        }
        let mut answers = Vec::with_capacity(jobs.len());
        for job in jobs {
            // It waited in the queue, and the log may have grown meanwhile.
            answers.push(if snapshot.directory.active_device(job.device).is_some() {
                batch.all(job.device, &job.works).await?
            } else {
                Err(DeliveryError::Revoked)
            });
        }
        let lags_ms = std::mem::take(&mut batch.lags_ms);
        let woken = batch.finish().await?;
        for lag_ms in lags_ms {
            self.counts.lag.add(lag_ms);
        }
        Ok((answers, woken))
    }

    fn count(&self, works: &[Work], answer: &Answer) {
        let accepted = match answer {
            Ok(accepted) => accepted.len(),
            Err(DeliveryError::Stale) => return self.counts.stale.add(),
            Err(_) => return,
        };
        for work in works.iter().take(accepted) {
            match work {
                Work::Letter(_) => self.counts.letters.add(),
                Work::Commit(_) => self.counts.commits.add(),
                Work::Ack(_) => self.counts.acks.add(),
            }
        }
    }
}
