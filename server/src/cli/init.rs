//! `valised init`

use std::{fs, io, net::SocketAddr, path::Path};

use valise_proto::{codec::Limited, log::GenesisFile};

use super::{CommandError, runtime, say};
use crate::init::{InitError, init};

pub(super) fn run(
    data: &Path,
    genesis: &Path,
    listen: SocketAddr,
    card: &Path,
) -> Result<(), CommandError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source: io::Error| CommandError::File { path, source }
    };
    let size = fs::metadata(genesis).map_err(failed(genesis))?.len();
    if usize::try_from(size).is_ok_and(|size| size > GenesisFile::MAX) {
        return Err(InitError::MisuseGenesis.into());
    }
    let file = fs::read(genesis).map_err(failed(genesis))?;
    let made = runtime(1)?.block_on(init(data, &file, listen))?;
    fs::write(card, made.to_string()).map_err(failed(card))?;
    say(&format!(
        "valised: made {} for {}; hand out {}",
        data.display(),
        made.url,
        card.display()
    ))
}
