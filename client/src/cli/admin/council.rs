//! `valise admin role` and `valise admin threshold`: who decides, and how many of them.

use valise_proto::{
    id::Name,
    log::entry::{AdminAdd, AdminRemove, Fact, ThresholdSet},
};

use super::tree::{Role, Threshold};
use crate::cli::{
    desk::{Desk, directory, known, people},
    error::{CommandError, Exit},
    ui::{Cell, Record},
};

impl Desk<'_> {
    pub(super) fn admin_role(&mut self, verb: &Role) -> Result<Exit, CommandError> {
        match verb {
            Role::Grant(upon) => {
                let account = upon.name.clone();
                self.role(&upon.name, "admin", &Fact::AdminAdd(AdminAdd { account }))
            }
            Role::Revoke(upon) => {
                let account = upon.name.clone();
                let fact = Fact::AdminRemove(AdminRemove { account });
                self.role(&upon.name, "staff", &fact)
            }
        }
    }

    fn role(
        &mut self,
        name: &Name,
        state: &'static str,
        fact: &Fact,
    ) -> Result<Exit, CommandError> {
        let mut session = self.informed()?;
        known(&session, name)?;
        let done = Record::new().with("state", state).with("name", name);
        self.decide(&mut session, fact, &done)
    }

    pub(super) fn admin_threshold(&mut self, verb: &Threshold) -> Result<Exit, CommandError> {
        let mut session = self.informed()?;
        match *verb {
            Threshold::Show => {
                let directory = directory(&session)?;
                let admins = people(directory, None)
                    .filter(|(_, account)| account.admin_since.is_some())
                    .map(|(name, _)| name.into());
                let record = Record::new()
                    .with("threshold", Cell::count(directory.threshold()))
                    .with("can_sign", Cell::count(directory.able_admins()))
                    .with("admins", Cell::List(admins.collect()));
                self.ui.record(&record)?;
                Ok(Exit::Done)
            }
            Threshold::Set { threshold, .. } => {
                let done = Record::new()
                    .with("state", "set")
                    .with("threshold", Cell::Number(threshold.into()));
                let fact = Fact::ThresholdSet(ThresholdSet { threshold });
                self.decide(&mut session, &fact, &done)
            }
        }
    }
}
