//! Configuration: one struct, `valised.toml` in the data folder, then `VALISED_*`; every limit with its default.

use std::{
    collections::BTreeMap,
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use figment::{
    Figment,
    providers::{Env, Format, Serialized, Toml},
};
use serde::{Deserialize, Serialize};

/// The configuration file's name inside the data folder.
pub const FILE: &str = "valised.toml";
/// The SQLite database's name inside the data folder.
pub const DATABASE: &str = "valise.db";
/// What environment variables begin with.
const ENVIRONMENT: &str = "VALISED_";

/// Everything that an operator may choose. What an organisation decides is in its log instead.
#[derive(Clone, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where everything is kept: set by `--data`, not by the file.
    #[serde(skip)]
    pub data: PathBuf,
    /// Address and port to listen on.
    pub listen: SocketAddr,
    /// Address and port of the operator's own listener, if there is to be one: `/metrics`, `/healthz`,
    /// `/readyz`. It speaks plain HTTP and asks nobody who he is: keep it on this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics_listen: Option<SocketAddr>,
    /// Where a collector takes traces by OTLP over HTTP: `http://HOST:PORT`. They say how long requests took, by
    /// route, and nothing of people. Default: nobody gets any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub otlp: Option<String>,
    /// TLS certificate chain, PEM. Default: the self-made one in the data folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_certificate: Option<PathBuf>,
    /// TLS private key, PEM. Default: the self-made one in the data folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_key: Option<PathBuf>,
    /// `postgres:` URL. Default: SQLite in the data folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// `nats:` or `tls:` URL, or several with commas between them. Several servers on one PostgreSQL tell
    /// each other by NATS that there is something for somebody. Default: by the database.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nats: Option<String>,
    /// How NATS knows this server: a TOML file with `user` and `password`, or `token`, or `nkey` (its seed),
    /// or a file of credentials as NATS' own tools write it. Default: NATS asks nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nats_credentials: Option<PathBuf>,
    /// Who may certify NATS, PEM, for `tls:`. Default: whom this machine trusts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nats_ca: Option<PathBuf>,
    /// What this server is called among several: `valised node list`. Default: this machine's name and the
    /// port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// How often a push stream is pinged; where several servers share a PostgreSQL, it then also looks for
    /// what it was not told of: milliseconds.
    pub push_ping_ms: u64,
    /// Worker threads.
    pub threads: usize,
    /// Open connections at most.
    pub connections_max: usize,
    /// Open connections of one address (IPv6: one /64) at most.
    pub connections_per_ip_max: usize,
    /// A TLS handshake is given up after this long: milliseconds.
    pub handshake_timeout_ms: u64,
    /// A request's head is given up after this long: milliseconds.
    pub header_timeout_ms: u64,
    /// A connection on which nobody asked for anything this long is closed: milliseconds.
    pub idle_timeout_ms: u64,
    /// A request's body is given up after this long: milliseconds.
    pub body_timeout_ms: u64,
    /// Open requests are given this long at a stop: milliseconds.
    pub shutdown_timeout_ms: u64,
    /// Largest request body in bytes; each route has its own smaller limit.
    pub body_bytes_max: usize,
    /// Request bodies in memory at most, all together: bytes.
    pub bodies_bytes_max: u32,
    /// Asks that wait for an admin at most.
    pub enrolments_pending_max: u32,
    /// Asks of one address block (IPv4 /24, IPv6 /48) that wait at most; and as many challenges.
    pub enrolments_pending_per_block_max: u32,
    /// Enrolments that one address may begin in an hour.
    pub enrolments_per_ip_hour: u32,
    /// Logins that one address may begin in a minute.
    pub logins_per_ip_minute: u32,
    /// Requests without a session that one address may send in a minute: logins, asks and their status.
    pub sessionless_per_ip_minute: u32,
    /// Entries that one account may append in a minute.
    pub entries_per_account_minute: u32,
    /// Letters, commits and acknowledgements that one device may send in a minute: one of them counts
    /// again for each 16 KiB and each 16 groups.
    pub letters_per_device_minute: u32,
    /// What the letters and commits of one device in an hour may take on disk, all together: KiB.
    pub letter_kib_per_device_hour: u32,
    /// Commits, changes of who is in a group or of its keys, that one device may send into one group in a
    /// minute.
    pub commits_per_group_minute: u32,
    /// Key packages that one account may claim from one device in an hour.
    pub claims_per_target_hour: u32,
    /// One-time key packages kept of each device at most.
    pub key_packages_per_device_max: u64,
    /// Where attached files are kept: a folder, or `s3://BUCKET/PREFIX`. Default: `attachments` in the data
    /// folder. Files that are elsewhere are not moved: their readers do not find them any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attachments: Option<PathBuf>,
    /// Where S3 answers: `https://HOST:PORT`, or `http://` inside a network of its own. Default: Amazon's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub s3_endpoint: Option<String>,
    /// Region that requests to S3 are signed for. Default: `us-east-1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub s3_region: Option<String>,
    /// How S3 knows this server: a TOML file with `access_key_id` and `secret_access_key`. They must be
    /// allowed to put, get, delete and list objects in the bucket, and nothing else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub s3_credentials: Option<PathBuf>,
    /// Who may certify S3, PEM. Default: whom this machine trusts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub s3_ca: Option<PathBuf>,
    /// Largest attached file, encrypted: bytes.
    pub attachment_bytes_max: u64,
    /// What the files that one account has sent may take here, all together: bytes.
    pub attachments_per_account_bytes_max: u64,
    /// Files that one account has sent, kept here at most.
    pub attachments_per_account_max: u64,
    /// What everybody's files may take, all together: bytes.
    pub attachments_bytes_max: u64,
    /// So much of their disk stays free of attached files: percent.
    pub disk_reserve_percent: u8,
    /// `error`, `warn`, `info`, `debug`, `trace`.
    pub log_level: String,
    /// Form of log lines.
    pub log_format: LogFormat,
    /// Witnesses are asked to sign the log this often, beside after each entry: milliseconds.
    pub witness_interval_ms: u64,
    /// A witness' answer is given up after this long: milliseconds.
    pub witness_timeout_ms: u64,
    /// Whoever appends an entry, or reads it right then, waits this long for witnesses at most:
    /// milliseconds.
    pub witness_wait_ms: u64,
    /// Where witnesses are, by the names that they have in the log's policy: `http://HOST:PORT`.
    pub witnesses: BTreeMap<String, String>,
}

