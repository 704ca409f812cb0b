//! The directory log: replayed at start, held in memory, appended to under one lock.
//!
//! The server decides nothing here: [`valise_proto::log::replay`] says what is true, the database
//! keeps the bytes, and the log key signs the order.

pub(crate) mod exported;

use std::{
    fs,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use ring::{
    rand::SystemRandom,
    signature::{Ed25519KeyPair, KeyPair},
};
use tokio::sync::{Mutex, watch};
use valise_proto::{
    api::directory::{Appended, Page},
    codec::{Bytes, Limited, Text, decode},
    id::{KeyId, OrgId},
    key::Ed25519Key,
    log::{
        checkpoint::{self, PeerBadCheckpoint},
        entry::{Entry, Fact, Statement},
        merkle::leaf_hash,
        replay::{Directory, Refusal},
    },
};

pub use exported::TakeBackError;

use crate::{
    clock::Clock,
    config::Config,
    store::{Store, StoreError},
    tls::{TlsError, write_private},
};

/// Entries in one page at most.
const PAGE_ENTRIES: u32 = 512;
/// Bytes of entries in one page at most: below `Page::MAX`, with room for proof and checkpoint. The
/// largest entry fits.
const PAGE_BYTES: usize = 1 << 20;
const _: () = assert!(Entry::MAX <= PAGE_BYTES);

/// How often the log is read again when other servers append meanwhile.
const ATTEMPTS: u32 = 20;

/// How far two honest clocks may differ: ten minutes. No entry is dated further ahead than that.
pub(crate) const SKEW_MS: u64 = 10 * 60_000;
/// How long the admins of a recovery have to sign it, one after the other: an hour.
const BEGIN_MS: u64 = 60 * 60_000;

/// How long before the server's clock an entry may be dated; `None`: as long as it likes.
///
/// An act that needs several admins is dated by the first, and lies until the last has signed: days,
/// maybe. Only a recovery's wait is counted in time, from the date of its begin to the date of its
/// finish (E07). A begin from yesterday would have waited before anybody could see it; a finish is
/// one admin's act, and needs no more room than his clock.
fn past_ms(fact: &Fact) -> Option<u64> {
    match fact {
        Fact::RecoveryBegin(_) => Some(BEGIN_MS),
        Fact::RecoveryFinish(_) => Some(SKEW_MS),
        _ => None,
    }
}

/// The log cannot be opened: nothing is served from a log that is not what it was.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no organisation in the database.
    #[error("this data folder holds no organisation: run `valised init`")]
    MisuseNotFounded,
    /// The log key cannot be read.
    #[error("the log key {0} cannot be read")]
    LogKey(std::path::PathBuf),
    /// A row was changed, added or removed behind the server's back.
    #[error("entry {index} of the directory log does not apply: the database was changed")]
    Entry {
        /// Which entry.
        index: u64,
        /// Why.
        #[source]
        refusal: Refusal,
    },
    /// The rows do not lead to the last signed head.
    #[error("the directory log does not lead to its last signed head: the database was changed")]
    Head,
}

/// Why an entry was not appended.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The log's rules.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The organisation names the models that it allows, and nobody has shown this key's.
    #[error("show where the new key comes from first, by an ask of its own")]
    KeyAdd,
    /// Entries may be missing: another in their place would be a second log.
    #[error(
        "this server was put back from a backup, and its log takes no entry until its operator says that none is missing: \
         valised log open"
    )]
    Held,
    /// Signed too long ago, or too far ahead.
    #[error(
        "the {kind} entry is dated {skew_ms} ms from the server's clock: at most {most_ms} are allowed"
    )]
    Clock {
        /// The fact's kind.
        kind: &'static str,
        /// How far.
        skew_ms: u64,
        /// How far it may be, in that direction.
        most_ms: u64,
    },
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The database holds rows that the log in memory cannot follow.
    #[error(transparent)]
    Log(#[from] OpenError),
    /// The same entry is there, but the log in memory is not: cannot be.
    #[error("no proof for an entry of the log")]
    NoProof,
}

/// The log key: signs heads.
#[derive(Debug)]
pub struct LogKey {
    pair: Ed25519KeyPair,
    public: Ed25519Key,
}

