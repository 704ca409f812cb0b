//! `valised migrate status|run`: the database's schema. `serve` migrates by itself; who wants to see it first, looks here.

use std::path::Path;

use super::{CommandError, runtime, say};
use crate::{
    backup::{BackupError, copy_before_upgrade},
    config::{Config, DATABASE},
    data::DataLock,
    store::{NewerSchema, Schema, Store, StoreError},
};

pub(super) fn status(data: &Path) -> Result<(), CommandError> {
    let config = load(data)?;
    let schema = runtime(1)?.block_on(look(&config))?;
    say(&format!(
        "valised: the database has schema {}, this program knows {}",
        schema.found, schema.known
    ))?;
    for (version, name) in &schema.waiting {
        say(&format!("  waits: {version} {name}"))?;
    }
    let Schema { found, known, .. } = schema;
    if found > known {
        return Err(StoreError::Newer(NewerSchema { found, known }).into());
    }
    Ok(())
}

pub(super) fn run(data: &Path) -> Result<(), CommandError> {
    let config = load(data)?;
    let _lock = DataLock::alone(data)?;
    let done = runtime(1)?.block_on(async {
        let copy = copy_before_upgrade(&config).await?;
        let before = look(&config).await?;
        let store = Store::open(&config.database_url()).await?;
        store.close().await;
        Ok::<_, CommandError>((copy, before))
    });
    let (copy, before) = done?;
    if let Some(copy) = copy {
        say(&format!(
            "valised: kept the database as it was: {}",
            copy.display()
        ))?;
    }
    say(&format!(
        "valised: the database has schema {} ({} steps done)",
        before.known,
        before.waiting.len()
    ))
}

fn load(data: &Path) -> Result<Config, CommandError> {
    let config = Config::load(data)?;
    if config.database.is_none() && !data.join(DATABASE).is_file() {
        return Err(BackupError::MisuseNotFounded(data.to_owned()).into());
    }
    Ok(config)
}

async fn look(config: &Config) -> Result<Schema, StoreError> {
    let store = Store::connect(&config.database_url()).await?;
    let schema = store.schema().await;
    store.close().await;
    schema
}
