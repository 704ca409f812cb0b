//! Who calls: proven by a signature of a device key over the whole request, and by a live session.
//!
//! Cheap checks come first, so that strangers cannot make the server work: headers, clock, session
//! and what it may; then the body, no larger than its type; then the signature; then the nonce; then
//! session and permission again, since a body may take its time.

use std::{
    collections::{HashSet, VecDeque},
    net::{IpAddr, Ipv4Addr},
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    extract::{FromRequest, Request},
    http::{HeaderMap, request::Parts},
};
use valise_proto::{
    api::ErrorCode,
    id::{DeviceId, SessionId},
    key::Ed25519Key,
    log::replay::Directory,
    request::{
        CLOCK_TOLERANCE_S, CONTENT_DIGEST, Parameters, SESSION, SIGNATURE, SIGNATURE_INPUT,
        SignedRequest, content_digest, digest, parse_session, parse_signature,
    },
    statement::sha256,
    weaken::checked,
};

use super::{
    Peer,
    body::{Body, Room},
    error::Error,
};
use crate::{
    clock::said,
    limit::network,
    service::Service,
    session::{SessionRefusal, Sessions},
    store::{RequestName, SessionRow},
};

/// A request that was made by a `C` and says a `B`.
pub(super) struct Call<C, B> {
    pub(super) caller: C,
    pub(super) body: B,
    /// The body's room in memory, until the answer.
    _room: Room,
}

/// A kind of caller.
pub(super) trait Caller: Sized {
    /// Whether one more may come from this address: asked before anything else.
    fn pace(_service: &Service, _address: IpAddr) -> Result<(), Error> {
        Ok(())
    }

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
pub(super) struct AdminCaller(pub(super) SessionRow);

impl Caller for DeviceCaller {
    fn pace(service: &Service, address: IpAddr) -> Result<(), Error> {
        let now_ms = service.clock.now_ms();
        if service.sessionless_rate.take(network(address), now_ms) {
            Ok(())
        } else {
            Err(Error::new(ErrorCode::TooMany, "too many requests: wait"))
        }
    }

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
            Ok(Self(session))
        } else {
            Err(Error::new(ErrorCode::Forbidden, "for admins only"))
        }
    }
}

impl<C: Caller, B: Body> FromRequest<Arc<Service>> for Call<C, B> {
    type Rejection = Error;

