//! The listener: TCP, TLS, HTTP/1.1 and 2, each with its time limit, until the server stops.

#[cfg(feature = "weaken")]
pub(crate) mod inside;

use std::{
    net::IpAddr,
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

use axum::Router;
use hyper::{
    Request,
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use crate::{
    config::Config,
    http::{Peer, router},
    limit::{Place, network},
    service::{Service, stopped},
    tls::Identity,
};

/// After a failed accept, usually for want of file descriptors: let some be closed.
const PAUSE: Duration = Duration::from_millis(100);

/// Accepts connections until the server stops.
pub(crate) async fn run(listener: TcpListener, tls: Arc<Identity>, service: Arc<Service>) {
    let config = &service.config;
    let handler = Handler {
        tls,
        http1: http1(config),
        http2: http2(),
        router: router(Arc::clone(&service)),
        handshake: Duration::from_millis(config.handshake_timeout_ms),
        first: Duration::from_millis(config.header_timeout_ms),
        idle: Duration::from_millis(config.idle_timeout_ms),
        stopping: service.stopping.clone(),
    };
    let handler = Arc::new(handler);
    let mut stopping = service.stopping.clone();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopped(&mut stopping) => return,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                let _elapsed = timeout(PAUSE, std::future::pending::<()>()).await;
                continue;
            }
        };
        if let Some(place) = service.node.connections().enter(network(address.ip())) {
            let handler = Arc::clone(&handler);
            let task = service.tasks.clone();
            tokio::spawn(async move {
                handler.serve(stream, address.ip(), place).await;
                drop(task);
            });
        }
    }
}

struct Handler {
    tls: Arc<Identity>,
    http1: http1::Builder,
    http2: http2::Builder<TokioExecutor>,
    router: Router,
    handshake: Duration,
    first: Duration,
    idle: Duration,
    stopping: watch::Receiver<bool>,
}

/// The requests of one connection.
#[derive(Clone, Copy, Debug, Default)]
struct Requests {
    /// How many are being answered.
    open: usize,
    /// There was one.
    begun: bool,
}

/// One request until its answer.
struct Answering(Arc<watch::Sender<Requests>>);

impl Answering {
    fn begin(requests: &Arc<watch::Sender<Requests>>) -> Self {
        requests.send_modify(|requests| {
            requests.open += 1;
            requests.begun = true;
        });
        Self(Arc::clone(requests))
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.send_modify(|requests| requests.open -= 1);
    }
}

impl Handler {
    /// One connection, which keeps its `place` until it ends. What a peer does wrong here is not
    /// worth a line in the log.
    async fn serve(&self, stream: TcpStream, address: IpAddr, place: Place<IpAddr>) {
        let _nodelay = stream.set_nodelay(true);
        let mut stopping = self.stopping.clone();
        let acceptor = TlsAcceptor::from(self.tls.shown());
        let handshake = timeout(self.handshake, acceptor.accept(stream));
        let stream = tokio::select! {
            done = handshake => match done {
                Ok(Ok(stream)) => stream,
                _ => return,
            },
            () = stopped(&mut stopping) => return,
        };
        let place = Arc::new(place);
        let requests = Arc::<watch::Sender<Requests>>::default();
        let unused = requests.subscribe();
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(Peer(address));
            // A WebSocket outlives its connection's future, and takes the place with it.
            request.extensions_mut().insert(Arc::clone(&place));
            let answering = Answering::begin(&requests);
            let answer = self.router.clone().oneshot(request);
            async move {
                let answer = answer.await;
                drop(answering);
                answer
            }
        });
        // As agreed in the handshake (RFC 7301): nothing is guessed, so nothing is waited for.
        if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
            let connection = self.http2.serve_connection(TokioIo::new(stream), service);
            self.see_out(connection, http2::Connection::graceful_shutdown, unused)
                .await;
        } else {
            let connection = self.http1.serve_connection(TokioIo::new(stream), service);
            let connection = connection.with_upgrades();
            self.see_out(
                connection,
                http1::UpgradeableConnection::graceful_shutdown,
                unused,
            )
            .await;
        }
    }

    /// Runs a connection until it ends, the server stops, or nobody uses it.
    async fn see_out<C: Future>(
        &self,
        connection: C,
        finish: impl FnOnce(Pin<&mut C>),
        requests: watch::Receiver<Requests>,
    ) {
        let mut stopping = self.stopping.clone();
        let mut connection = pin!(connection);
        tokio::select! {
            _ended = connection.as_mut() => {}
            () = stopped(&mut stopping) => {
                finish(connection.as_mut());
                let _ended = connection.await;
            }
            patience = unused(requests, self.first, self.idle) => {
                finish(connection.as_mut());
                // A slow answer may still be under way.
                let _ended = timeout(patience, connection).await;
            }
        }
    }
}

/// Resolves when no request came for `first` at the beginning, or for `idle` after the last one:
/// with the one of the two that it was.
async fn unused(
    mut requests: watch::Receiver<Requests>,
    first: Duration,
    idle: Duration,
) -> Duration {
    loop {
        let Requests { open, begun } = *requests.borrow_and_update();
        let patience = if begun { idle } else { first };
        let changed = requests.changed();
        let changed = if open > 0 {
            changed.await
        } else {
            match timeout(patience, changed).await {
                Ok(changed) => changed,
                Err(_) => return patience,
            }
        };
        if changed.is_err() {
            // There will be no more requests: the connection is ending by itself.
            return std::future::pending().await;
        }
    }
}

fn http1(config: &Config) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(config.header_timeout_ms))
        .max_buf_size(64 * 1024);
    http
}

fn http2() -> http2::Builder<TokioExecutor> {
    let mut http = http2::Builder::new(TokioExecutor::new());
    http.timer(TokioTimer::new())
        .max_concurrent_streams(64)
        .max_header_list_size(16 * 1024)
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(20));
    http
}
