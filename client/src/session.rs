//! An unlocked account: what the commands, the TUI and the tests share.

mod contact;
mod progress;

use std::{io, path::PathBuf, sync::Arc};

use reqwest::Method;
use valise_proto::{
    api::{ErrorCode, login},
    card::Card,
    codec::{self, decode},
    id::{DeviceId, Name, SubmissionId},
    key::KeyRecord,
    log::replay::Refusal,
};
use zeroize::Zeroizing;

use crate::{
    api::{Api, ApiError, Caller},
    clock::Clock,
    file::FileError,
    home::{Home, HomeError},
    key::{Key, KeyError, Prompt, Source},
    mls::{Held, Me, MlsError},
    provider::DeviceSigner,
    random::NoRandomness,
    store::{EventRow, Setting, Store, StoreError, StoreKey, Work},
    trust::{Alarm, Freshness, Ledger, Sighting, own_credential},
    vault::{Touched, Vault, VaultError},
};

pub use self::progress::{Onlooker, Step};

/// Everything that can go wrong with an account, by who has to act.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The directory's rules do not allow it.
    #[error("{0}")]
    AgainstRules(Refusal),
    /// Somebody lies: nothing was sent.
    #[error(transparent)]
    Alarm(#[from] Alarm),
    /// The server has seen this key's counter go back, and lets it in no more.
    #[error("this security key may have been copied: the server takes no login by it any more")]
    CopiedKey,
    /// The server refused or cannot be reached.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// The request to be enrolled was refused, or is too old.
    #[error("the request to be enrolled was refused, or is older than 24 hours")]
    EnrolmentRefused,
    /// A file cannot go out or come in.
    #[error(transparent)]
    Attached(#[from] FileError),
    /// The server does not have the file.
    #[error("the server does not have this file of letter {0}, or not any more")]
    FileGone(u64),
    /// A history file that is cut, changed or none at all.
    #[error("{}: {what}", .path.display())]
    BadHistory {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The folder is not fit.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// This folder belongs to an account already.
    #[error("this folder holds an account already")]
    HomeTaken,
    /// The hardware key refused.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Somebody has a key that this person has not agreed to.
    #[error("{0}'s keys changed since you last wrote to {0}")]
    KeysChanged(Name),
    /// Without it nobody could come in any more.
    #[error("this is your only security key")]
    LastKey,
    /// A login is needed: a touch.
    #[error("the session has ended")]
    LoginNeeded,
    /// A group failed.
    #[error(transparent)]
    Mls(MlsError),
    /// A name is never given twice.
    #[error("the name {0} was used before: it is never given to another key")]
    NameTaken(Name),
    /// A new account needs a name.
    #[error("which name do you ask for?")]
    NameNeeded,
    /// The list was closed, or everybody on it is suspended.
    #[error("nobody is on the list {0}: it was closed, or everybody on it is suspended")]
    NobodyOnList(Name),
    /// The recipient has no device that could receive.
    #[error("{0} has not set up a device yet")]
    NoDevice(Name),
    /// The letter has no such file.
    #[error("letter {0} has no such file")]
    NoSuchFile(u64),
    /// There is no such letter.
    #[error("there is no letter {0}")]
    NoSuchLetter(u64),
    /// Nobody of that name asks to be enrolled.
    #[error("nobody named {0} asks to be enrolled")]
    NoSuchRequest(Name),
    /// The letter is in no outbox.
    #[error("letter {0} does not wait in the outbox")]
    NotWaiting(u64),
    /// The letter may be at the server already.
    #[error("letter {0} is being sent")]
    OnItsWay(u64),
    /// This account may not do that.
    #[error("{0} is not an admin")]
    NotAdmin(Name),
    /// There is no account here yet.
    #[error("there is no account in this folder yet")]
    NotJoined,
    /// A file cannot be read or written.
    #[error("{}: {}", .0.display(), .1)]
    File(PathBuf, io::Error),
    /// A file was sealed to this person's keys, and the one that was touched came later.
    #[error("this security key was not yet yours when the file was made")]
    NotSealedToKey,
    /// The account waits for an admin.
    #[error("this account is not enrolled yet")]
    NotEnrolled,
    /// The log moved on, or it was never right: this act can come true no more.
    #[error("this act can come true no more: {0}")]
    Overtaken(Refusal),
    /// This device was revoked, or its account suspended.
    #[error("this device was revoked, or its account suspended")]
    Revoked,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The recipient is suspended.
    #[error("{0} is suspended, and receives nothing")]
    Suspended(Name),
    /// The letter is larger than the organisation allows.
    #[error("the letter has {size} bytes, and the organisation allows {limit}")]
    TooLarge {
        /// Bytes, padded.
        size: usize,
        /// Bytes, by policy.
        limit: u32,
    },
    /// No maker that the rules name vouches for the key.
    #[error("the key that asks for the name {name} is not attested: {why}")]
    Unattested {
        /// The name asked for.
        name: Name,
        /// What is wrong with it.
        why: &'static str,
    },
    /// There is nobody of that name, and no list.
    #[error("there is nobody named {name}")]
    UnknownRecipient {
        /// As typed.
        name: String,
        /// The nearest name that exists.
        near: Option<Name>,
    },
    /// The vault does not open.
    #[error(transparent)]
    Vault(VaultError),
    /// A subject, a text or a list of people that is not one.
    #[error("{0}")]
    Wrong(&'static str),
}

impl Error {
    /// Whether nothing at all can be sent: not just this letter, or not to these people.
    pub(crate) fn concerns_everybody(&self) -> bool {
        match self {
            Self::Api(error) => !matches!(error, ApiError::Refused(_)),
            Self::Alarm(_)
            | Self::CopiedKey
            | Self::LoginNeeded
            | Self::NotEnrolled
            | Self::NotJoined
            | Self::Revoked
            | Self::Store(_) => true,
            _ => false,
        }
    }
}

impl From<NoRandomness> for Error {
    fn from(_: NoRandomness) -> Self {
        Self::Wrong("this machine has no randomness")
    }
}

impl From<MlsError> for Error {
    fn from(error: MlsError) -> Self {
        match error {
            MlsError::Alarm(alarm) => Self::Alarm(alarm),
            MlsError::Store(error) => Self::Store(error),
            other => Self::Mls(other),
        }
    }
}

impl From<VaultError> for Error {
    fn from(error: VaultError) -> Self {
        match error {
            VaultError::Key(error) => Self::Key(error),
            other => Self::Vault(other),
        }
    }
}

/// Where this command's hardware key is, and how to ask the person for it.
pub struct Keyring<'p> {
    /// USB, or a software key.
    pub source: Source,
    /// The person.
    pub prompt: &'p mut dyn Prompt,
}

impl Keyring<'_> {
    /// Runs one ceremony.
    pub(crate) fn with<T>(
        &mut self,
        run: impl FnOnce(&mut dyn Key, &mut dyn Prompt) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut key = crate::key::open(&self.source)?;
        run(&mut *key, self.prompt)
    }
}

/// What was known of the server at some moment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct View {
    pub(crate) log_size: u64,
    /// When this device last asked for news.
    pub(crate) pulled_at_ms: u64,
}

