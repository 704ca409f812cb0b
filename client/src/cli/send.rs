//! `valise send`, `valise reply` and `valise outbox`.

use valise_proto::id::Name;

use super::{
    Content, OutboxAct, Reply, Send, Which,
    desk::{Desk, letter},
    error::{Code, CommandError, Exit},
    refusal::refusal,
    sync::alarmed,
    ui::{Cell, Column, Record, Row, Table},
};
use crate::{
    mail::{Addressees, Draft, quoted},
    safe::Safe,
    session::{Error, Session},
    store::LetterRow,
    sync::Report,
};

/// Largest text that is read from stdin, in bytes.
const TEXT_MAX: usize = 1 << 20;
/// More people than this, and the person is asked first.
const WIDE: usize = 20;

impl Desk<'_> {
    pub(super) fn send(&mut self, args: Send) -> Result<Exit, CommandError> {
        let Content {
            message,
            attach,
            yes,
        } = args.content;
        let body = self.body(message, !attach.is_empty())?;
        let draft = Draft {
            to: typed(&args.to),
            cc: typed(&args.cc),
            subject: args.subject,
            body,
            in_reply_to: None,
            files: attach,
        };
        let mut session = self.session()?;
        if args.dry_run {
            return self.would_send(&mut session, &draft);
        }
        self.post(session, draft, yes)
    }

    pub(super) fn reply(&mut self, args: Reply) -> Result<Exit, CommandError> {
        let session = self.session()?;
        let letter = letter(session.store(), args.letter)?;
        let Content {
            message,
            attach,
            yes,
        } = args.content;
        let mut body = self.body(message, !attach.is_empty())?;
        if args.quote {
            body = format!("{}\n{body}", quoted(letter.sender.as_str(), &letter.body));
        }
        let mut draft = Draft::reply(&letter, session.account(), args.all, body);
        draft.files = attach;
        self.post(session, draft, yes)
    }

    /// The text, which may be empty only if there is something else to say.
    fn body(&mut self, message: Option<String>, files: bool) -> Result<String, CommandError> {
        let body = match message {
            Some(message) => message,
            None => self
                .ui
                .read_text("the letter's text", "-m TEXT", TEXT_MAX)?,
        };
        if body.trim().is_empty() && !files {
            return Err(
                CommandError::new(Code::EmptyLetter, "the letter has no text")
                    .outcome("nothing was sent or kept")
                    .hint("give it one with -m, or on stdin"),
            );
        }
        Ok(body)
    }

    /// Who gets the letter. Whom the log here does not know, and who is on a list, the newest says.
    fn addressees(
        &mut self,
        session: &mut Session,
        draft: &Draft,
    ) -> Result<Addressees, CommandError> {
        if session
            .must_look_up(draft)
            .map_err(|error| refusal(&error))?
        {
            self.online(session, async |session, _| session.look_up().await)
                .map_err(|error| error.outcome("nothing was sent or kept"))?;
        }
        session.addressees(draft).map_err(|error| refusal(&error))
    }

    fn would_send(&mut self, session: &mut Session, draft: &Draft) -> Result<Exit, CommandError> {
        let found = self.addressees(session, draft)?;
        let record = Record::new()
            .with("state", "not sent")
            .with("to", people(&found.to))
            .with("cc", people(&found.cc))
            .with("lists", people(&found.lists))
            .with("suspended", people(&found.suspended));
        self.ui.record(&record)?;
        Ok(Exit::Done)
    }

    fn confirm_wide(&mut self, people: usize) -> Result<(), CommandError> {
        if people > WIDE {
            let question = format!("send this letter to {people} people?");
            self.ui.confirm(Safe::line(&question))?;
        }
        Ok(())
    }

    /// Keeps the letter, then sends it. A letter that cannot go now stays in the outbox.
    fn post(
        &mut self,
        mut session: Session,
        mut draft: Draft,
        yes: bool,
    ) -> Result<Exit, CommandError> {
        let named = draft.to.len() + draft.cc.len();
        self.confirm_wide(named)?;
        let found = self.addressees(&mut session, &draft)?;
        for name in &found.suspended {
            let note = format!("{name} is suspended and gets nothing");
            self.ui.note(Safe::line(&note));
        }
        let count = found.to.len() + found.cc.len();
        // Who was asked about so many names is not asked again about their people.
        if named <= WIDE {
            self.confirm_wide(count)?;
        }
        (draft.to, draft.cc) = (typed(&found.to), typed(&found.cc));
        let written = session.write(draft.clone());
        let number = written.map_err(|error| match error {
            Error::Attached(_) => refusal(&error).outcome("nothing was sent or kept"),
            _ => refusal(&error),
        })?;
        let caught_up = self.online(&mut session, async |session, _| session.catch_up().await);
        if let Err(error) = caught_up {
            return Err(kept(&session, number, error));
        }
        if let Err(error) = self.agree(&mut session, &found, yes) {
            if error.code == Code::Cancelled {
                let dropped = session.drop_letter(number);
                dropped.map_err(|error| refusal(&error))?;
            }
            return Err(kept(&session, number, error));
        }
        let sent = self.online(&mut session, async |session, _| session.send(number).await);
        let report = sent.map_err(|error| kept(&session, number, error))?;
        self.warn_of_age(&session);
        self.sent(&session, number)?;
        alarmed(&report)?;
        Ok(Exit::Done)
    }

    /// Shows what has changed about the people of a letter since the last one to them, before it goes
    /// (E11). A new computer is told; a new key is agreed to by somebody at a terminal, or by a command
    /// of its own. `--yes` is no answer to it.
    fn agree(
        &mut self,
        session: &mut Session,
        found: &Addressees,
        yes: bool,
    ) -> Result<(), CommandError> {
        let failed = |error| refusal(&error);
        let size = session.ledger().map_or(0, |ledger| ledger.head().size);
        let own = session.account().clone();
        let others = found.to.iter().chain(&found.cc);
        for name in others.filter(|name| **name != own) {
            let changes = session.changes(name).map_err(failed)?;
            if changes.is_empty() {
                continue;
            }
            let news = self.news(session, name, &changes)?;
            let asked = self.ui.is_interactive() && !yes;
            if !changes.keys.is_empty() && !asked {
                let mut refused = refusal(&Error::KeysChanged(name.clone()));
                for line in news {
                    refused = refused.fact("seen", line);
                }
                return Err(refused);
            }
            for line in news {
                self.ui.note(line);
            }
            if asked {
                let question = format!("send to {name} all the same?");
                self.ui.confirm(Safe::line(&question))?;
            }
            session.accept(name, size).map_err(failed)?;
        }
        Ok(())
    }

    /// Says which letters wait for this person's word.
    pub(super) fn say_held(&mut self, session: &Session) -> Result<(), CommandError> {
        let rows = session.store().read().outbox();
        for row in rows.map_err(|error| refusal(&error.into()))? {
            let letter = letter(session.store(), Which::Number(row.number))?;
            if let Some(name) = held(session, &letter) {
                self.ui.note(Safe::line(&format!(
                    "letter {} is held, {name}'s keys changed: valise contact show {name}",
                    row.number
                )));
            }
        }
        Ok(())
    }

    fn sent(&mut self, session: &Session, number: u64) -> Result<(), CommandError> {
        let letter = letter(session.store(), Which::Number(number))?;
        let record = Record::new()
            .with("state", "sent")
            .with("number", Cell::Number(number))
            .with("id", letter.id)
            .with("to", people(&letter.to))
            .with("cc", people(&letter.cc));
        self.ui.record(&record)
    }

    pub(super) fn outbox(&mut self, act: Option<OutboxAct>) -> Result<Exit, CommandError> {
        let mut session = self.session()?;
        let mut report = Report::default();
        match act {
            Some(OutboxAct::Rm(rm)) => return self.drop_letter(session, rm.letter),
            Some(OutboxAct::Retry) => {
                report = self.online(&mut session, async |session, _| session.sync().await)?;
            }
            Some(OutboxAct::List) | None => {}
        }
        let rows = session
            .store()
            .read()
            .outbox()
            .map_err(|error| refusal(&error.into()))?;
        let columns = [
            Column::new("number"),
            Column::new("to"),
            Column::flexible("subject"),
        ];
        let mut table = Table::new(columns.into_iter().chain([Column::new("state")]));
        for row in rows {
            let letter = letter(session.store(), Which::Number(row.number))?;
            let people = letter.to.iter().chain(&letter.cc).map(Safe::from).collect();
            let state = match held(&session, &letter) {
                Some(name) => Safe::line(&format!("held: {name}'s keys changed")),
                None if row.encrypted.is_some() => "encrypted".into(),
                None => "waiting".into(),
            };
            table.push(Row::new([
                Cell::Number(row.number),
                Cell::List(people),
                Cell::Text(Safe::line(&letter.subject)),
                state.into(),
            ]));
        }
        self.ui.table_or(&table, "no letter waits")?;
        alarmed(&report)?;
        Ok(Exit::Done)
    }
}

