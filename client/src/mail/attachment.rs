//! Attached files: sealed when a letter is written, and saved when somebody asks for one.

use std::path::{Path, PathBuf};

use valise_proto::{
    attachment::{FILES_MAX, FileKey, sealed_size},
    id::AttachmentId,
    letter::Attachment,
};

use crate::{
    failpoint::reached,
    file::{self, FileError, Folder, Partial, Spool},
    random,
    session::{Error, Session},
    store::UploadRow,
    trust::Alarm,
};

/// A file that was saved.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Saved {
    /// Where: under a safe name that nothing had.
    pub path: PathBuf,
    /// Bytes.
    pub size: u64,
}

/// Files of a letter that is being written, and the spool until its row names them.
pub(super) struct Spooled {
    pub(super) manifests: Vec<Attachment>,
    pub(super) uploads: Vec<UploadRow>,
    _spool: Option<Spool>,
}

impl Session {
    /// Seals the files at `paths` into the spool: from then on nobody needs the originals.
    pub(super) fn spool(&mut self, paths: &[PathBuf]) -> Result<Spooled, Error> {
        let mut spooled = Spooled {
            manifests: Vec::new(),
            uploads: Vec::new(),
            _spool: None,
        };
        if paths.is_empty() {
            return Ok(spooled);
        }
        if paths.len() > FILES_MAX {
            return Err(FileError::TooMany.into());
        }
        let spool = Spool::hold(&self.home.spool())?;
        for path in paths {
            let sealed = self.seal(path, &spool);
            let (manifest, upload) = self.ended(sealed)?;
            spooled.manifests.push(manifest);
            spooled.uploads.push(upload);
        }
        spool.flush()?;
        reached("after-spool");
        Ok(Spooled {
            _spool: Some(spool),
            ..spooled
        })
    }

    fn seal(&mut self, path: &Path, spool: &Spool) -> Result<(Attachment, UploadRow), Error> {
        let key = FileKey::new(random::bytes()?);
        let id = key.id().map_err(FileError::from)?;
        let what = format!("encrypting {}", path.display());
        let place = spool.file(id);
        let mut moved = |done, all| self.moved(&what, done, all);
        let sealed = file::seal(path, &key, &place, &mut moved)?;
        let size = sealed.size;
        Ok((sealed.manifest, UploadRow { id, size }))
    }

    /// Saves file `index` of letter `number` in `folder`, under a safe name that nothing has there.
    /// It appears whole and as its writer sealed it, or not at all. What had come when an earlier try
    /// was cut off is not fetched again.
    pub async fn save_file(
        &mut self,
        number: u64,
        index: usize,
        folder: &Folder,
    ) -> Result<Saved, Error> {
        let saved = self.try_save(number, index, folder).await;
        let saved = self.ended(saved);
        if let Err(Error::Alarm(alarm)) = &saved {
            self.record_alarm(alarm)?;
        }
        saved
    }

    async fn try_save(
        &mut self,
        number: u64,
        index: usize,
        folder: &Folder,
    ) -> Result<Saved, Error> {
        let letter = self.store.read().letter(number)?;
        let letter = letter.ok_or(Error::NoSuchLetter(number))?;
        let file = letter.attachments.get(index);
        let file = file.ok_or(Error::NoSuchFile(number))?;
        let sender = letter.sender.clone();
        let bad = || Alarm::BadAttachment {
            sender: sender.clone(),
            number,
        };
        let id = FileKey::of(file).and_then(|key| key.id());
        let id = id.map_err(|_| bad())?;
        let size = sealed_size(file.size).ok_or_else(bad)?;
        let mut partial = Partial::open(&self.home.partial(), id)?;
        let mut resumed = partial.length()? > 0;
        let what = format!("fetching {}", file.name.as_str());
        loop {
            self.fetch_file((number, &what), (id, size), &mut partial)
                .await?;
            match self.open_into(file, id, &mut partial, folder) {
                Err(Error::Attached(FileError::Bad(_))) if resumed => {
                    // What an earlier run left may have suffered in a crash: the server gets one chance
                    // to give all of it again.
                    partial.empty()?;
                    resumed = false;
                }
                Err(Error::Attached(FileError::Bad(_))) => {
                    partial.remove()?;
                    return Err(bad().into());
                }
                opened => {
                    let path = opened?;
                    partial.remove()?;
                    reached("after-file-saved");
                    let size = file.size;
                    return Ok(Saved { path, size });
                }
            }
        }
    }

    fn open_into(
        &mut self,
        file: &Attachment,
        id: AttachmentId,
        partial: &mut Partial,
        folder: &Folder,
    ) -> Result<PathBuf, Error> {
        let mut arriving = folder.begin(id)?;
        let what = format!("opening {}", file.name.as_str());
        let mut moved = |done, all| self.moved(&what, done, all);
        file::open(file, partial.bytes()?, &mut arriving, &mut moved)?;
        reached("after-file-opened");
        Ok(arriving.show(file.name.as_str())?)
    }
}
