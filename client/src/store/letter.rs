//! Letters, and the full-text index over them.

use rusqlite::{OptionalExtension, Row, types::Value};
use valise_proto::{
    codec::{decode, encode},
    id::{DeviceId, GroupId, LetterId, Name, ThreadId},
    letter::{Attachment, Format, Letter},
};

use super::{
    Reader, Store, StoreError, Work,
    log::{signed, unsigned},
};

/// A letter as it is kept.
#[derive(Clone, Debug)]
pub struct LetterRow {
    /// Its number here: short, stable, for people.
    pub number: u64,
    /// Its id everywhere.
    pub id: LetterId,
    /// Its conversation; `None` while it waits for one.
    pub group: Option<GroupId>,
    /// Its thread.
    pub thread: ThreadId,
    /// The letter that it answers.
    pub in_reply_to: Option<LetterId>,
    /// Who wrote it, by the MLS signature; of an imported letter, by its owner's own word.
    pub sender: Name,
    /// On which device.
    pub device: DeviceId,
    /// When, by the writer's clock: milliseconds.
    pub date_ms: u64,
    /// When it came, by the clock of the computer that it came to first: milliseconds.
    pub here_ms: u64,
    /// Untrusted.
    pub subject: String,
    /// To.
    pub to: Vec<Name>,
    /// Cc.
    pub cc: Vec<Name>,
    /// Untrusted.
    pub body: String,
    /// Markdown or plain.
    pub format: Format,
    /// Attached files, by their manifest. Names are untrusted.
    pub attachments: Vec<Attachment>,
    /// Written on this device.
    pub outgoing: bool,
    /// Not read yet.
    pub unread: bool,
    /// Still in the outbox.
    pub waiting: bool,
    /// What the reader must know about it; empty as a rule.
    pub remark: String,
    /// The own device from whose history it comes; `None`: it came here by itself.
    pub imported: Option<DeviceId>,
}

/// A letter to keep, with what its bytes do not say.
pub struct NewLetter<'a> {
    /// The letter.
    pub letter: &'a Letter,
    /// Its conversation, when it has one.
    pub group: Option<GroupId>,
    /// Who wrote it.
    pub sender: &'a Name,
    /// On which device.
    pub device: DeviceId,
    /// When it came, by the clock of the computer that it came to: milliseconds.
    pub here_ms: u64,
    /// Written on this device.
    pub outgoing: bool,
    /// Not read yet.
    pub unread: bool,
    /// What the reader must know about it.
    pub remark: &'a str,
    /// The own device from whose history it comes.
    pub imported: Option<DeviceId>,
}

/// Which letters to list. All of it must hold.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only unread ones.
    pub unread: bool,
    /// Only from this person.
    pub from: Option<Name>,
    /// Only of this thread.
    pub thread: Option<ThreadId>,
    /// Only those that hold all these words.
    pub words: Option<String>,
    /// At most so many, the newest.
    pub limit: Option<u64>,
}

const COLUMNS: &str =
    "number, letter_id, group_id, thread_id, in_reply_to, sender, device, date_ms,
    subject, recipients, copies, body, format, outgoing, unread, remark,
    exists (select 1 from outbox where outbox.number = letter.number), attachments,
    here_ms, imported";

fn names_text(names: &[Name]) -> String {
    let names: Vec<_> = names.iter().map(Name::as_str).collect();
    names.join(" ")
}

fn names(text: &str) -> Result<Vec<Name>, StoreError> {
    let damaged = |_| StoreError::Damaged("a letter's recipients");
    text.split_whitespace()
        .map(|name| name.parse().map_err(damaged))
        .collect()
}

