//! `valise admin list`.

use valise_proto::{
    id::Name,
    log::entry::{Fact, ListSet},
};

use super::tree::List;
use crate::cli::{
    desk::{Desk, directory},
    error::{Code, CommandError, Exit},
    ui::{Cell, Record},
};

impl Desk<'_> {
    pub(super) fn admin_list(&mut self, verb: &List) -> Result<Exit, CommandError> {
        match verb {
            List::Set { list, members, .. } => self.list_set(list, members.clone(), "set"),
            List::Show(whose) => self.list_show(whose.name.as_ref()),
            List::Close(upon) => self.list_close(&upon.name),
        }
    }

    fn list_set(
        &mut self,
        list: &Name,
        mut members: Vec<Name>,
        state: &'static str,
    ) -> Result<Exit, CommandError> {
        let mut session = self.informed()?;
        members.sort();
        members.dedup();
        let done = Record::new()
            .with("state", state)
            .with("list", list)
            .with("members", names(&members));
        let list = list.clone();
        self.decide(
            &mut session,
            &Fact::ListSet(ListSet { list, members }),
            &done,
        )
    }

    fn list_close(&mut self, list: &Name) -> Result<Exit, CommandError> {
        let session = self.informed()?;
        if directory(&session)?.list(list).is_none() {
            return Err(CommandError::new(Code::NotFound, "there is no such list")
                .outcome("nothing was signed")
                .hint("valise admin list show"));
        }
        drop(session);
        self.list_set(list, Vec::new(), "closed")
    }

    fn list_show(&mut self, name: Option<&Name>) -> Result<Exit, CommandError> {
        let session = self.informed()?;
        self.show_lists(&session, name)
    }
}

fn names(names: &[Name]) -> Cell {
    Cell::List(names.iter().map(Into::into).collect())
}
