//! The server: it stores and forwards what it cannot read, and orders what others sign.
//!
//! [`serve`] is the whole of it: it opens a data folder that `valised init` made, replays the directory log,
//! and answers until it is told to stop. Inside, calls go down only: `cli` and `http` (the routes) ask
//! `backup`, `card`, `login`, `session`, `account`, `directory`, `witness`, `proposal`, `key_package`,
//! `delivery`, `node` and `attachment` (the rules), these ask `store` (the only SQL), `data`, `wake`,
//! `limit`, `metrics` and `trace`, and those `config`, `clock` and `post`.
//!
//! What the server knows: who writes to whom, when, and how much, rounded. What it does not: a word of it.

pub mod account;
pub mod attachment;
pub mod backup;
pub mod card;
pub mod cli;
pub mod clock;
pub mod config;
pub mod data;
pub mod delivery;
pub mod directory;
#[cfg(feature = "weaken")]
pub mod fuzz;
mod http;
pub mod init;
pub mod key_package;
pub mod limit;
mod listen;
pub mod login;
pub mod metrics;
pub mod node;
mod post;
pub mod proposal;
mod service;
pub mod session;
pub mod store;
pub mod tls;
pub mod trace;
pub mod wake;
pub mod witness;

#[cfg(test)]
mod tests;

#[cfg(feature = "weaken")]
pub use listen::inside::Inside;

use std::{fmt, sync::Arc, time::Duration};

use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
    time::{MissedTickBehavior, interval, timeout},
};

use crate::{
    attachment::MisuseS3,
    card::{CardError, KeptCard},
    clock::Clock,
    config::Config,
    directory::OpenError,
    login::LoginError,
    node::MisuseNats,
    service::Service,
    store::StoreError,
    tls::{Identity, TlsError},
    witness::MisuseAddress,
};

/// How often old things are dropped and sessions written down.
const TIDY: Duration = Duration::from_secs(10);

/// The server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The log cannot be opened.
    #[error(transparent)]
    Log(#[from] OpenError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// This is not the server on the organisation card.
    #[error(transparent)]
    Card(#[from] CardError),
    /// No usable TLS identity.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The organisation's address is none.
    #[error("the genesis entry names no usable server address")]
    Url,
    /// A witness has no usable address.
    #[error(transparent)]
    Witness(#[from] MisuseAddress),
    /// What the configuration says of NATS cannot be used.
    #[error(transparent)]
    Nats(#[from] MisuseNats),
    /// What the configuration says of S3 cannot be used.
    #[error(transparent)]
    S3(#[from] MisuseS3),
    /// The login ceremonies cannot be prepared.
    #[error(transparent)]
    Login(#[from] LoginError),
    /// The operator's own listener cannot be opened.
    #[error("cannot listen on {address}, metrics_listen in the configuration")]
    Metrics {
        /// Where.
        address: std::net::SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The folder of attached files cannot be opened.
    #[error("the folder of attached files cannot be opened")]
    Attachments(#[from] std::io::Error),
}

/// Serves the organisation in `config.data` on `listener` until `shutdown` resolves; then stops
/// accepting, lets open requests finish, closes streams with 1001, and writes everything down.
pub async fn serve(
    config: Config,
    listener: TcpListener,
    clock: Arc<dyn Clock>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    Server::open(config, clock)
        .await?
        .run(listener, shutdown)
        .await
}

/// A server that is open and not serving yet: between the two, an operator is told.
#[derive(Debug)]
pub struct Server {
    service: Arc<Service>,
    writer: delivery::Writer,
    rings: Option<mpsc::Receiver<wake::Ring>>,
    tls: Arc<Identity>,
    stop: watch::Sender<bool>,
    tasks: mpsc::Receiver<std::convert::Infallible>,
    /// For the operator alone, if he wants one.
    metrics: Option<TcpListener>,
}

impl Server {
    /// Opens the data folder and replays the log.
    pub async fn open(config: Config, clock: Arc<dyn Clock>) -> Result<Self, ServeError> {
        let card = KeptCard::read(&config.data)?;
        if let Some(card) = &card {
            card.check_keys(&config)?;
        }
        let tls = Arc::new(Identity::load(&config)?);
        let metrics = match config.metrics_listen {
            Some(address) => {
                let listener = TcpListener::bind(address).await;
                Some(listener.map_err(|source| ServeError::Metrics { address, source })?)
            }
            None => None,
        };
        let (stop, stopping) = watch::channel(false);
        let (task, tasks) = mpsc::channel(1);
        let (service, writer, rings) = Service::open(config, clock, stopping, task).await?;
        if let Some(card) = card {
            let org = service.log.now().directory.org();
            card.check_log(org, &service.url)?;
        }
        Ok(Self {
            service: Arc::new(service),
            writer,
            rings,
            tls,
            stop,
            tasks,
            metrics,
        })
    }

    /// Where clients find the server.
    pub fn url(&self) -> &str {
        self.service.url.origin()
    }

    /// The organisation's id.
    pub fn org(&self) -> valise_proto::id::OrgId {
        self.service.log.now().directory.org()
    }

    /// What it shows of itself: an operator may have it loaded again.
    pub fn identity(&self) -> Arc<Identity> {
        Arc::clone(&self.tls)
    }

    /// Lets it work without a listener: requests are handed to it.
    #[cfg(feature = "weaken")]
    pub fn dangerously_inside(self) -> Inside {
        Inside::new(self)
    }

    /// Serves until `shutdown` resolves.
    pub async fn run(
        mut self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), ServeError> {
        let patience = Duration::from_millis(self.service.config.shutdown_timeout_ms);
        let writer = tokio::spawn(self.writer.run());
        let tidy = tokio::spawn(tidy(Arc::clone(&self.service)));
        let witnesses = tokio::spawn(Arc::clone(&self.service.witnesses).run());
        let node = tokio::spawn(Arc::clone(&self.service.node).run(self.rings.take()));
        let listen = listen::run(listener, self.tls, Arc::clone(&self.service));
        let listen = tokio::spawn(listen);
        let metrics = self.metrics.take().map(|listener| {
            let service = Arc::clone(&self.service);
            tokio::spawn(http::metrics::run(listener, service))
        });
        shutdown.await;
        tracing::info!("stopping");
        self.stop.send_replace(true);
        let _stopped = listen.await;
        for task in [tidy, witnesses, node].into_iter().chain(metrics) {
            task.abort();
            let _aborted = task.await;
        }
        let node = Arc::clone(&self.service.node);
        let store = self.service.store.clone();
        let log = Arc::clone(&self.service.log);
        let sessions = Arc::clone(&self.service.sessions);
        // Connections hold the service, and the service the writer's queue: who is last closes it.
        drop(self.service);
        let done = async {
            while self.tasks.recv().await.is_some() {}
            let _written = writer.await;
        };
        if timeout(patience, done).await.is_err() {
            tracing::warn!("stopped with requests unfinished");
        }
        node.leave().await;
        sessions.flush(&log.now().directory).await?;
        store.close().await;
        Ok(())
    }
}

async fn tidy(service: Arc<Service>) {
    service.attachments.probe().await;
    let mut ticks = interval(TIDY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(error) = service.tidy().await {
            tracing::error!(error = %Chain(&error), "old things could not be dropped");
        }
    }
}

/// An error and its causes, on one line.
pub(crate) struct Chain<'a>(pub(crate) &'a dyn std::error::Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
