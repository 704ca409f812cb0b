//! What one types to belong, and to have what is new: `found`, `join`, `unlock`, `sync`.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use url::Url;
use valise_proto::id::Name;

use super::{duration, name};

/// `valise found`.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Makes your credentials and writes the signed genesis entry to a file. Take it to the server \
        and run `valised init --genesis FILE` there; then join with the card that it makes.\n\n\
        Example:\n  valise found --org Campagne --url https://mail.campagne.example --as lea"
)]
pub struct Found {
    /// The organisation's name
    #[arg(long, value_name = "NAME")]
    pub org: String,
    /// Where the server will be
    #[arg(long)]
    pub url: Url,
    /// Your own name in it
    #[arg(long = "as", value_name = "NAME", value_parser = name)]
    pub name: Name,
    /// Write the genesis entry to this file
    #[arg(long, value_name = "FILE", default_value = "genesis.valise")]
    pub out: PathBuf,
}

/// `valise join`.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Asks for your key's PIN and touch, then shows six words. Read them to an admin, face to \
        face or by voice. Run it again after the admin has enrolled you.\n\n\
        Examples:\n  valise join card.valise --as lea\n  valise join card.valise"
)]
pub struct Join {
    /// The organisation card: a file
    pub card: PathBuf,
    /// The name to ask for
    #[arg(long = "as", value_name = "NAME", value_parser = name)]
    pub name: Option<Name>,
}

/// `valise unlock`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  valise unlock\n  valise unlock --for 8h")]
pub struct Unlock {
    /// Lock again after this long without use, at most 12h
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    pub idle: Option<Duration>,
}

/// `valise sync`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  valise sync\n  valise sync --wait 30")]
pub struct Sync {
    /// Wait so many seconds for something new
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub wait: Option<u32>,
}
