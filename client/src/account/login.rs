//! Logging in: one touch of L, bound to this device.

use reqwest::Method;
use valise_proto::{
    api::{ErrorCode, LOGIN, SESSION, login},
    card::Card,
    codec::encode,
    id::{DeviceId, Name},
    key::KeyRecord,
    statement::sha256,
};

use super::credentials::client_data;
use crate::{
    api::{Api, ApiError, Caller},
    failpoint::reached,
    key::{AssertionRequest, KeyError},
    provider::DeviceSigner,
    session::{Error, Keyring, Session},
    store::Setting,
};

/// Logs `account` in on the device of `signer`. `credential` empty: any L that the key has for
/// this server.
pub(super) async fn login(
    api: &Api,
    signer: &DeviceSigner,
    account: &Name,
    credential: &[Vec<u8>],
    keyring: &mut Keyring<'_>,
) -> Result<login::Session, Error> {
    let finish = answer_challenge(api, signer, account, credential, keyring).await?;
    let caller = Caller::Device(signer);
    let answer = api.call(caller, Method::POST, SESSION, encode(&finish));
    answer.await.map_err(|error| match error.code() {
        Some(ErrorCode::KeyCopied) => Error::CopiedKey,
        // As everywhere else: see `Session::request_raw`.
        Some(ErrorCode::Revoked) => Error::Revoked,
        _ => error.into(),
    })
}

/// The first step of a login: a challenge of the server's.
pub(crate) async fn challenge(api: &Api) -> Result<login::Challenge, ApiError> {
    api.call(Caller::Anybody, Method::POST, LOGIN, Vec::new())
        .await
}

/// A login that is not sent yet.
///
/// The connection is made first, so that a server which is not the pinned one gets no touch (L01).
/// Relying party and origin come from the card, never from an answer.
pub(crate) async fn answer_challenge(
    api: &Api,
    signer: &DeviceSigner,
    account: &Name,
    credential: &[Vec<u8>],
    keyring: &mut Keyring<'_>,
) -> Result<login::Finish, Error> {
    let challenge = challenge(api).await?;
    let Card { url, .. } = api.card();
    let device = DeviceId::try_from(signer.public_key())
        .map_err(|_| Error::Wrong("the device key is damaged"))?;
    let challenge_hash = login::challenge(challenge.nonce, device, account);
    let client_data = client_data("webauthn.get", &challenge_hash, url);
    let request = AssertionRequest {
        rp_id: url.host(),
        client_data_hash: sha256(&[&client_data]),
        allow: credential,
        salt: None,
        purpose: "log in",
    };
    let assertion = keyring.with(|key, prompt| Ok(key.assert(&request, prompt)?))?;
    let unexpected = |what: &'static str| KeyError::Protocol(what.to_owned());
    Ok(login::Finish {
        nonce: challenge.nonce,
        account: account.clone(),
        credential_id: assertion
            .credential_id
            .try_into()
            .map_err(|_| unexpected("a longer credential id"))?,
        authenticator_data: assertion
            .authenticator_data
            .try_into()
            .map_err(|_| unexpected("longer authenticator data"))?,
        client_data: client_data
            .try_into()
            .map_err(|_| unexpected("longer client data"))?,
        signature: assertion
            .signature
            .try_into()
            .map_err(|_| unexpected("a longer signature"))?,
    })
}

impl Session {
    /// Logs in unless there is a session that has not run out. Whom no admin has enrolled yet is
    /// not asked for a touch in vain.
    pub async fn log_in_if_needed(&mut self, keyring: &mut Keyring<'_>) -> Result<(), Error> {
        if self.ledger.is_none() {
            return Err(Error::NotEnrolled);
        }
        if self.login_session()?.is_none() {
            self.login(keyring).await?;
        }
        Ok(())
    }

    /// Runs `work` in a session with the server. Logs in when there is none, and once more when the
    /// server has ended it meanwhile, as it does after a time without use.
    pub async fn online<T>(
        &mut self,
        keyring: &mut Keyring<'_>,
        mut work: impl AsyncFnMut(&mut Self, &mut Keyring<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let done = self.logged_in(keyring, &mut work).await;
        if let Err(Error::Api(error @ ApiError::WrongServer { .. })) = &done {
            self.note("wrong-server", true, &error.to_string())?;
        }
        done
    }

    async fn logged_in<T>(
        &mut self,
        keyring: &mut Keyring<'_>,
        work: &mut impl AsyncFnMut(&mut Self, &mut Keyring<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.log_in_if_needed(keyring).await?;
        match work(self, keyring).await {
            Err(Error::LoginNeeded) => {
                self.login(keyring).await?;
                work(self, keyring).await
            }
            done => done,
        }
    }

    /// Logs in, by one touch of any of this person's keys.
    pub async fn login(&mut self, keyring: &mut Keyring<'_>) -> Result<(), Error> {
        self.login_with(keyring, &self.own_keys()).await
    }

    /// The same with one of these.
    pub(super) async fn login_with(
        &mut self,
        keyring: &mut Keyring<'_>,
        keys: &[KeyRecord],
    ) -> Result<(), Error> {
        let ids = keys.iter().map(|key| key.login.id.as_slice().to_vec());
        let credential: Vec<_> = ids.collect();
        let session = login(
            self.api()?,
            &self.me.signer,
            &self.me.account,
            &credential,
            keyring,
        )
        .await;
        if let Err(error @ Error::CopiedKey) = &session {
            let work = self.store.begin()?;
            work.add_event(self.clock.now_ms(), "copied-key", true, &error.to_string())?;
            work.commit()?;
        }
        let session = session?;
        reached("after-login");
        let work = self.store.begin()?;
        work.set(Setting::Session, &encode(&session))?;
        Ok(work.commit()?)
    }
}
