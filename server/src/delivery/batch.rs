//! One transaction of the delivery service: each group's row and members are read once, and written once at its end.

use std::collections::{BTreeMap, HashMap, HashSet};

use valise_proto::{
    api::delivery::{Accepted, Ack, Commit, Letter},
    codec::encode,
    id::{DeviceId, GroupId, Hash, SubmissionId},
    log::replay::Directory,
    statement::sha256,
    weaken::checked,
};

use super::{Answer, DeliveryError, Work};
use crate::store::{GroupRow, NewMessage, OVER, StoreError, Submission, Write};

/// Devices that one commit adds or removes at most.
const CHANGES_MAX: usize = 1_000;

/// The outer error fails the whole batch, the inner one this write only: it has written nothing.
type Outcome = Result<Result<Accepted, DeliveryError>, StoreError>;

pub(super) struct Batch<'a> {
    write: Write,
    directory: &'a Directory,
    now_ms: u64,
    groups: HashMap<GroupId, Group>,
    woken: HashSet<DeviceId>,
    /// How long messages lay here until somebody acknowledged them: one a write.
    pub(super) lags_ms: Vec<u64>,
}

struct Group {
    row: GroupRow,
    members: HashSet<DeviceId>,
    changed: bool,
}

impl<'a> Batch<'a> {
    pub(super) fn new(write: Write, directory: &'a Directory, now_ms: u64) -> Self {
        Self {
            write,
            directory,
            now_ms,
            groups: HashMap::new(),
            woken: HashSet::new(),
            lags_ms: Vec::new(),
        }
    }

    /// Locks these groups, in order, so that no two servers wait for each other; reads those that it says.
    pub(super) async fn lock(&mut self, groups: BTreeMap<GroupId, bool>) -> Result<(), StoreError> {
        for (group, needed) in groups {
            if needed {
                self.load(group).await?;
            } else {
                self.write.lock_group(group).await?;
            }
        }
        Ok(())
    }

    /// Commits; tells whom to wake.
    pub(super) async fn finish(mut self) -> Result<HashSet<DeviceId>, StoreError> {
        for (id, group) in &self.groups {
            if group.changed {
                self.write.set_group(*id, group.row).await?;
                self.woken.extend(&group.members);
            }
        }
        self.write.commit().await?;
        Ok(self.woken)
    }

    /// What a device writes in one request, up to the first that is refused.
    pub(super) async fn all(
        &mut self,
        device: DeviceId,
        works: &[Work],
    ) -> Result<Answer, StoreError> {
        let mut accepted = self.letters_at_once(device, works).await?;
        for work in works.iter().skip(accepted.len()) {
            let answer = match work {
                Work::Ack(ack) => self.ack(device, ack).await?,
                Work::Commit(commit) => self.commit(device, commit).await?,
                Work::Letter(letter) => self.letter(device, letter).await?,
            };
            match answer {
                Ok(stored) => accepted.push(stored),
                Err(refusal) if accepted.is_empty() => return Ok(Err(refusal)),
                Err(_) => break,
            }
        }
        Ok(Ok(accepted))
    }

    /// The first letters of a request, as long as each is a new one to the same group: stored by one
    /// statement for all of them. None, where there is more to look at.
    async fn letters_at_once(
        &mut self,
        device: DeviceId,
        works: &[Work],
    ) -> Result<Vec<Accepted>, StoreError> {
        let Some(Work::Letter(first)) = works.first().filter(|_| works.len() > 1) else {
            return Ok(Vec::new());
        };
        self.load(first.group).await?;
        let Some(group) = self.groups.get_mut(&first.group) else {
            return Ok(Vec::new());
        };
        let GroupRow { epoch, sequence } = group.row;
        if !group.members.contains(&device) || epoch == OVER {
            return Ok(Vec::new());
        }
        let letters = works.iter().map_while(|work| match work {
            Work::Letter(letter) => Some(letter),
            Work::Ack(_) | Work::Commit(_) => None,
        });
        let letters = letters.take_while(|it| it.group == first.group && it.epoch == epoch);
        let messages: Vec<_> = (sequence + 1..)
            .zip(letters)
            .map(|(sequence, letter)| {
                let digest = letter_digest(device, letter);
                let message = NewMessage {
                    group: letter.group,
                    sequence,
                    id: letter.id,
                    sender: device,
                    handshake: false,
                    body: letter.message.as_slice(),
                };
                (message, digest)
            })
            .collect();
        let ids: HashSet<_> = messages.iter().map(|(message, _)| message.id).collect();
        let few = messages.len() < 2 || ids.len() < messages.len();
        if few || self.write.any_submission(first.group, &ids).await? {
            return Ok(Vec::new());
        }
        self.write.insert_letters(&messages, self.now_ms).await?;
        let accepted: Vec<_> = messages
            .iter()
            .map(|(message, _)| Accepted {
                sequence: message.sequence,
            })
            .collect();
        if let Some(last) = accepted.last() {
            group.row.sequence = last.sequence;
            group.changed = true;
        }
        Ok(accepted)
    }

