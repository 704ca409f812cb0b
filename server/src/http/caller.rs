//! Who calls: proven by a signature of a device key over the whole request, and by a live session.
//!
//! Cheap checks come first, so that strangers cannot make the server work: headers, clock, session;
//! then the body, no larger than its type; then the signature; then the nonce.

use std::{
    collections::{HashSet, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    body::{Bytes, to_bytes},
    extract::{FromRequest, Request},
    http::{HeaderMap, header, request::Parts},
};
use tls_codec::{DeserializeBytes, Serialize};
use valise_proto::{
    api::ErrorCode,
    codec::{Limited, decode},
    id::{DeviceId, SessionId},
    key::Ed25519Key,
    log::entry::Entry,
    request::{
        CLOCK_TOLERANCE_S, CONTENT_DIGEST, Parameters, SESSION, SIGNATURE, SIGNATURE_INPUT,
        SignedRequest, content_digest, digest, parse_session, parse_signature,
    },
    statement::sha256,
};

use super::error::Error;
use crate::{
    service::Service,
    session::{SessionRefusal, Sessions},
    store::SessionRow,
};

/// A request that was made by a `C` and says a `B`.
pub(super) struct Call<C, B> {
    pub(super) caller: C,
    pub(super) body: B,
}

/// A kind of caller.
pub(super) trait Caller: Sized {
    /// From the device that signed and its session, if it named one.
    fn admit(
        service: &Service,
        device: DeviceId,
        session: Option<SessionRow>,
    ) -> Result<Self, Error>;
}

/// Somebody with a device key, and no session yet.
pub(super) struct DeviceCaller(pub(super) DeviceId);

/// Somebody who logged in on this device. May read the log and append to it: an entry's authority
/// is its signatures.
pub(super) struct SessionCaller(pub(super) SessionRow);

/// A session whose device is certified now, for the session's account.
pub(super) struct CertifiedCaller(pub(super) SessionRow);

/// A certified session of an account that is an admin now.
pub(super) struct AdminCaller;

impl Caller for DeviceCaller {
    fn admit(
        _service: &Service,
        device: DeviceId,
        session: Option<SessionRow>,
    ) -> Result<Self, Error> {
        match session {
            None => Ok(Self(device)),
            Some(_) => Err(unauthenticated("this request belongs to no session")),
        }
    }
}

impl Caller for SessionCaller {
    fn admit(
        _service: &Service,
        _device: DeviceId,
        session: Option<SessionRow>,
    ) -> Result<Self, Error> {
        Ok(Self(session.ok_or(SessionRefusal::Ended)?))
    }
}

impl Caller for CertifiedCaller {
    fn admit(
        service: &Service,
        device: DeviceId,
        session: Option<SessionRow>,
    ) -> Result<Self, Error> {
        let SessionCaller(session) = SessionCaller::admit(service, device, session)?;
        Sessions::certified(&session, &service.log.now().directory)?;
        Ok(Self(session))
    }
}

impl Caller for AdminCaller {
    fn admit(
        service: &Service,
        device: DeviceId,
        session: Option<SessionRow>,
    ) -> Result<Self, Error> {
        let CertifiedCaller(session) = CertifiedCaller::admit(service, device, session)?;
        let snapshot = service.log.now();
        let admin = snapshot
            .directory
            .account(&session.account)
            .is_some_and(|account| account.admin_since.is_some());
        if admin {
            Ok(Self)
        } else {
            Err(Error::new(ErrorCode::Forbidden, "for admins only"))
        }
    }
}

/// A kind of body.
pub(super) trait Body: Sized {
    /// Largest size in bytes: nothing more is read.
    const MAX: usize;

    /// Reads all of it.
    fn read(bytes: Bytes) -> Result<Self, Error>;
}

/// No body.
pub(super) struct Nothing;

/// An entry of the log, as it came: its exact bytes are what is signed and hashed.
pub(super) struct RawEntry(pub(super) Bytes);

/// A body in the canonical encoding.
pub(super) struct Read<T>(pub(super) T);

impl Body for Nothing {
    const MAX: usize = 0;

    fn read(_bytes: Bytes) -> Result<Self, Error> {
        Ok(Self)
    }
}

impl Body for RawEntry {
    const MAX: usize = Entry::MAX;

    fn read(bytes: Bytes) -> Result<Self, Error> {
        Ok(Self(bytes))
    }
}

impl<T: DeserializeBytes + Serialize + Limited> Body for Read<T> {
    const MAX: usize = T::MAX;

    fn read(bytes: Bytes) -> Result<Self, Error> {
        Ok(Self(decode(&bytes)?))
    }
}

impl<C: Caller, B: Body> FromRequest<Arc<Service>> for Call<C, B> {
    type Rejection = Error;

    async fn from_request(request: Request, service: &Arc<Service>) -> Result<Self, Error> {
        let (parts, body) = request.into_parts();
        let signed = Signed::read(&parts.headers)?;
        service.nonces.check_clock(signed.parameters.created)?;
        let device = signed.parameters.device;
        let session = match signed.session {
            None => None,
            Some(id) => Some(service.find_session(id, device)?),
        };
        let max = B::MAX.min(service.config.body_bytes_max);
        let timeout = Duration::from_millis(service.config.body_timeout_ms);
        let body = read_body(&parts.headers, body, max, timeout).await?;
        signed.verify(&parts, &service.authority, &body)?;
        service
            .nonces
            .accept(device, signed.parameters.nonce, signed.parameters.created)?;
        let used = session.as_ref().map(|session| session.id);
        let caller = C::admit(service, device, session)?;
        if let Some(id) = used {
            service.sessions.touch(id);
        }
        Ok(Self {
            caller,
            body: B::read(body)?,
        })
    }
}

/// The signature headers, each there exactly once.
struct Signed {
    key: Ed25519Key,
    parameters: Parameters,
    session: Option<SessionId>,
    digest: String,
    signature: [u8; 64],
}

impl Signed {
    fn read(headers: &HeaderMap) -> Result<Self, Error> {
        let malformed = |_| unauthenticated("malformed request signature");
        let parameters = Parameters::parse(once(headers, SIGNATURE_INPUT)?).map_err(malformed)?;
        let key = Ed25519Key::try_from(parameters.device.0)
            .map_err(|_| unauthenticated("a weak device key"))?;
        Ok(Self {
            key,
            parameters,
            session: parse_session(once(headers, SESSION)?).map_err(malformed)?,
            digest: once(headers, CONTENT_DIGEST)?.to_owned(),
            signature: parse_signature(once(headers, SIGNATURE)?).map_err(malformed)?,
        })
    }

    fn verify(&self, parts: &Parts, authority: &str, body: &[u8]) -> Result<(), Error> {
        let body = digest(body);
        if content_digest(body) != self.digest {
            return Err(unauthenticated("the body is not the one that was signed"));
        }
        let request = SignedRequest {
            method: parts.method.as_str(),
            authority,
            path: parts.uri.path(),
            query: parts.uri.query().unwrap_or_default(),
            body,
            session: self.session,
            parameters: self.parameters,
        };
        self.key
            .verify(&request.signature_base(), &self.signature)
            .map_err(|_| unauthenticated("the request's signature does not verify"))
    }
}

fn once<'a>(headers: &'a HeaderMap, name: &str) -> Result<&'a str, Error> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value
            .to_str()
            .map_err(|_| unauthenticated("malformed request signature")),
        _ => Err(unauthenticated("the request must be signed, once")),
    }
}

