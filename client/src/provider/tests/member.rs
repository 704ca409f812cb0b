//! One member of a test group: a database, a device key, a credential.

use openmls::prelude::*;
use openmls_sqlite_storage::Connection;
use openmls_traits::types::Ciphersuite;
use tls_codec::Serialize as _;

use crate::provider::{DeviceSigner, Provider, StorageError, migrate};

/// The product's private credential type.
pub(super) const CREDENTIAL: CredentialType = CredentialType::Other(0xf0c1);

pub(super) struct Member {
    pub(super) connection: Connection,
    pub(super) signer: DeviceSigner,
    pub(super) credential: CredentialWithKey,
}

impl Member {
    /// A member in memory whose key and identity follow from its name.
    pub(super) fn new(name: &str, credential_type: CredentialType) -> Self {
        Self::with(Connection::open_in_memory().unwrap(), name, credential_type)
    }

    /// The same over a given database.
    pub(super) fn with(
        mut connection: Connection,
        name: &str,
        credential_type: CredentialType,
    ) -> Self {
        migrate(&mut connection).unwrap();
        let mut seed = [0; 32];
        seed[..name.len()].copy_from_slice(name.as_bytes());
        let signer = DeviceSigner::from_seed(&seed).unwrap();
        let credential = CredentialWithKey {
            credential: Credential::new(credential_type, name.as_bytes().to_vec()),
            signature_key: signer.public_key().into(),
        };
        Self {
            connection,
            signer,
            credential,
        }
    }

    /// One step in a transaction of its own, which is kept.
    pub(super) fn step<T>(&mut self, step: impl FnOnce(&Provider<'_>, &DeviceSigner) -> T) -> T {
        let transaction = self.connection.transaction().unwrap();
        let done = step(&Provider::new(&transaction), &self.signer);
        transaction.commit().unwrap();
        done
    }

    /// One step in a transaction that is thrown away.
    pub(super) fn rolled_back<T>(
        &mut self,
        step: impl FnOnce(&Provider<'_>, &DeviceSigner) -> T,
    ) -> T {
        let transaction = self.connection.transaction().unwrap();
        let done = step(&Provider::new(&transaction), &self.signer);
        transaction.rollback().unwrap();
        done
    }

    /// A fresh key package as it crosses the wire.
    pub(super) fn key_package(&mut self, suite: Ciphersuite) -> Vec<u8> {
        let credential = self.credential.clone();
        let capabilities = capabilities(suite, &credential);
        self.step(|provider, signer| {
            KeyPackage::builder()
                .leaf_node_capabilities(capabilities)
                .build(suite, provider, signer, credential)
                .unwrap()
                .key_package()
                .tls_serialize_detached()
                .unwrap()
        })
    }

    /// A group of one.
    pub(super) fn found(&mut self, suite: Ciphersuite, policy: WireFormatPolicy) -> MlsGroup {
        let credential = self.credential.clone();
        let config = MlsGroupCreateConfig::builder()
            .ciphersuite(suite)
            .wire_format_policy(policy)
            .use_ratchet_tree_extension(true)
            .max_past_epochs(0)
            .padding_size(256)
            .capabilities(capabilities(suite, &credential))
            .build();
        self.step(|provider, signer| MlsGroup::new(provider, signer, &config, credential).unwrap())
    }

    /// Joins from the bytes of a Welcome.
    pub(super) fn join(&mut self, welcome: &[u8], policy: WireFormatPolicy) -> MlsGroup {
        self.step(|provider, _| {
            stage(provider, welcome, policy)
                .unwrap()
                .into_group(provider)
        })
        .unwrap()
    }

    /// Adds key packages; returns the commit and the Welcome, both as bytes. Not merged yet.
    pub(super) fn add(&mut self, group: &mut MlsGroup, packages: &[&[u8]]) -> (Vec<u8>, Vec<u8>) {
        self.step(|provider, signer| {
            let packages: Vec<_> = packages
                .iter()
                .map(|bytes| checked_key_package(provider, bytes).unwrap())
                .collect();
            let (commit, welcome, _) = group.add_members(provider, signer, &packages).unwrap();
            (commit.to_bytes().unwrap(), welcome.to_bytes().unwrap())
        })
    }

    /// The delivery service accepted our commit.
    pub(super) fn merge(&mut self, group: &mut MlsGroup) {
        self.step(|provider, _| group.merge_pending_commit(provider).unwrap());
    }

    pub(super) fn send(&mut self, group: &mut MlsGroup, text: &[u8]) -> Vec<u8> {
        self.step(|provider, signer| {
            let message = group.create_message(provider, signer, text).unwrap();
            message.to_bytes().unwrap()
        })
    }

    /// Processes a message: the text of an application message, `None` for a commit, merged.
    pub(super) fn receive(&mut self, group: &mut MlsGroup, message: &[u8]) -> Option<Vec<u8>> {
        self.step(|provider, _| receive(provider, group, message).unwrap())
    }
}

/// What every leaf of a test group says it can do.
pub(super) fn capabilities(suite: Ciphersuite, credential: &CredentialWithKey) -> Capabilities {
    Capabilities::builder()
        .versions(vec![ProtocolVersion::Mls10])
        .ciphersuites(vec![suite])
        .credentials(vec![credential.credential.credential_type()])
        .build()
}

/// A peer's key package, after OpenMLS' checks.
pub(super) fn checked_key_package(
    provider: &Provider<'_>,
    bytes: &[u8],
) -> Result<KeyPackage, KeyPackageVerifyError> {
    KeyPackageIn::tls_deserialize_exact_bytes(bytes)
        .unwrap()
        .validate(provider.crypto(), ProtocolVersion::Mls10)
}

/// A Welcome, opened and checked, before it becomes a group.
pub(super) fn stage(
    provider: &Provider<'_>,
    welcome: &[u8],
    policy: WireFormatPolicy,
) -> Result<StagedWelcome, WelcomeError<StorageError>> {
    let message = MlsMessageIn::tls_deserialize_exact_bytes(welcome).unwrap();
    let MlsMessageBodyIn::Welcome(welcome) = message.extract() else {
        panic!("not a Welcome");
    };
    let config = MlsGroupJoinConfig::builder()
        .wire_format_policy(policy)
        .max_past_epochs(0)
        .padding_size(256)
        .use_ratchet_tree_extension(true)
        .build();
    StagedWelcome::new_from_welcome(provider, &config, welcome, None)
}

/// Processes one message and merges it if it is a commit.
pub(super) fn receive(
    provider: &Provider<'_>,
    group: &mut MlsGroup,
    message: &[u8],
) -> Result<Option<Vec<u8>>, ProcessMessageError<StorageError>> {
    let message = MlsMessageIn::tls_deserialize_exact_bytes(message)
        .unwrap()
        .try_into_protocol_message()
        .unwrap();
    match group.process_message(provider, message)?.into_content() {
        ProcessedMessageContent::ApplicationMessage(text) => Ok(Some(text.into_bytes())),
        ProcessedMessageContent::StagedCommitMessage(commit) => {
            group.merge_staged_commit(provider, *commit).unwrap();
            Ok(None)
        }
        other => panic!("neither a letter nor a commit: {other:?}"),
    }
}
