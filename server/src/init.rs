//! A data folder from a founding's genesis file, and the organisation card.

use std::{
    fs, io,
    net::SocketAddr,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
};

use valise_proto::{
    card::{Card, ServerUrl},
    codec::{Bytes, decode},
    log::GenesisFile,
};

use crate::{
    card::KeptCard,
    clock::{Clock, SystemClock},
    config::{Config, FILE, MisuseConfig},
    directory::{Log, LogKey, OpenError, replay},
    store::{Store, StoreError},
    tls::{self, TlsError},
};

/// The data folder cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// Not a genesis file.
    #[error("this is not a genesis file")]
    MisuseGenesis,
    /// Its entries do not make an organisation.
    #[error("the genesis file does not found an organisation")]
    Log(#[from] OpenError),
    /// There is something in the folder.
    #[error("{0} is not empty: an organisation is founded once")]
    MisuseNotEmpty(PathBuf),
    /// The folder cannot be made.
    #[error("{path}: {source}")]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The environment says something impossible.
    #[error(transparent)]
    Config(#[from] MisuseConfig),
    /// No TLS identity or log key.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Makes the empty or absent folder `data` that of the organisation that `genesis` founds: the
/// configuration, the TLS identity, the log key, the database and the card. Nothing is made before the whole
/// genesis file was replayed.
pub async fn init(data: &Path, genesis: &[u8], listen: SocketAddr) -> Result<Card, InitError> {
    init_on(data, genesis, listen, None).await
}

/// The same, in the empty database at this address, which the configuration then names.
pub async fn init_on(
    data: &Path,
    genesis: &[u8],
    listen: SocketAddr,
    database: Option<&str>,
) -> Result<Card, InitError> {
    let file: GenesisFile = decode(genesis).map_err(|_| InitError::MisuseGenesis)?;
    let entries: Vec<&[u8]> = file.entries.iter().map(Bytes::as_slice).collect();
    let directory = replay(entries.iter().copied())?;
    let url: ServerUrl = directory
        .genesis()
        .url
        .as_str()
        .parse()
        .map_err(|_| InitError::MisuseGenesis)?;
    make_folder(data)?;
    let mut text = format!(
        "# The Valise server. `valised config show` lists every key and its value.\nlisten = \"{listen}\"\n"
    );
    if let Some(url) = database {
        let url = toml::Value::from(url);
        text.extend([format!("database = {url}\n")]);
    }
    tls::write_private(&data.join(FILE), text.as_bytes())?;
    let config = Config::load(data)?;
    if config.tls_certificate.is_none() {
        tls::make(&config, url.host(), SystemClock.now_ms())?;
    }
    LogKey::make(&config)?;
    let key = LogKey::load(&config)?;
    let store = Store::open(&config.database_url()).await?;
    Log::found(&store, &key, &entries).await?;
    store.close().await;
    let card = Card {
        url,
        org: directory.org(),
        tag: directory.genesis().tag,
        tls: tls::pin(&config)?,
        log: key.public(),
    };
    KeptCard::keep(data, &card)?;
    Ok(card)
}

/// An empty folder that only its owner enters.
fn make_folder(path: &Path) -> Result<(), InitError> {
    let failed = |source| InitError::Folder {
        path: path.to_owned(),
        source,
    };
    let made = fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .and_then(|()| fs::read_dir(path));
    if made.map_err(failed)?.next().is_some() {
        return Err(InitError::MisuseNotEmpty(path.to_owned()));
    }
    fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(failed)
}
