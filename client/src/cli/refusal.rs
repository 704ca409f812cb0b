//! Every failure of an account as the person reads it: what happened, what did not, what to do.

use valise_proto::{api::ErrorCode, id::Name, log::Head};

use super::error::{Code, CommandError};
use crate::{
    api::ApiError, file::FileError, home::HomeError, key::KeyError, safe::Safe, session::Error,
    store::StoreError, trust::Alarm, vault::VaultError,
};

/// The refusal that says `error`.
pub(super) fn refusal(error: &Error) -> CommandError {
    let text = Safe::line(&error.to_string());
    match error {
        Error::AgainstRules(_) => CommandError::new(Code::AgainstRules, text)
            .outcome("nothing was signed")
            .hint("valise admin log show"),
        Error::Alarm(alarm) => self::alarm(alarm),
        Error::CopiedKey => CommandError::new(Code::CopiedKey, text)
            .outcome("you were not logged in")
            .hint("use your other key, and have this one revoked: valise key list"),
        Error::Api(error) => api(error),
        Error::Attached(_) | Error::FileGone(_) | Error::NoSuchFile(_) => of_files(error, text),
        Error::Home(error) => home(error),
        Error::Key(error) => key(error),
        Error::Vault(error) => vault(error),
        Error::Store(error) => store(error),
        Error::BadHistory { .. } | Error::NotSealedToKey => of_histories(error, text),
        Error::File(_, error) => file(text, error),
        Error::EnrolmentRefused => CommandError::new(Code::NotEnrolled, text)
            .hint("call an admin, then run the same command again: it asks anew"),
        Error::HomeTaken => CommandError::new(Code::AlreadyJoined, text)
            .outcome("nothing was made")
            .hint("name another folder with --home"),
        Error::KeysChanged(name) => keys_changed(text, name),
        Error::LastKey => CommandError::new(Code::Failed, text)
            .outcome("nothing was signed")
            .hint("valise key add"),
        Error::LoginNeeded => CommandError::new(Code::Locked, text).hint("valise unlock"),
        Error::Mls(_) | Error::Wrong(_) => CommandError::new(Code::Failed, text),
        Error::NameTaken(name) => name_taken(text, name),
        Error::NameNeeded => CommandError::new(Code::Usage, text)
            .outcome("nothing was asked for")
            .hint("valise join CARD --as NAME"),
        Error::NoDevice(_) => CommandError::new(Code::Unreachable, text)
            .outcome("the letter waits in the outbox")
            .hint("valise outbox retry"),
        Error::NobodyOnList(list) => CommandError::new(Code::UnknownRecipient, text)
            .outcome("nothing was sent or kept")
            .hint(Safe::line(&format!("valise contact lists {list}"))),
        Error::NoSuchLetter(_) => CommandError::new(Code::NotFound, text).hint("valise list"),
        Error::NoSuchRequest(_) | Error::Unattested { .. } => of_asks(error, text),
        Error::NotAdmin(_) => CommandError::new(Code::NotAdmin, text)
            .outcome("nothing was signed")
            .hint("ask an admin"),
        Error::NotJoined => CommandError::new(Code::NotJoined, text).hint("valise join CARD"),
        Error::NotEnrolled => CommandError::new(Code::NotEnrolled, text)
            .hint("read the six words to an admin, then run valise join again"),
        Error::Overtaken(_) => CommandError::new(Code::Refused, text)
            .outcome("nothing has changed")
            .hint("valise admin approve list"),
        Error::Revoked => CommandError::new(Code::DeviceRevoked, text)
            .outcome("nothing was sent")
            .hint("call an admin"),
        Error::Suspended(_) => CommandError::new(Code::Suspended, text)
            .outcome("nothing was sent or kept")
            .hint("leave them out, or ask an admin"),
        Error::TooLarge { .. } => CommandError::new(Code::TooLarge, text)
            .outcome("nothing was sent or kept")
            .hint("shorten it, or send it in parts"),
        Error::NotWaiting(_) | Error::OnItsWay(_) => of_the_outbox(error, text),
        Error::UnknownRecipient { near, .. } => unknown_recipient(text, near.as_ref()),
    }
}

