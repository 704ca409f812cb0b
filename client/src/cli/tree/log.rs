//! What one types about the directory log: `log`, `witness`.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Subcommand};

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
