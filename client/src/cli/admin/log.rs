//! `valise admin log`: what was decided, whether it holds, and a copy to keep.

use std::{fs::File, io::Write as _, path::Path};

use data_encoding::BASE64;
use valise_proto::log::{checkpoint, entry::Entry, replay::Directory};

use super::{entries, tree::Log};
use crate::{
    account::act,
    cli::{
        desk::{Desk, directory},
        error::{Code, CommandError, Exit},
        refusal::refusal,
        ui::{Cell, Column, Record, Row, Table},
    },
    safe::Safe,
    session::{Error, Session},
    store::{Setting, StoreError, VerifiedLog},
    trust::Alarm,
};

impl Desk<'_> {
    pub(super) fn admin_log(&mut self, verb: &Log) -> Result<Exit, CommandError> {
        match verb {
            Log::Show { from, limit } => self.log_show(*from, *limit),
            Log::Verify => self.log_verify(),
            Log::Export { file } => self.log_export(file),
        }
    }

    fn log_show(&mut self, from: Option<u64>, limit: u64) -> Result<Exit, CommandError> {
        let session = self.informed()?;
        let directory = directory(&session)?;
        let from = from.unwrap_or_else(|| directory.head().size.saturating_sub(limit));
        let columns = ["entry", "signed", "kind", "signed_by"].map(Column::new);
        let mut table = Table::new(columns.into_iter().chain([Column::flexible("act")]));
        let (skip, take) = (cut(from), cut(limit));
        for (index, entry) in (0..).zip(entries(&session)?).skip(skip).take(take) {
            let fact = &entry.statement.fact;
            table.push(Row::new([
                Cell::Number(index),
                Cell::Time(entry.statement.time),
                fact.kind().into(),
                signers(directory, &entry),
                Cell::Text(Safe::line(&act(fact))),
            ]));
        }
        self.ui.table_or(&table, "the log has no entry there")?;
        Ok(Exit::Done)
    }

    /// Every rule and every signature again, from the first entry on, as an auditor would.
    fn log_verify(&mut self) -> Result<Exit, CommandError> {
        let session = self.informed()?;
        let (log, note) = kept(&session)?;
        let forged = |entry| refusal(&Error::Alarm(Alarm::ForgedEntry(entry)));
        let (genesis, rest) = log.entries.split_first().ok_or_else(damaged)?;
        let mut replayed = Directory::found(genesis).map_err(forged)?;
        let mut signatures = founders(&replayed);
        for entry in rest {
            signatures += replayed.apply(entry).map_err(forged)?.signatures.len();
        }
        let ledger = session
            .ledger()
            .ok_or_else(|| refusal(&Error::NotEnrolled))?;
        let card = ledger.card();
        let signed = checkpoint::open(&note, card.org, card.log)
            .map_err(|error| refusal(&Error::Alarm(error.into())))?;
        if replayed.org() != card.org || replayed.head() != signed {
            return Err(damaged());
        }
        let record = Record::new()
            .with("state", "holds")
            .with("entries", Cell::Number(signed.size))
            .with("signatures", Cell::count(signatures))
            .with("root", signed.root)
            .with("organisation_id", replayed.org())
            .with("people", Cell::count(replayed.accounts().count()))
            .with("threshold", Cell::count(replayed.threshold()));
        self.ui.record(&record)?;
        Ok(Exit::Done)
    }

    /// What this computer has verified, whatever the server says today: a server that was restored gets
    /// its missing entries from here. That it could not be asked, or lies, is said all the same.
    fn log_export(&mut self, path: &Path) -> Result<Exit, CommandError> {
        let mut session = self.session()?;
        let informed = self.inform(&mut session);
        let (log, note) = kept(&session)?;
        let mut text = format!("{note}\n");
        for entry in &log.entries {
            BASE64.encode_append(entry, &mut text);
            text.push('\n');
        }
        let mut file = File::create_new(path).map_err(|error| unwritten(&error))?;
        let written = file.write_all(text.as_bytes());
        written
            .and_then(|()| file.sync_all())
            .map_err(|error| unwritten(&error))?;
        let record = Record::new()
            .with("state", "written")
            .with("file", Safe::line(&path.display().to_string()))
            .with("entries", Cell::count(log.entries.len()))
            .with("root", log.head.root);
        self.ui.record(&record)?;
        informed.map(|()| Exit::Done)
    }
}

/// Who signed, by name.
pub(super) fn signers(directory: &Directory, entry: &Entry) -> Cell {
    let mut names: Vec<Safe> = Vec::new();
    for key in entry.signers() {
        let account = directory.key(key).and_then(|key| key.account.as_ref());
        let name = account.map_or_else(|| key.into(), Safe::from);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Cell::List(names)
}

/// The log as it was verified, and the signed head.
fn kept(session: &Session) -> Result<(VerifiedLog, String), CommandError> {
    let read = session.store().read();
    let failed = |error: StoreError| refusal(&error.into());
    let log = read.log().map_err(failed)?.ok_or_else(damaged)?;
    let note = read.setting(Setting::Checkpoint).map_err(failed)?;
    let note = String::from_utf8(note.ok_or_else(damaged)?).map_err(|_| damaged())?;
    Ok((log, note))
}

fn founders(directory: &Directory) -> usize {
    directory.genesis().founders.len()
}

fn damaged() -> CommandError {
    refusal(&StoreError::Damaged("the log is not the one that was verified").into())
}

fn unwritten(error: &std::io::Error) -> CommandError {
    CommandError::new(Code::Failed, Safe::line(&error.to_string()))
        .outcome("nothing was written, or not all of it")
        .hint("name a new file in a folder of yours")
}

fn cut(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
