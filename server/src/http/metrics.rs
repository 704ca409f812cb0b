//! The operator's own listener: `/metrics`, `/healthz`, `/readyz`. Plain HTTP, and never on the public one.

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse as _, Response},
    routing::get,
};
use tokio::net::TcpListener;

use crate::{
    Chain, backup,
    data::Space,
    metrics::{Counts, Page, seconds},
    service::{Service, stopped},
    store::{Figures, StoreError},
};

/// Answers until the server stops.
pub(crate) async fn run(listener: TcpListener, service: Arc<Service>) {
    let mut stopping = service.stopping.clone();
    let router = Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(read))
        .with_state(service);
    let served = axum::serve(listener, router);
    let served = served.with_graceful_shutdown(async move { stopped(&mut stopping).await });
    if let Err(error) = served.await {
        tracing::error!(error = %Chain(&error), "metrics are not served any more");
    }
}

/// Whether it can serve: the database answers, and it is not about to stop or to be stopped.
async fn ready(State(service): State<Arc<Service>>) -> Response {
    if *service.stopping.borrow() {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping\n").into_response();
    }
    if *service.node.drains().borrow() {
        return (StatusCode::SERVICE_UNAVAILABLE, "draining\n").into_response();
    }
    match service.store.ping().await {
        Ok(()) => "ok\n".into_response(),
        Err(error) => {
            tracing::error!(error = %Chain(&error), "not ready: the database does not answer");
            (StatusCode::SERVICE_UNAVAILABLE, "no database\n").into_response()
        }
    }
}

async fn read(State(service): State<Arc<Service>>) -> Response {
    match page(&service).await {
        Ok(page) => (
            [(CONTENT_TYPE, "text/plain; version=0.0.4")],
            page.into_text(),
        )
            .into_response(),
        Err(error) => {
            tracing::error!(error = %Chain(&error), "metrics could not be read");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

async fn page(service: &Service) -> Result<Page, StoreError> {
    let mut page = Page::default();
    let now_ms = service.clock.now_ms();
    of_delivery(&mut page, service, now_ms).await?;
    of_log(&mut page, service, now_ms).await?;
    let last = backup::last(&service.config.data);
    if let Some(last) = last {
        let age = seconds(now_ms.saturating_sub(last.created_at_ms));
        page.gauge(
            "backup_age_seconds",
            "Since the newest backup. Absent: there was none.",
            age,
        );
    }
    // Connections are among them: what runs out first.
    if let Ok(files) = std::fs::read_dir("/proc/self/fd") {
        let count = u64::try_from(files.count()).unwrap_or(u64::MAX);
        page.gauge(
            "open_files",
            "Open files and connections of this process.",
            float(count),
        );
    }
    if let Ok(disk) = Space::of(&service.config.data) {
        page.gauge(
            "disk_free_bytes",
            "Free on the data folder's disk.",
            float(disk.free),
        );
    }
    Ok(page)
}

async fn of_delivery(page: &mut Page, service: &Service, now_ms: u64) -> Result<(), StoreError> {
    of_counts(page, service.delivery.counts());
    let Figures {
        messages,
        message_bytes,
        oldest_ms,
        groups,
        attachments,
        attachment_bytes,
        asks,
    } = service.store.figures().await?;
    let streams = u64::try_from(service.wake.open_streams()).unwrap_or(u64::MAX);
    for (name, help, value) in [
        (
            "queue_messages",
            "Messages that some device has not fetched.",
            messages,
        ),
        ("queue_bytes", "Their size.", message_bytes),
        ("conversations", "Conversations that take letters.", groups),
        ("attachments", "Attached files.", attachments),
        ("attachment_bytes", "Their size on disk.", attachment_bytes),
        (
            "asks_waiting",
            "People who asked to be enrolled, and wait.",
            asks,
        ),
        ("streams", "Devices connected for live news.", streams),
    ] {
        page.gauge(name, help, float(value));
    }
    let age_ms = match oldest_ms {
        0 => 0,
        oldest_ms => now_ms.saturating_sub(oldest_ms),
    };
    let help = "Age of the oldest message that waits.";
    page.gauge("queue_age_seconds", help, seconds(age_ms));
    Ok(())
}

fn of_counts(page: &mut Page, counts: &Counts) {
    let failed = "Transactions that the database did not take.";
    for (name, help, counter) in [
        (
            "letters_accepted_total",
            "Letters accepted, on disk.",
            &counts.letters,
        ),
        (
            "commits_accepted_total",
            "Commits accepted, on disk.",
            &counts.commits,
        ),
        (
            "acknowledgements_total",
            "Acknowledgements taken.",
            &counts.acks,
        ),
        (
            "stale_total",
            "Writes for a past epoch, which are tried again.",
            &counts.stale,
        ),
        ("failed_transactions_total", failed, &counts.failed),
    ] {
        page.counter(name, help, counter);
    }
    let help = "From a message's coming to a device's acknowledgement.";
    page.durations("delivery_lag_seconds", help, &counts.lag);
}

async fn of_log(page: &mut Page, service: &Service, now_ms: u64) -> Result<(), StoreError> {
    let snapshot = service.log.now();
    let directory = &snapshot.directory;
    let size = directory.head().size;
    let newest = service.log.newest().await?;
    let age = newest.map_or(0, |entry| now_ms.saturating_sub(entry.statement.time));
    page.gauge("log_entries", "Entries of the directory log.", float(size));
    page.gauge(
        "log_age_seconds",
        "Since the newest entry was signed.",
        seconds(age),
    );
    page.gauge(
        "log_entries_missing",
        "Entries that clients say they have seen and this server has not: it was restored.",
        float(service.log.missing()),
    );
    let active = || directory.active_accounts();
    let single = active().filter(|(_, account)| account.keys.len() == 1);
    for (name, help, count) in [
        (
            "accounts",
            "People who are not suspended.",
            active().count(),
        ),
        (
            "accounts_single_key",
            "Those of them with one key only: lost, they are out.",
            single.count(),
        ),
        (
            "admins_able",
            "Admins who can sign.",
            directory.able_admins(),
        ),
        (
            "admins_threshold",
            "How many of them must.",
            directory.threshold(),
        ),
    ] {
        page.gauge(name, help, float(u64::try_from(count).unwrap_or(u64::MAX)));
    }
    Ok(())
}

/// As Prometheus counts. Above 2^53 it is rounded.
#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "there is no other way, and a rounded gauge is one"
)]
fn float(number: u64) -> f64 {
    number as f64
}
