//! A server that lies about the log. The lies are told to a copy of this computer's own log, in memory,
//! under a card that differs in one thing: the log's key is one made here, so that the liar can sign
//! whatever the real server could.

use valise_proto::{
    api::directory::Page,
    card::Card,
    codec::{Text, encode},
    id::Hash,
    key::Ed25519Key,
    log::{
        Head,
        checkpoint::{format_cosignature, format_signed, origin},
        entry::{Entry, Fact, KeyAdd},
        merkle::{Tree, leaf_hash},
    },
};

use super::{Unmade, Verdict, attacker::Forger, trial::Attempt};
use crate::{
    account::statement,
    provider::DeviceSigner,
    random,
    session::{Error, Session},
    store::VerifiedLog,
    trust::Ledger,
};

/// One day: seconds.
const DAY_S: u64 = 86_400;

/// The liar: the log as it is, and a key that signs for it.
struct Liar {
    card: Card,
    signer: DeviceSigner,
    log: VerifiedLog,
    tree: Tree,
    now_ms: u64,
}

impl Session {
    pub(super) fn tell_lie(&self, attempt: Attempt) -> Result<Verdict, Unmade> {
        let liar = self.liar()?;
        let real = self.api()?.card().clone();
        let before = liar.entries_but_last()?;
        // What this computer is asked to believe, after what it knows already.
        let (mut believer, lie, expected) = match attempt {
            Attempt::SignWithOtherKey => {
                let known = liar.ledger(real, before)?;
                (known, liar.newest()?, "bad-checkpoint")
            }
            Attempt::WithholdEntry => {
                let mut page = liar.newest()?;
                page.entries.clear();
                (liar.ledger(liar.card.clone(), before)?, page, "hidden-log")
            }
            Attempt::SpoilEntry => {
                let known = liar.ledger(liar.card.clone(), before)?;
                (known, liar.spoilt()?, "forged-entry")
            }
            Attempt::GoBack => (liar.convinced()?, liar.older()?, "log-rollback"),
            Attempt::SignTwoLogs => (liar.convinced()?, liar.other()?, "log-fork"),
            Attempt::InventKey => (liar.convinced()?, self.invented(&liar)?, "forged-entry"),
            Attempt::DateAhead => {
                let known = liar.ledger(liar.card.clone(), before)?;
                (known, liar.dated_ahead()?, "future-log")
            }
            _ => return Err(Unmade::Why("this is no lie about the log".to_owned())),
        };
        Ok(match believer.advance(&lie, liar.now_ms) {
            Err(alarm) if alarm.kind() == expected => Verdict::Stopped {
                by: "this computer",
                said: format!("alarm {expected}: {alarm}"),
            },
            Err(alarm) => {
                Verdict::NotStopped(format!("this computer took it for something else: {alarm}"))
            }
            Ok(_) => Verdict::NotStopped("this computer believed it".to_owned()),
        })
    }

    fn liar(&self) -> Result<Liar, Unmade> {
        let log = self.store().read().log().map_err(Error::from)?;
        let log = log.ok_or(Error::NotEnrolled)?;
        let seed = random::secret::<32>().map_err(Error::from)?;
        let signer = DeviceSigner::from_seed(&*seed).map_err(|_| unmade())?;
        let key = <[u8; 32]>::try_from(signer.public_key()).map_err(|_| unmade())?;
        let card = Card {
            log: Ed25519Key::try_from(key).map_err(|_| unmade())?,
            ..self.api()?.card().clone()
        };
        let whole = Ledger::restore(card.clone(), &log, None).map_err(Error::from)?;
        Ok(Liar {
            card,
            signer,
            log,
            tree: whole.directory().tree().clone(),
            now_ms: self.clock.now_ms(),
        })
    }

    /// One more entry, which makes the liar's key this person's, under the number of this person's own.
    fn invented(&self, liar: &Liar) -> Result<Page, Unmade> {
        let (forger, own) = (Forger::new()?, self.own_keys());
        let own = own.first().ok_or(Error::NotEnrolled)?;
        let directory = self.directory()?;
        let fact = Fact::KeyAdd(KeyAdd {
            account: self.account().clone(),
            key: forger.record(own.model)?,
        });
        let statement = statement(directory, liar.now_ms, fact);
        let hash = statement.client_data_hash(directory.org());
        let entry = encode(&Entry {
            signatures: vec![forger.state(own.id(), directory.genesis().tag, &hash)?],
            statement,
        });
        let mut tree = liar.tree.clone();
        tree.append(leaf_hash(&entry));
        let consistency = tree.consistency(liar.tree.size(), tree.size());
        Ok(Page {
            checkpoint: liar.sign(tree.head())?,
            consistency: consistency.ok_or_else(unmade)?,
            entries: vec![entry.try_into().map_err(|_| unmade())?],
        })
    }
}

