//! The router: every route, its callers and its bodies, in one table. The only room that names axum.

mod attachment;
mod body;
mod caller;
mod delivery;
mod directory;
mod enrolment;
mod error;
mod key_package;
mod login;
pub(crate) mod metrics;
mod proposal;
mod push;

use std::{convert::Infallible, net::IpAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{MatchedPath, Request},
    http::{HeaderValue, header::CONTENT_LENGTH},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{delete, get, post, put},
};
use futures_util::{StreamExt, stream};
use tls_codec::Serialize;
use tokio::sync::OwnedSemaphorePermit;
use tower_http::catch_panic::CatchPanicLayer;
use tracing::Instrument as _;
use valise_proto::{
    api::{self, ErrorCode},
    codec::encode,
    id::DeviceId,
};

use self::error::Error;
use crate::{service::Service, trace};

pub(crate) use {body::Bodies, caller::Nonces};

/// Where a request came from: put in by the listener.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// Every route. Who may call it stands in its handler's arguments: none for anybody,
/// `Call<DeviceCaller, _>`, `Call<SessionCaller, _>`, `Call<CertifiedCaller, _>`, `Call<AdminCaller, _>`.
pub(crate) fn router(service: Arc<Service>) -> Router {
    Router::new()
        .route(api::GENESIS, get(directory::read_genesis))
        .route(api::ENROLMENTS, post(enrolment::begin).get(enrolment::list))
        .route(
            api::ENROLMENT,
            put(enrolment::ask)
                .get(enrolment::status)
                .delete(enrolment::refuse),
        )
        .route(api::LOGIN, post(login::begin))
        .route(api::SESSION, post(login::finish).merge(delete(login::end)))
        .route(api::COPIED_KEYS, get(login::copied))
        .route(api::LOG, get(directory::read).post(directory::append))
        .route(api::PROPOSALS, get(proposal::list))
        .route(api::PROPOSAL, put(proposal::put).delete(proposal::reject))
        .route(api::KEY_PACKAGES, post(key_package::publish))
        .route(api::KEY_PACKAGE_CLAIMS, post(key_package::claim))
        .route(api::COMMITS, post(delivery::commit))
        .route(api::LETTERS, post(delivery::send_letters))
        .route(
            api::ATTACHMENT,
            put(attachment::begin)
                .post(attachment::append)
                .get(attachment::read),
        )
        .route(api::SYNC, get(delivery::sync))
        .route(api::ACKS, get(delivery::acknowledged).post(delivery::ack))
        .route(api::PUSH, get(push::open))
        .fallback(error::not_found)
        .method_not_allowed_fallback(error::not_found)
        .layer(CatchPanicLayer::custom(error::panicked))
        .layer(middleware::from_fn(traced))
        .with_state(service)
}

/// A request, seen by whoever collects traces.
async fn traced(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map_or("", MatchedPath::as_str);
    let span = trace::request(request.method().as_str(), route);
    let answer = next.run(request).instrument(span.clone()).await;
    trace::answered(&span, answer.status().as_u16());
    answer
}

/// How long a page waits for others of its device that are under way.
const PATIENCE: Duration = Duration::from_secs(10);

/// Leave to send one more page to `device`, kept until it is sent: who asks and does not read costs little.
async fn page_turn(service: &Service, device: DeviceId) -> Result<OwnedSemaphorePermit, Error> {
    let turn = service.pages.wait(device, PATIENCE).await;
    turn.ok_or_else(|| {
        let detail = "fetch the pages that are under way first";
        Error::new(ErrorCode::TooMany, detail)
    })
}

/// A 200 with a body in the canonical encoding.
struct Answer<T>(T);

impl<T: Serialize> IntoResponse for Answer<T> {
    fn into_response(self) -> Response {
        octets(encode(&self.0))
    }
}

/// A 200 with these bytes, which keeps `held` until they are sent or nobody waits for them.
fn octets_with<T: Send + 'static>(bytes: Vec<u8>, held: T) -> Response {
    let length = bytes.len();
    let bytes = stream::iter([Ok::<_, Infallible>(bytes)]).inspect(move |_| {
        let _held = &held;
    });
    let mut answer = octets(Vec::new());
    *answer.body_mut() = Body::from_stream(bytes);
    answer
        .headers_mut()
        .insert(CONTENT_LENGTH, HeaderValue::from(length));
    answer
}

/// A 200 with these bytes.
fn octets(bytes: Vec<u8>) -> Response {
    (
        [
            ("content-type", "application/octet-stream"),
            ("cache-control", "no-store"),
        ],
        bytes,
    )
        .into_response()
}
