//! `valised init`

use std::{
    fs::{self, File},
    io::{self, Read},
    net::SocketAddr,
    path::Path,
};

use valise_proto::{codec::Limited, log::GenesisFile};

use super::{CommandError, give, runtime, say};
use crate::init::{InitError, init};

/// Standard input, or standard output.
const STANDARD: &str = "-";

pub(super) fn run(
    data: &Path,
    genesis: &Path,
    listen: SocketAddr,
    card: &Path,
) -> Result<(), CommandError> {
    let file = read(genesis)?;
    if file.len() > GenesisFile::MAX {
        return Err(InitError::MisuseGenesis.into());
    }
    let made = runtime(1)?.block_on(init(data, &file, listen))?;
    if card == Path::new(STANDARD) {
        return give(&made.to_string());
    }
    fs::write(card, made.to_string()).map_err(failed(card))?;
    say(&format!(
        "valised: made {} for {}; hand out {}",
        data.display(),
        made.url,
        card.display()
    ))
}

/// The file, or one byte more than any may have.
fn read(path: &Path) -> Result<Vec<u8>, CommandError> {
    let most = u64::try_from(GenesisFile::MAX).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    let source: Box<dyn Read> = if path == Path::new(STANDARD) {
        Box::new(io::stdin().lock())
    } else {
        Box::new(File::open(path).map_err(failed(path))?)
    };
    let mut source = source.take(most.saturating_add(1));
    source.read_to_end(&mut bytes).map_err(failed(path))?;
    Ok(bytes)
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> CommandError {
    let path = path.to_owned();
    move |source| CommandError::File { path, source }
}
