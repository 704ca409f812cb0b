//! Rows of the servers that work on one database: an operator sees them, and says which is to be left alone.

use sqlx::Row as _;

use super::{Store, StoreError, number, stored};

/// One run of a server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NodeRow {
    /// Of this run.
    pub id: String,
    /// What an operator calls it.
    pub name: String,
    /// Of the program.
    pub version: String,
    /// When it started: milliseconds since 1970 UTC, as it says.
    pub started_at_ms: u64,
    /// When it was last heard of.
    pub seen_at_ms: u64,
    /// Open connections.
    pub connections: u64,
    /// Devices connected for live news.
    pub streams: u64,
    /// An operator wants it to be left alone.
    pub drains: bool,
}

impl Store {
    /// Says that a server is there, with its figures; whether it is to be left alone.
    pub async fn be_seen(&self, row: &NodeRow) -> Result<bool, StoreError> {
        let row = sqlx::query(
            "insert into server_node \
             (node_id, name, version, started_at_ms, seen_at_ms, connections, streams, drains) \
             values ($1, $2, $3, $4, $5, $6, $7, 0) \
             on conflict (node_id) do update set seen_at_ms = $5, connections = $6, streams = $7 \
             returning drains",
        )
        .bind(&row.id)
        .bind(&row.name)
        .bind(&row.version)
        .bind(stored(row.started_at_ms))
        .bind(stored(row.seen_at_ms))
        .bind(stored(row.connections))
        .bind(stored(row.streams))
        .fetch_one(self.quick())
        .await?;
        Ok(number(&row, 0, "drains")? != 0)
    }

    /// A server has ended, and those that were not heard of since `before_ms` have too.
    pub async fn forget_node(&self, id: &str, before_ms: u64) -> Result<(), StoreError> {
        sqlx::query("delete from server_node where node_id = $1 or seen_at_ms < $2")
            .bind(id)
            .bind(stored(before_ms))
            .execute(self.quick())
            .await?;
        Ok(())
    }

    /// The servers on this database, by name.
    pub async fn nodes(&self) -> Result<Vec<NodeRow>, StoreError> {
        let rows = sqlx::query(
            "select node_id, name, version, started_at_ms, seen_at_ms, connections, streams, drains \
             from server_node order by name, started_at_ms",
        )
        .fetch_all(&self.reads)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(NodeRow {
                    id: row.try_get(0)?,
                    name: row.try_get(1)?,
                    version: row.try_get(2)?,
                    started_at_ms: number(row, 3, "started_at_ms")?,
                    seen_at_ms: number(row, 4, "seen_at_ms")?,
                    connections: number(row, 5, "connections")?,
                    streams: number(row, 6, "streams")?,
                    drains: number(row, 7, "drains")? != 0,
                })
            })
            .collect()
    }

    /// The server of this name is to be left alone, or not any more. Says how many there are of that name.
    pub async fn drain_node(&self, name: &str, drains: bool) -> Result<u64, StoreError> {
        let done = sqlx::query("update server_node set drains = $2 where name = $1")
            .bind(name)
            .bind(i64::from(drains))
            .execute(&self.writes)
            .await?;
        Ok(done.rows_affected())
    }
}
