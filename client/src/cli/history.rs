//! `valise history`: one's own letters from one computer to another.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::{
    desk::Desk,
    error::{CommandError, Exit},
    refusal::refusal,
    ui::{Cell, Record, Ui},
};
use crate::{clock::Clock, safe::Safe};

/// `valise history`.
#[derive(Clone, Debug, Subcommand)]
pub enum History {
    /// Write all letters to a file that only your keys open
    #[command(
        after_help = "Asks for your key's touch, and so does valise history import on the other computer, which \
            must have joined as you. Whoever has the file, or your PIN, or both, and not your key, has nothing. \
            Delete the file when it is imported.\n\n\
            Example:\n  valise history export letters.valise"
    )]
    Export(HistoryFile),
    /// Keep the letters of your other computer here too
    #[command(
        after_help = "Asks for your key's touch. Letters that are here already stay as they are, and the others \
            say that they are imported. A file that another person made is refused.\n\n\
            Example:\n  valise history import letters.valise"
    )]
    Import(HistoryFile),
}

/// `valise history export` and `import`.
#[derive(Args, Clone, Debug)]
pub struct HistoryFile {
    /// The file
    pub file: PathBuf,
}

/// What takes longer than this says how far it is: milliseconds.
const SLOW_MS: u64 = 400;

impl Desk<'_> {
    pub(super) fn history_export(&mut self, path: &Path) -> Result<Exit, CommandError> {
        let session = self.informed()?;
        let mut progress = Progress::new(self.ui, &*self.clock, "sealed");
        let packed = session.pack_history(path, |letters| progress.say(letters));
        drop(progress);
        let packed = packed.map_err(|error| refusal(&error).outcome("nothing was written"))?;
        let manifest = self.with_key(|keyring| session.sign_history(packed, path, keyring))?;
        let record = Record::new()
            .with("history", Safe::line(&path.display().to_string()))
            .with("letters", Cell::Number(manifest.letters))
            .with("keys", Cell::count(manifest.seals.len()));
        self.ui.record(&record)?;
        Ok(Exit::Done)
    }

    /// The touch that unlocks the store opens the file too.
    pub(super) fn history_import(&mut self, path: &Path) -> Result<Exit, CommandError> {
        let (home, key, touched) = self.unlocked_by()?;
        let mut session = self.opened(&home, &key)?;
        self.inform(&mut session)?;
        let failed = |error| refusal(&error).outcome("nothing was imported");
        let mut history = session.open_history(path).map_err(failed)?;
        let touched = match touched {
            Some(touched) => touched,
            None => self.with_key(|keyring| session.touch_history(&history, keyring))?,
        };
        let mut progress = Progress::new(self.ui, &*self.clock, "imported");
        let imported =
            session.import_history(&mut history, &touched, |letters| progress.say(letters));
        drop(progress);
        let imported =
            imported.map_err(|error| refusal(&error).outcome("not all of it was imported"))?;
        let record = Record::new()
            .with("state", "imported")
            .with("from", history.signed.manifest.device)
            .with("letters", Cell::Number(imported.new))
            .with("known", Cell::Number(imported.known));
        self.ui.record(&record)?;
        Ok(Exit::Done)
    }
}

/// Says how far something is, once it takes long.
struct Progress<'p> {
    ui: &'p mut Ui,
    clock: &'p dyn Clock,
    done: &'static str,
    next_ms: u64,
}

impl<'p> Progress<'p> {
    fn new(ui: &'p mut Ui, clock: &'p dyn Clock, done: &'static str) -> Self {
        Self {
            ui,
            next_ms: clock.monotonic_ms().saturating_add(SLOW_MS),
            clock,
            done,
        }
    }

    fn say(&mut self, letters: u64) {
        let now_ms = self.clock.monotonic_ms();
        if now_ms >= self.next_ms {
            let text = format!("{letters} letters {}", self.done);
            self.ui.progress(Safe::line(&text));
            self.next_ms = now_ms.saturating_add(SLOW_MS);
        }
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        self.ui.progress_end();
    }
}
