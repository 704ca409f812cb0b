//! `valise key`: one's own security keys.

use valise_proto::{id::KeyId, key::SOFT_KEY_MODEL};

use super::{
    KeyAdd, KeyRemove, KeyRename,
    desk::{Desk, source},
    error::{CommandError, Exit},
    refusal::refusal,
    ui::{Cell, Column, Record, Row, Table},
    which::beginning,
};
use crate::{
    safe::Safe,
    session::{Error, Session},
};

impl Desk<'_> {
    pub(super) fn key_list(&mut self) -> Result<Exit, CommandError> {
        let session = self.session()?;
        let columns = ["id", "label", "model", "added"].map(Column::new);
        let mut table = Table::new(columns.into_iter().chain([Column::new("here")]));
        for id in own_keys(&session) {
            let failed = |error| refusal(&error);
            let read = session.store().read();
            let label = read
                .label(id.as_ref())
                .map_err(|error| failed(error.into()))?;
            let known = read
                .is_own(id.as_ref())
                .map_err(|error| failed(error.into()))?;
            let key = session
                .ledger()
                .and_then(|ledger| ledger.directory().key(id));
            let added = key.map_or(0, |key| key.added);
            let (statement, _) = session.said(added).map_err(failed)?;
            let state = if known { "known" } else { "NOT ADDED HERE" };
            table.push(Row::new([
                Cell::Id(id.into()),
                Cell::Text(Safe::line(&label.unwrap_or_default())),
                Cell::Text(key.map(|key| model(&key.record.model)).unwrap_or_default()),
                Cell::Time(statement.time),
                state.into(),
            ]));
        }
        self.ui.table(&table)?;
        if own_keys(&session).len() == 1 {
            self.ui
                .note("losing your only key means starting again: valise key add");
        }
        Ok(Exit::Done)
    }

    /// Two keys, one after the other: the new one is made ready, and one that is there already signs.
    pub(super) fn key_add(&mut self, args: &KeyAdd) -> Result<Exit, CommandError> {
        let (mut session, home, store_key) = self.account()?;
        self.online(&mut session, async |session, _| session.read_log().await)?;
        let present = self.source()?;
        let new = match &args.new_key {
            Some(new) => source(new)?,
            None => present.clone(),
        };
        let one_place = new == present;
        if one_place {
            self.swap("take your key out and plug in the NEW key")?;
        }
        let key = self.at_hand(new, |keyring, runtime| {
            runtime.block_on(session.make_spare(keyring))
        })?;
        if one_place {
            self.swap("take it out and plug in a key that you already have")?;
        }
        self.online(&mut session, async |session, keyring| {
            session.add_key(&key, keyring).await
        })?;
        session
            .keep_sealed(&home, &store_key)
            .map_err(|error| refusal(&error))?;
        let record = Record::new()
            .with("state", "added")
            .with("key", key.id())
            .with("model", model(&key.model));
        self.ui.record(&record)?;
        self.ui
            .note("each of your keys now logs you in and opens your letters here: valise key test");
        Ok(Exit::Done)
    }

    /// Waits until the person has put another key in.
    fn swap(&mut self, what: &str) -> Result<(), CommandError> {
        let question = format!("{what}, then press Enter:");
        self.ui.ask(Safe::line(&question), "--new-key NAME")?;
        Ok(())
    }

    pub(super) fn key_rename(&mut self, args: &KeyRename) -> Result<Exit, CommandError> {
        let session = self.session()?;
        let id = beginning(own_keys(&session), &args.id, "key", "valise key list")?;
        self.label(session, id.as_ref(), id, &args.label)
    }

    pub(super) fn key_remove(&mut self, args: &KeyRemove) -> Result<Exit, CommandError> {
        let (mut session, home, store_key) = self.account()?;
        let id = beginning(own_keys(&session), &args.id, "key", "valise key list")?;
        if own_keys(&session).len() == 1 {
            return Err(refusal(&Error::LastKey));
        }
        let question = format!("key {id} will open, sign and log in nothing any more: remove it?");
        self.ui.confirm(Safe::line(&question))?;
        self.online(&mut session, async |session, keyring| {
            session.remove_key(id, keyring).await
        })?;
        session
            .keep_sealed(&home, &store_key)
            .map_err(|error| refusal(&error))?;
        let record = Record::new().with("state", "removed").with("key", id);
        self.ui.record(&record)?;
        Ok(Exit::Done)
    }

    /// Keeps this person's own name for something.
    pub(super) fn label(
        &mut self,
        mut session: Session,
        id: &[u8],
        shown: impl Into<Safe>,
        label: &str,
    ) -> Result<Exit, CommandError> {
        session.label(id, label).map_err(|error| refusal(&error))?;
        let record = Record::new()
            .with("state", "renamed")
            .with("id", shown.into())
            .with("label", Safe::line(label));
        self.ui.record(&record)?;
        Ok(Exit::Done)
    }

    pub(super) fn key_test(&mut self) -> Result<Exit, CommandError> {
        let mut session = self.session()?;
        if session.ledger().is_none() {
            return Err(refusal(&Error::NotEnrolled));
        }
        let id = self.at_hand(self.source()?, |keyring, runtime| {
            runtime.block_on(session.test_key(keyring))
        })?;
        let read = session.store().read();
        let label = read.label(id.as_ref());
        let label = label.map_err(|error| refusal(&error.into()))?;
        let record = Record::new()
            .with("key", id)
            .with("label", Safe::line(&label.unwrap_or_default()))
            .with("opens_letters", Cell::Flag(true))
            .with("logs_in", Cell::Flag(true));
        self.ui.record(&record)?;
        Ok(Exit::Done)
    }
}

fn own_keys(session: &Session) -> Vec<KeyId> {
    let keys = session.own_keys();
    keys.iter().map(valise_proto::key::KeyRecord::id).collect()
}

/// What kind of key it is, as its maker numbers it.
pub(super) fn model(model: &[u8; 16]) -> Safe {
    if *model == SOFT_KEY_MODEL {
        return "software key, for tests only".into();
    }
    let hex = data_encoding::HEXLOWER.encode(model);
    Safe::line(&format!("security key, model {hex}"))
}
