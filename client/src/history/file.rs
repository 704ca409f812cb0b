//! The file of a history, as the computer that reads it sees it: bounded, whole, and untouched.

use std::{
    fs::File,
    io::{self, Read, Seek as _, SeekFrom},
    path::{Path, PathBuf},
};

use ring::digest;
use valise_proto::{
    codec::{Limited as _, decode, encode},
    history::{KeptLetter, MAGIC, SignedManifest, VERSION},
    id::Hash,
    label,
    log::replay::Directory,
};

use crate::{
    session::Error,
    store::StoreKey,
    vault::{SealedSecret, Touched, stream::Opener},
};

/// What every version of the file starts with.
const ANY_VERSION: &[u8] = b"valise/history/v";
/// Where the sealed chunks begin.
const BEHIND_MAGIC: u64 = 18;
const _: () = assert!(MAGIC.len() == 18);
/// Read from the file at once: bytes.
const BUFFER: usize = 64 * 1024;

/// A history, opened.
#[derive(Debug)]
pub struct HistoryFile {
    path: PathBuf,
    file: File,
    /// Bytes of sealed chunks, which begin behind [`MAGIC`].
    sealed: u64,
    /// What it says that it is.
    pub signed: SignedManifest,
}

/// The end of the file: the manifest, and its length.
pub(super) fn trailer(signed: &SignedManifest) -> Vec<u8> {
    let mut bytes = encode(signed);
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    bytes.extend(length.to_be_bytes());
    bytes
}

/// What the chunks' key is sealed for.
pub(super) fn seal_info(directory: &Directory) -> Vec<u8> {
    [label::HISTORY_SEAL, &directory.genesis().tag.0].concat()
}

impl HistoryFile {
    /// Opens the file at `path` and reads what it says that it is. Nothing of it is believed yet.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let failed = |error| Error::File(path.to_owned(), error);
        let bad = |what| Error::BadHistory {
            path: path.to_owned(),
            what,
        };
        let mut file = File::open(path).map_err(failed)?;
        let (mut magic, mut length) = ([0; MAGIC.len()], [0; 4]);
        let begun = file.read_exact(&mut magic);
        if begun.is_err() || magic != *MAGIC {
            let newer = magic.starts_with(ANY_VERSION);
            return Err(bad(if newer { NEWER } else { "this is no history" }));
        }
        let cut = |_| bad(CUT);
        let end = file.seek(SeekFrom::End(-4)).map_err(cut)?;
        file.read_exact(&mut length).map_err(cut)?;
        let length = u32::from_be_bytes(length);
        let length_of = |length| usize::try_from(length).unwrap_or(usize::MAX);
        let manifest = end.checked_sub(length.into());
        let sealed = manifest.and_then(|manifest| manifest.checked_sub(BEHIND_MAGIC));
        let (Some(manifest), Some(sealed)) = (manifest, sealed) else {
            return Err(bad(CUT));
        };
        if length_of(length) > SignedManifest::MAX {
            return Err(bad(CUT));
        }
        let mut bytes = vec![0; length_of(length)];
        file.seek(SeekFrom::Start(manifest)).map_err(failed)?;
        file.read_exact(&mut bytes).map_err(failed)?;
        let signed: SignedManifest = decode(&bytes).map_err(|_| bad(CUT))?;
        if signed.manifest.version != VERSION {
            return Err(bad(NEWER));
        }
        Ok(Self {
            path: path.to_owned(),
            file,
            sealed,
            signed,
        })
    }

    /// The sealed chunks are those that were signed.
    pub(super) fn check_content(&mut self) -> Result<(), Error> {
        let mut context = digest::Context::new(&digest::SHA256);
        let path = self.path.clone();
        let mut chunks = self.chunks()?;
        let mut buffer = vec![0; BUFFER];
        loop {
            let read = chunks.read(&mut buffer);
            let read = read.map_err(|error| Error::File(path.clone(), error))?;
            let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else {
                break;
            };
            context.update(bytes);
        }
        let mut hash = [0; 32];
        hash.copy_from_slice(context.finish().as_ref());
        if Hash(hash) == self.signed.manifest.content {
            Ok(())
        } else {
            Err(self.bad("it was changed after it was signed"))
        }
    }

    /// The chunks' key, by the V that was touched.
    pub(super) fn key(&self, directory: &Directory, touched: &Touched) -> Result<StoreKey, Error> {
        let mut seals = self.signed.manifest.seals.iter();
        let seal = seals.find(|seal| {
            let key = directory.key(seal.key);
            key.is_some_and(|key| key.record.statement.id.as_slice() == touched.credential)
        });
        let seal = seal.ok_or(Error::NotSealedToKey)?;
        let secret = SealedSecret {
            encapsulated: seal.encapsulated.clone(),
            sealed: seal.sealed.clone(),
        };
        Ok(touched.key.open(&seal_info(directory), &secret)?)
    }

    /// The letters, in order.
    pub(super) fn letters(&mut self, key: StoreKey) -> Result<Letters<'_>, Error> {
        let (path, left) = (self.path.clone(), self.signed.manifest.letters);
        let length = self.sealed;
        let chunks = Opener::new(key, self.chunks()?, length);
        Ok(Letters { path, chunks, left })
    }

    fn chunks(&mut self) -> Result<io::Take<&mut File>, Error> {
        let sought = self.file.seek(SeekFrom::Start(BEHIND_MAGIC));
        sought.map_err(|error| Error::File(self.path.clone(), error))?;
        let file = &mut self.file;
        Ok(file.take(self.sealed))
    }

    fn bad(&self, what: &'static str) -> Error {
        let path = self.path.clone();
        Error::BadHistory { path, what }
    }
}

const CUT: &str = "it is not whole";
const NEWER: &str = "it was written by a newer valise";

/// The letters of a history, out of its chunks.
pub(super) struct Letters<'f> {
    path: PathBuf,
    chunks: Opener<io::Take<&'f mut File>>,
    left: u64,
}

impl Letters<'_> {
    /// The next ones: at most `letters`, and no more once they have `bytes`. None: that was all.
    pub(super) fn batch(&mut self, letters: usize, bytes: usize) -> Result<Vec<KeptLetter>, Error> {
        let mut batch = Vec::new();
        let mut size = 0;
        while self.left > 0 && batch.len() < letters && size < bytes {
            let (letter, length) = self.next()?;
            self.left -= 1;
            size += length;
            batch.push(letter);
        }
        Ok(batch)
    }

    /// The next letter, and how many bytes it has.
    fn next(&mut self) -> Result<(KeptLetter, usize), Error> {
        let bad = |what| Error::BadHistory {
            path: self.path.clone(),
            what,
        };
        let mut length = [0; 4];
        let read = self.chunks.read_exact(&mut length);
        read.map_err(|_| bad(CUT))?;
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if length > KeptLetter::MAX {
            return Err(bad("a letter in it is larger than letters are"));
        }
        let mut bytes = vec![0; length];
        self.chunks.read_exact(&mut bytes).map_err(|_| bad(CUT))?;
        let letter = decode(&bytes).map_err(|_| bad("a letter in it is none"))?;
        Ok((letter, length))
    }
}
