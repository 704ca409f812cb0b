//! Rows of the delivery service: groups, members, messages, submissions, Welcomes.

use std::collections::HashSet;

use sqlx::{AssertSqlSafe, Row};
use valise_proto::{
    api::delivery::Cursor,
    id::{DeviceId, GroupId, Hash, SubmissionId},
};

use super::{Store, StoreError, Write, id, number, stored};

/// A group as its row says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct GroupRow {
    /// The current epoch.
    pub epoch: u64,
    /// The number of the last message.
    pub sequence: u64,
}

/// What was accepted under one id.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Submission {
    /// SHA-256 over sender, kind and body.
    pub digest: Hash,
    /// The number it got.
    pub sequence: u64,
}

/// A message to be stored.
#[derive(Clone, Copy, Debug)]
pub struct NewMessage<'a> {
    /// The group.
    pub group: GroupId,
    /// Its number.
    pub sequence: u64,
    /// The write's id.
    pub id: SubmissionId,
    /// Which device sent it.
    pub sender: DeviceId,
    /// Whether it is a commit: kept for longer than letters.
    pub handshake: bool,
    /// The ciphertext.
    pub body: &'a [u8],
}

/// A message that a device has not acknowledged, without its body.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PendingMessage {
    /// The group.
    pub group: GroupId,
    /// Its number.
    pub sequence: u64,
    /// The write's id.
    pub id: SubmissionId,
    /// Which device sent it.
    pub sender: DeviceId,
    /// Size of the ciphertext in bytes.
    pub size_bytes: u64,
}

/// A Welcome in a device's mailbox, without its body.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Invitation {
    /// Its number in the mailbox.
    pub number: u64,
    /// The group.
    pub group: GroupId,
    /// The sequence of the commit that added the device.
    pub sequence: u64,
    /// Size of the Welcome in bytes.
    pub size_bytes: u64,
}

/// What is dropped for its age: what was stored before these times, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Past {
    /// Letters.
    pub letters_ms: u64,
    /// Commits and Welcomes.
    pub handshakes_ms: u64,
}

/// The places of so many rows: `($1, $2), ($3, $4)`.
fn places(rows: usize, columns: usize) -> String {
    let row = |row: usize| {
        let first = row * columns + 1;
        let places: Vec<_> = (first..first + columns)
            .map(|at| format!("${at}"))
            .collect();
        format!("({})", places.join(", "))
    };
    let rows: Vec<_> = (0..rows).map(row).collect();
    rows.join(", ")
}

/// `left_sequence` of a device that has not left.
const NEVER: i64 = i64::MAX;

/// Groups in one answer at most: it has room for so many.
const ACKNOWLEDGED_MAX: i64 = 20_000;

impl Store {
    /// How far a device has acknowledged each group that it is in.
    pub async fn acknowledged(&self, device: DeviceId) -> Result<Vec<Cursor>, StoreError> {
        let rows = sqlx::query(
            "select group_id, acked_sequence from member \
             where device_id = $1 and left_sequence = $2 limit $3",
        )
        .bind(&device.0[..])
        .bind(NEVER)
        .bind(ACKNOWLEDGED_MAX)
        .fetch_all(&self.reads)
        .await?;
        let rows = rows.iter().map(|row| {
            Ok(Cursor {
                group: id(row, 0, "group_id")?,
                sequence: number(row, 1, "acked_sequence")?,
            })
        });
        rows.collect()
    }

