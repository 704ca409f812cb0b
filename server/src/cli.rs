//! The operator's commands: table of contents. There is none with power over people: that is in the log.

mod backup;
mod config;
mod doctor;
mod finding;
mod gc;
mod healthcheck;
mod init;
mod migrate;
mod node;
mod serve;
mod status;

use std::{
    io::{self, Write},
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
};

use clap::{Parser, Subcommand, ValueEnum};

use crate::{
    Chain, ServeError,
    attachment::AttachmentError,
    backup::{BackupError, restore::RestoreError},
    card::{CardError, KeptCard},
    config::MisuseConfig,
    data::MisuseLocked,
    directory::OpenError,
    init::InitError,
    store::{NewerSchema, StoreError},
    tls::TlsError,
    trace::MisuseTraces,
};

const AFTER_HELP: &str = "Exit codes: 0 done, 1 not done, 2 misused, 3 the database is of a newer valised, 4 not the server on \
     the organisation card.";

/// The Valise server: stores and forwards what it cannot read.
#[derive(Debug, Parser)]
#[command(name = "valised", version, about, after_help = AFTER_HELP)]
struct Command {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make a data folder from a founding's genesis file, and the organisation card.
    Init {
        #[command(flatten)]
        data: Data,
        /// What `valise found` wrote; `-` reads standard input.
        #[arg(long, value_name = "FILE")]
        genesis: PathBuf,
        /// Address and port to listen on.
        #[arg(long, value_name = "ADDR", env = "VALISED_LISTEN")]
        listen: SocketAddr,
        /// Where to write the organisation card; `-` writes standard output.
        #[arg(long, value_name = "FILE")]
        card: PathBuf,
    },
    /// Print the organisation card that `init` made: it is not secret.
    Card {
        #[command(flatten)]
        data: Data,
    },
    /// Serve the organisation until SIGTERM or SIGINT.
    Serve {
        #[command(flatten)]
        data: Data,
    },
    /// What is here, in numbers: the server may run or not.
    Status {
        #[command(flatten)]
        data: Data,
        #[command(flatten)]
        output: Output,
    },
    /// What is wrong, and what to do. Exit code 1 if something does not work.
    Doctor {
        #[command(flatten)]
        data: Data,
        #[command(flatten)]
        output: Output,
    },
    /// Ask the running server whether it serves: for probes.
    Healthcheck {
        #[command(flatten)]
        data: Data,
    },
    /// Make, check and put back copies of the data folder.
    Backup {
        #[command(subcommand)]
        verb: backup::Verb,
    },
    /// The directory log.
    Log {
        #[command(subcommand)]
        verb: LogVerb,
    },
    /// The database's schema. A start brings it up to date by itself.
    Migrate {
        #[command(subcommand)]
        verb: MigrateVerb,
    },
    /// Whether another program may be put in this one's place.
    UpgradeCheck {
        #[command(flatten)]
        data: Data,
        #[command(flatten)]
        output: Output,
    },
    /// The servers that work on one database.
    Node {
        #[command(subcommand)]
        verb: node::Verb,
    },
    /// Drop what is too old, now. A running server does so by itself.
    Gc {
        #[command(flatten)]
        data: Data,
        /// Say what would be dropped, and drop nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// Look at the configuration.
    Config {
        #[command(subcommand)]
        verb: ConfigVerb,
    },
}

#[derive(Debug, Subcommand)]
enum LogVerb {
    /// After a restore: take entries back that clients have and the backup had not.
    ///
    /// They come from whoever saw most: `valise admin log export FILE`. The server must be stopped.
    #[command(after_help = "valised log take-back campagne.log --data /var/lib/valise")]
    TakeBack {
        /// What `valise admin log export` wrote.
        file: PathBuf,
        #[command(flatten)]
        data: Data,
    },
    /// After a restore: let the log take entries again, because none is missing any more.
    ///
    /// Entries that are missing still are lost from then on: another takes their place, and every computer
    /// that saw them refuses this server for good. The server may run.
    #[command(after_help = "valised log open --data /var/lib/valise")]
    Open {
        #[command(flatten)]
        data: Data,
    },
}

#[derive(Debug, Subcommand)]
enum MigrateVerb {
    /// Which schema the database has, and what a migration would do.
    Status {
        #[command(flatten)]
        data: Data,
    },
    /// Bring it up to date; the database as it was stays beside it. The server must be stopped.
    Run {
        #[command(flatten)]
        data: Data,
    },
}

#[derive(Debug, Subcommand)]
enum ConfigVerb {
    /// Whether a server could start from it. Nothing is opened for others.
    Check {
        #[command(flatten)]
        data: Data,
    },
    /// Print a file with every key, its default and what it means.
    Example,
    /// Print the configuration in force, as TOML.
    Show {
        #[command(flatten)]
        data: Data,
        /// Say where each value comes from.
        #[arg(long)]
        origin: bool,
    },
}

#[derive(Debug, clap::Args)]
struct Output {
    /// Form of the answer.
    #[arg(
        short = 'o',
        long = "output",
        value_enum,
        default_value = "text",
        value_name = "FORMAT"
    )]
    format: Format,
}

