//! `valise admin user`.

use valise_proto::{
    id::Name,
    log::{
        entry::{AccountRestore, AccountSuspend, AdminRemove, Fact},
        replay::{Account, Directory},
    },
};

use super::{entries, signed_at, tree::User};
use crate::{
    cli::{
        desk::{Desk, directory, known, people},
        error::{CommandError, Exit},
        ui::{Cell, Column, Record, Row, Table},
    },
    safe::Safe,
};

impl Desk<'_> {
    pub(super) fn admin_user(&mut self, verb: &User) -> Result<Exit, CommandError> {
        match verb {
            User::List => self.user_list(),
            User::Show { name } => self.user_show(name),
            User::Suspend(upon) => self.user_suspend(&upon.name),
            User::Restore(upon) => self.user_restore(&upon.name),
            User::Offboard(upon) => self.user_offboard(&upon.name),
        }
    }

    fn user_list(&mut self) -> Result<Exit, CommandError> {
        let session = self.informed()?;
        let directory = directory(&session)?;
        let columns = ["name", "state", "admin", "keys", "devices"].map(Column::new);
        let mut table = Table::new(columns);
        for (name, account) in people(directory, None) {
            table.push(Row::new([
                Cell::Text(name.into()),
                state(account).into(),
                Cell::Flag(account.admin_since.is_some()),
                Cell::count(account.keys.len()),
                Cell::count(directory.active_devices(name).len()),
            ]));
        }
        self.ui.table(&table)?;
        Ok(Exit::Done)
    }

    fn user_show(&mut self, name: &Name) -> Result<Exit, CommandError> {
        let session = self.informed()?;
        let account = known(&session, name)?;
        let (directory, entries) = (directory(&session)?, entries(&session)?);
        let lists = directory.lists();
        let lists = lists.filter(|(_, list)| list.members.contains(name));
        let record = Record::new()
            .with("name", name)
            .with("state", state(account))
            .with("admin", Cell::Flag(account.admin_since.is_some()))
            .with("enrolled", signed_at(&entries, account.added))
            .with("keys", keys(account))
            .with("devices", devices(directory, name))
            .with(
                "lists",
                Cell::List(lists.map(|(list, _)| list.into()).collect()),
            );
        self.ui.record(&record)?;
        Ok(Exit::Done)
    }

    fn user_suspend(&mut self, name: &Name) -> Result<Exit, CommandError> {
        let mut session = self.informed()?;
        known(&session, name)?;
        let account = name.clone();
        let done = Record::new().with("state", "suspended").with("name", name);
        let fact = Fact::AccountSuspend(AccountSuspend { account });
        self.decide(&mut session, &fact, &done)
    }

    fn user_restore(&mut self, name: &Name) -> Result<Exit, CommandError> {
        let mut session = self.informed()?;
        known(&session, name)?;
        let account = name.clone();
        let done = Record::new().with("state", "active").with("name", name);
        let fact = Fact::AccountRestore(AccountRestore { account });
        self.decide(&mut session, &fact, &done)
    }

    /// The role first: whoever has none is suspended by one admin.
    fn user_offboard(&mut self, name: &Name) -> Result<Exit, CommandError> {
        let mut session = self.informed()?;
        known(&session, name)?;
        let is_admin = |directory: &Directory| {
            let account = directory.account(name);
            account.is_some_and(|account| account.admin_since.is_some())
        };
        if is_admin(directory(&session)?) {
            let account = name.clone();
            let done = Record::new().with("state", "staff").with("name", name);
            let fact = Fact::AdminRemove(AdminRemove { account });
            self.decide(&mut session, &fact, &done)?;
            if is_admin(directory(&session)?) {
                let again = format!("then go on: valise admin user offboard {name}");
                self.ui.note(Safe::line(&again));
                return Ok(Exit::Done);
            }
        }
        let account = directory(&session)?.account(name);
        let done = Record::new()
            .with("state", "suspended")
            .with("name", name)
            .with("keys", account.map_or(Cell::Empty, keys))
            .with("devices", devices(directory(&session)?, name));
        let left: Vec<_> = directory(&session)?
            .active_devices(name)
            .iter()
            .map(|device| format!("valise admin device revoke {name} {device}"))
            .collect();
        if account.is_some_and(|account| account.suspended.is_some()) {
            self.ui.record(&done)?;
        } else {
            let account = name.clone();
            let fact = Fact::AccountSuspend(AccountSuspend { account });
            self.decide(&mut session, &fact, &done)?;
        }
        self.ui
            .note("what remains, so that a restored account starts from nothing:");
        for command in left {
            self.ui.note(Safe::line(&command));
        }
        self.ui.note(Safe::line(&format!(
            "take the security keys back, and {name} off the lists: valise admin list show"
        )));
        Ok(Exit::Done)
    }
}

pub(super) fn state(account: &Account) -> &'static str {
    match (account.suspended, &account.recovery) {
        (Some(_), _) => "suspended",
        (None, Some(_)) => "recovering",
        (None, None) => "active",
    }
}

fn keys(account: &Account) -> Cell {
    Cell::List(account.keys.iter().map(|key| (*key).into()).collect())
}

fn devices(directory: &Directory, name: &Name) -> Cell {
    let devices = directory.active_devices(name).into_iter();
    Cell::List(devices.map(Safe::from).collect())
}
