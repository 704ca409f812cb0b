//! What `valised doctor`, `config check` and `upgrade-check` look at, each thing once.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, sync::Arc};

use rustix::process::{Resource, getrlimit};

use super::backup::consequences;
use crate::{
    Chain,
    attachment::Bucket,
    backup::{self, restore::Restored},
    card::{CardError, KeptCard},
    clock::{Clock, said},
    config::{Config, DATABASE},
    data::Space,
    directory::{Log, LogKey, SKEW_MS},
    store::Store,
    tls, trace,
};

const DAY_MS: u64 = 86_400_000;
/// A backup older than this is spoken of.
const BACKUP_MS: u64 = 2 * DAY_MS;
/// A certificate that ends sooner is spoken of.
const CERTIFICATE_MS: u64 = 21 * DAY_MS;
/// Open files beside connections: database, logs, listeners.
const FILES: u64 = 64;

/// How a finding is meant.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Grade {
    /// As it should be.
    Good,
    /// It works, and will hurt.
    Warning,
    /// It does not work.
    Bad,
}

/// One thing that was looked at.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    pub(super) grade: Grade,
    pub(super) what: &'static str,
    pub(super) text: String,
}

/// What was found, in the order of looking.
#[derive(Debug, Default)]
pub(super) struct Findings(pub(super) Vec<Finding>);

impl Findings {
    fn add(&mut self, grade: Grade, what: &'static str, text: impl Into<String>) {
        let text = text.into();
        self.0.push(Finding { grade, what, text });
    }

    fn good(&mut self, what: &'static str, text: impl Into<String>) {
        self.add(Grade::Good, what, text);
    }

    fn warn(&mut self, what: &'static str, text: impl Into<String>) {
        self.add(Grade::Warning, what, text);
    }

    fn bad(&mut self, what: &'static str, text: impl Into<String>) {
        self.add(Grade::Bad, what, text);
    }

