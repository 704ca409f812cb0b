//! The second scheme of 2026: what a person reads out, types in or forwards, and what can be caught on
//! its way.

use reqwest::Method;
use valise_proto::api::{LOG, SYNC};

use super::{Stage, Unmade, Verdict, link::judge};
use crate::{
    account::challenge,
    api::Caller,
    session::{Error, Session},
    words::Words,
};

/// Without it a refusal proves nothing.
const NO_CONTROL: &str = "the server refuses this computer's own requests too";

impl Session {
    /// The words stand where the signature would.
    pub(super) async fn log_in_with_words(&self, stage: &Stage) -> Result<Verdict, Unmade> {
        let words = Words::of(&self.fingerprint(self.account())?).to_string();
        let own = self.own_keys();
        let own = own.first().map(|key| key.login.id.as_slice());
        let attacker = &stage.attacker;
        let mut finish = attacker.key.answer(
            challenge(self.api()?).await?.nonce,
            &self.api()?.card().url,
            self.account(),
            attacker.device,
            own,
        )?;
        let words = words.into_bytes().try_into();
        finish.signature = words.map_err(|_| Error::Wrong("the six words are too long"))?;
        self.use_login(&attacker.signer, &finish).await
    }

    pub(super) async fn use_session(&self, stage: &Stage) -> Result<Verdict, Unmade> {
        let session = self.login_session()?.ok_or(Error::LoginNeeded)?;
        let caller = Caller::Session(&stage.attacker.signer, session.id);
        let answer = self.api()?.raw(caller, Method::GET, SYNC, Vec::new());
        judge(answer.await, "it gave him your letters, still encrypted")
    }

    pub(super) async fn repeat_request(&self) -> Result<Verdict, Unmade> {
        let size = self.directory()?.head().size;
        let path = format!("{LOG}?from={size}&old={size}");
        let api = self.api()?;
        let caught = api.signed(self.caller()?, Method::GET, &path, Vec::new())?;
        if let Err(error) = api.send(caught.clone()).await {
            return match Unmade::from(error) {
                Unmade::Why(_) => Err(Unmade::Why(NO_CONTROL.to_owned())),
                unreachable @ Unmade::Unreachable(_) => Err(unreachable),
            };
        }
        judge(
            api.send(caught.clone()).await,
            "it answered as if you had asked again",
        )
    }

    pub(super) async fn turn_request(&self) -> Result<Verdict, Unmade> {
        let size = self.directory()?.head().size;
        let path = format!("{LOG}?from={size}&old={size}");
        let api = self.api()?;
        let mut caught = api.signed(self.caller()?, Method::GET, &path, Vec::new())?;
        SYNC.clone_into(&mut caught.path);
        judge(
            api.send(caught.clone()).await,
            "it gave him your letters, still encrypted",
        )
    }

    /// `borrowed`: from his own device, before this computer has used it.
    pub(super) async fn replay_login(
        &self,
        stage: &Stage,
        borrowed: bool,
    ) -> Result<Verdict, Unmade> {
        let signer = if borrowed {
            &stage.attacker.signer
        } else {
            &self.me.signer
        };
        self.use_login(signer, &stage.login).await
    }
}
