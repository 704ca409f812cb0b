//! A line to the other servers by NATS. The library keeps it: it connects, and again whenever it is cut.
//!
//! What is said names devices and nothing else, and is a hint: nobody waits for a NATS that is not there.

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_nats::{
    Client, ClientError, ConnectErrorKind, ConnectOptions, Event, ServerAddr, ServerError,
    Subscriber, connection::State,
};
use futures_util::StreamExt as _;
use serde::Deserialize;
use tokio::{sync::mpsc, time::timeout};
use url::Url;

use crate::config::Config;

/// How long connecting and saying may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Before the first attempt to connect.
const FIRST: Duration = Duration::from_millis(100);
/// Before each later one.
const AGAIN: Duration = Duration::from_secs(1);
/// Words that wait at most, on their way in and on their way out.
const WORDS_MAX: usize = 256;
/// Bytes of a word at most.
const WORD_MAX: usize = 8 * 1024;
/// What the library tells of a line, waiting to be read.
const EVENTS_MAX: usize = 16;
/// Bytes of a file of credentials at most.
const CREDENTIALS_MAX: u64 = 64 * 1024;
/// Characters of what NATS says, in a log at most.
const SAID_MAX: usize = 200;
/// What is in NATS' own files of credentials.
const JWT: &str = "-----BEGIN NATS USER JWT-----";

/// The line is cut, or not whole.
#[derive(Debug, thiserror::Error)]
pub enum NatsError {
    /// No connection.
    #[error("NATS cannot be reached ({0}): check nats and nats_ca in valised.toml")]
    PeerUnreachable(String),
    /// It takes nothing.
    #[error("NATS takes nothing")]
    PeerSlow,
    /// It does not know the credentials.
    #[error("NATS refuses this server: check nats_credentials in valised.toml")]
    PeerRefuses,
    /// It complains.
    #[error("NATS says {0:?}")]
    PeerSays(String),
    /// There is no line at the moment.
    #[error("NATS is not connected")]
    NoLine,
    /// The library has given the line up.
    #[error("the line to NATS has ended")]
    Ended,
}

/// What the configuration says of NATS cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MisuseNats {
    /// No such address.
    #[error(
        "nats is not nats://HOST:PORT or tls://HOST:PORT, with commas between several: correct it in valised.toml"
    )]
    Address,
    /// A secret where logs may show it.
    #[error(
        "nats holds credentials: put them into a file, and its path into nats_credentials in valised.toml"
    )]
    Secret,
    /// The file of credentials cannot be read.
    #[error("nats_credentials cannot be read: {}", path.display())]
    Credentials {
        /// Where it should be.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file of credentials holds something else. What it holds is not shown.
    #[error("nats_credentials is no file of credentials, see valised config example: {}", .0.display())]
    Form(PathBuf),
}

/// A file of credentials: a user with its password, or a token, or the seed of an nkey.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Credentials {
    user: Option<String>,
    password: Option<String>,
    token: Option<String>,
    nkey: Option<String>,
}

/// Where NATS is, and the way there.
#[derive(Debug)]
pub(super) struct Nats {
    addresses: Vec<ServerAddr>,
    options: ConnectOptions,
    subject: String,
    /// What this server says to itself: from when it comes back, everything is heard.
    mark: String,
    client: Mutex<Option<Client>>,
}

/// What comes by a line.
#[derive(Debug)]
pub(super) struct Heard {
    words: Subscriber,
    events: mpsc::Receiver<Event>,
}

impl Nats {
    /// As the configuration says, if it names one; for the server of this name.
    pub(super) fn new(
        config: &Config,
        name: &str,
        subject: &str,
    ) -> Result<Option<Self>, MisuseNats> {
        let Some(addresses) = &config.nats else {
            return Ok(None);
        };
        let addresses: Result<_, _> = addresses.split(',').map(address).collect();
        let mut options = ConnectOptions::new()
            .name("valised")
            .connection_timeout(PATIENCE)
            .retry_on_initial_connect()
            .reconnect_delay_callback(|attempt| if attempt > 1 { AGAIN } else { FIRST })
            // Credentials go nowhere but where the operator said.
            .ignore_discovered_servers()
            .subscription_capacity(WORDS_MAX)
            .client_capacity(WORDS_MAX);
        if let Some(path) = &config.nats_ca {
            options = options.add_root_certificates(path.clone());
        }
        if let Some(path) = &config.nats_credentials {
            options = with_credentials(options, path)?;
        }
        Ok(Some(Self {
            addresses: addresses?,
            options,
            subject: subject.to_owned(),
            mark: format!("{name} here"),
            client: Mutex::default(),
        }))
    }

