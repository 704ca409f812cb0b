//! `valised`: parse, run, exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    valise_server::cli::main()
}
