//! Who may sign what: the signatures of an entry against the directory before it.

use std::collections::BTreeSet;

use super::{Account, Directory, Key, Refusal};
use crate::{
    codec::{Limited, encode},
    id::{KeyId, Name, OrgId},
    label,
    log::entry::{Entry, Fact, Statement},
    statement::client_data_hash,
};

impl Directory {
    /// How many different admins must sign `fact`; 1 for what one signer may say.
    pub fn needed(&self, fact: &Fact) -> usize {
        match fact {
            Fact::AdminAdd(_) => self.threshold(),
            _ => 1,
        }
    }

    /// Every signer may say this fact and had seen its own appointment. Returns how many more
    /// admins must sign it.
    pub(super) fn check_authority(&self, entry: &Entry) -> Result<usize, Refusal> {
        let Statement { seen, fact, .. } = &entry.statement;
        let kind = fact.kind();
        let mut admins = BTreeSet::new();
        for signature in &entry.signatures {
            let unknown = Refusal::UnknownSigner {
                kind,
                key: signature.key,
            };
            let key = self.keys.get(&signature.key).ok_or(unknown)?;
            let Some((name, account)) = self.holder(key) else {
                check_naming(signature.key, fact)?;
                continue;
            };
            let signer = Signer {
                kind,
                name,
                account,
                key,
                seen: seen.size,
            };
            if signer.check(fact)? == Role::Admin {
                admins.insert(name);
            }
        }
        match fact {
            Fact::DeviceAdd(_) if entry.signatures.len() != 1 => Err(Refusal::OneSignature {
                kind,
                found: entry.signatures.len(),
            }),
            _ => match self.needed(fact) {
                1 => Ok(0),
                // An admin with two keys is still one admin.
                needed => Ok(needed.saturating_sub(admins.len())),
            },
        }
    }

    /// The account whose key it is; `None` for a founding key without a name.
    fn holder(&self, key: &Key) -> Option<(&Name, &Account)> {
        self.accounts.get_key_value(key.account.as_ref()?)
    }

    /// Every signature is its key's. The dearest check, so the last one.
    pub(super) fn check_signatures(&self, entry: &Entry, org: OrgId) -> Result<(), Refusal> {
        let hash = hash_to_sign(&entry.statement, org)?;
        let kind = entry.statement.fact.kind();
        for signature in &entry.signatures {
            let unknown = Refusal::UnknownSigner {
                kind,
                key: signature.key,
            };
            let key = self.keys.get(&signature.key).ok_or(unknown)?;
            let public_key = &key.record.statement.public_key;
            signature
                .verify(public_key, self.genesis.tag, &hash)
                .map_err(|cause| Refusal::Signature {
                    kind,
                    key: signature.key,
                    cause,
                })?;
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
    key: &'a Key,
    /// Size of the log that the signer had seen.
    seen: u64,
}

impl Signer<'_> {
    /// The role in which it may sign `fact`.
    fn check(&self, fact: &Fact) -> Result<Role, Refusal> {
        let Self { kind, name, .. } = *self;
        if self.account.suspended.is_some() {
            return Err(Refusal::SuspendedSigner {
                kind,
                account: name.clone(),
            });
        }
        let own = fact.subject() == Some(name);
        let admin = self.account.admin_since;
        let (role, appointed) = match fact {
            Fact::KeyAdd(_) | Fact::DeviceAdd(_) | Fact::DeviceRevoke(_) if own => (Role::Own, 0),
            Fact::AccountAdd(_)
            | Fact::DeviceRevoke(_)
            | Fact::AccountSuspend(_)
            | Fact::AdminAdd(_) => (Role::Admin, admin.ok_or_else(|| self.no_authority())?),
            // An admin who adds a key to somebody's account could sign as that person: as the
            // second admin, for one.
            Fact::Genesis(_) | Fact::KeyAdd(_) | Fact::DeviceAdd(_) => {
                return Err(self.no_authority());
            }
        };
        // The window: all that the authority rests on was in the log that the signer had seen.
        let since = appointed.max(self.key.added).max(self.account.added);
        if since < self.seen {
            Ok(role)
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

/// The clientDataHash of a statement that keeps to its size limit.
fn hash_to_sign(statement: &Statement, org: OrgId) -> Result<[u8; 32], Refusal> {
    let bytes = encode(statement);
    if bytes.len() > Statement::MAX {
        return Err(Refusal::TooLarge {
            kind: statement.fact.kind(),
            size_bytes: bytes.len(),
        });
    }
    Ok(client_data_hash(label::ENTRY, org, &bytes))
}
