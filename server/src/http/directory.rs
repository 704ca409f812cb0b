//! Reading the log and appending to it.

use std::sync::Arc;

use axum::{
    extract::{RawQuery, State},
    response::Response,
};
use valise_proto::{
    api::{ErrorCode, directory::Appended},
    codec::encode,
};

use super::{
    Answer,
    body::{Nothing, RawEntry},
    caller::{Call, SessionCaller},
    error::Error,
    octets, octets_with, page_turn,
};
use crate::service::Service;

pub(super) async fn read_genesis(State(service): State<Arc<Service>>) -> Response {
    octets(service.log.genesis().to_vec())
}

pub(super) async fn read(
    State(service): State<Arc<Service>>,
    RawQuery(query): RawQuery,
    Call {
        caller: SessionCaller(session),
        ..
    }: Call<SessionCaller, Nothing>,
) -> Result<Response, Error> {
    let (from, old) = query
        .as_deref()
        .and_then(parse)
        .ok_or_else(|| Error::new(ErrorCode::Malformed, "the query must be from=N&old=M"))?;
    // Whoever reads an entry in the moment after it came gets its witnesses with it.
    service.witnesses.settle().await;
    let turn = page_turn(&service, session.device).await?;
    let now_ms = service.clock.now_ms();
    let mut page = service.log.page(from, old, now_ms).await?;
    service.witnesses.sign(&mut page);
    Ok(octets_with(encode(&page), turn))
}

pub(super) async fn append(
    State(service): State<Arc<Service>>,
    Call {
        caller: SessionCaller(session),
        body: RawEntry(entry),
        ..
    }: Call<SessionCaller, RawEntry>,
) -> Result<Answer<Appended>, Error> {
    if !service
        .entry_rate
        .take(session.account, service.clock.now_ms())
        .await?
    {
        return Err(Error::new(ErrorCode::TooMany, "too many entries: wait"));
    }
    let shown = service.enrolments.shown(&entry).await?;
    let log = Arc::clone(&service.log);
    let append = async move { log.append(&entry, shown).await };
    let appended = service.see_through(append).await??;
    service.witnesses.settle().await;
    Ok(Answer(appended))
}

/// `from=N&old=M`, and no other spelling.
fn parse(query: &str) -> Option<(u64, u64)> {
    let (from, old) = query.strip_prefix("from=")?.split_once("&old=")?;
    let (from, old) = (from.parse().ok()?, old.parse().ok()?);
    (format!("from={from}&old={old}") == query).then_some((from, old))
}
