//! Everything that a request may need, put together once.

use std::{convert::Infallible, fmt::Debug, hash::Hash, net::IpAddr, sync::Arc};

use tokio::{
    sync::{mpsc, watch},
    task::JoinError,
};
use valise_proto::{
    api::proposal::OPEN_MS,
    card::ServerUrl,
    id::{DeviceId, Name, SessionId},
};

use crate::{
    ServeError,
    account::enrolment::{self, Enrolments},
    attachment::{AttachmentError, Attachments},
    clock::{Clock, Jumps},
    config::Config,
    delivery::{Delivery, Pace, Writer},
    directory::{Log, LogKey},
    http::{Bodies, Nonces},
    key_package::KeyPackages,
    limit::{HOUR_MS, MINUTE_MS, Rate, SharedRate, Turns},
    login::{Ceremonies, Login},
    node::Node,
    proposal::Proposals,
    session::{SessionRefusal, Sessions},
    store::{SessionRow, Store},
    wake::{Ring, Wake},
    witness::Witnesses,
};

/// Pages of letters or of the log on their way to one device at most, beside its stream's.
const PAGES_EACH: usize = 2;

/// The server's rooms.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) config: Config,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) jumps: Jumps,
    pub(crate) store: Store,
    pub(crate) log: Arc<Log>,
    pub(crate) witnesses: Arc<Witnesses>,
    pub(crate) url: ServerUrl,
    /// What signed requests call this server.
    pub(crate) authority: String,
    pub(crate) nonces: Nonces,
    pub(crate) bodies: Bodies,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) login: Login,
    pub(crate) login_rate: SharedRate<IpAddr>,
    pub(crate) sessionless_rate: Rate<IpAddr>,
    pub(crate) enrolments: Enrolments,
    pub(crate) entry_rate: SharedRate<Name>,
    pub(crate) proposals: Proposals,
    pub(crate) key_packages: KeyPackages,
    pub(crate) delivery: Delivery,
    pub(crate) attachments: Arc<Attachments>,
    /// Pages on their way.
    pub(crate) pages: Turns<DeviceId>,
    pub(crate) wake: Arc<Wake>,
    pub(crate) node: Arc<Node>,
    /// True when the server stops.
    pub(crate) stopping: watch::Receiver<bool>,
    /// Held by everything that must end before the server has stopped.
    pub(crate) tasks: mpsc::Sender<Infallible>,
}

impl Service {
    /// Opens the data folder and replays the log.
    pub(crate) async fn open(
        config: Config,
        clock: Arc<dyn Clock>,
        stopping: watch::Receiver<bool>,
        tasks: mpsc::Sender<Infallible>,
    ) -> Result<(Self, Writer, Option<mpsc::Receiver<Ring>>), ServeError> {
        let store = Store::open(&config.database_url()).await?;
        let key = LogKey::load(&config)?;
        let log = Arc::new(Log::open(store.clone(), key, Arc::clone(&clock)).await?);
        let genesis = log.now().directory.genesis().clone();
        let url: ServerUrl = genesis.url.as_str().parse().map_err(|_| ServeError::Url)?;
        let ceremonies = Arc::new(Ceremonies::new(&url, genesis.tag)?);
        let sessions = Arc::new(Sessions::open(store.clone(), Arc::clone(&clock)).await?);
        let (wake, rings) = Wake::new(store.is_shared());
        let node = Node::new(&store, &log, &clock, &wake, &config)?;
        let (delivery, writer) = Delivery::new(
            store.clone(),
            Arc::clone(&log),
            Arc::clone(&clock),
            Arc::clone(&wake),
            Pace::new(&config),
        );
        let service = Self {
            nonces: Nonces::new(Arc::clone(&clock), store.is_shared()),
            bodies: Bodies::new(&config),
            authority: url.authority().to_owned(),
            login: Login {
                ceremonies: Arc::clone(&ceremonies),
                store: store.clone(),
                log: Arc::clone(&log),
                sessions: Arc::clone(&sessions),
                clock: Arc::clone(&clock),
            },
            login_rate: by_minute("login", config.logins_per_ip_minute, &store),
            sessionless_rate: Rate::new(config.sessionless_per_ip_minute, MINUTE_MS),
            enrolments: Enrolments {
                ceremonies,
                store: store.clone(),
                log: Arc::clone(&log),
                clock: Arc::clone(&clock),
                rate: by_hour("enrolment", config.enrolments_per_ip_hour, &store),
                pending_max: config.enrolments_pending_max,
                each_max: config.enrolments_pending_per_block_max,
            },
            entry_rate: by_minute("entry", config.entries_per_account_minute, &store),
            proposals: Proposals {
                store: store.clone(),
                log: Arc::clone(&log),
                clock: Arc::clone(&clock),
            },
            key_packages: KeyPackages {
                store: store.clone(),
                log: Arc::clone(&log),
                clock: Arc::clone(&clock),
                rate: by_hour("claim", config.claims_per_target_hour, &store),
                each_max: config.key_packages_per_device_max,
            },
            attachments: Attachments::open(&config, &store, &log, &clock)?,
            witnesses: Arc::new(Witnesses::new(&config, Arc::clone(&log))?),
            config,
            jumps: Jumps::new(Arc::clone(&clock)),
            clock,
            store,
            log,
            url,
            sessions,
            delivery,
            pages: Turns::new(PAGES_EACH),
            wake,
            node,
            stopping,
            tasks,
        };
        Ok((service, writer, rings))
    }

    /// The live session with this id that is bound to `device`.
    pub(crate) fn find_session(
        &self,
        id: SessionId,
        device: DeviceId,
    ) -> Result<SessionRow, SessionRefusal> {
        self.sessions.find(id, device, &self.log.now().directory)
    }

    /// Runs `work` to its end though its caller may go away, and the server does not stop before.
    /// For what changes memory after the database: a dropped request must not part the two.
    pub(crate) async fn see_through<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, JoinError> {
        let task = self.tasks.clone();
        let work = async move {
            let done = work.await;
            drop(task);
            done
        };
        tokio::spawn(work).await
    }

    /// Drops what is too old, and writes down what is only in memory.
    pub(crate) async fn tidy(&self) -> Result<(), AttachmentError> {
        let now_ms = self.clock.now_ms();
        self.sessions.flush(&self.log.now().directory).await?;
        let believed = self.jumps.none();
        if believed {
            self.delivery.expire().await?;
        }
        let mut write = self.store.begin().await?;
        write.delete_expired_nonces(now_ms).await?;
        write
            .delete_old_enrolments(
                now_ms.saturating_sub(enrolment::CHALLENGE_MS),
                now_ms.saturating_sub(enrolment::MEMORY_MS),
            )
            .await?;
        if believed {
            let past_ms = now_ms.saturating_sub(OPEN_MS);
            write.delete_old_proposals(past_ms).await?;
        }
        if self.store.is_shared() {
            write.delete_old_counts(now_ms).await?;
        }
        write.commit().await?;
        if believed {
            self.attachments.expire().await?;
        }
        Ok(())
    }
}

fn by_minute<K: Eq + Hash + Debug>(name: &'static str, burst: u32, store: &Store) -> SharedRate<K> {
    SharedRate::new(name, burst, MINUTE_MS, store)
}

fn by_hour<K: Eq + Hash + Debug>(name: &'static str, burst: u32, store: &Store) -> SharedRate<K> {
    SharedRate::new(name, burst, HOUR_MS, store)
}

/// Resolves when the server stops, or whatever else this says of it.
pub(crate) async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // An error means that nobody can say any more that it stops: it has.
    drop(stopping.wait_for(|stopping| *stopping).await);
}