fn read_row(row: &Row<'_>) -> rusqlite::Result<Result<LetterRow, StoreError>> {
    let number: i64 = row.get(0)?;
    let (id, group): (Vec<u8>, Option<Vec<u8>>) = (row.get(1)?, row.get(2)?);
    let (thread, in_reply_to): (Vec<u8>, Option<Vec<u8>>) = (row.get(3)?, row.get(4)?);
    let (sender, device): (String, Vec<u8>) = (row.get(5)?, row.get(6)?);
    let (date_ms, subject): (i64, String) = (row.get(7)?, row.get(8)?);
    let (to, cc): (String, String) = (row.get(9)?, row.get(10)?);
    let (body, format): (String, i64) = (row.get(11)?, row.get(12)?);
    let (outgoing, unread): (bool, bool) = (row.get(13)?, row.get(14)?);
    let (remark, waiting): (String, bool) = (row.get(15)?, row.get(16)?);
    let attachments: Vec<u8> = row.get(17)?;
    let (here_ms, imported): (i64, Option<Vec<u8>>) = (row.get(18)?, row.get(19)?);
    Ok((|| {
        let damaged = |_| StoreError::Damaged("a letter");
        Ok(LetterRow {
            number: unsigned(number)?,
            id: LetterId::try_from(&*id).map_err(damaged)?,
            group: group
                .map(|group| GroupId::try_from(&*group))
                .transpose()
                .map_err(damaged)?,
            thread: ThreadId::try_from(&*thread).map_err(damaged)?,
            in_reply_to: in_reply_to
                .map(|id| LetterId::try_from(&*id))
                .transpose()
                .map_err(damaged)?,
            sender: sender.parse().map_err(damaged)?,
            device: DeviceId::try_from(&*device).map_err(damaged)?,
            date_ms: unsigned(date_ms)?,
            here_ms: unsigned(here_ms)?,
            subject,
            to: names(&to)?,
            cc: names(&cc)?,
            body,
            format: if format == 1 {
                Format::Markdown
            } else {
                Format::Plain
            },
            attachments: decode(&attachments)
                .map_err(|_| StoreError::Damaged("a letter's attachments"))?,
            outgoing,
            unread,
            waiting,
            remark,
            imported: imported
                .map(|device| DeviceId::try_from(&*device))
                .transpose()
                .map_err(damaged)?,
        })
    })())
}

impl Reader<'_> {
    /// The letter with this number.
    pub fn letter(&self, number: u64) -> Result<Option<LetterRow>, StoreError> {
        let sql = format!("select {COLUMNS} from letter where number = ?1");
        let mut statement = self.connection.prepare_cached(&sql)?;
        statement
            .query_row([signed(number)?], read_row)
            .optional()?
            .transpose()
    }

    /// The letter with this id.
    pub fn letter_by_id(&self, id: LetterId) -> Result<Option<LetterRow>, StoreError> {
        let sql = format!("select {COLUMNS} from letter where letter_id = ?1");
        let mut statement = self.connection.prepare_cached(&sql)?;
        statement
            .query_row([id.as_ref()], read_row)
            .optional()?
            .transpose()
    }

    /// Whether a letter of `group` is here that answers the letter with this id.
    pub fn is_answered(&self, id: LetterId, group: GroupId) -> Result<bool, StoreError> {
        let sql = "select exists(select 1 from letter where in_reply_to = ?1 and group_id = ?2)";
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement.query_row([id.as_ref(), group.as_ref()], |row| row.get(0))?)
    }

    /// Letters in the order in which they came: imported ones, then those that came by themselves.
    pub fn letters(&self, filter: &Filter) -> Result<Vec<LetterRow>, StoreError> {
        let mut conditions = vec!["1 = 1"];
        let mut values: Vec<Value> = Vec::new();
        if filter.unread {
            conditions.push("unread = 1");
        }
        if let Some(from) = &filter.from {
            conditions.push("sender = ?");
            values.push(from.as_str().to_owned().into());
        }
        if let Some(thread) = filter.thread {
            conditions.push("thread_id = ?");
            values.push(thread.as_ref().to_vec().into());
        }
        if let Some(words) = &filter.words {
            conditions.push("number in (select rowid from letter_text where letter_text match ?)");
            values.push(all_words(words).into());
        }
        values.push(signed(filter.limit.unwrap_or(u64::MAX >> 1))?.into());
        let sql = format!(
            "select * from (select {COLUMNS} from letter where {}
               order by imported is null desc, number desc limit ?) order by imported is null, number",
            conditions.join(" and "),
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let rows = statement.query_map(rusqlite::params_from_iter(values), read_row)?;
        rows.map(|row| row?).collect()
    }

    /// Hands every letter that waits for nothing to `take`, in the order in which they came, one by
    /// one: they need not fit in memory together.
    pub fn each_letter<E: From<StoreError>>(
        &self,
        mut take: impl FnMut(LetterRow) -> Result<(), E>,
    ) -> Result<(), E> {
        let sql = format!(
            "select {COLUMNS} from letter
             where not exists (select 1 from outbox where outbox.number = letter.number)
             order by imported is null, number"
        );
        let failed = |error: rusqlite::Error| E::from(error.into());
        let mut statement = self.connection.prepare_cached(&sql).map_err(failed)?;
        let mut rows = statement.query(()).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            take(read_row(row).map_err(failed)??)?;
        }
        Ok(())
    }

    /// The unread letter that came first.
    pub fn oldest_unread(&self) -> Result<Option<LetterRow>, StoreError> {
        let sql = format!(
            "select {COLUMNS} from letter where unread = 1
             order by imported is null, number limit 1"
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        statement.query_row((), read_row).optional()?.transpose()
    }

    /// How many letters are unread.
    pub fn unread(&self) -> Result<u64, StoreError> {
        let sql = "select count(*) from letter where unread = 1";
        unsigned(self.connection.query_row(sql, (), |row| row.get(0))?)
    }
}

