//! Somebody with a software key and a computer.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use valise_client::{
    account::{Declared, Joined, enrolment_requests, join},
    api::ApiError,
    attack::Claim,
    clock::Clock,
    home::Home,
    key::{KeyError, Prompt, Source},
    mail::Draft,
    session::{Error, Keyring, Session},
    store::{Filter, LetterRow, Setting, StoreKey},
    sync::Report,
};
use valise_proto::{
    api::{LOG, delivery},
    card::Card,
    codec::encode,
    conversation::{Conversation, LeafIdentity},
    id::{DeviceId, GroupId, Name, SessionId},
    log::entry::{DeviceRevoke, Entry, Fact, Statement},
    testing,
};
use zeroize::Zeroizing;

use super::{Office, Time};

/// A person at one computer. `session` is there once the account is open on it.
pub struct Person {
    pub name: Name,
    pub folder: PathBuf,
    pub key: PathBuf,
    pub time: Time,
    hand: Willing,
    session: Option<Box<Session>>,
}

/// Touches at once, and types the PIN once.
#[derive(Clone, Default)]
pub struct Willing {
    pub pin: Option<&'static str>,
    pub touches: Arc<AtomicUsize>,
}

impl Prompt for Willing {
    fn touch(&mut self, _purpose: &str) {
        self.touches.fetch_add(1, Ordering::SeqCst);
    }

    fn pin(&mut self, tries_left: Option<u8>) -> Result<Zeroizing<String>, KeyError> {
        match (self.pin, tries_left) {
            (Some(pin), None) => Ok(pin.to_owned().into()),
            _ => Err(KeyError::Cancelled),
        }
    }

    fn insert(&mut self) {}
}

impl Person {
    pub fn new(office: &Path, name: &str, time: Time) -> Self {
        Self {
            name: name.parse().expect("a name"),
            folder: office.join(name),
            key: office.join(format!("{name}.key")),
            time,
            hand: Willing {
                pin: None,
                touches: Arc::default(),
            },
            session: None,
        }
    }

    /// Gives the person a new key that asks for this PIN.
    pub fn with_pin(mut self, pin: &'static str) -> Self {
        valise_client::key::soft::create(&self.key, Some(pin)).expect("a key");
        self.hand.pin = Some(pin);
        self
    }

    /// The same person, with the same key, at another computer.
    pub fn other_computer(&self) -> Self {
        let mut folder = self.folder.clone();
        folder.set_extension("other");
        let (name, key, time) = (self.name.clone(), self.key.clone(), self.time.clone());
        Self {
            name,
            folder,
            key,
            time,
            hand: self.hand.clone(),
            session: None,
        }
    }

    pub fn home(&self) -> Home {
        Home::open(&self.folder).expect("a home")
    }

