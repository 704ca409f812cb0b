//! Acts that wait for more admins.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use valise_proto::{
    api::{
        ErrorCode,
        proposal::{Open, Propose},
    },
    id::ProposalId,
};

use super::{
    Answer,
    body::{Nothing, Read},
    caller::{AdminCaller, Call},
    error::Error,
};
use crate::service::Service;

pub(super) async fn list(
    State(service): State<Arc<Service>>,
    Call { .. }: Call<AdminCaller, Nothing>,
) -> Result<Answer<Open>, Error> {
    Ok(Answer(service.proposals.open().await?))
}

pub(super) async fn put(
    State(service): State<Arc<Service>>,
    Path(id): Path<String>,
    Call {
        caller: AdminCaller(session),
        body: Read(propose),
        ..
    }: Call<AdminCaller, Read<Propose>>,
) -> Result<StatusCode, Error> {
    let (account, now_ms) = (session.account, service.clock.now_ms());
    if !service.entry_rate.take(account.clone(), now_ms).await? {
        return Err(Error::new(ErrorCode::TooMany, "too many entries: wait"));
    }
    let id = parse(&id)?;
    service.proposals.put(&account, id, &propose).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn reject(
    State(service): State<Arc<Service>>,
    Path(id): Path<String>,
    Call { .. }: Call<AdminCaller, Nothing>,
) -> Result<StatusCode, Error> {
    service.proposals.reject(parse(&id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn parse(id: &str) -> Result<ProposalId, Error> {
    id.parse()
        .map_err(|_| Error::new(ErrorCode::NotFound, "there is no such act"))
}
