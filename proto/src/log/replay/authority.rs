//! Who may sign what: the signatures of an entry against the directory before it.

use std::collections::BTreeSet;

use tls_codec::Size;

use super::{Account, Directory, Key, Refusal};
use crate::{
    id::{KeyId, Name, OrgId},
    log::entry::{Entry, Fact, SIGNATURES_MAX, Statement},
    weaken::checked,
};

/// Who must sign a fact.
#[derive(Clone, Copy)]
struct Rule {
    /// A key of the account that it is about is enough.
    own: bool,
    /// How many admins are; `None`: no number of them.
    admins: Option<usize>,
}

impl Directory {
    /// How many different admins must sign `fact`, when nobody signs it for himself; 1 for what no
    /// admin may say at all.
    pub fn needed(&self, fact: &Fact) -> usize {
        self.rule(fact).admins.unwrap_or(1)
    }

    /// Whether a key of `name` is enough for `fact`: it is about that account, and its own affair.
    pub fn may_alone(&self, name: &Name, fact: &Fact) -> bool {
        self.rule(fact).own && fact.subject() == Some(name)
    }

    /// The table of [`super`], in code.
    fn rule(&self, fact: &Fact) -> Rule {
        let threshold = self.threshold();
        // What is done to an admin by others takes as many as made him one (E06).
        let upon = |name| match self.accounts.get(name) {
            Some(account) if account.admin_since.is_some() => threshold,
            _ => 1,
        };
        let (own, admins) = match fact {
            Fact::AccountAdd(_) | Fact::Batch(_) | Fact::ListSet(_) | Fact::RecoveryFinish(_) => {
                (false, Some(1))
            }
            Fact::AccountSuspend(fact) => (false, Some(upon(&fact.account))),
            Fact::AccountRestore(fact) => (false, Some(upon(&fact.account))),
            Fact::AdminAdd(_)
            | Fact::AdminRemove(_)
            | Fact::ThresholdSet(_)
            | Fact::PolicySet(_)
            | Fact::RecoveryBegin(_) => (false, Some(threshold)),
            Fact::KeyRevoke(fact) => (true, Some(upon(&fact.account))),
            Fact::DeviceRevoke(_) | Fact::RecoveryVeto(_) => (true, Some(1)),
            // An admin who adds a key to somebody's account could sign as that person: as the
            // second admin, for one.
            Fact::KeyAdd(_) | Fact::DeviceAdd(_) => (true, None),
            Fact::Genesis(_) => (false, None),
        };
        Rule { own, admins }
    }

    /// Every signer may say this fact and had seen its own appointment. Returns how many more
    /// admins must sign it.
    pub(super) fn check_authority(&self, entry: &Entry) -> Result<usize, Refusal> {
        let Statement { seen, fact, .. } = &entry.statement;
        let (kind, rule) = (fact.kind(), self.rule(fact));
        let (mut own, mut admins) = (false, BTreeSet::new());
        for signature in &entry.signatures {
            let unknown = Refusal::UnknownSigner {
                kind,
                key: signature.key,
            };
            let key = self.keys.get(&signature.key).ok_or(unknown)?;
            let Some((name, account)) = self.holder(key) else {
                check_naming(signature.key, fact)?;
                own = true;
                continue;
            };
            let signer = Signer {
                kind,
                name,
                account,
                id: signature.key,
                key,
                seen: seen.size,
            };
            match signer.check(rule, fact.subject())? {
                Role::Own => own = true,
                Role::Admin => {
                    admins.insert(name);
                }
            }
        }
        if matches!(fact, Fact::DeviceAdd(_)) && entry.signatures.len() != 1 {
            return Err(Refusal::OneSignature {
                kind,
                found: entry.signatures.len(),
            });
        }
        // An admin with two keys is still one admin.
        Ok(match rule.admins {
            Some(needed) if !own => needed.saturating_sub(admins.len()),
            _ => 0,
        })
    }

