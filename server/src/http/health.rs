//! Is the server able to serve: for probes.

use std::sync::Arc;

use axum::extract::State;

use super::error::Error;
use crate::service::Service;

/// `GET`, anybody: `ok`.
pub(super) const PATH: &str = "/healthz";

pub(super) async fn check(State(service): State<Arc<Service>>) -> Result<&'static str, Error> {
    service.store.ping().await?;
    Ok("ok\n")
}
