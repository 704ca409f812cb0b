//! What one types to write, find and read letters.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use valise_proto::id::Name;

use super::name;
use crate::cli::Which;

/// `valise send`.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Who is named can read it, and nobody else. Text given with -m stays in your shell's \
        history.\n\n\
        Examples:\n  valise send lea karim -s 'Point presse' < note.md\n  \
        valise send lea -c karim -s 'Bus' -m 'It leaves at 7.'\n  \
        valise send lea -s 'Plan' -m 'See the file.' -a plan.pdf"
)]
pub struct Send {
    /// To whom: people, and lists such as press
    #[arg(required = true, value_name = "PEOPLE", value_parser = name)]
    pub to: Vec<Name>,
    /// Copy to this person or list too
    #[arg(short, long, value_name = "NAME", value_parser = name)]
    pub cc: Vec<Name>,
    /// What it is about
    #[arg(short, long)]
    pub subject: String,
    /// What it says.
    #[command(flatten)]
    pub content: Content,
    /// Show who would get it, and send and keep nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// What a new letter or an answer says and brings.
#[derive(Args, Clone, Debug)]
pub struct Content {
    /// The text; without it, stdin
    #[arg(short, long, value_name = "TEXT")]
    pub message: Option<String>,
    /// Attach this file, encrypted
    #[arg(short, long = "attach", value_name = "FILE")]
    pub attach: Vec<PathBuf>,
    /// Do not ask before a wide letter
    #[arg(short, long)]
    pub yes: bool,
}

/// `valise list`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  valise list --unread\n  valise list --from lea --limit 5")]
pub struct List {
    /// Only unread ones
    #[arg(long)]
    pub unread: bool,
    /// Only from this person
    #[arg(long, value_name = "NAME", value_parser = name)]
    pub from: Option<Name>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub limit: u32,
}

/// `valise read`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  valise read 12\n  valise read @unread")]
pub struct Read {
    /// Its number, its id, @last or @unread
    #[arg(value_name = "N")]
    pub letter: Which,
}

/// `valise thread`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Example:\n  valise thread 12")]
pub struct Thread {
    /// Any letter of it: number, id, @last or @unread
    #[arg(value_name = "N")]
    pub letter: Which,
}

/// `valise reply`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  valise reply 12 -m 'I will be there.'\n  \
    valise reply @last --all < answer.md")]
pub struct Reply {
    /// The letter to answer: number, id, @last or @unread
    #[arg(value_name = "N")]
    pub letter: Which,
    /// Answer everybody who can read it
    #[arg(long)]
    pub all: bool,
    /// Put its text, quoted, before your own
    #[arg(long)]
    pub quote: bool,
    /// What it says.
    #[command(flatten)]
    pub content: Content,
}

/// `valise outbox`.
#[derive(Args, Clone, Debug)]
#[command(
    subcommand_required = false,
    after_help = "Examples:\n  valise outbox\n  valise outbox retry\n  valise outbox rm 12"
)]
pub struct Outbox {
    /// What to do; nothing lists.
    #[command(subcommand)]
    pub act: Option<OutboxAct>,
}

/// What to do with the outbox.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Subcommand)]
pub enum OutboxAct {
    /// List letters that wait for the server
    #[command(after_help = "Example:\n  valise outbox list")]
    List,
    /// Try to send them now
    #[command(after_help = "Example:\n  valise outbox retry")]
    Retry,
    /// Drop a letter that shall not go any more
    Rm(OutboxRm),
}

/// `valise outbox rm`.
#[derive(Args, Clone, Copy, Debug, Eq, PartialEq)]
#[command(
    after_help = "A letter that may be at the server already stays.\n\nExample:\n  valise outbox rm 12"
)]
pub struct OutboxRm {
    /// The letter: its number, its id or @last
    #[arg(value_name = "N")]
    pub letter: Which,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
}

/// `valise who`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Example:\n  valise who 12")]
pub struct Who {
    /// The letter: number, id, @last or @unread
    #[arg(value_name = "N")]
    pub letter: Which,
}

/// `valise search`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  valise search budget\n  valise search 'point presse' bus")]
pub struct Search {
    /// Words, or phrases in quotes
    #[arg(required = true)]
    pub query: Vec<String>,
}
