//! Witnesses: has each head of the log signed by those who watch it, and puts their lines under it.
//!
//! Which of them count is the policy's word; where they are, the configuration's. Nothing waits for
//! them for long, and nothing fails because they are away: then it is the clients who stop sending.

mod ask;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::{sync::watch, task::JoinSet, time::timeout};
use valise_proto::{
    api::directory::Page,
    codec::Text,
    key::Ed25519Key,
    log::{checkpoint::Cosignature, entry::Witness},
};

use crate::{
    Chain,
    config::Config,
    directory::{Log, Snapshot},
    post::Address,
};
use ask::AskError;

/// After a failure a witness is asked again this soon, or after the interval if that is shorter.
const RETRY: Duration = Duration::from_secs(30);

/// A witness' address that is none.
#[derive(Debug, thiserror::Error)]
#[error("the witness {name} is not at http://HOST:PORT: correct it in valised.toml")]
pub struct MisuseAddress {
    name: String,
}

/// The witnesses that the operator knows.
#[derive(Debug)]
pub struct Witnesses {
    log: Arc<Log>,
    addresses: BTreeMap<String, Address>,
    interval: Duration,
    patience: Duration,
    wait: Duration,
    heard: watch::Sender<Heard>,
}

/// What they said of one head.
#[derive(Debug, Default)]
struct Heard {
    /// The head's signed note.
    note: String,
    /// Its size.
    size: u64,
    /// By name: the word, or none when it could not be had.
    words: BTreeMap<String, Option<(Ed25519Key, Cosignature)>>,
}

impl Heard {
    /// Nothing more is worth waiting for: enough of them have signed, or everybody was asked.
    fn is_settled(&self, now: &Snapshot, addresses: &BTreeMap<String, Address>) -> bool {
        if self.note != now.checkpoint {
            return false;
        }
        let policy = now.directory.policy();
        let signed = self.words.values().flatten().count();
        let asked = |witness: &Witness| {
            let name = witness.name.as_str();
            self.words.contains_key(name) || !addresses.contains_key(name)
        };
        signed >= usize::from(policy.witness_quorum) || policy.witnesses.iter().all(asked)
    }
}

impl Witnesses {
    /// The witnesses in the configuration.
    pub fn new(config: &Config, log: Arc<Log>) -> Result<Self, MisuseAddress> {
        let addresses = config.witnesses.iter().map(|(name, url)| {
            let address = Address::parse(url).ok_or_else(|| MisuseAddress { name: name.clone() });
            Ok((name.clone(), address?))
        });
        Ok(Self {
            log,
            addresses: addresses.collect::<Result<_, _>>()?,
            interval: Duration::from_millis(config.witness_interval_ms),
            patience: Duration::from_millis(config.witness_timeout_ms),
            wait: Duration::from_millis(config.witness_wait_ms),
            heard: watch::Sender::default(),
        })
    }

    /// Waits a moment for the witnesses to sign the log as it is now; returns in any case.
    pub async fn settle(&self) {
        let now = self.log.now();
        if now.directory.policy().witness_quorum == 0 {
            return;
        }
        let mut heard = self.heard.subscribe();
        let settled = heard.wait_for(|heard| heard.is_settled(&now, &self.addresses));
        drop(timeout(self.wait, settled).await);
    }

    /// Puts the witnesses' lines under a page's checkpoint, as far as they have signed it.
    pub fn sign(&self, page: &mut Page) {
        let heard = self.heard.borrow();
        let checkpoint = page.checkpoint.as_str();
        if heard.note.is_empty() || !checkpoint.starts_with(&heard.note) {
            return;
        }
        let mut note = checkpoint.to_owned();
        for (name, word) in &heard.words {
            let line = word.map(|(key, word)| word.to_line(name, key));
            note.extend(line);
        }
        // A policy has no more witnesses than fit.
        page.checkpoint = Text::truncated(&note);
    }

    /// Asks every witness, after each entry and from time to time. Ends when it is dropped.
    pub async fn run(self: Arc<Self>) {
        let mut tasks = JoinSet::new();
        for (name, address) in &self.addresses {
            let (name, address) = (name.clone(), address.clone());
            tasks.spawn(Arc::clone(&self).watch(name, address));
        }
        while tasks.join_next().await.is_some() {}
    }

    /// One witness. A slow one delays nobody but itself.
    async fn watch(self: Arc<Self>, name: String, address: Address) {
        let mut grown = self.log.watch();
        let mut old = 0;
        let mut fails = false;
        loop {
            grown.mark_unchanged();
            let now = self.log.now();
            let policy = now.directory.policy();
            let mut witnesses = policy.witnesses.iter();
            let witness = witnesses.find(|witness| witness.name.as_str() == name);
            let key = witness.and_then(|witness| Ed25519Key::try_from(witness.key).ok());
            let mut failed = false;
            if let Some(key) = key {
                let asking = ask::ask(&address, &name, key, &now, &mut old);
                let answer = timeout(self.patience, asking).await;
                let answer = answer.unwrap_or(Err(AskError::PeerSlow));
                failed = answer.is_err();
                if let Err(error) = &answer
                    && !fails
                {
                    tracing::warn!(witness = name, error = %Chain(error), "a witness did not sign");
                }
                if fails && !failed {
                    tracing::info!(witness = name, "a witness signs again");
                }
                fails = failed;
                self.hear(&now, &name, answer.ok().map(|word| (key, word)));
            }
            let pause = if failed {
                self.interval.min(RETRY)
            } else {
                self.interval
            };
            if let Ok(Err(_gone)) = timeout(pause, grown.changed()).await {
                return;
            }
        }
    }

    /// Keeps a witness' newest word of the newest head.
    fn hear(&self, now: &Snapshot, name: &str, word: Option<(Ed25519Key, Cosignature)>) {
        let size = now.directory.head().size;
        self.heard.send_modify(|heard| {
            if heard.size > size {
                return;
            }
            if heard.note != now.checkpoint {
                *heard = Heard {
                    note: now.checkpoint.clone(),
                    size,
                    words: BTreeMap::new(),
                };
            }
            let known = heard.words.entry(name.to_owned()).or_default();
            // Neither a failure nor an older word takes anything back.
            let time = |word: &Option<(_, Cosignature)>| word.map(|(_, word)| word.time);
            if time(known) <= time(&word) {
                *known = word;
            }
        });
    }
}
