//! `valised gc`: drops what is too old, now. A running server does the same every few seconds.

use std::{path::Path, sync::Arc};

use tokio::sync::{mpsc, watch};

use super::{CommandError, runtime, say};
use crate::{ServeError, clock::SystemClock, config::Config, service::Service};

pub(super) fn run(data: &Path, dry_run: bool) -> Result<(), CommandError> {
    let config = Config::load(data)?;
    runtime(1)?.block_on(collect(config, dry_run))
}

async fn collect(config: Config, dry_run: bool) -> Result<(), CommandError> {
    let (_stop, stopping) = watch::channel(false);
    let (task, _tasks) = mpsc::channel(1);
    let opened = Service::open(config, Arc::new(SystemClock), stopping, task).await;
    let (service, _writer, _rings) = opened?;
    let messages = service
        .delivery
        .count_expired()
        .await
        .map_err(ServeError::from)?;
    let files = service
        .attachments
        .count_old()
        .await
        .map_err(ServeError::from)?;
    if !dry_run {
        service.tidy().await?;
    }
    service.store.close().await;
    let verb = if dry_run { "would drop" } else { "dropped" };
    say(&format!(
        "valised: {verb} {messages} messages and {files} files that are too old"
    ))
}
