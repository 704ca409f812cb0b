//! `valised node list|drain`: the servers that work on one database.

use std::{path::Path, sync::Arc};

use clap::Subcommand;
use serde_json::json;

use super::{CommandError, Data, Format, Output, runtime, say};
use crate::{
    backup::BackupError,
    clock::{Clock, SystemClock, said},
    config::{Config, DATABASE},
    node::GONE_MS,
    store::{NodeRow, Store},
};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Print the servers on this database: since when, last seen, what they have open, whether they drain.
    List {
        #[command(flatten)]
        data: Data,
        #[command(flatten)]
        output: Output,
    },
    /// Let a server be left alone, before it is stopped.
    ///
    /// Its /readyz says no, so that what stands before the servers sends nobody there, and it tells devices
    /// that are connected for live news to connect again. It answers whoever comes all the same, until it is
    /// stopped.
    #[command(after_help = "valised node drain web-1 --data /var/lib/valise")]
    Drain {
        /// Its name in `valised node list`. Without one: the server of this configuration.
        name: Option<String>,
        #[command(flatten)]
        data: Data,
        /// Let it be found again.
        #[arg(long)]
        off: bool,
    },
}

pub(super) fn run(verb: Verb) -> Result<(), CommandError> {
    match verb {
        Verb::List { data, output } => list(&data.folder, output.format),
        Verb::Drain { name, data, off } => {
            let config = load(&data.folder)?;
            let name = name.unwrap_or_else(|| config.node_name());
            drain(&config, &name, !off)
        }
    }
}

/// The configuration of one of several servers.
fn load(data: &Path) -> Result<Config, CommandError> {
    let config = Config::load(data)?;
    if config.database.is_none() && !data.join(DATABASE).is_file() {
        return Err(BackupError::MisuseNotFounded(data.to_owned()).into());
    }
    if config.database_url().starts_with("sqlite:") {
        return Err(CommandError::MisuseOneNode);
    }
    Ok(config)
}

fn list(data: &Path, format: Format) -> Result<(), CommandError> {
    let config = load(data)?;
    let rows = runtime(1)?.block_on(async {
        let store = Store::connect(&config.database_url()).await?;
        let rows = store.nodes().await;
        store.close().await;
        rows
    })?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let now_ms = clock.now_ms();
    if format == Format::Text {
        say(&format!(
            "{:24} {:7} {:20} {:>9} {:>11} {:>7}  {}",
            "NAME", "STATE", "SINCE", "SEEN", "CONNECTIONS", "STREAMS", "VERSION"
        ))?;
    }
    rows.iter().try_for_each(|row| {
        let (state, seen_s) = (
            state(row, now_ms),
            now_ms.saturating_sub(row.seen_at_ms) / 1_000,
        );
        match format {
            Format::Text => say(&format!(
                "{:24} {state:7} {:20} {:>9} {:>11} {:>7}  {}",
                row.name,
                said(row.started_at_ms),
                format!("{seen_s} s ago"),
                row.connections,
                row.streams,
                row.version
            )),
            Format::Json => {
                let object = json!({
                    "name": row.name, "state": state, "since": said(row.started_at_ms),
                    "seen_seconds_ago": seen_s, "connections": row.connections,
                    "streams": row.streams, "version": row.version,
                });
                say(&object.to_string())
            }
        }
    })
}

fn state(row: &NodeRow, now_ms: u64) -> &'static str {
    if now_ms.saturating_sub(row.seen_at_ms) > GONE_MS {
        "gone"
    } else if row.drains {
        "drains"
    } else {
        "serves"
    }
}

fn drain(config: &Config, name: &str, drains: bool) -> Result<(), CommandError> {
    let count = runtime(1)?.block_on(async {
        let store = Store::connect(&config.database_url()).await?;
        let count = store.drain_node(name, drains).await;
        store.close().await;
        count
    })?;
    if count == 0 {
        return Err(CommandError::MisuseNoNode(name.to_owned()));
    }
    if drains {
        say(&format!(
            "valised: {name} drains: its /readyz says no, and its streams are told to connect again"
        ))?;
        say(
            "  stop it when `valised node list` shows that its streams are gone; undo: valised node drain --off",
        )
    } else {
        say(&format!(
            "valised: {name} serves again: its /readyz says yes"
        ))
    }
}
