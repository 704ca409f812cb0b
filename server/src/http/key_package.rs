//! Publishing and claiming key packages.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use valise_proto::api::key_package::{Claim, Claimed, Publish};

use super::{
    Answer,
    body::Read,
    caller::{Call, CertifiedCaller},
    error::Error,
};
use crate::service::Service;

pub(super) async fn publish(
    State(service): State<Arc<Service>>,
    Call {
        caller: CertifiedCaller(session),
        body: Read(publish),
        ..
    }: Call<CertifiedCaller, Read<Publish>>,
) -> Result<StatusCode, Error> {
    service
        .key_packages
        .publish(session.device, &publish)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn claim(
    State(service): State<Arc<Service>>,
    Call {
        caller: CertifiedCaller(session),
        body: Read(claim),
        ..
    }: Call<CertifiedCaller, Read<Claim>>,
) -> Result<Answer<Claimed>, Error> {
    Ok(Answer(service.key_packages.claim(&session, &claim).await?))
}
