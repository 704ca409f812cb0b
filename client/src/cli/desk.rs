//! What every verb needs: the terminal, the settings, the home, the key, and the unlocked account.

use std::sync::Arc;

use tokio::runtime::Runtime;
use valise_proto::{
    id::Name,
    log::replay::{Account, Directory},
};
use zeroize::Zeroizing;

use super::{
    Which,
    error::{Code, CommandError},
    refusal::refusal,
    ui::Ui,
};
use crate::{
    agent,
    clock::{self, Clock},
    config::{Config, KeySource},
    home::Home,
    key::{KeyError, Prompt, Source},
    safe::Safe,
    session::{Error, Keyring, Session},
    store::{Filter, LetterRow, Store, StoreKey},
    vault::Touched,
};

/// One command at work.
pub(super) struct Desk<'u> {
    pub(super) ui: &'u mut Ui,
    pub(super) config: &'u Config,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) runtime: Runtime,
}

impl<'u> Desk<'u> {
    pub(super) fn new(ui: &'u mut Ui, config: &'u Config) -> Result<Self, CommandError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        Ok(Self {
            ui,
            config,
            clock: Arc::new(clock::System),
            runtime,
        })
    }

    pub(super) fn home(&self) -> Result<Home, CommandError> {
        Home::open(self.config.open_home()?).map_err(|error| refusal(&error.into()))
    }

    pub(super) fn source(&self) -> Result<Source, CommandError> {
        let named = self.config.key.value.as_ref();
        named.map_or(Ok(Source::Usb), source)
    }

    /// The unlocked letters, for verbs that need neither the log nor the server.
    pub(super) fn store(&mut self) -> Result<Store, CommandError> {
        let (home, key) = self.unlocked()?;
        Store::open(&home.store(), &key).map_err(|error| refusal(&error.into()))
    }

    /// The unlocked account.
    pub(super) fn session(&mut self) -> Result<Session, CommandError> {
        let (session, ..) = self.account()?;
        Ok(session)
    }

    /// The same, with what its store is sealed in.
    pub(super) fn account(&mut self) -> Result<(Session, Home, StoreKey), CommandError> {
        let (home, key) = self.unlocked()?;
        let session = self.opened(&home, &key)?;
        Ok((session, home, key))
    }

    /// The account whose store has this key. The seal follows the person's keys, and whatever happened
    /// to the account elsewhere is said before anything else.
    pub(super) fn opened(&mut self, home: &Home, key: &StoreKey) -> Result<Session, CommandError> {
        let mut session =
            Session::open(home, key, Arc::clone(&self.clock)).map_err(|error| refusal(&error))?;
        if let Some(meter) = self.ui.meter() {
            session.tell(meter);
        }
        session
            .keep_sealed(home, key)
            .map_err(|error| refusal(&error))?;
        self.own_record(&session)?;
        Ok(session)
    }

    /// The unlocked account, after a look at the log.
    pub(super) fn informed(&mut self) -> Result<Session, CommandError> {
        let mut session = self.session()?;
        self.inform(&mut session)?;
        Ok(session)
    }

    /// A look at the log.
    pub(super) fn inform(&mut self, session: &mut Session) -> Result<(), CommandError> {
        self.online(session, async |session, _| session.read_log().await)?;
        Ok(())
    }

    /// The store key: from the agent, else by a touch.
    fn unlocked(&mut self) -> Result<(Home, StoreKey), CommandError> {
        let (home, key, _) = self.unlocked_by()?;
        Ok((home, key))
    }

    /// The same, and the touch, if there was one.
    pub(super) fn unlocked_by(
        &mut self,
    ) -> Result<(Home, StoreKey, Option<Touched>), CommandError> {
        let home = self.home()?;
        if !home.is_taken() {
            return Err(refusal(&Error::NotJoined));
        }
        if let Some(key) = agent::store_key(&home) {
            return Ok((home, key, None));
        }
        let (key, touched) = self.with_key(|keyring| Session::unlock_by_touch(&home, keyring))?;
        Ok((home, key, Some(touched)))
    }

    /// Runs something that asks for the hardware key.
    pub(super) fn with_key<T>(
        &mut self,
        run: impl FnOnce(&mut Keyring<'_>) -> Result<T, Error>,
    ) -> Result<T, CommandError> {
        self.at_hand(self.source()?, |keyring, _| run(keyring))
    }

    /// Runs something that asks for the hardware key and needs the server, but no account yet.
    pub(super) fn with_key_online<T>(
        &mut self,
        run: impl AsyncFnOnce(&mut Keyring<'_>) -> Result<T, Error>,
    ) -> Result<T, CommandError> {
        self.at_hand(self.source()?, |keyring, runtime| {
            runtime.block_on(run(keyring))
        })
    }

    /// Runs something that needs the server, with the hardware key at hand.
    pub(super) fn online<T>(
        &mut self,
        session: &mut Session,
        run: impl AsyncFnMut(&mut Session, &mut Keyring<'_>) -> Result<T, Error>,
    ) -> Result<T, CommandError> {
        let done = self.at_hand(self.source()?, |keyring, runtime| {
            runtime.block_on(session.online(keyring, run))
        });
        for warning in session.take_warnings() {
            let text = format!("WARNING: {warning}: ask them, not by Valise, whether it was they");
            self.ui.note(Safe::line(&text));
        }
        done
    }

    /// Runs something with the hardware key at `source` and the person in front of it at hand.
    pub(super) fn at_hand<T>(
        &mut self,
        source: Source,
        run: impl FnOnce(&mut Keyring<'_>, &Runtime) -> Result<T, Error>,
    ) -> Result<T, CommandError> {
        let mut prompt = Person {
            ui: self.ui,
            refused: None,
        };
        let mut keyring = Keyring {
            source,
            prompt: &mut prompt,
        };
        let result = run(&mut keyring, &self.runtime);
        said(result, prompt.refused)
    }
}

/// Where the key of this name is.
pub(super) fn source(named: &KeySource) -> Result<Source, CommandError> {
    named
        .as_str()
        .parse()
        .map_err(|error: crate::key::UnknownSource| {
            CommandError::new(Code::Settings, Safe::line(&error.to_string()))
                .hint("plug your security key in, and leave --key and VALISE_KEY out")
        })
}

/// Who is who, as this device has verified it.
pub(super) fn directory(session: &Session) -> Result<&Directory, CommandError> {
    session.directory().map_err(|error| refusal(&error))
}

/// Who `name` is.
pub(super) fn known<'s>(session: &'s Session, name: &Name) -> Result<&'s Account, CommandError> {
    session.known(name).map_err(|error| refusal(&error))
}

/// Everybody, or only `name`.
pub(super) fn people<'a>(
    directory: &'a Directory,
    name: Option<&'a Name>,
) -> impl Iterator<Item = (&'a Name, &'a Account)> {
    let accounts = directory.accounts();
    accounts.filter(move |(account, _)| name.is_none_or(|name| name == *account))
}

