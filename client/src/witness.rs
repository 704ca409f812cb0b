//! A witness: signs the heads of one log, each only if it extends every head that it signed before.
//!
//! Its signature says in what order heads came, and when. It says nothing about what is in the log, so
//! no security key and no touch is asked for: whoever steals the key can help a lying server to one
//! false date, and only together with a majority of the witnesses.

mod evidence;
mod serve;

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use valise_proto::{
    card::Card,
    key::Ed25519Key,
    log::{
        Head,
        checkpoint::{SignedHead, cosigned_at, format_cosignature},
        entry,
        evidence::EVIDENCE_MAX,
        merkle::Tree,
        witness::{AddCheckpoint, Refusal, may_cosign},
    },
};
use zeroize::Zeroizing;

pub use evidence::Contradiction;
pub use serve::serve;

use crate::{
    failpoint::reached,
    home::{Home, HomeError},
    provider::DeviceSigner,
    random::{self, NoRandomness},
};

/// Letters of its key in the name of a witness that was given none.
const NAME_LETTERS: usize = 8;

/// Why there is no witness, or it does not sign.
#[derive(Debug, thiserror::Error)]
pub enum WitnessError {
    /// What was written here is not what a witness writes. It must not begin anew: it has promised to
    /// sign nothing else than what extends what it signed.
    #[error(
        "{0} is not as this witness wrote it: make a new witness, and have admins replace this one"
    )]
    Damaged(PathBuf),
    /// The folder is not fit.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The log shows another past than the one that was signed here. Both heads are kept; `new`: only now.
    #[error("{refusal}")]
    Contradiction {
        /// What the log is told.
        refusal: Refusal,
        /// The two heads.
        found: Box<Contradiction>,
        /// They were not kept here before.
        new: bool,
    },
    /// A file cannot be read or written.
    #[error("{0}: {1}")]
    Io(PathBuf, #[source] io::Error),
    /// No name of a signer: too long, or with a space or a plus sign.
    #[error("a witness' name has 1 to 64 bytes, without spaces and without +")]
    MisuseName,
    /// There is none here.
    #[error("there is no witness in {0} yet")]
    MisuseNotMade(PathBuf),
    /// There is one here.
    #[error("there is a witness in {0} already: it stays as it is")]
    MisuseTaken(PathBuf),
    /// The rules of witnesses.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl From<NoRandomness> for WitnessError {
    fn from(error: NoRandomness) -> Self {
        Self::Io("the key".into(), io::Error::other(error))
    }
}

/// What a witness has signed last.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Signed {
    /// The head.
    pub head: Head,
    /// When: seconds since 1970.
    pub time: u64,
}

/// A witness on this machine, in a folder of its own.
///
/// The folder holds the card, the name, the key, and the last note that was signed. The note is all
/// that the witness remembers.
#[derive(Debug)]
pub struct Witness {
    home: Home,
    card: Card,
    signer: DeviceSigner,
    public: entry::Witness,
    key: Ed25519Key,
}

impl Witness {
    /// Makes a witness of the log on `card` in `folder`. Without a name it gets one from the server's
    /// host and its own key.
    pub fn init(folder: &Path, card: &Card, name: Option<&str>) -> Result<Self, WitnessError> {
        let home = Home::open(folder)?;
        let _alone = lock(&home)?;
        let key = key_file(&home);
        if key.exists() {
            return Err(WitnessError::MisuseTaken(folder.to_owned()));
        }
        let seed = random::secret::<32>()?;
        let name = match name {
            Some(name) => name.to_owned(),
            None => default_name(card, &seed)?,
        };
        let public = public(name, seed.as_slice())?;
        let written = |path: PathBuf, bytes: &[u8]| {
            home.write(&path, bytes)
                .map_err(|error| WitnessError::Io(path, error))
        };
        written(card_file(&home), card.to_string().as_bytes())?;
        written(name_file(&home), public.name.as_str().as_bytes())?;
        written(state_file(&home), b"")?;
        // The last: with it there is a witness.
        written(key, seed.as_slice())?;
        Self::open(folder)
    }

    /// Opens the witness in `folder`.
    pub fn open(folder: &Path) -> Result<Self, WitnessError> {
        let home = Home::open(folder)?;
        if !key_file(&home).exists() {
            return Err(WitnessError::MisuseNotMade(folder.to_owned()));
        }
        let seed = Zeroizing::new(read(&key_file(&home))?);
        let (card_file, name_file) = (card_file(&home), name_file(&home));
        let card = String::from_utf8(read(&card_file)?).ok();
        let card: Option<Card> = card.and_then(|text| text.parse().ok());
        let card = card.ok_or(WitnessError::Damaged(card_file))?;
        let damaged = || WitnessError::Damaged(name_file.clone());
        let name = String::from_utf8(read(&name_file)?).map_err(|_| damaged())?;
        let public = public(name, &seed).map_err(|_| damaged())?;
        let key = Ed25519Key::try_from(public.key).map_err(|_| damaged())?;
        let signer = DeviceSigner::from_seed(&seed).map_err(|_| damaged())?;
        let witness = Self {
            home,
            card,
            signer,
            public,
            key,
        };
        witness.signed()?;
        Ok(witness)
    }

    /// Its name and its key, as they go into the organisation's policy.
    pub fn public(&self) -> &entry::Witness {
        &self.public
    }

    /// The card of the organisation whose log it watches.
    pub fn card(&self) -> &Card {
        &self.card
    }

