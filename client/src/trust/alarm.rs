//! Trust failures, by name.

use valise_proto::{
    history::PeerForeignHistory,
    id::{DeviceId, Name, OrgId},
    log::{Head, checkpoint::PeerBadCheckpoint, evidence::Evidence, replay::Refusal},
};

/// Somebody lies. The variants are the names that `valise events` shows.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Alarm {
    /// A file is not what the letter says that its writer sealed.
    #[error("a file of {sender}'s letter {number} is not the one that the letter names")]
    BadAttachment {
        /// Who wrote the letter.
        sender: Name,
        /// The letter's number here.
        number: u64,
    },
    /// The server's checkpoint is not signed as the card says.
    #[error("the server's checkpoint is not signed by the log key on the organisation card")]
    BadCheckpoint(#[from] PeerBadCheckpoint),
    /// A history that somebody else made, or that comes from a computer or a key that is shut out.
    #[error("this history is not your own word: {0}")]
    ForeignHistory(PeerForeignHistory),
    /// The log holds an entry that its signers had no power to make.
    #[error("the server's log holds an entry that is not valid: {0}")]
    ForgedEntry(Refusal),
    /// Under an act that waits for admins stands a signature that its signer did not make.
    #[error("an act that waits for admins carries a signature of {signer} that does not verify")]
    ForgedSignature {
        /// Whose it claims to be: a name, or a key that nobody has.
        signer: String,
    },
    /// The server writes a time under its log that has not come yet.
    #[error("the server dates its directory log {minutes} minutes into the future")]
    FutureLog {
        /// By this device's clock.
        minutes: u64,
    },
    /// A device stands where only certified devices may, and no key ever certified it.
    #[error("a device claims to be {account}'s, and no security key of {account} certified it")]
    GhostDevice {
        /// Whose it claims to be.
        account: Name,
        /// Its key.
        device: DeviceId,
    },
    /// A conversation has two pasts: the server gave one commit to some of its people and another to the
    /// rest, or somebody says so.
    #[error(
        "the conversation of {} was split in two: a message from another half of it came, and does not open",
        list(people)
    )]
    GroupFork {
        /// Everybody in the conversation.
        people: Vec<Name>,
    },
    /// The server shows less of the log than a colleague has seen, or than it signed for.
    #[error("the server hides part of the log: it has {seen} entries and shows {shown}")]
    HiddenLog {
        /// Entries that the log has.
        seen: u64,
        /// Entries that the server shows.
        shown: u64,
    },
    /// Two people are shown two logs, and the server signed both.
    #[error("the server signed two different logs of {} entries", .0.older.head.size)]
    LogFork(Box<Evidence>),
    /// The server's log is shorter than before, or its past has changed.
    #[error("the server's log went back: it had {} entries and now shows {}", seen.size, shown.size)]
    LogRollback {
        /// What this device had verified.
        seen: Head,
        /// What the server shows now.
        shown: Head,
    },
    /// A device's certificate is another person's.
    #[error("a device that belongs to {owner} claims to be {account}'s")]
    MisboundDevice {
        /// Whose it claims to be.
        account: Name,
        /// Whose it is.
        owner: Name,
    },
    /// An act that waits for admins was signed in sight of another log than this device's.
    #[error("an act that waits for admins was signed in sight of another log, at {size} entries")]
    OtherLog {
        /// Entries that its signer had seen.
        size: u64,
    },
    /// Nobody has said for a day that this is the newest log: who was shut out since would not show.
    #[error("the server has not said for 24 hours that this is its newest directory log")]
    StaleLog,
    /// A letter under an id that only another device can give.
    #[error("{sender}'s letter claims an id that is not its own")]
    BorrowedId {
        /// Who wrote it.
        sender: Name,
    },
    /// A key package that is past its time, or was made to last too long.
    #[error("a key package of {account} is out of its time: it may last 30 days at most")]
    StalePackage {
        /// Whose.
        account: Name,
    },
    /// What this device did itself is not in its store: to go on would use keys a second time.
    #[error(
        "this computer did more in a conversation than its store knows: the store was put back from a copy, \
         or the server lies"
    )]
    StoreRollback,
    /// A key package or a leaf has a key that is not the certified one.
    #[error("{account}'s key was swapped: the device's certificate names another one")]
    SwappedKey {
        /// Whose device was meant.
        account: Name,
    },
    /// Somebody is in a conversation, or was to be added, who does not belong there.
    #[error("somebody who does not belong to the conversation was to be added: {account}")]
    UnauthorisedMember {
        /// Who.
        account: Name,
    },
    /// The server took an entry, or gave one, and does not prove that it is in its log.
    #[error("the server does not prove that an entry is in the log that it signed")]
    UnprovenEntry,
    /// No majority of the witnesses has signed this very log within a day: another one may be shown to
    /// colleagues, or a newer one.
    #[error(
        "not enough witnesses have signed this directory log within 24 hours: {quorum} of {witnesses} must"
    )]
    UnwitnessedLog {
        /// How many must have.
        quorum: u8,
        /// Of how many.
        witnesses: usize,
    },
    /// A key to which nobody can encrypt: it would end every conversation that it is in.
    #[error("{account}'s key is of a kind to which nobody can encrypt")]
    WeakKey {
        /// Whose.
        account: Name,
    },
    /// An invitation that is not what its group says it is.
    #[error("an invitation leads into another conversation than it says")]
    WrongConversation,
    /// A card that is not this account's: of another organisation, or with other keys on it.
    #[error("this is not the card that this account joined with")]
    WrongCard {
        /// This account's organisation.
        expected: OrgId,
        /// The card's.
        seen: OrgId,
    },
    /// The server's organisation is not the one on the card.
    #[error("the server belongs to another organisation than the card")]
    WrongGenesis {
        /// The organisation on the card.
        expected: OrgId,
        /// The server's.
        seen: OrgId,
    },
    /// A letter whose addressees are not the people of its conversation.
    #[error("{sender}'s letter names other people than those who got it")]
    WrongRecipients {
        /// Who wrote it.
        sender: Name,
    },
}

