//! Asking to be enrolled. An ask gives nothing: an admin compares the words and signs an entry.

use std::{net::IpAddr, sync::Arc};

use valise_proto::{
    api::enrolment::{Ask, Challenge, Pending, PendingAsk, Status},
    codec::{decode, encode},
    id::{DeviceId, EnrolmentId},
    log::replay::Directory,
};

use crate::{
    clock::Clock,
    directory::Log,
    limit::{Rate, network},
    login::{Ceremonies, LoginError, PeerRegistration, random},
    store::{AskRow, EnrolmentRow, EnrolmentStatus, Store, StoreError},
};

/// A challenge waits this long for its ask: milliseconds.
pub const CHALLENGE_MS: u64 = 10 * 60_000;
/// An ask waits this long for an admin: milliseconds.
pub const ASK_MS: u64 = 24 * 3_600_000;
/// How long the answer to an old ask is remembered: milliseconds.
pub const MEMORY_MS: u64 = 7 * ASK_MS;
/// Challenges that wait at most.
const CHALLENGES_MAX: u64 = 1_000;

/// Why an enrolment goes no further.
#[derive(Debug, thiserror::Error)]
pub enum EnrolmentError {
    /// Too many from this address, or too many wait.
    #[error("too many ask to be enrolled: try later")]
    TooMany,
    /// There is no such enrolment for this device, or it is too old.
    #[error("there is no such enrolment")]
    NotFound,
    /// Another ask has this id.
    #[error("another ask answered this challenge")]
    Conflict,
    /// The ask is for another device than the one that signed the request.
    #[error("the ask is for another device")]
    AnotherDevice,
    /// A registration proves nothing.
    #[error("the key's registration is refused")]
    Registration(#[from] PeerRegistration),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No randomness.
    #[error(transparent)]
    Random(#[from] LoginError),
}

/// Everybody who asks.
#[derive(Debug)]
pub struct Enrolments {
    /// The ceremonies.
    pub ceremonies: Arc<Ceremonies>,
    /// Where asks are kept.
    pub store: Store,
    /// Who is who.
    pub log: Arc<Log>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// How many one address may begin.
    pub rate: Rate<IpAddr>,
    /// Asks that wait at most.
    pub pending_max: u32,
}

impl Enrolments {
    /// A challenge for the registrations of one key.
    pub async fn challenge(&self, address: IpAddr) -> Result<Challenge, EnrolmentError> {
        let now_ms = self.clock.now_ms();
        if !self.rate.take(network(address), now_ms)
            || self.store.count_challenged().await? >= CHALLENGES_MAX
        {
            return Err(EnrolmentError::TooMany);
        }
        let challenge = Challenge {
            id: EnrolmentId(random()?),
            challenge: random()?,
        };
        let mut write = self.store.begin().await?;
        write
            .insert_enrolment(challenge.id, challenge.challenge, now_ms)
            .await?;
        write.commit().await?;
        Ok(challenge)
    }

    /// Takes an ask. It says nothing of whether the name is taken (D18).
    pub async fn ask(
        &self,
        device: DeviceId,
        id: EnrolmentId,
        ask: &Ask,
    ) -> Result<(), EnrolmentError> {
        if ask.device != device {
            return Err(EnrolmentError::AnotherDevice);
        }
        let now_ms = self.clock.now_ms();
        let row = self
            .store
            .enrolment(id)
            .await?
            .ok_or(EnrolmentError::NotFound)?;
        let bytes = encode(ask);
        if let Some(earlier) = &row.ask {
            return if earlier.ask == bytes {
                Ok(())
            } else {
                Err(EnrolmentError::Conflict)
            };
        }
        if now_ms.saturating_sub(row.created_at_ms) >= CHALLENGE_MS {
            return Err(EnrolmentError::NotFound);
        }
        let snapshot = self.log.now();
        let authorities = &snapshot.directory.policy().attestation;
        self.ceremonies.registrations(
            &ask.key,
            &ask.statement,
            &ask.login,
            row.challenge,
            authorities,
        )?;
        let waiting = self.waiting().await?.len();
        if waiting >= usize::try_from(self.pending_max).unwrap_or(usize::MAX) {
            return Err(EnrolmentError::TooMany);
        }
        let ask = AskRow {
            device,
            ask: bytes,
            asked_at_ms: now_ms,
            log_size: snapshot.directory.head().size,
        };
        let mut write = self.store.begin().await?;
        let first = write.answer_enrolment(id, &ask).await?;
        write.commit().await?;
        if first {
            Ok(())
        } else {
            Err(EnrolmentError::Conflict)
        }
    }

    /// How far the ask has come, told to the device that asked.
    pub async fn status(
        &self,
        device: DeviceId,
        id: EnrolmentId,
    ) -> Result<Status, EnrolmentError> {
        let row = self
            .store
            .enrolment(id)
            .await?
            .ok_or(EnrolmentError::NotFound)?;
        match &row.ask {
            Some(ask) if ask.device == device => {
                Ok(self.standing(&row, &self.log.now().directory)?)
            }
            _ => Err(EnrolmentError::NotFound),
        }
    }

    /// Every ask that waits, oldest first.
    pub async fn pending(&self) -> Result<Pending, EnrolmentError> {
        let mut asks = self.waiting().await?;
        asks.truncate(100);
        Ok(Pending { asks })
    }

    /// Refuses an ask.
    pub async fn refuse(&self, id: EnrolmentId) -> Result<(), EnrolmentError> {
        let mut write = self.store.begin().await?;
        let refused = write.refuse_enrolment(id).await?;
        write.commit().await?;
        if refused {
            Ok(())
        } else {
            Err(EnrolmentError::NotFound)
        }
    }

    async fn waiting(&self) -> Result<Vec<PendingAsk>, StoreError> {
        let since_ms = self.clock.now_ms().saturating_sub(ASK_MS);
        let rows = self.store.asked_enrolments(since_ms, 1_000).await?;
        let snapshot = self.log.now();
        let mut waiting = Vec::new();
        let mut enrolled = Vec::new();
        for row in rows {
            match (self.standing(&row, &snapshot.directory)?, &row.ask) {
                (Status::Waiting, Some(ask)) => waiting.push(PendingAsk {
                    id: row.id,
                    asked_at_ms: ask.asked_at_ms,
                    ask: decode(&ask.ask).map_err(|_| StoreError::Corrupt("ask"))?,
                }),
                (Status::Enrolled, _) => enrolled.push(row.id),
                _ => {}
            }
        }
        if !enrolled.is_empty() {
            // They wait for nobody: not to be read again and again.
            let mut write = self.store.begin().await?;
            for id in enrolled {
                write.settle_enrolment(id).await?;
            }
            write.commit().await?;
        }
        Ok(waiting)
    }

    fn standing(&self, row: &EnrolmentRow, directory: &Directory) -> Result<Status, StoreError> {
        let Some(asked) = &row.ask else {
            return Ok(Status::Waiting);
        };
        let ask: Ask = decode(&asked.ask).map_err(|_| StoreError::Corrupt("ask"))?;
        let age_ms = self.clock.now_ms().saturating_sub(asked.asked_at_ms);
        // Only a name given since the ask: an older one would tell who works here (D18), and may
        // be the asker's own, who adds a key.
        let name_gone = directory
            .account(&ask.name)
            .is_some_and(|account| account.added >= asked.log_size);
        Ok(if directory.key(ask.key.id()).is_some() {
            Status::Enrolled
        } else if row.status == EnrolmentStatus::Refused || age_ms >= ASK_MS || name_gone {
            Status::Refused
        } else {
            Status::Waiting
        })
    }
}
