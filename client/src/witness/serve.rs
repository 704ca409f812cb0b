//! The witness' one route: `POST /add-checkpoint`, over plain HTTP. What passes is signed on both sides.

use std::{convert::Infallible, sync::Arc, time::Duration};

use http_body_util::{BodyExt as _, Limited};
use hyper::{
    Method, Request, Response, StatusCode, body::Incoming, header::CONTENT_TYPE,
    server::conn::http1, service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, mpsc},
    task::spawn_blocking,
    time::timeout,
};
use valise_proto::log::witness::{ADD_CHECKPOINT, AddCheckpoint, Refusal, SIZE_TYPE, format_size};

use super::{Contradiction, Witness, WitnessError};
use crate::clock::{self, Clock};

/// Connections at once; more wait.
const CONNECTIONS_MAX: u32 = 64;
/// How long a connection may take for its one request and the answer.
const CONNECTION: Duration = Duration::from_secs(10);
/// How long the head of a request may take.
const HEADER: Duration = Duration::from_secs(5);
/// Largest head of a request in bytes.
const HEADER_MAX: usize = 8 * 1024;
/// After a failed accept, usually for want of file descriptors: let some be closed.
const PAUSE: Duration = Duration::from_millis(100);

/// Answers on `listener` until `shutdown` resolves; then lets open requests finish. What contradicts the log
/// that was signed here goes to `found`, each once, when it is kept.
pub async fn serve(
    witness: Arc<Witness>,
    listener: TcpListener,
    clock: Arc<dyn Clock>,
    found: mpsc::Sender<Contradiction>,
    shutdown: impl Future<Output = ()>,
) {
    let places = Arc::new(Semaphore::new(
        usize::try_from(CONNECTIONS_MAX).unwrap_or(1),
    ));
    let accept = async {
        // Nobody closes the semaphore.
        while let Ok(place) = Arc::clone(&places).acquire_owned().await {
            let Ok((stream, _)) = listener.accept().await else {
                drop(place);
                clock::pause(PAUSE).await;
                continue;
            };
            let (witness, clock) = (Arc::clone(&witness), Arc::clone(&clock));
            let found = found.clone();
            tokio::spawn(async move {
                // Whoever is too slow, or goes away, loses only his own connection.
                drop(timeout(CONNECTION, converse(stream, witness, clock, found)).await);
                drop(place);
            });
        }
    };
    tokio::select! {
        () = accept => {}
        () = shutdown => {}
    }
    drop(listener);
    drop(timeout(CONNECTION, places.acquire_many(CONNECTIONS_MAX)).await);
}

/// One connection: one request and its answer.
async fn converse(
    stream: TcpStream,
    witness: Arc<Witness>,
    clock: Arc<dyn Clock>,
    found: mpsc::Sender<Contradiction>,
) {
    let service = service_fn(|request| {
        let (witness, clock) = (Arc::clone(&witness), Arc::clone(&clock));
        let found = found.clone();
        async move { Ok::<_, Infallible>(answer(request, witness, &*clock, &found).await) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEADER)
        .max_buf_size(HEADER_MAX)
        .keep_alive(false);
    drop(http.serve_connection(TokioIo::new(stream), service).await);
}

async fn answer(
    request: Request<Incoming>,
    witness: Arc<Witness>,
    clock: &dyn Clock,
    found: &mpsc::Sender<Contradiction>,
) -> Response<String> {
    if request.uri().path() != ADD_CHECKPOINT {
        return say(
            StatusCode::NOT_FOUND,
            "a witness answers to /add-checkpoint",
        );
    }
    if request.method() != Method::POST {
        return say(StatusCode::METHOD_NOT_ALLOWED, "a checkpoint is posted");
    }
    let Ok(body) = Limited::new(request.into_body(), AddCheckpoint::MAX)
        .collect()
        .await
    else {
        return say(StatusCode::BAD_REQUEST, "too large, or cut off");
    };
    let Ok(text) = String::from_utf8(body.to_bytes().to_vec()) else {
        return refused(Refusal::Malformed);
    };
    let now_ms = clock.now_ms();
    // It waits for the disk, and for its turn.
    let signed = spawn_blocking(move || witness.cosign(&text, now_ms)).await;
    match signed {
        Ok(Ok(line)) => Response::new(line),
        Ok(Err(WitnessError::Refused(refusal))) => refused(refusal),
        Ok(Err(WitnessError::Contradiction {
            refusal,
            found: both,
            new,
        })) => {
            if new {
                // Whoever listens too slowly finds them in the folder.
                drop(found.try_send(*both));
            }
            refused(refusal)
        }
        _ => say(
            StatusCode::INTERNAL_SERVER_ERROR,
            "this witness cannot remember what it signs: it signs nothing",
        ),
    }
}

fn refused(refusal: Refusal) -> Response<String> {
    let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::BAD_REQUEST);
    let Refusal::Conflict { size } = refusal else {
        return say(status, &refusal.to_string());
    };
    let mut response = Response::new(format_size(size));
    *response.status_mut() = status;
    let kind = hyper::header::HeaderValue::from_static(SIZE_TYPE);
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

fn say(status: StatusCode, text: &str) -> Response<String> {
    let mut response = Response::new(format!("{text}\n"));
    *response.status_mut() = status;
    response
}
