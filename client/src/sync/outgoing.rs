//! Letters out of the outbox.
//!
//! Every write has an id of its own and is in the store before it goes out, so that after a crash
//! it is sent again and counts once.

use reqwest::Method;
use valise_proto::{
    api::{
        ErrorCode, LETTERS,
        delivery::{self, Accepted},
    },
    codec::encode,
    id::{DeviceId, GroupId, Name, SubmissionId},
    letter::Letter,
};

use super::{Report, conversation::everybody_reachable};
use crate::{
    failpoint::reached,
    mls::{self, Drift, MlsError},
    random,
    session::{Error, Session},
    store::{ConversationRow, ConversationState, Encrypted, LetterRow, Reader, StoreError},
};

/// A view of the server this old is refreshed before a letter goes: milliseconds.
const FRESH_MS: u64 = 5_000;
/// How often a letter may lose races before it stays in the outbox.
const TRIES: usize = 30;

/// What became of a write.
pub(super) enum Outcome {
    /// The server has it.
    Accepted,
    /// Another process of this account sent something else under the same id.
    Overtaken,
    /// The server knows no such group, or not with this device in it.
    NoGroup,
    /// Another commit came first.
    Stale,
}

impl Session {
    /// Sends what waits in the outbox, in order. A letter that cannot go holds up those to the same
    /// people, and nobody else's. The first failure is the answer; to somebody who has no device
    /// yet, or whose keys changed, a letter just goes on waiting.
    pub(crate) async fn deliver(&mut self, report: &mut Report) -> Result<(), Error> {
        match self.deliver_until(u64::MAX, report).await {
            Err(Error::NoDevice(_) | Error::KeysChanged(_)) => Ok(()),
            delivered => delivered,
        }
    }

    /// The same for letters up to `last`, whose own fate is the answer.
    pub(crate) async fn deliver_until(
        &mut self,
        last: u64,
        report: &mut Report,
    ) -> Result<(), Error> {
        let mut held: Vec<Vec<Name>> = Vec::new();
        let mut failure = None;
        for row in self.store.read().outbox()? {
            if row.number > last {
                break;
            }
            let letter = self.store.read().letter(row.number)?;
            let people = accounts(&letter.ok_or(Error::NoSuchLetter(row.number))?);
            if held.contains(&people) {
                continue;
            }
            match self.deliver_letter(row.number, report).await {
                Ok(()) => report.sent += 1,
                Err(error) if error.concerns_everybody() => return Err(error),
                Err(error) => {
                    held.push(people);
                    let louder = matches!(
                        failure,
                        None | Some(Error::NoDevice(_) | Error::KeysChanged(_))
                    );
                    if row.number == last || louder {
                        failure = Some(error);
                    }
                }
            }
        }
        let gone = last < u64::MAX && self.store.read().outbox_row(last)?.is_none();
        match failure {
            Some(error) if !gone => Err(error),
            _ => Ok(()),
        }
    }

    /// Sends one letter of the outbox.
    pub(crate) async fn deliver_letter(
        &mut self,
        number: u64,
        report: &mut Report,
    ) -> Result<(), Error> {
        self.upload_files(number, report).await?;
        for _ in 0..TRIES {
            let Some(row) = self.store.read().outbox_row(number)? else {
                return Ok(());
            };
            let ready = match row.encrypted {
                Some(encrypted) => {
                    let ready = (row.submission, encrypted);
                    let still = self.still_for_its_people(number, &ready, report).await?;
                    still.then_some(ready)
                }
                None => self.encrypt(number, report).await?,
            };
            let Some((submission, encrypted)) = ready else {
                continue;
            };
            match self.submit_letter(submission, &encrypted).await? {
                Outcome::Accepted => {
                    reached("after-letter-accepted");
                    let work = self.store.begin()?;
                    // Counted once, whoever else of this account sent it too.
                    if work.remove_from_outbox(number)? {
                        work.count_sent(encrypted.group, encrypted.hash)?;
                    }
                    work.commit()?;
                    reached("after-letter-row");
                    return self.clear_spool();
                }
                Outcome::Overtaken => {}
                Outcome::NoGroup => {
                    // The next try starts another conversation.
                    let now_ms = self.clock.now_ms();
                    let work = self.store.begin()?;
                    let known = work.read().conversation(encrypted.group)?;
                    if known.is_some_and(|row| row.state == ConversationState::Open) {
                        let people = people(&work.read(), number)?;
                        work.add_event(now_ms, "gap", false, &ended_there(&people))?;
                    }
                    work.set_conversation_state(encrypted.group, ConversationState::Closed)?;
                    work.drop_encrypted(number, encrypted.epoch)?;
                    work.commit()?;
                }
                Outcome::Stale => {
                    let work = self.store.begin()?;
                    work.drop_encrypted(number, encrypted.epoch)?;
                    work.commit()?;
                    self.pull(report).await?;
                }
            }
        }
        Err(Error::Wrong(
            "the conversation changes faster than this letter can be sent",
        ))
    }

