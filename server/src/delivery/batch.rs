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
        let Ok(last) = self.last_before(device, first) else {
            return Ok(Vec::new());
        };
        let letters = works.iter().map_while(|work| match work {
            Work::Letter(letter) => Some(letter),
            Work::Ack(_) | Work::Commit(_) => None,
        });
        let same = |it: &&Letter| it.group == first.group && it.epoch == first.epoch;
        let messages: Vec<_> = (last + 1..)
            .zip(letters.take_while(same))
            .map(|(sequence, letter)| message(device, letter, sequence))
            .collect();
        let ids: HashSet<_> = messages.iter().map(|(message, _)| message.id).collect();
        let few = messages.len() < 2 || ids.len() < messages.len();
        if few || self.write.any_submission(first.group, &ids).await? {
            return Ok(Vec::new());
        }
        if !self.store(first.group, &messages).await? {
            return Err(StoreError::Corrupt("submission"));
        }
        let sequences = messages.iter().map(|(message, _)| message.sequence);
        Ok(sequences.map(|sequence| Accepted { sequence }).collect())
    }

    /// The last number in the letter's group, which has been read, if the letter may come next there.
    fn last_before(&self, device: DeviceId, letter: &Letter) -> Result<u64, DeliveryError> {
        match self.groups.get(&letter.group) {
            Some(group) if group.members.contains(&device) && group.row.epoch != OVER => {
                if group.row.epoch == letter.epoch {
                    Ok(group.row.sequence)
                } else {
                    Err(DeliveryError::Stale)
                }
            }
            _ => Err(DeliveryError::NotFound),
        }
    }

    async fn letter(&mut self, device: DeviceId, letter: &Letter) -> Outcome {
        if !self.load(letter.group).await? {
            return Ok(Err(DeliveryError::NotFound));
        }
        let last = self.last_before(device, letter);
        let sequence = last.unwrap_or_default() + 1;
        let new = message(device, letter, sequence);
        let refusal = match last {
            Ok(_) if self.store(letter.group, &[new]).await? => {
                return Ok(Ok(Accepted { sequence }));
            }
            // The id is taken: the answer below is the one that it got.
            Ok(_) => DeliveryError::Conflict,
            Err(refusal) => refusal,
        };
        let (_, digest) = new;
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
        // Checked above, where the group was known; in a new group no id is taken.
        if self.store(commit.group, &[(message, digest)]).await? {
            Ok(Ok(Accepted { sequence }))
        } else {
            Err(StoreError::Corrupt("submission"))
        }
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

    /// Stores messages, each with what makes it the same write, as the last of `group`, which has been read;
    /// false, and no message stored, when an id is taken.
    async fn store(
        &mut self,
        group: GroupId,
        messages: &[(NewMessage<'_>, Hash)],
    ) -> Result<bool, StoreError> {
        let submissions: Vec<_> = messages
            .iter()
            .map(|(message, digest)| {
                let (digest, sequence) = (*digest, message.sequence);
                (message.id, Submission { digest, sequence })
            })
            .collect();
        let new = self
            .write
            .insert_submissions(group, &submissions, self.now_ms)
            .await?;
        if !new && checked("R05") {
            return Ok(false);
        }
        let messages: Vec<_> = messages.iter().map(|(message, _)| *message).collect();
        self.write.insert_messages(&messages, self.now_ms).await?;
        if let (Some(group), Some(last)) = (self.groups.get_mut(&group), messages.last()) {
            group.row.sequence = last.sequence;
            group.changed = true;
        }
        Ok(true)
    }
}

/// A letter as it is stored, and what makes it the same letter.
fn message(device: DeviceId, letter: &Letter, sequence: u64) -> (NewMessage<'_>, Hash) {
    let message = NewMessage {
        group: letter.group,
        sequence,
        id: letter.id,
        sender: device,
        handshake: false,
        body: letter.message.as_slice(),
    };
    let digest = Hash(sha256(&[b"letter", &device.0, &encode(letter)]));
    (message, digest)
}