impl LogKey {
    /// Makes a key and its file.
    pub fn make(config: &Config) -> Result<(), TlsError> {
        let path = config.log_key_path();
        let document =
            Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| TlsError::File {
                path: path.clone(),
                source: std::io::Error::other("no randomness"),
            })?;
        write_private(&path, document.as_ref())
    }

    /// Reads the key's file.
    pub fn load(config: &Config) -> Result<Self, OpenError> {
        let path = config.log_key_path();
        let read = || {
            let pair = Ed25519KeyPair::from_pkcs8(&fs::read(&path).ok()?).ok()?;
            let public: [u8; 32] = pair.public_key().as_ref().try_into().ok()?;
            let public = Ed25519Key::try_from(public).ok()?;
            Some(Self { pair, public })
        };
        read().ok_or(OpenError::LogKey(path))
    }

    /// Its public half, as the card has it.
    pub fn public(&self) -> Ed25519Key {
        self.public
    }

    /// The signed head of `directory`.
    pub fn checkpoint(&self, directory: &Directory) -> String {
        checkpoint::format_signed(directory.org(), directory.head(), self.public, |text| {
            self.sign(text)
        })
    }

    /// `note`, and this key's word that it is the newest one at `now_ms`.
    fn cosigned(&self, org: OrgId, note: &str, now_ms: u64) -> Result<String, PeerBadCheckpoint> {
        let (name, time) = (checkpoint::origin(org), now_ms / 1000);
        let line =
            checkpoint::format_cosignature(note, &name, self.public, time, |text| self.sign(text))?;
        Ok(format!("{note}{line}"))
    }

    fn sign(&self, text: &[u8]) -> [u8; 64] {
        let mut signature = [0; 64];
        signature.copy_from_slice(self.pair.sign(text).as_ref());
        signature
    }
}

/// A moment of the log: the directory and its signed head.
#[derive(Debug)]
pub struct Snapshot {
    /// Who is who.
    pub directory: Directory,
    /// Signed note over its head.
    pub checkpoint: String,
}

/// The log.
#[derive(Debug)]
pub struct Log {
    store: Store,
    clock: Arc<dyn Clock>,
    key: LogKey,
    genesis: Vec<u8>,
    now: RwLock<Arc<Snapshot>>,
    appending: Mutex<()>,
    size: watch::Sender<u64>,
    /// The largest log that somebody says that he has seen here.
    seen: AtomicU64,
}

impl Log {
    /// Writes a new organisation into an empty database.
    pub async fn found(store: &Store, key: &LogKey, entries: &[&[u8]]) -> Result<OrgId, OpenError> {
        let directory = replay(entries.iter().copied())?;
        let mut write = store.begin().await?;
        write
            .insert_organisation(directory.org(), &key.checkpoint(&directory))
            .await?;
        for (index, entry) in (0..).zip(entries) {
            write
                .append_log_entry(index, leaf_hash(entry), entry)
                .await?;
        }
        write.commit().await?;
        Ok(directory.org())
    }

    /// Replays the whole log (D08, D12).
    pub async fn open(store: Store, key: LogKey, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let (org, note) = store
            .organisation()
            .await?
            .ok_or(OpenError::MisuseNotFounded)?;
        let genesis = store.log_entries(0, 1, 0).await?.into_iter().next();
        let genesis = genesis.ok_or(OpenError::MisuseNotFounded)?;
        let mut directory = replay([genesis.as_slice()])?;
        if directory.org() != org {
            return Err(OpenError::Head);
        }
        let note = follow(&store, &mut directory, note, key.public()).await?;
        let size = watch::Sender::new(directory.head().size);
        Ok(Self {
            store,
            clock,
            key,
            genesis,
            now: RwLock::new(Arc::new(Snapshot {
                directory,
                checkpoint: note,
            })),
            appending: Mutex::default(),
            size,
            seen: AtomicU64::new(0),
        })
    }

