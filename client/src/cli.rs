//! The command line: every verb, flag and help text. What a verb does is in `cli/<verb>.rs`.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::{
    Args, Parser, Subcommand,
    builder::{PossibleValuesParser, TypedValueParser as _},
};
use url::Url;
use valise_proto::id::Name;

use crate::config::{Color, Flags, Format, KeySource};

pub use admin::tree::Admin;
pub use attach::Attach;
pub use drill::Drill;
pub use history::{History, HistoryFile};
pub use run::main;
pub use which::{NoLetter, Which};

pub mod admin;
pub mod attach;
mod contact;
mod desk;
mod device;
mod doctor;
mod drill;
pub mod error;
mod evidence;
mod found;
pub mod help;
mod history;
mod join;
mod key;
mod letters;
mod lists;
mod refusal;
mod run;
mod send;
mod settings;
mod status;
mod sync;
pub mod ui;
mod unlock;
mod which;
mod witness;

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
    /// The text; without it, stdin
    #[arg(short, long, value_name = "TEXT")]
    pub message: Option<String>,
    /// Attach this file, encrypted
    #[arg(short, long = "attach", value_name = "FILE")]
    pub attach: Vec<PathBuf>,
    /// Do not ask before a wide letter
    #[arg(short, long)]
    pub yes: bool,
    /// Show who would get it, and send and keep nothing
    #[arg(long)]
    pub dry_run: bool,
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

/// `valise log`.
#[derive(Clone, Debug, Subcommand)]
pub enum Log {
    /// Show the log's newest head, to compare with a colleague
    #[command(after_help = "Example:\n  valise log head")]
    Head,
    /// Handle proof that the server signed two logs
    #[command(subcommand)]
    Evidence(EvidenceAct),
}

/// `valise log evidence`.
#[derive(Clone, Debug, Subcommand)]
pub enum EvidenceAct {
    /// List the evidence that this device has found
    #[command(after_help = "Example:\n  valise log evidence list")]
    List,
    /// Write evidence as a text that anybody can check
    Export(ExportEvidence),
    /// Check somebody's evidence with the card alone
    Check(CheckEvidence),
    /// Send again, after an admin has dealt with it
    #[command(
        after_help = "Until then nothing is sent, to nobody. If the log on this device is the false one, \
            join again from a fresh home instead.\n\n\
            Example:\n  valise log evidence dismiss"
    )]
    Dismiss {
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
}

/// `valise log evidence export`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Example:\n  valise log evidence export --out fork.txt")]
pub struct ExportEvidence {
    /// Which; without it, the newest
    #[arg(value_name = "N")]
    pub number: Option<u64>,
    /// Write it to this new file instead of stdout
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// `valise log evidence check`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Example:\n  valise log evidence check fork.txt --card card.valise")]
pub struct CheckEvidence {
    /// The evidence: a file
    pub file: PathBuf,
    /// The organisation card: a file
    #[arg(long, value_name = "FILE")]
    pub card: PathBuf,
}

/// `valise config`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Subcommand)]
pub enum ConfigCommand {
    /// Show every setting
    #[command(after_help = "Example:\n  valise config show --origin")]
    Show {
        /// Also say where each value comes from
        #[arg(long)]
        origin: bool,
    },
    /// Show where the files are
    #[command(after_help = "Example:\n  valise config path")]
    Path,
}

/// `valise key`.
#[derive(Clone, Debug, Subcommand)]
pub enum Key {
    /// List your security keys
    #[command(after_help = "Example:\n  valise key list")]
    List,
    /// Add a second security key, signed by one that you have
    Add(KeyAdd),
    /// Give a key a name that only you see
    Rename(KeyRename),
    /// Remove a lost key: it signs and opens nothing any more
    Remove(KeyRemove),
    /// See whether the plugged-in key logs in and opens letters
    #[command(after_help = "Example:\n  valise key test")]
    Test,
}

/// `valise key add`.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Have both keys ready: it asks for the new one, then for one that you have.\n\n\
        Example:\n  valise key add"
)]
pub struct KeyAdd {
    /// Where the new key is, if not in the place of the other
    #[arg(long, value_name = "NAME")]
    pub new_key: Option<KeySource>,
}

/// `valise key rename`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Example:\n  valise key rename 3f9a01bc 'in the safe'")]
pub struct KeyRename {
    /// Its id, or the beginning of it
    pub id: String,
    /// What to call it
    pub label: String,
}

/// `valise key remove`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Example:\n  valise key remove 3f9a01bc")]
pub struct KeyRemove {
    /// Its id, or the beginning of it
    pub id: String,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
}

