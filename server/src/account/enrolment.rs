//! Asking to be enrolled. An ask gives nothing: an admin compares the words and signs an entry.

use std::{collections::HashMap, net::IpAddr, sync::Arc};

use valise_proto::{
    api::enrolment::{Ask, Challenge, Pending, PendingAsk, Status},
    codec::{decode, encode},
    id::{DeviceId, EnrolmentId, KeyId},
    log::{
        entry::{Entry, Fact},
        replay::Directory,
    },
};

use crate::{
    clock::Clock,
    directory::Log,
    limit::{SharedRate, block, network},
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
    pub rate: SharedRate<IpAddr>,
    /// Asks that wait at most.
    pub pending_max: u32,
    /// Asks of one address block that wait at most; and as many challenges.
    pub each_max: u32,
}

/// Who makes room for one more.
#[derive(Debug, Eq, PartialEq)]
enum Room {
    /// Nobody: there is some.
    Free,
    /// The oldest of this address block, which has taken most.
    Evict(String),
    /// Nobody: the one who comes has as much as any.
    None,
}

/// Whether one more from `network` has a place beside those that wait, `counts` of each block.
///
/// Whoever waits gives way only to a block that has at least two less: so those who flood push out
/// each other, and where all are alike, who came first stays.
fn room(counts: &HashMap<String, u64>, network: &str, all_max: u64, each_max: u64) -> Room {
    let own = counts.get(network).copied().unwrap_or(0);
    if own >= each_max {
        return Room::None;
    }
    if counts.values().sum::<u64>() < all_max {
        return Room::Free;
    }
    match counts.iter().max_by_key(|(_, count)| **count) {
        Some((fullest, count)) if *count > own + 1 => Room::Evict(fullest.clone()),
        _ => Room::None,
    }
}

impl Enrolments {
    /// A challenge for the registrations of one key.
    pub async fn challenge(&self, address: IpAddr) -> Result<Challenge, EnrolmentError> {
        let now_ms = self.clock.now_ms();
        if !self.rate.take(network(address), now_ms).await? {
            return Err(EnrolmentError::TooMany);
        }
        let block = block(address).to_string();
        let since_ms = now_ms.saturating_sub(CHALLENGE_MS);
        let counts = self.store.count_challenged(since_ms).await?;
        let room = room(&counts, &block, CHALLENGES_MAX, self.each_max.into());
        let challenge = Challenge {
            id: EnrolmentId(random()?),
            challenge: random()?,
        };
        let mut write = self.store.begin().await?;
        match room {
            Room::Free => {}
            Room::Evict(fullest) => write.delete_oldest_challenge(&fullest).await?,
            Room::None => return Err(EnrolmentError::TooMany),
        }
        write
            .insert_enrolment(challenge.id, challenge.challenge, now_ms, &block)
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
        let evicted = self.make_room(&row.network).await?;
        let ask = AskRow {
            device,
            ask: bytes,
            asked_at_ms: now_ms,
            log_size: snapshot.directory.head().size,
        };
        let mut write = self.store.begin().await?;
        if let Some(evicted) = evicted {
            write.refuse_enrolment(evicted).await?;
        }
        let first = write.answer_enrolment(id, &ask).await?;
        write.commit().await?;
        if first {
            Ok(())
        } else {
            Err(EnrolmentError::Conflict)
        }
    }

    /// Whose ask gives way to one from `network`; `None` when there is room.
    async fn make_room(&self, network: &str) -> Result<Option<EnrolmentId>, EnrolmentError> {
        let waiting = self.waiting().await?;
        let mut counts = HashMap::new();
        for (network, _) in &waiting {
            *counts.entry(network.clone()).or_insert(0) += 1;
        }
        match room(
            &counts,
            network,
            self.pending_max.into(),
            self.each_max.into(),
        ) {
            Room::Free => Ok(None),
            Room::Evict(fullest) => {
                // The oldest come first.
                let oldest = waiting.iter().find(|(network, _)| *network == fullest);
                Ok(oldest.map(|(_, ask)| ask.id))
            }
            Room::None => Err(EnrolmentError::TooMany),
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
        let waiting = self.waiting().await?.into_iter();
        Ok(Pending {
            asks: waiting.map(|(_, ask)| ask).take(100).collect(),
        })
    }

    /// The key that `entry` adds to an account, if an ask for that account has shown where the key comes
    /// from. Nothing for entries that add none.
    pub async fn shown(&self, entry: &[u8]) -> Result<Option<KeyId>, EnrolmentError> {
        let Ok(Entry { statement, .. }) = decode(entry) else {
            return Ok(None);
        };
        let Fact::KeyAdd(add) = statement.fact else {
            return Ok(None);
        };
        let waiting = self.waiting().await?;
        let shown = waiting
            .iter()
            .any(|(_, ask)| ask.ask.name == add.account && ask.ask.key == add.key);
        Ok(shown.then(|| add.key.id()))
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

    /// Every ask that waits, oldest first, and from which address block it came.
    async fn waiting(&self) -> Result<Vec<(String, PendingAsk)>, StoreError> {
        let since_ms = self.clock.now_ms().saturating_sub(ASK_MS);
        let rows = self.store.asked_enrolments(since_ms, 1_000).await?;
        let snapshot = self.log.now();
        let mut waiting = Vec::new();
        let mut enrolled = Vec::new();
        for row in rows {
            match (self.standing(&row, &snapshot.directory)?, &row.ask) {
                (Status::Waiting, Some(asked)) => {
                    let ask: Ask = decode(&asked.ask).map_err(|_| StoreError::Corrupt("ask"))?;
                    // The admins have decided, and all wait for objections.
                    if recovers(&snapshot.directory, &ask) {
                        continue;
                    }
                    let ask = PendingAsk {
                        id: row.id,
                        asked_at_ms: asked.asked_at_ms,
                        ask,
                    };
                    waiting.push((row.network, ask));
                }
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
        } else if recovers(directory, &ask) {
            // However long that takes.
            Status::Waiting
        } else if row.status == EnrolmentStatus::Refused || age_ms >= ASK_MS || name_gone {
            Status::Refused
        } else {
            Status::Waiting
        })
    }
}

/// The ask is for the key that its name's recovery waits to give (E07).
fn recovers(directory: &Directory, ask: &Ask) -> bool {
    let account = directory.account(&ask.name);
    let recovery = account.and_then(|account| account.recovery.as_ref());
    recovery.is_some_and(|recovery| recovery.key == ask.key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn l17_who_floods_gives_way_and_nobody_else() {
        let counts = |counts: &[(&str, u64)]| {
            let counts = counts.iter();
            counts
                .map(|(name, count)| ((*name).to_owned(), *count))
                .collect::<HashMap<_, _>>()
        };
        let some = counts(&[("flood", 3), ("office", 1)]);
        assert_eq!(room(&some, "flood", 5, 4), Room::Free);
        assert_eq!(room(&some, "flood", 5, 3), Room::None);
        assert_eq!(room(&some, "flood", 4, 4), Room::None);
        let evict = Room::Evict("flood".to_owned());
        assert_eq!(room(&some, "office", 4, 4), evict);
        assert_eq!(room(&some, "newcomer", 4, 4), evict);
        let alike = counts(&[("one", 1), ("other", 1)]);
        assert_eq!(room(&alike, "newcomer", 2, 4), Room::None);
    }
}
