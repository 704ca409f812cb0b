//! What leaves: commits that put a conversation right, and letters out of the outbox.
//!
//! Every write has an id of its own and is in the store before it goes out, so that after a crash
//! it is sent again and counts once.

use reqwest::Method;
use valise_proto::{
    api::{
        COMMITS, ErrorCode, LETTERS,
        delivery::{self, Accepted},
    },
    codec::encode,
    conversation::Conversation,
    id::{DeviceId, GroupId, LetterId, Name, SubmissionId},
    letter::Letter,
};

use super::Report;
use crate::{
    account::random,
    mls::{self, Drift, Me, MlsError, Outgoing},
    session::{Error, Session},
    store::{ConversationRow, ConversationState, Encrypted, LetterRow, OutboxRow, ProposedCommit},
};

/// A view of the server this old is refreshed before a letter goes: milliseconds.
const FRESH_MS: u64 = 5_000;
/// How often a letter may lose races before it stays in the outbox.
const TRIES: usize = 30;

/// What became of a write.
enum Outcome {
    Accepted,
    /// Something else came first.
    Stale,
    /// The server knows this conversation otherwise than this device does, or not at all.
    Lost,
}

const LOST: Error =
    Error::Wrong("the server has lost this conversation; the next try begins another one");

impl Session {
    /// Sends what waits in the outbox, in order.
    pub(crate) async fn deliver(&mut self, report: &mut Report) -> Result<(), Error> {
        for row in self.store.read().outbox()? {
            self.deliver_letter(row.number, report).await?;
            report.sent += 1;
        }
        Ok(())
    }

    /// Sends one letter of the outbox.
    pub(crate) async fn deliver_letter(
        &mut self,
        number: u64,
        report: &mut Report,
    ) -> Result<(), Error> {
        for _ in 0..TRIES {
            let Some(row) = self.store.read().outbox_row(number)? else {
                return Ok(());
            };
            let Some(encrypted) = row.encrypted.clone() else {
                let conversation = self.prepare(number, report).await?;
                let encrypted = self.encrypt(number, &conversation);
                self.noted(encrypted)?;
                continue;
            };
            match self.submit_letter(&row, &encrypted).await? {
                Outcome::Accepted => {
                    let work = self.store.begin()?;
                    work.count_sent(encrypted.group, encrypted.hash)?;
                    work.remove_from_outbox(number)?;
                    return Ok(work.commit()?);
                }
                Outcome::Stale => {
                    let work = self.store.begin()?;
                    work.drop_encrypted(number)?;
                    work.commit()?;
                    self.pull(report).await?;
                }
                Outcome::Lost => {
                    let work = self.store.begin()?;
                    work.drop_encrypted(number)?;
                    work.set_conversation_state(encrypted.group, ConversationState::Closed)?;
                    work.commit()?;
                    return Err(LOST);
                }
            }
        }
        Err(Error::Wrong(
            "the conversation changes faster than this letter can be sent",
        ))
    }

    async fn submit_letter(
        &self,
        row: &OutboxRow,
        encrypted: &Encrypted,
    ) -> Result<Outcome, Error> {
        let letter = delivery::Letter {
            id: row.submission,
            group: encrypted.group,
            epoch: encrypted.epoch,
            message: encrypted
                .message
                .clone()
                .try_into()
                .map_err(|_| Error::Wrong("the letter is too large"))?,
        };
        match self.request(Method::POST, LETTERS, encode(&letter)).await {
            Err(Error::Api(error)) if error.code() == Some(ErrorCode::NotFound) => {
                Ok(Outcome::Lost)
            }
            answer => outcome(answer),
        }
    }

    /// The conversation of a letter's people, with exactly the devices in it that belong there.
    async fn prepare(
        &mut self,
        number: u64,
        report: &mut Report,
    ) -> Result<ConversationRow, Error> {
        let letter = self
            .store
            .read()
            .letter(number)?
            .ok_or(Error::NoSuchLetter(number))?;
        let accounts = accounts(&letter);
        let mut without_package: Vec<DeviceId> = Vec::new();
        for _ in 0..TRIES {
            if self.clock.now_ms().saturating_sub(self.pulled_at_ms) > FRESH_MS {
                self.pull(report).await?;
            }
            let Some(row) = self.store.read().conversation_of(&accounts)? else {
                self.create(&accounts).await?;
                continue;
            };
            if self.store.read().proposed_commit(row.group)?.is_some() {
                // The commit comes back in its place, and is merged there.
                self.pull(report).await?;
                continue;
            }
            let drift = self.drift(&row);
            let drift = self.noted(drift)?;
            let missing: Vec<_> = drift
                .missing
                .iter()
                .filter(|device| !without_package.contains(device))
                .copied()
                .collect();
            if missing.is_empty() && drift.surplus.is_empty() {
                self.everybody_reachable(&row, &drift)?;
                return Ok(row);
            }
            let drift = Drift {
                missing,
                surplus: drift.surplus,
            };
            without_package.extend(self.repair(&row, &drift).await?);
        }
        Err(Error::Wrong(
            "the conversation changes faster than this letter can be sent",
        ))
    }