/// Who this device is.
pub(crate) struct Identity {
    pub(crate) account: Name,
    pub(crate) signer: DeviceSigner,
    pub(crate) device: DeviceId,
    pub(crate) record: KeyRecord,
}

impl Identity {
    /// This device in its groups, by the log as it is here.
    pub(crate) fn member(&self, ledger: Option<&Ledger>) -> Result<Me<'_>, Error> {
        let directory = ledger.ok_or(Error::NotEnrolled)?.directory();
        let credential = own_credential(directory, self.device).ok_or_else(|| {
            if directory.device(self.device).is_some() {
                Error::Revoked
            } else {
                Error::NotEnrolled
            }
        })?;
        Ok(Me {
            org: directory.org(),
            signer: &self.signer,
            credential,
        })
    }
}

/// An unlocked account on this device.
pub struct Session {
    pub(crate) home: Home,
    onlooker: Option<Box<dyn Onlooker>>,
    pub(crate) store: Store,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) me: Identity,
    pub(crate) ledger: Option<Ledger>,
    pub(crate) api: Option<Api>,
    pub(crate) pulled_at_ms: u64,
    /// The group of the last letter.
    pub(crate) held: Option<Held>,
    /// The letter that was encrypted as it was written, and the view of the server by which it was.
    pub(crate) sealed: Option<(SubmissionId, View)>,
    /// What the server has of this device was compared with the store.
    pub(crate) compared: bool,
    /// What the person must be told at once, beside what was asked for.
    pub(crate) warnings: Vec<String>,
}

