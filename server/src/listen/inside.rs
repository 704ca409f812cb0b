//! A server that is handed its requests in this process, past TCP and TLS: for simulations, which
//! bring a network of their own.
//!
//! Compiled in only with the feature `weaken`, which no published binary has.

use std::{net::IpAddr, sync::Arc};

use axum::{
    Router,
    body::{Body, to_bytes},
};
use hyper::{HeaderMap, Method, Request, StatusCode};
use tokio::task::JoinHandle;
use tower::ServiceExt;

use crate::{
    Server,
    attachment::AttachmentError,
    http::{Peer, router},
    service::Service,
};

/// A server without a door. Dropped, it has crashed: what it answered is on disk, and nothing else.
#[derive(Debug)]
pub struct Inside {
    router: Router,
    service: Arc<Service>,
    writer: JoinHandle<()>,
    /// Nobody tells it to stop.
    _server: tokio::sync::watch::Sender<bool>,
}

impl Inside {
    /// Lets `server` work without a listener.
    pub(crate) fn new(server: Server) -> Self {
        Self {
            router: router(Arc::clone(&server.service)),
            service: server.service,
            writer: tokio::spawn(server.writer.run()),
            _server: server.stop,
        }
    }

    /// Answers one request from `address`.
    pub async fn answer(
        &self,
        address: IpAddr,
        (method, path, headers): (Method, &str, HeaderMap),
        body: Vec<u8>,
    ) -> Result<(StatusCode, Vec<u8>), axum::Error> {
        let mut request = Request::new(Body::from(body));
        *request.method_mut() = method;
        *request.uri_mut() = path.parse().map_err(axum::Error::new)?;
        *request.headers_mut() = headers;
        request.extensions_mut().insert(Peer(address));
        let Ok(answer) = self.router.clone().oneshot(request).await;
        let status = answer.status();
        let body = to_bytes(answer.into_body(), usize::MAX).await?;
        Ok((status, body.into()))
    }

    /// Does what the server does every few seconds.
    pub async fn tidy(&self) -> Result<(), AttachmentError> {
        self.service.tidy().await
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.writer.abort();
    }
}
