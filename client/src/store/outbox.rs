//! What is on its way to the server: letters, and at most one commit a group.

use rusqlite::{OptionalExtension, Row};
use valise_proto::id::{GroupId, Hash, SubmissionId};

use super::{
    Reader, StoreError, Work,
    log::{signed, unsigned},
};

/// A letter on its way.
#[derive(Clone, Debug)]
pub struct OutboxRow {
    /// The letter's number.
    pub number: u64,
    /// The write's id: the same for every try.
    pub submission: SubmissionId,
    /// What the letter's id is made of.
    pub nonce: [u8; 16],
    /// The ciphertext and where it goes, once it is encrypted.
    pub encrypted: Option<Encrypted>,
}

/// A letter encrypted for one epoch of one group.
#[derive(Clone, Debug)]
pub struct Encrypted {
    /// The group.
    pub group: GroupId,
    /// The epoch.
    pub epoch: u64,
    /// Hash of the letter inside.
    pub hash: Hash,
    /// MLS `PrivateMessage`.
    pub message: Vec<u8>,
}

/// A commit on its way.
#[derive(Clone, Debug)]
pub struct ProposedCommit {
    /// The group.
    pub group: GroupId,
    /// The write's id.
    pub submission: SubmissionId,
    /// The epoch that it ends.
    pub epoch: u64,
    /// Canonical `api::delivery::Commit`.
    pub body: Vec<u8>,
}

fn read_row(row: &Row<'_>) -> rusqlite::Result<Result<OutboxRow, StoreError>> {
    let (number, submission): (i64, Vec<u8>) = (row.get(0)?, row.get(1)?);
    let (group, epoch): (Option<Vec<u8>>, Option<i64>) = (row.get(2)?, row.get(3)?);
    let (hash, message): (Option<Vec<u8>>, Option<Vec<u8>>) = (row.get(4)?, row.get(5)?);
    let nonce: [u8; 16] = row.get(6)?;
    Ok((|| {
        let damaged = |_| StoreError::Damaged("an outbox row");
        let encrypted = match (group, epoch, hash, message) {
            (Some(group), Some(epoch), Some(hash), Some(message)) => Some(Encrypted {
                group: GroupId::try_from(&*group).map_err(damaged)?,
                epoch: unsigned(epoch)?,
                hash: Hash::try_from(&*hash).map_err(damaged)?,
                message,
            }),
            _ => None,
        };
        Ok(OutboxRow {
            number: unsigned(number)?,
            submission: SubmissionId::try_from(&*submission).map_err(damaged)?,
            nonce,
            encrypted,
        })
    })())
}

fn read_commit(row: &Row<'_>) -> rusqlite::Result<Result<ProposedCommit, StoreError>> {
    let (group, submission): (Vec<u8>, Vec<u8>) = (row.get(0)?, row.get(1)?);
    let (epoch, body): (i64, Vec<u8>) = (row.get(2)?, row.get(3)?);
    Ok((|| {
        let damaged = |_| StoreError::Damaged("a proposed commit");
        Ok(ProposedCommit {
            group: GroupId::try_from(&*group).map_err(damaged)?,
            submission: SubmissionId::try_from(&*submission).map_err(damaged)?,
            epoch: unsigned(epoch)?,
            body,
        })
    })())
}

impl Reader<'_> {
    /// The numbers of the letters on their way, in the order in which they were written.
    pub fn outbox_numbers(&self) -> Result<Vec<u64>, StoreError> {
        let sql = "select number from outbox order by number";
        let mut statement = self.connection.prepare_cached(sql)?;
        let numbers = statement.query_map((), |row| row.get(0))?;
        numbers.map(|number| unsigned(number?)).collect()
    }

    /// The numbers of those that are encrypted for one epoch of one group.
    pub fn encrypted_for(&self, group: GroupId, epoch: u64) -> Result<Vec<u64>, StoreError> {
        let sql = "select number from outbox where group_id = ?1 and epoch = ?2 order by number";
        let mut statement = self.connection.prepare_cached(sql)?;
        let place = (group.as_ref(), signed(epoch)?);
        let numbers = statement.query_map(place, |row| row.get(0))?;
        numbers.map(|number| unsigned(number?)).collect()
    }

    /// Every letter on its way, in the order in which they were written.
    pub fn outbox(&self) -> Result<Vec<OutboxRow>, StoreError> {
        let sql = "select number, submission, group_id, epoch, hash, message, nonce from outbox
                   order by number";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map((), read_row)?;
        rows.map(|row| row?).collect()
    }

    /// The letter that was last sent under this id, if it is still on its way.
    pub fn outbox_by_submission(
        &self,
        submission: SubmissionId,
    ) -> Result<Option<OutboxRow>, StoreError> {
        let sql = "select number, submission, group_id, epoch, hash, message, nonce from outbox
                   where submission = ?1";
        let mut statement = self.connection.prepare_cached(sql)?;
        statement
            .query_row([submission.as_ref()], read_row)
            .optional()?
            .transpose()
    }

    /// One letter on its way.
    pub fn outbox_row(&self, number: u64) -> Result<Option<OutboxRow>, StoreError> {
        let sql = "select number, submission, group_id, epoch, hash, message, nonce from outbox
                   where number = ?1";
        let mut statement = self.connection.prepare_cached(sql)?;
        statement
            .query_row([signed(number)?], read_row)
            .optional()?
            .transpose()
    }

    /// The commit on its way in one group.
    pub fn proposed_commit(&self, group: GroupId) -> Result<Option<ProposedCommit>, StoreError> {
        let sql = "select group_id, submission, epoch, body from proposed_commit
                   where group_id = ?1";
        let mut statement = self.connection.prepare_cached(sql)?;
        statement
            .query_row([group.as_ref()], read_commit)
            .optional()?
            .transpose()
    }

    /// Every commit on its way.
    pub fn proposed_commits(&self) -> Result<Vec<ProposedCommit>, StoreError> {
        let sql = "select group_id, submission, epoch, body from proposed_commit";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map((), read_commit)?;
        rows.map(|row| row?).collect()
    }
}