impl Session {
    /// The store key, by a touch.
    pub fn unlock(home: &Home, keyring: &mut Keyring<'_>) -> Result<StoreKey, Error> {
        let (store_key, _) = Self::unlock_by_touch(home, keyring)?;
        Ok(store_key)
    }

    /// The same, and what that touch can open besides.
    pub fn unlock_by_touch(
        home: &Home,
        keyring: &mut Keyring<'_>,
    ) -> Result<(StoreKey, Touched), Error> {
        let vault = std::fs::read(home.vault()).map_err(|_| Error::NotJoined)?;
        let vault = Vault::from_bytes(&vault)?;
        keyring.with(|key, prompt| Ok(vault.open_by_touch(key, prompt)?))
    }

    /// Opens the account in `home`.
    pub fn open(home: &Home, key: &StoreKey, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        if !home.is_taken() {
            return Err(Error::NotJoined);
        }
        let store = Store::open(&home.store(), key)?;
        Self::with_store(home, store, clock)
    }

    pub(crate) fn with_store(
        home: &Home,
        store: Store,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        let read = store.read();
        let setting = |name| -> Result<Vec<u8>, StoreError> {
            read.setting(name)?
                .ok_or(StoreError::Damaged("a setting is missing"))
        };
        let account = String::from_utf8(setting(Setting::Account)?)
            .ok()
            .and_then(|name| name.parse().ok())
            .ok_or(StoreError::Damaged("the account's name"))?;
        let seed = Zeroizing::new(setting(Setting::DeviceSeed)?);
        let signer =
            DeviceSigner::from_seed(&seed).map_err(|_| StoreError::Damaged("the device key"))?;
        let device = DeviceId::try_from(signer.public_key())
            .map_err(|_| StoreError::Damaged("the device key"))?;
        let record = decode(&setting(Setting::KeyRecord)?)
            .map_err(|_| StoreError::Damaged("the key record"))?;
        let card = read.setting(Setting::Card)?;
        let checkpoint = read.setting(Setting::Checkpoint)?;
        let checkpoint = checkpoint.and_then(|note| String::from_utf8(note).ok());
        let log = read.log()?;
        let me = Identity {
            account,
            signer,
            device,
            record,
        };
        let mut session = Self {
            home: home.clone(),
            onlooker: None,
            store,
            clock,
            me,
            ledger: None,
            api: None,
            pulled_at_ms: 0,
            held: None,
            sealed: None,
            compared: false,
            warnings: Vec::new(),
        };
        if let Some(card) = card {
            let card: Card = String::from_utf8(card)
                .ok()
                .and_then(|text| text.parse().ok())
                .ok_or(StoreError::Damaged("the card"))?;
            session.ledger = log
                .map(|log| Ledger::restore(card.clone(), &log, checkpoint.as_deref()))
                .transpose()?;
            session.api = Some(Api::new(card, Arc::clone(&session.clock))?);
        }
        Ok(session)
    }

    /// This account's name.
    pub fn account(&self) -> &Name {
        &self.me.account
    }

    /// This device.
    pub fn device(&self) -> DeviceId {
        self.me.device
    }

    /// The directory as this device has verified it; `None` before the first look at the log.
    pub fn ledger(&self) -> Option<&Ledger> {
        self.ledger.as_ref()
    }

    /// How long ago it was said that this is the newest log: by the witnesses, or by the server where
    /// there are none.
    pub fn freshness(&self) -> Freshness {
        let now_ms = self.clock.now_ms();
        let ledger = self.ledger.as_ref();
        ledger.map_or(Freshness::Stale, |ledger| ledger.freshness(now_ms))
    }

