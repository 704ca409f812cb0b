//! HTTP to the organisation's server, and to nobody else.
//!
//! TLS trusts one thing: the key whose hash is on the organisation card. Every request after login
//! is signed by the device key (see [`valise_proto::request`]).

#[cfg(feature = "weaken")]
mod carrier;
mod push;
mod tls;

use std::{sync::Arc, time::Duration};

use reqwest::{
    Method, StatusCode,
    header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
};
use valise_proto::{
    api::{BODY_MAX, ErrorCode, Problem},
    card::Card,
    codec,
    id::{DeviceId, SessionId},
    request::{self, Parameters, SignedRequest},
};

use crate::{
    clock::{Clock, pause},
    provider::DeviceSigner,
    random,
};

#[cfg(feature = "weaken")]
pub use carrier::{Carried, Carrier, dangerously_carry};
pub use push::Push;
pub use tls::PinFailure;

/// How often a server that is not available for a moment is asked again.
const ATTEMPTS: u32 = 4;
/// And after how long.
const MOMENT: Duration = Duration::from_millis(400);

/// A request that did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The connection broke before the whole answer was here.
    #[error("the server cannot be reached: the connection broke")]
    Broken,
    /// The server's certificate has run out, or is not valid yet.
    #[error("the server's certificate is not valid today")]
    Certificate,
    /// The server answered something that is no answer.
    #[error("the server's answer is not well-formed")]
    PeerMalformed,
    /// This machine cannot sign or has no randomness.
    #[error("this machine has no randomness")]
    Randomness,
    /// The server refused.
    #[error("the server refuses: {} ({:?})", .0.detail.as_str(), .0.code)]
    Refused(Problem),
    /// No connection, or no answer in time.
    #[error("the server cannot be reached: {0}")]
    Unreachable(String),
    /// Something that is not the organisation's server answers at its address.
    #[error("what answers at {url} is not the server on the organisation card")]
    WrongServer {
        /// The address.
        url: String,
    },
}

impl ApiError {
    /// What the server said, if it is the server that refused.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Refused(problem) => Some(problem.code),
            _ => None,
        }
    }
}

/// A request as it travels.
#[derive(Clone, Debug)]
pub struct Parcel {
    /// Its method.
    pub method: Method,
    /// Its path and query.
    pub path: String,
    /// Its headers, signed.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Vec<u8>,
}

/// An answer as it travels.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Its status.
    pub status: StatusCode,
    /// Its body.
    pub body: Vec<u8>,
}

