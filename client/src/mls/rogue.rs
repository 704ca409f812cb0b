//! A member that keeps none of our rules. The attacks in the tests are made of it.
//!
//! Compiled in only with the feature `weaken`, which no published binary has.

use openmls::prelude::{
    Ciphersuite, Extension, Extensions, JoinProposal, KeyPackage, KeyPackageIn, LeafNodeParameters,
    Lifetime, MlsGroup, MlsGroupCreateConfig, MlsMessageBodyIn, MlsMessageIn,
    ProcessedMessageContent, ProtocolVersion, StagedWelcome, UnknownExtension,
};
use openmls_sqlite_storage::Connection;
use openmls_traits::OpenMlsProvider as _;
use tls_codec::{DeserializeBytes as _, Serialize as _, VLByteSlice};
use valise_proto::{
    codec::encode,
    conversation::{AuthenticatedData, Conversation, LeafIdentity},
    id::{DeviceId, GroupId, Hash},
    letter::Letter,
    log::checkpoint::SignedHead,
};

use super::{
    CONVERSATION, Me, MlsError, capabilities, gossip, join_config, library, load, make_packages,
    peer, wire_format,
};
use crate::provider::{DeviceSigner, Provider, SUITE, Storage, migrate};

/// Length of an X-Wing public key; its X25519 half is at the end.
const KEY: usize = 1216;
/// Where the init key begins: after version, suite and the key's own length (RFC 9420 §10).
const INIT_KEY: usize = 2 + 2 + 2;
/// Where the leaf's encryption key begins: it is the first field of the leaf node (RFC 9420 §7.2).
const LEAF_KEY: usize = INIT_KEY + KEY + 2;
/// An Ed25519 signature with its length.
const SIGNATURE: usize = 2 + 64;

/// Which key of a package is weak.
#[derive(Clone, Copy, Debug)]
pub enum Weak {
    /// The one to which the Welcome is encrypted.
    Init,
    /// The one to which later commits are encrypted.
    Leaf,
}

/// An attacker's end of MLS: its own key, whatever identity it claims, and its own store.
pub struct Rogue {
    connection: Connection,
    signer: DeviceSigner,
    credential: Vec<u8>,
}

impl Rogue {
    /// Holds the device key of `seed` and claims to be `identity`.
    pub fn new(seed: &[u8; 32], identity: &LeafIdentity) -> Result<Self, MlsError> {
        let mut connection = Connection::open_in_memory().map_err(library)?;
        migrate(&mut connection).map_err(library)?;
        let signer = DeviceSigner::from_seed(seed).map_err(library)?;
        let credential = encode(identity);
        Ok(Self {
            connection,
            signer,
            credential,
        })
    }

    /// The public half of its key.
    pub fn device(&self) -> Result<DeviceId, MlsError> {
        DeviceId::try_from(self.signer.public_key()).map_err(library)
    }

    /// A key package whose signatures hold.
    pub fn package(&self) -> Result<Vec<u8>, MlsError> {
        let org = valise_proto::id::OrgId([0; 32]);
        let me = self.me(org);
        let mut packages = make_packages(&self.provider(), &me, 1, false)?;
        packages.pop().ok_or(MlsError::NoGroup)
    }

    /// A key package that is good between two moments: seconds since 1970.
    pub fn package_lasting(&self, from_s: u64, until_s: u64) -> Result<Vec<u8>, MlsError> {
        let me = self.me(valise_proto::id::OrgId([0; 32]));
        let bundle = KeyPackage::builder()
            .leaf_node_capabilities(capabilities())
            .key_package_lifetime(Lifetime::init(from_s, until_s))
            .build(
                SUITE,
                &self.provider(),
                &self.signer,
                me.credential_with_key(),
            )
            .map_err(library)?;
        let package = bundle.key_package().tls_serialize_detached();
        package.map_err(library)
    }

