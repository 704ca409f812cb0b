//! Letters over MLS (RFC 9420): the only place that knows OpenMLS.
//!
//! Every function here works inside one store transaction that its caller commits. After any
//! error the transaction is dropped, and with it the group object: OpenMLS groups in memory run
//! ahead of a database that was rolled back. After a commit one may be [`Held`] for the next.
//!
//! What OpenMLS does not know, and this room therefore checks, is who a leaf is: see
//! [`crate::trust`]. It checks before every join, add, merge and send.

mod commit;
mod held;
mod letter;
mod members;
mod package;
mod receive;
#[cfg(feature = "weaken")]
mod rogue;
mod welcome;

pub(crate) use commit::{Outgoing, commit, create, merge_own, withdraw_own};
pub(crate) use held::Held;
pub(crate) use letter::{Audited, audited};
pub(crate) use members::{Drift, identities};
pub(crate) use package::{checked_package, forget_old_packages, make_packages};
pub(crate) use receive::{Received, Receiver, is_commit};
#[cfg(feature = "weaken")]
pub use rogue::{Rogue, Weak};
#[cfg(feature = "weaken")]
pub(crate) use rogue::{
    encrypt_blindly, epoch, leak_group_info, open_flipped, propose_removal, read_blindly,
    unchecked_package,
};
pub(crate) use welcome::join;

use openmls::prelude::{
    Capabilities, CredentialType, CredentialWithKey, ExtensionType,
    MIXED_PLAINTEXT_WIRE_FORMAT_POLICY, MlsGroup, MlsGroupJoinConfig,
    PURE_CIPHERTEXT_WIRE_FORMAT_POLICY, ProtocolVersion, WireFormatPolicy,
};
use valise_proto::{
    codec::encode,
    conversation::AuthenticatedData,
    id::{GroupId, Hash, OrgId},
    log::checkpoint::SignedHead,
};

use crate::{
    provider::{DeviceSigner, Provider, SUITE},
    store::StoreError,
    trust::Alarm,
    weaken::checked,
};

/// Private-use code of the credential [`valise_proto::conversation::LeafIdentity`].
const CREDENTIAL: CredentialType = CredentialType::Other(0xF0C1);
/// Private-use code of the group context extension
/// [`valise_proto::conversation::Conversation`].
const CONVERSATION: u16 = 0xF0A1;

/// Commits are encrypted as letters are: the server does not read who comes or goes (P05).
fn wire_format() -> WireFormatPolicy {
    if checked("P05") {
        PURE_CIPHERTEXT_WIRE_FORMAT_POLICY
    } else {
        MIXED_PLAINTEXT_WIRE_FORMAT_POLICY
    }
}

/// What went wrong with a group.
#[derive(Debug, thiserror::Error)]
pub enum MlsError {
    /// Somebody lies.
    #[error(transparent)]
    Alarm(#[from] Alarm),
    /// The sender has seen more of the log than this device: read the log, then try again.
    #[error("the sender has seen {} entries of the log", .0.head.size)]
    Ahead(SignedHead),
    /// The message is of an epoch that this device was never brought to.
    #[error("a change of who is in the conversation never came")]
    LostCommit,
    /// OpenMLS or the provider failed. Its text holds no secret.
    #[error("MLS: {0}")]
    Library(String),
    /// This device is no member of the group, or never was.
    #[error("this device has no such group")]
    NoGroup,
    /// A peer's message that is not what it should be: it opens nothing and changes nothing.
    #[error("a message that does not open: {0}")]
    PeerMessage(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// This device in its groups.
pub(crate) struct Me<'a> {
    /// The organisation.
    pub(crate) org: OrgId,
    /// The device key.
    pub(crate) signer: &'a DeviceSigner,
    /// What its leaves carry: see [`crate::trust::own_credential`].
    pub(crate) credential: Vec<u8>,
}

impl Me<'_> {
    fn credential_with_key(&self) -> CredentialWithKey {
        CredentialWithKey {
            credential: openmls::prelude::Credential::new(CREDENTIAL, self.credential.clone()),
            signature_key: self.signer.public_key().into(),
        }
    }
}

fn library(error: impl std::fmt::Display) -> MlsError {
    MlsError::Library(error.to_string())
}

fn peer(error: impl std::fmt::Display) -> MlsError {
    MlsError::PeerMessage(error.to_string())
}

fn capabilities() -> Capabilities {
    Capabilities::builder()
        .versions(vec![ProtocolVersion::Mls10])
        .ciphersuites(vec![SUITE])
        // A leaf names what its own key package carries: a package of last resort says so.
        .extensions(vec![
            ExtensionType::LastResort,
            ExtensionType::Unknown(CONVERSATION),
        ])
        .credentials(vec![CREDENTIAL])
        .build()
}

fn join_config() -> MlsGroupJoinConfig {
    MlsGroupJoinConfig::builder()
        .wire_format_policy(wire_format())
        .use_ratchet_tree_extension(true)
        .max_past_epochs(0)
        .build()
}

fn load(provider: &Provider<'_>, group: GroupId) -> Result<MlsGroup, MlsError> {
    use openmls_traits::OpenMlsProvider as _;
    let id = openmls::prelude::GroupId::from_slice(group.as_ref());
    let group = MlsGroup::load(provider.storage(), &id).map_err(StoreError::from)?;
    group.ok_or(MlsError::NoGroup)
}

/// The authenticated data of a message in this group from somebody who has seen `log`.
fn gossip(group: &MlsGroup, log: SignedHead) -> Vec<u8> {
    encode(&AuthenticatedData {
        version: AuthenticatedData::VERSION,
        log,
        state: state(group),
    })
}

/// Everything that ever happened in the group, as one hash.
fn state(group: &MlsGroup) -> Hash {
    AuthenticatedData::state_of(group.epoch_authenticator().as_slice())
}