async fn read_body(
    headers: &HeaderMap,
    body: axum::body::Body,
    max: usize,
    timeout: Duration,
) -> Result<Bytes, Error> {
    if headers.contains_key(header::CONTENT_ENCODING) {
        return Err(Error::new(
            ErrorCode::Malformed,
            "bodies are never compressed",
        ));
    }
    let too_large = || Error::new(ErrorCode::TooLarge, "the body is too large");
    let stated = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if stated.is_some_and(|length| length > max) {
        return Err(too_large());
    }
    match tokio::time::timeout(timeout, to_bytes(body, max)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(_)) => Err(too_large()),
        Err(_) => Err(Error::new(ErrorCode::Malformed, "the body came too slowly")),
    }
}

fn unauthenticated(detail: &'static str) -> Error {
    Error::new(ErrorCode::Unauthenticated, detail)
}

/// Every nonce that was accepted and whose signature is still young enough to come again.
///
/// The set lives in memory. So that a restart forgets nothing, a signature made before this process
/// began is refused whatever its nonce: the former process may have accepted it. What remains is a
/// request that was dated ahead of our clock; the client-chosen ids make its second coming harmless.
#[derive(Debug)]
pub(crate) struct Nonces {
    clock: Arc<dyn crate::clock::Clock>,
    /// The first whole second that began after this process did.
    from_s: u64,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    nonces: HashSet<[u8; 16]>,
    /// In order of acceptance: when each was accepted, in seconds.
    order: VecDeque<(u64, [u8; 16])>,
}

impl Nonces {
    pub(crate) fn new(clock: Arc<dyn crate::clock::Clock>) -> Self {
        Self {
            from_s: clock.now_ms() / 1000 + 1,
            clock,
            seen: Mutex::default(),
        }
    }

    fn check_clock(&self, created_s: u64) -> Result<(), Error> {
        let now_s = self.clock.now_ms() / 1000;
        if now_s.abs_diff(created_s) > CLOCK_TOLERANCE_S {
            return Err(Error::new(
                ErrorCode::Clock,
                "signed too long ago or too far ahead: check the clock",
            ));
        }
        if created_s < self.from_s {
            return Err(Error::new(
                ErrorCode::Unavailable,
                "the server has just started: try again",
            ));
        }
        Ok(())
    }

    fn accept(&self, device: DeviceId, nonce: [u8; 16], created_s: u64) -> Result<(), Error> {
        // Checked again, now that the body is here: a slow body must not outlive its nonce.
        self.check_clock(created_s)?;
        let now_s = self.clock.now_ms() / 1000;
        let mut name = [0; 16];
        name.copy_from_slice(sha256(&[&device.0, &nonce]).split_at(16).0);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let Seen { nonces, order } = &mut *seen;
        // Created at most one tolerance ahead, it is too old two tolerances after it was accepted.
        while let Some((accepted_s, old)) = order.front()
            && accepted_s + 2 * CLOCK_TOLERANCE_S < now_s
        {
            nonces.remove(old);
            order.pop_front();
        }
        if !nonces.insert(name) {
            return Err(unauthenticated("this request came before"));
        }
        order.push_back((now_s, name));
        Ok(())
    }
}
