//! `valise contact lists`: who is on which list.

use valise_proto::id::Name;

use super::{
    admin::{entries, signed_at},
    desk::{Desk, directory},
    error::{Code, CommandError, Exit},
    ui::{Cell, Column, Row, Table},
};
use crate::session::Session;

impl Desk<'_> {
    /// As the log says here: whoever writes to a list asks the server for the newest first.
    pub(super) fn contact_lists(&mut self, name: Option<&Name>) -> Result<Exit, CommandError> {
        let session = self.session()?;
        self.show_lists(&session, name)
    }

    /// Every list, or only `name`.
    pub(super) fn show_lists(
        &mut self,
        session: &Session,
        name: Option<&Name>,
    ) -> Result<Exit, CommandError> {
        let (directory, entries) = (directory(session)?, entries(session)?);
        if name.is_some_and(|name| directory.list(name).is_none()) {
            return Err(CommandError::new(Code::NotFound, "there is no such list")
                .hint("valise contact lists"));
        }
        let columns = ["list", "people", "set"].map(Column::new);
        let mut table = Table::new(columns.into_iter().chain([Column::flexible("members")]));
        for (list, state) in directory.lists() {
            if name.is_none_or(|name| name == list) {
                let members = state.members.iter().map(Into::into).collect();
                table.push(Row::new([
                    Cell::Text(list.into()),
                    Cell::count(state.members.len()),
                    signed_at(&entries, state.set),
                    Cell::List(members),
                ]));
            }
        }
        self.ui.table_or(&table, "there are no lists")?;
        Ok(Exit::Done)
    }
}
