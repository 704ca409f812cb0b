//! Joining an organisation: the founder, a newcomer, or another machine of somebody who is in.

use std::{path::Path, sync::Arc};

use reqwest::Method;
use valise_proto::{
    api::{ENROLMENTS, ErrorCode, GENESIS, enrolment},
    card::Card,
    codec::{self, Text, encode},
    id::{DeviceId, EnrolmentId, Name, OrgId},
    key::{Ed25519Key, KeyRecord},
    log::{
        GenesisFile,
        entry::{DeviceCertificate, Fact},
    },
    statement::sha256,
};

use super::{credentials::make_key, login::login, settle::settle};
use crate::{
    api::{Api, Caller},
    clock::Clock,
    failpoint::reached,
    home::Home,
    key::KeyError,
    provider::DeviceSigner,
    random,
    session::{Error, Keyring, Session},
    store::{Setting, StoreError},
    trust::{Alarm, Ledger},
    vault,
};

/// How far joining has come.
pub enum Joined {
    /// Done: this device is certified.
    Done(Session),
    /// An admin has to compare the words and enrol the key.
    Waiting {
        /// Ask again with it, see [`resume`].
        session: Session,
        /// Fingerprint of the key under the name, see [`KeyRecord::fingerprint`].
        fingerprint: [u8; 10],
    },
}

/// Begins or goes on joining with `card`.
pub async fn join(
    home: &Home,
    card: &Card,
    name: Option<&Name>,
    device_label: &str,
    keyring: &mut Keyring<'_>,
    clock: &Arc<dyn Clock>,
) -> Result<Joined, Error> {
    if home.is_taken() {
        let key = Session::unlock(home, keyring)?;
        let mut session = Session::open(home, &key, Arc::clone(clock))?;
        session.adopt(card)?;
        let joined = resume(session, device_label, keyring).await;
        if matches!(joined, Err(Error::EnrolmentRefused)) {
            // Nothing was ever received here: the next try asks anew, with new credentials.
            home.forget()?;
        }
        return joined;
    }
    let name = name.ok_or(Error::NameNeeded)?;
    let api = Api::new(card.clone(), Arc::clone(clock))?;
    // Before any key is touched: the pinned server answers, and its genesis is the card's (D11).
    let genesis = api
        .raw(Caller::Anybody, Method::GET, GENESIS, Vec::new())
        .await?;
    Ledger::begin(card.clone(), &genesis)?;
    let newcomer = Newcomer {
        home,
        card,
        name,
        clock,
    };
    if let Some(session) = newcomer.known_key(&api, keyring).await? {
        return resume(session, device_label, keyring).await;
    }
    let session = newcomer.ask(&api, keyring).await?;
    resume(session, device_label, keyring).await
}

/// Asks how far the enrolment is, and completes it when it can be.
pub async fn resume(
    mut session: Session,
    device_label: &str,
    keyring: &mut Keyring<'_>,
) -> Result<Joined, Error> {
    if let Some(status) = session.enrolment_status().await? {
        match status {
            enrolment::Status::Enrolled => {}
            enrolment::Status::Refused => return Err(Error::EnrolmentRefused),
            enrolment::Status::Waiting => {
                let card = session.api()?.card();
                let fingerprint = session.me.record.fingerprint(card.org, &session.me.account);
                return Ok(Joined::Waiting {
                    session,
                    fingerprint,
                });
            }
        }
    }
    if session.login_session()?.is_none() {
        session.login(keyring).await?;
    }
    match session.certify(device_label, keyring).await {
        // The server has ended the session meanwhile, as it does after a time without use.
        Err(Error::LoginNeeded) => {
            session.login(keyring).await?;
            session.certify(device_label, keyring).await?;
        }
        done => done?,
    }
    Ok(Joined::Done(session))
}

struct Newcomer<'a> {
    home: &'a Home,
    card: &'a Card,
    name: &'a Name,
    clock: &'a Arc<dyn Clock>,
}

