//! `valise admin recovery`: a new key for somebody who lost every key, unless anybody objects (E07).

use valise_proto::{
    id::Name,
    log::{
        entry::{Fact, RecoveryBegin, RecoveryFinish, RecoveryVeto},
        replay::{self, Directory},
    },
};

use super::tree::Recovery;
use crate::{
    cli::{
        desk::{Desk, directory, known, people},
        error::{Code, CommandError, Exit},
        refusal::refusal,
        ui::{Cell, Column, Record, Row, Table},
    },
    safe::Safe,
    session::{Error, Session},
    words::Words,
};

impl Desk<'_> {
    pub(super) fn admin_recovery(&mut self, verb: &Recovery) -> Result<Exit, CommandError> {
        match verb {
            Recovery::List => self.recovery_list(),
            Recovery::Begin(upon) => self.recovery_begin(&upon.name),
            Recovery::Veto(upon) => self.recovery_veto(&upon.name),
            Recovery::Finish(upon) => self.recovery_finish(&upon.name),
        }
    }

    fn recovery_list(&mut self) -> Result<Exit, CommandError> {
        let session = self.informed()?;
        let directory = directory(&session)?;
        let columns = ["name", "begun", "until", "key", "words"].map(Column::new);
        let mut table = Table::new(columns);
        for (name, account) in people(directory, None) {
            let Some(recovery) = &account.recovery else {
                continue;
            };
            let fingerprint = recovery.key.fingerprint(directory.org(), name);
            table.push(Row::new([
                Cell::Text(name.into()),
                Cell::Time(recovery.begun_ms),
                Cell::Time(due_ms(directory, recovery)),
                Cell::Id(recovery.key.id().into()),
                Cell::Text(Words::of(&fingerprint).into()),
            ]));
        }
        self.ui.table_or(&table, "no recovery waits")?;
        Ok(Exit::Done)
    }

    fn recovery_begin(&mut self, name: &Name) -> Result<Exit, CommandError> {
        let mut session = self.informed()?;
        known(&session, name)?;
        let request = self.request(&mut session, name)?;
        let request = request.ok_or_else(|| refusal(&Error::NoSuchRequest(name.clone())))?;
        self.compare(&mut session, &request)?;
        let done = Record::new()
            .with("state", "recovering")
            .with("name", name)
            .with("words", Words::of(&request.fingerprint))
            .with("key", request.key.id());
        let fact = Fact::RecoveryBegin(RecoveryBegin {
            account: name.clone(),
            key: request.key,
        });
        let exit = self.decide(&mut session, &fact, &done)?;
        if let Ok(recovery) = under_way(&session, name) {
            let due_ms = due_ms(directory(&session)?, recovery);
            let until = self.ui.time(due_ms);
            self.ui.note(Safe::line(&format!(
                "{name} or any admin may veto until {until}; then: valise admin recovery finish {name}"
            )));
        }
        Ok(exit)
    }

    fn recovery_veto(&mut self, name: &Name) -> Result<Exit, CommandError> {
        let mut session = self.informed()?;
        let begun = under_way(&session, name)?.begun;
        let account = name.clone();
        let done = Record::new().with("state", "vetoed").with("name", name);
        let fact = Fact::RecoveryVeto(RecoveryVeto { account, begun });
        self.decide(&mut session, &fact, &done)
    }

    fn recovery_finish(&mut self, name: &Name) -> Result<Exit, CommandError> {
        let mut session = self.informed()?;
        let recovery = under_way(&session, name)?;
        let (begun, due_ms) = (recovery.begun, due_ms(directory(&session)?, recovery));
        if self.clock.now_ms() < due_ms {
            let until = self.ui.time(due_ms);
            let text = format!("the recovery of {name} waits for objections until {until}");
            return Err(CommandError::new(Code::AgainstRules, Safe::line(&text))
                .outcome("nothing was signed")
                .hint("valise admin recovery list"));
        }
        let account = name.clone();
        let done = Record::new().with("state", "recovered").with("name", name);
        let fact = Fact::RecoveryFinish(RecoveryFinish { account, begun });
        self.decide(&mut session, &fact, &done)
    }
}

/// The earliest date of its end.
pub(super) fn due_ms(directory: &Directory, recovery: &replay::Recovery) -> u64 {
    let wait_ms = recovery.wait_ms.max(directory.policy().recovery_ms);
    recovery.begun_ms.saturating_add(wait_ms)
}

fn under_way<'a>(session: &'a Session, name: &Name) -> Result<&'a replay::Recovery, CommandError> {
    let recovery = known(session, name)?.recovery.as_ref();
    recovery.ok_or_else(|| {
        let text = format!("no recovery of {name} waits");
        CommandError::new(Code::NotFound, Safe::line(&text))
            .outcome("nothing was signed")
            .hint("valise admin recovery list")
    })
}