impl Desk<'_> {
    fn drop_letter(&mut self, mut session: Session, which: Which) -> Result<Exit, CommandError> {
        let number = letter(session.store(), which)?.number;
        let question = format!("drop letter {number}? It is nowhere else.");
        self.ui.confirm(Safe::line(&question))?;
        session
            .drop_letter(number)
            .map_err(|error| refusal(&error))?;
        let record = Record::new()
            .with("state", "dropped")
            .with("number", Cell::Number(number));
        self.ui.record(&record)?;
        Ok(Exit::Done)
    }
}

fn typed(names: &[Name]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

fn people(names: &[Name]) -> Cell {
    Cell::List(names.iter().map(Safe::from).collect())
}

/// Because of whom a letter does not go until this person agrees.
fn held(session: &Session, letter: &LetterRow) -> Option<Name> {
    let people: Vec<_> = letter.to.iter().chain(&letter.cc).cloned().collect();
    match session.unchanged(&people) {
        Err(Error::KeysChanged(name)) => Some(name),
        _ => None,
    }
}

/// The letter is in the outbox, and why.
fn kept(session: &Session, number: u64, error: CommandError) -> CommandError {
    let waits = session
        .store()
        .read()
        .outbox_row(number)
        .is_ok_and(|row| row.is_some());
    if !waits {
        return error;
    }
    let fact = format!("letter {number} waits in the outbox");
    let error = error.fact("letter", Safe::line(&fact));
    if error.code == Code::Unreachable {
        return error
            .outcome("the letter was kept")
            .hint("valise outbox retry");
    }
    error
}
