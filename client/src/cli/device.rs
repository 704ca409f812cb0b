//! `valise device` and `valise admin device`.

use valise_proto::{
    id::Name,
    log::entry::{DeviceRevoke, Fact},
};

use super::{
    desk::{Desk, directory, people},
    error::{CommandError, Exit},
    prefix,
    ui::{Cell, Column, Record, Row, Table},
};
use crate::safe::Safe;

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
            table.push(Row::new([
                Cell::Id((*id).into()),
                Cell::Text(Safe::line(&device.label)),
                Cell::Flag(*id == session.device()),
                state(device.revoked).into(),
            ]));
        }
        self.ui.table(&table)?;
        Ok(Exit::Done)
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
        let devices = directory(&session)?.account(&account);
        let devices = devices.map(|account| account.devices.as_slice());
        let devices = devices.unwrap_or_default().iter().copied();
        let device = prefix::one(devices, typed, "there is no such device", hint)?;
        let done = Record::new()
            .with("state", "revoked")
            .with("name", account.clone())
            .with("device", device);
        let fact = Fact::DeviceRevoke(DeviceRevoke { account, device });
        self.decide(&mut session, &fact, &done)
    }
}

fn state(revoked: Option<u64>) -> &'static str {
    if revoked.is_some() {
        "revoked"
    } else {
        "certified"
    }
}