    async fn from_request(request: Request, service: &Arc<Service>) -> Result<Self, Error> {
        let (parts, body) = request.into_parts();
        let peer = parts.extensions.get::<Peer>();
        // The listener knows it; whatever else there is shares one bucket.
        let address = peer.map_or(Ipv4Addr::UNSPECIFIED.into(), |Peer(address)| *address);
        C::pace(service, address)?;
        let signed = Signed::read(&parts.headers, &service.log.now().directory)?;
        service.nonces.check_clock(signed.parameters.created)?;
        let device = signed.parameters.device;
        if let Some(id) = signed.session {
            service.sessions.refresh(id).await?;
        }
        if let Err(refused) = signed.admit::<C>(service).map(drop) {
            // Another server may have heard more of the log.
            if !service.node.look().await? {
                return Err(refused);
            }
            signed.admit::<C>(service)?;
        }
        let (body, room) = service
            .bodies
            .receive(device, &parts.headers, body, B::MAX)
            .await?;
        signed.verify(&parts, &service.authority, &body)?;
        let name =
            service
                .nonces
                .accept(device, signed.parameters.nonce, signed.parameters.created)?;
        if !service.node.admit(name).await? && checked("L13") {
            return Err(unauthenticated("this request came before"));
        }
        let caller = signed.admit(service)?;
        if let Some(id) = signed.session {
            service.sessions.touch(id);
        }
        Ok(Self {
            caller,
            body: B::read(body)?,
            _room: room,
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
    fn read(headers: &HeaderMap, directory: &Directory) -> Result<Self, Error> {
        let malformed = |_| unauthenticated("malformed request signature");
        let parameters = Parameters::parse(once(headers, SIGNATURE_INPUT)?).map_err(malformed)?;
        let device = parameters.device;
        // To look whether a key is a sound one takes as long as to verify a signature by it.
        let key = match directory.device_key(device) {
            Some(key) => key,
            None => {
                Ed25519Key::try_from(device.0).map_err(|_| unauthenticated("a weak device key"))?
            }
        };
        Ok(Self {
            key,
            parameters,
            session: parse_session(once(headers, SESSION)?).map_err(malformed)?,
            digest: once(headers, CONTENT_DIGEST)?.to_owned(),
            signature: parse_signature(once(headers, SIGNATURE)?).map_err(malformed)?,
        })
    }

    /// The caller that this says it is: true once the signature is verified.
    fn admit<C: Caller>(&self, service: &Service) -> Result<C, Error> {
        let device = self.parameters.device;
        let session = match self.session {
            None => None,
            Some(id) => Some(service.find_session(id, device)?),
        };
        C::admit(service, device, session)
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

fn unauthenticated(detail: &'static str) -> Error {
    Error::new(ErrorCode::Unauthenticated, detail)
}

/// Every nonce that was accepted and whose signature is still young enough to come again.
///
/// The set lives in memory. So that a restart forgets nothing, a signature made before this process
/// began is refused whatever its nonce: the former process may have accepted it. What remains is a
/// request that was dated ahead of our clock; the client-chosen ids make its second coming harmless.
/// Where several servers share a database, it remembers for all of them, and a restart forgets nothing.
#[derive(Debug)]
pub(crate) struct Nonces {
    clock: Arc<dyn crate::clock::Clock>,
    /// The first whole second that began after this process did.
    from_s: u64,
    /// Until then, by what nobody can set, there are signatures from before that are young enough.
    until_ms: u64,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    nonces: HashSet<RequestName>,
    /// In order of acceptance: when each was accepted, in seconds of what nobody can set.
    order: VecDeque<(u64, RequestName)>,
}

impl Nonces {
    pub(crate) fn new(clock: Arc<dyn crate::clock::Clock>, shared: bool) -> Self {
        Self {
            from_s: if shared { 0 } else { clock.now_ms() / 1000 + 1 },
            until_ms: clock.monotonic_ms() + 2 * CLOCK_TOLERANCE_S * 1000,
            clock,
            seen: Mutex::default(),
        }
    }

    fn check_clock(&self, created_s: u64) -> Result<(), Error> {
        let now_ms = self.clock.now_ms();
        if (now_ms / 1000).abs_diff(created_s) > CLOCK_TOLERANCE_S {
            let (theirs, here) = (said(created_s.saturating_mul(1000)), said(now_ms));
            let detail = format!("this computer's clock shows {theirs}, and the server's {here}");
            return Err(Error::new(ErrorCode::Clock, detail));
        }
        // For no longer: a clock that is set back must not keep everybody out until it is there again.
        let young = self.clock.monotonic_ms() <= self.until_ms || !checked("V12");
        if created_s < self.from_s && young {
            return Err(Error::new(
                ErrorCode::Unavailable,
                "the server has just started: try again",
            ));
        }
        Ok(())
    }

    /// Lets the request in, if it did not come to this server before; gives its name.
    fn accept(
        &self,
        device: DeviceId,
        nonce: [u8; 16],
        created_s: u64,
    ) -> Result<RequestName, Error> {
        // Checked again, now that the body is here: a slow body must not outlive its nonce.
        self.check_clock(created_s)?;
        let now_s = self.clock.monotonic_ms() / 1000;
        let mut name: RequestName = [0; 16];
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
        if !nonces.insert(name) && checked("L13") {
            return Err(unauthenticated("this request came before"));
        }
        order.push_back((now_s, name));
        Ok(name)
    }
}
