//! Key packages (RFC 9420 §10): ours for the server to hand out, and others' before we use them.

use openmls::prelude::{KeyPackage, KeyPackageIn, ProtocolVersion};
use openmls_traits::OpenMlsProvider as _;
use tls_codec::{DeserializeBytes as _, Serialize as _};
use valise_proto::{conversation::Conversation, id::DeviceId, log::replay::Directory};

use super::{
    Me, MlsError, capabilities, library,
    members::{identity, usable, usable_leaf},
    peer,
};
use crate::{
    provider::{Provider, SUITE},
    trust::Alarm,
    weaken::checked,
};

/// Makes `count` packages; their private halves are in the store when its transaction commits.
pub(crate) fn make_packages(
    provider: &Provider<'_>,
    me: &Me<'_>,
    count: usize,
    last_resort: bool,
) -> Result<Vec<Vec<u8>>, MlsError> {
    let mut packages = Vec::with_capacity(count);
    for _ in 0..count {
        let mut builder = KeyPackage::builder().leaf_node_capabilities(capabilities());
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

/// The package that the server gave for `device`: refused unless its leaf is that certified
/// device (D03), of an account of this conversation, in the organisation's suite (G15), with keys
/// that somebody can encrypt to (G19).
pub(crate) fn checked_package(
    provider: &Provider<'_>,
    directory: &Directory,
    record: &Conversation,
    device: DeviceId,
    bytes: &[u8],
) -> Result<KeyPackage, MlsError> {
    let package = KeyPackageIn::tls_deserialize_exact_bytes(bytes)
        .map_err(peer)?
        .validate(provider.crypto(), ProtocolVersion::Mls10)
        .map_err(peer)?;
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
    usable(package.hpke_init_key().as_slice(), &identity)?;
    usable_leaf(leaf, &identity)?;
    Ok(package)
}

#[cfg(test)]
mod tests {
    use openmls_sqlite_storage::Connection;
    use valise_proto::id::OrgId;

    use super::*;
    use crate::provider::{DeviceSigner, migrate};

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
}
