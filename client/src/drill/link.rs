//! The first scheme of 2026: a link or a QR code that adds the attacker's device. Here there is none to
//! follow, so he tries what such a link would do.

use reqwest::Method;
use valise_proto::{
    api::{ErrorCode, LOG, SESSION, SYNC, login},
    codec::{Text, encode},
    log::entry::{DeviceCertificate, Entry, Fact},
};

use super::{Stage, Unmade, Verdict};
use crate::{
    account::{challenge, statement},
    api::{ApiError, Caller},
    provider::DeviceSigner,
    session::{Error, Session},
};

/// Who stopped it, when the server did.
const SERVER: &str = "the server";

/// What the server made of an attempt; `done` says what it did if it did what it was asked.
pub(super) fn judge<T>(answer: Result<T, ApiError>, done: &str) -> Result<Verdict, Unmade> {
    match answer {
        Ok(_) => Ok(Verdict::NotStopped(done.to_owned())),
        Err(ApiError::Refused(problem)) => match problem.code {
            ErrorCode::Unauthenticated
            | ErrorCode::Forbidden
            | ErrorCode::Revoked
            | ErrorCode::Refused => Ok(Verdict::Stopped {
                by: SERVER,
                said: problem.detail.into_string(),
            }),
            // Too often, too busy, or not understood: that proves nothing.
            _ => Err(ApiError::Refused(problem).into()),
        },
        Err(error) => Err(error.into()),
    }
}

impl Session {
    pub(super) async fn read_letters(&self, stage: &Stage) -> Result<Verdict, Unmade> {
        let caller = Caller::Device(&stage.attacker.signer);
        let answer = self.api()?.raw(caller, Method::GET, SYNC, Vec::new());
        judge(answer.await, "it gave him your letters, still encrypted")
    }

    /// `borrowed`: under the number of this person's own credential.
    pub(super) async fn log_in_with_his_key(
        &self,
        stage: &Stage,
        borrowed: bool,
    ) -> Result<Verdict, Unmade> {
        let (url, own) = (&self.api()?.card().url, self.own_keys());
        let own = own.first().map(|key| key.login.id.as_slice());
        let attacker = &stage.attacker;
        let finish = attacker.key.answer(
            challenge(self.api()?).await?.nonce,
            url,
            self.account(),
            attacker.device,
            own.filter(|_| borrowed),
        )?;
        self.use_login(&attacker.signer, &finish).await
    }

    /// Sends an answer to a challenge from the device of `signer`. Nothing that should not be there
    /// stays there.
    pub(super) async fn use_login(
        &self,
        signer: &DeviceSigner,
        finish: &login::Finish,
    ) -> Result<Verdict, Unmade> {
        let answer = self.api()?.call::<login::Session>(
            Caller::Device(signer),
            Method::POST,
            SESSION,
            encode(finish),
        );
        let answer = answer.await;
        if let Ok(session) = &answer {
            let caller = Caller::Session(signer, session.id);
            let end = self.api()?.raw(caller, Method::DELETE, SESSION, Vec::new());
            drop(end.await);
        }
        judge(answer, "it logged him in under your name")
    }

    pub(super) async fn certify_his_device(&self, stage: &Stage) -> Result<Verdict, Unmade> {
        let (attacker, directory) = (&stage.attacker, self.directory()?);
        let (org, account) = (directory.org(), self.account());
        let consent = DeviceCertificate::consent_bytes(org, account, attacker.device);
        let consent = attacker.signer.sign_bytes(&consent);
        let unmade = |_| Unmade::Why("the attacker's keys cannot be made".to_owned());
        let certificate = DeviceCertificate {
            account: account.clone(),
            device: attacker.device,
            label: Text::truncated("drill"),
            consent: consent.try_into().map_err(unmade)?,
        };
        let fact = Fact::DeviceAdd(certificate);
        let statement = statement(directory, self.clock.now_ms(), fact);
        let own = self.own_keys();
        let own = own.first().ok_or(Error::NotEnrolled)?;
        let (tag, hash) = (directory.genesis().tag, statement.client_data_hash(org));
        let signature = attacker.key.state(own.id(), tag, &hash)?;
        let entry = Entry {
            statement,
            signatures: vec![signature],
        };
        let caller = Caller::Device(&attacker.signer);
        let answer = self.api()?.raw(caller, Method::POST, LOG, encode(&entry));
        judge(answer.await, "it wrote his device into the log as yours")
    }
}