fn of_histories(error: &Error, text: Safe) -> CommandError {
    let (code, hint) = match error {
        Error::NotSealedToKey => (
            Code::OtherKey,
            "plug in a key that was yours then, or export again",
        ),
        _ => (
            Code::BadHistory,
            "valise history export FILE, on the other computer",
        ),
    };
    CommandError::new(code, text)
        .outcome("nothing was imported")
        .hint(hint)
}

fn of_the_outbox(error: &Error, text: Safe) -> CommandError {
    match error {
        Error::OnItsWay(_) => CommandError::new(Code::OnItsWay, text)
            .outcome("it was not dropped")
            .hint("valise outbox retry"),
        _ => CommandError::new(Code::NotWaiting, text)
            .outcome("nothing was dropped")
            .hint("valise outbox"),
    }
}

fn of_asks(error: &Error, text: Safe) -> CommandError {
    if matches!(error, Error::NoSuchRequest(_)) {
        return CommandError::new(Code::NotFound, text).hint("valise admin requests");
    }
    CommandError::new(Code::KeyModel, text)
        .outcome("nothing was signed")
        .hint("valise admin policy show")
}

fn file(text: Safe, error: &std::io::Error) -> CommandError {
    let code = match error.kind() {
        std::io::ErrorKind::NotFound => Code::NotFound,
        std::io::ErrorKind::StorageFull => Code::DiskFull,
        _ => Code::Failed,
    };
    CommandError::new(code, text)
        .outcome("nothing was written")
        .hint("name another file")
}

fn keys_changed(text: Safe, name: &Name) -> CommandError {
    CommandError::new(Code::KeysChanged, text)
        .outcome("nothing was sent")
        .fact(
            "first",
            Safe::line(&format!("call {name}, by another way than Valise")),
        )
        .hint(Safe::line(&format!(
            "valise contact show {name}, then valise contact accept {name}"
        )))
}

/// The likelier case is an attack: what a recovery takes comes second, and only on the person's word.
fn name_taken(text: Safe, name: &Name) -> CommandError {
    CommandError::new(Code::NameTaken, text)
        .outcome("nothing was signed")
        .fact(
            "why",
            "somebody else asks for it, or its owner lost every key",
        )
        .fact(
            "first",
            Safe::line(&format!("call {name}, by another way than Valise")),
        )
        .hint(Safe::line(&format!(
            "only if every key of {name} is lost: valise admin recovery begin {name}"
        )))
}

fn unknown_recipient(text: Safe, near: Option<&Name>) -> CommandError {
    let refusal =
        CommandError::new(Code::UnknownRecipient, text).outcome("nothing was sent or kept");
    match near {
        Some(near) => refusal.hint(Safe::line(&format!("did you mean {near}?"))),
        None => refusal.hint("valise sync"),
    }
}

fn alarm(alarm: &Alarm) -> CommandError {
    let code = match alarm {
        Alarm::ForeignHistory(_) => return foreign_history(alarm),
        Alarm::ForgedSignature { .. } => Code::ForgedSignature,
        Alarm::BadAttachment { .. } => Code::BadAttachment,
        Alarm::GhostDevice { .. } => Code::GhostDevice,
        Alarm::FutureLog { .. } | Alarm::StaleLog => Code::StaleHead,
        Alarm::UnwitnessedLog { .. } => Code::Unwitnessed,
        Alarm::LogRollback { .. } => Code::Rollback,
        Alarm::GroupFork { .. } => Code::Split,
        Alarm::HiddenLog { .. } | Alarm::LogFork(_) | Alarm::OtherLog { .. } => Code::Fork,
        Alarm::BorrowedId { .. }
        | Alarm::MisboundDevice { .. }
        | Alarm::StalePackage { .. }
        | Alarm::StoreRollback
        | Alarm::SwappedKey { .. }
        | Alarm::UnauthorisedMember { .. }
        | Alarm::WeakKey { .. }
        | Alarm::WrongConversation
        | Alarm::WrongRecipients { .. } => Code::Misbound,
        Alarm::BadCheckpoint(_) | Alarm::ForgedEntry(_) | Alarm::UnprovenEntry => Code::BadEntry,
        Alarm::WrongCard { .. } | Alarm::WrongGenesis { .. } => Code::WrongCard,
    };
    let outcome = match alarm {
        Alarm::BadAttachment { .. } => "nothing was saved",
        _ => "nothing was sent",
    };
    let refusal = CommandError::new(code, Safe::line(&alarm.to_string()))
        .outcome(outcome)
        .hint("call an admin, by another way than Valise");
    match alarm {
        Alarm::WrongCard { expected, seen } | Alarm::WrongGenesis { expected, seen } => refusal
            .fact("expected", Safe::line(&format!("organisation {expected}")))
            .fact("seen", Safe::line(&format!("organisation {seen}"))),
        Alarm::LogRollback { seen, shown } => rollback(refusal, seen, shown),
        Alarm::LogFork(evidence) => refusal
            .fact("one", Safe::line(&format!("root {}", evidence.root)))
            .fact(
                "other",
                Safe::line(&format!("root {}", evidence.older.head.root)),
            )
            .fact("proof", "valise log evidence export"),
        Alarm::UnwitnessedLog { .. } => refusal
            .fact("who", "valise log head says who has signed, and when")
            .hint("valise sync; if it stays so, call an admin, by another way than Valise"),
        Alarm::GroupFork { .. } => CommandError::new(code, Safe::line(&alarm.to_string()))
            .outcome("nothing more is sent in it: a new one of the same people takes its place")
            .fact(
                "first",
                "ask them, by another way than Valise, what you have not got",
            )
            .hint("valise sync"),
        _ => refusal,
    }
}

