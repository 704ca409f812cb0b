//! Asking to be enrolled, and the admins' list of those who ask.

use std::sync::Arc;

use axum::{
    Extension,
    extract::{Path, State},
    http::StatusCode,
};
use valise_proto::{
    api::{
        ErrorCode,
        enrolment::{Ask, Challenge, Pending, Status},
    },
    id::EnrolmentId,
};

use super::{
    Answer, Peer,
    body::{Nothing, Read},
    caller::{AdminCaller, Call, DeviceCaller},
    error::Error,
};
use crate::service::Service;

pub(super) async fn begin(
    State(service): State<Arc<Service>>,
    Extension(Peer(address)): Extension<Peer>,
) -> Result<Answer<Challenge>, Error> {
    Ok(Answer(service.enrolments.challenge(address).await?))
}

pub(super) async fn list(
    State(service): State<Arc<Service>>,
    Call { .. }: Call<AdminCaller, Nothing>,
) -> Result<Answer<Pending>, Error> {
    Ok(Answer(service.enrolments.pending().await?))
}

pub(super) async fn ask(
    State(service): State<Arc<Service>>,
    Path(id): Path<String>,
    Call {
        caller: DeviceCaller(device),
        body: Read(ask),
        ..
    }: Call<DeviceCaller, Read<Ask>>,
) -> Result<StatusCode, Error> {
    service.enrolments.ask(device, parse(&id)?, &ask).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn status(
    State(service): State<Arc<Service>>,
    Path(id): Path<String>,
    Call {
        caller: DeviceCaller(device),
        ..
    }: Call<DeviceCaller, Nothing>,
) -> Result<Answer<Status>, Error> {
    let status = service.enrolments.status(device, parse(&id)?).await?;
    Ok(Answer(status))
}

pub(super) async fn refuse(
    State(service): State<Arc<Service>>,
    Path(id): Path<String>,
    Call { .. }: Call<AdminCaller, Nothing>,
) -> Result<StatusCode, Error> {
    service.enrolments.refuse(parse(&id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn parse(id: &str) -> Result<EnrolmentId, Error> {
    id.parse()
        .map_err(|_| Error::new(ErrorCode::NotFound, "there is no such enrolment"))
}