    /// The organisation's witnesses, and when each last signed the log as it is here.
    pub fn sightings(&self) -> Vec<Sighting> {
        let now_ms = self.clock.now_ms();
        let ledger = self.ledger.as_ref();
        ledger.map_or_else(Vec::new, |ledger| ledger.sightings(now_ms))
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Everything that went wrong or changed.
    pub fn events(&self) -> Result<Vec<EventRow>, Error> {
        Ok(self.store.read().events()?)
    }

    /// What happened in the organisation that nobody should miss, once.
    pub fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    pub(crate) fn directory(&self) -> Result<&valise_proto::log::replay::Directory, Error> {
        Ok(self.ledger.as_ref().ok_or(Error::NotEnrolled)?.directory())
    }

    pub(crate) fn api(&self) -> Result<&Api, Error> {
        self.api.as_ref().ok_or(Error::NotJoined)
    }

    /// The session with the server, if it has not run out by this device's clock.
    pub fn login_session(&self) -> Result<Option<login::Session>, Error> {
        let Some(bytes) = self.store.read().setting(Setting::Session)? else {
            return Ok(None);
        };
        let session: login::Session =
            decode(&bytes).map_err(|_| StoreError::Damaged("the session"))?;
        Ok((session.ends_at_ms > self.clock.now_ms()).then_some(session))
    }

    pub(crate) fn caller(&self) -> Result<Caller<'_>, Error> {
        let session = self.login_session()?.ok_or(Error::LoginNeeded)?;
        Ok(Caller::Session(&self.me.signer, session.id))
    }

    /// A request in this account's session. The server's word that the session has ended becomes
    /// [`Error::LoginNeeded`].
    pub(crate) async fn request<T>(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<T, Error>
    where
        T: tls_codec::DeserializeBytes + tls_codec::Serialize + codec::Limited,
    {
        let answer = self.request_raw(method, path, body).await?;
        decode(&answer).map_err(|_| ApiError::PeerMalformed.into())
    }

    /// The same, for answers that are bytes or nothing.
    pub(crate) async fn request_raw(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<Vec<u8>, Error> {
        let answer = self.api()?.raw(self.caller()?, method, path, body).await;
        answer.map_err(|error| match error.code() {
            Some(ErrorCode::Unauthenticated) => Error::LoginNeeded,
            Some(ErrorCode::Revoked) => Error::Revoked,
            _ => Error::Api(error),
        })
    }

    /// Keeps an event.
    pub(crate) fn note(&mut self, kind: &str, alarm: bool, detail: &str) -> Result<(), Error> {
        let now_ms = self.clock.now_ms();
        let work = self.store.begin()?;
        work.add_event(now_ms, kind, alarm, detail)?;
        Ok(work.commit()?)
    }

    /// The error that somebody lies, kept as an event.
    pub(crate) fn recorded(&mut self, alarm: Alarm) -> Error {
        match self.record_alarm(&alarm) {
            Ok(()) => alarm.into(),
            Err(error) => error,
        }
    }

    /// Records that somebody lies.
    pub(crate) fn record_alarm(&mut self, alarm: &Alarm) -> Result<(), Error> {
        let now = self.clock.now_ms();
        let work = self.store.begin()?;
        keep_alarm(&work, self.ledger.as_ref(), now, alarm)?;
        Ok(work.commit()?)
    }
}

/// Keeps an alarm as an event, and the evidence that it brings.
pub(crate) fn keep_alarm(
    work: &Work<'_>,
    ledger: Option<&Ledger>,
    now_ms: u64,
    alarm: &Alarm,
) -> Result<(), StoreError> {
    work.add_event(now_ms, alarm.kind(), true, &alarm.to_string())?;
    if let (Alarm::LogFork(evidence), Some(ledger)) = (alarm, ledger) {
        let text = evidence.to_text(ledger.card().org, ledger.card().log);
        work.add_evidence(now_ms, evidence.older.head, &text)?;
    }
    Ok(())
}
