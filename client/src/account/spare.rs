//! A second security key for the same person.

use reqwest::Method;
use valise_proto::{
    api::{ENROLMENTS, enrolment},
    codec::encode,
    id::KeyId,
    key::KeyRecord,
    log::entry::{Fact, KeyAdd, KeyRevoke},
};

use super::{Declared, credentials::make_key};
use crate::{
    api::Caller,
    failpoint::reached,
    home::{Home, HomeError},
    session::{Error, Keyring, Session},
    store::StoreKey,
    vault::{self, Vault},
};

impl Session {
    /// Makes the credentials on a new key, and shows the server by an ask where the key comes from.
    /// `spare` is where the new key is. Whoever has it has no power yet.
    pub async fn make_spare(&mut self, spare: &mut Keyring<'_>) -> Result<KeyRecord, Error> {
        let api = self.api()?;
        let challenge: enrolment::Challenge = api
            .call(Caller::Anybody, Method::POST, ENROLMENTS, Vec::new())
            .await?;
        let (card, name, own) = (api.card(), &self.me.account, self.own_keys());
        let made = spare.with(|key, prompt| {
            let challenge = challenge.challenge;
            make_key(key, prompt, &card.url, card.tag, name, challenge, &own)
        })?;
        reached("after-credentials");
        let ask = enrolment::Ask {
            name: name.clone(),
            device: self.me.device,
            key: made.record.clone(),
            statement: made.statement,
            login: made.login,
        };
        let path = format!("{ENROLMENTS}/{}", challenge.id);
        let caller = Caller::Device(&self.me.signer);
        api.raw(caller, Method::PUT, &path, encode(&ask)).await?;
        Ok(made.record)
    }

    /// Signs with a key that this person has already that `key` is theirs too.
    pub async fn add_key(
        &mut self,
        key: &KeyRecord,
        keyring: &mut Keyring<'_>,
    ) -> Result<(), Error> {
        self.read_log().await?;
        if self.directory()?.key(key.id()).is_some() {
            return Ok(());
        }
        // Kept first: what comes back in the log is then known as this person's own.
        let work = self.store.begin()?;
        work.add_own(key.id().as_ref())?;
        work.commit()?;
        let add = KeyAdd {
            account: self.me.account.clone(),
            key: key.clone(),
        };
        let (Declared::Done | Declared::Waiting(_)) =
            self.declare(keyring, Fact::KeyAdd(add)).await?;
        Ok(())
    }

    /// Signs with a key of this person that `key` signs nothing and logs in nowhere from now on. The
    /// last one cannot be removed: nobody could come in any more.
    pub async fn remove_key(&mut self, key: KeyId, keyring: &mut Keyring<'_>) -> Result<(), Error> {
        self.read_log().await?;
        let own = self.own_keys();
        if !own.iter().any(|own| own.id() == key) {
            return Ok(());
        }
        if own.len() == 1 {
            return Err(Error::LastKey);
        }
        let revoke = KeyRevoke {
            account: self.me.account.clone(),
            key,
        };
        let (Declared::Done | Declared::Waiting(_)) =
            self.declare(keyring, Fact::KeyRevoke(revoke)).await?;
        Ok(())
    }

    /// Keeps the store sealed to exactly those keys in the log that this person knows as their own.
    pub fn keep_sealed(&self, home: &Home, store_key: &StoreKey) -> Result<(), Error> {
        let Ok(directory) = self.directory() else {
            return Ok(());
        };
        let tag = directory.genesis().tag;
        let mut keys = Vec::new();
        for key in self.own_keys() {
            if self.store.read().is_own(key.id().as_ref())? {
                keys.push(key);
            }
        }
        let sealed = std::fs::read(home.vault()).map_err(|_| Error::NotJoined)?;
        if keys.is_empty() || Vault::from_bytes(&sealed)?.is_for(&keys) {
            return Ok(());
        }
        let vault = Vault::seal_key(tag, &keys.iter().collect::<Vec<_>>(), store_key)?;
        let path = home.vault();
        let written = home.write(&path, &vault.to_bytes());
        Ok(written.map_err(|error| HomeError::Io(path, error))?)
    }

    /// Which of this person's keys is at hand, by one touch, and whether it opens this store. Then logs
    /// in with it, by another.
    pub async fn test_key(&mut self, keyring: &mut Keyring<'_>) -> Result<KeyId, Error> {
        let tag = self.directory()?.genesis().tag;
        let own = self.own_keys();
        let allow: Vec<_> = own
            .iter()
            .map(|key| key.statement.id.as_slice().to_vec())
            .collect();
        let (assertion, opened) = keyring.with(|key, prompt| {
            let purpose = "see whether it opens your letters";
            Ok(vault::touch(key, prompt, tag, &allow, purpose)?)
        })?;
        let found = own.iter().find(|key| {
            key.statement.id.as_slice() == assertion.credential_id && key.vault == opened.public
        });
        let found = found.ok_or(vault::VaultError::NotThisKey)?.clone();
        if !self.store.read().is_own(found.id().as_ref())? {
            return Err(vault::VaultError::NotThisKey.into());
        }
        self.login_with(keyring, std::slice::from_ref(&found))
            .await?;
        Ok(found.id())
    }
}
