//! Writing a letter. It is in the store before anything else happens to it.

use std::path::PathBuf;

use valise_proto::{
    id::{Hash, Name, SubmissionId, ThreadId},
    letter::{Format, Letter},
};

use super::Addressees;
use crate::{
    failpoint::reached,
    random,
    session::{Error, Session},
    store::{LetterRow, NewLetter, UploadRow},
    sync::Report,
};

/// A letter to be written.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    /// To: names as typed.
    pub to: Vec<String>,
    /// Cc: names as typed.
    pub cc: Vec<String>,
    /// One line.
    pub subject: String,
    /// The text.
    pub body: String,
    /// The letter that it answers.
    pub in_reply_to: Option<u64>,
    /// Files that go with it.
    pub files: Vec<PathBuf>,
}

impl Draft {
    /// A reply: to the writer, or with `all` to everybody, in the same thread.
    pub fn reply(letter: &LetterRow, own: &Name, all: bool, body: String) -> Self {
        let subject = if letter.subject.to_lowercase().starts_with("re:") {
            letter.subject.clone()
        } else {
            format!("Re: {}", letter.subject)
        };
        // An answer to one's own letter goes on to the people it went to.
        let mine = letter.sender == *own;
        let mut to: Vec<String> = if mine {
            Vec::new()
        } else {
            vec![letter.sender.to_string()]
        };
        let mut cc = Vec::new();
        if all || mine {
            let others = |names: &[Name]| -> Vec<String> {
                let others = names
                    .iter()
                    .filter(|name| *name != own && **name != letter.sender);
                others.map(ToString::to_string).collect()
            };
            to.extend(others(&letter.to));
            cc.extend(others(&letter.cc));
        }
        if to.is_empty() {
            to.push(own.to_string());
        }
        Self {
            to,
            cc,
            subject,
            body,
            in_reply_to: Some(letter.number),
            files: Vec::new(),
        }
    }
}

impl Session {
    /// Puts a letter into the outbox and returns its number. From here on it is not lost.
    ///
    /// Who is somebody, and who is on a list, the log says as it is here: see
    /// [`Session::must_look_up`].
    pub fn write(&mut self, draft: Draft) -> Result<u64, Error> {
        let Addressees { to, cc, .. } = self.addressees(&draft)?;
        if draft.subject.contains(['\n', '\r']) {
            return Err(Error::Wrong("a subject is one line"));
        }
        let answered = match draft.in_reply_to {
            None => None,
            Some(number) => {
                let letter = self.store.read().letter(number)?;
                Some(letter.ok_or(Error::NoSuchLetter(number))?)
            }
        };
        let spooled = self.spool(&draft.files)?;
        let nonce = random::bytes()?;
        let letter = Letter {
            id: Letter::id_of(self.me.device, nonce),
            nonce,
            sequence: 0,
            previous: Hash([0; 32]),
            thread: match &answered {
                Some(letter) => letter.thread,
                None => ThreadId(random::bytes()?),
            },
            in_reply_to: answered.map(|letter| letter.id),
            date: self.clock.now_ms(),
            subject: draft
                .subject
                .try_into()
                .map_err(|_| Error::Wrong("a subject has at most 998 bytes"))?,
            to,
            cc,
            format: Format::Plain,
            body: draft
                .body
                .try_into()
                .map_err(|_| Error::Wrong("a letter's text has at most 1 MiB"))?,
            attachments: spooled.manifests.clone(),
        };
        self.put_into_outbox(&letter, &spooled.uploads)
    }

    /// Keeps a letter of this account's, on its way, and what goes before it.
    pub(crate) fn put_into_outbox(
        &mut self,
        letter: &Letter,
        uploads: &[UploadRow],
    ) -> Result<u64, Error> {
        let size_seen = self.directory()?.head().size;
        let limit = self.directory()?.policy().letter_bytes_max;
        let size = letter.to_padded().len();
        if size > usize::try_from(limit).unwrap_or(usize::MAX) {
            return Err(Error::TooLarge { size, limit });
        }
        let submission = SubmissionId(random::bytes()?);
        let new = NewLetter {
            letter,
            group: None,
            sender: &self.me.account,
            device: self.me.device,
            here_ms: self.clock.now_ms(),
            outgoing: true,
            unread: false,
            remark: "",
            imported: None,
        };
        let at_once = if uploads.is_empty() {
            self.at_once(letter)?
        } else {
            None
        };
        let mut held = self.held.take();
        let work = self.store.begin()?;
        for name in letter.to.iter().chain(&letter.cc) {
            if *name != self.me.account {
                work.meet(name, size_seen)?;
            }
        }
        let number = work
            .add_letter(&new)?
            .ok_or(Error::Wrong("two letters with one id"))?;
        work.add_to_outbox(number, submission, letter.nonce)?;
        for upload in uploads {
            work.add_upload(number, upload)?;
        }
        // While connected, writing and encrypting wait for the disk once.
        let me = (&self.me, self.ledger.as_ref());
        let sealed = at_once.filter(|it| it.seal(&work, me, &mut held, number));
        work.commit()?;
        self.held = held;
        self.sealed = sealed.map(|at_once| (submission, at_once.view));
        reached("after-write");
        Ok(number)
    }

    /// Drops a letter that waits in the outbox. One that is encrypted may be at the server already.
    pub fn drop_letter(&mut self, number: u64) -> Result<(), Error> {
        let work = self.store.begin()?;
        let row = work.read().outbox_row(number)?;
        let row = row.ok_or(Error::NotWaiting(number))?;
        if row.encrypted.is_some() {
            return Err(Error::OnItsWay(number));
        }
        work.drop_waiting(number)?;
        work.commit()?;
        self.clear_spool()
    }

    /// Sends a letter that [`Session::write`] put into the outbox, after those before it.
    pub async fn send(&mut self, number: u64) -> Result<Report, Error> {
        let mut report = Report::default();
        self.deliver_until(number, &mut report).await?;
        Ok(report)
    }
}
