//! `valise witness`: a co-signer of the directory log, on an admin's machine or a partner's.

use std::{net::SocketAddr, sync::Arc};

use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

use super::{
    WitnessCommand, WitnessInit, WitnessServe,
    desk::Desk,
    error::{Code, CommandError, Exit},
    join::read_card,
    refusal::home,
    ui::{Cell, Record},
};
use crate::{
    home::HomeError,
    safe::Safe,
    witness::{Witness, WitnessError, serve},
};

impl Desk<'_> {
    pub(super) fn witness(&mut self, command: &WitnessCommand) -> Result<Exit, CommandError> {
        match command {
            WitnessCommand::Init(init) => self.witness_init(init),
            WitnessCommand::Serve(serve) => self.witness_serve(serve),
            WitnessCommand::Show => self.witness_show(),
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
        self.ui.record(&record)?;
        Ok(Exit::Done)
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
        self.runtime
            .block_on(serve(witness, listener, clock, shutdown));
        Ok(Exit::Done)
    }

    fn open_witness(&self) -> Result<Witness, CommandError> {
        let folder = self.home()?.folder().join("witness");
        Witness::open(&folder).map_err(|error| refused(&error))
    }
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
        WitnessError::Home(_) | WitnessError::Io(..) | WitnessError::Refused(_) => {
            CommandError::new(Code::Failed, text).outcome("nothing was signed")
        }
    }
}