impl Newcomer<'_> {
    /// Another machine of somebody whose key is enrolled already: nothing to ask for.
    async fn known_key(
        &self,
        api: &Api,
        keyring: &mut Keyring<'_>,
    ) -> Result<Option<Session>, Error> {
        let tag = self.card.tag;
        let touched = keyring.with(|key, prompt| {
            Ok(vault::touch(
                key,
                prompt,
                tag,
                &[],
                "see whether it is known",
            )?)
        });
        let (assertion, vault_key) = match touched {
            Err(Error::Key(KeyError::NotThisKey)) => return Ok(None),
            other => other?,
        };
        let seed = random::secret::<32>()?;
        let signer = DeviceSigner::from_seed(&*seed)
            .map_err(|_| Error::Wrong("the device key cannot be made"))?;
        let login = match login(api, &signer, self.name, &[], keyring).await {
            // Credentials of an earlier try that no admin ever enrolled.
            Err(Error::Key(KeyError::NotThisKey)) => return Ok(None),
            Err(Error::Api(error))
                if matches!(
                    error.code(),
                    Some(ErrorCode::Unauthenticated | ErrorCode::Forbidden)
                ) =>
            {
                return Ok(None);
            }
            other => other?,
        };
        let ledger = read_whole_log(api, &signer, login.id, &**self.clock).await?;
        let directory = ledger.directory();
        let keys = directory
            .account(self.name)
            .map(|account| account.keys.as_slice());
        let keys = keys.unwrap_or_default().iter();
        let keys: Vec<_> = keys
            .filter_map(|id| Some(&directory.key(*id)?.record))
            .collect();
        let record = keys.iter().find(|record| {
            record.statement.id.as_slice() == assertion.credential_id
                && record.vault == vault_key.public
        });
        let Some(record) = record else {
            return Err(Alarm::SwappedKey {
                account: self.name.clone(),
            }
            .into());
        };
        let session = self.settle(&keys, record, &seed, |work| {
            work.set(Setting::Session, &encode(&login))
        })?;
        Ok(Some(session))
    }

    /// A newcomer: makes the credentials and asks to be enrolled.
    async fn ask(&self, api: &Api, keyring: &mut Keyring<'_>) -> Result<Session, Error> {
        let challenge: enrolment::Challenge = api
            .call(Caller::Anybody, Method::POST, ENROLMENTS, Vec::new())
            .await?;
        let (url, tag) = (&self.card.url, self.card.tag);
        let key = keyring.with(|key, prompt| {
            make_key(key, prompt, url, tag, self.name, challenge.challenge, &[])
        })?;
        reached("after-credentials");
        let seed = random::secret::<32>()?;
        let signer = DeviceSigner::from_seed(&*seed)
            .map_err(|_| Error::Wrong("the device key cannot be made"))?;
        let device = DeviceId::try_from(signer.public_key())
            .map_err(|_| Error::Wrong("the device key cannot be made"))?;
        let ask = enrolment::Ask {
            name: self.name.clone(),
            device,
            key: key.record.clone(),
            statement: key.statement,
            login: key.login,
        };
        self.settle(&[&key.record], &key.record, &seed, |work| {
            work.set(Setting::Enrolment, challenge.id.as_ref())?;
            work.set(Setting::Ask, &encode(&ask))
        })
    }

    /// From here on, the same command goes on where it stopped.
    fn settle(
        &self,
        keys: &[&KeyRecord],
        record: &KeyRecord,
        seed: &[u8; 32],
        more: impl FnOnce(&crate::store::Work<'_>) -> Result<(), StoreError>,
    ) -> Result<Session, Error> {
        let store = settle(
            self.home,
            self.card.tag,
            self.name,
            keys,
            record,
            seed,
            |work| {
                work.set(Setting::Card, self.card.to_string().as_bytes())?;
                more(work)
            },
        )?;
        Session::with_store(self.home, store, Arc::clone(self.clock))
    }
}

async fn read_whole_log(
    api: &Api,
    signer: &DeviceSigner,
    session: valise_proto::id::SessionId,
    clock: &dyn Clock,
) -> Result<Ledger, Error> {
    let card = api.card();
    let genesis = api
        .raw(Caller::Anybody, Method::GET, GENESIS, Vec::new())
        .await?;
    let mut ledger = Ledger::begin(card.clone(), &genesis)?;
    loop {
        let page = crate::sync::log_page(api, Caller::Session(signer, session), &ledger).await?;
        let progress = ledger.advance(&page, clock.now_ms())?;
        if !progress.more {
            return Ok(ledger);
        }
    }
}

