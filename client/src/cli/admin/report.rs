//! `valise admin report`: what an auditor asks for, out of the log alone.

use valise_proto::{
    id::KeyId,
    log::{entry::Entry, replay::Directory},
};

use super::{entries, recovery::due_ms, signed_at, tree::Report, user::state};
use crate::{
    account::copied_keys,
    cli::{
        desk::{Desk, directory, people},
        error::{CommandError, Exit},
        ui::{Cell, Column, Row, Table},
    },
    safe::Safe,
    session::Session,
};

/// A device that was certified this long ago is old: a year, in milliseconds.
const OLD_MS: u64 = 365 * 86_400_000;

/// One thing that may go wrong.
type Risk = (&'static str, Safe, &'static str);

impl Desk<'_> {
    pub(super) fn admin_report(&mut self, verb: Report) -> Result<Exit, CommandError> {
        match verb {
            Report::Users => self.report_users(),
            Report::Keys => self.admin_key_list(None),
            Report::Risk => self.report_risk(),
        }
    }

    fn report_users(&mut self) -> Result<Exit, CommandError> {
        let session = self.informed()?;
        let (directory, entries) = (directory(&session)?, entries(&session)?);
        let columns = [
            "name",
            "state",
            "admin",
            "enrolled",
            "admin_since",
            "suspended_since",
            "keys",
            "devices",
        ];
        let mut table = Table::new(columns.map(Column::new));
        let since = |index: Option<u64>| index.map_or(Cell::Empty, |at| signed_at(&entries, at));
        for (name, account) in people(directory, None) {
            table.push(Row::new([
                Cell::Text(name.into()),
                state(account).into(),
                Cell::Flag(account.admin_since.is_some()),
                signed_at(&entries, account.added),
                since(account.admin_since),
                since(account.suspended),
                Cell::count(account.keys.len()),
                Cell::count(directory.active_devices(name).len()),
            ]));
        }
        self.ui.table(&table)?;
        Ok(Exit::Done)
    }

    fn report_risk(&mut self) -> Result<Exit, CommandError> {
        let mut session = self.informed()?;
        let copied = self.copied(&mut session)?;
        let directory = directory(&session)?;
        let now_ms = self.clock.now_ms();
        let mut risks = of_council(directory);
        risks.extend(of_people(directory));
        risks.extend(of_keys(directory, &copied));
        risks.extend(of_devices(directory, &entries(&session)?, now_ms));
        let columns = [Column::new("risk"), Column::new("about")];
        let mut table = Table::new(columns.into_iter().chain([Column::flexible("why")]));
        for (risk, about, why) in risks {
            table.push(Row::new([risk.into(), Cell::Text(about), why.into()]));
        }
        for (name, account) in people(directory, None) {
            if let Some(recovery) = &account.recovery {
                let until = self.ui.time(due_ms(directory, recovery));
                let why = format!("a new key gets this account unless somebody objects by {until}");
                table.push(Row::new([
                    "recovery".into(),
                    Cell::Text(name.into()),
                    Cell::Text(Safe::line(&why)),
                ]));
            }
        }
        self.ui.table_or(&table, "nothing stands out")?;
        Ok(Exit::Done)
    }

    /// The keys that the server has seen used twice: it tells admins only.
    fn copied(&mut self, session: &mut Session) -> Result<Vec<KeyId>, CommandError> {
        if !session.is_admin() {
            self.ui
                .note("copied keys are not in it: the server tells them to admins only");
            return Ok(Vec::new());
        }
        let copied = self.online(session, async |session, _| copied_keys(session).await)?;
        Ok(copied.into_iter().map(|copied| copied.key).collect())
    }
}

/// Keys in use that the server has seen used twice, or that nobody could enrol today.
fn of_keys(directory: &Directory, copied: &[KeyId]) -> Vec<Risk> {
    let makers = &directory.policy().attestation;
    let mut risks: Vec<Risk> = Vec::new();
    for (name, account) in people(directory, None) {
        for id in &account.keys {
            let about = || Safe::line(&format!("{name} {id}"));
            if copied.contains(id) {
                let why =
                    "its counter went back, so somebody may have a copy: valise admin key revoke";
                risks.push(("copied-key", about(), why));
            }
            let model = directory.key(*id).map(|key| key.record.model);
            let allowed = model.is_some_and(|model| {
                let mut makers = makers.iter();
                makers.any(|maker| maker.models.contains(&model))
            });
            if !makers.is_empty() && !allowed {
                let why = "of a model that the rules do not name any more";
                risks.push(("old-model", about(), why));
            }
        }
    }
    risks
}

fn of_council(directory: &Directory) -> Vec<Risk> {
    let mut risks: Vec<Risk> = Vec::new();
    let (able, threshold) = (directory.able_admins(), directory.threshold());
    if threshold == 1 {
        let why = "one admin alone decides everything: valise admin threshold set 2";
        risks.push(("threshold", threshold.into(), why));
    }
    if able <= threshold {
        let why = "when one more admin is lost, nothing grave can be decided any more";
        risks.push(("few-admins", able.into(), why));
    }
    if directory.policy().witnesses.is_empty() {
        let why = "nobody but the server signs the log: a fork shows only when letters cross it";
        risks.push(("no-witness", 0_u64.into(), why));
    }
    risks
}

fn of_people(directory: &Directory) -> impl Iterator<Item = Risk> {
    let single = people(directory, None)
        .filter(|(_, account)| account.suspended.is_none() && account.keys.len() < 2);
    let why = "a lost key ends this account's access: a second key is missing";
    single.map(move |(name, _)| ("single-key", name.into(), why))
}

fn of_devices(directory: &Directory, entries: &[Entry], now_ms: u64) -> Vec<Risk> {
    let mut risks: Vec<Risk> = Vec::new();
    for (name, _) in people(directory, None) {
        for id in directory.active_devices(name) {
            let Some(Cell::Time(added_ms)) = directory
                .device(id)
                .map(|device| signed_at(entries, device.added))
            else {
                continue;
            };
            if now_ms.saturating_sub(added_ms) >= OLD_MS {
                let about = Safe::line(&format!("{name} {id}"));
                risks.push(("old-device", about, "certified more than a year ago"));
            }
        }
    }
    risks
}
