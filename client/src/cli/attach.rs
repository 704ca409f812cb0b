//! `valise attach`: the files of letters.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Serialize;
use valise_proto::letter::Attachment;

use super::{
    Which,
    desk::{Desk, letter},
    error::{Code, CommandError, Exit},
    refusal::refusal,
    ui::{Cell, Column, Record, Row, Table, size},
};
use crate::{
    config::Format,
    file::{Folder, mixes_alphabets, safe_name},
    safe::Safe,
    session::Error,
    store::{Filter, LetterRow},
};

/// `valise attach`.
#[derive(Clone, Debug, Subcommand)]
pub enum Attach {
    /// List the files of a letter, or of all letters
    List(AttachList),
    /// Save files of a letter, each checked before it appears
    Save(AttachSave),
}

/// `valise attach list`.
#[derive(Args, Clone, Copy, Debug)]
#[command(after_help = "Examples:\n  valise attach list\n  valise attach list 12")]
pub struct AttachList {
    /// The letter: number, id, @last or @unread; all without it
    #[arg(value_name = "N")]
    pub letter: Option<Which>,
}

/// `valise attach save`.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "A file is saved under a safe name that nothing has there, is never opened, and is no program. \
        What was cut off goes on where it stopped.\n\n\
        Examples:\n  valise attach save 12\n  valise attach save 12 2 --to ~/press\n  \
        valise attach save @last plan.pdf"
)]
pub struct AttachSave {
    /// The letter: number, id, @last or @unread
    #[arg(value_name = "N")]
    pub letter: Which,
    /// Its number in the letter, or its name; all without it
    #[arg(value_name = "FILE")]
    pub files: Vec<String>,
    /// Save in this folder
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    pub to: PathBuf,
}

/// One attached file, by what the letter says of it.
#[derive(Serialize)]
pub(super) struct Attached<'a> {
    file: usize,
    name: &'a str,
    size: u64,
    safe_name: String,
    mixed_alphabets: bool,
}

/// The files of a letter, for programs.
pub(super) fn attached(letter: &LetterRow) -> Vec<Attached<'_>> {
    let files = (1..).zip(&letter.attachments);
    let files = files.map(|(position, file)| Attached {
        file: position,
        name: file.name.as_str(),
        size: file.size,
        safe_name: safe_name(file.name.as_str()),
        mixed_alphabets: mixes_alphabets(file.name.as_str()),
    });
    files.collect()
}

/// The files of a letter, for people: a line each, and how to save them.
pub(super) fn lines(letter: &LetterRow) -> Vec<String> {
    let file = |file: &Attachment| {
        let name = Safe::line(file.name.as_str());
        let note = note(file).map_or_else(String::new, |note| format!(", {note}"));
        format!("File:    {name} ({}{note})", size(file.size))
    };
    let mut lines: Vec<_> = letter.attachments.iter().map(file).collect();
    if !lines.is_empty() {
        lines.push(format!("Save:    valise attach save {}", letter.number));
    }
    lines
}

/// What the eye does not see in a file's name.
fn note(file: &Attachment) -> Option<&'static str> {
    mixes_alphabets(file.name.as_str()).then_some("its name mixes alphabets")
}

impl Desk<'_> {
    pub(super) fn attach(&mut self, act: &Attach) -> Result<Exit, CommandError> {
        match act {
            Attach::List(list) => self.attach_list(*list),
            Attach::Save(save) => self.attach_save(save),
        }
    }

    fn attach_list(&mut self, args: AttachList) -> Result<Exit, CommandError> {
        let store = self.store()?;
        let letters = if let Some(which) = args.letter {
            vec![letter(&store, which)?]
        } else {
            let letters = store.read().letters(&Filter::default());
            letters.map_err(|error| refusal(&error.into()))?
        };
        let columns = ["letter", "file", "size"].map(Column::new);
        let last = [Column::flexible("name"), Column::new("note")];
        let mut table = Table::new(columns.into_iter().chain(last));
        let people = self.ui.format() == Format::Human;
        for letter in letters.iter().rev() {
            for (position, file) in (1..).zip(&letter.attachments) {
                let bytes = if people {
                    Safe::line(&size(file.size)).into()
                } else {
                    Cell::Number(file.size)
                };
                table.push(Row::new([
                    Cell::Number(letter.number),
                    Cell::Number(position),
                    bytes,
                    Cell::Text(Safe::line(file.name.as_str())),
                    note(file).map_or(Cell::Empty, Into::into),
                ]));
            }
        }
        self.ui.table_or(&table, "no files")?;
        Ok(Exit::Done)
    }

    fn attach_save(&mut self, args: &AttachSave) -> Result<Exit, CommandError> {
        let not_saved = |error: CommandError| {
            let outcome = error.outcome.unwrap_or("nothing was saved");
            error.outcome(outcome)
        };
        let mut session = self.session()?;
        let letter = letter(session.store(), args.letter)?;
        let wanted = wanted(&letter, &args.files)?;
        let folder = Folder::open(&args.to);
        let folder = folder.map_err(|error| not_saved(refusal(&error.into())))?;
        for (done, index) in wanted.into_iter().enumerate() {
            let saved = self.online(&mut session, async |session, _| {
                session.save_file(letter.number, index, &folder).await
            });
            let saved = saved.map_err(|error| match done {
                0 => not_saved(error),
                _ => error.outcome("this file was not saved, those before it were"),
            })?;
            let name = letter.attachments.get(index);
            let name = name.map_or("", |file| file.name.as_str());
            let record = Record::new()
                .with("state", "saved")
                .with("name", Safe::line(name))
                .with("path", Safe::line(&saved.path.display().to_string()))
                .with("size", Cell::Number(saved.size));
            self.ui.record(&record)?;
        }
        Ok(Exit::Done)
    }
}

/// Which files of the letter were named: their places in it, each once.
fn wanted(letter: &LetterRow, named: &[String]) -> Result<Vec<usize>, CommandError> {
    let none = || refusal(&Error::NoSuchFile(letter.number));
    if named.is_empty() {
        return match letter.attachments.len() {
            0 => Err(
                CommandError::new(Code::NotFound, "this letter has no files")
                    .outcome("nothing was saved")
                    .hint("valise attach list"),
            ),
            count => Ok((0..count).collect()),
        };
    }
    let mut wanted = Vec::new();
    for typed in named {
        let number = typed.parse::<usize>().ok();
        let number = number.and_then(|number| number.checked_sub(1));
        let is_called = |file: &Attachment| {
            file.name.as_str() == typed || safe_name(file.name.as_str()) == *typed
        };
        let index = number.filter(|index| *index < letter.attachments.len());
        let index = index.or_else(|| letter.attachments.iter().position(is_called));
        let index = index.ok_or_else(none)?;
        if !wanted.contains(&index) {
            wanted.push(index);
        }
    }
    Ok(wanted)
}
