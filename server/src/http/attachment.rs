//! Attached files, part by part.

use std::sync::Arc;

use axum::{
    extract::{Path, RawQuery, State},
    response::Response,
};
use valise_proto::{
    api::{
        ErrorCode,
        attachment::{Begin, Stored, parse_at, parse_range},
    },
    id::AttachmentId,
};

use super::{
    Answer,
    body::{Nothing, Part, Read},
    caller::{Call, CertifiedCaller},
    error::Error,
    octets_with,
};
use crate::service::Service;

pub(super) async fn begin(
    State(service): State<Arc<Service>>,
    Path(id): Path<String>,
    Call {
        caller: CertifiedCaller(session),
        body: Read(Begin { size }),
        ..
    }: Call<CertifiedCaller, Read<Begin>>,
) -> Result<Answer<Stored>, Error> {
    let (account, device) = (&session.account, session.device);
    let begun = service
        .attachments
        .begin(account, device, parse(&id)?, size);
    Ok(Answer(begun.await?))
}

pub(super) async fn append(
    State(service): State<Arc<Service>>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    Call {
        caller: CertifiedCaller(session),
        body: Part(part),
        ..
    }: Call<CertifiedCaller, Part>,
) -> Result<Answer<Stored>, Error> {
    let id = parse(&id)?;
    let at = query.as_deref().and_then(parse_at);
    let at = at.ok_or_else(|| Error::new(ErrorCode::Malformed, "the query must be at=N"))?;
    let attachments = Arc::clone(&service.attachments);
    let append = async move { attachments.append(session.device, id, at, part).await };
    Ok(Answer(service.see_through(append).await??))
}

pub(super) async fn read(
    State(service): State<Arc<Service>>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    Call {
        caller: CertifiedCaller(session),
        ..
    }: Call<CertifiedCaller, Nothing>,
) -> Result<Response, Error> {
    let id = parse(&id)?;
    let range = query.as_deref().and_then(parse_range);
    let (at, length) =
        range.ok_or_else(|| Error::new(ErrorCode::Malformed, "the query must be at=N&length=M"))?;
    let read = service.attachments.read(session.device, id, at, length);
    let (part, turn) = read.await?;
    Ok(octets_with(part, turn))
}

fn parse(id: &str) -> Result<AttachmentId, Error> {
    id.parse()
        .map_err(|_| Error::new(ErrorCode::NotFound, "there is no such file"))
}
