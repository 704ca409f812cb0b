//! `valised status`: what is here, in numbers. The server may run or not.

use std::{path::Path, sync::Arc};

use serde_json::{Value, json};

use super::{CommandError, Format, runtime, say};
use crate::{
    attachment::Bucket,
    backup::{self, BackupError, restore::Restored},
    clock::{Clock, SystemClock, said},
    config::{Config, DATABASE},
    directory::{Log, LogKey},
    store::{Figures, Store},
};

pub(super) fn run(data: &Path, format: Format) -> Result<(), CommandError> {
    let config = Config::load(data)?;
    if config.database.is_none() && !data.join(DATABASE).is_file() {
        return Err(BackupError::MisuseNotFounded(data.to_owned()).into());
    }
    let facts = runtime(1)?.block_on(look(&config))?;
    match format {
        Format::Json => {
            let object: serde_json::Map<_, _> = facts
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value))
                .collect();
            say(&Value::Object(object).to_string())
        }
        Format::Text => facts.iter().try_for_each(|(key, value)| {
            let text = value
                .as_str()
                .map_or_else(|| value.to_string(), ToOwned::to_owned);
            say(&format!("{key:22} {text}"))
        }),
    }
}

type Facts = Vec<(&'static str, Value)>;

async fn look(config: &Config) -> Result<Facts, CommandError> {
    let store = Store::connect(&config.database_url()).await?;
    let facts = of(config, &store).await;
    store.close().await;
    facts
}

async fn of(config: &Config, store: &Store) -> Result<Facts, CommandError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let now_ms = clock.now_ms();
    let schema = store.schema().await?;
    let key = LogKey::load(config)?;
    let log = Log::open(store.clone(), key, clock).await?;
    let snapshot = log.now();
    let directory = &snapshot.directory;
    let Figures {
        messages,
        message_bytes,
        oldest_ms,
        groups,
        attachments,
        attachment_bytes,
        asks,
    } = store.figures().await?;
    let mut facts = vec![
        ("organisation", json!(directory.org().to_string())),
        ("url", json!(directory.genesis().url.as_str())),
        ("version", json!(env!("CARGO_PKG_VERSION"))),
        ("schema", json!(schema.found)),
        ("log_entries", json!(directory.head().size)),
        ("log_root", json!(directory.head().root.to_string())),
        ("people", json!(directory.active_accounts().count())),
        ("admins", json!(directory.able_admins())),
        ("threshold", json!(directory.threshold())),
        ("asks_waiting", json!(asks)),
        ("conversations", json!(groups)),
        ("messages_waiting", json!(messages)),
        ("message_bytes", json!(message_bytes)),
        ("attachments", json!(attachments)),
        ("attachment_bytes", json!(attachment_bytes)),
    ];
    if let Some(address) = config.attachments_bucket() {
        facts.push(("attachments_in", json!(address)));
        let answer = match Bucket::tried(config).await {
            None => String::new(),
            Some(Ok(())) => "ok".to_owned(),
            Some(Err(why)) => why,
        };
        facts.push(("s3", json!(answer)));
    }
    if oldest_ms > 0 {
        facts.push((
            "oldest_waits_seconds",
            json!(now_ms.saturating_sub(oldest_ms) / 1_000),
        ));
    }
    if let Some(last) = backup::last(&config.data) {
        facts.push(("last_backup", json!(said(last.created_at_ms))));
        facts.push(("last_backup_in", json!(last.path.display().to_string())));
    }
    if let Some(restored) = Restored::read(&config.data) {
        facts.push(("restored", json!(said(restored.restored_at_ms))));
        let to = restored
            .backup_at_ms
            .map(|ms| ("restored_to", json!(said(ms))));
        facts.extend(to);
        facts.push(("entries_given_back", json!(restored.given_back)));
    }
    Ok(facts)
}
