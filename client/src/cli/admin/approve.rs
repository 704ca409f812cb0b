//! `valise admin approve`: acts that wait for the signature of one more admin.

use std::fmt::{self, Display, Formatter};

use valise_proto::id::Name;

use crate::cli::{
    desk::{Desk, directory},
    error::{CommandError, Exit},
    refusal::refusal,
    ui::{Cell, Column, Record, Row, Table},
    which::beginning,
};
use crate::{
    account::{Declared, Proposal, act, effect},
    safe::Safe,
    session::{Error, Session},
};

/// Letters of an id in the command that we propose.
const PREFIX: usize = 12;

impl Desk<'_> {
    pub(super) fn approve_list(&mut self) -> Result<Exit, CommandError> {
        let mut session = self.session()?;
        let open = self.open_acts(&mut session)?;
        let columns = [
            Column::new("id"),
            Column::flexible("act"),
            Column::new("proposed"),
            Column::new("signed_by"),
            Column::new("waits_for"),
            Column::new("yours"),
        ];
        let mut table = Table::new(columns);
        for proposal in &open {
            let waits = session.waits_for_me(proposal);
            let row = Row::new([
                Cell::Id(proposal.id.into()),
                Cell::Text(Safe::line(&act(proposal.fact()))),
                Cell::Time(proposal.proposed_at_ms),
                names(&proposal.signers),
                Cell::count(proposal.missing),
                Cell::Flag(waits),
            ]);
            table.push(row.bold(waits));
        }
        self.ui
            .table_or(&table, "no act waits for another signature")?;
        sound(open.iter())
    }

    pub(super) fn approve_show(&mut self, typed: &str) -> Result<Exit, CommandError> {
        let mut session = self.session()?;
        let proposal = self.find_act(&mut session, typed)?;
        self.show_act(&session, &proposal)?;
        sound([&proposal].into_iter())
    }

    pub(super) fn approve_sign(&mut self, typed: &str) -> Result<Exit, CommandError> {
        let mut session = self.session()?;
        let proposal = self.find_act(&mut session, typed)?;
        sound([&proposal].into_iter())?;
        let fact = proposal.fact();
        self.ui.note(Safe::line(&format!(
            "{}: proposed by {}",
            act(fact),
            listed(&proposal.signers)
        )));
        self.agree_to(&session, fact)?;
        let declared = self.online(&mut session, async |session, keyring| {
            session.approve(keyring, &proposal).await
        })?;
        let done = Record::new()
            .with("state", "done")
            .with("act", Safe::line(&act(fact)))
            .with("id", Cell::Id(proposal.id.into()));
        self.declared(&session, &declared, &done)
    }

    pub(super) fn approve_reject(&mut self, typed: &str) -> Result<Exit, CommandError> {
        let mut session = self.session()?;
        let proposal = self.find_act(&mut session, typed)?;
        let act = act(proposal.fact());
        self.ui
            .confirm(Safe::line(&format!("{act}: take it off the list?")))?;
        self.online(&mut session, async |session, _| {
            session.reject(proposal.id).await
        })?;
        let record = Record::new()
            .with("state", "rejected")
            .with("act", Safe::line(&act))
            .with("id", Cell::Id(proposal.id.into()));
        self.ui.record(&record)?;
        Ok(Exit::Done)
    }

    /// Answers an act: `done`, or what it waits for.
    pub(in crate::cli) fn declared(
        &mut self,
        session: &Session,
        declared: &Declared,
        done: &Record,
    ) -> Result<Exit, CommandError> {
        let Declared::Waiting(proposal) = declared else {
            self.ui.record(done)?;
            return Ok(Exit::Done);
        };
        let record = Record::new()
            .with("state", "waiting")
            .with("act", Safe::line(&act(proposal.fact())))
            .with("waits_for", Cell::count(proposal.missing))
            .with("id", Cell::Id(proposal.id.into()));
        self.ui.record(&record)?;
        let admins = match proposal.missing {
            1 => "1 more admin".to_owned(),
            more => format!("{more} more admins"),
        };
        self.ui.note(Safe::line(&format!(
            "nothing has changed yet: this waits for {admins}"
        )));
        let able = able(session, proposal)?;
        self.ui
            .note(Safe::line(&format!("who can sign it: {}", listed(&able))));
        let id: String = proposal.id.to_string().chars().take(PREFIX).collect();
        self.ui.note(Safe::line(&format!(
            "they run: valise admin approve sign {id}"
        )));
        Ok(Exit::Done)
    }

    /// The acts that wait for this admin, in a line.
    pub(in crate::cli) fn remind(&mut self, session: &Session) -> Result<(), CommandError> {
        let count = session.approvals().map_err(|error| refusal(&error))?;
        let waiting = match count {
            0 => return Ok(()),
            1 => "1 act waits".to_owned(),
            more => format!("{more} acts wait"),
        };
        self.ui.note(Safe::line(&format!(
            "{waiting} for your signature: valise admin approve list"
        )));
        Ok(())
    }

    fn show_act(&mut self, session: &Session, proposal: &Proposal) -> Result<(), CommandError> {
        let (fact, statement) = (proposal.fact(), &proposal.entry.statement);
        let record = Record::new()
            .with("id", proposal.id)
            .with("act", Safe::line(&act(fact)))
            .with("changes", Safe::line(&effect(fact)))
            .with("kind", fact.kind())
            .with("signed_by", names(&proposal.signers))
            .with("waits_for", Cell::count(proposal.missing))
            .with("can_sign", names(&able(session, proposal)?))
            .with("proposed", Cell::Time(proposal.proposed_at_ms))
            .with("dated", Cell::Time(statement.time))
            .with("seen_entries", Cell::Number(statement.seen.size));
        let details = super::details(directory(session)?, fact);
        let record = details.into_iter().fold(record, |record, (name, text)| {
            record.with(name, Safe::line(&text))
        });
        self.ui.record(&record)
    }

    fn open_acts(&mut self, session: &mut Session) -> Result<Vec<Proposal>, CommandError> {
        self.online(session, async |session, _| session.proposals().await)
    }

    fn find_act(&mut self, session: &mut Session, typed: &str) -> Result<Proposal, CommandError> {
        let open = self.open_acts(session)?.into_iter().map(Waiting);
        let hint = "valise admin approve list";
        beginning(open, typed, "waiting act", hint).map(|Waiting(open)| open)
    }
}

/// An act, by its id.
struct Waiting(Proposal);

impl Display for Waiting {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        self.0.id.fmt(formatter)
    }
}

/// Done, unless one of them is false.
fn sound<'a>(mut open: impl Iterator<Item = &'a Proposal>) -> Result<Exit, CommandError> {
    match open.find_map(|open| open.alarm.clone()) {
        Some(alarm) => Err(refusal(&Error::Alarm(alarm))),
        None => Ok(Exit::Done),
    }
}

fn able(session: &Session, proposal: &Proposal) -> Result<Vec<Name>, CommandError> {
    Ok(proposal.able(directory(session)?))
}

fn names<'a>(names: impl IntoIterator<Item = &'a Name>) -> Cell {
    Cell::List(names.into_iter().map(Safe::from).collect())
}

fn listed<'a>(names: impl IntoIterator<Item = &'a Name>) -> String {
    let names: Vec<_> = names.into_iter().map(ToString::to_string).collect();
    names.join(", ")
}
