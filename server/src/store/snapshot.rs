//! A whole SQLite database, copied while others write, and looked through.

use std::path::Path;

use sqlx::Row;

use super::{Store, StoreError};

impl Store {
    /// Whether it is SQLite. PostgreSQL has tools of its own for all of this.
    pub fn is_sqlite(&self) -> bool {
        self.shared.is_none()
    }

    /// Writes one moment of the database into the new file at `path`. Nobody waits for it. The file is
    /// not flushed.
    pub async fn snapshot(&self, path: &Path) -> Result<(), StoreError> {
        sqlx::query("vacuum into $1")
            .bind(path.to_string_lossy().into_owned())
            .execute(&self.reads)
            .await?;
        Ok(())
    }

    /// Reads every page of a SQLite file.
    pub async fn check_pages(&self) -> Result<(), StoreError> {
        let row = sqlx::query("pragma integrity_check(1)")
            .fetch_one(&self.reads)
            .await?;
        let found: String = row.try_get(0)?;
        if found == "ok" {
            Ok(())
        } else {
            Err(StoreError::Corrupt("page"))
        }
    }
}