    /// The log as it is now. Whoever holds it sees no later change.
    pub fn now(&self) -> Arc<Snapshot> {
        Arc::clone(&self.now.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The log's size, as it grows.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.size.subscribe()
    }

    /// Appends `entry` if it is true. Sent again, it answers as the first time.
    ///
    /// `shown` is a key whose makers' attestation this server has checked: where the organisation names
    /// the models that it allows, no other is added to an account.
    ///
    /// It must run to its end: dropped during the commit, nobody knows what the database holds. The
    /// next append would find out, but until then readers are told an old head.
    pub async fn append(
        &self,
        entry: &[u8],
        shown: Option<KeyId>,
    ) -> Result<Appended, AppendError> {
        let _appending = self.appending.lock().await;
        let mut attempts = 0;
        loop {
            attempts += 1;
            match self.append_next(entry, shown).await {
                // Another server has appended at this very place.
                Err(AppendError::Store(error)) if error.was_overtaken() && attempts < ATTEMPTS => {}
                answer => return answer,
            }
        }
    }

    async fn append_next(
        &self,
        entry: &[u8],
        shown: Option<KeyId>,
    ) -> Result<Appended, AppendError> {
        let now = self.catch_up().await?;
        let leaf = leaf_hash(entry);
        if let Some(index) = self.store.log_index(leaf).await? {
            return appended(&now, index);
        }
        if self.store.log_held().await? {
            return Err(AppendError::Held);
        }
        // Before the directory is copied: it is large, and what is refused is refused often.
        let Statement { time, fact, .. } = now.directory.admit(entry)?.statement;
        check_date(&fact, time, self.clock.now_ms())?;
        if let Fact::KeyAdd(add) = &fact
            && !now.directory.policy().attestation.is_empty()
            && shown != Some(add.key.id())
        {
            return Err(AppendError::KeyAdd);
        }
        let mut directory = now.directory.clone();
        directory.apply(entry)?;
        let checkpoint = self.key.checkpoint(&directory);
        let index = now.directory.head().size;
        let mut write = self.store.begin().await?;
        write.append_log_entry(index, leaf, entry).await?;
        write.set_checkpoint(&checkpoint).await?;
        write.commit().await?;
        appended(&self.publish(directory, checkpoint), index)
    }

    /// Reads what other servers have appended, if the log in memory is shorter than `size`.
    pub async fn extend_to(&self, size: u64) -> Result<(), OpenError> {
        if self.now().directory.head().size < size {
            let _appending = self.appending.lock().await;
            self.catch_up().await?;
        }
        Ok(())
    }

    /// The log as the database has it: beyond what is in memory after a commit whose outcome nobody
    /// learnt, or of another server. The caller holds the lock.
    async fn catch_up(&self) -> Result<Arc<Snapshot>, OpenError> {
        let now = self.now();
        let known = now.directory.head().size;
        if self.store.log_entries(known, 1, 0).await?.is_empty() {
            return Ok(now);
        }
        let mut directory = now.directory.clone();
        let note = now.checkpoint.clone();
        let note = follow(&self.store, &mut directory, note, self.key.public()).await?;
        if !self.store.is_shared() {
            tracing::warn!("the log in memory was behind the database: caught up");
        }
        Ok(self.publish(directory, note))
    }

    /// Shows a new moment to everybody.
    fn publish(&self, directory: Directory, checkpoint: String) -> Arc<Snapshot> {
        let size = directory.head().size;
        let next = Arc::new(Snapshot {
            directory,
            checkpoint,
        });
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&next);
        self.size.send_replace(size);
        next
    }

    /// The newest entry.
    pub async fn newest(&self) -> Result<Option<Entry>, StoreError> {
        let last = self.now().directory.head().size.saturating_sub(1);
        let rows = self.store.log_entries(last, 1, 0).await?;
        Ok(rows.first().and_then(|entry| decode(entry).ok()))
    }

    /// How many entries clients say that they have seen beyond this log's end. Honest ones say so of a
    /// server that was restored from a backup; others may say anything, and nothing depends on it.
    pub fn missing(&self) -> u64 {
        let seen = self.seen.load(Ordering::Relaxed);
        seen.saturating_sub(self.now().directory.head().size)
    }

    fn note_seen(&self, seen: u64, size: u64) {
        if seen > size && self.seen.fetch_max(seen, Ordering::Relaxed) < seen {
            tracing::error!(
                seen,
                size,
                "a client has seen more of the log than this server has: was it restored from a backup? \
                 See `valised log take-back --help`"
            );
        }
    }

