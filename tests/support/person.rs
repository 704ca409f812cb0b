//! Somebody with a software key and a computer.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use valise_client::{
    account::{Joined, enrolment_requests, join},
    api::ApiError,
    attack::Claim,
    clock::Clock,
    home::Home,
    key::{KeyError, Prompt, Source},
    mail::Draft,
    session::{Error, Keyring, Session},
    store::{Filter, LetterRow},
    sync::Report,
};
use valise_proto::id::Name;
use zeroize::Zeroizing;

use super::{Office, Time};

/// A person at one computer. `session` is there once the account is open on it.
pub struct Person {
    pub name: Name,
    pub folder: PathBuf,
    pub key: PathBuf,
    pub time: Time,
    session: Option<Session>,
}

/// Touches at once, knows no PIN.
struct Willing;

impl Prompt for Willing {
    fn touch(&mut self, _purpose: &str) {}

    fn pin(&mut self, _tries_left: Option<u8>) -> Result<Zeroizing<String>, KeyError> {
        Err(KeyError::Cancelled)
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
            session: None,
        }
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
                prompt: &mut Willing,
            },
            &clock,
        )
    }

    /// Joins, or goes on joining.
    pub async fn try_join(&mut self, office: &Office) -> Result<Joined, Error> {
        let clock: Arc<dyn Clock> = Arc::new(self.time.clone());
        let source = Source::Soft(self.key.clone());
        let mut keyring = Keyring {
            source,
            prompt: &mut Willing,
        };
        self.session = None;
        join(
            &self.home(),
            &office.card,
            Some(&self.name),
            "laptop",
            &mut keyring,
            &clock,
        )
        .await
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
            Joined::Done(session) => self.session = Some(session),
            Joined::Waiting { .. } => panic!("{} is not enrolled", self.name),
        }
    }

    /// Enrols whoever asks for `name`.
    pub async fn enrol(&mut self, name: &Name) {
        let (mut session, mut keyring) = self.at_work().await;
        session.read_log().await.expect("the log");
        let requests = enrolment_requests(&session).await.expect("the requests");
        let request = requests
            .iter()
            .find(|request| request.name == *name)
            .expect("a request");
        session
            .enrol(request, &mut keyring.keyring())
            .await
            .expect("enrolling");
        self.session = Some(session);
    }

    /// Takes the open session out, logged in, with the key at hand. Put it back into `session`
    /// with [`Person::back`].
    pub async fn at_work(&mut self) -> (Session, KeyAtHand) {
        let mut session = self.session.take().expect("an open account");
        let mut key = KeyAtHand {
            key: self.key.clone(),
            prompt: Willing,
        };
        session
            .log_in_if_needed(&mut key.keyring())
            .await
            .expect("logging in");
        (session, key)
    }

    /// Logs in again.
    pub async fn try_log_in(&mut self) -> Result<(), Error> {
        let mut session = self.session.take().expect("an open account");
        let result = session.login(&mut self.key_at_hand().keyring()).await;
        self.session = Some(session);
        result
    }

    pub fn key_at_hand(&self) -> KeyAtHand {
        KeyAtHand {
            key: self.key.clone(),
            prompt: Willing,
        }
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

    pub fn back(&mut self, session: Session) {
        self.session = Some(session);
    }

    pub fn session(&mut self) -> &mut Session {
        self.session.as_mut().expect("an open account")
    }

    /// Closes the account, as a process that ends does.
    pub fn close(&mut self) {
        self.session = None;
    }

    /// Opens the account again, by a touch.
    pub fn reopen(&mut self) {
        self.session = None;
        let home = self.home();
        let session = self.with_keyring(|keyring, clock| {
            let key = Session::unlock(&home, keyring).expect("unlocking");
            Session::open(&home, &key, Arc::clone(clock)).expect("opening")
        });
        self.session = Some(session);
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
        let (mut session, _) = self.at_work().await;
        let names: Vec<_> = draft.to.iter().chain(&draft.cc).cloned().collect();
        let result = async {
            session.look_up(&names).await?;
            let number = session.write(draft)?;
            session.send(number).await?;
            Ok(number)
        }
        .await;
        self.session = Some(session);
        result
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
        let (mut session, _) = self.at_work().await;
        let report = session.sync().await;
        self.session = Some(session);
        report
    }

    pub async fn sync(&mut self) -> Report {
        self.try_sync().await.expect("syncing")
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

/// A hardware key within reach.
pub struct KeyAtHand {
    key: PathBuf,
    prompt: Willing,
}

impl KeyAtHand {
    pub fn keyring(&mut self) -> Keyring<'_> {
        Keyring {
            source: Source::Soft(self.key.clone()),
            prompt: &mut self.prompt,
        }
    }
}
