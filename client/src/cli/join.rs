//! `valise join`.

use std::{path::Path, time::Duration};

use valise_proto::card::Card;

use super::{
    Join,
    desk::Desk,
    error::{Code, CommandError, Exit},
    ui::Record,
};
use crate::{
    account::{Joined, default_device_label, join, resume},
    clock,
    safe::Safe,
    session::Session,
    words::Words,
};

/// How long a terminal waits between two looks.
const LOOK: Duration = Duration::from_secs(2);

impl Desk<'_> {
    pub(super) fn join(&mut self, args: &Join) -> Result<Exit, CommandError> {
        let card = read_card(&args.card)?;
        let label = default_device_label(Path::new("/etc/hostname"));
        let home = self.home()?;
        let clock = std::sync::Arc::clone(&self.clock);
        let name = args.name.as_ref();
        let joined = self.with_key_online(async |keyring| {
            Box::pin(join(&home, &card, name, &label, keyring, &clock)).await
        })?;
        let (session, fingerprint) = match joined {
            Joined::Done(session) => return self.joined(&session),
            Joined::Waiting {
                session,
                fingerprint,
            } => (session, fingerprint),
        };
        let record = Record::new()
            .with("state", "waiting")
            .with("name", session.account().clone())
            .with("words", Safe::from(Words::of(&fingerprint)));
        self.ui.record(&record)?;
        self.ui.note(Safe::line(&format!(
            "read these six words to an admin, face to face or by voice. The admin runs: valise admin enrol {}",
            session.account(),
        )));
        if !self.ui.is_interactive() {
            self.ui.note("then run the same command again");
            return Ok(Exit::NothingNew);
        }
        self.wait(session, &label)
    }

    /// Waits at the terminal until an admin has decided.
    fn wait(&mut self, session: Session, label: &str) -> Result<Exit, CommandError> {
        let mut session = session;
        self.ui
            .progress("waiting for the admin … (Ctrl-C to stop: the same command goes on later)");
        loop {
            match self.with_key_online(async |keyring| resume(session, label, keyring).await)? {
                Joined::Done(session) => {
                    self.ui.progress_end();
                    return self.joined(&session);
                }
                Joined::Waiting { session: same, .. } => session = same,
            }
            self.runtime.block_on(clock::pause(LOOK));
        }
    }

    fn joined(&mut self, session: &Session) -> Result<Exit, CommandError> {
        let organisation = session
            .ledger()
            .map(|ledger| Safe::line(ledger.directory().genesis().organisation.as_str()))
            .unwrap_or_default();
        let record = Record::new()
            .with("state", "joined")
            .with("name", session.account().clone())
            .with("organisation", organisation)
            .with("device", session.device());
        self.ui.record(&record)?;
        Ok(Exit::Done)
    }
}

pub(super) fn read_card(path: &Path) -> Result<Card, CommandError> {
    let wrong = |error: &str| {
        CommandError::new(
            Code::WrongCard,
            Safe::line(&format!("{}: {error}", path.display())),
        )
        .outcome("nothing was sent and no key was asked for")
        .hint("get the card again from somebody you trust")
    };
    let size = std::fs::metadata(path)
        .map_err(|error| missing(path, &error))?
        .len();
    if size > u64::try_from(Card::MAX).unwrap_or(u64::MAX) {
        return Err(wrong("this is not an organisation card"));
    }
    let text = std::fs::read_to_string(path).map_err(|error| missing(path, &error))?;
    text.parse()
        .map_err(|_| wrong("this is not an organisation card"))
}

fn missing(path: &Path, error: &std::io::Error) -> CommandError {
    let text = format!("{}: {error}", path.display());
    CommandError::new(Code::NotFound, Safe::line(&text))
        .outcome("nothing was sent and no key was asked for")
        .hint("valise join CARD")
}
