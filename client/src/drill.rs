//! The takeovers of 2026 and a lying server, tried on one's own installation: with real requests to the
//! real server, by somebody who has everything that a person can read, type or forward.
//!
//! Harmless: the attacker's keys live as long as the drill, what the server refuses changes nothing,
//! and the lies are told to a copy of the log in memory. No alarm is recorded.

mod attacker;
mod certificate;
mod code;
mod impostor;
mod liar;
mod link;
mod trial;

use valise_proto::api::login;

use crate::{
    account::answer_challenge,
    api::ApiError,
    session::{Error, Keyring, Session},
};

pub use trial::{Attempt, Scheme, Trial, Verdict};

use attacker::Attacker;

/// What the attempts at the server need: a live session, and a login that nobody has used.
struct Stage {
    attacker: Attacker,
    login: login::Finish,
}

/// An attempt that could not be made, or that ended before its end was known.
enum Unmade {
    /// The server cannot be reached: so it is with the others.
    Unreachable(String),
    /// This one only.
    Why(String),
}

impl From<ApiError> for Unmade {
    fn from(error: ApiError) -> Self {
        match error {
            ApiError::Refused(problem) => Self::Why(problem.detail.into_string()),
            other => Self::Unreachable(other.to_string()),
        }
    }
}

impl From<Error> for Unmade {
    fn from(error: Error) -> Self {
        match error {
            Error::Api(error) => error.into(),
            other => Self::Why(other.to_string()),
        }
    }
}

impl Session {
    /// Tries everything, in the order of [`Attempt::ALL`]. One touch: a login that the attacker takes on
    /// its way to the server.
    ///
    /// A server that cannot be reached is no error: what needs it is then [`Verdict::NotTried`].
    pub async fn drill(&mut self, keyring: &mut Keyring<'_>) -> Result<Vec<Trial>, Error> {
        let mut stage = match self.stage(keyring).await {
            Ok(stage) => Ok(stage),
            Err(Error::Api(error)) if !matches!(error, ApiError::WrongServer { .. }) => {
                Err(error.to_string())
            }
            Err(error) => return Err(error),
        };
        let mut trials = Vec::new();
        for attempt in Attempt::ALL {
            let made = match &stage {
                _ if attempt.is_local() => self.lie(*attempt).await,
                Ok(stage) => Box::pin(self.attack(*attempt, stage)).await,
                Err(why) => Err(Unmade::Unreachable(why.clone())),
            };
            let verdict = match made {
                Ok(verdict) => verdict,
                Err(Unmade::Why(why)) => Verdict::NotTried(why),
                Err(Unmade::Unreachable(why)) => {
                    if !attempt.is_local() {
                        stage = Err(why.clone());
                    }
                    Verdict::NotTried(why)
                }
            };
            trials.push(Trial {
                attempt: *attempt,
                verdict,
            });
        }
        Ok(trials)
    }

    async fn stage(&mut self, keyring: &mut Keyring<'_>) -> Result<Stage, Error> {
        let online = self.online(keyring, async |session, _| session.read_log().await);
        online.await?;
        let ids = self.own_keys().into_iter();
        let ids: Vec<_> = ids.map(|key| key.login.id.as_slice().to_vec()).collect();
        let login = answer_challenge(
            self.api()?,
            &self.me.signer,
            &self.me.account,
            &ids,
            keyring,
        )
        .await?;
        let attacker = Attacker::new()?;
        Ok(Stage { attacker, login })
    }

    /// An attempt at the real server.
    async fn attack(&self, attempt: Attempt, stage: &Stage) -> Result<Verdict, Unmade> {
        match attempt {
            Attempt::ReadLetters => self.read_letters(stage).await,
            Attempt::LogInWithHisKey => self.log_in_with_his_key(stage, false).await,
            Attempt::LogInWithYourKeysId => self.log_in_with_his_key(stage, true).await,
            Attempt::CertifyHisDevice => self.certify_his_device(stage).await,
            Attempt::AskUnderYourName => Ok(Verdict::LeftOut(
                "it would stand in your admins' list. It gives nothing: an admin compares six words with \
                 you, and they would not be yours"
                    .to_owned(),
            )),
            Attempt::UseYourWords => self.log_in_with_words(stage).await,
            Attempt::UseYourSession => self.use_session(stage).await,
            Attempt::RepeatRequest => self.repeat_request().await,
            Attempt::TurnRequest => self.turn_request().await,
            Attempt::BorrowLogin => self.replay_login(stage, true).await,
            Attempt::RepeatLogin => self.replay_login(stage, false).await,
            _ => Err(Unmade::Why("this needs no server".to_owned())),
        }
    }

    /// A lie to this computer.
    async fn lie(&self, attempt: Attempt) -> Result<Verdict, Unmade> {
        if attempt == Attempt::StandInForServer {
            return Box::pin(self.stand_in_for_server()).await;
        }
        self.tell_lie(attempt)
    }
}
