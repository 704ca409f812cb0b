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
    /// An entry larger than its kind may be.
    #[error("the {kind} entry is too large: {size_bytes} bytes")]
    TooLarge {
        /// The fact's kind.
        kind: &'static str,
        /// The entry's size.
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
    /// The server's address is not `https://host[:port]`.
    #[error("genesis does not name a server address such as https://mail.example")]
    Url,

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

    /// An old change of the organisation again, or one that lost a race.
    #[error("{kind} has sequence {found}: the organisation's next is {expected}")]
    OrganisationSequence {
        /// The fact's kind.
        kind: &'static str,
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
    /// A revoked key signs nothing.
    #[error("the {kind} entry is signed by key {key}, which is revoked")]
    RevokedSigner {
        /// The fact's kind.
        kind: &'static str,
        /// The signer.
        key: KeyId,
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
    /// The signer had not seen its own appointment, key or restoration when it signed.
    #[error("{account} signed this {kind} before seeing the entry that allows it")]
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
    /// The account is not suspended.
    #[error("{0} is not suspended")]
    NotSuspended(Name),
    /// No enrolment in a batch, or more than 256.
    #[error("a batch of {0} enrolments: 1 to 256 are allowed")]
    BatchSize(usize),
    /// A batch whose names are not sorted, or one twice.
    #[error("the names of the batch are not sorted, each name once")]
    BatchOrder,

    /// The account has no such key.
    #[error("{account} has no key {key}")]
    UnknownKey {
        /// The account.
        account: Name,
        /// The key.
        key: KeyId,
    },
    /// The key is revoked already.
    #[error("key {0} is revoked already")]
    KeyAlreadyRevoked(KeyId),
    /// Nobody locks himself out.
    #[error("{0} cannot revoke the last key of his own")]
    OwnLastKey(Name),

    /// One recovery at a time.
    #[error("entry {begun} began a recovery of {account}, which is under way")]
    RecoveryUnderWay {
        /// The account.
        account: Name,
        /// Index of the entry that began it.
        begun: u64,
    },
    /// It never began, was vetoed, was finished, or ended when the account was suspended.
    #[error("{kind}: no recovery of {account} that entry {begun} began is under way")]
    NoRecovery {
        /// The fact's kind.
        kind: &'static str,
        /// The account.
        account: Name,
        /// Index of the entry that is said to have begun it.
        begun: u64,
    },
    /// Whoever may object still has time to.
    #[error("the recovery of {account} waits another {early_ms} ms for objections")]
    RecoveryEarly {
        /// The account.
        account: Name,
        /// How long before its time it was to be finished.
        early_ms: u64,
    },

    /// Nobody could ever change anything again.
    #[error("{kind} would leave {left} admins who can sign, where {needed} must")]
    TooFewAdmins {
        /// The fact's kind.
        kind: &'static str,
        /// How many would be left.
        left: usize,
        /// How many must sign what needs the threshold.
        needed: usize,
    },
    /// A threshold of nobody, or of more than there are.
    #[error("a threshold of {asked}: 1 to {admins} are possible, the admins who can sign")]
    ThresholdRange {
        /// The threshold asked for.
        asked: u8,
        /// How many admins can sign.
        admins: usize,
    },
    /// The account is no admin.
    #[error("{0} is not an admin")]
    NotAdmin(Name),
    /// The account is an admin already.
    #[error("{0} is an admin already")]
    AlreadyAdmin(Name),
    /// A list of more than 1,000.
    #[error("a list of {0} members: at most 1000 are allowed")]
    ListSize(usize),
    /// Members that are not sorted, or one twice.
    #[error("the members of {0} are not sorted, each name once")]
    ListOrder(Name),

    /// Not the one ciphersuite.
    #[error("the policy asks for ciphersuite {0:#06x}: only 0x004e is allowed")]
    Suite(u16),
    /// An attestation authority whose models are not sorted, or doubled.
    #[error("the policy lists the models of an attestation authority unsorted or twice")]
    UnsortedModels,
    /// A limit that makes no sense.
    #[error("the policy's {rule} is {value}: {least} to {most} are allowed")]
    PolicyLimit {
        /// Which rule.
        rule: &'static str,
        /// What it says.
        value: u64,
        /// The least that it may say.
        least: u64,
        /// The most.
        most: u64,
    },
    /// A witness whose name cannot stand in a signature line.
    #[error("witness {number} has no name that a signature line can hold")]
    WitnessName {
        /// Which one, from 1.
        number: usize,
    },
    /// A witness for whom anybody could sign.
    #[error("the key of witness {number} is weak or malformed")]
    WitnessKey {
        /// Which one, from 1.
        number: usize,
    },
    /// A witness who would count twice.
    #[error("witness {number} has the name or the key of another one")]
    WitnessTwice {
        /// Which one, from 1.
        number: usize,
    },
    /// Two quorums without a common witness could sign two logs.
    #[error("a quorum of {quorum} of {witnesses} witnesses: more than half must agree")]
    WitnessQuorum {
        /// The quorum asked for.
        quorum: u8,
        /// How many witnesses there are.
        witnesses: usize,
    },

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