/// Form of an answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

#[derive(Debug, clap::Args)]
struct Data {
    /// The data folder.
    #[arg(long = "data", value_name = "FOLDER", env = "VALISED_DATA")]
    folder: PathBuf,
}

/// Why a command did not do it.
#[derive(Debug, thiserror::Error)]
enum CommandError {
    #[error(transparent)]
    Config(#[from] MisuseConfig),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Card(#[from] CardError),
    #[error(transparent)]
    Serve(#[from] ServeError),
    #[error("{path}: {source}")]
    File {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(transparent)]
    Init(#[from] InitError),
    #[error("{what}: {source}")]
    System {
        what: &'static str,
        #[source]
        source: io::Error,
    },
    #[error(transparent)]
    Backup(#[from] BackupError),
    #[error(transparent)]
    Restore(#[from] RestoreError),
    #[error(transparent)]
    Locked(#[from] MisuseLocked),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Log(#[from] OpenError),
    #[error(transparent)]
    Attachment(#[from] AttachmentError),
    #[error(transparent)]
    Traces(#[from] MisuseTraces),
    #[error(
        "there is one server on this database, for it is SQLite: nothing was done. To stop it, send it SIGTERM: it \
         finishes what it has begun"
    )]
    MisuseOneNode,
    #[error("no server on this database is called {0}: nothing was done. See: valised node list")]
    MisuseNoNode(String),
    #[error("{0} of these things do not work: see above")]
    Bad(usize),
    #[error("the server does not serve: {0}")]
    Unhealthy(&'static str),
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let command = Command::parse();
    match run(command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _closed = writeln!(io::stderr(), "valised: {}", Chain(&error));
            code(&error)
        }
    }
}

/// 1; 3 where neither a restart nor a repair helps, but another program; 4 where other keys do.
fn code(error: &CommandError) -> ExitCode {
    if let CommandError::Serve(ServeError::Card(CardError::MisuseOther { .. })) = error {
        return ExitCode::from(4);
    }
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        if error.is::<NewerSchema>() {
            return ExitCode::from(3);
        }
        cause = error.source();
    }
    ExitCode::FAILURE
}

fn run(command: Command) -> Result<(), CommandError> {
    match command.verb {
        Verb::Init {
            data,
            genesis,
            listen,
            card,
        } => init::run(&data.folder, &genesis, listen, &card),
        Verb::Card { data } => give(&KeptCard::expect(&data.folder)?.card.to_string()),
        Verb::Serve { data } => serve::run(&data.folder),
        Verb::Healthcheck { data } => healthcheck::run(&data.folder),
        Verb::Status { data, output } => status::run(&data.folder, output.format),
        Verb::Doctor { data, output } => doctor::run(&data.folder, output.format),
        Verb::UpgradeCheck { data, output } => doctor::upgrade_check(&data.folder, output.format),
        Verb::Gc { data, dry_run } => gc::run(&data.folder, dry_run),
        Verb::Migrate { verb } => match verb {
            MigrateVerb::Status { data } => migrate::status(&data.folder),
            MigrateVerb::Run { data } => migrate::run(&data.folder),
        },
        Verb::Node { verb } => node::run(verb),
        Verb::Backup { verb } => backup::run(verb),
        Verb::Log { verb } => match verb {
            LogVerb::TakeBack { file, data } => backup::take_back(&data.folder, &file),
            LogVerb::Open { data } => backup::release_log(&data.folder),
        },
        Verb::Config { verb } => match verb {
            ConfigVerb::Check { data } => doctor::config_check(&data.folder),
            ConfigVerb::Example => config::example(),
            ConfigVerb::Show { data, origin } => config::show(&data.folder, origin),
        },
    }
}

/// One line for the operator.
fn say(line: &str) -> Result<(), CommandError> {
    give(&format!("{line}\n"))
}

/// What a command was asked for, and nothing else.
fn give(text: &str) -> Result<(), CommandError> {
    let mut out = io::stdout().lock();
    let given = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    given.map_err(|source| CommandError::System {
        what: "standard output",
        source,
    })
}

/// A runtime with this many workers.
fn runtime(threads: usize) -> Result<tokio::runtime::Runtime, CommandError> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads.max(1))
        .max_blocking_threads(4)
        .enable_all()
        .build()
        .map_err(|source| CommandError::System {
            what: "the runtime cannot start",
            source,
        })
}
