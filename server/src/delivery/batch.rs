//! One transaction of the delivery service: each group's row and members are read once, and written once at its end.

use std::collections::{HashMap, HashSet};

use valise_proto::{
    api::delivery::{Accepted, Ack, Commit, Letter},
    codec::encode,
    id::{DeviceId, GroupId, Hash, SubmissionId},
    log::replay::Directory,
    statement::sha256,
};

use super::DeliveryError;
use crate::store::{GroupRow, NewMessage, StoreError, Submission, Write};

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
        }
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

    pub(super) async fn letter(&mut self, device: DeviceId, letter: &Letter) -> Outcome {
        let digest = Hash(sha256(&[b"letter", &device.0, &encode(letter)]));
        if !self.load(letter.group).await? {
            return Ok(Err(DeliveryError::NotFound));
        }
        if let Some(answer) = self.resent(letter.group, letter.id, digest).await? {
            return Ok(answer);
        }
        let Some(group) = self.groups.get_mut(&letter.group) else {
            return Ok(Err(DeliveryError::NotFound));
        };
        if !group.members.contains(&device) {
            return Ok(Err(DeliveryError::NotFound));
        }
        if group.row.epoch != letter.epoch {
            return Ok(Err(DeliveryError::Stale));
        }
        group.row.sequence += 1;
        group.changed = true;
        let message = NewMessage {
            group: letter.group,
            sequence: group.row.sequence,
            id: letter.id,
            sender: device,
            body: letter.message.as_slice(),
        };
        self.store(message, digest).await
    }

    pub(super) async fn commit(&mut self, device: DeviceId, commit: &Commit) -> Outcome {
        let digest = Hash(sha256(&[b"commit", &device.0, &encode(commit)]));
        let known = self.load(commit.group).await?;
        if known && let Some(answer) = self.resent(commit.group, commit.id, digest).await? {
            return Ok(answer);
        }
        let group = match self.groups.get(&commit.group) {
            Some(group) if !group.members.contains(&device) => {
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
            body: commit.message.as_slice(),
        };
        self.store(message, digest).await
    }

    pub(super) async fn ack(&mut self, device: DeviceId, ack: &Ack) -> Outcome {
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

    async fn store(&mut self, message: NewMessage<'_>, digest: Hash) -> Outcome {
        let sequence = message.sequence;
        self.write.insert_message(message, self.now_ms).await?;
        let submission = Submission { digest, sequence };
        self.write
            .insert_submission(message.group, message.id, submission, self.now_ms)
            .await?;
        Ok(Ok(Accepted { sequence }))
    }
}
