//! `valise config`.

use super::{
    desk::Desk,
    error::{CommandError, Exit},
    ui::{Column, Record, Row, Table},
};
use crate::safe::Safe;

impl Desk<'_> {
    pub(super) fn config_show(&mut self, origin: bool) -> Result<Exit, CommandError> {
        let names = ["name", "value", "origin"].map(Column::new);
        let shown = if origin { 3 } else { 2 };
        let mut table = Table::new(names.into_iter().take(shown));
        for (name, value, from) in self.config.rows() {
            let cells = [
                name.into(),
                Safe::line(&value),
                Safe::line(&from.to_string()),
            ];
            table.push(Row::new(cells.into_iter().take(shown).map(Into::into)));
        }
        self.ui.table(&table)?;
        Ok(Exit::Done)
    }

    pub(super) fn config_path(&mut self) -> Result<Exit, CommandError> {
        let path = |path: &std::path::Path| Safe::line(&path.display().to_string());
        let record = Record::new()
            .with("home", path(&self.config.home.value))
            .with("file", path(&self.config.file))
            .with("runtime", path(&self.config.runtime));
        self.ui.record(&record)?;
        Ok(Exit::Done)
    }
}