    /// A key package in a classical suite, whose signatures hold.
    pub fn classical_package(&self) -> Result<Vec<u8>, MlsError> {
        let suite = Ciphersuite::MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519;
        let capabilities = openmls::prelude::Capabilities::builder()
            .ciphersuites(vec![suite, SUITE])
            .credentials(vec![super::CREDENTIAL])
            .build();
        let credential = self
            .me(valise_proto::id::OrgId([0; 32]))
            .credential_with_key();
        let bundle = KeyPackage::builder()
            .leaf_node_capabilities(capabilities)
            .build(suite, &self.provider(), &self.signer, credential)
            .map_err(library)?;
        let package = bundle.key_package().tls_serialize_detached();
        package.map_err(library)
    }

    /// A key package that says it is of the suite with this code (RFC 9420 §17.1), and is signed.
    pub fn package_of_suite(&self, code: u16) -> Result<Vec<u8>, MlsError> {
        let mut package = self.package()?;
        let suite = package.get_mut(2..4).ok_or(MlsError::NoGroup)?;
        suite.copy_from_slice(&code.to_be_bytes());
        self.sign("KeyPackageTBS", &mut package)?;
        Ok(package)
    }

    /// A key package of which one key is such that nobody can encrypt to it, signed all the same.
    pub fn weak_package(&self, place: Weak) -> Result<Vec<u8>, MlsError> {
        let mut package = self.package()?;
        let key = match place {
            Weak::Init => INIT_KEY,
            Weak::Leaf => LEAF_KEY,
        };
        let half = package.get_mut(key + KEY - 32..key + KEY);
        half.ok_or(MlsError::NoGroup)?.fill(0);
        // Behind the leaf stand the package's extensions, none, and its signature.
        let leaf = LEAF_KEY - 2..package.len() - 1 - SIGNATURE;
        let leaf = package.get_mut(leaf).ok_or(MlsError::NoGroup)?;
        self.sign("LeafNodeTBS", leaf)?;
        self.sign("KeyPackageTBS", &mut package)?;
        Ok(package)
    }

    /// `SignWithLabel` (RFC 9420 §5.1.2) over everything before the signature that ends `structure`.
    fn sign(&self, label: &str, structure: &mut [u8]) -> Result<(), MlsError> {
        let opaque = |bytes: &[u8]| VLByteSlice(bytes).tls_serialize_detached().map_err(library);
        let (signed, signature) = structure.split_at_mut(structure.len() - SIGNATURE);
        let label = opaque(format!("MLS 1.0 {label}").as_bytes())?;
        let made = self.signer.sign_bytes(&[label, opaque(signed)?].concat());
        signature.copy_from_slice(&opaque(&made)?);
        Ok(())
    }

    /// Founds a group of any id that claims to be `record`, with the owners of `packages` in it.
    /// Returns the Welcome.
    pub fn found(
        &self,
        id: GroupId,
        record: &Conversation,
        packages: &[&[u8]],
    ) -> Result<Vec<u8>, MlsError> {
        let provider = self.provider();
        let me = self.me(valise_proto::id::OrgId([0; 32]));
        let extension = Extension::Unknown(CONVERSATION, UnknownExtension(encode(record)));
        let config = MlsGroupCreateConfig::builder()
            .ciphersuite(SUITE)
            .wire_format_policy(wire_format())
            .use_ratchet_tree_extension(true)
            .capabilities(capabilities())
            .with_group_context_extensions(Extensions::single(extension).map_err(library)?)
            .build();
        let id = openmls::prelude::GroupId::from_slice(id.as_ref());
        let credential = me.credential_with_key();
        let mut group =
            MlsGroup::new_with_group_id(&provider, &self.signer, &config, id, credential)
                .map_err(library)?;
        let packages: Vec<_> = packages
            .iter()
            .map(|package| unchecked_package(&provider, package))
            .collect::<Result<_, _>>()?;
        let (_, welcome, _) = group
            .add_members(&provider, &self.signer, &packages)
            .map_err(library)?;
        group.merge_pending_commit(&provider).map_err(library)?;
        welcome.to_bytes().map_err(library)
    }

