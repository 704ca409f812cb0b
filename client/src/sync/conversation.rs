//! What leaves to put a conversation right: the commits that begin a group, and that change who is in
//! it.
//!
//! Every commit has an id of its own and is in the store before it goes out, so that after a crash it
//! is sent again and counts once.

use reqwest::Method;
use valise_proto::{
    api::{
        COMMITS, ErrorCode,
        delivery::{self, Accepted},
    },
    codec::encode,
    conversation::Conversation,
    id::{DeviceId, GroupId, Name, SubmissionId},
    log::replay::Directory,
};

use super::{
    Report,
    outgoing::{Outcome, outcome},
};
use crate::{
    failpoint::reached,
    mls::{self, Drift, MlsError, Outgoing},
    random,
    session::{Error, Session},
    store::{ConversationRow, ConversationState, ProposedCommit, Reader, StoreError},
};

impl Session {
    pub(super) fn drift(&self, row: &ConversationRow) -> Result<Drift, Error> {
        let directory = self.directory()?;
        let provider = self.store.read();
        Ok(mls::audited(&provider.mls(), row.group, directory, &row.record)?.drift)
    }

    /// A new conversation's record. After one that ended here it says so: of the conversations of the same
    /// people everybody uses the one that takes another's place, so all follow, whoever ended what.
    fn found(&self, accounts: &[Name]) -> Result<(GroupId, Conversation), Error> {
        let ended = self.store.read().ended_conversation_of(accounts)?;
        let org = self.directory()?.org();
        let nonce = match ended {
            None => random::bytes()?,
            Some(ended) => Conversation::nonce_after(ended, random::bytes()?),
        };
        let record = Conversation {
            nonce,
            creator: self.me.account.clone(),
            accounts: accounts.to_vec(),
        };
        let group = record.group_id(org).ok_or(Error::Wrong(
            "a conversation has at most 1,000 people, the writer among them",
        ))?;
        Ok((group, record))
    }

    /// Starts a conversation of `accounts` (sorted).
    pub(super) async fn create(&mut self, accounts: &[Name]) -> Result<(), Error> {
        let (group, record) = self.found(accounts)?;
        self.begin(group, record).await
    }

    /// Starts the conversation that `record` says.
    pub(crate) async fn begin(
        &mut self,
        group: GroupId,
        record: Conversation,
    ) -> Result<(), Error> {
        let accounts = &record.accounts;
        let directory = self.directory()?;
        let mut devices: Vec<_> = accounts
            .iter()
            .flat_map(|name| directory.active_devices(name))
            .collect();
        devices.retain(|device| *device != self.me.device);
        for name in accounts {
            if directory.active_devices(name).is_empty() {
                return Err(Error::NoDevice(name.clone()));
            }
        }
        let change = Change {
            group,
            record: &record,
            after: None,
            remove: &[],
            add: &devices,
            renew: false,
        };
        self.propose(&change).await?;
        Ok(())
    }

    /// Starts a successor of every conversation that ended here, so that its people can reach this
    /// device again.
    pub(super) async fn succeed(&mut self, report: &mut Report) -> Result<(), Error> {
        if self.me.member(self.ledger.as_ref()).is_err() {
            return Ok(());
        }
        let mut begun = false;
        for accounts in self.store.read().ended_conversations()? {
            let directory = self.directory()?;
            let reachable = |name| !directory.active_devices(name).is_empty();
            if accounts.iter().all(reachable) {
                self.create(&accounts).await?;
                begun = true;
            }
        }
        if begun {
            self.pull(report).await
        } else {
            Ok(())
        }
    }

    /// Removes and adds what has drifted. Returns devices that have no key package to be added by.
    pub(super) async fn repair(
        &mut self,
        row: &ConversationRow,
        drift: &Drift,
    ) -> Result<Vec<DeviceId>, Error> {
        let change = Change {
            group: row.group,
            record: &row.record,
            after: Some(row.cursor),
            remove: &drift.surplus,
            add: &drift.missing,
            renew: false,
        };
        self.propose(&change).await
    }

    /// Gives this device new keys in a conversation, and removes who has drifted out of it.
    pub(super) async fn renew_keys(
        &mut self,
        row: &ConversationRow,
        surplus: &[DeviceId],
    ) -> Result<(), Error> {
        let change = Change {
            group: row.group,
            record: &row.record,
            after: Some(row.cursor),
            remove: surplus,
            add: &[],
            renew: true,
        };
        self.propose(&change).await?;
        Ok(())
    }

    /// Makes a commit, keeps it, and sends it.
    async fn propose(&mut self, change: &Change<'_>) -> Result<Vec<DeviceId>, Error> {
        let claimed = self.claim(change.add.to_vec()).await?;
        reached("after-claim");
        let submission = SubmissionId(random::bytes()?);
        let proposed = self.make_commit(change, &claimed, submission);
        let (commit, added) = self.noted(proposed)?;
        let without: Vec<_> = change
            .add
            .iter()
            .filter(|device| !added.contains(device))
            .copied()
            .collect();
        if let Some(commit) = commit {
            self.submit_commit(&commit).await?;
        }
        Ok(without)
    }

