//! `valise admin policy`.

use std::{fs::File, io::Read as _};

use valise_proto::log::entry::{AttestationAuthority, Fact, Policy as Rules, PolicySet};

use super::{
    entries,
    log::signers,
    tree::{self, KeyMaker, Policy},
};
use crate::{
    account::{changes, makers, rules, with_makers, with_rule, with_witnesses},
    cli::{
        desk::{Desk, directory},
        error::{Code, CommandError, Exit},
        ui::{Cell, Column, Record, Row, Table},
    },
    safe::Safe,
};

/// Largest file of roots that is read, in bytes.
const PEM_MAX: usize = 64 * 1024;

impl Desk<'_> {
    pub(super) fn admin_policy(&mut self, verb: &Policy) -> Result<Exit, CommandError> {
        match verb {
            Policy::Show => self.policy_show(),
            Policy::Set(set) => self.policy_set(set),
            Policy::History => self.policy_history(),
        }
    }

    fn policy_show(&mut self) -> Result<Exit, CommandError> {
        let session = self.informed()?;
        let rules = rules(directory(&session)?.policy());
        let record = rules.iter().fold(Record::new(), |record, (name, value)| {
            record.with(name, Safe::line(value))
        });
        self.ui.record(&record)?;
        Ok(Exit::Done)
    }

    fn policy_set(&mut self, set: &tree::PolicySet) -> Result<Exit, CommandError> {
        let mut session = self.informed()?;
        let before = directory(&session)?.policy();
        let (policy, rule, value) = if let (Some(field), Some(value)) = (&set.field, &set.value) {
            (with_one(before, field, value)?, &**field, &**value)
        } else if set.any_keys || !set.keys.is_empty() {
            let policy = with_makers(before, read_makers(&set.keys)?);
            let value = if set.any_keys { "any" } else { "these" };
            (policy, "attestation", value)
        } else {
            let policy = with_witnesses(before, set.witnesses.clone(), set.quorum);
            let value = if set.no_witnesses { "none" } else { "these" };
            (policy, "witnesses", value)
        };
        if !set.witnesses.is_empty() {
            self.ui.note(
                "until enough of them have signed the log, nobody sends letters: have them run, and their \
                 addresses in the server's valised.toml, before you sign",
            );
        }
        if !set.keys.is_empty() {
            self.ui.note(
                "keys of other makers and models that are enrolled already stay: valise admin report keys",
            );
        }
        let done = Record::new()
            .with("state", "set")
            .with("rule", Safe::line(rule))
            .with("value", Safe::line(value));
        self.decide(&mut session, &Fact::PolicySet(PolicySet { policy }), &done)
    }

    fn policy_history(&mut self) -> Result<Exit, CommandError> {
        let session = self.informed()?;
        let directory = directory(&session)?;
        let columns = ["entry", "signed", "signed_by"].map(Column::new);
        let mut table = Table::new(columns.into_iter().chain([Column::flexible("change")]));
        let mut rules = directory.genesis().policy.clone();
        for (index, entry) in (0..).zip(entries(&session)?) {
            let Fact::PolicySet(fact) = &entry.statement.fact else {
                continue;
            };
            for change in changes(&rules, &fact.policy) {
                table.push(Row::new([
                    Cell::Number(index),
                    Cell::Time(entry.statement.time),
                    signers(directory, &entry),
                    Cell::Text(Safe::line(&change)),
                ]));
            }
            rules = fact.policy.clone();
        }
        self.ui
            .table_or(&table, "the rules are those of the founding")?;
        Ok(Exit::Done)
    }
}

/// The makers that these files name.
fn read_makers(named: &[KeyMaker]) -> Result<Vec<AttestationAuthority>, CommandError> {
    let mut all = Vec::new();
    for maker in named {
        let refused = |why: &str| {
            let text = format!("{}: {why}", maker.file.display());
            CommandError::new(Code::Usage, Safe::line(&text))
                .outcome("nothing was signed")
                .hint("name a PEM file of the maker's attestation roots")
        };
        let most = u64::try_from(PEM_MAX).unwrap_or(u64::MAX);
        let mut pem = Vec::new();
        File::open(&maker.file)
            .and_then(|file| file.take(most.saturating_add(1)).read_to_end(&mut pem))
            .map_err(|error| refused(&error.to_string()))?;
        // What would be cut off could be a maker.
        if pem.len() > PEM_MAX {
            return Err(refused("it is too large"));
        }
        let makers = makers(&pem, &maker.models);
        all.extend(makers.ok_or_else(|| refused("no roots of a maker of security keys"))?);
    }
    Ok(all)
}

/// The rules with one changed.
fn with_one(before: &Rules, field: &str, value: &str) -> Result<Rules, CommandError> {
    with_rule(before, field, value).ok_or_else(|| {
        let text = format!("there is no rule {field} that takes {value}");
        CommandError::new(Code::Usage, Safe::line(&text))
            .outcome("nothing was signed")
            .hint("valise admin policy show")
    })
}
