//! The organisation card as the data folder keeps it, and whether this server still is the one on it.
//! Clients pin it: one with another key makes each of them alarm, so it had better not serve.

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use valise_proto::{
    card::{Card, ServerUrl},
    id::{Hash, OrgId},
};

use crate::{
    config::Config,
    directory::{LogKey, OpenError},
    tls::{self, TlsError, write_private},
};

/// The card's name in the data folder, and in a backup.
pub const FILE: &str = "card.valise";

/// The card cannot be read, or this server is not the one on it.
#[derive(Debug, thiserror::Error)]
pub enum CardError {
    /// It cannot be read.
    #[error("{path}: {source}")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is no card.
    #[error(
        "{0} is no organisation card, so nothing was done. Put the card in its place that people joined with"
    )]
    MisuseCard(PathBuf),
    /// The folder is from before cards were kept.
    #[error(
        "{0} is not there: this data folder keeps no card. Put the one there that people joined with"
    )]
    MisuseNoCard(PathBuf),
    /// Something is not what the card says.
    #[error(
        "the {what} is {found}, and {card} has {pinned}. Nothing is served: every client would refuse it and \
         alarm. Put back what was there before, such as from a backup: valised backup restore --help"
    )]
    MisuseOther {
        /// What differs.
        what: &'static str,
        /// What there is.
        found: String,
        /// What the card has.
        pinned: String,
        /// Which card.
        card: PathBuf,
    },
    /// No TLS certificate to compare.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// No log key to compare.
    #[error(transparent)]
    Log(#[from] OpenError),
}

/// A card, and where it is kept.
#[derive(Clone, Debug)]
pub struct KeptCard {
    /// What it says.
    pub card: Card,
    path: PathBuf,
}

impl KeptCard {
    /// Keeps `card` in `data`, which has none.
    pub fn keep(data: &Path, card: &Card) -> Result<(), TlsError> {
        write_private(&data.join(FILE), card.to_string().as_bytes())
    }

    /// The card in `data`; `None` in a folder from before cards were kept.
    pub fn read(data: &Path) -> Result<Option<Self>, CardError> {
        let path = data.join(FILE);
        let failed = |source| CardError::File {
            path: path.clone(),
            source,
        };
        let file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.map_err(failed)?,
        };
        let most = u64::try_from(Card::MAX).unwrap_or(u64::MAX);
        let mut bytes = Vec::new();
        let mut file = file.take(most.saturating_add(1));
        file.read_to_end(&mut bytes).map_err(failed)?;
        let card = str::from_utf8(&bytes)
            .ok()
            .and_then(|text| text.parse().ok());
        match card {
            Some(card) => Ok(Some(Self { card, path })),
            None => Err(CardError::MisuseCard(path)),
        }
    }

    /// The card in `data`, which must have one.
    pub fn expect(data: &Path) -> Result<Self, CardError> {
        Self::read(data)?.ok_or_else(|| CardError::MisuseNoCard(data.join(FILE)))
    }

    /// Refuses another TLS key or log key than the card's.
    pub fn check_keys(&self, config: &Config) -> Result<(), CardError> {
        self.compare("TLS key", &tls::pin(config)?, &self.card.tls)?;
        let hash = |key: valise_proto::key::Ed25519Key| Hash(key.to_bytes());
        let found = LogKey::load(config)?.public();
        self.compare("log key", &hash(found), &hash(self.card.log))
    }

    /// Refuses another organisation or address than the card's.
    pub fn check_log(&self, org: OrgId, url: &ServerUrl) -> Result<(), CardError> {
        self.compare("log's organisation", &org, &self.card.org)?;
        self.compare("server's address", url, &self.card.url)
    }

    fn compare<T: PartialEq + ToString>(
        &self,
        what: &'static str,
        found: &T,
        pinned: &T,
    ) -> Result<(), CardError> {
        if found == pinned {
            return Ok(());
        }
        Err(CardError::MisuseOther {
            what,
            found: found.to_string(),
            pinned: pinned.to_string(),
            card: self.path.clone(),
        })
    }
}