impl Liar {
    /// How many entries there are before the newest one.
    fn entries_but_last(&self) -> Result<u64, Unmade> {
        let size = self.log.head.size.checked_sub(1);
        size.filter(|size| *size > 0)
            .ok_or_else(|| Unmade::Why("the log is too short to lie about".to_owned()))
    }

    /// What a computer that has read the first `size` entries knows.
    fn ledger(&self, card: Card, size: u64) -> Result<Ledger, Unmade> {
        let taken = usize::try_from(size).unwrap_or(usize::MAX);
        let entries = self.log.entries.iter().take(taken).cloned().collect();
        let root = self.tree.root_at(size).ok_or_else(unmade)?;
        let head = Head { size, root };
        let log = VerifiedLog { head, entries };
        Ok(Ledger::restore(card, &log, None).map_err(Error::from)?)
    }

    /// A computer that has read all, from this very liar while he told the truth. That it believes the
    /// truth is the other half of every attempt.
    fn convinced(&self) -> Result<Ledger, Unmade> {
        let mut ledger = self.ledger(self.card.clone(), self.entries_but_last()?)?;
        let told = ledger.advance(&self.newest()?, self.now_ms);
        told.map_err(|alarm| Unmade::Why(alarm.to_string()))?;
        Ok(ledger)
    }

    fn sign(&self, head: Head) -> Result<Text<4096>, Unmade> {
        let note = format_signed(self.card.org, head, self.card.log, |text| {
            self.signature(text)
        });
        note.try_into().map_err(|_| unmade())
    }

    fn signature(&self, text: &[u8]) -> [u8; 64] {
        let signature = self.signer.sign_bytes(text);
        signature.try_into().unwrap_or([0; 64])
    }

    /// The page with the newest entry, as it is.
    fn newest(&self) -> Result<Page, Unmade> {
        let before = self.entries_but_last()?;
        let entry = self.log.entries.last().cloned().ok_or_else(unmade)?;
        let consistency = self.tree.consistency(before, self.tree.size());
        Ok(Page {
            checkpoint: self.sign(self.log.head)?,
            consistency: consistency.ok_or_else(unmade)?,
            entries: vec![entry.try_into().map_err(|_| unmade())?],
        })
    }

    /// The same, with one bit of the entry changed, and a tree and a head that go with it.
    fn spoilt(&self) -> Result<Page, Unmade> {
        let before = self.entries_but_last()?;
        let mut entry = self.log.entries.last().cloned().ok_or_else(unmade)?;
        if let Some(byte) = entry.last_mut() {
            *byte ^= 1;
        }
        let taken = usize::try_from(before).unwrap_or(usize::MAX);
        let mut tree = Tree::default();
        for known in self.log.entries.iter().take(taken) {
            tree.append(leaf_hash(known));
        }
        tree.append(leaf_hash(&entry));
        let consistency = tree.consistency(before, tree.size());
        Ok(Page {
            checkpoint: self.sign(tree.head())?,
            consistency: consistency.ok_or_else(unmade)?,
            entries: vec![entry.try_into().map_err(|_| unmade())?],
        })
    }

    /// No news, under a head.
    fn empty(&self, head: Head) -> Result<Page, Unmade> {
        Ok(Page {
            checkpoint: self.sign(head)?,
            consistency: Vec::new(),
            entries: Vec::new(),
        })
    }

    fn older(&self) -> Result<Page, Unmade> {
        let size = self.entries_but_last()?;
        let root = self.tree.root_at(size).ok_or_else(unmade)?;
        self.empty(Head { size, root })
    }

    fn other(&self) -> Result<Page, Unmade> {
        let Head {
            size,
            root: Hash(mut root),
        } = self.log.head;
        root[0] ^= 1;
        self.empty(Head {
            size,
            root: Hash(root),
        })
    }

    fn dated_ahead(&self) -> Result<Page, Unmade> {
        let mut page = self.newest()?;
        let note = page.checkpoint.into_string();
        let (name, time) = (origin(self.card.org), self.now_ms / 1000 + DAY_S);
        let line = format_cosignature(&note, &name, self.card.log, time, |text| {
            self.signature(text)
        });
        let note = format!("{note}{}", line.map_err(|_| unmade())?);
        page.checkpoint = note.try_into().map_err(|_| unmade())?;
        Ok(page)
    }
}

fn unmade() -> Unmade {
    Unmade::Why("the lie cannot be made".to_owned())
}