/// The likely innocent cause beside the guilty one. Either way nothing is sent: they look the same.
fn rollback(refusal: CommandError, seen: &Head, shown: &Head) -> CommandError {
    let of = |head: &Head| Safe::line(&format!("{} entries, root {}", head.size, head.root));
    refusal
        .fact("expected", of(seen))
        .fact("seen", of(shown))
        .fact(
            "perhaps",
            "the operator put an old backup back: ask, by another way than Valise",
        )
        .fact(
            "or",
            "somebody hides what was decided since, such as who was shut out",
        )
        .fact(
            "if a backup",
            "valise admin log export FILE: the operator's server takes the rest back from that file",
        )
}

fn foreign_history(alarm: &Alarm) -> CommandError {
    CommandError::new(Code::ForeignHistory, Safe::line(&alarm.to_string()))
        .outcome("nothing was imported")
        .hint("valise history export FILE, on a computer of your own")
}

fn api(error: &ApiError) -> CommandError {
    let text = Safe::line(&error.to_string());
    match error {
        ApiError::Certificate => CommandError::new(Code::Expired, text)
            .outcome("nothing was sent")
            .hint("tell whoever runs your server; check this computer's clock"),
        ApiError::Broken | ApiError::Unreachable(_) => {
            CommandError::new(Code::Unreachable, text).hint("valise sync")
        }
        ApiError::WrongServer { .. } => CommandError::new(Code::PinMismatch, text)
            .outcome("nothing was sent, and you were not asked to log in")
            .hint("call an admin, by another way than Valise"),
        ApiError::PeerMalformed => CommandError::new(Code::Versions, text),
        ApiError::Randomness => CommandError::new(Code::Failed, text),
        ApiError::Refused(problem) if problem.code == ErrorCode::Clock => {
            CommandError::new(Code::Clock, "two clocks do not agree")
                .outcome("nothing was sent")
                .fact("why", Safe::line(problem.detail.as_str()))
                .hint("timedatectl set-ntp true; if this computer's clock is right, tell whoever runs your server")
        }
        ApiError::Refused(problem) => {
            let code = match problem.code {
                ErrorCode::Unauthenticated | ErrorCode::Forbidden => Code::LoginRefused,
                ErrorCode::Revoked => Code::DeviceRevoked,
                ErrorCode::NotFound => Code::NotFound,
                ErrorCode::TooLarge => Code::TooLarge,
                ErrorCode::Full => Code::ServerFull,
                ErrorCode::TooMany | ErrorCode::Unavailable => Code::Busy,
                _ => Code::Refused,
            };
            let detail = Safe::line(problem.detail.as_str());
            CommandError::new(code, "the server refuses")
                .fact("why", detail)
                .hint("valise doctor")
        }
    }
}

