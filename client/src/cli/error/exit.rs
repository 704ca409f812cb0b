//! Exit codes: a promise to scripts, never renumbered.

/// How a command ended.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// Failed for a reason that has no number of its own.
    Failed = 1,
    /// Wrong usage, or a question that nobody could be asked.
    Usage = 2,
    /// Cancelled by the person.
    Cancelled = 3,
    /// Locked: an unlock or a touch is needed.
    Locked = 4,
    /// Not found.
    NotFound = 5,
    /// A trust alarm: an identity changed or does not check. Refused; nothing was sent.
    Alarm = 6,
    /// The server cannot be reached; a letter stays in the outbox.
    Unreachable = 7,
    /// The security key is absent, was not touched in time, or its PIN is wrong or blocked.
    Key = 8,
    /// Refused by the organisation's policy.
    Policy = 9,
    /// Would need the network, and `--offline` was given.
    Offline = 10,
    /// Nothing new.
    NothingNew = 11,
    /// Done, but something that came just now did not open or came too late, or something before it did
    /// not come.
    Incomplete = 12,
    /// The reader of our answer went away.
    PipeClosed = 141,
}

impl Exit {
    /// Every exit code, in order.
    pub const ALL: [Self; 14] = [
        Self::Done,
        Self::Failed,
        Self::Usage,
        Self::Cancelled,
        Self::Locked,
        Self::NotFound,
        Self::Alarm,
        Self::Unreachable,
        Self::Key,
        Self::Policy,
        Self::Offline,
        Self::NothingNew,
        Self::Incomplete,
        Self::PipeClosed,
    ];

    /// The number that the shell sees.
    #[expect(clippy::as_conversions, reason = "the discriminant is the number")]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// What it means, for `valise help exit-codes`.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Usage => "wrong usage, or a question that nobody could be asked",
            Self::Cancelled => "cancelled by you",
            Self::Locked => "locked: unlock or join first",
            Self::NotFound => "not found",
            Self::Alarm => "trust alarm: an identity does not check, nothing was sent",
            Self::Unreachable => "server unreachable; a letter stays in the outbox",
            Self::Key => "security key absent, not touched, or PIN wrong or blocked",
            Self::Policy => "refused by the organisation's policy",
            Self::Offline => "would need the network",
            Self::NothingNew => "nothing new",
            Self::Incomplete => {
                "done, but a message did not open, is missing or was late: see events"
            }
            Self::PipeClosed => "the program reading the answer went away",
        }
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.number())
    }
}
