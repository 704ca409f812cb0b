//! Letters out of the outbox.
//!
//! Every write has an id of its own and is in the store before it goes out, so that after a crash
//! it is sent again and counts once. Letters to the same people that wait one behind the other go in one
//! request: encrypted in one transaction, counted in another.

use reqwest::Method;
use tls_codec::Size as _;
use valise_proto::{
    api::{
        ErrorCode, LETTERS,
        delivery::{self, AcceptedLetters, LETTERS_MAX, Letters},
    },
    codec::{Limited, encode},
    id::{DeviceId, Name, SubmissionId},
};

use super::{Report, sealing::Try};
use crate::{
    api::ApiError,
    failpoint::reached,
    mls::Drift,
    random,
    session::{Error, Session},
    store::{ConversationState, Encrypted, LetterRow, OutboxRow, Reader},
};

/// A view of the server this old is refreshed before a letter goes: milliseconds.
const FRESH_MS: u64 = 5_000;
/// How often a letter may lose races before it stays in the outbox.
const TRIES: usize = 30;
/// A letter with a longer text than this goes alone: bytes.
const SMALL: usize = 64 * 1024;

/// What became of a write.
pub(super) enum Outcome<T> {
    /// The server has it.
    Accepted(T),
    /// Another process of this account sent something else under the same id.
    Overtaken,
    /// The server knows no such group, or not with this device in it.
    NoGroup,
    /// Another commit came first.
    Stale,
}

/// A letter that waits.
struct Waiting {
    number: u64,
    people: Vec<Name>,
    /// It has files, or is large.
    alone: bool,
}

