//! `valise device` and `valise admin device`.

use valise_proto::{
    id::{DeviceId, Name},
    log::entry::{DeviceRevoke, Fact},
};

use super::{
    DeviceRename,
    desk::{Desk, directory, people},
    error::{CommandError, Exit},
    refusal::refusal,
    ui::{Cell, Column, Record, Row, Table},
    which::beginning,
};
use crate::{
    safe::Safe,
    session::{Error, Session},
};

impl Desk<'_> {
    pub(super) fn device_list(&mut self) -> Result<Exit, CommandError> {
        let session = self.session()?;
        let directory = directory(&session)?;
        let account = directory.account(session.account());
        let columns = ["id", "label", "this", "state"].map(Column::new);
        let mut table = Table::new(columns);
        for id in account.map(|it| it.devices.as_slice()).unwrap_or_default() {
            let Some(device) = directory.device(*id) else {
                continue;
            };
            let label = session.store().read().label(id.as_ref());
            let label = label.map_err(|error| refusal(&error.into()))?;
            table.push(Row::new([
                Cell::Id((*id).into()),
                Cell::Text(Safe::line(&label.unwrap_or(device.label.clone()))),
                Cell::Flag(*id == session.device()),
                state(device.revoked).into(),
            ]));
        }
        self.ui.table(&table)?;
        Ok(Exit::Done)
    }

    pub(super) fn device_this(&mut self) -> Result<Exit, CommandError> {
        let session = self.session()?;
        let id = session.device();
        let device = directory(&session)?
            .device(id)
            .ok_or_else(|| refusal(&Error::NotEnrolled))?;
        let (statement, _) = session
            .said(device.added)
            .map_err(|error| refusal(&error))?;
        let record = Record::new()
            .with("id", id)
            .with("label", Safe::line(&device.label))
            .with("name", session.account())
            .with("certified", Cell::Time(statement.time))
            .with("revoked", Cell::Flag(device.revoked.is_some()));
        self.ui.record(&record)?;
        Ok(Exit::Done)
    }

    pub(super) fn device_rename(&mut self, args: &DeviceRename) -> Result<Exit, CommandError> {
        let session = self.session()?;
        let id = find(
            &session,
            session.account(),
            &args.device,
            "valise device list",
        )?;
        self.label(session, id.as_ref(), id, &args.label)
    }

    /// The devices of `name`, or everybody's.
    pub(super) fn admin_device_list(&mut self, name: Option<&Name>) -> Result<Exit, CommandError> {
        let session = self.informed()?;
        let directory = directory(&session)?;
        let mut table = Table::new(["name", "id", "label", "state"].map(Column::new));
        for (name, account) in people(directory, name) {
            for id in &account.devices {
                let Some(device) = directory.device(*id) else {
                    continue;
                };
                table.push(Row::new([
                    Cell::Text(name.into()),
                    Cell::Id((*id).into()),
                    Cell::Text(Safe::line(&device.label)),
                    state(device.revoked).into(),
                ]));
            }
        }
        self.ui.table_or(&table, "there is no device")?;
        Ok(Exit::Done)
    }

    /// Revokes a device: one's own, or as an admin that of `account`.
    pub(super) fn revoke(
        &mut self,
        account: Option<&Name>,
        typed: &str,
    ) -> Result<Exit, CommandError> {
        let mut session = self.informed()?;
        let hint = match account {
            Some(_) => "valise admin device list",
            None => "valise device list",
        };
        let account = account.unwrap_or(session.account()).clone();
        let device = find(&session, &account, typed, hint)?;
        let done = Record::new()
            .with("state", "revoked")
            .with("name", account.clone())
            .with("device", device);
        let fact = Fact::DeviceRevoke(DeviceRevoke { account, device });
        self.decide(&mut session, &fact, &done)
    }
}

/// The device of `account` that was typed; `list` is the command that shows them.
fn find(
    session: &Session,
    account: &Name,
    typed: &str,
    list: &'static str,
) -> Result<DeviceId, CommandError> {
    let account = directory(session)?.account(account);
    let devices = account.map(|account| account.devices.as_slice());
    let devices = devices.unwrap_or_default().iter().copied();
    beginning(devices, typed, "device", list)
}

fn state(revoked: Option<u64>) -> &'static str {
    if revoked.is_some() {
        "revoked"
    } else {
        "certified"
    }
}
