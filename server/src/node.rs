//! Several of this server on one database: what one of them must know of the others before it answers, and
//! wake-ups between them.
//!
//! A request is let in once by all of them together, and only after the log in memory has everything that
//! the database has: so any node serves any request, and no client is shown an older log than before.
//! Many requests ask the database at once. Where there is but one server, none of this happens.

mod nats;
pub(crate) mod word;

use std::{
    collections::BTreeSet,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{
        mpsc,
        oneshot::{self, error::TryRecvError},
        watch,
    },
    time::{MissedTickBehavior, interval},
};
use valise_proto::request::CLOCK_TOLERANCE_S;

pub use self::nats::{MisuseNats, NatsError};
use self::{nats::Nats, word::Word};
use crate::{
    Chain, ServeError,
    clock::Clock,
    config::Config,
    directory::{Log, OpenError},
    limit::Places,
    login::random,
    store::{NodeRow, RequestName, Store, StoreError},
    wake::{Ring, Wake},
};

/// Requests that are let in together at most.
const BATCH_MAX: usize = 256;
/// How often the log is looked at, and a lost line to the others taken up again, whatever they say.
const LOOK: Duration = Duration::from_secs(1);
/// How long a request is remembered: until its signature is too old by every node's clock.
const MEMORY_MS: u64 = 3 * CLOCK_TOLERANCE_S * 1_000;
/// A server that was not heard of for so long is gone, whatever its row says: milliseconds.
pub const GONE_MS: u64 = 30_000;
/// A row of a server that is gone stays for so long, for whoever looks: milliseconds.
const ROW_MS: u64 = 24 * 3_600_000;
/// Reasons for which the others are not heard, said at most until they are.
const REASONS_MAX: usize = 8;

