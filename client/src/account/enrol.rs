//! What admins do first: see who asks, and enrol.

use reqwest::Method;
use valise_proto::{
    api::{COPIED_KEYS, ENROLMENTS, enrolment, login},
    id::{EnrolmentId, Name},
    key::KeyRecord,
    log::entry::{AccountAdd, Fact},
};

use super::{
    Declared,
    attestation::{Verdict, verdict},
};
use crate::{
    session::{Error, Keyring, Session},
    weaken::checked,
};

/// Somebody who asks to be enrolled.
#[derive(Clone, Debug)]
pub struct Request {
    /// Names the ask.
    pub id: EnrolmentId,
    /// The name asked for.
    pub name: Name,
    /// When the server got it: milliseconds.
    pub asked_at_ms: u64,
    /// The key.
    pub key: KeyRecord,
    /// What both sides' six words say. Computed here from the key, never taken from the server.
    pub fingerprint: [u8; 10],
    /// Who vouches for the key. Verified here, never taken from the server.
    pub verdict: Verdict,
}

/// Everybody who asks, oldest first.
pub async fn enrolment_requests(session: &Session) -> Result<Vec<Request>, Error> {
    let pending: enrolment::Pending = session.request(Method::GET, ENROLMENTS, Vec::new()).await?;
    let directory = session.directory()?;
    let (org, tag, policy) = (directory.org(), directory.genesis().tag, directory.policy());
    let (host, now_ms) = (session.api()?.card().url.host(), session.clock.now_ms());
    let requests = pending.asks.into_iter().map(|pending| Request {
        id: pending.id,
        verdict: verdict(&pending.ask, tag, host, policy, now_ms),
        fingerprint: pending.ask.key.fingerprint(org, &pending.ask.name),
        name: pending.ask.name,
        asked_at_ms: pending.asked_at_ms,
        key: pending.ask.key,
    });
    Ok(requests.collect())
}

/// Keys whose counters the server has seen going back, and since when (L08). It may leave some out.
pub async fn copied_keys(session: &Session) -> Result<Vec<login::CopiedKey>, Error> {
    let copied: login::Copied = session
        .request(Method::GET, COPIED_KEYS, Vec::new())
        .await?;
    Ok(copied.keys)
}

impl Session {
    /// Whether this account is an admin.
    pub fn is_admin(&self) -> bool {
        let account = self
            .directory()
            .ok()
            .and_then(|directory| directory.account(&self.me.account));
        account.is_some_and(|account| account.admin_since.is_some())
    }

    pub(super) fn must_be_admin(&self) -> Result<(), Error> {
        if self.is_admin() {
            Ok(())
        } else {
            Err(Error::NotAdmin(self.me.account.clone()))
        }
    }

    /// The key comes from a maker that the organisation's rules name, where they name any (L10). That it
    /// does not is an event: the server has shown what it should have refused, unless the rules are newer.
    pub fn vouched(&mut self, request: &Request) -> Result<(), Error> {
        let Verdict::Unattested(why) = request.verdict else {
            return Ok(());
        };
        if !checked("L10") {
            return Ok(());
        }
        let name = request.name.clone();
        let refused = Error::Unattested { name, why };
        self.note("unattested-key", true, &refused.to_string())?;
        Err(refused)
    }

    /// Signs that this key is this person's. The words must have been compared before.
    pub async fn enrol(
        &mut self,
        request: &Request,
        keyring: &mut Keyring<'_>,
    ) -> Result<Declared, Error> {
        if self.directory()?.account(&request.name).is_some() {
            return Err(Error::NameTaken(request.name.clone()));
        }
        self.vouched(request)?;
        let add = AccountAdd {
            account: request.name.clone(),
            key: request.key.clone(),
        };
        self.declare(keyring, Fact::AccountAdd(add)).await
    }
}
