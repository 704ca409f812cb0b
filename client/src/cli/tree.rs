//! What one types: every verb, flag and help text. What a verb does is in `cli/<verb>.rs`.

use std::{path::PathBuf, time::Duration};

use clap::{
    Args, Parser, Subcommand,
    builder::{PossibleValuesParser, TypedValueParser as _},
};
use valise_proto::id::Name;

use super::{Admin, Attach, Drill, History};
use crate::config::{Color, Flags, Format, KeySource};

pub use letter::{
    Content, List, Outbox, OutboxAct, OutboxRm, Read, Reply, Search, Send, Thread, Who,
};
pub use log::{
    CheckEvidence, EvidenceAct, ExportEvidence, Log, WitnessCommand, WitnessEvidence, WitnessInit,
    WitnessServe,
};
pub use person::{
    Contact, Device, DeviceRename, DeviceRevoke, Key, KeyAdd, KeyRemove, KeyRename, Person, Verify,
};
pub use start::{Found, Join, Sync, Unlock};
pub use topic::{ConfigCommand, Help};

mod letter;
mod log;
mod person;
mod start;
mod topic;

/// Longest that `unlock --for` takes: a working day.
const UNLOCK_MAX: Duration = Duration::from_hours(12);

/// Write and read letters that nobody on the way may open
#[derive(Clone, Debug, Parser)]
#[command(
    name = "valise",
    version,
    disable_help_subcommand = true,
    max_term_width = 100,
    help_template = "{about}. Start: valise join CARD\n{usage-heading} {usage}, or valise witness\n\
        Commands:\n{subcommands}\nOptions:\n{options}"
)]
pub struct Cli {
    /// What every command takes.
    #[command(flatten)]
    pub global: Global,
    /// What to do; nothing shows the next step.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Flags of every command.
#[derive(Args, Clone, Debug, Default)]
pub struct Global {
    /// Keep everything in this folder instead of the XDG ones
    #[arg(long, global = true, display_order = 900, value_name = "FOLDER")]
    pub home: Option<PathBuf>,
    /// Answer as: human, plain (for scripts) or json
    #[arg(short, long, global = true, display_order = 901, value_name = "FORMAT", hide_possible_values = true,
        value_parser = PossibleValuesParser::new(["human", "plain", "json"])
            .try_map(|text| text.parse::<Format>()))]
    pub output: Option<Format>,
    /// Use this security key instead of the one plugged in
    #[arg(long, global = true, display_order = 902, value_name = "NAME")]
    pub key: Option<KeySource>,
    /// Colour the answer: auto, always or never
    #[arg(long, global = true, display_order = 903, value_name = "WHEN", hide_possible_values = true,
        value_parser = PossibleValuesParser::new(["auto", "always", "never"])
            .try_map(|text| text.parse::<Color>()))]
    pub color: Option<Color>,
    /// Never ask, fail instead
    #[arg(long, global = true, display_order = 904)]
    pub no_input: bool,
    /// Say what is going on
    #[arg(short, long, global = true, display_order = 905)]
    pub verbose: bool,
}

impl Global {
    /// The flags that the configuration weighs against environment and file.
    pub fn flags(&self) -> Flags {
        Flags {
            home: self.home.clone(),
            format: self.output,
            color: self.color,
            no_input: self.no_input,
            key: self.key.clone(),
        }
    }
}

/// The verbs.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Found an organisation, as its first admin
    Found(Found),
    /// Join an organisation with the card that an admin gave you
    Join(Join),
    /// Decide who belongs, signed by your admin key
    #[command(subcommand)]
    Admin(Admin),
    /// Unlock your letters with a touch of your key
    Unlock(Unlock),
    /// Lock your letters now
    #[command(after_help = "Example:\n  valise lock")]
    Lock,
    /// Fetch new letters and send waiting ones
    Sync(Sync),
    /// Send a letter; its text comes from -m or stdin
    Send(Send),
    /// List letters, newest first
    #[command(visible_alias = "ls")]
    List(List),
    /// Fetch, then list unread and recent letters
    #[command(visible_alias = "in", after_help = "Example:\n  valise inbox")]
    Inbox,
    /// Read a letter
    Read(Read),
    /// Read all letters of a thread
    Thread(Thread),
    /// Answer a letter; the text comes from -m or stdin
    Reply(Reply),
    /// List and save files that came with letters
    #[command(subcommand)]
    Attach(Attach),
    /// See or send letters that wait for the server
    Outbox(Outbox),
    /// Show every person and device that can read a letter
    Who(Who),
    /// Show what is locked, waiting, fresh or wrong
    #[command(after_help = "Examples:\n  valise status\n  valise status -o json")]
    Status,
    /// Show who you are here: name, device, keys
    #[command(after_help = "Example:\n  valise whoami")]
    Whoami,
    /// Look at the organisation's directory log
    #[command(subcommand)]
    Log(Log),
    /// Check this machine, its key, clock and server
    #[command(after_help = "Example:\n  valise doctor")]
    Doctor,
    /// Try the known takeovers and a lying server on yourself
    Drill(Drill),
    /// Show settings and where they come from
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Manage your own security keys
    #[command(subcommand)]
    Key(Key),
    /// Manage your own devices
    #[command(subcommand)]
    Device(Device),
    /// Look at people's keys, compare them, accept a change
    #[command(subcommand)]
    Contact(Contact),
    /// Show what happened to people, devices and keys
    #[command(after_help = "Examples:\n  valise events\n  valise events -o json")]
    Events,
    /// Watch the log for the organisation, beside its server
    #[command(subcommand, hide = true)]
    Witness(WitnessCommand),
    /// Find letters that hold all these words
    Search(Search),
    /// Take your letters to another computer of yours
    #[command(subcommand)]
    History(History),
    /// Explain a command, the exit codes or an error's code
    Help(Help),
}

pub(super) fn name(text: &str) -> Result<Name, &'static str> {
    text.parse()
        .map_err(|_| "a name is 1 to 32 of a-z 0-9 . _ - and begins with a letter")
}

fn duration(text: &str) -> Result<Duration, &'static str> {
    text.parse::<jiff::SignedDuration>()
        .ok()
        .and_then(|duration| Duration::try_from(duration).ok())
        .filter(|duration| (Duration::from_mins(1)..=UNLOCK_MAX).contains(duration))
        .ok_or("it takes 1m to 12h")
}
