//! What an insider's own client could do to colleagues, and a thief with his session. The test is
//! the insider.
//!
//! Compiled in only with the feature `weaken`, which no published binary has.

use reqwest::Method;
use valise_proto::{
    api::{
        COMMITS, LETTERS,
        delivery::{self, Accepted},
    },
    codec::encode,
    conversation::{Conversation, LeafIdentity},
    id::{DeviceId, GroupId, Name, SessionId, SubmissionId},
    letter::Letter,
    log::{
        checkpoint::SignedHead,
        entry::{Entry, Statement},
    },
};

use crate::{
    api::{ApiError, Caller},
    mls::{
        self, MlsError, Received, Receiver, encrypt_blindly, epoch, leak_group_info, open_flipped,
        propose_removal, read_blindly, unchecked_package,
    },
    random,
    session::{Error, Keyring, Session},
    store::{ConversationState, ProposedCommit, Setting, StoreError},
};

pub use crate::mls::{Rogue, Weak};

/// Whom a request claims to come from.
#[derive(Clone, Copy, Debug)]
pub enum Claim {
    /// This device, without a session.
    Device,
    /// This device's key, and any session.
    Session(SessionId),
}

impl Session {
    /// The identity that the log gives `device`.
    pub fn attack_identity(&self, device: DeviceId) -> Result<LeafIdentity, Error> {
        let certified = self.directory()?.device(device);
        let certified = certified.ok_or(Error::NotEnrolled)?;
        Ok(LeafIdentity {
            account: certified.account.clone(),
            device,
            index: certified.added,
            certificate: certified.certificate,
        })
    }

    /// A rogue that holds this device's key and claims to be `identity`.
    pub fn attack_rogue(&self, identity: &LeafIdentity) -> Result<Rogue, Error> {
        let seed = self.store.read().setting(Setting::DeviceSeed)?;
        let seed = seed.and_then(|seed| <[u8; 32]>::try_from(seed).ok());
        let seed = seed.ok_or(StoreError::Damaged("the device key"))?;
        Ok(Rogue::new(&seed, identity)?)
    }

    /// This device's group of a conversation, and what the conversation is.
    pub fn attack_conversations(&self) -> Result<Vec<(GroupId, Conversation)>, Error> {
        let rows = self.store.read().conversations()?;
        Ok(rows
            .into_iter()
            .map(|row| (row.group, row.record))
            .collect())
    }

    /// The epoch of every open conversation, and its authenticator.
    pub fn attack_epochs(&self) -> Result<Vec<(GroupId, u64, Vec<u8>)>, Error> {
        let read = self.store.read();
        let rows = read.conversations()?.into_iter();
        let open = rows.filter(|row| row.state == ConversationState::Open);
        open.map(|row| {
            let (epoch, authenticator) = epoch(&read.mls(), row.group)?;
            Ok((row.group, epoch, authenticator))
        })
        .collect()
    }

    /// Adds whoever owns `package` to a group, by a commit that no honest client makes.
    pub async fn attack_add(
        &mut self,
        group: GroupId,
        device: DeviceId,
        package: &[u8],
    ) -> Result<delivery::Commit, Error> {
        self.attack_commit(group, &[(device, package)]).await
    }

    /// Begins another epoch and removes nobody, whoever should go.
    pub async fn attack_keep(&mut self, group: GroupId) -> Result<delivery::Commit, Error> {
        self.attack_commit(group, &[]).await
    }