    /// Opens a line, by which others are told too from now on. NATS need not be there yet.
    pub(super) async fn open(&self) -> Result<Heard, NatsError> {
        let (told, events) = mpsc::channel(EVENTS_MAX);
        let options = self.options.clone().event_callback(move |event| {
            let told = told.clone();
            async move {
                // Whoever does not listen any more need not know.
                let _gone = told.send(event).await;
            }
        });
        let client = options.connect(&self.addresses).await;
        let client = client.map_err(|error| NatsError::PeerUnreachable(error.to_string()))?;
        let words = client.subscribe(self.subject.clone()).await;
        let words = words.map_err(|_| NatsError::Ended)?;
        *self.client() = Some(client);
        Ok(Heard { words, events })
    }

    /// The next word of the others; `None` when the line stands: what was said before was missed.
    pub(super) async fn next(&self, heard: &mut Heard) -> Result<Option<String>, NatsError> {
        loop {
            tokio::select! {
                event = heard.events.recv() => match event.ok_or(NatsError::Ended)? {
                    // NATS reads this after what it is asked to send to us.
                    Event::Connected => self.write(self.mark.clone()).await?,
                    Event::SlowConsumer(_) => return Ok(None),
                    Event::ClientError(error) => return Err(of_client(&error)),
                    Event::ServerError(error) => return Err(of_server(&error)),
                    _ => {}
                },
                word = heard.words.next() => {
                    let word = word.ok_or(NatsError::Ended)?.payload;
                    if word == self.mark {
                        return Ok(None);
                    }
                    // A word that is too long, or no text, is none.
                    if word.len() <= WORD_MAX && let Ok(word) = String::from_utf8(word.into()) {
                        return Ok(Some(word));
                    }
                }
            }
        }
    }

    /// Says `word` to the others, if there is a line: it does not wait for one.
    pub(super) async fn say(&self, word: &str) -> Result<(), NatsError> {
        let state = self.client().as_ref().map(Client::connection_state);
        if state != Some(State::Connected) {
            return Err(NatsError::NoLine);
        }
        self.write(word.to_owned()).await
    }

    async fn write(&self, text: String) -> Result<(), NatsError> {
        let client = self.client().clone().ok_or(NatsError::NoLine)?;
        let published = timeout(PATIENCE, client.publish(self.subject.clone(), text.into()));
        let published = published.await.map_err(|_| NatsError::PeerSlow)?;
        published.map_err(|_| NatsError::Ended)
    }

    fn client(&self) -> MutexGuard<'_, Option<Client>> {
        self.client.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn address(text: &str) -> Result<ServerAddr, MisuseNats> {
    let url: Url = text.trim().parse().map_err(|_| MisuseNats::Address)?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(MisuseNats::Secret);
    }
    let plain = matches!(url.path(), "" | "/") && url.query().is_none();
    if !plain || !matches!(url.scheme(), "nats" | "tls") || url.host_str().is_none_or(str::is_empty)
    {
        return Err(MisuseNats::Address);
    }
    ServerAddr::from_url(url).map_err(|_| MisuseNats::Address)
}

