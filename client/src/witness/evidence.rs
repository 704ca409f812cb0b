//! What a witness keeps when it is shown a log that contradicts what it signed: both heads, as the server
//! signed them.
//!
//! Anybody may show it the one head beside a proof that he made up. So only what proves something is called
//! evidence; of two heads without a proof it is said that somebody has to look.

use std::fs;

use data_encoding::HEXLOWER;
use valise_proto::{
    card::Card,
    log::{checkpoint::SignedHead, evidence::Evidence, witness::AddCheckpoint},
    statement::sha256,
};

use super::{Witness, WitnessError};

/// What is kept at most, of each kind: whoever shows more shows nothing new.
const KEPT_MAX: usize = 32;
/// How the names of the files begin.
const FILE: &str = "evidence-";
/// What the text of two heads that prove nothing by themselves begins with.
const HEADS: &str = "valise/heads/v1";
/// Lines of a note with one signature.
const NOTE_LINES: usize = 5;

/// Two heads of one log, of which the witness signed the one and was shown the other.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Contradiction {
    /// Signed here.
    pub known: SignedHead,
    /// Shown, and not signed here.
    pub shown: SignedHead,
    /// Whether they prove to anybody that the server signed two logs.
    pub proven: bool,
    /// As [`Evidence::to_text`] if they do.
    pub text: String,
}

impl Contradiction {
    /// What `request` shows that does not extend `known`; `None` when it may.
    pub(super) fn of(card: &Card, known: SignedHead, request: &AddCheckpoint) -> Option<Self> {
        let shown = SignedHead::open(&request.checkpoint, card.org, card.log).ok()?;
        let (size, root) = (known.head.size, known.head.root);
        let same = shown.head.size == size;
        // Of a smaller log nothing is known here; of a larger one only what is proven from this size.
        let unlike = if same {
            shown.head.root != root
        } else {
            shown.head.size > size && request.old == size
        };
        if !unlike {
            return None;
        }
        let evidence = Evidence::of(known, shown, &request.proof);
        let text = if let Some(evidence) = &evidence {
            evidence.to_text(card.org, card.log)
        } else {
            let note = |head: SignedHead| head.to_note(card.org, card.log);
            format!("{HEADS}\n\n{}\n{}", note(known), note(shown))
        };
        Some(Self {
            known,
            shown,
            proven: evidence.is_some(),
            text,
        })
    }

    /// Reads what was kept.
    pub(crate) fn open(card: &Card, text: String) -> Option<Self> {
        if let Ok(evidence) = Evidence::open(&text, card.org, card.log) {
            return Some(Self {
                known: evidence.older,
                shown: evidence.newer,
                proven: true,
                text,
            });
        }
        let mut lines = text.split_inclusive('\n');
        let mut head = || {
            // The title, or what stands between the two, comes before each.
            lines.by_ref().find(|line| *line == "\n")?;
            let note: String = lines.by_ref().take(NOTE_LINES).collect();
            SignedHead::open(&note, card.org, card.log).ok()
        };
        let (known, shown) = (head()?, head()?);
        Some(Self {
            known,
            shown,
            proven: false,
            text,
        })
    }
}

impl Witness {
    /// Everything that was kept, the oldest first.
    pub fn contradictions(&self) -> Result<Vec<Contradiction>, WitnessError> {
        let kept = self.kept()?.into_iter();
        kept.map(|name| {
            let path = self.home.folder().join(name);
            let text = String::from_utf8(super::read(&path)?).ok();
            let found = text.and_then(|text| Contradiction::open(&self.card, text));
            found.ok_or(WitnessError::Damaged(path))
        })
        .collect()
    }

    /// The names of the files, the oldest first.
    fn kept(&self) -> Result<Vec<String>, WitnessError> {
        let folder = self.home.folder();
        let failed = |error| WitnessError::Io(folder.to_owned(), error);
        let mut names = Vec::new();
        for file in fs::read_dir(folder).map_err(failed)? {
            let name = file.map_err(failed)?.file_name();
            names.extend(name.into_string().ok().filter(|it| it.starts_with(FILE)));
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Keeps it, once. False when it is here, or no room is left. The caller holds the lock.
    pub(super) fn keep(&self, found: &Contradiction) -> Result<bool, WitnessError> {
        let kept = self.kept()?;
        let kind = if found.proven { "proof" } else { "heads" };
        let roots = [found.known.head.root.0, found.shown.head.root.0];
        let [a, b, c, d, ..] = sha256(&[roots.as_flattened()]);
        let tail = format!("{kind}-{}", HEXLOWER.encode(&[a, b, c, d]));
        let alike = kept.iter().filter(|name| name.contains(kind));
        if alike.count() >= KEPT_MAX || kept.iter().any(|name| name.ends_with(&tail)) {
            return Ok(false);
        }
        let path = self
            .home
            .folder()
            .join(format!("{FILE}{:03}-{tail}", kept.len() + 1));
        self.home
            .write(&path, found.text.as_bytes())
            .map_err(|error| WitnessError::Io(path, error))?;
        Ok(true)
    }
}