    /// What `device` has not acknowledged, oldest first.
    pub async fn pending_messages(
        &self,
        device: DeviceId,
        limit: u32,
    ) -> Result<Vec<PendingMessage>, StoreError> {
        let rows = sqlx::query(
            "select g.group_id, g.sequence, g.submission_id, g.sender_id, g.size_bytes \
             from member m join message g on g.group_id = m.group_id \
             and g.sequence > m.acked_sequence and g.sequence <= m.left_sequence \
             where m.device_id = $1 order by g.message_id limit $2",
        )
        .bind(&device.0[..])
        .bind(i64::from(limit))
        .fetch_all(&self.reads)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(PendingMessage {
                    group: id(row, 0, "group_id")?,
                    sequence: number(row, 1, "sequence")?,
                    id: id(row, 2, "submission_id")?,
                    sender: id(row, 3, "sender_id")?,
                    size_bytes: number(row, 4, "size_bytes")?,
                })
            })
            .collect()
    }

    /// The ciphertext of a group's messages from `first` to `last`, by number.
    pub async fn message_bodies(
        &self,
        group: GroupId,
        first: u64,
        last: u64,
    ) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        let rows = sqlx::query(
            "select sequence, body from message where group_id = $1 and sequence >= $2 and sequence <= $3",
        )
        .bind(&group.0[..])
        .bind(stored(first))
        .bind(stored(last))
        .fetch_all(&self.reads)
        .await?;
        rows.iter()
            .map(|row| Ok((number(row, 0, "sequence")?, row.try_get(1)?)))
            .collect()
    }

    /// The mailbox of `device`, oldest first.
    pub async fn invitations(
        &self,
        device: DeviceId,
        limit: u32,
    ) -> Result<Vec<Invitation>, StoreError> {
        let rows = sqlx::query(
            "select i.number, i.group_id, i.sequence, w.size_bytes from invitation i \
             join welcome w on w.group_id = i.group_id and w.sequence = i.sequence \
             where i.device_id = $1 order by i.number limit $2",
        )
        .bind(&device.0[..])
        .bind(i64::from(limit))
        .fetch_all(&self.reads)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(Invitation {
                    number: number(row, 0, "number")?,
                    group: id(row, 1, "group_id")?,
                    sequence: number(row, 2, "sequence")?,
                    size_bytes: number(row, 3, "size_bytes")?,
                })
            })
            .collect()
    }

    /// The groups of Welcomes in the mailbox of `device` after `number`.
    pub async fn invited_groups(
        &self,
        device: DeviceId,
        number: u64,
    ) -> Result<HashSet<GroupId>, StoreError> {
        let rows =
            sqlx::query("select group_id from invitation where device_id = $1 and number > $2")
                .bind(&device.0[..])
                .bind(stored(number))
                .fetch_all(&self.reads)
                .await?;
        rows.iter().map(|row| id(row, 0, "group_id")).collect()
    }

    /// One Welcome; `None` when it was deleted meanwhile.
    pub async fn welcome_body(
        &self,
        group: GroupId,
        sequence: u64,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let row = sqlx::query("select body from welcome where group_id = $1 and sequence = $2")
            .bind(&group.0[..])
            .bind(stored(sequence))
            .fetch_optional(&self.reads)
            .await?;
        Ok(row.map(|row| row.try_get(0)).transpose()?)
    }
}

impl Write {
    /// The group, locked until the end of the transaction; `None` when there is none.
    pub async fn lock_group(&mut self, group: GroupId) -> Result<Option<GroupRow>, StoreError> {
        // An update that changes nothing: the one row lock that both databases spell alike.
        let row = sqlx::query(
            "update mls_group set epoch = epoch where group_id = $1 returning epoch, sequence",
        )
        .bind(&group.0[..])
        .fetch_optional(&mut *self.0)
        .await?;
        row.map(|row| {
            Ok(GroupRow {
                epoch: number(&row, 0, "epoch")?,
                sequence: number(&row, 1, "sequence")?,
            })
        })
        .transpose()
    }

    /// Makes a group or moves it on.
    pub async fn set_group(&mut self, group: GroupId, row: GroupRow) -> Result<(), StoreError> {
        sqlx::query(
            "insert into mls_group (group_id, epoch, sequence) values ($1, $2, $3) \
             on conflict (group_id) do update set epoch = excluded.epoch, sequence = excluded.sequence",
        )
        .bind(&group.0[..])
        .bind(stored(row.epoch))
        .bind(stored(row.sequence))
        .execute(&mut *self.0)
        .await?;
        Ok(())
    }

    /// The devices that are members now.
    pub async fn members(&mut self, group: GroupId) -> Result<Vec<DeviceId>, StoreError> {
        let rows =
            sqlx::query("select device_id from member where group_id = $1 and left_sequence = $2")
                .bind(&group.0[..])
                .bind(NEVER)
                .fetch_all(&mut *self.0)
                .await?;
        rows.iter().map(|row| id(row, 0, "device_id")).collect()
    }

