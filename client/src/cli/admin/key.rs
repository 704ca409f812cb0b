//! `valise admin key`.

use valise_proto::{
    id::Name,
    log::entry::{Fact, KeyRevoke},
};

use super::{
    entries, model, signed_at,
    tree::{Key, RevokeOne},
};
use crate::cli::{
    desk::{Desk, directory, known, people},
    error::{CommandError, Exit},
    ui::{Cell, Column, Record, Row, Table},
    which::beginning,
};

impl Desk<'_> {
    pub(super) fn admin_key(&mut self, verb: &Key) -> Result<Exit, CommandError> {
        match verb {
            Key::List(whose) => self.admin_key_list(whose.name.as_ref()),
            Key::Revoke(one) => self.key_revoke(one),
        }
    }

    /// Keys that are in use, of `name` or of everybody.
    pub(super) fn admin_key_list(&mut self, name: Option<&Name>) -> Result<Exit, CommandError> {
        let session = self.informed()?;
        let (directory, entries) = (directory(&session)?, entries(&session)?);
        let mut table = Table::new(["name", "id", "model", "added"].map(Column::new));
        for (name, account) in people(directory, name) {
            for id in &account.keys {
                let Some(key) = directory.key(*id) else {
                    continue;
                };
                table.push(Row::new([
                    Cell::Text(name.into()),
                    Cell::Id((*id).into()),
                    Cell::Text(model(&key.record.model)),
                    signed_at(&entries, key.added),
                ]));
            }
        }
        self.ui.table_or(&table, "there is no key in use")?;
        Ok(Exit::Done)
    }

    fn key_revoke(&mut self, one: &RevokeOne) -> Result<Exit, CommandError> {
        let mut session = self.informed()?;
        known(&session, &one.name)?;
        let account = directory(&session)?.account(&one.name);
        let keys = account.map(|account| account.keys.clone());
        let keys = keys.unwrap_or_default();
        let hint = "valise admin key list";
        let key = beginning(keys, &one.id, "key in use", hint)?;
        let done = Record::new()
            .with("state", "revoked")
            .with("name", &one.name)
            .with("key", key);
        let account = one.name.clone();
        self.decide(
            &mut session,
            &Fact::KeyRevoke(KeyRevoke { account, key }),
            &done,
        )
    }
}
