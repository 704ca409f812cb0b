//! `valise device` and `valise admin revoke-device`.

use valise_proto::id::{DeviceId, Name};

use super::{
    desk::Desk,
    error::{Code, CommandError, Exit},
    refusal::refusal,
    ui::{Cell, Column, Record, Row, Table},
};
use crate::{
    safe::Safe,
    session::{Error, Session},
};

/// Fewest letters of an id that name a device.
const PREFIX_MIN: usize = 4;

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
            let state = if device.revoked.is_some() {
                "revoked"
            } else {
                "certified"
            };
            table.push(Row::new([
                Cell::Id(id.into()),
                Cell::Text(Safe::line(&device.label)),
                Cell::Flag(id == session.device()),
                state.into(),
            ]));
        }
        self.ui.table(&table)?;
        Ok(Exit::Done)
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
        let declared = self.online(&mut session, async |session, keyring| {
            session.revoke(&account, device, keyring).await
        })?;
        let record = Record::new().with("state", "revoked").with("name", account);
        self.declared(&session, &declared, &record.with("device", device))
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
    let mut found = devices.unwrap_or_default().iter().filter(|device| {
        typed.len() >= PREFIX_MIN && device.to_string().starts_with(&typed.to_lowercase())
    });
    match (found.next(), found.next()) {
        (Some(device), None) => Ok(*device),
        (None, _) => Err(CommandError::new(Code::NotFound, "there is no such device")
            .outcome("nothing was signed")
            .hint("valise device list")),
        (Some(_), Some(_)) => Err(
            CommandError::new(Code::Usage, "more than one device begins so")
                .outcome("nothing was signed")
                .hint("give more of the id"),
        ),
    }
}
