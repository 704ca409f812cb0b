//! Logging in and out.

use std::sync::Arc;

use axum::{Extension, extract::State, http::StatusCode};
use valise_proto::api::{
    ErrorCode,
    login::{Challenge, Copied, Finish, Session},
};

use super::{
    Answer, Peer,
    body::{Nothing, Read},
    caller::{AdminCaller, Call, DeviceCaller, SessionCaller},
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

/// Which keys were copied, told to admins: whoever else asks learns of his own at his login.
pub(super) async fn copied(
    State(service): State<Arc<Service>>,
    Call { .. }: Call<AdminCaller, Nothing>,
) -> Result<Answer<Copied>, Error> {
    let keys = service.login.store.suspended_keys().await?;
    Ok(Answer(Copied { keys }))
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
