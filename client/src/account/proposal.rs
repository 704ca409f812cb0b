//! Acts that need several admins: the first one's signature waits at the server, and the last one's
//! client puts the entry into the log. What the server shows of them is checked signature by signature.

use std::collections::BTreeSet;

use reqwest::Method;
use valise_proto::{
    api::{
        PROPOSALS,
        proposal::{self, Open, Propose},
    },
    codec::encode,
    id::{Name, ProposalId},
    log::{
        entry::{Entry, Fact, Statement},
        replay::Directory,
    },
};

use super::sign;
use crate::{
    session::{Error, Keyring, Session},
    store::Setting,
    trust::Alarm,
    weaken::checked,
};

/// An act that waits for admins, as this device has checked it.
#[derive(Clone, Debug)]
pub struct Proposal {
    /// The hash of the statement, computed here.
    pub id: ProposalId,
    /// When the server got its first signature: milliseconds, the server's word.
    pub proposed_at_ms: u64,
    /// The statement, and the signatures that are their signers'.
    pub entry: Entry,
    /// Whose they are.
    pub signers: BTreeSet<Name>,
    /// How many more admins must sign.
    pub missing: usize,
    /// What the server showed beside: nobody signs this.
    pub alarm: Option<Alarm>,
}

/// What became of an act.
#[derive(Clone, Debug)]
#[must_use]
pub enum Declared {
    /// It is in the log.
    Done,
    /// It waits for more admins, and nothing has changed.
    Waiting(Box<Proposal>),
}

impl Proposal {
    /// What is proposed.
    pub fn fact(&self) -> &Fact {
        &self.entry.statement.fact
    }

    /// The admins who have not signed and can.
    pub fn able(&self, directory: &Directory) -> Vec<Name> {
        let seen = self.entry.statement.seen.size;
        let able = directory.active_accounts().filter(|(name, account)| {
            let since = account.admin_since;
            since.is_some_and(|since| since < seen) && !self.signers.contains(*name)
        });
        able.map(|(name, _)| name.clone()).collect()
    }

    /// What the server shows, checked; `None` when the log has overtaken it.
    fn check(directory: &Directory, shown: proposal::Proposal) -> Option<Self> {
        let Entry {
            statement,
            signatures,
        } = shown.entry;
        let hash = statement.client_data_hash(directory.org());
        let tag = directory.genesis().tag;
        let (mut signers, mut alarm) = (BTreeSet::new(), None);
        let mut verified = Vec::new();
        for signature in signatures {
            let key = directory.key(signature.key);
            let account = key.and_then(|key| key.account.clone());
            let signs = key.is_some_and(|key| {
                let public_key = &key.record.statement.public_key;
                signature.verify(public_key, tag, &hash).is_ok()
            });
            match account {
                Some(name) if signs => {
                    signers.insert(name);
                    verified.push(signature);
                }
                account => {
                    let signer = account.map_or_else(
                        || format!("the unknown key {}", signature.key),
                        |name| name.to_string(),
                    );
                    alarm = Some(Alarm::ForgedSignature { signer });
                }
            }
        }
        let alarm = alarm.or_else(|| other_log(directory, &statement));
        let (id, needed) = (
            ProposalId::of(&statement),
            directory.needed(&statement.fact),
        );
        let entry = Entry {
            statement,
            signatures: verified,
        };
        let missing = match directory.missing(&entry) {
            Ok(missing) => missing,
            Err(_) if alarm.is_some() => needed,
            Err(_) => return None,
        };
        Some(Self {
            id,
            proposed_at_ms: shown.proposed_at_ms,
            entry,
            signers,
            missing,
            alarm,
        })
    }
}

/// The signers had seen another log than this device, which has read all that the server shows.
fn other_log(directory: &Directory, statement: &Statement) -> Option<Alarm> {
    let (seen, shown) = (statement.seen, directory.head().size);
    match directory.tree().root_at(seen.size) {
        Some(root) if root == seen.root => None,
        Some(_) => Some(Alarm::OtherLog { size: seen.size }),
        None => Some(Alarm::HiddenLog {
            seen: seen.size,
            shown,
        }),
    }
}

