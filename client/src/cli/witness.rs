//! `valise witness`: a co-signer of the directory log, on an admin's machine or a partner's.

use std::{net::SocketAddr, sync::Arc};

use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};

use super::{
    WitnessCommand, WitnessEvidence, WitnessInit, WitnessServe,
    desk::Desk,
    error::{Code, CommandError, Exit},
    join::read_card,
    refusal::home,
    ui::{Cell, Record},
};
use crate::{
    home::HomeError,
    safe::Safe,
    witness::{Contradiction, Witness, WitnessError, serve},
};

/// Contradictions that wait to be told.
const FOUND_MAX: usize = 16;

impl Desk<'_> {
    pub(super) fn witness(&mut self, command: &WitnessCommand) -> Result<Exit, CommandError> {
        match command {
            WitnessCommand::Init(init) => self.witness_init(init),
            WitnessCommand::Serve(serve) => self.witness_serve(serve),
            WitnessCommand::Show => self.witness_show(),
            WitnessCommand::Evidence(which) => self.witness_evidence(which),
        }
    }

    fn witness_init(&mut self, args: &WitnessInit) -> Result<Exit, CommandError> {
        let card = read_card(&args.card)?;
        let folder = self.home()?.folder().join("witness");
        let witness = Witness::init(&folder, &card, args.name.as_deref());
        let record = described(&witness.map_err(|error| refused(&error))?)
            .with("folder", Safe::line(&folder.display().to_string()));
        self.ui.record(&record)?;
        self.ui.note(
            "next: an admin names its key, with those of all other witnesses: valise admin policy set --witness KEY",
        );
        self.ui.note("and it has to run: valise witness serve");
        Ok(Exit::Done)
    }

    fn witness_show(&mut self) -> Result<Exit, CommandError> {
        let witness = self.open_witness()?;
        let signed = witness.signed().map_err(|error| refused(&error))?;
        let (entries, root, time) = match signed {
            None => (Cell::Number(0), Cell::Empty, Cell::Empty),
            Some(signed) => (
                Cell::Number(signed.head.size),
                Cell::from(signed.head.root),
                Cell::Time(signed.time.saturating_mul(1000)),
            ),
        };
        let record = described(&witness)
            .with("entries", entries)
            .with("root", root)
            .with("signed", time);
        let found = witness.contradictions().map_err(|error| refused(&error))?;
        let lines = (1..).zip(&found);
        let lines = lines.map(|(number, found)| Safe::line(&format!("{number}: {}", told(found))));
        self.ui
            .record(&record.with("contradictions", Cell::List(lines.collect())))?;
        if !found.is_empty() {
            self.ui
                .note("call an admin, not by Valise, and hand over: valise witness evidence");
        }
        Ok(Exit::Done)
    }

    fn witness_evidence(&mut self, args: &WitnessEvidence) -> Result<Exit, CommandError> {
        let found = self.open_witness()?.contradictions();
        let found = found.map_err(|error| refused(&error))?;
        let wanted = args.number.unwrap_or(found.len());
        let one = wanted.checked_sub(1).and_then(|at| found.get(at));
        let one = one.ok_or_else(|| {
            CommandError::new(Code::NotFound, "this witness has no such evidence")
                .outcome("nothing was written")
                .hint("valise witness show")
        })?;
        if !one.proven {
            self.ui.note(
                "two heads that the server signed, and nobody proved how the one became the other: compare both \
                 with valise log head",
            );
        }
        self.hand_out(&one.text, args.out.as_deref())
    }

    /// Until SIGTERM or SIGINT.
    fn witness_serve(&mut self, args: &WitnessServe) -> Result<Exit, CommandError> {
        let witness = Arc::new(self.open_witness()?);
        let (clock, address) = (Arc::clone(&self.clock), args.listen);
        let _runtime = self.runtime.enter();
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let listener = self.runtime.block_on(TcpListener::bind(address));
        let listener = listener.map_err(|error| cannot_listen(address, &error))?;
        let record = Record::new()
            .with("state", "serving")
            .with("name", Safe::line(witness.public().name.as_str()))
            .with("listen", Safe::line(&listener.local_addr()?.to_string()));
        self.ui.record(&record)?;
        let shutdown = async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        let (tell, mut found) = mpsc::channel(FOUND_MAX);
        let ui = &mut *self.ui;
        let telling = async {
            while let Some(found) = found.recv().await {
                ui.note(Safe::line(&format!("ALARM: {}", told(&found))));
                ui.note("both heads are kept here: valise witness evidence");
            }
        };
        let serving = serve(witness, listener, clock, tell, shutdown);
        self.runtime.block_on(async {
            tokio::join!(serving, telling);
        });
        Ok(Exit::Done)
    }

    fn open_witness(&self) -> Result<Witness, CommandError> {
        let folder = self.home()?.folder().join("witness");
        Witness::open(&folder).map_err(|error| refused(&error))
    }
}

/// What a contradiction says, in one line.
fn told(found: &Contradiction) -> String {
    let (known, shown) = (found.known.head, found.shown.head);
    let verdict = if found.proven {
        "the server signed two logs"
    } else {
        "the server signed two heads, and nobody proved how the one became the other"
    };
    format!(
        "{verdict}: {} entries with root {}, and {} entries with root {}",
        known.size, known.root, shown.size, shown.root
    )
}

/// Who it is, and what it watches.
fn described(witness: &Witness) -> Record {
    let public = witness.public();
    Record::new()
        .with("name", Safe::line(public.name.as_str()))
        .with("key", Safe::line(&public.to_string()))
        .with("server", Safe::line(witness.card().url.origin()))
        .with("organisation_id", witness.card().org)
}

fn cannot_listen(address: SocketAddr, error: &std::io::Error) -> CommandError {
    let text = format!("{address}: {error}");
    CommandError::new(Code::Failed, Safe::line(&text))
        .outcome("the witness does not run")
        .hint("name another address with --listen")
}

fn refused(error: &WitnessError) -> CommandError {
    let text = Safe::line(&error.to_string());
    match error {
        WitnessError::Home(error @ HomeError::Open(_)) => home(error),
        WitnessError::MisuseName => CommandError::new(Code::Usage, text)
            .outcome("nothing was made")
            .hint("valise witness init CARD --name campagne.example/witness"),
        WitnessError::MisuseNotMade(_) => CommandError::new(Code::NotFound, text)
            .outcome("nothing runs")
            .hint("valise witness init CARD"),
        WitnessError::MisuseTaken(_) => CommandError::new(Code::Usage, text)
            .outcome("nothing was made")
            .hint("valise witness show"),
        WitnessError::Damaged(_) => CommandError::new(Code::Failed, text)
            .outcome("nothing was signed")
            .hint("valise witness init CARD, with another --home"),
        WitnessError::Contradiction { .. }
        | WitnessError::Home(_)
        | WitnessError::Io(..)
        | WitnessError::Refused(_) => {
            CommandError::new(Code::Failed, text).outcome("nothing was signed")
        }
    }
}