    /// Good with `text`, or bad with the error's.
    fn result<T, E: std::error::Error + 'static>(
        &mut self,
        what: &'static str,
        result: Result<T, E>,
        text: impl FnOnce(&T) -> String,
    ) -> Option<T> {
        match result {
            Ok(value) => {
                self.good(what, text(&value));
                Some(value)
            }
            Err(error) => {
                self.bad(what, Chain(&error).to_string());
                None
            }
        }
    }

    /// The files that a server starts from. No listener is opened.
    pub(super) fn of_files(&mut self, config: &Config, now_ms: u64) {
        let keys = LogKey::load(config);
        self.result("log key", keys, |_| "can be read".to_owned());
        let identity = tls::server_config(config);
        if let Some(_usable) = self.result("tls", identity, |_| {
            "key and certificate go together".to_owned()
        }) {
            self.of_certificate(config, now_ms);
        }
        let card = KeptCard::expect(&config.data);
        match card.and_then(|card| card.check_keys(config)) {
            Ok(()) => self.good("card", "its keys are this server's"),
            Err(error @ CardError::MisuseNoCard(_)) => self.warn("card", error.to_string()),
            Err(error) => self.bad("card", Chain(&error).to_string()),
        }
        if let Some(address) = config.metrics_listen
            && !address.ip().is_loopback()
        {
            self.warn(
                "metrics",
                format!("{address} is not this machine alone, and metrics ask nobody who he is: let a firewall do it"),
            );
        }
        if config.otlp.is_some() {
            let collector = trace::check(config);
            self.result("traces", collector, |()| "have an address".to_owned());
        }
        self.of_permissions(config);
        let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let wanted = u64::try_from(config.connections_max)
            .unwrap_or(u64::MAX)
            .saturating_add(FILES);
        if limit < wanted {
            self.warn(
                "open files",
                format!("{limit} may be open and connections_max needs {wanted}: raise LimitNOFILE, or lower it"),
            );
        } else {
            self.good("open files", format!("{limit} may be open"));
        }
    }

    fn of_certificate(&mut self, config: &Config, now_ms: u64) {
        let chain = tls::certificates(config).unwrap_or_default();
        let Some(leaf) = chain.first() else { return };
        let Ok((_, certificate)) = x509_parser::parse_x509_certificate(leaf) else {
            return self.bad("certificate", "it is malformed");
        };
        let seconds = u64::try_from(certificate.validity().not_after.timestamp());
        let ends_ms = seconds.unwrap_or(0).saturating_mul(1_000);
        let until = said(ends_ms);
        if ends_ms <= now_ms {
            self.bad(
                "certificate",
                format!("it ended {until}: nobody connects. Renew it for the same key"),
            );
        } else if ends_ms - now_ms < CERTIFICATE_MS {
            self.warn(
                "certificate",
                format!("it ends {until}: renew it for the same key"),
            );
        } else {
            self.good("certificate", format!("good until {until}"));
        }
    }

    fn of_permissions(&mut self, config: &Config) {
        let mode = |path: &Path| fs::metadata(path).map_or(0, |file| file.permissions().mode());
        let paths = [
            config.data.clone(),
            config.data.join(DATABASE),
            config.log_key_path(),
            config.tls_key_path(),
        ];
        // Inside a folder that only its owner enters, a file's own bits are second.
        let open = mode(&config.data) & 0o077 != 0;
        let read = paths.iter().filter(|path| open && mode(path) & 0o077 != 0);
        let names: Vec<_> = read.map(|path| path.display().to_string()).collect();
        if names.is_empty() {
            self.good("permissions", "only the server's user reads its folder");
        } else {
            self.bad(
                "permissions",
                format!("others may read it: chmod go= {}", names.join(" ")),
            );
        }
    }

    /// The database: its schema, its pages and its log.
    pub(super) async fn of_database(&mut self, config: &Config, clock: &Arc<dyn Clock>) {
        if config.database.is_none() && !config.data.join(DATABASE).is_file() {
            return self.bad("database", "there is none: valised init");
        }
        let store = Store::connect(&config.database_url()).await;
        let Some(store) = self.result("database", store, |_| "it answers".to_owned()) else {
            return;
        };
        self.of_store(config, &store, clock).await;
        store.close().await;
    }

    async fn of_store(&mut self, config: &Config, store: &Store, clock: &Arc<dyn Clock>) {
        let schema = store.schema().await;
        let schema = self.result("schema", schema, |schema| {
            format!("{} of {}", schema.found, schema.known)
        });
        let Some(schema) = schema else { return };
        if schema.found > schema.known {
            return self.bad(
                "schema",
                "it is newer than this program: start the newer valised",
            );
        }
        if !schema.waiting.is_empty() {
            return self.warn(
                "schema",
                "a migration waits: valised migrate run, or the next start does it",
            );
        }
        if store.is_sqlite() {
            let sound = store.check_pages().await;
            self.result("pages", sound, |()| "every page is sound".to_owned());
        }
        let Ok(key) = LogKey::load(config) else {
            return;
        };
        let log = Log::open(store.clone(), key, Arc::clone(clock)).await;
        let log = self.result("log", log, |log| {
            let size = log.now().directory.head().size;
            format!("its {size} entries lead to its signed head")
        });
        let Some(log) = log else { return };
        if store.log_held().await.unwrap_or_default() {
            self.warn(
                "log",
                "it was put back, and takes no entry: when none is missing any more, valised log open",
            );
        }
        self.of_address(config, &log);
        self.of_people(&log);
        let newest = log.newest().await.unwrap_or_default();
        let ahead = newest.is_some_and(|newest| newest.statement.time > clock.now_ms() + SKEW_MS);
        if ahead {
            self.bad(
                "clock",
                "this machine's clock is behind the log's newest entry: set it",
            );
        } else {
            self.good("clock", format!("it is {} here", said(clock.now_ms())));
        }
    }

    /// What the card says of the log; of its keys, [`Self::of_files`] has spoken.
    fn of_address(&mut self, config: &Config, log: &Log) {
        let directory = &log.now().directory;
        let url = directory.genesis().url.as_str().parse();
        if let (Ok(Some(card)), Ok(url)) = (KeptCard::read(&config.data), url)
            && let Err(error) = card.check_log(directory.org(), &url)
        {
            self.bad("card", error.to_string());
        }
    }

    fn of_people(&mut self, log: &Log) {
        let snapshot = log.now();
        let active = snapshot.directory.active_accounts();
        let single = active
            .filter(|(_, account)| account.keys.len() == 1)
            .count();
        if single == 0 {
            self.good("keys", "everybody holds two keys or more");
        } else {
            self.warn(
                "keys",
                format!("people with one key only: {single}. Lost, they are out: valise key add"),
            );
        }
        if snapshot.directory.able_admins() < 2 {
            self.warn(
                "admins",
                "one admin alone: if that key is lost, nobody ever enrols anybody again",
            );
        }
    }

    /// Where attached files are, if that is S3: asked as a server asks it.
    pub(super) async fn of_files_elsewhere(&mut self, config: &Config) {
        let address = config.attachments_bucket().unwrap_or_default();
        match Bucket::tried(config).await {
            None => {}
            Some(Ok(())) => self.good("s3", format!("{address} takes, gives, lists and deletes")),
            Some(Err(why)) => self.bad("s3", why),
        }
    }

    /// Backups, and what became of them.
    pub(super) fn of_backups(&mut self, config: &Config, now_ms: u64, within_ms: u64) {
        if config.database.is_some() {
            self.warn(
                "backup",
                "this program makes none of a database elsewhere: see to it that something does",
            );
        } else {
            match backup::last(&config.data) {
                None => self.warn("backup", "there is none: valised backup create"),
                Some(last) => {
                    let text = format!("the newest is of {}", said(last.created_at_ms));
                    let old = now_ms.saturating_sub(last.created_at_ms) > within_ms;
                    let grade = if old { Grade::Warning } else { Grade::Good };
                    self.add(grade, "backup", text);
                }
            }
        }
        let restored = Restored::read(&config.data);
        let restored = restored.filter(|restored| restored.is_news(now_ms));
        for line in restored.iter().flat_map(consequences) {
            self.warn("restored", line);
        }
    }

    /// Free room, beside the reserve that attached files leave.
    pub(super) fn of_disk(&mut self, config: &Config, wanted: u64) {
        let Ok(disk) = Space::of(&config.data) else {
            return self.bad("disk", "it says nothing of its room");
        };
        let (free, all) = (disk.free, disk.all);
        let reserve = disk.reserve(config.disk_reserve_percent);
        let text = format!("{} MB free of {}", free >> 20, all >> 20);
        if free < wanted {
            self.bad(
                "disk",
                format!("{text}: too little for a copy of the database"),
            );
        } else if free < reserve {
            self.warn(
                "disk",
                match config.attachments_bucket() {
                    Some(_) => format!("{text}: letters are refused soon"),
                    None => format!("{text}: attached files are refused, and letters soon"),
                },
            );
        } else {
            self.good("disk", text);
        }
    }
}

/// Everything, for `doctor`.
pub(super) async fn all(config: &Config, clock: &Arc<dyn Clock>) -> Findings {
    let mut findings = Findings::default();
    let now_ms = clock.now_ms();
    findings.of_files(config, now_ms);
    findings.of_database(config, clock).await;
    findings.of_files_elsewhere(config).await;
    findings.of_disk(config, 0);
    findings.of_backups(config, now_ms, BACKUP_MS);
    findings
}

/// What must hold before another program is put in this one's place.
pub(super) async fn before_upgrade(config: &Config, clock: &Arc<dyn Clock>) -> Findings {
    let mut findings = Findings::default();
    findings.of_database(config, clock).await;
    let size = fs::metadata(config.data.join(DATABASE)).map_or(0, |file| file.len());
    findings.of_disk(config, size.saturating_mul(2));
    findings.of_backups(config, clock.now_ms(), DAY_MS);
    findings
}
