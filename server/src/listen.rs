//! The listener: TCP, TLS, HTTP/1.1 and 2, each with its time limit, until the server stops.

use std::{net::IpAddr, sync::Arc, time::Duration};

use axum::Router;
use hyper::{Request, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use rustls::ServerConfig;
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
    limit::{Place, Places, network},
    service::{Service, stopped},
};

/// After a failed accept, usually for want of file descriptors: let some be closed.
const PAUSE: Duration = Duration::from_millis(100);

/// Accepts connections until the server stops.
pub(crate) async fn run(listener: TcpListener, tls: Arc<ServerConfig>, service: Arc<Service>) {
    let config = &service.config;
    let connections = Places::new(config.connections_max, config.connections_per_ip_max);
    let handler = Handler {
        acceptor: TlsAcceptor::from(tls),
        http: http(config),
        router: router(Arc::clone(&service)),
        handshake: Duration::from_millis(config.handshake_timeout_ms),
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
        if let Some(place) = connections.enter(network(address.ip())) {
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
    acceptor: TlsAcceptor,
    http: auto::Builder<TokioExecutor>,
    router: Router,
    handshake: Duration,
    stopping: watch::Receiver<bool>,
}

impl Handler {
    /// One connection, which keeps its `place` until it ends. What a peer does wrong here is not
    /// worth a line in the log.
    async fn serve(&self, stream: TcpStream, address: IpAddr, place: Place<IpAddr>) {
        let _nodelay = stream.set_nodelay(true);
        let mut stopping = self.stopping.clone();
        let handshake = timeout(self.handshake, self.acceptor.accept(stream));
        let stream = tokio::select! {
            done = handshake => match done {
                Ok(Ok(stream)) => stream,
                _ => return,
            },
            () = stopped(&mut stopping) => return,
        };
        let place = Arc::new(place);
        let service = service_fn(|mut request: Request<Incoming>| {
            request.extensions_mut().insert(Peer(address));
            // A WebSocket outlives its connection's future, and takes the place with it.
            request.extensions_mut().insert(Arc::clone(&place));
            self.router.clone().oneshot(request)
        });
        let connection = self
            .http
            .serve_connection_with_upgrades(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);
        tokio::select! {
            _ended = connection.as_mut() => {}
            () = stopped(&mut stopping) => {
                connection.as_mut().graceful_shutdown();
                let _ended = connection.await;
            }
        }
    }
}

fn http(config: &Config) -> auto::Builder<TokioExecutor> {
    let mut http = auto::Builder::new(TokioExecutor::new());
    http.http1()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(config.header_timeout_ms))
        .max_buf_size(64 * 1024);
    http.http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(64)
        .max_header_list_size(16 * 1024)
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(20));
    http
}
