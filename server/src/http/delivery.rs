//! Commits, letters, fetching and acknowledging.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode, response::Response};
use valise_proto::{
    api::delivery::{Accepted, AcceptedLetters, Ack, Commit, Letters},
    codec::encode,
};

use super::{
    Answer,
    body::{Nothing, Read},
    caller::{Call, CertifiedCaller},
    error::Error,
    octets_with, page_turn,
};
use crate::service::Service;

pub(super) async fn commit(
    State(service): State<Arc<Service>>,
    Call {
        caller: CertifiedCaller(session),
        body: Read(commit),
        ..
    }: Call<CertifiedCaller, Read<Commit>>,
) -> Result<Answer<Accepted>, Error> {
    Ok(Answer(
        service.delivery.commit(session.device, commit).await?,
    ))
}

pub(super) async fn send_letters(
    State(service): State<Arc<Service>>,
    Call {
        caller: CertifiedCaller(session),
        body: Read(letters),
        ..
    }: Call<CertifiedCaller, Read<Letters>>,
) -> Result<Answer<AcceptedLetters>, Error> {
    Ok(Answer(
        service.delivery.letters(session.device, letters).await?,
    ))
}

pub(super) async fn sync(
    State(service): State<Arc<Service>>,
    Call {
        caller: CertifiedCaller(session),
        ..
    }: Call<CertifiedCaller, Nothing>,
) -> Result<Response, Error> {
    let turn = page_turn(&service, session.device).await?;
    let page = service.delivery.page(session.device).await?;
    Ok(octets_with(encode(&page), turn))
}

pub(super) async fn acknowledged(
    State(service): State<Arc<Service>>,
    Call {
        caller: CertifiedCaller(session),
        ..
    }: Call<CertifiedCaller, Nothing>,
) -> Result<Answer<Ack>, Error> {
    Ok(Answer(service.delivery.acknowledged(session.device).await?))
}

pub(super) async fn ack(
    State(service): State<Arc<Service>>,
    Call {
        caller: CertifiedCaller(session),
        body: Read(ack),
        ..
    }: Call<CertifiedCaller, Read<Ack>>,
) -> Result<StatusCode, Error> {
    service.delivery.ack(session.device, ack).await?;
    Ok(StatusCode::NO_CONTENT)
}