    /// Entries from `from`, and the proof that the log extends the one of size `old`. The head is
    /// said to be the newest one at `now_ms`.
    ///
    /// For a `from` or `old` beyond the end there are no entries and no proof: the signed checkpoint
    /// alone, which is what a client needs to see that it knows more than this server.
    pub async fn page(&self, from: u64, old: u64, now_ms: u64) -> Result<Page, StoreError> {
        let now = self.now();
        let size = now.directory.head().size;
        self.note_seen(old, size);
        let consistency = if old == 0 {
            Vec::new()
        } else {
            let tree = now.directory.tree();
            tree.consistency(old, size).unwrap_or_default()
        };
        let left = u32::try_from(size.saturating_sub(from)).unwrap_or(u32::MAX);
        let limit = left.min(PAGE_ENTRIES);
        let rows = self.store.log_entries(from, limit, PAGE_BYTES).await?;
        let entries: Result<Vec<_>, _> = rows.into_iter().map(Bytes::try_from).collect();
        let (org, note) = (now.directory.org(), &now.checkpoint);
        let checkpoint = self.key.cosigned(org, note, now_ms);
        let corrupt = |_| StoreError::Corrupt("checkpoint");
        Ok(Page {
            checkpoint: Text::truncated(&checkpoint.map_err(corrupt)?),
            consistency,
            entries: entries.map_err(|_| StoreError::Corrupt("entry"))?,
        })
    }

    /// The genesis entry.
    pub fn genesis(&self) -> &[u8] {
        &self.genesis
    }
}

/// Applies every row that `directory` does not have yet. Returns the signed head to which they lead: if
/// it is not `note`, it is read after them, and they again when another server has appended in between.
async fn follow(
    store: &Store,
    directory: &mut Directory,
    mut note: String,
    key: Ed25519Key,
) -> Result<String, OpenError> {
    for _ in 0..ATTEMPTS {
        apply_rows(store, directory).await?;
        if checkpoint::open(&note, directory.org(), key) == Ok(directory.head()) {
            return Ok(note);
        }
        let organisation = store.organisation().await?;
        (_, note) = organisation.ok_or(OpenError::MisuseNotFounded)?;
        if checkpoint::open(&note, directory.org(), key) == Ok(directory.head()) {
            return Ok(note);
        }
    }
    Err(OpenError::Head)
}

async fn apply_rows(store: &Store, directory: &mut Directory) -> Result<(), OpenError> {
    loop {
        let size = directory.head().size;
        let entries = store.log_entries(size, PAGE_ENTRIES, PAGE_BYTES).await?;
        if entries.is_empty() {
            return Ok(());
        }
        for (index, entry) in (size..).zip(entries) {
            directory
                .apply(&entry)
                .map_err(|refusal| OpenError::Entry { index, refusal })?;
        }
    }
}

/// The directory after `entries`, the first of which is the genesis entry.
pub fn replay<'a>(entries: impl IntoIterator<Item = &'a [u8]>) -> Result<Directory, OpenError> {
    let mut entries = (0..).zip(entries);
    let (_, genesis) = entries.next().ok_or(OpenError::MisuseNotFounded)?;
    let mut directory =
        Directory::found(genesis).map_err(|refusal| OpenError::Entry { index: 0, refusal })?;
    for (index, entry) in entries {
        directory
            .apply(entry)
            .map_err(|refusal| OpenError::Entry { index, refusal })?;
    }
    Ok(directory)
}

/// The entry is dated neither too far ahead nor, where that matters, too long ago.
fn check_date(fact: &Fact, time: u64, now_ms: u64) -> Result<(), AppendError> {
    let most_ms = if time > now_ms {
        Some(SKEW_MS)
    } else {
        past_ms(fact)
    };
    let skew_ms = time.abs_diff(now_ms);
    match most_ms {
        Some(most_ms) if skew_ms > most_ms => Err(AppendError::Clock {
            kind: fact.kind(),
            skew_ms,
            most_ms,
        }),
        _ => Ok(()),
    }
}

fn appended(now: &Snapshot, index: u64) -> Result<Appended, AppendError> {
    let tree = now.directory.tree();
    Ok(Appended {
        index,
        checkpoint: Text::truncated(&now.checkpoint),
        inclusion: tree
            .inclusion(index, tree.size())
            .ok_or(AppendError::NoProof)?,
    })
}
