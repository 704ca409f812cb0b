//! `valise`.

use std::process::ExitCode;

fn main() -> ExitCode {
    valise_client::cli::main()
}