impl Alarm {
    /// The event's name.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::BadAttachment { .. } => "bad-attachment",
            Self::BadCheckpoint(_) => "bad-checkpoint",
            Self::ForeignHistory(_) => "foreign-history",
            Self::ForgedEntry(_) => "forged-entry",
            Self::ForgedSignature { .. } => "forged-signature",
            Self::FutureLog { .. } => "future-log",
            Self::GhostDevice { .. } => "ghost-device",
            Self::GroupFork { .. } => "group-fork",
            Self::HiddenLog { .. } => "hidden-log",
            Self::LogFork(_) => "log-fork",
            Self::LogRollback { .. } => "log-rollback",
            Self::MisboundDevice { .. } => "misbound-device",
            Self::OtherLog { .. } => "other-log",
            Self::StaleLog => "stale-log",
            Self::BorrowedId { .. } => "borrowed-id",
            Self::StalePackage { .. } => "stale-package",
            Self::StoreRollback => "store-rollback",
            Self::SwappedKey { .. } => "swapped-key",
            Self::UnauthorisedMember { .. } => "unauthorised-member",
            Self::UnprovenEntry => "unproven-entry",
            Self::UnwitnessedLog { .. } => "unwitnessed-log",
            Self::WeakKey { .. } => "weak-key",
            Self::WrongConversation => "wrong-conversation",
            Self::WrongCard { .. } => "wrong-card",
            Self::WrongGenesis { .. } => "wrong-genesis",
            Self::WrongRecipients { .. } => "wrong-recipients",
        }
    }
}

fn list(people: &[Name]) -> String {
    let names: Vec<_> = people.iter().map(Name::as_str).collect();
    names.join(", ")
}