    /// Whether a ciphertext of an earlier try may go. One that was made before somebody was shut
    /// out may not: not even the server must have it. The group goes on to an epoch without them,
    /// and the letter is encrypted anew for that; after a split, for another group. Had the server got
    /// it before, it would have given it back by then.
    async fn still_for_its_people(
        &mut self,
        number: u64,
        (submission, encrypted): &(SubmissionId, Encrypted),
        report: &mut Report,
    ) -> Result<bool, Error> {
        self.refresh(report).await?;
        let Some(row) = self.store.read().conversation(encrypted.group)? else {
            return Ok(true);
        };
        self.unchanged(&row.record.accounts)?;
        if row.state != ConversationState::Disputed {
            let proposed = self.store.read().proposed_commit(encrypted.group)?;
            if row.state != ConversationState::Open || proposed.is_some() {
                return Ok(true);
            }
            let drift = self.drift(&row);
            let drift = self.noted(drift)?;
            if drift.surplus.is_empty() {
                return Ok(true);
            }
            let (missing, surplus) = (Vec::new(), drift.surplus);
            self.repair(&row, &Drift { missing, surplus }).await?;
        }
        self.pull(report).await?;
        let renewed = SubmissionId(random::bytes()?);
        let work = self.store.begin()?;
        let present = work.read().outbox_row(number)?;
        let present = present.filter(|present| present.submission == *submission);
        if let Some(epoch) = present.and_then(|present| Some(present.encrypted?.epoch)) {
            work.drop_encrypted(number, epoch)?;
            work.renew_submission(number, renewed)?;
        }
        work.commit()?;
        Ok(false)
    }

    /// Reads everything, unless that was done a moment ago.
    pub(super) async fn refresh(&mut self, report: &mut Report) -> Result<(), Error> {
        // A clock that was set back does not make the view younger.
        if self.clock.now_ms().abs_diff(self.pulled_at_ms) > FRESH_MS {
            self.pull(report).await?;
        }
        self.ready_to_send()
    }

    async fn submit_letter(
        &self,
        submission: SubmissionId,
        encrypted: &Encrypted,
    ) -> Result<Outcome, Error> {
        let letter = delivery::Letter {
            id: submission,
            group: encrypted.group,
            epoch: encrypted.epoch,
            message: encrypted
                .message
                .clone()
                .try_into()
                .map_err(|_| Error::Wrong("the letter is too large"))?,
        };
        outcome(self.request(Method::POST, LETTERS, encode(&letter)).await)
    }

    /// Encrypts a letter in the conversation of its people, once exactly the devices are in it that
    /// belong there. Nothing, when another process of this account was faster.
    async fn encrypt(
        &mut self,
        number: u64,
        report: &mut Report,
    ) -> Result<Option<(SubmissionId, Encrypted)>, Error> {
        let letter = self
            .store
            .read()
            .letter(number)?
            .ok_or(Error::NoSuchLetter(number))?;
        let accounts = accounts(&letter);
        let mut without_package: Vec<DeviceId> = Vec::new();
        for _ in 0..TRIES {
            self.refresh(report).await?;
            self.unchanged(&accounts)?;
            let Some(row) = self.store.read().conversation_of(&accounts)? else {
                self.create(&accounts).await?;
                continue;
            };
            if self.store.read().proposed_commit(row.group)?.is_some() {
                // The commit comes back in its place, and is merged there.
                self.pull(report).await?;
                continue;
            }
            let tried = self.try_encrypt(number, row.group, &without_package);
            match self.noted(tried)? {
                Try::Drifted(drift) => {
                    without_package.extend(self.repair(&row, &drift).await?);
                }
                Try::Encrypted(submission, encrypted) => return Ok(Some((submission, encrypted))),
                Try::Overtaken => return Ok(None),
            }
        }
        Err(Error::Wrong(
            "the conversation changes faster than this letter can be sent",
        ))
    }

