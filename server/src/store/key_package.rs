//! Rows of key packages.

use sqlx::Row;
use valise_proto::{
    api::key_package::package_hash,
    id::{DeviceId, Hash},
};

use super::{Store, StoreError, Write, number, stored};

impl Store {
    /// How many one-time packages a device still has.
    pub async fn count_key_packages(&self, device: DeviceId) -> Result<u64, StoreError> {
        let row = sqlx::query(
            "select count(*) from key_package where device_id = $1 and last_resort = 0",
        )
        .bind(&device.0[..])
        .fetch_one(&self.reads)
        .await?;
        number(&row, 0, "count")
    }
}

impl Write {
    /// Adds a package, once.
    pub async fn insert_key_package(
        &mut self,
        device: DeviceId,
        package: &[u8],
        last_resort: bool,
        published_at_ms: u64,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "insert into key_package (device_id, package_hash, last_resort, published_at_ms, package) \
             values ($1, $2, $3, $4, $5) on conflict (device_id, package_hash) do nothing",
        )
        .bind(&device.0[..])
        .bind(&package_hash(package).0[..])
        .bind(i64::from(last_resort))
        .bind(stored(published_at_ms))
        .bind(package)
        .execute(&mut *self.0)
        .await?;
        Ok(())
    }

    /// Forgets a device's package of last resort.
    pub async fn delete_last_resort(&mut self, device: DeviceId) -> Result<(), StoreError> {
        sqlx::query("delete from key_package where device_id = $1 and last_resort = 1")
            .bind(&device.0[..])
            .execute(&mut *self.0)
            .await?;
        Ok(())
    }

    /// Keeps the newest `count` one-time packages of a device, and none from before `since_ms`.
    pub async fn trim_key_packages(
        &mut self,
        device: DeviceId,
        count: u64,
        since_ms: u64,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "delete from key_package where device_id = $1 and last_resort = 0 \
             and (published_at_ms < $2 or package_hash not in ( \
               select package_hash from key_package where device_id = $1 and last_resort = 0 \
               order by published_at_ms desc, package_hash limit $3))",
        )
        .bind(&device.0[..])
        .bind(stored(since_ms))
        .bind(stored(count))
        .execute(&mut *self.0)
        .await?;
        Ok(())
    }

    /// Takes the newest one-time package of a device, or copies its package of last resort: none
    /// from before `since_ms`.
    pub async fn claim_key_package(
        &mut self,
        device: DeviceId,
        since_ms: u64,
    ) -> Result<Option<(Vec<u8>, bool)>, StoreError> {
        let row = sqlx::query(
            "select package, last_resort from key_package \
             where device_id = $1 and published_at_ms >= $2 \
             order by last_resort, published_at_ms desc, package_hash limit 1",
        )
        .bind(&device.0[..])
        .bind(stored(since_ms))
        .fetch_optional(&mut *self.0)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let package: Vec<u8> = row.try_get(0)?;
        let last_resort = number(&row, 1, "last_resort")? == 1;
        if !last_resort {
            self.delete_key_package(device, package_hash(&package))
                .await?;
        }
        Ok(Some((package, last_resort)))
    }

    async fn delete_key_package(&mut self, device: DeviceId, hash: Hash) -> Result<(), StoreError> {
        sqlx::query("delete from key_package where device_id = $1 and package_hash = $2")
            .bind(&device.0[..])
            .bind(&hash.0[..])
            .execute(&mut *self.0)
            .await?;
        Ok(())
    }
}