/// A letter that is ready to be sent.
pub(super) struct Ready {
    pub(super) number: u64,
    pub(super) submission: SubmissionId,
    pub(super) encrypted: Encrypted,
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
        let mut held: Vec<&Vec<Name>> = Vec::new();
        let mut failure = None;
        let waiting = self.waiting(last)?;
        let together =
            |one: &Waiting, next: &Waiting| one.people == next.people && !one.alone && !next.alone;
        let runs = waiting.chunk_by(together);
        for run in runs.flat_map(|run| run.chunks(LETTERS_MAX)) {
            let people = run.first().map(|waiting| &waiting.people);
            let Some(people) = people.filter(|people| !held.contains(people)) else {
                continue;
            };
            let numbers: Vec<_> = run.iter().map(|waiting| waiting.number).collect();
            let delivered = self.deliver_run(&numbers, report).await;
            for number in &numbers {
                report.sent += u64::from(self.store.read().outbox_row(*number)?.is_none());
            }
            match delivered {
                Ok(()) => {}
                Err(error) if error.concerns_everybody() => return Err(error),
                Err(error) => {
                    held.push(people);
                    let louder = matches!(
                        failure,
                        None | Some(Error::NoDevice(_) | Error::KeysChanged(_))
                    );
                    if numbers.contains(&last) || louder {
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

    /// What waits, up to letter `last`, in the order in which it was written.
    fn waiting(&self, last: u64) -> Result<Vec<Waiting>, Error> {
        let read = self.store.read();
        let mut waiting = Vec::new();
        for number in read.outbox_numbers()? {
            if number > last {
                break;
            }
            let letter = read.letter(number)?.ok_or(Error::NoSuchLetter(number))?;
            waiting.push(Waiting {
                number,
                people: accounts(&letter),
                alone: letter.body.len() > SMALL || !letter.attachments.is_empty(),
            });
        }
        Ok(waiting)
    }

    /// Sends letters to the same people, in their order.
    async fn deliver_run(&mut self, numbers: &[u64], report: &mut Report) -> Result<(), Error> {
        for number in numbers {
            self.upload_files(*number, report).await?;
        }
        let mut tries = 0;
        while tries < TRIES {
            let mut rows = Vec::with_capacity(numbers.len());
            for number in numbers {
                rows.extend(self.store.read().outbox_row(*number)?);
            }
            if rows.is_empty() {
                return self.clear_spool();
            }
            tries += 1;
            let Some(ready) = self.ready(rows, report).await? else {
                continue;
            };
            let Some(first) = ready.first() else {
                continue;
            };
            let Encrypted { group, epoch, .. } = &first.encrypted;
            match self.submit_letters(&ready).await? {
                Outcome::Accepted(accepted) => {
                    reached("after-letter-accepted");
                    let work = self.store.begin()?;
                    for sent in ready.iter().take(accepted) {
                        // Counted once, whoever else of this account sent it too.
                        if work.remove_from_outbox(sent.number)? {
                            work.count_sent(*group, sent.encrypted.hash)?;
                        }
                    }
                    work.commit()?;
                    reached("after-letter-row");
                    tries = 0;
                }
                Outcome::Overtaken => {}
                Outcome::NoGroup => {
                    // The next try starts another conversation.
                    let now_ms = self.clock.now_ms();
                    let work = self.store.begin()?;
                    let known = work.read().conversation(*group)?;
                    if known.is_some_and(|row| row.state == ConversationState::Open) {
                        let people = people(&work.read(), first.number)?;
                        work.add_event(now_ms, "gap", false, &ended_there(&people))?;
                    }
                    work.set_conversation_state(*group, ConversationState::Closed)?;
                    work.drop_encrypted(*group, *epoch)?;
                    work.commit()?;
                }
                Outcome::Stale => {
                    let work = self.store.begin()?;
                    work.drop_encrypted(*group, *epoch)?;
                    work.commit()?;
                    self.pull(report).await?;
                }
            }
        }
        Err(Error::Wrong(
            "the conversation changes faster than this letter can be sent",
        ))
    }

    /// The first of these rows as they can be sent together, of one epoch of one group; nothing, when another
    /// look at the outbox is needed.
    async fn ready(
        &mut self,
        rows: Vec<OutboxRow>,
        report: &mut Report,
    ) -> Result<Option<Vec<Ready>>, Error> {
        let fresh = rows.iter().take_while(|row| row.encrypted.is_none());
        let fresh: Vec<_> = fresh.map(|row| row.number).collect();
        if !fresh.is_empty() {
            return self.encrypt(&fresh, report).await;
        }
        let encrypted = rows.into_iter().map_while(|row| {
            Some(Ready {
                number: row.number,
                submission: row.submission,
                encrypted: row.encrypted?,
            })
        });
        let mut ready: Vec<_> = encrypted.collect();
        let Some(first) = ready.first() else {
            return Ok(None);
        };
        let place = |it: &Ready| (it.encrypted.group, it.encrypted.epoch);
        let first_place = place(first);
        if !self.still_for_its_people(first, report).await? {
            return Ok(None);
        }
        let elsewhere = ready.iter().position(|it| place(it) != first_place);
        ready.truncate(elsewhere.unwrap_or(ready.len()));
        Ok(Some(ready))
    }

    /// Whether a ciphertext of an earlier try may go. One that was made before somebody was shut
    /// out may not: not even the server must have it. The group goes on to an epoch without them,
    /// and the letter is encrypted anew for that; after a split, for another group. Had the server got
    /// it before, it would have given it back by then.
    async fn still_for_its_people(
        &mut self,
        Ready {
            number,
            submission,
            encrypted,
        }: &Ready,
        report: &mut Report,
    ) -> Result<bool, Error> {
        self.refresh(report).await?;
        // It was encrypted a moment ago, and all that was looked at then is as it was.
        if self.sealed.take() == Some((*submission, self.view()?)) {
            return Ok(true);
        }
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
        let (group, epoch) = (encrypted.group, encrypted.epoch);
        let work = self.store.begin()?;
        let present = work.read().outbox_row(*number)?;
        let present = present.filter(|present| present.submission == *submission);
        if present.is_some_and(|present| present.encrypted.is_some()) {
            for behind in work.read().encrypted_for(group, epoch)? {
                work.renew_submission(behind, SubmissionId(random::bytes()?))?;
            }
            work.drop_encrypted(group, epoch)?;
        }
        work.commit()?;
        Ok(false)
    }

    /// Reads everything, unless that was done a moment ago.
    pub(super) async fn refresh(&mut self, report: &mut Report) -> Result<(), Error> {
        if !self.is_fresh() {
            self.pull(report).await?;
        }
        self.ready_to_send()
    }

    /// Whether everything was read a moment ago. A clock that was set back does not make the view younger.
    pub(super) fn is_fresh(&self) -> bool {
        self.clock.now_ms().abs_diff(self.pulled_at_ms) <= FRESH_MS
    }

    /// Sends as many as one request holds, from the first on. Tells how many were accepted.
    async fn submit_letters(&self, ready: &[Ready]) -> Result<Outcome<usize>, Error> {
        let (mut letters, mut bytes) = (Vec::new(), 0);
        for it in ready {
            let message = it.encrypted.message.clone();
            let letter = delivery::Letter {
                id: it.submission,
                group: it.encrypted.group,
                epoch: it.encrypted.epoch,
                message: message
                    .try_into()
                    .map_err(|_| Error::Wrong("the letter is too large"))?,
            };
            bytes += letter.tls_serialized_len();
            if bytes > Letters::MAX && !letters.is_empty() {
                break;
            }
            letters.push(letter);
        }
        let count = letters.len();
        let letters = Letters::try_from(letters);
        let letters = letters.map_err(|_| Error::Wrong("too many letters at once"))?;
        let answer = self.request(Method::POST, LETTERS, encode(&letters)).await;
        let answer = answer.map(|accepted: AcceptedLetters| accepted.into_vec().len());
        match outcome(answer)? {
            Outcome::Accepted(accepted) if accepted > count => Err(ApiError::PeerMalformed.into()),
            outcome => Ok(outcome),
        }
    }

    /// Encrypts letters in the conversation of their people, once exactly the devices are in it that
    /// belong there. Nothing, when another process of this account was faster.
    async fn encrypt(
        &mut self,
        numbers: &[u64],
        report: &mut Report,
    ) -> Result<Option<Vec<Ready>>, Error> {
        let first = numbers.first().copied().unwrap_or_default();
        let letter = self.store.read().letter(first)?;
        let accounts = accounts(&letter.ok_or(Error::NoSuchLetter(first))?);
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
            let tried = self.try_encrypt(numbers, row.group, &without_package);
            match self.noted(tried)? {
                Try::Drifted(drift) => {
                    without_package.extend(self.repair(&row, &drift).await?);
                }
                Try::Encrypted(ready) => return Ok(Some(ready)),
                Try::Overtaken => return Ok(None),
            }
        }
        Err(Error::Wrong(
            "the conversation changes faster than this letter can be sent",
        ))
    }
}

pub(super) fn outcome<T>(answer: Result<T, Error>) -> Result<Outcome<T>, Error> {
    match answer {
        Ok(accepted) => Ok(Outcome::Accepted(accepted)),
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
    everybody(&letter.sender, letter.to.iter().chain(&letter.cc))
}

/// The same of a writer and his readers.
pub(super) fn everybody<'n>(
    writer: &'n Name,
    readers: impl Iterator<Item = &'n Name>,
) -> Vec<Name> {
    let mut accounts: Vec<_> = readers.chain([writer]).cloned().collect();
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
