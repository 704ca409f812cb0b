//! Which schema a database has, which ones this program knows, and the way there: forward only.

use sqlx::migrate::Migrator;

use super::{NewerSchema, Store, StoreError, number};

static SQLITE: Migrator = sqlx::migrate!("../migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("../migrations/postgres");

/// A database beside this program.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Schema {
    /// The database's; 0 when there is nothing in it.
    pub found: u64,
    /// The newest that this program knows.
    pub known: u64,
    /// What a migration would do: number and name of each step.
    pub waiting: Vec<(u64, String)>,
}

impl Store {
    fn migrator(&self) -> &'static Migrator {
        if self.is_sqlite() { &SQLITE } else { &POSTGRES }
    }

    /// Looks, and changes nothing.
    pub async fn schema(&self) -> Result<Schema, StoreError> {
        let newest = "select coalesce(max(version), 0) from _sqlx_migrations";
        let found = match sqlx::query(newest).fetch_one(&self.reads).await {
            Ok(row) => number(&row, 0, "version")?,
            // No such table: nothing was ever made here.
            Err(sqlx::Error::Database(_)) => 0,
            Err(error) => return Err(error.into()),
        };
        let steps = self.migrator().iter();
        let steps = steps.map(|step| (step.version.unsigned_abs(), step.description.to_string()));
        let steps: Vec<_> = steps.collect();
        Ok(Schema {
            found,
            known: steps.last().map_or(0, |(version, _)| *version),
            waiting: steps
                .into_iter()
                .filter(|(version, _)| *version > found)
                .collect(),
        })
    }

    /// Brings the schema up to date. A newer one than this program knows is refused, and stays as it is.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        let Schema { found, known, .. } = self.schema().await?;
        if found > known {
            return Err(StoreError::Newer(NewerSchema { found, known }));
        }
        self.migrator().run(&self.writes).await?;
        Ok(())
    }
}