    /// One transaction: all leaves are compared with the directory, the ratchet moves, and the
    /// ciphertext is kept.
    fn try_encrypt(
        &mut self,
        number: u64,
        group: GroupId,
        without_package: &[DeviceId],
    ) -> Result<Try, Error> {
        let directory = self.ledger.as_ref().ok_or(Error::NotEnrolled)?.directory();
        let me = self.me.member(self.ledger.as_ref())?;
        let log = self.word()?;
        let work = self.store.begin()?;
        let waiting = work.read().outbox_row(number)?;
        let Some(waiting) = waiting.filter(|row| row.encrypted.is_none()) else {
            return Ok(Try::Overtaken);
        };
        let row = work.read().conversation(group)?.ok_or(MlsError::NoGroup)?;
        let audited = mls::audited(&work.mls(), group, directory, &row.record)?;
        let mut drift = audited.drift.clone();
        drift
            .missing
            .retain(|device| !without_package.contains(device));
        if drift != Drift::default() {
            return Ok(Try::Drifted(drift));
        }
        everybody_reachable(directory, &row.record, &audited.drift)?;
        let kept = work
            .read()
            .letter(number)?
            .ok_or(Error::NoSuchLetter(number))?;
        let letter = letter(&kept, waiting.nonce, &row)?;
        let (epoch, message) = audited.encrypt(&work.mls(), &me, &letter, log)?;
        let encrypted = Encrypted {
            group,
            epoch,
            hash: letter.hash(),
            message,
        };
        work.set_encrypted(number, &encrypted)?;
        work.commit()?;
        reached("after-encrypt");
        Ok(Try::Encrypted(waiting.submission, encrypted))
    }
}

/// What became of encrypting a letter.
enum Try {
    /// Who is in the group has to change first.
    Drifted(Drift),
    /// It is on its way under this id.
    Encrypted(SubmissionId, Encrypted),
    /// Another process of this account was faster.
    Overtaken,
}

pub(super) fn outcome(answer: Result<Accepted, Error>) -> Result<Outcome, Error> {
    match answer {
        Ok(_) => Ok(Outcome::Accepted),
        Err(Error::Api(error)) => match error.code() {
            Some(ErrorCode::Conflict) => Ok(Outcome::Overtaken),
            Some(ErrorCode::NotFound) => Ok(Outcome::NoGroup),
            Some(ErrorCode::Stale) => Ok(Outcome::Stale),
            _ => Err(error.into()),
        },
        Err(error) => Err(error),
    }
}

/// Everybody whom a letter concerns, its writer included: sorted, each once.
pub(super) fn accounts(letter: &LetterRow) -> Vec<Name> {
    let mut accounts: Vec<_> = letter.to.iter().chain(&letter.cc).cloned().collect();
    accounts.push(letter.sender.clone());
    accounts.sort();
    accounts.dedup();
    accounts
}

/// What a writer must know when his conversation is over on the server: it was restored from a backup, or
/// this device was put out.
fn ended_there(people: &str) -> String {
    format!(
        "the server ended the conversation of {people}, and another takes its place: what you wrote there last \
         may not have arrived"
    )
}

/// Everybody whom a letter here concerns, in one line.
fn people(store: &Reader<'_>, number: u64) -> Result<String, Error> {
    let letter = store.letter(number)?.ok_or(Error::NoSuchLetter(number))?;
    let accounts = accounts(&letter);
    let names: Vec<_> = accounts.iter().map(Name::as_str).collect();
    Ok(names.join(", "))
}

/// The letter as it travels, next in this device's chain.
fn letter(kept: &LetterRow, nonce: [u8; 16], row: &ConversationRow) -> Result<Letter, Error> {
    let damaged = |_| StoreError::Damaged("a letter in the outbox");
    Ok(Letter {
        id: kept.id,
        nonce,
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
        attachments: kept.attachments.clone(),
    })
}