fn of_files(error: &Error, text: Safe) -> CommandError {
    match error {
        Error::Attached(error) => attached(error, text),
        Error::NoSuchFile(number) => CommandError::new(Code::NotFound, text)
            .outcome("nothing was saved")
            .hint(Safe::line(&format!("valise attach list {number}"))),
        _ => CommandError::new(Code::FileGone, text)
            .outcome("nothing was saved")
            .hint("ask whoever wrote the letter to send it again"),
    }
}

fn attached(error: &FileError, text: Safe) -> CommandError {
    let code = match error {
        FileError::TooLarge(_) | FileError::TooMany => Code::TooLarge,
        _ if error.is_full() => Code::DiskFull,
        _ => Code::BadFile,
    };
    let refusal = CommandError::new(code, text);
    match error {
        FileError::Folder(_) => refusal.hint("pack it into one file first, with tar or zip"),
        FileError::Changed(_) => refusal.hint("run it again when nothing writes to the file"),
        FileError::TooMany => refusal.hint("pack them into one file, or send several letters"),
        FileError::TooLarge(_) => refusal.hint("send it in parts"),
        FileError::NoName(_) => refusal.hint("name another folder with --to"),
        _ => refusal,
    }
}

pub(super) fn home(error: &HomeError) -> CommandError {
    let text = Safe::line(&error.to_string());
    match error {
        HomeError::Open(path) => CommandError::new(Code::HomeOpen, text)
            .outcome("nothing was read")
            .hint(Safe::line(&format!("chmod 700 {}", path.display()))),
        HomeError::Io(_, io) if io.kind() == std::io::ErrorKind::StorageFull => {
            CommandError::new(Code::DiskFull, text)
        }
        HomeError::Io(..) => CommandError::new(Code::Failed, text),
    }
}

fn key(error: &KeyError) -> CommandError {
    let code = match error {
        KeyError::Cancelled => Code::Cancelled,
        KeyError::NoKey => Code::NoKey,
        KeyError::NoPinSet => Code::NoPin,
        KeyError::NotThisKey => Code::OtherKey,
        KeyError::NotTouched => Code::KeyUntouched,
        KeyError::PinBlocked | KeyError::PinPaused => Code::PinBlocked,
        KeyError::WrongPin { .. } => Code::WrongPin,
        KeyError::AlreadyEnrolled
        | KeyError::File(..)
        | KeyError::KeyFull
        | KeyError::NoAccess(_)
        | KeyError::NotSupported(_)
        | KeyError::Protocol(_) => Code::KeyFailed,
    };
    let refusal = CommandError::new(code, Safe::line(&error.to_string()));
    let refusal = refusal.outcome("nothing was opened or signed");
    match error {
        KeyError::NoKey => refusal.hint("plug your security key in and try again"),
        KeyError::AlreadyEnrolled => refusal.hint("plug in the NEW key"),
        KeyError::NotThisKey => refusal.hint("plug in the key that you enrolled here"),
        KeyError::WrongPin { .. } => refusal.hint("try again slowly"),
        _ => refusal,
    }
}

fn vault(error: &VaultError) -> CommandError {
    let text = Safe::line(&error.to_string());
    match error {
        VaultError::NotThisKey => {
            CommandError::new(Code::OtherKey, text).hint("plug in the key that you enrolled here")
        }
        VaultError::Key(error) => key(error),
        VaultError::Damaged => CommandError::new(Code::StoreDamaged, text),
        VaultError::Sealing => CommandError::new(Code::Failed, text),
    }
}

fn store(error: &StoreError) -> CommandError {
    let text = Safe::line(&error.to_string());
    match error {
        StoreError::Newer { .. } => CommandError::new(Code::StoreNewer, text),
        StoreError::Exists => CommandError::new(Code::AlreadyJoined, text),
        StoreError::NotOpened | StoreError::Damaged(_) | StoreError::Mls(_) => {
            CommandError::new(Code::StoreDamaged, text).hint("keep the files: valise doctor")
        }
        StoreError::Sqlite(_) if error.is_busy() => CommandError::new(Code::StoreBusy, text),
        StoreError::Sqlite(_) if error.is_full() => CommandError::new(Code::DiskFull, text),
        StoreError::Sqlite(_) => CommandError::new(Code::Failed, text),
    }
}
