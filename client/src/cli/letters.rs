//! `valise list`, `inbox`, `search`, `read`, `thread` and `who`.

use serde::Serialize;
use valise_proto::id::Name;

use super::{
    List, Which,
    attach::{self, Attached},
    contact::standing,
    desk::{Desk, letter},
    error::{Code, CommandError, Exit},
    refusal::refusal,
    sync::Unseen,
    ui::{Cell, Column, Row, Table},
};
use crate::{
    config::Format,
    mail::{Quote, quotes},
    safe::Safe,
    store::{Filter, LetterRow, Store},
};

/// How many letters `valise inbox` shows.
const RECENT: u64 = 20;

/// How many of a letter's people `valise list` names to a person.
const NAMED: usize = 3;
/// What stands before words that are not where they claim to come from.
const UNVERIFIED: &str = "unverified quote";

/// One letter, whole, for programs.
#[derive(Serialize)]
struct Whole<'a> {
    number: u64,
    id: String,
    thread: String,
    in_reply_to: Option<String>,
    from: &'a str,
    to: Vec<&'a str>,
    cc: Vec<&'a str>,
    date: String,
    subject: &'a str,
    body: &'a str,
    attachments: Vec<Attached<'a>>,
    unread: bool,
    outgoing: bool,
    waiting: bool,
    remark: Option<&'a str>,
    imported: Option<String>,
    quotes: Vec<Quoted>,
}

/// Lines that quote another letter, counted from 1.
#[derive(Serialize)]
struct Quoted {
    first: usize,
    lines: usize,
    verified: bool,
}

impl Desk<'_> {
    pub(super) fn list(&mut self, args: &List) -> Result<Exit, CommandError> {
        let filter = Filter {
            unread: args.unread,
            from: args.from.clone(),
            limit: Some(args.limit.into()),
            ..Filter::default()
        };
        let Some(from) = &args.from else {
            let store = self.store()?;
            return self.show(&store, &filter);
        };
        let session = self.session()?;
        session
            .known(from)
            .map_err(|error| refusal(&error).outcome("nothing was listed"))?;
        self.show(session.store(), &filter)
    }

    pub(super) fn inbox(&mut self) -> Result<Exit, CommandError> {
        let mut session = self.session()?;
        // What is here can be read without the server.
        let before = Unseen::in_all(&session)?;
        let synced = self.online(&mut session, async |session, _| session.sync().await);
        let unseen = self.say_unseen(&session, before)?;
        self.show(
            session.store(),
            &Filter {
                limit: Some(RECENT),
                ..Filter::default()
            },
        )?;
        match synced?.alarms.first() {
            Some(alarm) => Err(refusal(&crate::session::Error::Alarm(alarm.clone()))),
            None => Ok(unseen.exit()),
        }
    }

    pub(super) fn search(&mut self, words: &[String]) -> Result<Exit, CommandError> {
        let store = self.store()?;
        let words = Some(words.join(" "));
        self.show(
            &store,
            &Filter {
                words,
                ..Filter::default()
            },
        )
    }

    /// Newest first, as people look for letters.
    fn show(&mut self, store: &Store, filter: &Filter) -> Result<Exit, CommandError> {
        let letters = store
            .read()
            .letters(filter)
            .map_err(|error| refusal(&error.into()))?;
        let names = ["number", "unread", "date", "from", "to"].map(Column::new);
        let last = [
            Column::flexible("subject"),
            Column::new("id"),
            Column::new("thread"),
            Column::new("files"),
        ];
        let programs = self.ui.format() != Format::Human;
        let last = last.into_iter().take(if programs { 4 } else { 1 });
        let mut table = Table::new(names.into_iter().chain(last));
        for letter in letters.iter().rev() {
            let mut people: Vec<Safe> =
                letter.to.iter().chain(&letter.cc).map(Safe::from).collect();
            if !programs && people.len() > NAMED + 1 {
                let more = format!("{} more", people.len() - NAMED);
                people.truncate(NAMED);
                people.push(Safe::line(&more));
            }
            let mut cells = vec![
                Cell::Number(letter.number),
                Cell::Flag(letter.unread),
                Cell::Time(letter.date_ms),
                Cell::Text((&letter.sender).into()),
                Cell::List(people),
            ];
            let files = letter.attachments.len();
            let subject = match files {
                0 => Safe::line(&letter.subject),
                // What is said about files stands first: a subject can say anything.
                1 => Safe::line(&format!("[1 file] {}", letter.subject)),
                _ => Safe::line(&format!("[{files} files] {}", letter.subject)),
            };
            if programs {
                cells.push(Cell::Text(Safe::line(&letter.subject)));
                cells.push(Cell::Id(letter.id.into()));
                cells.push(Cell::Id(letter.thread.into()));
                cells.push(Cell::count(files));
            } else {
                cells.push(Cell::Text(subject));
            }
            table.push(Row::new(cells).bold(letter.unread));
        }
        self.ui.table_or(&table, "no letters")?;
        Ok(Exit::Done)
    }

    pub(super) fn read(&mut self, which: Which) -> Result<Exit, CommandError> {
        let mut store = self.store()?;
        let letter = letter(&store, which)?;
        self.show_letter(&store, &letter)?;
        store
            .mark_read(letter.number)
            .map_err(|error| refusal(&error.into()))?;
        Ok(Exit::Done)
    }

    pub(super) fn thread(&mut self, which: Which) -> Result<Exit, CommandError> {
        let mut store = self.store()?;
        let letter = letter(&store, which)?;
        let filter = Filter {
            thread: Some(letter.thread),
            ..Filter::default()
        };
        let letters = store
            .read()
            .letters(&filter)
            .map_err(|error| refusal(&error.into()))?;
        for (position, letter) in letters.iter().enumerate() {
            if position > 0 && self.ui.format() == Format::Human {
                self.ui.print("")?;
            }
            self.show_letter(&store, letter)?;
            store
                .mark_read(letter.number)
                .map_err(|error| refusal(&error.into()))?;
        }
        Ok(Exit::Done)
    }

    fn show_letter(&mut self, store: &Store, letter: &LetterRow) -> Result<(), CommandError> {
        let body = shown(letter);
        let quotes = checked_quotes(store, letter, &body)?;
        if self.ui.format() == Format::Json {
            let whole = whole(letter, &quotes)?;
            return self.ui.json(&whole);
        }
        let people = |names: &[Name]| {
            let names: Vec<_> = names.iter().map(Name::as_str).collect();
            names.join(", ")
        };
        let mut lines = vec![
            format!("From:    {}", letter.sender),
            format!("To:      {}", people(&letter.to)),
        ];
        if !letter.cc.is_empty() {
            lines.push(format!("Cc:      {}", people(&letter.cc)));
        }
        lines.push(format!("Date:    {}", self.ui.time(letter.date_ms)));
        lines.push(format!("Subject: {}", Safe::line(&letter.subject)));
        lines.push(format!("Number:  {}", letter.number));
        lines.extend(attach::lines(letter));
        if letter.waiting {
            lines.push("Status:  waiting in the outbox".to_owned());
        }
        if !letter.remark.is_empty() {
            lines.push(format!("Note:    {}", letter.remark));
        }
        if let Some(device) = letter.imported {
            let device = device.to_string();
            let device = device.get(..9).unwrap_or_default();
            lines.push(format!(
                "Import:  from your device {device}, on your own word alone"
            ));
        }
        if quotes.iter().any(|quote| !quote.verified) {
            lines.push(format!(
                "Quotes:  {UNVERIFIED}: not in the letter that this one answers"
            ));
        }
        self.ui.print(Safe::block(&lines.join("\n")))?;
        self.ui.print("")?;
        // Headers begin a line and a body never does: no text looks like the next letter.
        let mut indented = Vec::new();
        for (position, line) in body.as_str().lines().enumerate() {
            let forged = |quote: &Quote| !quote.verified && quote.first == position;
            if quotes.iter().any(forged) {
                indented.push(format!("  [{UNVERIFIED}]"));
            }
            indented.push(format!("  {line}"));
        }
        self.ui.print(Safe::block(&indented.join("\n")))
    }

    pub(super) fn who(&mut self, which: Which) -> Result<Exit, CommandError> {
        let session = self.session()?;
        let letter = letter(session.store(), which)?;
        let readers = session
            .readers(letter.number)
            .map_err(|error| refusal(&error))?;
        let columns = ["person", "state", "device", "label", "this"].map(Column::new);
        let mut table = Table::new(columns);
        for reader in readers {
            let standing = standing(&session, &reader.account)?;
            table.push(Row::new([
                Cell::Text(reader.account.into()),
                standing.into(),
                Cell::Id(reader.device.into()),
                Cell::Text(Safe::line(&reader.label)),
                Cell::Flag(reader.this),
            ]));
        }
        self.ui.table(&table)?;
        Ok(Exit::Done)
    }
}

