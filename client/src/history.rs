//! One's own letters from one computer to another: a file that only one's own security keys open.
//!
//! Nothing in it is for reading out, typing or scanning. Both computers ask for a key's touch: the one
//! that writes the file, to say by S that it is its owner's own word; the one that reads it, because V
//! exists only while a key is touched.

mod file;

use std::{
    io::{self, Write as _},
    path::Path,
};

use valise_proto::{
    codec::encode,
    history::{KeptLetter, MAGIC, Manifest, SealedKey, SignedManifest, Standing, VERSION},
    id::{DeviceId, Hash, Name},
    letter::Letter,
    log::replay::Directory,
};

use crate::{
    account::sign_hash,
    failpoint::reached,
    home::NewFile,
    random,
    session::{Error, Keyring, Session},
    store::{LetterRow, NewLetter, StoreError, StoreKey},
    trust::Alarm,
    vault::{SealedSecret, Touched, seal_to, stream::Sealer, touch},
};

pub use file::HistoryFile;

/// Letters that become durable together, at most.
const BATCH_LETTERS: usize = 64;
/// Bytes of them, at most, but for the last.
const BATCH_BYTES: usize = 1 << 20;

/// A history whose letters are sealed, and that nobody has signed yet. Dropped, the file is gone.
pub struct Packed {
    file: NewFile,
    manifest: Manifest,
}

/// What an import brought.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Imported {
    /// Letters that were not here.
    pub new: u64,
    /// Letters that were here already, and stay as they are.
    pub known: u64,
}

impl Session {
    /// Seals every letter that waits for nothing into a new file at `path`, for each of this person's
    /// security keys. `progress` hears how many are done.
    pub fn pack_history(
        &self,
        path: &Path,
        mut progress: impl FnMut(u64),
    ) -> Result<Packed, Error> {
        let failed = |error| Error::File(path.to_owned(), error);
        let directory = self.directory()?;
        if directory.active_device(self.device()).is_none() {
            return Err(Error::Revoked);
        }
        if path.symlink_metadata().is_ok() {
            return Err(failed(io::ErrorKind::AlreadyExists.into()));
        }
        let key: StoreKey = random::secret()?;
        let seals = seals(directory, self.account(), &key)?;
        let mut file = NewFile::create(path, 0o600).map_err(failed)?;
        file.write_all(MAGIC).map_err(failed)?;
        let mut sealer = Sealer::new(key, file);
        let mut letters = 0;
        self.store().read().each_letter(|row| {
            let letter = encode(&kept(row)?);
            let length = u32::try_from(letter.len()).unwrap_or(u32::MAX);
            let written = sealer.write_all(&length.to_be_bytes());
            written
                .and_then(|()| sealer.write_all(&letter))
                .map_err(failed)?;
            letters += 1;
            progress(letters);
            Ok::<_, Error>(())
        })?;
        let (file, content) = sealer.finish().map_err(failed)?;
        let manifest = Manifest {
            version: VERSION,
            org: directory.org(),
            account: self.account().clone(),
            device: self.device(),
            made_ms: self.clock.now_ms(),
            letters,
            content,
            seals,
        };
        Ok(Packed { file, manifest })
    }

    /// One touch: this person says by S that these are the letters. Then the file is there.
    pub fn sign_history(
        &self,
        packed: Packed,
        path: &Path,
        keyring: &mut Keyring<'_>,
    ) -> Result<Manifest, Error> {
        let Packed { mut file, manifest } = packed;
        let directory = self.directory()?;
        let tag = directory.genesis().tag;
        let hash = manifest.client_data_hash();
        let purpose = "take your letters to your other computer";
        let signature = sign_hash(keyring, tag, &self.own_keys(), hash, purpose)?;
        let signed = SignedManifest {
            manifest,
            signature,
        };
        reached("before-history");
        file.write_all(&file::trailer(&signed))
            .and_then(|()| file.finish())
            .map_err(|error| Error::File(path.to_owned(), error))?;
        Ok(signed.manifest)
    }

