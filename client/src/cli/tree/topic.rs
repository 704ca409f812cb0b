//! What one types about the program itself: `config`, `help`.

use clap::{Args, Subcommand};

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

/// `valise help`.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Examples:\n  valise help send\n  valise help exit-codes\n  valise help V0406"
)]
pub struct Help {
    /// A command, exit-codes, errors, or a code such as V0406
    pub topic: Vec<String>,
}
