//! Why an entry is not a fact: one variant a rule.

use crate::{
    codec::Malformed,
    id::{DeviceId, KeyId, Name},
    statement::PeerSignature,
};

/// Why an entry is not a fact. Every variant names what its signer or its bringer did wrong.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Not the canonical bytes of an entry, or too many of them.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// A statement larger than its limit.
    #[error("the {kind} statement is too large: {size_bytes} bytes")]
    TooLarge {
        /// The fact's kind.
        kind: &'static str,
        /// The statement's size.
        size_bytes: usize,
    },
    /// A version that this code does not know.
    #[error("the {kind} entry has version {version}: only 1 is known")]
    Version {
        /// The fact's kind.
        kind: &'static str,
        /// The version found.
        version: u8,
    },

    /// The first entry is something else.
    #[error("the first entry must be genesis, not {kind}")]
    NotGenesis {
        /// The fact's kind.
        kind: &'static str,
    },
    /// A genesis entry that is not the first.
    #[error("a second genesis entry")]
    SecondGenesis,
    /// Genesis claims to have seen something.
    #[error("genesis must come from nothing: seen head and sequence must be zero")]
    GenesisSawSomething,
    /// No founder, or more than four.
    #[error("genesis names {0} founding keys: 1 to 4 are allowed")]
    FounderCount(usize),
    /// A founding key that did not sign genesis.
    #[error("founding key {0} did not sign genesis")]
    FounderDidNotSign(KeyId),
    /// Not the one ciphersuite.
    #[error("genesis asks for ciphersuite {0:#06x}: only 0x004e is allowed")]
    Suite(u16),
    /// The server's address is not `https://host[:port]`.
    #[error("genesis does not name a server address such as https://mail.example")]
    Url,
    /// An attestation authority whose models are not sorted, or doubled.
    #[error("genesis lists the models of an attestation authority unsorted or twice")]
    UnsortedModels,

    /// The signer claims a head that the log does not have yet, or none at all.
    #[error("the {kind} entry claims to have seen {seen} entries of {size}")]
    SeenSize {
        /// The fact's kind.
        kind: &'static str,
        /// The size that the signer claims.
        seen: u64,
        /// The log's size.
        size: u64,
    },
    /// The signer had seen another log.
    #[error("the {kind} entry was signed in sight of another log: the roots at {seen} differ")]
    SeenRoot {
        /// The fact's kind.
        kind: &'static str,
        /// The size at which the logs differ.
        seen: u64,
    },
    /// An old entry again, or one that lost a race.
    #[error("{kind} for {account} has sequence {found}: the next is {expected}")]
    Sequence {
        /// The fact's kind.
        kind: &'static str,
        /// Whom it is about.
        account: Name,
        /// What the log expects.
        expected: u64,
        /// What the entry says.
        found: u64,
    },

    /// Nobody signed.
    #[error("nobody signed the {kind} entry")]
    Unsigned {
        /// The fact's kind.
        kind: &'static str,
    },
    /// A key signed twice, or the signatures are not sorted by key.
    #[error("the signatures of the {kind} entry are not sorted by key, each key once")]
    SignatureOrder {
        /// The fact's kind.
        kind: &'static str,
    },
    /// More signatures than the fact may have.
    #[error("{kind} needs exactly one signature, and has {found}")]
    OneSignature {
        /// The fact's kind.
        kind: &'static str,
        /// How many it has.
        found: usize,
    },
    /// A signer that the log does not know.
    #[error("the {kind} entry is signed by key {key}, which is not in the directory")]
    UnknownSigner {
        /// The fact's kind.
        kind: &'static str,
        /// The signer.
        key: KeyId,
    },
    /// A suspended account signs nothing.
    #[error("the {kind} entry is signed by {account}, who is suspended")]
    SuspendedSigner {
        /// The fact's kind.
        kind: &'static str,
        /// The signer.
        account: Name,
    },
    /// A founding key without a name signs nothing but its own naming.
    #[error("the {kind} entry is signed by founding key {key}, which has no name yet")]
    UnnamedSigner {
        /// The fact's kind.
        kind: &'static str,
        /// The signer.
        key: KeyId,
    },
    /// The signer may not say this.
    #[error("{account} may not sign this {kind}")]
    NoAuthority {
        /// The fact's kind.
        kind: &'static str,
        /// The signer.
        account: Name,
    },
    /// The signer had not seen its own appointment when it signed.
    #[error("{account} signed this {kind} before seeing the appointment that allows it")]
    BeforeAppointment {
        /// The fact's kind.
        kind: &'static str,
        /// The signer.
        account: Name,
    },
    /// Too few admins signed.
    #[error("{kind} needs the signatures of {needed} admins, and has {found}")]
    Threshold {
        /// The fact's kind.
        kind: &'static str,
        /// How many admins must sign.
        needed: usize,
        /// How many did.
        found: usize,
    },
    /// A signature that proves nothing.
    #[error("key {key} did not sign this {kind}: {cause}")]
    Signature {
        /// The fact's kind.
        kind: &'static str,
        /// The key that is said to have signed.
        key: KeyId,
        /// What is wrong with it.
        cause: PeerSignature,
    },

    /// The name was used before.
    #[error("the name {0} was used before")]
    NameTaken(Name),
    /// The key is in the directory already.
    #[error("key {0} is in the directory already")]
    KeyTaken(KeyId),
    /// Only the founding key itself says whose it is.
    #[error("only founding key {0} itself may say whose it is")]
    FounderNaming(KeyId),
    /// A credential id that is empty or used already.
    #[error("a credential id of key {0} is empty or used already")]
    CredentialId(KeyId),
    /// A public key that is used already: each credential has its own.
    #[error("a public key of key {0} is used already")]
    PublicKeyTaken(KeyId),
    /// A public key that is not a point of P-256.
    #[error("a public key of key {0} is not a point of P-256")]
    PublicKey(KeyId),
    /// The software key, where the policy does not name it.
    #[error("key {0} is a software key, which the policy does not allow")]
    SoftKey(KeyId),
    /// A model that the policy does not list.
    #[error("key {0} is of a model that the policy does not list")]
    Model(KeyId),
    /// No such account.
    #[error("{kind}: there is no account {account}")]
    UnknownAccount {
        /// The fact's kind.
        kind: &'static str,
        /// The name.
        account: Name,
    },
    /// The account is suspended.
    #[error("{kind}: {account} is suspended")]
    Suspended {
        /// The fact's kind.
        kind: &'static str,
        /// The account.
        account: Name,
    },
    /// Without an admin nobody could ever change anything.
    #[error("{0} is the last admin and cannot be suspended")]
    LastAdmin(Name),
    /// The account is an admin already.
    #[error("{0} is an admin already")]
    AlreadyAdmin(Name),

    /// A device key of small order, or none at all: anybody could sign for it.
    #[error("device key {device} of {account} is weak or malformed")]
    WeakDevice {
        /// Whose it is said to be.
        account: Name,
        /// The device.
        device: DeviceId,
    },
    /// The device did not agree to be this person's.
    #[error("device {device} did not consent to belong to {account}")]
    DeviceConsent {
        /// Whose it is said to be.
        account: Name,
        /// The device.
        device: DeviceId,
    },
    /// The device was certified before; once revoked it never comes back.
    #[error("device {0} was certified before")]
    DeviceTaken(DeviceId),
    /// The account has no such device.
    #[error("{account} has no device {device}")]
    UnknownDevice {
        /// The account.
        account: Name,
        /// The device.
        device: DeviceId,
    },
    /// The device is revoked already.
    #[error("device {0} is revoked already")]
    AlreadyRevoked(DeviceId),
}