    pub fn with_keyring<T>(
        &mut self,
        run: impl FnOnce(&mut Keyring<'_>, &Arc<dyn Clock>) -> T,
    ) -> T {
        let clock: Arc<dyn Clock> = Arc::new(self.time.clone());
        let source = Source::Soft(self.key.clone());
        run(
            &mut Keyring {
                source,
                prompt: &mut self.hand.clone(),
            },
            &clock,
        )
    }

    /// Joins, or goes on joining.
    pub async fn try_join(&mut self, office: &Office) -> Result<Joined, Error> {
        self.try_join_with(&office.card, "laptop").await
    }

    /// Joins by any card, with any name for the computer.
    pub async fn try_join_with(&mut self, card: &Card, label: &str) -> Result<Joined, Error> {
        let clock: Arc<dyn Clock> = Arc::new(self.time.clone());
        let source = Source::Soft(self.key.clone());
        let mut keyring = Keyring {
            source,
            prompt: &mut self.hand.clone(),
        };
        self.session = None;
        let (home, name) = (self.home(), Some(&self.name));
        let joining = join(&home, card, name, label, &mut keyring, &clock);
        Box::pin(joining).await
    }

    /// Asks to be enrolled.
    pub async fn ask(&mut self, office: &Office) {
        match self.try_join(office).await.expect("asking") {
            Joined::Waiting { .. } => {}
            Joined::Done(_) => panic!("{} was enrolled by nobody", self.name),
        }
    }

    /// Completes joining.
    pub async fn join(&mut self, office: &Office) {
        match self.try_join(office).await.expect("joining") {
            Joined::Done(session) => self.session = Some(Box::new(session)),
            Joined::Waiting { .. } => panic!("{} is not enrolled", self.name),
        }
    }

    /// Enrols whoever asks for `name`.
    pub async fn enrol(&mut self, name: &Name) {
        let enrolling = self.online(async |session, keyring| {
            session.read_log().await?;
            let requests = enrolment_requests(session).await?;
            let request = requests.iter().find(|request| request.name == *name);
            session.enrol(request.expect("a request"), keyring).await
        });
        drop(enrolling.await.expect("enrolling"));
    }

    /// Runs something that needs the server, with the key at hand.
    pub async fn online<T>(
        &mut self,
        run: impl AsyncFnMut(&mut Session, &mut Keyring<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let source = Source::Soft(self.key.clone());
        let mut keyring = Keyring {
            source,
            prompt: &mut self.hand.clone(),
        };
        let session = self.session.as_deref_mut().expect("an open account");
        Box::pin(session.online(&mut keyring, run)).await
    }

    /// Logs in again.
    pub async fn try_log_in(&mut self) -> Result<(), Error> {
        let source = Source::Soft(self.key.clone());
        let mut keyring = Keyring {
            source,
            prompt: &mut self.hand.clone(),
        };
        self.session
            .as_deref_mut()
            .expect("an open account")
            .login(&mut keyring)
            .await
    }

    /// One request with this device's key under it.
    pub async fn request(
        &mut self,
        claim: Claim,
        method: reqwest::Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<Vec<u8>, ApiError> {
        self.session()
            .attack_request(claim, method, path, body)
            .await
    }

    /// The seed of this device's key, and the session of who has looked at the server before.
    pub fn signs_as(&mut self) -> (Vec<u8>, SessionId) {
        let session = self.session();
        let seed = session.store().read().setting(Setting::DeviceSeed);
        let login = session.login_session().expect("the store");
        (
            seed.expect("the store").expect("a device key"),
            login.expect("a session").id,
        )
    }

    /// The next statement of `fact`, by somebody who has seen what this person has.
    pub fn statement(&mut self, fact: Fact) -> Statement {
        let time = self.time.now_ms();
        let directory = self.session().ledger().expect("a log").directory();
        Statement {
            time,
            ..testing::statement(directory, fact)
        }
    }

    /// This person's signature under any statement.
    pub async fn sign(&mut self, statement: &Statement) -> Entry {
        let signing =
            self.online(async |session, keyring| session.attack_sign(keyring, statement.clone()));
        signing.await.expect("a touch")
    }

    /// Makes `fact` true, or proposes it.
    pub async fn declare(&mut self, fact: Fact) -> Result<Declared, Error> {
        self.online(async |session, keyring| session.declare(keyring, fact.clone()).await)
            .await
    }

    /// Hands the server an entry, whoever signed it.
    pub async fn post(&mut self, entry: &Entry) -> Result<Vec<u8>, ApiError> {
        let id = self.session().login_session().expect("the store");
        let claim = Claim::Session(id.expect("a session").id);
        let body = encode(entry);
        self.request(claim, reqwest::Method::POST, LOG, body).await
    }

    /// Adds a new key to the person's account, and returns its file.
    pub async fn add_second_key(&mut self) -> PathBuf {
        let file = self.key.with_extension("second");
        let mut spare = Keyring {
            source: Source::Soft(file.clone()),
            prompt: &mut self.hand.clone(),
        };
        let making = Box::pin(self.session().make_spare(&mut spare));
        let key = making.await.expect("a new key");
        let adding =
            self.online(async |session, keyring| Box::pin(session.add_key(&key, keyring)).await);
        adding.await.expect("adding the key");
        file
    }

    /// Revokes a device of `name`.
    pub async fn try_revoke(&mut self, name: &Name, device: DeviceId) -> Result<(), Error> {
        let account = name.clone();
        let revoking = self.declare(Fact::DeviceRevoke(DeviceRevoke { account, device }));
        revoking.await.map(drop)
    }

    pub async fn revoke(&mut self, name: &Name, device: DeviceId) {
        self.try_revoke(name, device).await.expect("revoking");
    }

    /// Who can read letter `number`: names and devices.
    pub fn readers(&mut self, number: u64) -> Vec<(String, DeviceId)> {
        let readers = self.session().readers(number).expect("readers");
        readers
            .into_iter()
            .map(|reader| (reader.account.to_string(), reader.device))
            .collect()
    }

    /// How often this person has touched the key.
    pub fn touches(&self) -> usize {
        self.hand.touches.load(Ordering::SeqCst)
    }

    pub fn session(&mut self) -> &mut Session {
        self.session.as_deref_mut().expect("an open account")
    }

    /// Closes the account, as a process that ends does.
    pub fn close(&mut self) {
        self.session = None;
    }

    /// Opens the account again, by a touch.
    pub fn reopen(&mut self) {
        let key = self.unlock();
        self.open_with(&key);
    }

    /// The store's key, by a touch.
    pub fn unlock(&mut self) -> StoreKey {
        let home = self.home();
        self.with_keyring(|keyring, _| Session::unlock(&home, keyring).expect("unlocking"))
    }

    /// Goes on with an account that is open.
    pub fn open(&mut self, session: Session) {
        self.session = Some(Box::new(session));
    }

    /// Opens the account again with its store's key, as an agent does.
    pub fn open_with(&mut self, key: &StoreKey) {
        self.session = None;
        let clock = Arc::new(self.time.clone());
        let session = Session::open(&self.home(), key, clock).expect("opening");
        self.session = Some(Box::new(session));
    }

    /// Who this device is, by the log.
    pub fn identity(&mut self) -> LeafIdentity {
        let device = self.session().device();
        self.session().attack_identity(device).expect("an identity")
    }

    /// The one conversation here.
    pub fn only_group(&mut self) -> (GroupId, Conversation) {
        self.session()
            .attack_conversations()
            .expect("conversations")
            .remove(0)
    }

    /// Writes a letter to `to` and sends it.
    pub async fn try_send(&mut self, to: &[&str], subject: &str, body: &str) -> Result<u64, Error> {
        let draft = Draft {
            to: to.iter().map(ToString::to_string).collect(),
            subject: subject.to_owned(),
            body: body.to_owned(),
            ..Draft::default()
        };
        self.try_post(draft).await
    }

    pub async fn try_post(&mut self, draft: Draft) -> Result<u64, Error> {
        if self.session().must_look_up(&draft)? {
            self.online(async |session, _| session.look_up().await)
                .await?;
        }
        let number = self.session().write(draft)?;
        self.online(async |session, _| session.send(number).await)
            .await?;
        Ok(number)
    }

    pub async fn send(&mut self, to: &[&str], subject: &str, body: &str) -> u64 {
        self.try_send(to, subject, body).await.expect("sending")
    }

    /// Answers letter `number`.
    pub async fn reply(&mut self, number: u64, all: bool, body: &str) -> u64 {
        let letter = self.letter(number);
        let draft = Draft::reply(&letter, &self.name, all, body.to_owned());
        self.try_post(draft).await.expect("replying")
    }

    pub async fn try_sync(&mut self) -> Result<Report, Error> {
        self.online(async |session, _| session.sync().await).await
    }

    pub async fn sync(&mut self) -> Report {
        self.try_sync().await.expect("syncing")
    }

    /// Takes a page that somebody else than the server may have made.
    pub async fn receive(&mut self, page: delivery::Page) {
        let mut report = Report::default();
        let received = self.session().receive(page, &mut report).await;
        received.expect("receiving");
    }

    /// Mallory hands this computer a letter as number `sequence` of its conversation, whoever it is for.
    pub async fn is_handed(&mut self, letter: delivery::Letter, sequence: u64) {
        let message = delivery::Message {
            group: letter.group,
            sequence,
            id: letter.id,
            message: letter.message,
        };
        let page = delivery::Page {
            log_size: self.session().ledger().expect("a log").head().size,
            welcomes: Vec::new(),
            messages: vec![message],
            more: 0,
            key_packages: 99,
        };
        self.receive(page).await;
    }

    /// Every letter here, oldest first.
    pub fn letters(&mut self) -> Vec<LetterRow> {
        self.session()
            .store()
            .read()
            .letters(&Filter::default())
            .expect("letters")
    }

    pub fn letter(&mut self, number: u64) -> LetterRow {
        self.session()
            .store()
            .read()
            .letter(number)
            .expect("the store")
            .expect("the letter")
    }

    /// Bodies of every letter here, oldest first.
    pub fn bodies(&mut self) -> Vec<String> {
        self.letters()
            .into_iter()
            .map(|letter| letter.body)
            .collect()
    }

    /// Kinds of every event here.
    pub fn events(&mut self) -> Vec<String> {
        let events = self.session().events().expect("events");
        events.into_iter().map(|event| event.kind).collect()
    }
}
