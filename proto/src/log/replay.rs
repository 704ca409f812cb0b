//! Entries to [`Directory`]: the one place that says when a fact is true.
//!
//! Pure: server, every client and any auditor run the same function on the same bytes.
//!
//! | fact            | who signs                                                                 |
//! |-----------------|---------------------------------------------------------------------------|
//! | genesis         | every founding key                                                        |
//! | account.add     | an admin; or a founding key, alone, for the account that it gets          |
//! | batch           | an admin                                                                  |
//! | account.suspend | an admin; the threshold for an admin                                      |
//! | account.restore | an admin; the threshold for an admin                                      |
//! | key.add         | a key of the account, never an admin                                      |
//! | key.revoke      | a key of the account, but not for its last one; or an admin; the          |
//! |                 | threshold for an admin                                                    |
//! | device.add      | exactly one key of the account                                            |
//! | device.revoke   | a key of the account, or an admin; for an admin too: it takes no          |
//! |                 | authority away, and he certifies another device by his own key            |
//! | admin.add       | the threshold                                                             |
//! | admin.remove    | the threshold                                                             |
//! | threshold.set   | the threshold, as it is before                                            |
//! | recovery.begin  | the threshold                                                             |
//! | recovery.veto   | a key of the account, or an admin                                         |
//! | recovery.finish | an admin, when the wait is over                                           |
//! | list.set        | an admin                                                                  |
//! | policy.set      | the threshold                                                             |
//!
//! The threshold is as many admins as [`Directory::threshold`] says, each counted once. What is done
//! to an admin by others needs it, so that no one admin shuts out another. No entry may leave fewer
//! admins who can sign than the threshold: nobody could change anything any more.
//!
//! Every signer of an entry must have the authority for it, more signers than needed too. A
//! suspended account signs nothing, nor does a revoked key. And a signer's authority (its key, its
//! name, its admin role, the end of its suspension) must have been in the log that it had seen when
//! it signed: `index < seen.size` (D13).
//!
//! A recovery ends without effect by a veto, and when its account is suspended. Other changes let it
//! stand: whatever keys and devices the account has when it is finished, they are all revoked.

mod authority;
mod council;
mod fact;
mod lookup;
mod policy;
mod refusal;
mod settle;
mod state;

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    card::ServerUrl,
    codec::decode,
    id::{DeviceId, Hash, KeyId, Name, OrgId},
    log::{
        Head,
        entry::{Entry, Fact, Genesis, Policy, Statement},
        merkle::{Tree, leaf_hash},
    },
    statement::sha256,
    weaken::checked,
};

use council::Council;
pub use refusal::Refusal;
pub use state::{Account, Device, Key, List, Recovery};

/// Everything that is so after some number of entries.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Directory {
    org: OrgId,
    genesis: Genesis,
    policy: Policy,
    tree: Tree,
    /// Entries so far about the organisation as a whole: the next one's sequence.
    sequence: u64,
    council: Council,
    accounts: BTreeMap<Name, Account>,
    lists: BTreeMap<Name, List>,
    keys: BTreeMap<KeyId, Key>,
    /// Every credential id, S or L, and its key: revoked keys' too, and those of keys that wait for
    /// the end of a recovery.
    credentials: BTreeMap<Vec<u8>, KeyId>,
    /// Every public key, S or L: no two credentials share one, so no signature counts for two.
    public_keys: BTreeSet<[u8; 65]>,
    devices: BTreeMap<DeviceId, Device>,
}

impl Directory {
    /// The directory after the genesis entry, whose hash is the organisation's id.
    pub fn found(genesis: &[u8]) -> Result<Self, Refusal> {
        let entry: Entry = decode(genesis)?;
        let statement = &entry.statement;
        let Fact::Genesis(fact) = &statement.fact else {
            return Err(Refusal::NotGenesis {
                kind: statement.fact.kind(),
            });
        };
        check_version(statement)?;
        authority::check_size(&entry)?;
        let nothing = Head {
            size: 0,
            root: Hash([0; 32]),
        };
        if statement.seen != nothing || statement.sequence != 0 {
            return Err(Refusal::GenesisSawSomething);
        }
        check_genesis(fact)?;
        authority::check_order(&entry)?;
        let mut directory = Self {
            org: OrgId(sha256(&[genesis])),
            genesis: fact.clone(),
            policy: fact.policy.clone(),
            tree: Tree::default(),
            sequence: 0,
            council: Council::found(fact.founders.len()),
            accounts: BTreeMap::new(),
            lists: BTreeMap::new(),
            keys: BTreeMap::new(),
            credentials: BTreeMap::new(),
            public_keys: BTreeSet::new(),
            devices: BTreeMap::new(),
        };
        for founder in &fact.founders {
            directory.check_key(founder.id(), founder, &fact.policy)?;
            let id = directory.add_key(founder, None, 0);
            if !entry.signers().any(|signer| signer == id) {
                return Err(Refusal::FounderDidNotSign(id));
            }
        }
        // The id is the hash of what is signed, so it cannot be in it.
        directory.check_signatures(&entry, OrgId([0; 32]))?;
        directory.tree.append(leaf_hash(genesis));
        Ok(directory)
    }