    /// Joins whatever a Welcome leads into.
    pub fn join(&self, welcome: &[u8]) -> Result<(), MlsError> {
        let message = MlsMessageIn::tls_deserialize_exact_bytes(welcome).map_err(peer)?;
        let MlsMessageBodyIn::Welcome(welcome) = message.extract() else {
            return Err(peer("no Welcome"));
        };
        let provider = self.provider();
        StagedWelcome::build_from_welcome(&provider, &join_config(), welcome)
            .map_err(peer)?
            .skip_lifetime_validation()
            .build()
            .map_err(peer)?
            .into_group(&provider)
            .map_err(library)?;
        Ok(())
    }

    /// Comes into a group without anybody in it, by a `GroupInfo` that leaked (RFC 9420 §12.4.3.2). A
    /// leaf of the same key, if there is one, is thrown out by it. Returns the commit.
    pub fn join_from_outside(
        &self,
        group_info: &[u8],
        log: SignedHead,
    ) -> Result<Vec<u8>, MlsError> {
        let message = MlsMessageIn::tls_deserialize_exact_bytes(group_info).map_err(peer)?;
        let MlsMessageBodyIn::GroupInfo(group_info) = message.extract() else {
            return Err(peer("no GroupInfo"));
        };
        let provider = self.provider();
        let me = self.me(valise_proto::id::OrgId([0; 32]));
        let leaf = LeafNodeParameters::builder().with_capabilities(capabilities());
        let (_, bundle) = MlsGroup::external_commit_builder()
            .with_config(join_config())
            .with_aad(encode(&AuthenticatedData {
                version: AuthenticatedData::VERSION,
                log,
                state: Hash([0; 32]),
            }))
            .build_group(&provider, group_info, me.credential_with_key())
            .map_err(library)?
            .leaf_node_parameters(leaf.build())
            .load_psks(provider.storage())
            .map_err(library)?
            .build(provider.rand(), provider.crypto(), &self.signer, |_| true)
            .map_err(library)?
            .finalize(&provider)
            .map_err(library)?;
        bundle.into_commit().to_bytes().map_err(library)
    }

    /// Asks to be added to a group, without anybody in it (RFC 9420 §12.1.8).
    pub fn propose_from_outside(&self, group: GroupId, epoch: u64) -> Result<Vec<u8>, MlsError> {
        let package = unchecked_package(&self.provider(), &self.package()?)?;
        let group = openmls::prelude::GroupId::from_slice(group.as_ref());
        let epoch = epoch.into();
        JoinProposal::new::<Storage<'_>>(package, group, epoch, &self.signer)
            .map_err(library)?
            .to_bytes()
            .map_err(library)
    }

    /// Opens a message: a letter is read, a commit merged.
    pub fn read(&self, group: GroupId, message: &[u8]) -> Result<Option<Letter>, MlsError> {
        read_blindly(&self.provider(), group, message)
    }

    fn me(&self, org: valise_proto::id::OrgId) -> Me<'_> {
        Me {
            org,
            signer: &self.signer,
            credential: self.credential.clone(),
        }
    }

    fn provider(&self) -> Provider<'_> {
        Provider::new(&self.connection)
    }
}

/// A key package of which only the signatures were checked.
pub(crate) fn unchecked_package(
    provider: &Provider<'_>,
    bytes: &[u8],
) -> Result<KeyPackage, MlsError> {
    KeyPackageIn::tls_deserialize_exact_bytes(bytes)
        .map_err(peer)?
        .validate(provider.crypto(), ProtocolVersion::Mls10)
        .map_err(peer)
}

/// What opens the door from outside (RFC 9420 §12.4.3): no honest client ever makes one.
pub(crate) fn leak_group_info(
    provider: &Provider<'_>,
    me: &Me<'_>,
    group: GroupId,
) -> Result<Vec<u8>, MlsError> {
    load(provider, group)?
        .export_group_info(provider.crypto(), me.signer, true)
        .map_err(library)?
        .to_bytes()
        .map_err(library)
}