    async fn letter(&mut self, device: DeviceId, letter: &Letter) -> Outcome {
        let digest = letter_digest(device, letter);
        if !self.load(letter.group).await? {
            return Ok(Err(DeliveryError::NotFound));
        }
        let Some(group) = self.groups.get(&letter.group) else {
            return Ok(Err(DeliveryError::NotFound));
        };
        let refusal = if !group.members.contains(&device) || group.row.epoch == OVER {
            DeliveryError::NotFound
        } else if group.row.epoch != letter.epoch {
            DeliveryError::Stale
        } else {
            let message = NewMessage {
                group: letter.group,
                sequence: group.row.sequence + 1,
                id: letter.id,
                sender: device,
                handshake: false,
                body: letter.message.as_slice(),
            };
            if let Some(accepted) = self.store(message, digest).await? {
                return Ok(Ok(accepted));
            }
            // The id is taken: the answer below is the one that it got.
            DeliveryError::Conflict
        };
        let earlier = self.resent(letter.group, letter.id, digest).await?;
        Ok(earlier.unwrap_or(Err(refusal)))
    }

    async fn commit(&mut self, device: DeviceId, commit: &Commit) -> Outcome {
        let digest = Hash(sha256(&[b"commit", &device.0, &encode(commit)]));
        let known = self.load(commit.group).await?;
        if known && let Some(answer) = self.resent(commit.group, commit.id, digest).await? {
            return Ok(answer);
        }
        let group = match self.groups.get(&commit.group) {
            Some(group) if !group.members.contains(&device) || group.row.epoch == OVER => {
                return Ok(Err(DeliveryError::NotFound));
            }
            Some(group) if group.row.epoch != commit.epoch => {
                return Ok(Err(DeliveryError::Stale));
            }
            None if commit.epoch != 0 => return Ok(Err(DeliveryError::NotFound)),
            group => group,
        };
        let members = match self.members_after(device, commit, group) {
            Ok(members) => members,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let sequence = group.map_or(0, |group| group.row.sequence) + 1;
        if group.is_none() {
            self.write.add_member(commit.group, device, 0).await?;
        }
        let row = GroupRow {
            epoch: commit.epoch.saturating_add(1),
            sequence,
        };
        self.groups.insert(
            commit.group,
            Group {
                row,
                members,
                changed: true,
            },
        );
        self.change_members(commit, sequence).await?;
        let message = NewMessage {
            group: commit.group,
            sequence,
            id: commit.id,
            sender: device,
            handshake: true,
            body: commit.message.as_slice(),
        };
        let accepted = self.store(message, digest).await?;
        // Checked above, where the group was known; in a new group no id is taken.
        accepted.map(Ok).ok_or(StoreError::Corrupt("submission"))
    }

    async fn ack(&mut self, device: DeviceId, ack: &Ack) -> Outcome {
        // The newest of them is the one that came last: of the others more was waited for.
        if let Some(newest) = ack.groups.last() {
            let stored_at_ms = self.write.stored_at(newest.group, newest.sequence).await?;
            let lag_ms = stored_at_ms.map(|stored| self.now_ms.saturating_sub(stored));
            self.lags_ms.extend(lag_ms);
        }
        for cursor in &ack.groups {
            // The row's sequence is checked in the database: what this batch added comes first.
            if let Some(group) = self
                .groups
                .get_mut(&cursor.group)
                .filter(|group| group.changed)
            {
                self.write.set_group(cursor.group, group.row).await?;
            }
            let moved = self
                .write
                .ack_messages(device, cursor.group, cursor.sequence)
                .await?;
            if moved {
                self.write.sweep_group(cursor.group).await?;
            }
        }
        if ack.welcomes > 0 {
            self.write.ack_welcomes(device, ack.welcomes).await?;
        }
        Ok(Ok(Accepted { sequence: 0 }))
    }

    /// Reads a group into the batch, once; false when there is none.
    async fn load(&mut self, id: GroupId) -> Result<bool, StoreError> {
        if self.groups.contains_key(&id) {
            return Ok(true);
        }
        let Some(row) = self.write.lock_group(id).await? else {
            return Ok(false);
        };
        let members = self.write.members(id).await?.into_iter().collect();
        self.groups.insert(
            id,
            Group {
                row,
                members,
                changed: false,
            },
        );
        Ok(true)
    }

    /// The answer to a write that was accepted before.
    async fn resent(
        &mut self,
        group: GroupId,
        id: SubmissionId,
        digest: Hash,
    ) -> Result<Option<Result<Accepted, DeliveryError>>, StoreError> {
        let earlier = self.write.submission(group, id).await?;
        Ok(earlier.map(|earlier| {
            if earlier.digest == digest {
                Ok(Accepted {
                    sequence: earlier.sequence,
                })
            } else {
                Err(DeliveryError::Conflict)
            }
        }))
    }

    /// Who is a member after the commit, if it holds together.
    fn members_after(
        &self,
        device: DeviceId,
        commit: &Commit,
        group: Option<&Group>,
    ) -> Result<HashSet<DeviceId>, DeliveryError> {
        let welcomed = commit.welcome.as_slice().is_empty() == commit.added.is_empty();
        let readable = group.is_none() || !commit.message.as_slice().is_empty();
        let few = commit.added.len().max(commit.removed.len()) <= CHANGES_MAX;
        let removed: HashSet<_> = commit.removed.iter().collect();
        // To come back takes two commits: one row says since when a device is a member.
        let disjoint = !commit.added.iter().any(|added| removed.contains(added));
        if !welcomed || !readable || !few || !disjoint || removed.contains(&device) {
            return Err(DeliveryError::Malformed);
        }
        let mut members =
            group.map_or_else(|| HashSet::from([device]), |group| group.members.clone());
        for removed in removed {
            members.remove(removed);
        }
        for added in &commit.added {
            if self.directory.active_device(*added).is_none() {
                return Err(DeliveryError::InactiveDevice);
            }
            if !members.insert(*added) {
                return Err(DeliveryError::Malformed);
            }
        }
        Ok(members)
    }

    async fn change_members(&mut self, commit: &Commit, sequence: u64) -> Result<(), StoreError> {
        let group = commit.group;
        for removed in &commit.removed {
            if self.directory.active_device(*removed).is_some() {
                self.write.remove_member(group, *removed, sequence).await?;
                self.woken.insert(*removed);
            } else {
                self.write.forget_member(group, *removed).await?;
            }
        }
        for added in &commit.added {
            self.write.add_member(group, *added, sequence).await?;
        }
        if !commit.added.is_empty() {
            let welcome = commit.welcome.as_slice();
            self.write
                .insert_welcome(group, sequence, welcome, &commit.added, self.now_ms)
                .await?;
        }
        Ok(())
    }

    /// Stores a message as the last of its group, which has been read; `None`, and nothing stored,
    /// when its id is taken.
    async fn store(
        &mut self,
        message: NewMessage<'_>,
        digest: Hash,
    ) -> Result<Option<Accepted>, StoreError> {
        let sequence = message.sequence;
        let submission = Submission { digest, sequence };
        let new = self
            .write
            .insert_submission(message.group, message.id, submission, self.now_ms)
            .await?;
        if !new && checked("R05") {
            return Ok(None);
        }
        self.write.insert_message(message, self.now_ms).await?;
        if let Some(group) = self.groups.get_mut(&message.group) {
            group.row.sequence = sequence;
            group.changed = true;
        }
        Ok(Some(Accepted { sequence }))
    }
}

/// What makes a letter the same letter.
fn letter_digest(device: DeviceId, letter: &Letter) -> Hash {
    Hash(sha256(&[b"letter", &device.0, &encode(letter)]))
}