    async fn attack_commit(
        &mut self,
        group: GroupId,
        add: &[(DeviceId, &[u8])],
    ) -> Result<delivery::Commit, Error> {
        let log = self.word()?;
        let submission = SubmissionId(random::bytes()?);
        let me = self.me.member(self.ledger.as_ref())?;
        let work = self.store.begin()?;
        let packages = add
            .iter()
            .map(|(_, package)| unchecked_package(&work.mls(), package))
            .collect::<Result<_, _>>()?;
        let made = mls::commit(&work.mls(), &me, group, &[], packages, log)?;
        let large = |_| Error::Wrong("too large");
        let body = delivery::Commit {
            id: submission,
            group,
            epoch: made.epoch,
            message: made.message.try_into().map_err(large)?,
            added: add.iter().map(|(device, _)| *device).collect(),
            removed: Vec::new(),
            welcome: made.welcome.try_into().map_err(large)?,
        };
        work.put_proposed_commit(&ProposedCommit {
            group,
            submission,
            epoch: made.epoch,
            body: encode(&body),
        })?;
        work.commit()?;
        let _: Accepted = self.request(Method::POST, COMMITS, encode(&body)).await?;
        Ok(body)
    }

    /// This person's touch under any statement, whether the rules allow it or not.
    pub fn attack_sign(
        &self,
        keyring: &mut Keyring<'_>,
        statement: Statement,
    ) -> Result<Entry, Error> {
        self.sign(keyring, statement)
    }

    /// This device's log, as the server signed it.
    pub fn attack_word(&self) -> Result<SignedHead, Error> {
        self.word()
    }

    /// What lets anybody into a group who has it.
    pub fn attack_group_info(&self, group: GroupId) -> Result<Vec<u8>, Error> {
        let me = self.me.member(self.ledger.as_ref())?;
        Ok(leak_group_info(&self.store.read().mls(), &me, group)?)
    }

    /// Opens a message of a group, whoever it came from: a letter is read, a commit merged.
    pub fn attack_read(&mut self, group: GroupId, message: &[u8]) -> Result<Option<Letter>, Error> {
        let work = self.store.begin()?;
        let letter = read_blindly(&work.mls(), group, message)?;
        work.commit()?;
        Ok(letter)
    }

    /// Sends `letter` as it is, with `log` as this device's view of the log.
    pub async fn attack_send(
        &mut self,
        group: GroupId,
        letter: &Letter,
        log: Option<SignedHead>,
    ) -> Result<(), Error> {
        let log = match log {
            Some(log) => log,
            None => self.word()?,
        };
        let work = self.store.begin()?;
        let (epoch, message) = encrypt_blindly(&work.mls(), &self.me.signer, group, letter, log)?;
        work.commit()?;
        self.attack_post(group, epoch, message).await
    }

    /// Puts any letter into the outbox, as [`Session::write`] does with those that it makes itself.
    pub fn attack_write(&mut self, letter: &Letter) -> Result<u64, Error> {
        self.put_into_outbox(letter, &[])
    }

    /// Sends `letter` in this device's name with `other`'s signature under it. Every member could: in
    /// MLS they all know each other's message keys, which here come out of this device's own store.
    pub async fn attack_send_signed_by(
        &mut self,
        other: &Session,
        group: GroupId,
        letter: &Letter,
    ) -> Result<(), Error> {
        let log = self.word()?;
        let work = self.store.begin()?;
        let (epoch, message) = encrypt_blindly(&work.mls(), &other.me.signer, group, letter, log)?;
        work.commit()?;
        self.attack_post(group, epoch, message).await
    }

    /// Sends a proposal to remove a colleague, and commits nothing.
    pub async fn attack_propose_removal(
        &mut self,
        group: GroupId,
        account: &Name,
    ) -> Result<(), Error> {
        let log = self.word()?;
        let devices = self.directory()?.active_devices(account);
        let device = devices.first().ok_or(Error::NoDevice(account.clone()))?;
        let me = self.me.member(self.ledger.as_ref())?;
        let work = self.store.begin()?;
        let (epoch, message) = propose_removal(&work.mls(), &me, group, *device, log)?;
        work.commit()?;
        self.attack_post(group, epoch, message).await
    }

