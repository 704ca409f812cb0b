//! `valised init`: a data folder from a founding's genesis file, and the organisation card.

use std::{
    fs, io,
    net::SocketAddr,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::Path,
};

use valise_proto::{
    card::{Card, ServerUrl},
    codec::{Bytes, Limited, decode},
    log::GenesisFile,
};

use super::{CommandError, runtime, say};
use crate::{
    clock::{Clock, SystemClock},
    config::{Config, FILE},
    directory::{Log, LogKey, replay},
    store::Store,
    tls,
};

pub(super) fn run(
    data: &Path,
    genesis: &Path,
    listen: SocketAddr,
    card: &Path,
) -> Result<(), CommandError> {
    let entries = read_genesis(genesis)?;
    let entries: Vec<&[u8]> = entries.iter().map(Bytes::as_slice).collect();
    let directory = replay(entries.iter().copied())?;
    let url: ServerUrl = directory
        .genesis()
        .url
        .as_str()
        .parse()
        .map_err(|_| CommandError::MisuseGenesis(genesis.to_owned()))?;
    make_folder(data)?;
    let file = data.join(FILE);
    let text = format!(
        "# The Valise server. `valised config show --data …` lists every key and its default.\nlisten = \"{listen}\"\n"
    );
    tls::write_private(&file, text.as_bytes())?;
    let config = Config::load(data)?;
    if config.tls_certificate.is_none() {
        tls::make(&config, url.host(), SystemClock.now_ms())?;
    }
    LogKey::make(&config)?;
    let key = LogKey::load(&config)?;
    let made = Card {
        url,
        org: directory.org(),
        tag: directory.genesis().tag,
        tls: tls::pin(&config)?,
        log: key.public(),
    };
    runtime(1)?.block_on(async {
        let store = Store::open(&config.database_url()).await?;
        Log::found(&store, &key, &entries).await?;
        store.close().await;
        Ok::<_, CommandError>(())
    })?;
    fs::write(card, made.to_string()).map_err(|source| file_error(card, source))?;
    say(&format!(
        "valised: made {} for {}; hand out {}",
        data.display(),
        made.url,
        card.display()
    ))
}

fn read_genesis(path: &Path) -> Result<Vec<Bytes<16384>>, CommandError> {
    let size = fs::metadata(path).map_err(|source| file_error(path, source))?;
    let not_one = || CommandError::MisuseGenesis(path.to_owned());
    if usize::try_from(size.len()).is_ok_and(|size| size > GenesisFile::MAX) {
        return Err(not_one());
    }
    let bytes = fs::read(path).map_err(|source| file_error(path, source))?;
    let file: GenesisFile = decode(&bytes).map_err(|_| not_one())?;
    Ok(file.entries)
}

/// An empty folder that only its owner enters.
fn make_folder(path: &Path) -> Result<(), CommandError> {
    let made = fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .and_then(|()| fs::read_dir(path));
    let mut entries = made.map_err(|source| file_error(path, source))?;
    if entries.next().is_some() {
        return Err(CommandError::MisuseNotEmpty(path.to_owned()));
    }
    fs::set_permissions(path, fs::Permissions::from_mode(0o700))
        .map_err(|source| file_error(path, source))
}

fn file_error(path: &Path, source: io::Error) -> CommandError {
    CommandError::File {
        path: path.to_owned(),
        source,
    }
}