    /// Whether an entry may come next: nothing changes.
    pub fn admit(&self, entry: &[u8]) -> Result<Entry, Refusal> {
        let entry: Entry = decode(entry)?;
        self.check(&entry)?;
        Ok(entry)
    }

    /// The directory after one more entry. On refusal nothing has changed.
    pub fn apply(&mut self, entry: &[u8]) -> Result<Entry, Refusal> {
        let admitted = self.admit(entry)?;
        self.append(&admitted, entry);
        Ok(admitted)
    }

    /// The directory after one more entry that [`Directory::apply`] has taken before. Nothing is
    /// checked again but that it is an entry.
    ///
    /// Only for bytes out of one's own authenticated store; and whoever uses it compares the head in
    /// the end with the one that was kept beside them.
    pub fn apply_verified(&mut self, entry: &[u8]) -> Result<(), Refusal> {
        self.append(&decode(entry)?, entry);
        Ok(())
    }

    fn append(&mut self, entry: &Entry, bytes: &[u8]) {
        let leaf = leaf_hash(bytes);
        self.settle(&entry.statement, self.tree.size(), leaf);
        self.tree.append(leaf);
    }

    /// How many more admins must sign an entry that is right in every other way; 0 for one that may
    /// come next.
    pub fn missing(&self, entry: &Entry) -> Result<usize, Refusal> {
        let missing = self.check_signers(entry)?;
        self.check_truth(entry)?;
        Ok(missing)
    }

    /// Whether `statement` may come next, were it signed: so that nobody is asked to sign what is
    /// refused. What a rule says of the signers, it does not know.
    pub fn fits(&self, statement: Statement) -> Result<(), Refusal> {
        let entry = Entry {
            statement,
            signatures: Vec::new(),
        };
        check_version(&entry.statement)?;
        authority::check_size(&entry)?;
        self.check_place(&entry.statement)?;
        self.check_fact(&entry)
    }

    /// Every rule, the cheap ones first.
    fn check(&self, entry: &Entry) -> Result<(), Refusal> {
        let missing = self.check_signers(entry)?;
        if missing > 0 && checked("E06") {
            let fact = &entry.statement.fact;
            let needed = self.needed(fact);
            return Err(Refusal::Threshold {
                kind: fact.kind(),
                needed,
                found: needed.saturating_sub(missing),
            });
        }
        self.check_truth(entry)
    }

    /// Each signer may say this, here and now. Returns how many more admins must.
    fn check_signers(&self, entry: &Entry) -> Result<usize, Refusal> {
        let statement = &entry.statement;
        check_version(statement)?;
        authority::check_size(entry)?;
        self.check_place(statement)?;
        authority::check_order(entry)?;
        match self.check_authority(entry) {
            Err(_) if !checked("D13") => Ok(0),
            verdict => verdict,
        }
    }

    /// It can be so, and the signatures are their signers'.
    fn check_truth(&self, entry: &Entry) -> Result<(), Refusal> {
        self.check_fact(entry)?;
        self.check_signatures(entry, self.org)
    }

    /// The signer had seen this very log, and the entry is the next one about its subject.
    fn check_place(&self, statement: &Statement) -> Result<(), Refusal> {
        let kind = statement.fact.kind();
        if matches!(statement.fact, Fact::Genesis(_)) {
            return Err(Refusal::SecondGenesis);
        }
        let (seen, size) = (statement.seen.size, self.tree.size());
        if (seen == 0 || seen > size) && checked("D09") {
            return Err(Refusal::SeenSize { kind, seen, size });
        }
        if self.tree.root_at(seen) != Some(statement.seen.root) && checked("D09") {
            return Err(Refusal::SeenRoot { kind, seen });
        }
        let (expected, found) = (self.sequence_of(&statement.fact), statement.sequence);
        if expected == found || !checked("D14") {
            return Ok(());
        }
        Err(match statement.fact.subject().cloned() {
            Some(account) => Refusal::Sequence {
                kind,
                account,
                expected,
                found,
            },
            None => Refusal::OrganisationSequence {
                kind,
                expected,
                found,
            },
        })
    }
}

fn check_version(statement: &Statement) -> Result<(), Refusal> {
    match statement.version {
        1 => Ok(()),
        version => Err(Refusal::Version {
            kind: statement.fact.kind(),
            version,
        }),
    }
}

/// What genesis says of the organisation is sound.
fn check_genesis(fact: &Genesis) -> Result<(), Refusal> {
    if !(1..=4).contains(&fact.founders.len()) {
        return Err(Refusal::FounderCount(fact.founders.len()));
    }
    let url: Result<ServerUrl, _> = fact.url.as_str().parse();
    url.map_err(|_| Refusal::Url)?;
    policy::check_policy(&fact.policy)
}

#[cfg(test)]
mod tests;
