//! Key packages: published by a device, the newest handed out first, each once; the last resort again
//! and again.

use std::sync::Arc;

use valise_proto::{
    api::key_package::{Claim, Claimed, ClaimedPackage, LIFETIME_S, Publish},
    codec::Bytes,
    id::{DeviceId, Name},
};

use crate::{
    clock::Clock,
    directory::Log,
    limit::SharedRate,
    store::{SessionRow, Store, StoreError},
};

/// One-time packages in one publication at most.
const PUBLISH_MAX: usize = 100;
/// Devices in one claim at most.
const CLAIM_MAX: usize = 1_000;
/// Packages are handed out for a day less than they live, so that whoever claims one can still use
/// it: to a client an old one is the server's lie (G13).
const GIVEN_MS: u64 = (LIFETIME_S - 86_400) * 1_000;

/// Why packages were not published or handed out.
#[derive(Debug, thiserror::Error)]
pub enum KeyPackageError {
    /// More than one call may hold.
    #[error("too many in one request")]
    Malformed,
    /// Too often.
    #[error("too many key packages claimed: wait")]
    TooMany,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Every device's packages.
#[derive(Debug)]
pub struct KeyPackages {
    /// Where they are kept.
    pub store: Store,
    /// Who is who.
    pub log: Arc<Log>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// How many one account may claim from one device (G11).
    pub rate: SharedRate<(Name, DeviceId)>,
    /// One-time packages kept of each device at most.
    pub each_max: u64,
}

impl KeyPackages {
    /// Adds packages of `device`, in the place of its oldest ones when there are too many.
    pub async fn publish(
        &self,
        device: DeviceId,
        publish: &Publish,
    ) -> Result<(), KeyPackageError> {
        if publish.once.len() > PUBLISH_MAX {
            return Err(KeyPackageError::Malformed);
        }
        let now_ms = self.clock.now_ms();
        let mut write = self.store.begin().await?;
        for package in &publish.once {
            write
                .insert_key_package(device, package.as_slice(), false, now_ms)
                .await?;
        }
        if let Some(package) = &publish.last_resort {
            write.delete_last_resort(device).await?;
            write
                .insert_key_package(device, package.as_slice(), true, now_ms)
                .await?;
        }
        let since_ms = now_ms.saturating_sub(GIVEN_MS);
        write
            .trim_key_packages(device, self.each_max, since_ms)
            .await?;
        Ok(write.commit().await?)
    }

    /// One package for each active device of the claim but the caller's own.
    pub async fn claim(
        &self,
        caller: &SessionRow,
        claim: &Claim,
    ) -> Result<Claimed, KeyPackageError> {
        if claim.devices.len() > CLAIM_MAX {
            return Err(KeyPackageError::Malformed);
        }
        let snapshot = self.log.now();
        let now_ms = self.clock.now_ms();
        let since_ms = now_ms.saturating_sub(GIVEN_MS);
        let mut write = self.store.begin().await?;
        let mut packages = Vec::new();
        for device in &claim.devices {
            let inactive = snapshot.directory.active_device(*device).is_none();
            if inactive || *device == caller.device {
                continue;
            }
            let key = (caller.account.clone(), *device);
            if !self.rate.take(key, now_ms).await? {
                return Err(KeyPackageError::TooMany);
            }
            let claimed = write.claim_key_package(*device, since_ms).await?;
            if let Some((package, last_resort)) = claimed {
                packages.push(ClaimedPackage {
                    device: *device,
                    package: Bytes::try_from(package)
                        .map_err(|_| StoreError::Corrupt("package"))?,
                    last_resort: last_resort.into(),
                });
            }
        }
        write.commit().await?;
        Ok(Claimed { packages })
    }
}
