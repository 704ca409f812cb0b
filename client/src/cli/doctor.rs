//! `valise doctor`: everything that can be checked from here, one line each.

use super::{
    desk::Desk,
    error::{CommandError, Exit},
    ui::{Cell, Column, Row, Table},
};
use crate::{
    safe::Safe,
    session::{Error, Session},
    trust::Freshness,
};

/// How a check went.
#[derive(Clone, Copy, Eq, PartialEq)]
enum State {
    Ok,
    Warning,
    Failed,
}

struct Check {
    name: &'static str,
    state: State,
    detail: Safe,
}

impl Desk<'_> {
    pub(super) fn doctor(&mut self) -> Result<Exit, CommandError> {
        let mut checks = Vec::new();
        let home = self.home();
        checks.push(match &home {
            Ok(_) => check("home", State::Ok, "only you can open the folder"),
            Err(error) => check("home", State::Failed, error.error.clone()),
        });
        match self.session() {
            Err(error) => checks.push(check("store", State::Failed, error.error)),
            Ok(mut session) => {
                checks.push(check(
                    "store",
                    State::Ok,
                    "opens, and every page is encrypted",
                ));
                self.doctor_account(&mut session, &mut checks);
            }
        }
        let mut table = Table::new(["check", "state", "detail"].map(Column::new));
        for check in &checks {
            let state = match check.state {
                State::Ok => "ok",
                State::Warning => "warning",
                State::Failed => "failed",
            };
            let cells = [
                check.name.into(),
                state.into(),
                Cell::Text(check.detail.clone()),
            ];
            table.push(Row::new(cells).bold(check.state != State::Ok));
        }
        self.ui.table(&table)?;
        let failed = checks.iter().any(|check| check.state == State::Failed);
        Ok(if failed { Exit::Failed } else { Exit::Done })
    }

    fn doctor_account(&mut self, session: &mut Session, checks: &mut Vec<Check>) {
        let synced = self.online(session, async |session, _| {
            session.sync().await?;
            Ok(())
        });
        checks.push(match synced {
            Ok(()) => check(
                "server",
                State::Ok,
                "answers with the key on the card; clocks agree",
            ),
            Err(error) => check("server", State::Failed, error.error),
        });
        checks.push(log(session));
        checks.extend(witnesses(session, self.clock.now_ms()));
        checks.push(device(session));
        checks.push(keys(session));
        checks.extend(mail(session).ok());
        checks.extend(alarms(session).ok());
    }
}

fn check(name: &'static str, state: State, detail: impl Into<Safe>) -> Check {
    Check {
        name,
        state,
        detail: detail.into(),
    }
}

fn log(session: &Session) -> Check {
    match session.ledger() {
        None => check("log", State::Failed, "was never read"),
        Some(ledger) => {
            let size = ledger.head().size;
            let (state, age) = match session.freshness() {
                Freshness::New | Freshness::Fresh => (State::Ok, "the newest"),
                Freshness::Late => (State::Warning, "not said to be the newest for 2 hours"),
                Freshness::Stale => (State::Failed, "not said to be the newest for 24 hours"),
            };
            let text = format!("{size} entries, every one verified here, {age}");
            check("log", state, Safe::line(&text))
        }
    }
}

/// One line for each witness; none where there are none.
fn witnesses(session: &Session, now_ms: u64) -> Vec<Check> {
    let sightings = session.sightings().into_iter().map(|sighting| {
        let name = sighting.witness.as_str();
        let (state, text) = match sighting.seen_ms {
            Some(seen_ms) => {
                let minutes = now_ms.saturating_sub(seen_ms) / 60_000;
                (
                    State::Ok,
                    format!("{name} signed this log {minutes} minutes ago"),
                )
            }
            None => (State::Warning, format!("{name} has not signed this log")),
        };
        check("witness", state, Safe::line(&text))
    });
    sightings.collect()
}

fn device(session: &Session) -> Check {
    let active = session
        .ledger()
        .is_some_and(|ledger| ledger.directory().active_device(session.device()).is_some());
    if active {
        check("device", State::Ok, "certified by your security key")
    } else {
        check("device", State::Failed, "not certified, or revoked")
    }
}

fn keys(session: &Session) -> Check {
    let account = session
        .ledger()
        .and_then(|ledger| ledger.directory().account(session.account()));
    match account.map_or(0, |account| account.keys.len()) {
        0 => check(
            "keys",
            State::Failed,
            "no security key of yours is in the log",
        ),
        1 => check(
            "keys",
            State::Warning,
            "one security key: losing it means starting again: valise key add",
        ),
        _ => check("keys", State::Ok, "you have a spare security key"),
    }
}

fn mail(session: &Session) -> Result<Check, Error> {
    let waiting = session.store().read().outbox()?.len();
    Ok(if waiting == 0 {
        check("outbox", State::Ok, "empty")
    } else {
        check(
            "outbox",
            State::Warning,
            Safe::line(&format!("{waiting} letters wait")),
        )
    })
}

fn alarms(session: &Session) -> Result<Check, Error> {
    let alarms = session.events()?.iter().filter(|event| event.alarm).count();
    Ok(if alarms == 0 {
        check("alarms", State::Ok, "none")
    } else {
        let text = format!("{alarms} trust failures: valise events");
        check("alarms", State::Failed, Safe::line(&text))
    })
}