/// Nobody knows whether the request came before: it is not let in.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The database holds rows that the log in memory cannot follow.
    #[error(transparent)]
    Log(#[from] OpenError),
    /// It failed for somebody who asked for several.
    #[error("requests could not be compared with those of other servers")]
    Together,
    /// NATS failed.
    #[error(transparent)]
    Nats(#[from] NatsError),
}

type Asked = (RequestName, oneshot::Sender<bool>);

/// This server among the others.
#[derive(Debug)]
pub struct Node {
    store: Store,
    log: Arc<Log>,
    clock: Arc<dyn Clock>,
    wake: Arc<Wake>,
    /// Which of them it is.
    name: String,
    /// What operators call it.
    called: String,
    started_at_ms: u64,
    /// Open connections.
    connections: Places<IpAddr>,
    /// Whether an operator wants it to be left alone.
    drains: watch::Sender<bool>,
    channel: String,
    /// What carries words between them, if not the database.
    nats: Option<Nats>,
    waiting: Mutex<Vec<Asked>>,
    turn: Arc<tokio::sync::Mutex<()>>,
}

impl Node {
    /// One of those on this database.
    pub fn new(
        store: &Store,
        log: &Arc<Log>,
        clock: &Arc<dyn Clock>,
        wake: &Arc<Wake>,
        config: &Config,
    ) -> Result<Arc<Self>, ServeError> {
        let name = format!("{:016x}", u64::from_be_bytes(random()?));
        let org = log.now().directory.org();
        let channel: String = format!("valise_{org}").chars().take(60).collect();
        Ok(Arc::new(Self {
            store: store.clone(),
            nats: Nats::new(config, &name, &channel)?,
            channel,
            log: Arc::clone(log),
            clock: Arc::clone(clock),
            wake: Arc::clone(wake),
            name,
            called: config.node_name(),
            started_at_ms: clock.now_ms(),
            connections: Places::new(config.connections_max, config.connections_per_ip_max),
            drains: watch::Sender::new(false),
            waiting: Mutex::default(),
            turn: Arc::default(),
        }))
    }

    /// Whether no server has let this request in before. Then the log here has all that the database had
    /// when it was asked for.
    pub async fn admit(self: &Arc<Self>, request: RequestName) -> Result<bool, NodeError> {
        if !self.store.is_shared() {
            return Ok(true);
        }
        let (answer, mut answered) = oneshot::channel();
        self.waiting().push((request, answer));
        loop {
            // Whoever comes first asks for all who have come until then.
            let turn = Arc::clone(&self.turn).lock_owned().await;
            match answered.try_recv() {
                Ok(new) => return Ok(new),
                Err(TryRecvError::Closed) => return Err(NodeError::Together),
                Err(TryRecvError::Empty) => {}
            }
            let batch: Vec<_> = {
                let mut waiting = self.waiting();
                let count = waiting.len().min(BATCH_MAX);
                waiting.drain(..count).collect()
            };
            let node = Arc::clone(self);
            // To its end, though the one who began it may go away.
            let asking = tokio::spawn(async move {
                let asked = node.ask(batch).await;
                drop(turn);
                asked
            });
            asking.await.map_err(|_| NodeError::Together)??;
        }
    }

    async fn ask(&self, batch: Vec<Asked>) -> Result<(), NodeError> {
        let names: Vec<_> = batch.iter().map(|(name, _)| *name).collect();
        let expires_at_ms = self.clock.now_ms().saturating_add(MEMORY_MS);
        let new = self.store.accept_requests(&names, expires_at_ms).await?;
        self.look().await?;
        for (name, answer) in batch {
            // Who has gone away asks for something else.
            let _gone = answer.send(new.contains(&name));
        }
        Ok(())
    }

    /// Reads what other servers have appended to the log. False when there are none.
    pub async fn look(&self) -> Result<bool, NodeError> {
        let shared = self.store.is_shared();
        if shared {
            self.log.extend_to(self.store.log_size().await?).await?;
        }
        Ok(shared)
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Vec<Asked>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Carries wake-ups between the servers. Ends when it is dropped.
    pub async fn run(self: Arc<Self>, rings: Option<mpsc::Receiver<Ring>>) {
        let Some(rings) = rings else {
            return std::future::pending().await;
        };
        tokio::join!(self.listen(), self.speak(rings), self.watch());
    }

    /// Room for connections, of which operators see how many are open.
    pub fn connections(&self) -> &Places<IpAddr> {
        &self.connections
    }

    /// Changes when an operator wants this server to be left alone, or not any more.
    pub fn drains(&self) -> watch::Receiver<bool> {
        self.drains.subscribe()
    }

    /// Says that it is there, and hears whether it is to be left alone.
    async fn be_seen(&self) -> Result<(), StoreError> {
        let count = |number| u64::try_from(number).unwrap_or(u64::MAX);
        let row = NodeRow {
            id: self.name.clone(),
            name: self.called.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at_ms: self.started_at_ms,
            seen_at_ms: self.clock.now_ms(),
            connections: count(self.connections.taken()),
            streams: count(self.wake.open_streams()),
            drains: false,
        };
        let drains = self.store.be_seen(&row).await?;
        if self.drains.send_replace(drains) != drains {
            let what = if drains { "drains" } else { "serves again" };
            tracing::info!("this server {what}: an operator said so");
        }
        Ok(())
    }

    /// Says that it is there no more, and so do those that were not heard of for long.
    pub async fn leave(&self) {
        if self.store.is_shared() {
            let before_ms = self.clock.now_ms().saturating_sub(ROW_MS);
            if let Err(error) = self.store.forget_node(&self.name, before_ms).await {
                tracing::warn!(error = %Chain(&error), "the others are not told that this server ends");
            }
        }
    }

    /// Hears the others.
    async fn listen(&self) {
        let mut ticks = interval(LOOK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut deaf = Deaf::default();
        loop {
            ticks.tick().await;
            let Err(error) = self.hear_all(&mut deaf).await;
            deaf.warn(&error);
        }
    }

    async fn hear_all(&self, deaf: &mut Deaf) -> Result<std::convert::Infallible, NodeError> {
        if let Some(nats) = &self.nats {
            let mut heard = nats.open().await?;
            loop {
                match nats.next(&mut heard).await {
                    Ok(word) => {
                        deaf.reasons.clear();
                        self.hear(word.as_deref()).await;
                    }
                    Err(NatsError::Ended) => return Err(NatsError::Ended.into()),
                    // The library tries again by itself.
                    Err(error) => deaf.warn(&error.into()),
                }
            }
        }
        let words = self.store.words(&self.channel).await?;
        let mut words = words.ok_or(NodeError::Together)?;
        deaf.reasons.clear();
        self.hear(None).await;
        loop {
            let word = words.next().await?;
            self.hear(word.as_deref()).await;
        }
    }

    /// Does what another server says; `None` when what was said before was missed.
    async fn hear(&self, word: Option<&str>) {
        let Some(word) = word else {
            self.wake.ring_all();
            return;
        };
        match Word::parse(word, &self.name) {
            Some(Word::Rings(rings)) => rings.into_iter().for_each(|ring| self.wake.hear(ring)),
            Some(Word::Log(size)) => {
                if let Err(error) = self.log.extend_to(size).await {
                    tracing::warn!(error = %Chain(&error), "the log could not be read");
                }
            }
            // A word that is none says nothing.
            None => {}
        }
    }

    async fn say(&self, word: &str) -> Result<(), NodeError> {
        match &self.nats {
            Some(nats) => Ok(nats.say(word).await?),
            None => Ok(self.store.say(&self.channel, word).await?),
        }
    }

    /// Tells the others.
    async fn speak(&self, mut rings: mpsc::Receiver<Ring>) {
        let mut grown = self.log.watch();
        let mut fails = false;
        let mut some = Vec::new();
        loop {
            let word = tokio::select! {
                count = rings.recv_many(&mut some, word::RINGS_MAX) => {
                    if count == 0 {
                        return;
                    }
                    Word::Rings(std::mem::take(&mut some))
                }
                changed = grown.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    Word::Log(*grown.borrow_and_update())
                }
            };
            let said = self.say(&word.to_text(&self.name)).await;
            if let Err(error) = &said
                && !fails
            {
                tracing::warn!(error = %Chain(error), "other servers are not told");
            }
            fails = said.is_err();
        }
    }

    /// Looks at the log now and then: a word that was lost delays it by so much.
    async fn watch(&self) {
        let mut ticks = interval(LOOK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Err(error) = self.look().await {
                tracing::warn!(error = %Chain(&error), "the log was not looked at");
            }
            if let Err(error) = self.be_seen().await {
                tracing::warn!(error = %Chain(&error), "the others do not see this server");
            }
        }
    }
}

/// Why the others are not heard, as far as it was said.
#[derive(Default)]
struct Deaf {
    reasons: BTreeSet<String>,
}

impl Deaf {
    /// Says each reason once.
    fn warn(&mut self, error: &NodeError) {
        let reason = Chain(error).to_string();
        if self.reasons.len() < REASONS_MAX && !self.reasons.contains(&reason) {
            tracing::warn!(error = reason, "other servers are not heard");
            self.reasons.insert(reason);
        }
    }
}
