//! Logging in and out.

use std::sync::Arc;

use axum::{Extension, extract::State, http::StatusCode};
use valise_proto::api::{
    ErrorCode,
    login::{Challenge, Finish, Session},
};

use super::{
    Answer, Peer,
    body::{Nothing, Read},
    caller::{Call, DeviceCaller, SessionCaller},
    error::Error,
};
use crate::{limit::network, service::Service};

pub(super) async fn begin(
    State(service): State<Arc<Service>>,
    Extension(Peer(address)): Extension<Peer>,
) -> Result<Answer<Challenge>, Error> {
    if !service
        .login_rate
        .take(network(address), service.clock.now_ms())
        .await?
    {
        return Err(Error::new(ErrorCode::TooMany, "too many logins: wait"));
    }
    Ok(Answer(service.login.begin().await?))
}

pub(super) async fn finish(
    State(service): State<Arc<Service>>,
    Call {
        caller: DeviceCaller(device),
        body: Read(finish),
        ..
    }: Call<DeviceCaller, Read<Finish>>,
) -> Result<Answer<Session>, Error> {
    Ok(Answer(service.login.finish(&finish, device).await?))
}

pub(super) async fn end(
    State(service): State<Arc<Service>>,
    Call {
        caller: SessionCaller(session),
        ..
    }: Call<SessionCaller, Nothing>,
) -> Result<StatusCode, Error> {
    let sessions = Arc::clone(&service.sessions);
    let end = async move { sessions.end(session.id).await };
    service.see_through(end).await??;
    Ok(StatusCode::NO_CONTENT)
}