    /// One transaction: the commit is pending in the group and on its way in the store.
    fn make_commit(
        &mut self,
        change: &Change<'_>,
        claimed: &valise_proto::api::key_package::Claimed,
        submission: SubmissionId,
    ) -> Result<(Option<ProposedCommit>, Vec<DeviceId>), Error> {
        let directory = self.ledger.as_ref().ok_or(Error::NotEnrolled)?.directory();
        let me = self.me.member(self.ledger.as_ref())?;
        let log = self.word()?;
        let now_ms = self.clock.now_ms();
        let work = self.store.begin()?;
        if change.overtaken(&work.read())? {
            return Ok((None, change.add.to_vec()));
        }
        let mut packages = Vec::new();
        let mut added = Vec::new();
        for package in &claimed.packages {
            if !change.add.contains(&package.device) || added.contains(&package.device) {
                continue;
            }
            let (device, bytes) = (package.device, package.package.as_slice());
            let record = change.record;
            match mls::checked_package(&work.mls(), directory, record, device, bytes, now_ms) {
                Ok(package) => packages.push(package),
                // Not one, or not for this organisation: the device is added by another one.
                Err(MlsError::PeerMessage(why)) => {
                    let detail = refused_package(directory, device, &why);
                    work.add_event(now_ms, "bad-package", false, &detail)?;
                    continue;
                }
                Err(error) => return Err(error.into()),
            }
            added.push(device);
        }
        if packages.is_empty() && change.is_idle() {
            work.commit()?;
            return Ok((None, added));
        }
        let Outgoing {
            epoch,
            message,
            welcome,
        } = if change.after.is_none() {
            mls::create(&work.mls(), &me, change.record, packages, log)?
        } else {
            mls::commit(&work.mls(), &me, change.group, change.remove, packages, log)?
        };
        let too_large = |_| Error::Wrong("the conversation is too large");
        let body = encode(&delivery::Commit {
            id: submission,
            group: change.group,
            epoch,
            message: message.try_into().map_err(too_large)?,
            added: added.clone(),
            removed: change.remove.to_vec(),
            welcome: welcome.try_into().map_err(too_large)?,
        });
        let commit = ProposedCommit {
            group: change.group,
            submission,
            epoch,
            body,
        };
        work.put_proposed_commit(&commit)?;
        if change.after.is_none() {
            work.put_conversation(change.group, change.record, ConversationState::Creating, 0)?;
        }
        work.commit()?;
        reached("after-commit-made");
        Ok((Some(commit), added))
    }

    /// Sends a commit. Accepted, it is merged when it comes back in its place; else it never
    /// happened.
    async fn submit_commit(&mut self, commit: &ProposedCommit) -> Result<(), Error> {
        let body = commit.body.clone();
        let answer = self.request::<Accepted>(Method::POST, COMMITS, body).await;
        let answer = match answer {
            // It adds a device that was revoked since.
            Err(Error::Api(error)) if error.code() == Some(ErrorCode::Forbidden) => Outcome::Stale,
            // It contradicts what the server knows of the group: only another group helps.
            Err(Error::Api(error)) if error.code() == Some(ErrorCode::Malformed) => {
                Outcome::NoGroup
            }
            answer => outcome(answer)?,
        };
        // Either way there is news of this group.
        self.pulled_at_ms = 0;
        match answer {
            Outcome::Accepted(Accepted { .. }) => {
                reached("after-commit-accepted");
                Ok(())
            }
            Outcome::NoGroup | Outcome::Overtaken | Outcome::Stale => {
                let work = self.store.begin()?;
                let present = work.read().proposed_commit(commit.group)?;
                if present.is_some_and(|present| present.submission == commit.submission) {
                    mls::withdraw_own(&work.mls(), commit.group)?;
                    work.remove_proposed_commit(commit.group)?;
                }
                // A group that the server has begun without this commit can never begin with it.
                if matches!(answer, Outcome::NoGroup) || commit.epoch == 0 {
                    work.set_conversation_state(commit.group, ConversationState::Closed)?;
                }
                Ok(work.commit()?)
            }
        }
    }

    /// Commits that an earlier run left behind: asks whether they won, by sending them again.
    pub(super) async fn settle_proposed(&mut self) -> Result<(), Error> {
        for commit in self.store.read().proposed_commits()? {
            self.submit_commit(&commit).await?;
        }
        Ok(())
    }
}

fn refused_package(directory: &Directory, device: DeviceId, why: &str) -> String {
    let owner = directory.device(device).map(|device| &device.account);
    let owner = owner.map_or("nobody", Name::as_str);
    format!("a key package of {owner} was refused: {why}")
}

/// Every account has a device in the group.
pub(super) fn everybody_reachable(
    directory: &Directory,
    record: &Conversation,
    drift: &Drift,
) -> Result<(), Error> {
    for name in &record.accounts {
        let devices = directory.active_devices(name);
        if devices.iter().all(|device| drift.missing.contains(device)) {
            return Err(Error::NoDevice(name.clone()));
        }
    }
    Ok(())
}

/// A change of who is in a group.
struct Change<'a> {
    group: GroupId,
    record: &'a Conversation,
    /// How far the group was read when the change was found to be needed; none begins a group.
    after: Option<u64>,
    remove: &'a [DeviceId],
    add: &'a [DeviceId],
    /// It is made for the new keys that every commit brings its author.
    renew: bool,
}

impl Change<'_> {
    /// Without somebody to add there is no reason for it.
    fn is_idle(&self) -> bool {
        self.remove.is_empty() && self.after.is_some() && !self.renew
    }

    /// Another process of this account has begun the same since, or read on in the group.
    fn overtaken(&self, read: &Reader<'_>) -> Result<bool, StoreError> {
        let Some(after) = self.after else {
            return Ok(read.conversation_of(&self.record.accounts)?.is_some());
        };
        let present = read.conversation(self.group)?;
        Ok(present.is_none_or(|present| present.cursor != after)
            || read.proposed_commit(self.group)?.is_some())
    }
}