/// An FTS5 query for letters that hold every word of `text`, the last one as a beginning. Each word
/// is quoted, so that nothing in it is an operator.
fn all_words(text: &str) -> String {
    let quoted = text
        .split_whitespace()
        .map(|word| format!("\"{}\"*", word.replace('"', "\"\"")));
    quoted.collect::<Vec<_>>().join(" ")
}

impl Store {
    /// Marks a letter as read.
    pub fn mark_read(&mut self, number: u64) -> Result<(), StoreError> {
        let work = self.begin()?;
        work.mark_read(number)?;
        work.commit()
    }
}

impl Work<'_> {
    /// Keeps a letter and indexes it. Returns its number; `None` when its id is here already.
    ///
    /// A letter that comes by itself takes the place of its imported copy, and keeps whether that was
    /// read: no history is there first with a colleague's letter.
    pub fn add_letter(&self, new: &NewLetter<'_>) -> Result<Option<u64>, StoreError> {
        let letter = new.letter;
        let sql = "insert into letter (letter_id, group_id, thread_id, in_reply_to, sender, device,
                     date_ms, here_ms, subject, recipients, copies, body, format, outgoing, unread, remark,
                     attachments, imported)
                   values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)
                   on conflict (letter_id) do update set (group_id, thread_id, in_reply_to, sender,
                     device, date_ms, subject, recipients, copies, body, format, outgoing, remark,
                     attachments, imported) = (excluded.group_id, excluded.thread_id,
                     excluded.in_reply_to, excluded.sender, excluded.device, excluded.date_ms,
                     excluded.subject, excluded.recipients, excluded.copies, excluded.body,
                     excluded.format, excluded.outgoing, excluded.remark, excluded.attachments, null)
                   where imported is not null and excluded.imported is null
                   returning number";
        let (to, cc) = (names_text(&letter.to), names_text(&letter.cc));
        let number: Option<i64> = self
            .transaction
            .prepare_cached(sql)?
            .query_row(
                rusqlite::params![
                    letter.id.as_ref(),
                    new.group.as_ref().map(AsRef::<[u8]>::as_ref),
                    letter.thread.as_ref(),
                    letter.in_reply_to.as_ref().map(AsRef::<[u8]>::as_ref),
                    new.sender.as_str(),
                    new.device.as_ref(),
                    signed(letter.date)?,
                    signed(new.here_ms)?,
                    letter.subject.as_str(),
                    &to,
                    &cc,
                    letter.body.as_str(),
                    i64::from(letter.format == Format::Markdown),
                    new.outgoing,
                    new.unread,
                    new.remark,
                    encode(&letter.attachments),
                    new.imported.as_ref().map(AsRef::<[u8]>::as_ref),
                ],
                |row| row.get(0),
            )
            .optional()?;
        let Some(number) = number else {
            return Ok(None);
        };
        let people = format!("{} {to} {cc}", new.sender);
        let words = (
            number,
            letter.subject.as_str(),
            letter.body.as_str(),
            people,
        );
        let sql = "insert or replace into letter_text (rowid, subject, body, people)
                   values (?1, ?2, ?3, ?4)";
        self.transaction.prepare_cached(sql)?.execute(words)?;
        unsigned(number).map(Some)
    }

    /// Marks a letter as read.
    fn mark_read(&self, number: u64) -> Result<(), StoreError> {
        let sql = "update letter set unread = 0 where number = ?1";
        self.transaction.execute(sql, [signed(number)?])?;
        Ok(())
    }
}
