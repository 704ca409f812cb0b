//! `valise log evidence`: what proves that the server signed two logs.

use std::{
    fs::OpenOptions,
    io::{Read as _, Write as _},
    path::Path,
};

use valise_proto::log::evidence::{EVIDENCE_MAX, Evidence};

use super::{
    CheckEvidence, EvidenceAct, ExportEvidence,
    desk::Desk,
    error::{Code, CommandError, Exit},
    join::read_card,
    refusal::refusal,
    ui::{Cell, Column, Record, Row, Table},
};
use crate::{safe::Safe, store::EvidenceRow};

impl Desk<'_> {
    pub(super) fn evidence(&mut self, act: &EvidenceAct) -> Result<Exit, CommandError> {
        match act {
            EvidenceAct::List => self.evidence_list(),
            EvidenceAct::Export(export) => self.evidence_export(export),
            EvidenceAct::Check(check) => self.evidence_check(check),
            EvidenceAct::Dismiss { .. } => self.evidence_dismiss(),
        }
    }

    fn evidence_list(&mut self) -> Result<Exit, CommandError> {
        let rows = self.evidence_rows()?;
        let columns = ["number", "found", "dismissed"].map(Column::new);
        let mut table = Table::new(columns);
        for row in rows {
            let dismissed = row.dismissed_ms.map_or(Cell::Empty, Cell::Time);
            let open = row.dismissed_ms.is_none();
            let cells = [Cell::Number(row.id), Cell::Time(row.at_ms), dismissed];
            table.push(Row::new(cells).bold(open));
        }
        self.ui
            .table_or(&table, "there is no evidence against the server")?;
        Ok(Exit::Done)
    }

    fn evidence_rows(&mut self) -> Result<Vec<EvidenceRow>, CommandError> {
        let rows = self.store()?.read().evidence();
        rows.map_err(|error| refusal(&error.into()))
    }

    fn evidence_export(&mut self, args: &ExportEvidence) -> Result<Exit, CommandError> {
        let mut rows = self.evidence_rows()?;
        if let Some(number) = args.number {
            rows.retain(|row| row.id == number);
        }
        let row = rows.pop().ok_or_else(|| {
            CommandError::new(Code::NotFound, "there is no such evidence")
                .outcome("nothing was written")
                .hint("valise log evidence list")
        })?;
        self.hand_out(&row.text, args.out.as_deref())
    }

    /// Prints evidence, or writes it to the new file `out`.
    pub(super) fn hand_out(
        &mut self,
        text: &str,
        out: Option<&Path>,
    ) -> Result<Exit, CommandError> {
        let Some(path) = out else {
            self.ui.print(Safe::block(text.trim_end()))?;
            return Ok(Exit::Done);
        };
        let file = OpenOptions::new().write(true).create_new(true).open(path);
        file.and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(|error| unusable(path, &error))?;
        let file = Safe::line(&path.display().to_string());
        self.ui.record(&Record::new().with("evidence", file))?;
        Ok(Exit::Done)
    }

    /// By anybody: no account is asked for, and neither side is believed.
    fn evidence_check(&mut self, args: &CheckEvidence) -> Result<Exit, CommandError> {
        let card = read_card(&args.card)?;
        let mut text = String::new();
        let limit = u64::try_from(EVIDENCE_MAX).unwrap_or(u64::MAX);
        std::fs::File::open(&args.file)
            .and_then(|file| file.take(limit + 1).read_to_string(&mut text))
            .map_err(|error| unusable(&args.file, &error))?;
        let evidence = Evidence::open(&text, card.org, card.log).map_err(|error| {
            CommandError::new(Code::Failed, Safe::line(&error.to_string()))
                .outcome("nothing is proven")
                .hint("use the organisation's card, and the file as it was exported")
        })?;
        let record = Record::new()
            .with("verdict", "the server signed two logs")
            .with("entries", Cell::Number(evidence.older.head.size))
            .with("one", evidence.root)
            .with("other", evidence.older.head.root);
        self.ui.record(&record)?;
        Ok(Exit::Done)
    }

    fn evidence_dismiss(&mut self) -> Result<Exit, CommandError> {
        let mut session = self.session()?;
        self.ui.type_name(
            "the server signed two logs, and letters go out again; has an admin dealt with it?",
            "dealt with",
        )?;
        let dismissed = session.dismiss_evidence();
        let dismissed = dismissed.map_err(|error| refusal(&error))?;
        let count = Cell::count(dismissed);
        self.ui.record(&Record::new().with("dismissed", count))?;
        Ok(Exit::Done)
    }
}

fn unusable(path: &Path, error: &std::io::Error) -> CommandError {
    let text = format!("{}: {error}", path.display());
    CommandError::new(Code::Failed, Safe::line(&text))
        .outcome("nothing was written")
        .hint("name another file")
}