    /// Makes a device a member, whose first message is the one after `sequence`.
    pub async fn add_member(
        &mut self,
        group: GroupId,
        device: DeviceId,
        sequence: u64,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "insert into member (group_id, device_id, acked_sequence, left_sequence) values ($1, $2, $3, $4) \
             on conflict (group_id, device_id) do update \
             set acked_sequence = excluded.acked_sequence, left_sequence = excluded.left_sequence",
        )
        .bind(&group.0[..])
        .bind(&device.0[..])
        .bind(stored(sequence))
        .bind(NEVER)
        .execute(&mut *self.0)
        .await?;
        Ok(())
    }

    /// Ends a device's membership: `sequence` is the last message it gets.
    pub async fn remove_member(
        &mut self,
        group: GroupId,
        device: DeviceId,
        sequence: u64,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "update member set left_sequence = $3 where group_id = $1 and device_id = $2 and left_sequence = $4",
        )
        .bind(&group.0[..])
        .bind(&device.0[..])
        .bind(stored(sequence))
        .bind(NEVER)
        .execute(&mut *self.0)
        .await?;
        Ok(())
    }

    /// Forgets a device that will never fetch again, so that nothing waits for it.
    pub async fn forget_member(
        &mut self,
        group: GroupId,
        device: DeviceId,
    ) -> Result<(), StoreError> {
        for statement in [
            "delete from member where group_id = $1 and device_id = $2",
            "delete from invitation where group_id = $1 and device_id = $2",
        ] {
            sqlx::query(statement)
                .bind(&group.0[..])
                .bind(&device.0[..])
                .execute(&mut *self.0)
                .await?;
        }
        Ok(())
    }

    /// Stores messages, by one statement.
    pub async fn insert_messages(
        &mut self,
        messages: &[NewMessage<'_>],
        stored_at_ms: u64,
    ) -> Result<(), StoreError> {
        let sql = format!(
            "insert into message \
             (group_id, sequence, submission_id, sender_id, size_bytes, stored_at_ms, handshake, body) values {}",
            places(messages.len(), 8)
        );
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for message in messages {
            let size = u64::try_from(message.body.len()).unwrap_or(u64::MAX);
            query = query
                .bind(&message.group.0[..])
                .bind(stored(message.sequence))
                .bind(&message.id.0[..])
                .bind(&message.sender.0[..])
                .bind(stored(size))
                .bind(stored(stored_at_ms))
                .bind(i64::from(message.handshake))
                .bind(message.body);
        }
        query.execute(&mut *self.0).await?;
        Ok(())
    }

    /// Whether one of these ids was used in the group.
    pub async fn any_submission(
        &mut self,
        group: GroupId,
        ids: &HashSet<SubmissionId>,
    ) -> Result<bool, StoreError> {
        let places: Vec<_> = (2..ids.len() + 2).map(|at| format!("${at}")).collect();
        let places = places.join(", ");
        let sql = format!(
            "select count(*) from submission where group_id = $1 and submission_id in ({places})"
        );
        let mut query = sqlx::query(AssertSqlSafe(sql)).bind(&group.0[..]);
        for id in ids {
            query = query.bind(&id.0[..]);
        }
        let row = query.fetch_one(&mut *self.0).await?;
        Ok(number(&row, 0, "count")? > 0)
    }

    /// What was accepted under this id.
    pub async fn submission(
        &mut self,
        group: GroupId,
        submission: SubmissionId,
    ) -> Result<Option<Submission>, StoreError> {
        let row = sqlx::query(
            "select digest, sequence from submission where group_id = $1 and submission_id = $2",
        )
        .bind(&group.0[..])
        .bind(&submission.0[..])
        .fetch_optional(&mut *self.0)
        .await?;
        row.map(|row| {
            Ok(Submission {
                digest: id(&row, 0, "digest")?,
                sequence: number(&row, 1, "sequence")?,
            })
        })
        .transpose()
    }

    /// Remembers what was accepted under these ids, by one statement; false when one of them was used before.
    pub async fn insert_submissions(
        &mut self,
        group: GroupId,
        submissions: &[(SubmissionId, Submission)],
        stored_at_ms: u64,
    ) -> Result<bool, StoreError> {
        let sql = format!(
            "insert into submission (group_id, submission_id, digest, sequence, stored_at_ms) values {} \
             on conflict (group_id, submission_id) do nothing",
            places(submissions.len(), 5)
        );
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for (id, submission) in submissions {
            query = query
                .bind(&group.0[..])
                .bind(&id.0[..])
                .bind(&submission.digest.0[..])
                .bind(stored(submission.sequence))
                .bind(stored(stored_at_ms));
        }
        let done = query.execute(&mut *self.0).await?;
        Ok(usize::try_from(done.rows_affected()) == Ok(submissions.len()))
    }

    /// Stores a Welcome once, and puts it into the mailbox of each device.
    pub async fn insert_welcome(
        &mut self,
        group: GroupId,
        sequence: u64,
        body: &[u8],
        devices: &[DeviceId],
        stored_at_ms: u64,
    ) -> Result<(), StoreError> {
        let size = u64::try_from(body.len()).unwrap_or(u64::MAX);
        sqlx::query(
            "insert into welcome (group_id, sequence, size_bytes, stored_at_ms, body) values ($1, $2, $3, $4, $5)",
        )
        .bind(&group.0[..])
        .bind(stored(sequence))
        .bind(stored(size))
        .bind(stored(stored_at_ms))
        .bind(body)
        .execute(&mut *self.0)
        .await?;
        for device in devices {
            let row = sqlx::query(
                "insert into mailbox (device_id, number) values ($1, 1) \
                 on conflict (device_id) do update set number = mailbox.number + 1 returning number",
            )
            .bind(&device.0[..])
            .fetch_one(&mut *self.0)
            .await?;
            sqlx::query(
                "insert into invitation (device_id, number, group_id, sequence) values ($1, $2, $3, $4)",
            )
            .bind(&device.0[..])
            .bind(stored(number(&row, 0, "number")?))
            .bind(&group.0[..])
            .bind(stored(sequence))
            .execute(&mut *self.0)
            .await?;
        }
        Ok(())
    }

    /// Moves a device's cursor on, never back and never past the group's last message; true when it moved.
    pub async fn ack_messages(
        &mut self,
        device: DeviceId,
        group: GroupId,
        sequence: u64,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "update member set acked_sequence = $3 where group_id = $1 and device_id = $2 and acked_sequence < $3 \
             and $3 <= (select sequence from mls_group where group_id = $1)",
        )
        .bind(&group.0[..])
        .bind(&device.0[..])
        .bind(stored(sequence))
        .execute(&mut *self.0)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Deletes what nobody waits for any more: devices that left and have everything, and messages
    /// that every device has.
    pub async fn sweep_group(&mut self, group: GroupId) -> Result<(), StoreError> {
        sqlx::query("delete from member where group_id = $1 and left_sequence <= acked_sequence")
            .bind(&group.0[..])
            .execute(&mut *self.0)
            .await?;
        sqlx::query(
            "delete from message where group_id = $1 \
             and sequence <= (select min(acked_sequence) from member where group_id = $1)",
        )
        .bind(&group.0[..])
        .execute(&mut *self.0)
        .await?;
        Ok(())
    }

    /// Empties a device's mailbox up to `number`, and deletes Welcomes that are in no mailbox.
    pub async fn ack_welcomes(&mut self, device: DeviceId, number: u64) -> Result<(), StoreError> {
        let done = sqlx::query("delete from invitation where device_id = $1 and number <= $2")
            .bind(&device.0[..])
            .bind(stored(number))
            .execute(&mut *self.0)
            .await?;
        if done.rows_affected() > 0 {
            self.sweep_welcomes().await?;
        }
        Ok(())
    }

    async fn sweep_welcomes(&mut self) -> Result<(), StoreError> {
        sqlx::query(
            "delete from welcome where not exists (select 1 from invitation i \
             where i.group_id = welcome.group_id and i.sequence = welcome.sequence)",
        )
        .execute(&mut *self.0)
        .await?;
        Ok(())
    }

    /// Drops what is `past`, and what that leaves without a purpose.
    pub async fn expire_messages(&mut self, past: Past) -> Result<(), StoreError> {
        let Past {
            letters_ms,
            handshakes_ms,
        } = past;
        for (statement, before_ms) in [
            (
                "delete from message where handshake = 0 and stored_at_ms < $1",
                letters_ms,
            ),
            (
                "delete from message where handshake = 1 and stored_at_ms < $1",
                handshakes_ms,
            ),
            ("delete from submission where stored_at_ms < $1", letters_ms),
            (
                "delete from invitation where exists (select 1 from welcome w where \
                 w.group_id = invitation.group_id and w.sequence = invitation.sequence and w.stored_at_ms < $1)",
                handshakes_ms,
            ),
        ] {
            sqlx::query(statement)
                .bind(stored(before_ms))
                .execute(&mut *self.0)
                .await?;
        }
        self.sweep_welcomes().await?;
        sqlx::query(
            "delete from member where left_sequence < $1 and not exists (select 1 from message g \
             where g.group_id = member.group_id and g.sequence > member.acked_sequence \
             and g.sequence <= member.left_sequence)",
        )
        .bind(NEVER)
        .execute(&mut *self.0)
        .await?;
        Ok(())
    }
}
