//! Attached files between this computer and the server, part by part.
//!
//! Either side says how far it is, and whoever was cut off goes on from there: nothing that is on disk on
//! the other side travels twice.

use std::{fs::File, io, os::unix::fs::FileExt as _};

use reqwest::Method;
use valise_proto::{
    api::{
        ErrorCode,
        attachment::{Begin, RANGE_MAX, RANGE_MIN, Stored, at, path, range},
    },
    codec::encode,
    id::AttachmentId,
};

use super::{Report, outgoing::accounts};
use crate::{
    api::ApiError,
    failpoint::reached,
    file::{FileError, Partial, Spool},
    session::{Error, Session},
    store::UploadRow,
};

/// The first part's size: bytes.
const PART_FIRST: usize = 256 << 10;
/// A part that took less is followed by a larger one, up to the largest: milliseconds.
const QUICK_MS: u64 = 2_000;
/// And one that took more by a smaller one: on a slow line a cut then costs little.
const SLOW_MS: u64 = 10_000;
/// How often the server may answer that it has no more than before.
const STALLS_MAX: u32 = 5;

/// How large the next part is.
struct Pace(usize);

impl Pace {
    fn took(&mut self, ms: u64) {
        if ms < QUICK_MS {
            self.0 = (self.0 * 2).min(RANGE_MAX);
        } else if ms > SLOW_MS {
            self.0 = (self.0 / 2).max(RANGE_MIN);
        }
    }

    /// The next part's length, of what is left.
    fn length(&self, left: u64) -> usize {
        usize::try_from(left).map_or(self.0, |left| left.min(self.0))
    }
}

impl Session {
    /// Brings the files of letter `number` to the server, before the letter goes.
    pub(super) async fn upload_files(
        &mut self,
        number: u64,
        report: &mut Report,
    ) -> Result<(), Error> {
        let uploads = self.store.read().uploads(number)?;
        if uploads.is_empty() {
            return Ok(());
        }
        // Nothing at all goes under an alarm, or to somebody whose keys changed.
        self.refresh(report).await?;
        let letter = self.store.read().letter(number)?;
        self.unchanged(&accounts(&letter.ok_or(Error::NoSuchLetter(number))?))?;
        let spool = Spool::hold(&self.home.spool())?;
        for (position, upload) in (1..).zip(&uploads) {
            let what = format!("sending file {position} of {}", uploads.len());
            let sent = self.upload(upload, &spool, &what).await;
            self.ended(sent)?;
        }
        reached("after-files-sent");
        Ok(())
    }

    async fn upload(&mut self, upload: &UploadRow, spool: &Spool, what: &str) -> Result<(), Error> {
        let spooled = spool.file(upload.id);
        let failed = |error| FileError::Io(spooled.display().to_string(), error);
        let file = File::open(&spooled).map_err(failed)?;
        if file.metadata().map_err(failed)?.len() != upload.size {
            return Err(failed(io::ErrorKind::UnexpectedEof.into()).into());
        }
        let begin = encode(&Begin { size: upload.size });
        let target = path(upload.id);
        let stored: Stored = self.request(Method::PUT, &target, begin).await?;
        let (mut done, mut pace, mut stalls) = (stored.bytes, Pace(PART_FIRST), 0);
        reached("after-upload-begun");
        while done < upload.size {
            let mut part = vec![0; pace.length(upload.size - done)];
            file.read_exact_at(&mut part, done).map_err(failed)?;
            let here = format!("{target}?{}", at(done));
            let from_ms = self.clock.monotonic_ms();
            let stored: Stored = self.request(Method::POST, &here, part).await?;
            pace.took(self.clock.monotonic_ms().saturating_sub(from_ms));
            stalls += u32::from(stored.bytes <= done);
            if stored.bytes > upload.size || stalls > STALLS_MAX {
                return Err(ApiError::PeerMalformed.into());
            }
            done = stored.bytes;
            self.moved(what, done, upload.size);
            reached("after-part-sent");
        }
        if done == upload.size {
            Ok(())
        } else {
            Err(ApiError::PeerMalformed.into())
        }
    }

    /// Fetches what is missing of file `id`, whose ciphertext has `size` bytes; it belongs to letter
    /// `number`.
    pub(crate) async fn fetch_file(
        &mut self,
        (number, what): (u64, &str),
        (id, size): (AttachmentId, u64),
        partial: &mut Partial,
    ) -> Result<(), Error> {
        if partial.length()? > size {
            partial.empty()?;
        }
        let (mut done, mut pace) = (partial.length()?, Pace(PART_FIRST));
        while done < size {
            let length = pace.length(size - done);
            let target = format!("{}?{}", path(id), range(done, length));
            let from_ms = self.clock.monotonic_ms();
            let part = self.request_raw(Method::GET, &target, Vec::new()).await;
            let part = part.map_err(|error| match error {
                Error::Api(refused) if refused.code() == Some(ErrorCode::NotFound) => {
                    Error::FileGone(number)
                }
                other => other,
            })?;
            if part.len() != length {
                return Err(ApiError::PeerMalformed.into());
            }
            partial.add(done, &part)?;
            pace.took(self.clock.monotonic_ms().saturating_sub(from_ms));
            done += u64::try_from(length).unwrap_or_default();
            self.moved(what, done, size);
            reached("after-part-stored");
        }
        Ok(())
    }

    /// Throws away ciphertext that no letter of the outbox needs, and what came of files that nobody
    /// asks for any more.
    pub(crate) fn clear_spool(&self) -> Result<(), Error> {
        Spool::clear(&self.home.spool(), || {
            let uploads = self.store.read().every_upload()?;
            Ok::<_, Error>(uploads.into_iter().map(|upload| upload.id).collect())
        })?;
        Ok(Partial::clear(&self.home.partial(), self.clock.now_ms())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_grow_on_a_quick_line_and_shrink_on_a_slow_one() {
        let mut pace = Pace(PART_FIRST);
        for _ in 0..10 {
            pace.took(1);
        }
        assert_eq!(pace.length(u64::MAX), RANGE_MAX);
        assert_eq!(pace.length(5), 5);
        for _ in 0..20 {
            pace.took(SLOW_MS + 1);
        }
        assert_eq!(pace.length(u64::MAX), RANGE_MIN);
    }
}