    fn drift(&self, row: &ConversationRow) -> Result<Drift, Error> {
        let directory = self.directory()?;
        let leaves = mls::identities(&self.store.read().mls(), row.group, directory, &row.record)?;
        Ok(mls::drift(directory, &row.record, &leaves))
    }

    /// Every account has a device in the group.
    fn everybody_reachable(&self, row: &ConversationRow, drift: &Drift) -> Result<(), Error> {
        let directory = self.directory()?;
        for name in &row.record.accounts {
            let devices = directory.active_devices(name);
            if devices.iter().all(|device| drift.missing.contains(device)) {
                return Err(Error::NoDevice(name.clone()));
            }
        }
        Ok(())
    }

    /// Starts a conversation of `accounts` (sorted).
    async fn create(&mut self, accounts: &[Name]) -> Result<(), Error> {
        let nonce = random()?;
        let creator = self.me.account.clone();
        let record = Conversation {
            nonce,
            creator,
            accounts: accounts.to_vec(),
        };
        let directory = self.directory()?;
        let group = record.group_id(directory.org()).ok_or(Error::Wrong(
            "a conversation has at most 1,000 people, the writer among them",
        ))?;
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
            create: true,
            remove: &[],
            add: &devices,
        };
        self.propose(&change).await?;
        Ok(())
    }

    /// Starts a successor of every conversation that ended here, so that its people can reach this
    /// device again. They follow it, because the conversation that was joined last is the one used.
    pub(super) async fn succeed(&mut self, report: &mut Report) -> Result<(), Error> {
        if self.leaf_credential().is_err() {
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
    async fn repair(
        &mut self,
        row: &ConversationRow,
        drift: &Drift,
    ) -> Result<Vec<DeviceId>, Error> {
        let change = Change {
            group: row.group,
            record: &row.record,
            create: false,
            remove: &drift.surplus,
            add: &drift.missing,
        };
        self.propose(&change).await
    }

    /// Makes a commit, keeps it, and sends it.
    async fn propose(&mut self, change: &Change<'_>) -> Result<Vec<DeviceId>, Error> {
        let claimed = self.claim(change.add.to_vec()).await?;
        let submission = SubmissionId(random()?);
        let proposed = self.make_commit(change, &claimed, submission);
        let (commit, added) = self.noted(proposed)?;
        let without: Vec<_> = change
            .add
            .iter()
            .filter(|device| !added.contains(device))
            .copied()
            .collect();
        if let Some(commit) = commit {
            if let Outcome::Lost = self.submit_commit(&commit).await? {
                return Err(LOST);
            }
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
        let credential = self.leaf_credential()?;
        let me = Me {
            org: directory.org(),
            signer: &self.me.signer,
            credential,
        };
        let head = directory.head();
        let work = self.store.begin()?;
        let mut packages = Vec::new();
        let mut added = Vec::new();
        for package in &claimed.packages {
            if !change.add.contains(&package.device) || added.contains(&package.device) {
                continue;
            }
            let (device, bytes) = (package.device, package.package.as_slice());
            packages.push(mls::checked_package(
                &work.mls(),
                directory,
                change.record,
                device,
                bytes,
            )?);
            added.push(device);
        }
        if packages.is_empty() && change.remove.is_empty() && !change.create {
            return Ok((None, added));
        }
        let Outgoing {
            epoch,
            message,
            welcome,
        } = if change.create {
            mls::create(&work.mls(), &me, change.record, packages, head)?
        } else {
            mls::commit(
                &work.mls(),
                &me,
                change.group,
                change.remove,
                packages,
                head,
            )?
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
        if change.create {
            work.put_conversation(change.group, change.record, ConversationState::Creating, 0)?;
        }
        work.commit()?;
        Ok((Some(commit), added))
    }

    /// Sends a commit. Accepted, it is merged when it comes back in its place; otherwise it never
    /// happened. What the server refuses for good must not stand in the way of everything else.
    async fn submit_commit(&mut self, commit: &ProposedCommit) -> Result<Outcome, Error> {
        let body = commit.body.clone();
        let answer = match self.request(Method::POST, COMMITS, body).await {
            Err(Error::Api(error)) => match error.code() {
                // One of the devices to be added may receive nothing more.
                Some(ErrorCode::Forbidden) => Outcome::Stale,
                Some(ErrorCode::Conflict | ErrorCode::Malformed | ErrorCode::NotFound) => {
                    Outcome::Lost
                }
                _ => outcome(Err(error.into()))?,
            },
            answer => outcome(answer)?,
        };
        // Either way there is news of this group.
        self.pulled_at_ms = 0;
        if !matches!(answer, Outcome::Accepted) {
            let work = self.store.begin()?;
            mls::withdraw_own(&work.mls(), commit.group)?;
            work.remove_proposed_commit(commit.group)?;
            if matches!(answer, Outcome::Lost) {
                work.set_conversation_state(commit.group, ConversationState::Closed)?;
            }
            work.commit()?;
        }
        Ok(answer)
    }

    /// Commits that an earlier run left behind: asks whether they won, by sending them again.
    pub(super) async fn settle_proposed(&mut self) -> Result<(), Error> {
        for commit in self.store.read().proposed_commits()? {
            self.submit_commit(&commit).await?;
        }
        Ok(())
    }

    /// One transaction: the ratchet moves and the ciphertext is kept.
    fn encrypt(&mut self, number: u64, row: &ConversationRow) -> Result<(), Error> {
        let directory = self.ledger.as_ref().ok_or(Error::NotEnrolled)?.directory();
        let credential = self.leaf_credential()?;
        let me = Me {
            org: directory.org(),
            signer: &self.me.signer,
            credential,
        };
        let head = directory.head();
        let work = self.store.begin()?;
        let row = work
            .read()
            .conversation(row.group)?
            .ok_or(MlsError::NoGroup)?;
        let kept = work
            .read()
            .letter(number)?
            .ok_or(Error::NoSuchLetter(number))?;
        let letter = letter(&kept, &row)?;
        let (epoch, message) = mls::encrypt(
            &work.mls(),
            &me,
            row.group,
            directory,
            &row.record,
            &letter,
            head,
        )?;
        let encrypted = Encrypted {
            group: row.group,
            epoch,
            hash: letter.hash(),
            message,
        };
        work.set_encrypted(number, &encrypted)?;
        Ok(work.commit()?)
    }
}

/// A change of who is in a group.
struct Change<'a> {
    group: GroupId,
    record: &'a Conversation,
    create: bool,
    remove: &'a [DeviceId],
    add: &'a [DeviceId],
}

fn outcome(answer: Result<Accepted, Error>) -> Result<Outcome, Error> {
    match answer {
        Ok(_) => Ok(Outcome::Accepted),
        Err(Error::Api(error)) if error.code() == Some(ErrorCode::Stale) => Ok(Outcome::Stale),
        Err(error) => Err(error),
    }
}

/// Everybody whom a letter concerns, its writer included: sorted, each once.
fn accounts(letter: &LetterRow) -> Vec<Name> {
    let mut accounts: Vec<_> = letter.to.iter().chain(&letter.cc).cloned().collect();
    accounts.push(letter.sender.clone());
    accounts.sort();
    accounts.dedup();
    accounts
}

/// The letter as it travels, next in this device's chain.
fn letter(kept: &LetterRow, row: &ConversationRow) -> Result<Letter, Error> {
    let damaged = |_| crate::store::StoreError::Damaged("a letter in the outbox");
    Ok(Letter {
        id: LetterId(kept.id.0),
        sequence: row.sent + 1,
        previous: row.sent_hash,
        thread: kept.thread,
        in_reply_to: kept.in_reply_to,
        date: kept.date_ms,
        subject: kept.subject.clone().try_into().map_err(damaged)?,
        to: kept.to.clone(),
        cc: kept.cc.clone(),
        format: kept.format,
        body: kept.body.clone().try_into().map_err(damaged)?,
        attachments: Vec::new(),
    })
}