/// A letter's text as a person gets to see it.
fn shown(letter: &LetterRow) -> Safe {
    Safe::block(letter.body.trim_end())
}

/// The quotes in `body`, against the letter that is answered, both as they are shown.
fn checked_quotes(
    store: &Store,
    letter: &LetterRow,
    body: &Safe,
) -> Result<Vec<Quote>, CommandError> {
    let answered = match letter.in_reply_to {
        Some(id) => store.read().letter_by_id(id),
        None => Ok(None),
    };
    let answered = answered.map_err(|error| refusal(&error.into()))?;
    let said = answered.as_ref().map(shown);
    Ok(quotes(body.as_str(), said.as_ref().map(Safe::as_str)))
}

fn whole<'a>(letter: &'a LetterRow, quotes: &[Quote]) -> Result<Whole<'a>, CommandError> {
    Ok(Whole {
        number: letter.number,
        id: letter.id.to_string(),
        thread: letter.thread.to_string(),
        in_reply_to: letter.in_reply_to.map(|id| id.to_string()),
        from: letter.sender.as_str(),
        to: letter.to.iter().map(Name::as_str).collect(),
        cc: letter.cc.iter().map(Name::as_str).collect(),
        date: rfc3339(letter.date_ms)?,
        subject: &letter.subject,
        body: &letter.body,
        attachments: attach::attached(letter),
        unread: letter.unread,
        outgoing: letter.outgoing,
        waiting: letter.waiting,
        remark: (!letter.remark.is_empty()).then_some(&letter.remark),
        imported: letter.imported.map(|device| device.to_string()),
        quotes: quotes
            .iter()
            .map(|quote| Quoted {
                first: quote.first + 1,
                lines: quote.lines,
                verified: quote.verified,
            })
            .collect(),
    })
}

/// A writer's clock can say anything, so it may be no time at all.
fn rfc3339(at_ms: u64) -> Result<String, CommandError> {
    let time = i64::try_from(at_ms)
        .ok()
        .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    time.map(|time| time.to_string())
        .ok_or_else(|| CommandError::new(Code::Failed, "the letter's date is out of range"))
}