    /// The account whose key it is; `None` for a founding key without a name.
    fn holder(&self, key: &Key) -> Option<(&Name, &Account)> {
        self.accounts.get_key_value(key.account.as_ref()?)
    }

    /// Every signature is its key's. The dearest check, so the last one.
    pub(super) fn check_signatures(&self, entry: &Entry, org: OrgId) -> Result<(), Refusal> {
        let hash = entry.statement.client_data_hash(org);
        let kind = entry.statement.fact.kind();
        for signature in &entry.signatures {
            let unknown = Refusal::UnknownSigner {
                kind,
                key: signature.key,
            };
            let key = self.keys.get(&signature.key).ok_or(unknown)?;
            let public_key = &key.record.statement.public_key;
            let verified = signature.verify(public_key, self.genesis.tag, &hash);
            if let Err(cause) = verified
                && checked("D12")
            {
                return Err(Refusal::Signature {
                    kind,
                    key: signature.key,
                    cause,
                });
            }
        }
        Ok(())
    }
}

/// What lets somebody sign a fact.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Role {
    /// The fact is about the signer's own account.
    Own,
    /// The signer is an admin.
    Admin,
}

/// One key that signed, and whose it is.
struct Signer<'a> {
    kind: &'static str,
    name: &'a Name,
    account: &'a Account,
    id: KeyId,
    key: &'a Key,
    /// Size of the log that the signer had seen.
    seen: u64,
}

impl Signer<'_> {
    /// The role in which it may sign what `rule` is for and what is about `subject`.
    fn check(&self, rule: Rule, subject: Option<&Name>) -> Result<Role, Refusal> {
        let Self { kind, name, .. } = *self;
        if self.account.suspended.is_some() {
            return Err(Refusal::SuspendedSigner {
                kind,
                account: name.clone(),
            });
        }
        if self.key.revoked.is_some() {
            return Err(Refusal::RevokedSigner { kind, key: self.id });
        }
        let (speaks_as, appointed) = match (rule.admins, self.account.admin_since) {
            _ if rule.own && subject == Some(name) => (Role::Own, 0),
            (Some(_), Some(since)) => (Role::Admin, since),
            _ => return Err(self.no_authority()),
        };
        // The window: all that the authority rests on was in the log that the signer had seen.
        let since = appointed
            .max(self.key.added)
            .max(self.account.added)
            .max(self.account.restored().unwrap_or(0));
        if since < self.seen {
            Ok(speaks_as)
        } else {
            Err(Refusal::BeforeAppointment {
                kind,
                account: name.clone(),
            })
        }
    }

    fn no_authority(&self) -> Refusal {
        Refusal::NoAuthority {
            kind: self.kind,
            account: self.name.clone(),
        }
    }
}

/// A founding key without a name signs exactly the account.add that gives it one.
fn check_naming(id: KeyId, fact: &Fact) -> Result<(), Refusal> {
    match fact {
        Fact::AccountAdd(fact) if fact.key.id() == id => Ok(()),
        _ => Err(Refusal::UnnamedSigner {
            kind: fact.kind(),
            key: id,
        }),
    }
}

/// At least one signature, sorted by key, each key once.
pub(super) fn check_order(entry: &Entry) -> Result<(), Refusal> {
    let kind = entry.statement.fact.kind();
    if entry.signatures.is_empty() {
        return Err(Refusal::Unsigned { kind });
    }
    if entry
        .signatures
        .is_sorted_by(|left, right| left.key < right.key)
    {
        Ok(())
    } else {
        Err(Refusal::SignatureOrder { kind })
    }
}

/// An entry of its kind's size, before anything costs.
pub(super) fn check_size(entry: &Entry) -> Result<(), Refusal> {
    let statement = entry.statement.tls_serialized_len();
    let signatures = entry.tls_serialized_len().saturating_sub(statement);
    let fact = &entry.statement.fact;
    if statement > fact.statement_max() || signatures > SIGNATURES_MAX {
        return Err(Refusal::TooLarge {
            kind: fact.kind(),
            size_bytes: statement.saturating_add(signatures),
        });
    }
    Ok(())
}
