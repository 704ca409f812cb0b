//! Key packages (RFC 9420 §10): ours for the server to hand out, and others' before we use them.

use openmls::prelude::{
    KeyPackage, KeyPackageIn, KeyPackageVerifyError, Lifetime, ProtocolVersion,
};
use openmls_traits::{OpenMlsProvider as _, storage::StorageProvider as _};
use tls_codec::{DeserializeBytes as _, Serialize as _};
use valise_proto::{
    api::key_package::LIFETIME_S,
    conversation::Conversation,
    id::{DeviceId, Name},
    log::replay::Directory,
};

use super::{
    Me, MlsError, capabilities, library,
    members::{identity, usable, usable_leaf},
    peer,
};
use crate::{
    provider::{Provider, SUITE},
    store::StoreError,
    trust::Alarm,
    weaken::checked,
};

/// Clocks differ: OpenMLS makes a package good from this long before the machine's present, and
/// judges by the machine's clock whether one is good yet. Seconds.
const MARGIN_S: u64 = 3_600;

/// Makes `count` packages; their private halves are in the store when its transaction commits.
pub(crate) fn make_packages(
    provider: &Provider<'_>,
    me: &Me<'_>,
    count: usize,
    last_resort: bool,
) -> Result<Vec<Vec<u8>>, MlsError> {
    let mut packages = Vec::with_capacity(count);
    for _ in 0..count {
        let mut builder = KeyPackage::builder()
            .leaf_node_capabilities(capabilities())
            .key_package_lifetime(Lifetime::new(LIFETIME_S));
        if last_resort {
            builder = builder.mark_as_last_resort();
        }
        let bundle = builder
            .build(SUITE, provider, me.signer, me.credential_with_key())
            .map_err(library)?;
        packages.push(
            bundle
                .key_package()
                .tls_serialize_detached()
                .map_err(library)?,
        );
    }
    Ok(packages)
}

/// Deletes the private halves of this device's packages that nobody may use any more.
pub(crate) fn forget_old_packages(provider: &Provider<'_>, now_ms: u64) -> Result<(), MlsError> {
    let storage = provider.storage();
    for bundle in provider.key_packages().map_err(StoreError::from)? {
        let package = bundle.key_package();
        if package.life_time().not_after().saturating_add(MARGIN_S) > now_ms / 1_000 {
            continue;
        }
        let reference = package.hash_ref(provider.crypto()).map_err(library)?;
        storage
            .delete_key_package(&reference)
            .map_err(StoreError::from)?;
    }
    Ok(())
}

/// Refuses a package that is out of its time, or was made to last too long (G13).
fn in_time(package: &KeyPackage, account: &Name, now_ms: u64) -> Result<(), Alarm> {
    let (from, until) = (
        package.life_time().not_before(),
        package.life_time().not_after(),
    );
    let short = until.saturating_sub(from) <= LIFETIME_S + MARGIN_S;
    if (now_ms / 1_000 < until && short) || !checked("G13") {
        return Ok(());
    }
    Err(Alarm::StalePackage {
        account: account.clone(),
    })
}

/// The package that the server gave for `device`: refused unless its leaf is that certified
/// device (D03), of an account of this conversation, in the organisation's suite (G15, G16), in its
/// time (G13), with keys that somebody can encrypt to (G19).
pub(crate) fn checked_package(
    provider: &Provider<'_>,
    directory: &Directory,
    record: &Conversation,
    device: DeviceId,
    bytes: &[u8],
    now_ms: u64,
) -> Result<KeyPackage, MlsError> {
    let package = KeyPackageIn::tls_deserialize_exact_bytes(bytes)
        .map_err(peer)?
        .validate(provider.crypto(), ProtocolVersion::Mls10)
        .map_err(|error| match (error, directory.device(device)) {
            (KeyPackageVerifyError::LifetimeError(_), Some(owner)) => Alarm::StalePackage {
                account: owner.account.clone(),
            }
            .into(),
            (error, _) => peer(error),
        })?;
    if package.ciphersuite() != SUITE {
        return Err(peer("a key package of another ciphersuite"));
    }
    let leaf = package.leaf_node();
    let key = leaf.signature_key().as_slice();
    let identity = identity(directory, record, leaf.credential(), key)?;
    let swapped = identity.device != device || key != device.as_ref();
    if swapped && ["D01", "D02", "D03"].into_iter().all(checked) {
        return Err(Alarm::SwappedKey {
            account: identity.account,
        }
        .into());
    }
    in_time(&package, &identity.account, now_ms)?;
    usable(package.hpke_init_key().as_slice(), &identity)?;
    usable_leaf(leaf, &identity)?;
    Ok(package)
}

#[cfg(test)]
mod tests {
    use openmls_sqlite_storage::Connection;
    use valise_proto::id::OrgId;

    use super::*;
    use crate::{
        clock::{Clock as _, System},
        provider::{DeviceSigner, migrate},
    };

    #[test]
    fn every_package_is_valid_for_whoever_claims_it() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection).unwrap();
        let provider = Provider::new(&connection);
        let signer = DeviceSigner::from_seed(&[7; 32]).unwrap();
        let (org, credential) = (OrgId([1; 32]), vec![2; 100]);
        let me = Me {
            org,
            signer: &signer,
            credential,
        };
        for last_resort in [false, true] {
            let bytes = make_packages(&provider, &me, 1, last_resort).unwrap();
            let package = KeyPackageIn::tls_deserialize_exact_bytes(&bytes[0]).unwrap();
            let package = package
                .validate(provider.crypto(), ProtocolVersion::Mls10)
                .unwrap();
            assert_eq!(package.last_resort(), last_resort);
        }
    }

    #[test]
    fn g13_private_halves_end_with_their_packages() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection).unwrap();
        let signer = DeviceSigner::from_seed(&[7; 32]).unwrap();
        let (org, credential) = (OrgId([1; 32]), vec![2; 100]);
        let me = Me {
            org,
            signer: &signer,
            credential,
        };
        for last_resort in [false, true] {
            make_packages(&Provider::new(&connection), &me, 2, last_resort).unwrap();
        }
        let kept = |days: u64| {
            let provider = Provider::new(&connection);
            forget_old_packages(&provider, System.now_ms() + days * 86_400_000).unwrap();
            provider.key_packages().unwrap().len()
        };
        assert_eq!(kept(29), 4);
        assert_eq!(kept(31), 0);
    }
}