    /// The newest head that it has signed; `None` before the first.
    pub fn signed(&self) -> Result<Option<Signed>, WitnessError> {
        let remembered = self.remembered()?;
        Ok(remembered.map(|(signed, time)| Signed {
            head: signed.head,
            time,
        }))
    }

    /// The newest head that it has signed, as the server signed it, and when it did: seconds since 1970.
    fn remembered(&self) -> Result<Option<(SignedHead, u64)>, WitnessError> {
        let file = state_file(&self.home);
        let note = String::from_utf8(read(&file)?).ok();
        let damaged = || WitnessError::Damaged(file);
        let note = note.ok_or_else(damaged.clone())?;
        if note.is_empty() {
            return Ok(None);
        }
        let signed = SignedHead::open(&note, self.card.org, self.card.log);
        let time = cosigned_at(&note, self.public.name.as_str(), self.key);
        match (signed, time) {
            (Ok(signed), Ok(Some(time))) => Ok(Some((signed, time))),
            _ => Err(damaged()),
        }
    }

    /// Signs the head that `request` asks for, at `now_ms`, if it extends what this witness signed
    /// before. Returns the signature line.
    ///
    /// One at a time, whatever other process serves this folder; and what is signed is durable here
    /// before the signature leaves. So no crash lets two heads of one size be signed.
    pub fn cosign(&self, request: &str, now_ms: u64) -> Result<String, WitnessError> {
        let request = AddCheckpoint::parse(request).map_err(|_| Refusal::Malformed)?;
        let _alone = lock(&self.home)?;
        let remembered = self.remembered()?.map(|(signed, _)| signed);
        let known = remembered.map_or_else(|| Tree::default().head(), |signed| signed.head);
        let (org, log) = (self.card.org, self.card.log);
        let allowed = may_cosign(&request, org, log, known);
        let note = allowed.map_err(|refusal| self.refuse(refusal, remembered, &request))?;
        let note = note.to_note(org, log);
        let name = self.public.name.as_str();
        let line = format_cosignature(&note, name, self.key, now_ms / 1000, |text| {
            let mut signature = [0; 64];
            signature.copy_from_slice(&self.signer.sign_bytes(text));
            signature
        });
        let line = line.map_err(|_| Refusal::Malformed)?;
        reached("before-witness-state");
        let file = state_file(&self.home);
        self.home
            .write(&file, format!("{note}{line}").as_bytes())
            .map_err(|error| WitnessError::Io(file, error))?;
        reached("after-witness-state");
        Ok(line)
    }

    /// Keeps the two heads first, where the log contradicts what was signed here.
    fn refuse(
        &self,
        refusal: Refusal,
        known: Option<SignedHead>,
        request: &AddCheckpoint,
    ) -> WitnessError {
        let found = known.and_then(|known| Contradiction::of(&self.card, known, request));
        let Some(found) = found else {
            return refusal.into();
        };
        match self.keep(&found) {
            Err(error) => error,
            Ok(new) => WitnessError::Contradiction {
                refusal,
                found: Box::new(found),
                new,
            },
        }
    }
}

fn key_file(home: &Home) -> PathBuf {
    home.folder().join("key")
}

fn card_file(home: &Home) -> PathBuf {
    home.folder().join("card.valise")
}

fn name_file(home: &Home) -> PathBuf {
    home.folder().join("name")
}

fn state_file(home: &Home) -> PathBuf {
    home.folder().join("signed")
}

/// Held by whoever reads what was signed and signs; the system lets go of it when the process ends.
fn lock(home: &Home) -> Result<File, WitnessError> {
    let path = home.folder().join("lock");
    let locked = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .and_then(|file| file.lock().map(|()| file));
    locked.map_err(|error| WitnessError::Io(path, error))
}

/// A file of the witness' own. None is longer than evidence.
fn read(path: &Path) -> Result<Vec<u8>, WitnessError> {
    let damaged = || WitnessError::Damaged(path.to_owned());
    let mut bytes = Vec::new();
    let most = u64::try_from(EVIDENCE_MAX).unwrap_or(u64::MAX);
    let file = File::open(path);
    let read = file.and_then(|file| file.take(most.saturating_add(1)).read_to_end(&mut bytes));
    match read {
        Ok(_) if bytes.len() <= EVIDENCE_MAX => Ok(bytes),
        Ok(_) => Err(damaged()),
        // Everything is written before there is a witness.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(damaged()),
        Err(error) => Err(WitnessError::Io(path.to_owned(), error)),
    }
}

/// What others know of the witness with this name and this secret.
fn public(name: String, seed: &[u8]) -> Result<entry::Witness, WitnessError> {
    let wrong = || WitnessError::MisuseName;
    let signer = DeviceSigner::from_seed(seed).map_err(|_| wrong())?;
    let key = signer.public_key().try_into().map_err(|_| wrong())?;
    let name = name.try_into().map_err(|_| wrong())?;
    let witness = entry::Witness { name, key };
    // As an admin will type it.
    let typed: entry::Witness = witness.to_string().parse().map_err(|_| wrong())?;
    Ok(typed)
}

fn default_name(card: &Card, seed: &[u8; 32]) -> Result<String, WitnessError> {
    let signer = DeviceSigner::from_seed(seed).map_err(|_| WitnessError::MisuseName)?;
    let key = data_encoding::HEXLOWER.encode(signer.public_key());
    let letters: String = key.chars().take(NAME_LETTERS).collect();
    Ok(format!("{}/{letters}", card.url.host()))
}

#[cfg(test)]
mod tests;
