//! The operator's commands: table of contents. There is none with power over people: that is in the log.

mod config;
mod healthcheck;
mod init;
mod serve;

use std::{
    io::{self, Write},
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
};

use clap::{Parser, Subcommand};

use crate::{Chain, ServeError, config::MisuseConfig, init::InitError, tls::TlsError};

/// The Valise server: stores and forwards what it cannot read.
#[derive(Debug, Parser)]
#[command(name = "valised", version, about)]
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
    /// Serve the organisation until SIGTERM or SIGINT.
    Serve {
        #[command(flatten)]
        data: Data,
    },
    /// Ask the running server whether it serves: for probes.
    Healthcheck {
        #[command(flatten)]
        data: Data,
    },
    /// Look at the configuration.
    Config {
        #[command(subcommand)]
        verb: ConfigVerb,
    },
}

#[derive(Debug, Subcommand)]
enum ConfigVerb {
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
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<(), CommandError> {
    match command.verb {
        Verb::Init {
            data,
            genesis,
            listen,
            card,
        } => init::run(&data.folder, &genesis, listen, &card),
        Verb::Serve { data } => serve::run(&data.folder),
        Verb::Healthcheck { data } => healthcheck::run(&data.folder),
        Verb::Config {
            verb: ConfigVerb::Show { data, origin },
        } => config::show(&data.folder, origin),
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
