//! What is tried, what the attacker has for it, and what came of it.

/// Which attack it belongs to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scheme {
    /// A link or a QR code that adds the attacker's device.
    Link,
    /// A code that the victim reads out or types in, or anything else that can be forwarded.
    Code,
    /// A server that lies.
    Server,
}

impl Scheme {
    /// Its name for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::Code => "code",
            Self::Server => "server",
        }
    }

    /// What it is.
    pub fn title(self) -> &'static str {
        match self {
            Self::Link => {
                "A link, or a picture to scan, adds the attacker's device to your account"
            }
            Self::Code => "You read a code out to the attacker, or he catches what you send",
            Self::Server => "The server lies to you",
        }
    }
}

macro_rules! attempts {
    ($($name:ident $scheme:ident $id:literal $had:literal $tried:literal)+) => {
        /// One attempt.
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        pub enum Attempt {
            $(#[doc = $tried] $name,)+
        }

        impl Attempt {
            /// Every attempt, in the order in which they are made.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// Which attack it belongs to.
            pub fn scheme(self) -> Scheme {
                match self { $(Self::$name => Scheme::$scheme,)+ }
            }

            /// Its name for programs.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => $id,)+ }
            }

            /// What the attacker had.
            pub fn had(self) -> &'static str {
                match self { $(Self::$name => $had,)+ }
            }

            /// What he tried.
            pub fn tried(self) -> &'static str {
                match self { $(Self::$name => $tried,)+ }
            }
        }
    };
}

attempts! {
    ReadLetters Link "read-letters"
        "your organisation's card, your name, any link that you could be sent"
        "fetch your letters from a device that he made himself"
    LogInWithHisKey Link "log-in-with-his-key"
        "the same, and a security key of his own making"
        "log in under your name with his own key"
    LogInWithYourKeysId Link "log-in-with-your-keys-id"
        "the same, and the number of your security key"
        "log in with his signature in the place of your key's"
    CertifyHisDevice Link "certify-his-device"
        "all of that, and a certificate that he signed himself"
        "have his device written into the directory log as yours"
    AskUnderYourName Link "ask-under-your-name"
        "the card and your name"
        "ask to be enrolled under your name"

    UseYourWords Code "use-your-words"
        "your six words, read out by you"
        "log in with the words"
    UseYourSession Code "use-your-session"
        "the number of the session that you are logged in with at this moment"
        "fetch your letters in your session, from his device"
    RepeatRequest Code "repeat-request"
        "a request of this computer, caught on its way: every byte, with its signature"
        "send it again"
    TurnRequest Code "turn-request"
        "a request of this computer that never arrived"
        "fetch your letters with its signature"
    BorrowLogin Code "borrow-login"
        "a login that you touched your key for, caught before it arrived"
        "log in with it from his device"
    RepeatLogin Code "repeat-login"
        "the same login, and this computer's own device key"
        "send it a second time"

    StandInForServer Server "stand-in-for-server"
        "your network: what you send to the server comes to him, whose TLS key is another"
        "have this computer log in to him"
    SignWithOtherKey Server "sign-with-other-key"
        "the server's place, and not the log's key that the card names"
        "show this computer a log that he signed himself"
    WithholdEntry Server "withhold-entry"
        "the server and the log's key"
        "leave the newest entry out"
    SpoilEntry Server "spoil-entry"
        "the server and the log's key"
        "change one bit of the newest entry"
    GoBack Server "go-back"
        "the server and the log's key"
        "go back to an older log, so that the newest entry is forgotten"
    SignTwoLogs Server "sign-two-logs"
        "the server and the log's key"
        "show this computer another log of the same length"
    InventKey Server "invent-key"
        "the server, the log's key, and a security key of his own"
        "write an entry that makes his key yours"
    DateAhead Server "date-ahead"
        "the server and the log's key"
        "sign the log as tomorrow's newest, to show it tomorrow again"
}

impl Attempt {
    /// Whether it is made on this computer alone.
    pub fn is_local(self) -> bool {
        self.scheme() == Scheme::Server
    }
}

/// What came of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// Somebody stopped it.
    Stopped {
        /// Who.
        by: &'static str,
        /// In whose own words: untrusted.
        said: String,
    },
    /// Nobody did.
    NotStopped(String),
    /// It could not be tried.
    NotTried(String),
    /// It was not tried on purpose.
    LeftOut(String),
}

impl Verdict {
    /// Its name for programs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Stopped { .. } => "stopped",
            Self::NotStopped(_) => "not-stopped",
            Self::NotTried(_) => "not-tried",
            Self::LeftOut(_) => "left-out",
        }
    }
}

/// An attempt and what came of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Trial {
    /// What was tried.
    pub attempt: Attempt,
    /// What came of it.
    pub verdict: Verdict,
}