    /// Opens a history and sees that it is whole, and this person's own word by the log as it is here.
    /// Anything else is refused before a key is touched.
    pub fn open_history(&mut self, path: &Path) -> Result<HistoryFile, Error> {
        let mut history = HistoryFile::open(path)?;
        let account = self.account().clone();
        if let Err(foreign) = history.signed.verify(self.directory()?, &account) {
            let alarm = Alarm::ForeignHistory(foreign);
            self.record_alarm(&alarm)?;
            return Err(alarm.into());
        }
        history.check_content()?;
        Ok(history)
    }

    /// One touch: the key that opens V.
    pub fn touch_history(
        &self,
        history: &HistoryFile,
        keyring: &mut Keyring<'_>,
    ) -> Result<Touched, Error> {
        let directory = self.directory()?;
        let seals = history.signed.manifest.seals.iter();
        let keys = seals.filter_map(|seal| directory.key(seal.key));
        let keys = keys.filter(|key| key.revoked.is_none());
        let allow: Vec<_> = keys
            .map(|key| key.record.statement.id.as_slice().to_vec())
            .collect();
        if allow.is_empty() {
            return Err(Error::NotSealedToKey);
        }
        let tag = directory.genesis().tag;
        let purpose = "open the letters of your other computer";
        let (assertion, key) =
            keyring.with(|key, prompt| Ok(touch(key, prompt, tag, &allow, purpose)?))?;
        Ok(Touched {
            credential: assertion.credential_id,
            key,
        })
    }

    /// Keeps the letters of a history that were not here. Whatever ends it, it goes on when it is
    /// asked again. `progress` hears how many are done.
    pub fn import_history(
        &mut self,
        history: &mut HistoryFile,
        touched: &Touched,
        mut progress: impl FnMut(u64),
    ) -> Result<Imported, Error> {
        let directory = self.directory()?;
        let key = history.key(directory, touched)?;
        let device = history.signed.manifest.device;
        let mut letters = history.letters(key)?;
        let mut imported = Imported::default();
        loop {
            let batch = letters.batch(BATCH_LETTERS, BATCH_BYTES)?;
            if batch.is_empty() {
                return Ok(imported);
            }
            let work = self.store.begin()?;
            for kept in &batch {
                match work.add_letter(&as_new(kept, device))? {
                    Some(_) => imported.new += 1,
                    None => imported.known += 1,
                }
            }
            work.commit()?;
            reached("after-history-batch");
            progress(imported.new + imported.known);
        }
    }
}

/// The chunks' key, sealed to every V of `account`.
fn seals(directory: &Directory, account: &Name, key: &StoreKey) -> Result<Vec<SealedKey>, Error> {
    let info = file::seal_info(directory);
    let seals = directory.active_keys(account).map(|(id, known)| {
        let SealedSecret {
            encapsulated,
            sealed,
        } = seal_to(&known.record, &info, key)?;
        Ok(SealedKey {
            key: id,
            encapsulated,
            sealed,
        })
    });
    seals.collect()
}

fn as_new(kept: &KeptLetter, device: DeviceId) -> NewLetter<'_> {
    NewLetter {
        letter: &kept.letter,
        group: kept.group,
        sender: &kept.sender,
        device: kept.device,
        here_ms: kept.here_ms,
        outgoing: kept.standing == Standing::Own,
        unread: kept.standing == Standing::Unread,
        remark: kept.remark.as_str(),
        imported: Some(device),
    }
}

/// A letter out of the store, for another.
fn kept(row: LetterRow) -> Result<KeptLetter, Error> {
    let damaged = |_| StoreError::Damaged("a letter is larger than letters are");
    let standing = match (row.outgoing, row.unread) {
        (true, _) => Standing::Own,
        (false, true) => Standing::Unread,
        (false, false) => Standing::Read,
    };
    let letter = Letter {
        id: row.id,
        nonce: [0; 16],
        sequence: 0,
        previous: Hash([0; 32]),
        thread: row.thread,
        in_reply_to: row.in_reply_to,
        date: row.date_ms,
        subject: row.subject.try_into().map_err(damaged)?,
        to: row.to,
        cc: row.cc,
        format: row.format,
        body: row.body.try_into().map_err(damaged)?,
        attachments: row.attachments,
    };
    Ok(KeptLetter {
        letter,
        group: row.group,
        sender: row.sender,
        device: row.device,
        here_ms: row.here_ms,
        standing,
        remark: row.remark.try_into().map_err(damaged)?,
    })
}
