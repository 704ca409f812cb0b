//! `valise device` and `valise admin revoke-device`.

use valise_proto::id::{DeviceId, Name};

use super::{
    DeviceRename,
    desk::Desk,
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
        let ledger = session
            .ledger()
            .ok_or_else(|| refusal(&Error::NotEnrolled))?;
        let directory = ledger.directory();
        let devices = directory
            .account(session.account())
            .map(|account| account.devices.clone());
        let columns = ["id", "label", "this", "state"].map(Column::new);
        let mut table = Table::new(columns);
        for id in devices.unwrap_or_default() {
            let Some(device) = directory.device(id) else {
                continue;
            };
            let label = session.store().read().label(id.as_ref());
            let label = label.map_err(|error| refusal(&error.into()))?;
            let state = if device.revoked.is_some() {
                "revoked"
            } else {
                "certified"
            };
            table.push(Row::new([
                Cell::Id(id.into()),
                Cell::Text(Safe::line(&label.unwrap_or(device.label.clone()))),
                Cell::Flag(id == session.device()),
                state.into(),
            ]));
        }
        self.ui.table(&table)?;
        Ok(Exit::Done)
    }

    pub(super) fn device_this(&mut self) -> Result<Exit, CommandError> {
        let session = self.session()?;
        let id = session.device();
        let device = session
            .ledger()
            .and_then(|ledger| ledger.directory().device(id))
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
        let id = find(&session, session.account(), &args.device)?;
        self.label(session, id.as_ref(), id, &args.label)
    }

    /// Revokes a device: one's own, or as an admin that of `account`.
    pub(super) fn revoke(
        &mut self,
        account: Option<&Name>,
        typed: &str,
    ) -> Result<Exit, CommandError> {
        let mut session = self.session()?;
        self.online(&mut session, async |session, _| session.read_log().await)?;
        let account = account.unwrap_or(session.account()).clone();
        let device = find(&session, &account, typed)?;
        let question = format!("device {device} of {account} will be shut out for ever");
        self.ui
            .confirm(Safe::line(&format!("{question}: revoke it?")))?;
        self.online(&mut session, async |session, keyring| {
            session.revoke(&account, device, keyring).await
        })?;
        let record = Record::new().with("state", "revoked").with("name", account);
        self.ui.record(&record.with("device", device))?;
        Ok(Exit::Done)
    }
}

fn find(session: &Session, account: &Name, typed: &str) -> Result<DeviceId, CommandError> {
    let ledger = session
        .ledger()
        .ok_or_else(|| refusal(&Error::NotEnrolled))?;
    let devices = ledger
        .directory()
        .account(account)
        .map(|account| account.devices.as_slice());
    let devices = devices.unwrap_or_default().iter().copied();
    beginning(devices, typed, "device", "valise device list")
}
