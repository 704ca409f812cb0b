//! `valise contact`: who people are, and what has changed about them.

use valise_proto::id::{DeviceId, KeyId, Name};

use super::{
    desk::{Desk, directory, known},
    error::{CommandError, Exit},
    key::model,
    refusal::refusal,
    ui::{Cell, Column, Record, Row, Table},
};
use crate::{
    safe::Safe,
    session::{Error, Session},
    trust::Changes,
    words::Words,
};

impl Desk<'_> {
    pub(super) fn contact_list(&mut self) -> Result<Exit, CommandError> {
        let session = self.session()?;
        let columns = ["name", "state", "keys", "devices"].map(Column::new);
        let mut table = Table::new(columns);
        let directory = directory(&session)?;
        for (name, account) in directory.accounts() {
            let standing = standing(&session, name)?;
            let devices = directory.active_devices(name).len();
            let row = Row::new([
                Cell::Text(name.into()),
                standing.into(),
                Cell::count(account.keys.len()),
                Cell::count(devices),
            ]);
            table.push(row.bold(standing == "changed"));
        }
        self.ui.table(&table)?;
        Ok(Exit::Done)
    }

    pub(super) fn contact_show(&mut self, name: &Name) -> Result<Exit, CommandError> {
        let session = self.session()?;
        let account = known(&session, name)?;
        let failed = |error| refusal(&error);
        let words = session.fingerprint(name).map_err(failed)?;
        let record = Record::new()
            .with("name", name)
            .with("state", standing(&session, name)?)
            .with("words", Words::of(&words));
        self.ui.record(&record)?;
        let changes = session.changes(name).map_err(failed)?;
        let directory = directory(&session)?;
        let columns = ["what", "id", "label", "added", "by", "state"].map(Column::new);
        let mut table = Table::new(columns);
        for id in &account.keys {
            let Some(key) = directory.key(*id) else {
                continue;
            };
            let (added, by) = signed(&session, key.added)?;
            table.push(Row::new([
                "key".into(),
                Cell::Id((*id).into()),
                Cell::Text(model(&key.record.model)),
                added,
                by,
                if changes.keys.contains(id) { "new" } else { "" }.into(),
            ]));
        }
        for id in &account.devices {
            let Some(device) = directory.device(*id) else {
                continue;
            };
            let (added, by) = signed(&session, device.added)?;
            let state = if device.revoked.is_some() {
                "revoked"
            } else if changes.devices.contains(id) {
                "new"
            } else {
                ""
            };
            table.push(Row::new([
                "device".into(),
                Cell::Id((*id).into()),
                Cell::Text(Safe::line(&device.label)),
                added,
                by,
                state.into(),
            ]));
        }
        self.ui.table(&table)?;
        Ok(Exit::Done)
    }

    pub(super) fn contact_verify(&mut self, name: &Name) -> Result<Exit, CommandError> {
        let mut session = self.session()?;
        known(&session, name)?;
        if name == session.account() {
            return Err(refusal(&Error::Wrong(
                "these are your own words: others compare them with you",
            )));
        }
        let failed = |error| refusal(&error);
        let words = Words::of(&session.fingerprint(name).map_err(failed)?);
        self.ui.note(Safe::line(&format!(
            "{name} finds the same words with: valise contact show {name}"
        )));
        self.ui
            .note(Safe::line(&format!("the words of {name}:  {words}")));
        self.ui
            .confirm("are they the same, face to face or by voice?")?;
        session.compared(name).map_err(failed)?;
        let record = Record::new()
            .with("state", standing(&session, name)?)
            .with("name", name)
            .with("words", words);
        self.ui.record(&record)?;
        Ok(Exit::Done)
    }

    /// Agrees to what this device has seen of the change, and to nothing that comes later.
    pub(super) fn contact_accept(&mut self, name: &Name) -> Result<Exit, CommandError> {
        let mut session = self.session()?;
        known(&session, name)?;
        let failed = |error| refusal(&error);
        let size = directory(&session)?.head().size;
        let changes = session.changes(name).map_err(failed)?;
        for line in self.news(&session, name, &changes)? {
            self.ui.note(line);
        }
        session.accept(name, size).map_err(failed)?;
        let record = Record::new()
            .with("state", "accepted")
            .with("name", name)
            .with("now", standing(&session, name)?);
        self.ui.record(&record)?;
        Ok(Exit::Done)
    }

    /// What has changed about `name`, one line each.
    pub(super) fn news(
        &mut self,
        session: &Session,
        name: &Name,
        changes: &Changes,
    ) -> Result<Vec<Safe>, CommandError> {
        let directory = directory(session)?;
        let keys = changes.keys.iter().filter_map(|id: &KeyId| {
            let text = format!("a new security key {}", short(id));
            Some((text, "added", directory.key(*id)?.added))
        });
        let devices = changes.devices.iter().filter_map(|id: &DeviceId| {
            let device = directory.device(*id)?;
            let text = format!("a new computer '{}' {}", device.label, short(id));
            Some((text, "certified", device.added))
        });
        let mut lines = Vec::new();
        for (what, done, index) in keys.chain(devices) {
            let (statement, by) = session.said(index).map_err(|error| refusal(&error))?;
            let by: Vec<_> = by
                .iter()
                .map(|by| if by == name { "own" } else { by.as_str() })
                .collect();
            let (by, time) = (by.join(" and "), self.ui.time(statement.time));
            let by = if by == "own" {
                format!("{name}'s own key")
            } else {
                format!("the key of {by}")
            };
            lines.push(Safe::line(&format!(
                "{name}: {what}, {done} by {by} on {time}"
            )));
        }
        Ok(lines)
    }

    /// Says loudly what happened to this person's own account elsewhere.
    pub(super) fn own_record(&mut self, session: &Session) -> Result<(), CommandError> {
        let own = session.account().clone();
        let changes = match session.changes(&own) {
            // Not enrolled yet: there is nothing that could have changed.
            Err(Error::NotEnrolled) => return Ok(()),
            changes => changes.map_err(|error| refusal(&error))?,
        };
        if changes.is_empty() {
            return Ok(());
        }
        for line in self.news(session, &own, &changes)? {
            self.ui
                .note(Safe::line(&format!("ATTENTION, your own record: {line}")));
        }
        if let Some(device) = changes.devices.first() {
            self.ui.note(Safe::line(&format!(
                "  it was not you?  valise device revoke {}",
                short(device)
            )));
        }
        if !changes.keys.is_empty() {
            self.ui
                .note("  you added no key?  call an admin, by another way than Valise");
        }
        self.ui.note(Safe::line(&format!(
            "  it was you?      valise contact accept {own}"
        )));
        Ok(())
    }
}

fn short(id: &impl ToString) -> String {
    id.to_string().chars().take(8).collect()
}

/// How well this person knows `name`, in one word.
pub(super) fn standing(session: &Session, name: &Name) -> Result<&'static str, CommandError> {
    if name == session.account() {
        return Ok("you");
    }
    let standing = session.standing(name).map_err(|error| refusal(&error))?;
    Ok(standing.word())
}

/// When an entry was signed, and by whom.
fn signed(session: &Session, index: u64) -> Result<(Cell, Cell), CommandError> {
    let (statement, by) = session.said(index).map_err(|error| refusal(&error))?;
    let by = by.iter().map(Safe::from).collect();
    Ok((Cell::Time(statement.time), Cell::List(by)))
}