/// Form of log lines.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data: PathBuf::new(),
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8443),
            metrics_listen: None,
            otlp: None,
            tls_certificate: None,
            tls_key: None,
            database: None,
            nats: None,
            nats_credentials: None,
            nats_ca: None,
            node: None,
            push_ping_ms: 30_000,
            threads: 2,
            connections_max: 4096,
            connections_per_ip_max: 256,
            handshake_timeout_ms: 10_000,
            header_timeout_ms: 10_000,
            idle_timeout_ms: 300_000,
            body_timeout_ms: 60_000,
            shutdown_timeout_ms: 10_000,
            body_bytes_max: valise_proto::api::BODY_MAX,
            bodies_bytes_max: 128 << 20,
            enrolments_pending_max: 100,
            enrolments_pending_per_block_max: 20,
            enrolments_per_ip_hour: 60,
            logins_per_ip_minute: 60,
            sessionless_per_ip_minute: 240,
            entries_per_account_minute: 120,
            letters_per_device_minute: 12_000,
            letter_kib_per_device_hour: 128 << 10,
            commits_per_group_minute: 30,
            claims_per_target_hour: 120,
            key_packages_per_device_max: 200,
            attachments: None,
            s3_endpoint: None,
            s3_region: None,
            s3_credentials: None,
            s3_ca: None,
            attachment_bytes_max: 4 << 30,
            attachments_per_account_bytes_max: 16 << 30,
            attachments_per_account_max: 10_000,
            attachments_bytes_max: 256 << 30,
            disk_reserve_percent: 5,
            log_level: "info".to_owned(),
            log_format: LogFormat::Auto,
            witness_interval_ms: 15 * 60_000,
            witness_timeout_ms: 5_000,
            witness_wait_ms: 2_000,
            witnesses: BTreeMap::new(),
        }
    }
}

impl fmt::Debug for Config {
    /// Without the database URL, which may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("data", &self.data)
            .field("listen", &self.listen)
            .finish_non_exhaustive()
    }
}

