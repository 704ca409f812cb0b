//! `valise status`, `whoami`, `log head`, and `valise` alone.

use super::{
    desk::Desk,
    error::{Code, CommandError, Exit},
    refusal::refusal,
    ui::{Cell, Record},
};
use crate::{
    agent,
    safe::Safe,
    session::{Error, Session},
    trust::Freshness,
};

impl Desk<'_> {
    /// `valise` alone: the next step.
    pub(super) fn next_step(&mut self) -> Result<Exit, CommandError> {
        let home = self.home()?;
        if !home.is_taken() {
            return Err(refusal(&Error::NotJoined));
        }
        if agent::status(&home).is_none() {
            return Err(
                CommandError::new(Code::Locked, "your letters are locked").hint("valise unlock")
            );
        }
        self.status()
    }

    pub(super) fn status(&mut self) -> Result<Exit, CommandError> {
        let home = self.home()?;
        if !home.is_taken() {
            return Err(refusal(&Error::NotJoined));
        }
        let Some(agent) = agent::status(&home) else {
            self.ui.record(&Record::new().with("state", "locked"))?;
            self.ui.note("next: valise unlock");
            return Ok(Exit::Done);
        };
        let session = self.session()?;
        let failed = |error: crate::store::StoreError| refusal(&error.into());
        let read = session.store().read();
        let waiting = read.outbox().map_err(failed)?.len();
        let alarms = read
            .events()
            .map_err(failed)?
            .iter()
            .filter(|event| event.alarm)
            .count();
        let left = agent.left.as_secs() / 60;
        let record = Record::new()
            .with("state", "unlocked")
            .with("name", session.account().clone())
            .with("unread", Cell::Number(read.unread().map_err(failed)?))
            .with("outbox", Cell::count(waiting))
            .with("alarms", Cell::count(alarms))
            .with("log", session.freshness().name())
            .with("witnesses", self.witnesses(&session))
            .with("locks_in", Safe::line(&format!("{left} min")));
        self.ui.record(&record)?;
        self.warn_of_age(&session);
        self.remind(&session)?;
        Ok(Exit::Done)
    }

    /// Says on stderr that the log gets old.
    pub(super) fn warn_of_age(&mut self, session: &Session) {
        let age = match session.freshness() {
            Freshness::New | Freshness::Fresh => return,
            Freshness::Late => "2 hours: after 24 nothing is sent",
            Freshness::Stale => "24 hours: nothing is sent",
        };
        let quorum = quorum(session);
        let said = match quorum {
            0 => "the server has not said that its directory log is the newest for".to_owned(),
            _ => format!("fewer than {quorum} witnesses have signed the directory log for"),
        };
        self.ui.note(Safe::line(&format!("warning: {said} {age}")));
    }

    /// Who has signed the log as it is here, and when.
    fn witnesses(&mut self, session: &Session) -> Cell {
        let sightings = session.sightings().into_iter().map(|sighting| {
            let name = sighting.witness.as_str();
            let text = match sighting.seen_ms {
                Some(seen_ms) => format!("{name} signed {}", self.ui.time(seen_ms)),
                None => format!("{name} has not signed"),
            };
            Safe::line(&text)
        });
        Cell::List(sightings.collect())
    }

    pub(super) fn whoami(&mut self) -> Result<Exit, CommandError> {
        let session = self.session()?;
        let mut record = Record::new()
            .with("name", session.account().clone())
            .with("device", session.device());
        if let Some(ledger) = session.ledger() {
            let directory = ledger.directory();
            let organisation = Safe::line(directory.genesis().organisation.as_str());
            let keys = directory
                .account(session.account())
                .map_or(0, |account| account.keys.len());
            record = record
                .with("organisation", organisation)
                .with("organisation_id", directory.org())
                .with("server", Safe::line(ledger.card().url.origin()))
                .with("admin", Cell::Flag(session.is_admin()))
                .with(
                    "certified",
                    Cell::Flag(directory.active_device(session.device()).is_some()),
                )
                .with("keys", Cell::count(keys));
        }
        self.ui.record(&record)?;
        Ok(Exit::Done)
    }

    pub(super) fn log_head(&mut self) -> Result<Exit, CommandError> {
        let session = self.session()?;
        let ledger = session
            .ledger()
            .ok_or_else(|| refusal(&Error::NotEnrolled))?;
        let head = ledger.head();
        let record = Record::new()
            .with("entries", Cell::Number(head.size))
            .with("root", head.root)
            .with("organisation_id", ledger.directory().org())
            .with("witness_quorum", Cell::Number(quorum(&session).into()))
            .with("witnesses", self.witnesses(&session));
        self.ui.record(&record)?;
        Ok(Exit::Done)
    }
}

/// How many witnesses must have signed; 0 where there are none.
pub(super) fn quorum(session: &Session) -> u8 {
    let ledger = session.ledger();
    ledger.map_or(0, |ledger| ledger.directory().policy().witness_quorum)
}
