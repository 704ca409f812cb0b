//! A line to the other servers by NATS: its core protocol, as far as one subject needs it.
//!
//! Commands are lines (<https://docs.nats.io/reference/reference-protocols/nats-protocol>). Without TLS: what is
//! said names devices and nothing else, and NATS stands in the servers' own network, as the database does.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::Mutex,
    time::timeout,
};

/// Bytes of a command at most: the server's first one describes it.
const COMMAND_MAX: u64 = 64 * 1024;
/// Bytes of a word at most.
const WORD_MAX: usize = 8 * 1024;
/// How long connecting and saying may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long NATS may be silent: it pings every two minutes.
const SILENCE: Duration = Duration::from_mins(5);
/// NATS' own port.
const PORT: u16 = 4222;

/// The line is cut.
#[derive(Debug, thiserror::Error)]
pub enum NatsError {
    /// No connection, or it ended.
    #[error("NATS cannot be reached")]
    Connection(#[from] io::Error),
    /// It said nothing for too long.
    #[error("NATS does not answer")]
    PeerSlow,
    /// Not what NATS says.
    #[error("NATS says something else than its protocol")]
    PeerMalformed,
    /// It wants TLS.
    #[error("NATS requires TLS: let it listen in the servers' own network without")]
    PeerTls,
    /// It refuses.
    #[error("NATS refuses this server: check its address in valised.toml")]
    PeerRefuses,
    /// There is no line at the moment.
    #[error("NATS is not connected")]
    NoLine,
}

/// Where NATS is, and the way there.
#[derive(Debug)]
pub(super) struct Nats {
    address: (String, u16),
    connect: String,
    subject: String,
    out: Mutex<Option<OwnedWriteHalf>>,
}

impl Nats {
    /// From `nats://[NAME:PASSWORD@]HOST[:PORT]`; `None` when it is no such address.
    pub(super) fn new(url: &str, subject: String) -> Option<Self> {
        let url: url::Url = url.parse().ok()?;
        if url.scheme() != "nats" {
            return None;
        }
        let named = !url.username().is_empty();
        let connect = serde_json::json!({
            "verbose": false,
            "pedantic": false,
            "tls_required": false,
            "lang": "rust",
            "version": env!("CARGO_PKG_VERSION"),
            "name": "valised",
            "protocol": 0,
            "echo": false,
            "user": named.then_some(url.username()),
            "pass": named.then(|| url.password().unwrap_or_default()),
        });
        Some(Self {
            address: (url.host_str()?.to_owned(), url.port().unwrap_or(PORT)),
            connect: format!("CONNECT {connect}\r\nSUB {subject} 1\r\nPING\r\n"),
            subject,
            out: Mutex::default(),
        })
    }

    /// Opens a line, by which others are told too from now on.
    pub(super) async fn open(&self) -> Result<Heard, NatsError> {
        let stream = timeout(PATIENCE, TcpStream::connect(&self.address));
        let stream = stream.await.map_err(|_| NatsError::PeerSlow)??;
        stream.set_nodelay(true)?;
        let (from, mut out) = stream.into_split();
        let mut heard = Heard(BufReader::new(from));
        let info = heard.command().await?;
        if !info.starts_with("INFO ") {
            return Err(NatsError::PeerMalformed);
        }
        if info.contains("\"tls_required\":true") {
            return Err(NatsError::PeerTls);
        }
        out.write_all(self.connect.as_bytes()).await?;
        *self.out.lock().await = Some(out);
        Ok(heard)
    }

    /// The next word of the others; `None`, once, when the line stands: what was said before was missed.
    pub(super) async fn next(&self, heard: &mut Heard) -> Result<Option<String>, NatsError> {
        loop {
            let line = heard.command().await?;
            let mut parts = line.split_ascii_whitespace();
            match parts.next() {
                // The answer to our first question: from here on we hear.
                Some("PONG") => return Ok(None),
                Some("PING") => self.write("PONG\r\n").await?,
                Some("MSG") => {
                    let bytes = parts.next_back().and_then(|bytes| bytes.parse().ok());
                    return Ok(Some(heard.word(bytes).await?));
                }
                Some("+OK" | "INFO") => {}
                Some("-ERR") => return Err(NatsError::PeerRefuses),
                _ => return Err(NatsError::PeerMalformed),
            }
        }
    }

    /// Says `word` to the others.
    pub(super) async fn say(&self, word: &str) -> Result<(), NatsError> {
        let (subject, length) = (&self.subject, word.len());
        self.write(&format!("PUB {subject} {length}\r\n{word}\r\n"))
            .await
    }

    async fn write(&self, text: &str) -> Result<(), NatsError> {
        let mut out = self.out.lock().await;
        let line = out.as_mut().ok_or(NatsError::NoLine)?;
        let written = timeout(PATIENCE, line.write_all(text.as_bytes())).await;
        let written = written.map_err(|_| NatsError::PeerSlow);
        let written = written.and_then(|written| Ok(written?));
        if written.is_err() {
            // Half a command may have gone: nothing is said on this line any more, and it ends.
            *out = None;
        }
        written
    }
}

/// What comes by a line.
#[derive(Debug)]
pub(super) struct Heard(BufReader<OwnedReadHalf>);

impl Heard {
    /// One command, without its end.
    async fn command(&mut self) -> Result<String, NatsError> {
        let mut line = Vec::new();
        let mut bounded = (&mut self.0).take(COMMAND_MAX);
        let read = timeout(SILENCE, bounded.read_until(b'\n', &mut line));
        read.await.map_err(|_| NatsError::PeerSlow)??;
        if line.is_empty() {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        let text = line.strip_suffix(b"\r\n").ok_or(NatsError::PeerMalformed)?;
        String::from_utf8(text.to_vec()).map_err(|_| NatsError::PeerMalformed)
    }

    /// What follows a command that announces so many bytes.
    async fn word(&mut self, bytes: Option<usize>) -> Result<String, NatsError> {
        let bytes = bytes.filter(|bytes| *bytes <= WORD_MAX);
        let mut word = vec![0; bytes.ok_or(NatsError::PeerMalformed)? + 2];
        let all = timeout(PATIENCE, self.0.read_exact(&mut word));
        all.await.map_err(|_| NatsError::PeerSlow)??;
        let text = word.strip_suffix(b"\r\n").ok_or(NatsError::PeerMalformed)?;
        String::from_utf8(text.to_vec()).map_err(|_| NatsError::PeerMalformed)
    }
}
