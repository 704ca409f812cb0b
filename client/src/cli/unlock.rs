//! `valise unlock` and `valise lock`.

use std::time::Duration;

use super::{
    Unlock,
    desk::Desk,
    error::{Code, CommandError, Exit},
    refusal::refusal,
    ui::Record,
};
use crate::{
    agent::{self, AgentError},
    safe::Safe,
    session::{Error, Session},
};

/// The longest that an agent stays unlocked, used or not.
const LONGEST: Duration = Duration::from_hours(12);

impl Desk<'_> {
    pub(super) fn unlock(&mut self, args: &Unlock) -> Result<Exit, CommandError> {
        let home = self.home()?;
        if !home.is_taken() {
            return Err(refusal(&Error::NotJoined));
        }
        let minutes = u64::from(self.config.agent_idle_minutes.value);
        let idle = args.idle.unwrap_or(Duration::from_mins(minutes));
        let key = match agent::store_key(&home) {
            Some(key) => key,
            None => self.with_key(|keyring| Session::unlock(&home, keyring))?,
        };
        let session = Session::open(&home, &key, std::sync::Arc::clone(&self.clock))
            .map_err(|error| refusal(&error))?;
        agent::start(&home, &key, idle, LONGEST).map_err(|error| failed(&error))?;
        let record = Record::new()
            .with("state", "unlocked")
            .with("name", session.account().clone())
            .with(
                "locks_after",
                Safe::line(&format!("{} min without use", idle.as_secs() / 60)),
            );
        self.ui.record(&record)?;
        Ok(Exit::Done)
    }

    pub(super) fn lock(&mut self) -> Result<Exit, CommandError> {
        let home = self.home()?;
        agent::stop(&home).map_err(|error| failed(&error))?;
        self.ui.record(&Record::new().with("state", "locked"))?;
        Ok(Exit::Done)
    }
}

fn failed(error: &AgentError) -> CommandError {
    CommandError::new(Code::Failed, Safe::line(&error.to_string()))
}