impl Session {
    /// Every act that waits for admins, oldest first. What is false in them is an event, and stays
    /// with the act as its alarm.
    pub async fn proposals(&mut self) -> Result<Vec<Proposal>, Error> {
        if !self.is_admin() {
            self.read_log().await?;
        }
        self.must_be_admin()?;
        let open: Open = self.request(Method::GET, PROPOSALS, Vec::new()).await?;
        if !open.proposals.is_empty() {
            // After them, so that all that their signers had seen is here.
            self.read_log().await?;
        }
        let directory = self.directory()?;
        let shown = open.proposals.into_iter();
        let proposals: Vec<_> = shown
            .filter_map(|shown| Proposal::check(directory, shown))
            .collect();
        for alarm in proposals.iter().filter_map(|open| open.alarm.as_ref()) {
            self.record_alarm(alarm)?;
        }
        let own = proposals.iter().filter(|open| self.waits_for_me(open));
        let count = u64::try_from(own.count()).unwrap_or(u64::MAX);
        if count != self.approvals()? {
            let work = self.store.begin()?;
            work.set_number(Setting::Approvals, count)?;
            work.commit()?;
        }
        Ok(proposals)
    }

    /// How many acts waited for this admin's signature when the server was last asked.
    pub fn approvals(&self) -> Result<u64, Error> {
        Ok(self.store.read().number(Setting::Approvals)?)
    }

    /// Whether this admin's signature is missing under an act that is sound.
    pub fn waits_for_me(&self, proposal: &Proposal) -> bool {
        proposal.alarm.is_none() && !proposal.signers.contains(&self.me.account)
    }

    /// Proposes `fact`, or signs the same act of a colleague that waits already.
    pub(super) async fn ask_admins(
        &mut self,
        keyring: &mut Keyring<'_>,
        fact: Fact,
    ) -> Result<Declared, Error> {
        let open = self.proposals().await?;
        let alarm = open.iter().find_map(|open| open.alarm.clone());
        if let Some(alarm) = alarm
            && checked("E06")
        {
            return Err(alarm.into());
        }
        if let Some(same) = open.iter().find(|open| *open.fact() == fact) {
            return self.approve(keyring, same).await;
        }
        let statement = sign::statement(self.directory()?, self.clock.now_ms(), fact);
        let entry = self.sign(keyring, statement)?;
        self.put(entry.clone()).await?;
        let directory = self.directory()?;
        Ok(Declared::Waiting(Box::new(Proposal {
            id: ProposalId::of(&entry.statement),
            proposed_at_ms: entry.statement.time,
            missing: directory.missing(&entry).map_err(Error::Overtaken)?,
            entry,
            signers: BTreeSet::from([self.me.account.clone()]),
            alarm: None,
        })))
    }

    /// Signs an act that waits. With the last signature it goes into the log.
    pub async fn approve(
        &mut self,
        keyring: &mut Keyring<'_>,
        proposal: &Proposal,
    ) -> Result<Declared, Error> {
        if let Some(alarm) = &proposal.alarm
            && checked("E06")
        {
            return Err(alarm.clone().into());
        }
        self.read_log().await?;
        self.must_be_admin()?;
        let mut whole = proposal.clone();
        if !proposal.signers.contains(&self.me.account) {
            if !proposal.able(self.directory()?).contains(&self.me.account) {
                return Err(Error::Wrong(
                    "this was proposed before you were an admin: propose it anew",
                ));
            }
            let own = self.sign(keyring, proposal.entry.statement.clone())?;
            whole.entry.signatures.extend(own.signatures.clone());
            let signatures = &mut whole.entry.signatures;
            signatures.sort_by_key(|signature| signature.key);
            whole.signers.insert(self.me.account.clone());
            whole.missing = self.still_missing(&whole.entry)?;
            if whole.missing > 0 {
                self.put(own).await?;
            }
        }
        if self.still_missing(&whole.entry)? > 0 {
            return Ok(Declared::Waiting(Box::new(whole)));
        }
        self.append(&whole.entry).await?;
        // The log has overtaken it, which the server sees by itself as well.
        drop(self.forget(proposal.id).await);
        Ok(Declared::Done)
    }

    /// Says no to an act that waits.
    pub async fn reject(&mut self, id: ProposalId) -> Result<(), Error> {
        self.must_be_admin()?;
        self.forget(id).await
    }

    fn still_missing(&self, entry: &Entry) -> Result<usize, Error> {
        self.directory()?.missing(entry).map_err(Error::Overtaken)
    }

    async fn put(&self, entry: Entry) -> Result<(), Error> {
        let path = format!("{PROPOSALS}/{}", ProposalId::of(&entry.statement));
        let body = encode(&Propose { entry });
        self.request_raw(Method::PUT, &path, body).await?;
        Ok(())
    }

    async fn forget(&self, id: ProposalId) -> Result<(), Error> {
        let path = format!("{PROPOSALS}/{id}");
        self.request_raw(Method::DELETE, &path, Vec::new()).await?;
        Ok(())
    }
}