/// The configuration cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the configuration is wrong: {0}")]
pub struct MisuseConfig(#[source] Box<figment::Error>);

impl Config {
    /// Defaults, then `valised.toml` in `data`, then the environment.
    pub fn load(data: &Path) -> Result<Self, MisuseConfig> {
        let config: Self = Self::sources(data)
            .extract()
            .map_err(|error| MisuseConfig(Box::new(error)))?;
        Ok(Self {
            data: data.to_owned(),
            ..config
        })
    }

    /// Defaults, then this text of a `valised.toml`.
    #[cfg(feature = "weaken")]
    pub(crate) fn parse(text: &str) -> Result<Self, MisuseConfig> {
        Figment::from(Serialized::defaults(Self::default()))
            .merge(Toml::string(text))
            .extract()
            .map_err(|error| MisuseConfig(Box::new(error)))
    }

    fn sources(data: &Path) -> Figment {
        Figment::from(Serialized::defaults(Self::default()))
            .merge(Toml::file_exact(data.join(FILE)))
            .merge(Env::prefixed(ENVIRONMENT).ignore(&["data"]))
    }

    /// Each set key, its value as TOML and where it came from.
    pub fn origins(data: &Path) -> Result<Vec<(String, String, String)>, MisuseConfig> {
        let config = Self::load(data)?;
        let sources = Self::sources(data);
        let table = toml::Table::try_from(&config).unwrap_or_default();
        Ok(table
            .into_iter()
            .map(|(key, value)| {
                let origin =
                    sources
                        .find_metadata(&key)
                        .map_or("default", |found| match &found.source {
                            Some(figment::Source::File(_)) => FILE,
                            _ if found.name.contains("environment") => "environment",
                            _ => "default",
                        });
                let value = match key.as_str() {
                    "database" | "nats" => "\"…\"".to_owned(),
                    // No place for a secret, and refused if there is one: but not shown either.
                    "attachments" | "s3_endpoint" if value.to_string().contains('@') => {
                        "\"…\"".to_owned()
                    }
                    _ => value.to_string(),
                };
                (key, value, origin.to_owned())
            })
            .collect())
    }

    /// The database's URL.
    pub fn database_url(&self) -> String {
        let in_folder = || Self::sqlite_url(&self.data.join(DATABASE));
        self.database.clone().unwrap_or_else(in_folder)
    }

    /// The URL of the SQLite database at `path`, which is made if it is not there.
    pub fn sqlite_url(path: &Path) -> String {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        url::Url::from_file_path(&path).map_or_else(
            |()| format!("sqlite://{}?mode=rwc", path.display()),
            |url| format!("sqlite://{}?mode=rwc", url.path()),
        )
    }

    /// The TLS certificate chain, PEM.
    pub fn tls_certificate_path(&self) -> PathBuf {
        self.tls_certificate
            .clone()
            .unwrap_or_else(|| self.data.join("tls.crt"))
    }

    /// The TLS private key, PEM.
    pub fn tls_key_path(&self) -> PathBuf {
        self.tls_key
            .clone()
            .unwrap_or_else(|| self.data.join("tls.key"))
    }

    /// Where attached files are in S3, if they are.
    pub fn attachments_bucket(&self) -> Option<&str> {
        let address = self.attachments.as_ref().and_then(|path| path.to_str());
        address.filter(|address| address.starts_with("s3://"))
    }

    /// The folder of attached files, where they are in one.
    pub fn attachments_path(&self) -> PathBuf {
        self.attachments
            .clone()
            .unwrap_or_else(|| self.data.join("attachments"))
    }

    /// What this server is called among several.
    pub fn node_name(&self) -> String {
        self.node.clone().unwrap_or_else(|| {
            let name = std::fs::read_to_string("/proc/sys/kernel/hostname");
            let name = name.unwrap_or_else(|_| "valised".to_owned());
            format!("{}:{}", name.trim(), self.listen.port())
        })
    }

    /// The Ed25519 key that signs checkpoints, PKCS#8 DER.
    pub fn log_key_path(&self) -> PathBuf {
        self.data.join("log.key")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_changes_what_it_names_and_an_unknown_key_is_refused() {
        let data = tempfile::tempdir().unwrap();
        std::fs::write(data.path().join(FILE), "threads = 1\n").unwrap();
        let config = Config::load(data.path()).unwrap();
        assert_eq!(config.threads, 1);
        assert_eq!(config.connections_max, Config::default().connections_max);
        let origins = Config::origins(data.path()).unwrap();
        assert!(origins.contains(&("threads".into(), "1".into(), FILE.into())));
        std::fs::write(data.path().join(FILE), "tthreads = 1\n").unwrap();
        assert!(Config::load(data.path()).is_err());
    }

    #[test]
    fn debug_shows_no_database_password() {
        let config = Config {
            database: Some("postgres://valise:hunter2@db/valise".into()),
            ..Config::default()
        };
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}