fn with_credentials(options: ConnectOptions, path: &Path) -> Result<ConnectOptions, MisuseNats> {
    let mut text = String::new();
    let read =
        File::open(path).and_then(|file| file.take(CREDENTIALS_MAX).read_to_string(&mut text));
    read.map_err(|source| MisuseNats::Credentials {
        path: path.to_owned(),
        source,
    })?;
    // Errors of both forms show what is in the file: they go no further.
    let form = || MisuseNats::Form(path.to_owned());
    if text.contains(JWT) {
        return options.credentials(&text).map_err(|_| form());
    }
    let credentials: Credentials = toml::from_str(&text).map_err(|_| form())?;
    let Credentials {
        user,
        password,
        token,
        nkey,
    } = credentials;
    match (user, password, token, nkey) {
        (Some(user), Some(password), None, None) => Ok(options.user_and_password(user, password)),
        (None, None, Some(token), None) => Ok(options.token(token)),
        (None, None, None, Some(seed)) => Ok(options.nkey(seed)),
        _ => Err(form()),
    }
}

fn of_client(error: &ClientError) -> NatsError {
    let ClientError::Other(text) = error else {
        return NatsError::PeerUnreachable(error.to_string());
    };
    let refusals = [
        ConnectErrorKind::AuthorizationViolation,
        ConnectErrorKind::Authentication,
    ];
    // The library hands on no more than the name of the error.
    if refusals.iter().any(|refusal| refusal.to_string() == *text) {
        return NatsError::PeerRefuses;
    }
    NatsError::PeerUnreachable(text.clone())
}

fn of_server(error: &ServerError) -> NatsError {
    match error {
        ServerError::AuthorizationViolation => NatsError::PeerRefuses,
        other => NatsError::PeerSays(other.to_string().chars().take(SAID_MAX).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configured(nats: &str, credentials: Option<&str>) -> Result<Option<Nats>, MisuseNats> {
        let data = tempfile::tempdir().unwrap();
        let path = data.path().join("nats.toml");
        let config = Config {
            nats: Some(nats.to_owned()),
            nats_credentials: credentials.map(|text| {
                std::fs::write(&path, text).unwrap();
                path
            }),
            ..Config::default()
        };
        Nats::new(&config, "one", "valise_test")
    }

    #[test]
    fn addresses_are_some_of_nats_and_hold_no_secret() {
        let both = "nats://one:4222, tls://[::1]";
        let nats = configured(both, None).unwrap().unwrap();
        assert_eq!(nats.addresses.len(), 2);
        for wrong in [
            "",
            "nats://one,",
            "http://one",
            "one",
            "nats://one/path",
            "nats://",
        ] {
            let refused = configured(wrong, None).unwrap_err();
            assert!(matches!(refused, MisuseNats::Address), "{wrong}");
        }
        for secret in ["nats://token@one", "nats://a,tls://valise:hunter2@one"] {
            let refused = configured(secret, None).unwrap_err();
            assert!(matches!(refused, MisuseNats::Secret), "{secret}");
            assert!(!refused.to_string().contains("hunter2"));
        }
    }

    #[test]
    fn credentials_are_of_one_kind_and_nothing_shows_them() {
        let nkey = "SUANQDPB2RUOE4ETUA26CNX7FUKE5ZZKFCQIIW63OX225F2CO7UEXTM7ZY";
        let good = [
            "user = \"valise\"\npassword = \"hunter2\"",
            "token=\"hunter2\"",
            &format!("nkey=\"{nkey}\""),
            &format!(
                "{JWT}\nhunter2\n------END------\n\n-----BEGIN-----\n{nkey}\n------END------\n"
            ),
        ];
        for text in good {
            let nats = configured("nats://one", Some(text)).unwrap();
            let shown = format!("{nats:?}");
            assert!(
                !shown.contains("hunter2") && !shown.contains(nkey),
                "{shown}"
            );
        }
        let wrong = [
            "",
            "user = \"valise\"",
            "token=\"hunter2\"\nnkey=\"hunter2\"",
            "tokens = \"hunter2\"",
            "hunter2",
            &format!("{JWT}\nhunter2\n"),
        ];
        for text in wrong {
            let refused = configured("nats://one", Some(text)).unwrap_err();
            assert!(matches!(refused, MisuseNats::Form(_)), "{text}");
            let shown = format!("{refused:?} {}", crate::Chain(&refused));
            assert!(!shown.contains("hunter2"), "{shown}");
        }
    }
}
