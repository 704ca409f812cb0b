//! `valise admin`: decisions of the organisation, each signed by this admin's own key.

use valise_proto::id::Name;

use super::{
    desk::Desk,
    error::{Code, CommandError, Exit},
    refusal::refusal,
    ui::{Cell, Column, Record, Row, Table},
};
use crate::{
    account::{Request, enrolment_requests},
    safe::Safe,
    session::Error,
    words::Words,
};

impl Desk<'_> {
    pub(super) fn admin_requests(&mut self) -> Result<Exit, CommandError> {
        let mut session = self.session()?;
        let requests = self.online(&mut session, async |session, _| {
            session.read_log().await?;
            enrolment_requests(session).await
        })?;
        let columns = [
            Column::new("name"),
            Column::new("asked"),
            Column::new("model"),
        ];
        let mut table = Table::new(columns.into_iter().chain([Column::new("words")]));
        for request in requests {
            table.push(Row::new([
                Cell::Text((&request.name).into()),
                Cell::Time(request.asked_at_ms),
                Cell::Text(model(&request)),
                Cell::Text(Words::of(&request.fingerprint).into()),
            ]));
        }
        self.ui.table_or(&table, "nobody asks to be enrolled")?;
        Ok(Exit::Done)
    }

    pub(super) fn admin_enrol(&mut self, name: &Name) -> Result<Exit, CommandError> {
        let mut session = self.session()?;
        let mut requests = self.online(&mut session, async |session, _| {
            session.read_log().await?;
            if !session.is_admin() {
                return Err(Error::NotAdmin(session.account().clone()));
            }
            enrolment_requests(session).await
        })?;
        requests.retain(|request| request.name == *name);
        let Some(request) = requests.pop() else {
            let ledger = session.ledger();
            if ledger.is_some_and(|ledger| ledger.directory().account(name).is_some()) {
                // Said twice, or said once and interrupted: it is so.
                self.ui
                    .record(&Record::new().with("state", "enrolled").with("name", name))?;
                return Ok(Exit::Done);
            }
            return Err(refusal(&Error::NoSuchRequest(name.clone())));
        };
        if !requests.is_empty() {
            let count = requests.len() + 1;
            let text = format!("{count} different keys ask for the name {name}");
            return Err(CommandError::new(Code::WordsDiffer, Safe::line(&text))
                .outcome("nothing was signed")
                .fact("why", "one of them is not who you think")
                .hint("valise admin requests"));
        }
        let words = Words::of(&request.fingerprint);
        self.ui.note(Safe::line(&format!(
            "{name} must read you these words:  {words}"
        )));
        self.ui
            .note(Safe::line(&format!("the key is a {}", model(&request))));
        self.ui
            .confirm("are they the same, face to face or by voice?")?;
        let declared = self.online(&mut session, async |session, keyring| {
            session.enrol(&request, keyring).await
        })?;
        let record = Record::new()
            .with("state", "enrolled")
            .with("name", request.name.clone())
            .with("words", words)
            .with("key", request.key.id());
        self.declared(&session, &declared, &record)
    }

    pub(super) fn admin_suspend(&mut self, name: &Name) -> Result<Exit, CommandError> {
        let mut session = self.session()?;
        let question = format!("{name} will neither send nor receive");
        self.ui.type_name(Safe::line(&question), name)?;
        let declared = self.online(&mut session, async |session, keyring| {
            session.suspend(name, keyring).await
        })?;
        let done = Record::new()
            .with("state", "suspended")
            .with("name", name.clone());
        self.declared(&session, &declared, &done)
    }

    pub(super) fn admin_grant(&mut self, name: &Name) -> Result<Exit, CommandError> {
        let mut session = self.session()?;
        let question = format!("{name} will be able to enrol and suspend people");
        self.ui.type_name(Safe::line(&question), name)?;
        let declared = self.online(&mut session, async |session, keyring| {
            session.appoint(name, keyring).await
        })?;
        let done = Record::new()
            .with("state", "admin")
            .with("name", name.clone());
        self.declared(&session, &declared, &done)
    }
}

/// What kind of key asks, as its maker numbers it.
fn model(request: &Request) -> Safe {
    if request.key.model == valise_proto::key::SOFT_KEY_MODEL {
        return "software key, for tests only".into();
    }
    let hex = data_encoding::HEXLOWER.encode(&request.key.model);
    Safe::line(&format!("security key, model {hex}"))
}