    /// Begins another conversation of these people, whose group id was searched for: it begins with `bits`
    /// zero bits.
    pub async fn attack_begin(&mut self, accounts: Vec<Name>, bits: u32) -> Result<(), Error> {
        let org = self.directory()?.org();
        let mut record = Conversation {
            nonce: [0; 16],
            creator: self.me.account.clone(),
            accounts,
        };
        let rows = self.store.read().conversations()?;
        let work = self.store.begin()?;
        for row in rows
            .iter()
            .filter(|row| row.record.accounts == record.accounts)
        {
            work.set_conversation_state(row.group, ConversationState::Closed)?;
        }
        work.commit()?;
        for number in 0..u128::MAX {
            record.nonce = number.to_be_bytes();
            let group = record.group_id(org).ok_or(MlsError::NoGroup)?;
            let [a, b, c, d, ..] = group.0;
            if u32::from_be_bytes([a, b, c, d]).leading_zeros() >= bits {
                return self.begin(group, record).await;
            }
        }
        Err(MlsError::NoGroup.into())
    }

    /// Opens a message with this device's keys, keeping whatever that does to the group.
    pub fn attack_open(&mut self, group: GroupId, message: &[u8]) -> Result<Option<Letter>, Error> {
        let ledger = self.ledger.as_ref().ok_or(Error::NotEnrolled)?;
        let work = self.store.begin()?;
        let row = work.read().conversation(group)?.ok_or(MlsError::NoGroup)?;
        let opened = Receiver::open(None, &work, group).and_then(|receiver| {
            let (provider, record) = (work.mls(), &row.record);
            receiver.receive(&provider, ledger, record, message)
        });
        work.commit()?;
        match opened?.0 {
            Received::Letter { letter, .. } => Ok(Some(*letter)),
            Received::Commit { .. } => Ok(None),
        }
    }

    /// Opens a message once for each of `bits`, with that bit turned, keeping whatever that does to the
    /// group. Returns how many opened.
    pub fn attack_flips(
        &mut self,
        group: GroupId,
        message: &[u8],
        bits: impl Iterator<Item = usize>,
    ) -> Result<usize, Error> {
        let work = self.store.begin()?;
        let opened = open_flipped(&work.mls(), group, message, bits)?;
        work.commit()?;
        Ok(opened)
    }

    /// Sends `letter` as it is, not encrypted at all.
    pub async fn attack_send_in_clear(
        &mut self,
        group: GroupId,
        letter: &Letter,
    ) -> Result<(), Error> {
        self.attack_post(group, 1, letter.to_padded()).await
    }

    /// Joins by a Welcome and throws the group away again.
    pub fn attack_join(&mut self, welcome: &[u8]) -> Result<(), Error> {
        let directory = self.ledger.as_ref().ok_or(Error::NotEnrolled)?.directory();
        let (org, account) = (directory.org(), &self.me.account);
        let work = self.store.begin()?;
        mls::join(&work.mls(), org, directory, account, None, welcome)?;
        Ok(())
    }

    async fn attack_post(
        &mut self,
        group: GroupId,
        epoch: u64,
        message: Vec<u8>,
    ) -> Result<(), Error> {
        let id = SubmissionId(random::bytes()?);
        let work = self.store.begin()?;
        work.expect_echo(id)?;
        work.commit()?;
        let body = delivery::Letter {
            id,
            group,
            epoch,
            message: message.try_into().map_err(|_| MlsError::NoGroup)?,
        };
        let _: Accepted = self.request(Method::POST, LETTERS, encode(&body)).await?;
        Ok(())
    }

    /// One request, signed by this device's key.
    pub async fn attack_request(
        &self,
        claim: Claim,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<Vec<u8>, ApiError> {
        let caller = match claim {
            Claim::Device => Caller::Device(&self.me.signer),
            Claim::Session(id) => Caller::Session(&self.me.signer, id),
        };
        let api = self.api.as_ref().ok_or(ApiError::PeerMalformed)?;
        api.raw(caller, method, path, body).await
    }
}
