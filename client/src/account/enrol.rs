//! What admins do first: see who asks, and enrol.

use reqwest::Method;
use valise_proto::{
    api::{ENROLMENTS, enrolment},
    id::{EnrolmentId, Name},
    key::KeyRecord,
    log::entry::{AccountAdd, Fact},
};

use super::Declared;
use crate::session::{Error, Keyring, Session};

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
}

/// Everybody who asks, oldest first.
pub async fn enrolment_requests(session: &Session) -> Result<Vec<Request>, Error> {
    let pending: enrolment::Pending = session.request(Method::GET, ENROLMENTS, Vec::new()).await?;
    let org = session.directory()?.org();
    let requests = pending.asks.into_iter().map(|pending| Request {
        id: pending.id,
        fingerprint: pending.ask.key.fingerprint(org, &pending.ask.name),
        name: pending.ask.name,
        asked_at_ms: pending.asked_at_ms,
        key: pending.ask.key,
    });
    Ok(requests.collect())
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

    /// Signs that this key is this person's. The words must have been compared before.
    pub async fn enrol(
        &mut self,
        request: &Request,
        keyring: &mut Keyring<'_>,
    ) -> Result<Declared, Error> {
        if self.directory()?.account(&request.name).is_some() {
            return Err(Error::NameTaken(request.name.clone()));
        }
        let add = AccountAdd {
            account: request.name.clone(),
            key: request.key.clone(),
        };
        self.declare(keyring, Fact::AccountAdd(add)).await
    }
}