/// The letter that was typed.
pub(super) fn letter(store: &Store, which: Which) -> Result<LetterRow, CommandError> {
    let read = store.read();
    let newest = Filter {
        limit: Some(1),
        ..Filter::default()
    };
    let found = match which {
        Which::Id(id) => read.letter_by_id(id),
        Which::Number(number) => read.letter(number),
        Which::Last => read.letters(&newest).map(|mut letters| letters.pop()),
        Which::Unread => read.oldest_unread(),
    };
    found
        .map_err(|error| refusal(&error.into()))?
        .ok_or_else(|| {
            CommandError::new(Code::NotFound, "there is no such letter here").hint("valise list")
        })
}

/// What the terminal said is nearer to the cause than what the key made of it.
fn said<T>(result: Result<T, Error>, refused: Option<CommandError>) -> Result<T, CommandError> {
    match (result, refused) {
        (Err(Error::Key(KeyError::Cancelled)), Some(refused)) => Err(refused),
        (result, _) => result.map_err(|error| refusal(&error)),
    }
}

/// The person at the terminal, as the key room sees them.
struct Person<'u> {
    ui: &'u mut Ui,
    refused: Option<CommandError>,
}

impl Prompt for Person<'_> {
    fn touch(&mut self, purpose: &str) {
        self.ui
            .note(Safe::line(&format!("touch your security key to {purpose}")));
    }

    fn pin(&mut self, tries_left: Option<u8>) -> Result<Zeroizing<String>, KeyError> {
        let question = match tries_left {
            None => Safe::from("PIN of your security key:"),
            Some(left) => Safe::line(&format!("wrong PIN, {left} tries left. PIN:")),
        };
        self.ui.pin(question).map_err(|error| {
            self.refused = Some(error);
            KeyError::Cancelled
        })
    }

    fn insert(&mut self) {
        self.ui.note("plug your security key in");
    }
}