/// Who signs a request.
#[derive(Clone, Copy)]
pub enum Caller<'a> {
    /// Nobody: the few public routes.
    Anybody,
    /// A device without a session.
    Device(&'a DeviceSigner),
    /// A device with a session.
    Session(&'a DeviceSigner, SessionId),
}

/// The organisation's server.
pub struct Api {
    http: reqwest::Client,
    tls: Arc<rustls::ClientConfig>,
    card: Card,
    clock: Arc<dyn Clock>,
    #[cfg(feature = "weaken")]
    carrier: Option<Arc<dyn Carrier>>,
}

impl Api {
    /// Connects to nothing yet.
    pub fn new(card: Card, clock: Arc<dyn Clock>) -> Result<Self, ApiError> {
        let tls = Arc::new(tls::pinned(card.tls, Arc::clone(&clock)));
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured((*tls).clone())
            .https_only(true)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .tcp_nodelay(true)
            .connect_timeout(Duration::from_secs(10))
            .timeout(Duration::from_mins(1))
            .build()
            .map_err(|error| ApiError::Unreachable(error.to_string()))?;
        Ok(Self {
            http,
            tls,
            card,
            clock,
            #[cfg(feature = "weaken")]
            carrier: carrier::of_this_thread(),
        })
    }

    /// The card.
    pub fn card(&self) -> &Card {
        &self.card
    }

    /// One request whose answer is a `T`.
    pub async fn call<T>(
        &self,
        caller: Caller<'_>,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<T, ApiError>
    where
        T: tls_codec::DeserializeBytes + tls_codec::Serialize + codec::Limited,
    {
        let answer = self.raw(caller, method, path, body).await?;
        codec::decode(&answer).map_err(|_| ApiError::PeerMalformed)
    }

    /// One request whose answer is bytes, or nothing. A server that has just started or is busy for
    /// a moment is asked again, and so is one that closed an idle connection: every request may come
    /// twice.
    pub async fn raw(
        &self,
        caller: Caller<'_>,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<Vec<u8>, ApiError> {
        for _ in 0..ATTEMPTS {
            match self.once(caller, method.clone(), path, body.clone()).await {
                Err(error) if error.code() == Some(ErrorCode::Unavailable) => pause(MOMENT).await,
                Err(ApiError::Broken) => {}
                answer => return answer,
            }
        }
        self.once(caller, method, path, body).await
    }

    async fn once(
        &self,
        caller: Caller<'_>,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<Vec<u8>, ApiError> {
        let parcel = self.signed(caller, method, path, body)?;
        self.send(parcel).await
    }

    /// A request that is not sent yet.
    pub(crate) fn signed(
        &self,
        caller: Caller<'_>,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<Parcel, ApiError> {
        Ok(Parcel {
            headers: self.sign(caller, method.as_str(), path, &body)?,
            method,
            path: path.to_owned(),
            body,
        })
    }

    /// Sends a request, byte for byte.
    pub(crate) async fn send(&self, parcel: Parcel) -> Result<Vec<u8>, ApiError> {
        let Reply { status, body } = self.carry(parcel).await?;
        if status.is_success() {
            Ok(body)
        } else {
            Err(refusal(status, &body))
        }
    }

    async fn carry(&self, parcel: Parcel) -> Result<Reply, ApiError> {
        #[cfg(feature = "weaken")]
        if let Some(carrier) = &self.carrier {
            return carrier.carry(parcel).await;
        }
        let url = format!("{}{}", self.card.url, parcel.path);
        let request = self.http.request(parcel.method, url);
        let request = request.headers(parcel.headers).body(parcel.body);
        let mut answer = request.send().await.map_err(|error| self.failure(&error))?;
        let status = answer.status();
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| self.failure(&error))? {
            if body.len() + chunk.len() > 2 * BODY_MAX {
                return Err(ApiError::PeerMalformed);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Reply { status, body })
    }

    fn failure(&self, error: &reqwest::Error) -> ApiError {
        tls::failure(error, &self.card)
    }

    /// The headers that sign a request.
    fn sign(
        &self,
        caller: Caller<'_>,
        method: &str,
        path_and_query: &str,
        body: &[u8],
    ) -> Result<HeaderMap, ApiError> {
        let mut headers = HeaderMap::new();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/octet-stream"),
        );
        let (signer, session) = match caller {
            Caller::Anybody => return Ok(headers),
            Caller::Device(signer) => (signer, None),
            Caller::Session(signer, session) => (signer, Some(session)),
        };
        let nonce = random::bytes().map_err(|_| ApiError::Randomness)?;
        let device = DeviceId::try_from(signer.public_key()).map_err(|_| ApiError::Randomness)?;
        let (path, query) = path_and_query
            .split_once('?')
            .unwrap_or((path_and_query, ""));
        let request = SignedRequest {
            method,
            authority: self.card.url.authority(),
            path,
            query,
            body: request::digest(body),
            session,
            parameters: Parameters {
                created: self.clock.now_ms() / 1000,
                nonce,
                device,
            },
        };
        let signature = signer.sign_bytes(&request.signature_base());
        for (name, value) in [
            (
                request::CONTENT_DIGEST,
                request::content_digest(request.body),
            ),
            (request::SESSION, request::session(session)),
            (request::SIGNATURE_INPUT, request.parameters.to_header()),
            (request::SIGNATURE, request::signature(&signature)),
        ] {
            let value = HeaderValue::from_str(&value).map_err(|_| ApiError::Randomness)?;
            headers.insert(HeaderName::from_static(name), value);
        }
        Ok(headers)
    }
}

fn refusal(status: StatusCode, body: &[u8]) -> ApiError {
    match codec::decode(body) {
        Ok(problem) => ApiError::Refused(problem),
        Err(_) if status.is_server_error() => {
            ApiError::Unreachable(format!("it answers {}", status.as_u16()))
        }
        Err(_) => ApiError::PeerMalformed,
    }
}