impl Session {
    /// Takes the card on: the founder's must be his own organisation's, and nobody's card changes.
    fn adopt(&mut self, card: &Card) -> Result<(), Error> {
        if let Some(api) = &self.api {
            let (expected, seen) = (api.card().org, card.org);
            if api.card() != card {
                return Err(self.recorded(Alarm::WrongCard { expected, seen }));
            }
            return Ok(());
        }
        let file = self.store.read().setting(Setting::Genesis)?;
        let file: GenesisFile = codec::decode(&file.unwrap_or_default())
            .map_err(|_| StoreError::Damaged("the founding"))?;
        let genesis = file
            .entries
            .first()
            .ok_or(StoreError::Damaged("the founding"))?;
        let own = OrgId(sha256(&[genesis.as_slice()]));
        if own != card.org {
            return Err(self.recorded(Alarm::WrongCard {
                expected: own,
                seen: card.org,
            }));
        }
        Ledger::begin(card.clone(), genesis.as_slice())?;
        let work = self.store.begin()?;
        work.set(Setting::Card, card.to_string().as_bytes())?;
        work.commit()?;
        self.api = Some(Api::new(card.clone(), Arc::clone(&self.clock))?);
        Ok(())
    }

    /// How far the ask is; `None` when there is nothing to ask for.
    async fn enrolment_status(&mut self) -> Result<Option<enrolment::Status>, Error> {
        let read = self.store.read();
        let Some(id) = read.setting(Setting::Enrolment)? else {
            return Ok(None);
        };
        let id = EnrolmentId::try_from(&*id).map_err(|_| StoreError::Damaged("the enrolment"))?;
        let path = format!("{ENROLMENTS}/{id}");
        let caller = Caller::Device(&self.me.signer);
        let api = self.api()?;
        // The server may not have got it yet, and asking twice is asking once.
        if let Some(ask) = read.setting(Setting::Ask)? {
            api.raw(caller, Method::PUT, &path, ask).await?;
            reached("after-ask");
            let work = self.store.begin()?;
            work.unset(Setting::Ask)?;
            work.commit()?;
        }
        let caller = Caller::Device(&self.me.signer);
        let status = self
            .api()?
            .call(caller, Method::GET, &path, Vec::new())
            .await?;
        Ok(Some(status))
    }

    /// The last step: read the log, see that it binds this name to this key, and certify
    /// this device by a touch.
    async fn certify(&mut self, label: &str, keyring: &mut Keyring<'_>) -> Result<(), Error> {
        self.read_log().await?;
        let directory = self.directory()?;
        let account = directory.account(&self.me.account);
        if !account.is_some_and(|account| account.keys.contains(&self.me.record.id())) {
            let alarm = Alarm::SwappedKey {
                account: self.me.account.clone(),
            };
            return Err(self.recorded(alarm));
        }
        let certified = directory.device(self.me.device).is_some();
        self.remember_own()?;
        if !certified {
            let directory = self.directory()?;
            let consent =
                DeviceCertificate::consent_bytes(directory.org(), &self.me.account, self.me.device);
            let consent = self.me.signer.sign_bytes(&consent);
            Ed25519Key::try_from(self.me.device.0)
                .map_err(|_| Error::Wrong("the device key is damaged"))?;
            let certificate = DeviceCertificate {
                account: self.me.account.clone(),
                device: self.me.device,
                label: Text::truncated(label),
                consent: consent
                    .try_into()
                    .map_err(|_| Error::Wrong("the device key is damaged"))?,
            };
            // One's own key is enough for one's own device.
            let (super::Declared::Done | super::Declared::Waiting(_)) =
                self.declare(keyring, Fact::DeviceAdd(certificate)).await?;
            reached("after-certify");
        }
        self.replenish(0).await?;
        reached("after-publish");
        let work = self.store.begin()?;
        work.unset(Setting::Enrolment)?;
        Ok(work.commit()?)
    }
}

/// A name for this computer.
pub fn default_device_label(hostname: &Path) -> String {
    let name = std::fs::read_to_string(hostname).unwrap_or_default();
    let name = name.trim();
    if name.is_empty() {
        "computer".to_owned()
    } else {
        name.to_owned()
    }
}