/// A group's epoch and its authenticator (RFC 9420 §8.7), on which all members of the epoch agree.
pub(crate) fn epoch(provider: &Provider<'_>, group: GroupId) -> Result<(u64, Vec<u8>), MlsError> {
    let group = load(provider, group)?;
    let authenticator = group.epoch_authenticator().as_slice().to_vec();
    Ok((group.epoch().as_u64(), authenticator))
}

/// Opens a message without looking who sent it: a letter is read, a commit merged.
pub(crate) fn read_blindly(
    provider: &Provider<'_>,
    group: GroupId,
    message: &[u8],
) -> Result<Option<Letter>, MlsError> {
    let mut group = load(provider, group)?;
    let message = MlsMessageIn::tls_deserialize_exact_bytes(message).map_err(peer)?;
    let message = message.try_into_protocol_message().map_err(peer)?;
    let message = group.process_message(provider, message).map_err(peer)?;
    match message.into_content() {
        ProcessedMessageContent::ApplicationMessage(content) => {
            let letter = Letter::from_padded(&content.into_bytes()).map_err(peer)?;
            Ok(Some(letter))
        }
        ProcessedMessageContent::StagedCommitMessage(commit) => {
            group
                .merge_staged_commit(provider, *commit)
                .map_err(library)?;
            Ok(None)
        }
        _ => Ok(None),
    }
}

/// Opens `message` once for each of `bits`, with that bit turned, in one group object that is kept all
/// the time. Returns how many opened.
pub(crate) fn open_flipped(
    provider: &Provider<'_>,
    group: GroupId,
    message: &[u8],
    bits: impl Iterator<Item = usize>,
) -> Result<usize, MlsError> {
    let mut group = load(provider, group)?;
    let mut opened = 0;
    for bit in bits {
        let mut flipped = message.to_vec();
        if let Some(byte) = flipped.get_mut(bit / 8) {
            *byte ^= 1 << (bit % 8);
        }
        let message = MlsMessageIn::tls_deserialize_exact_bytes(&flipped).ok();
        let message = message.and_then(|message| message.try_into_protocol_message().ok());
        let message = message.map(|message| group.process_message(provider, message));
        opened += usize::from(matches!(message, Some(Ok(_))));
    }
    Ok(opened)
}

/// Encrypts `letter` without looking who is there, under any signature.
pub(crate) fn encrypt_blindly(
    provider: &Provider<'_>,
    signer: &DeviceSigner,
    group: GroupId,
    letter: &Letter,
    log: SignedHead,
) -> Result<(u64, Vec<u8>), MlsError> {
    let mut group = load(provider, group)?;
    let epoch = group.epoch().as_u64();
    let aad = gossip(&group, log);
    group.set_aad(aad);
    let message = group
        .create_message(provider, signer, &letter.to_padded())
        .map_err(library)?;
    Ok((epoch, message.to_bytes().map_err(library)?))
}

/// A proposal to remove `device`, without the commit.
pub(crate) fn propose_removal(
    provider: &Provider<'_>,
    me: &Me<'_>,
    group: GroupId,
    device: DeviceId,
    log: SignedHead,
) -> Result<(u64, Vec<u8>), MlsError> {
    let mut group = load(provider, group)?;
    let epoch = group.epoch().as_u64();
    let member = group
        .members()
        .find(|member| member.signature_key == device.as_ref());
    let index = member.ok_or(MlsError::NoGroup)?.index;
    let aad = gossip(&group, log);
    group.set_aad(aad);
    let (message, _) = group
        .propose_remove_member(provider, me.signer, index)
        .map_err(library)?;
    group
        .clear_pending_proposals(provider.storage())
        .map_err(library)?;
    Ok((epoch, message.to_bytes().map_err(library)?))
}

#[cfg(test)]
mod tests;