impl Work<'_> {
    /// Puts a letter in the outbox.
    pub fn add_to_outbox(
        &self,
        number: u64,
        submission: SubmissionId,
        nonce: [u8; 16],
    ) -> Result<(), StoreError> {
        let sql = "insert into outbox (number, submission, nonce) values (?1, ?2, ?3)";
        self.transaction
            .execute(sql, (signed(number)?, submission.as_ref(), nonce))?;
        Ok(())
    }

    /// Keeps a letter's ciphertext beside the ratchet state that made it.
    pub fn set_encrypted(&self, number: u64, encrypted: &Encrypted) -> Result<(), StoreError> {
        let sql = "update outbox set group_id = ?2, epoch = ?3, hash = ?4, message = ?5
                   where number = ?1";
        self.transaction.prepare_cached(sql)?.execute((
            signed(number)?,
            encrypted.group.as_ref(),
            signed(encrypted.epoch)?,
            encrypted.hash.as_ref(),
            &encrypted.message,
        ))?;
        let sql = "update letter set group_id = ?2 where number = ?1";
        self.transaction
            .prepare_cached(sql)?
            .execute((signed(number)?, encrypted.group.as_ref()))?;
        Ok(())
    }

    /// Throws ciphertexts for one epoch of a group away, which came too late. The letters stay.
    pub fn drop_encrypted(&self, group: GroupId, epoch: u64) -> Result<(), StoreError> {
        let sql = "update outbox set group_id = null, epoch = null, hash = null, message = null
                   where group_id = ?1 and epoch = ?2";
        self.transaction
            .execute(sql, (group.as_ref(), signed(epoch)?))?;
        Ok(())
    }

    /// The letter has arrived at the server; false when that was known.
    pub fn remove_from_outbox(&self, number: u64) -> Result<bool, StoreError> {
        let number = signed(number)?;
        self.transaction
            .prepare_cached(
                "insert or ignore into echo (submission)
                 select submission from outbox where number = ?1",
            )?
            .execute([number])?;
        let removed = self
            .transaction
            .prepare_cached("delete from outbox where number = ?1")?
            .execute([number])?;
        Ok(removed > 0)
    }

    /// Forgets a letter that waits, and its text.
    pub fn drop_waiting(&self, number: u64) -> Result<(), StoreError> {
        let number = signed(number)?;
        for sql in [
            "delete from outbox where number = ?1",
            "delete from letter_text where rowid = ?1",
            "delete from letter where number = ?1",
        ] {
            self.transaction.execute(sql, [number])?;
        }
        Ok(())
    }

    /// Whether a message without content is one that this device sent: the server gives it back
    /// empty, once.
    pub fn is_echo(&self, submission: SubmissionId) -> Result<bool, StoreError> {
        let echoed = self
            .transaction
            .prepare_cached("delete from echo where submission = ?1")?
            .execute([submission.as_ref()])?;
        Ok(echoed > 0)
    }

    /// What an attack sends past the outbox comes back too.
    #[cfg(feature = "weaken")]
    pub(crate) fn expect_echo(&self, submission: SubmissionId) -> Result<(), StoreError> {
        let sql = "insert into echo (submission) values (?1)";
        self.transaction.execute(sql, [submission.as_ref()])?;
        Ok(())
    }

    /// Gives a letter's next write another id, because the last one must never be sent again.
    pub fn renew_submission(
        &self,
        number: u64,
        submission: SubmissionId,
    ) -> Result<(), StoreError> {
        let sql = "update outbox set submission = ?2 where number = ?1";
        self.transaction
            .execute(sql, (signed(number)?, submission.as_ref()))?;
        Ok(())
    }

    /// Keeps a commit beside the MLS state that made it.
    pub fn put_proposed_commit(&self, commit: &ProposedCommit) -> Result<(), StoreError> {
        let sql = "insert into proposed_commit (group_id, submission, epoch, body)
                   values (?1, ?2, ?3, ?4)";
        self.transaction.execute(
            sql,
            (
                commit.group.as_ref(),
                commit.submission.as_ref(),
                signed(commit.epoch)?,
                &commit.body,
            ),
        )?;
        Ok(())
    }

    /// The commit has won or lost.
    pub fn remove_proposed_commit(&self, group: GroupId) -> Result<(), StoreError> {
        self.transaction.execute(
            "delete from proposed_commit where group_id = ?1",
            [group.as_ref()],
        )?;
        Ok(())
    }
}