/// `valise contact`.
#[derive(Clone, Debug, Subcommand)]
pub enum Contact {
    /// List people and how well you know their keys
    #[command(after_help = "Example:\n  valise contact list")]
    List,
    /// Show the lists that letters can go to, or who is on one
    #[command(after_help = "Examples:\n  valise contact lists\n  valise contact lists press")]
    Lists {
        /// Only this list
        #[arg(value_parser = name)]
        list: Option<Name>,
    },
    /// Show a person's keys, devices and words
    #[command(after_help = "Example:\n  valise contact show karim")]
    Show(Person),
    /// Compare a person's six words, by voice or face to face
    Verify(Verify),
    /// Agree to a person's changed keys after calling them
    #[command(after_help = "Example:\n  valise contact accept karim")]
    Accept(Person),
}

/// Somebody.
#[derive(Args, Clone, Debug)]
pub struct Person {
    /// Who
    #[arg(value_parser = name)]
    pub name: Name,
}

/// `valise contact verify`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Example:\n  valise contact verify karim")]
pub struct Verify {
    /// Who
    #[arg(value_parser = name)]
    pub name: Name,
    /// The words are the same: do not ask
    #[arg(short, long)]
    pub yes: bool,
}

/// `valise device`.
#[derive(Clone, Debug, Subcommand)]
pub enum Device {
    /// List your devices
    #[command(after_help = "Example:\n  valise device list")]
    List,
    /// Give a device a name that only you see
    Rename(DeviceRename),
    /// Revoke one of your devices
    Revoke(DeviceRevoke),
    /// Show this device
    #[command(after_help = "Example:\n  valise device this")]
    This,
}

/// `valise device rename`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Example:\n  valise device rename k3x7q2mp 'at home'")]
pub struct DeviceRename {
    /// Its id, or the beginning of it
    #[arg(value_name = "ID")]
    pub device: String,
    /// What to call it
    pub label: String,
}

/// `valise device revoke`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Example:\n  valise device revoke k3x7q2mp")]
pub struct DeviceRevoke {
    /// Its id, or the beginning of it
    #[arg(value_name = "ID")]
    pub device: String,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
}

/// `valise witness`.
#[derive(Clone, Debug, Subcommand)]
pub enum WitnessCommand {
    /// Make a witness of one organisation's log
    Init(WitnessInit),
    /// Run the witness
    Serve(WitnessServe),
    /// Show its name, its key and what it has signed
    #[command(after_help = "Example:\n  valise witness show")]
    Show,
    /// Print two heads of a log that contradict each other
    Evidence(WitnessEvidence),
}

/// `valise witness evidence`.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Where both heads and the proof are here, anybody can check them with the organisation card: valise log \
        evidence check. Two heads alone may be a stranger's work: compare them with valise log head.\n\n\
        Example:\n  valise witness evidence --out fork.txt"
)]
pub struct WitnessEvidence {
    /// Which, as valise witness show numbers them; without it, the newest
    #[arg(value_name = "N")]
    pub number: Option<usize>,
    /// Write it to this new file instead of stdout
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// `valise witness init`.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "A witness signs in what order heads of the log came, and when; it signs no fact and reads no \
        letter. So it needs no security key, and may run on an admin's laptop or at a partner's. It never \
        signs two histories. Keep its folder: a copy that is put back forgets what was promised.\n\n\
        Example:\n  valise witness init card.valise --name campagne.example/witness"
)]
pub struct WitnessInit {
    /// The organisation card: a file
    pub card: PathBuf,
    /// What it is called; without it, the server's host and letters of its key
    #[arg(long)]
    pub name: Option<String>,
}

/// `valise witness serve`.
#[derive(Args, Clone, Copy, Debug)]
#[command(
    after_help = "It speaks plain HTTP: what passes is public, and signed on both sides. The server's operator writes \
        the address beside the name in valised.toml, under [witnesses].\n\n\
        Example:\n  valise witness serve --listen 10.0.0.2:7345"
)]
pub struct WitnessServe {
    /// Address and port
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7345")]
    pub listen: SocketAddr,
}

/// `valise search`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  valise search budget\n  valise search 'point presse' bus")]
pub struct Search {
    /// Words, or phrases in quotes
    #[arg(required = true)]
    pub query: Vec<String>,
}

/// `valise help`.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Examples:\n  valise help send\n  valise help exit-codes\n  valise help V0406"
)]
pub struct Help {
    /// A command, exit-codes, errors, or a code such as V0406
    pub topic: Vec<String>,
}

fn name(text: &str) -> Result<Name, &'static str> {
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

#[cfg(test)]
mod tests;
