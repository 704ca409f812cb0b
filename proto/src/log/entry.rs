//! The facts that the log holds, and the statement that makes each one true.

mod account;
mod device;
mod organisation;
mod policy;
mod recovery;

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use crate::{
    codec::{Limited, encode},
    id::{KeyId, Name, OrgId},
    label,
    log::Head,
    statement::{StatementSignature, client_data_hash},
};

pub use account::{AccountAdd, AccountRestore, AccountSuspend, Batch, KeyAdd, KeyRevoke};
pub use device::{DeviceCertificate, DeviceRevoke};
pub use organisation::{AdminAdd, AdminRemove, Genesis, ListSet, ThresholdSet};
pub use policy::{AttestationAuthority, Policy, PolicySet, Witness};
pub use recovery::{RecoveryBegin, RecoveryFinish, RecoveryVeto};

/// One entry: a statement and the hardware keys' signatures over it.
#[derive(Clone, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
pub struct Entry {
    /// What is signed.
    pub statement: Statement,
    /// Who signed: at least one, each key once, sorted by key id.
    pub signatures: Vec<StatementSignature>,
}

/// Room for signatures beside a statement, in bytes: some 28 of them.
pub const SIGNATURES_MAX: usize = 4 * 1024;

/// The largest batch and its signatures. Every other kind has a smaller limit of its own: see
/// [`Fact::statement_max`].
impl Limited for Entry {
    const MAX: usize = Statement::MAX + SIGNATURES_MAX;
}

/// What the signers of an entry say.
#[derive(Clone, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
pub struct Statement {
    /// Version of this structure: 1.
    pub version: u8,
    /// The log's head that the signer had seen, verified. Size 0 with a zero root only in genesis.
    pub seen: Head,
    /// How many entries about the same subject came before this one. It makes a replay of an old
    /// entry, and two racing entries, plain to see (D14, D15).
    ///
    /// The subject is the account or list that the fact names; what is about the whole
    /// organisation, `threshold.set` and `policy.set`, shares one sequence; a batch names people
    /// who are all new, so its sequence is theirs: 0.
    pub sequence: u64,
    /// The signer's clock, milliseconds since 1970 UTC. One rule depends on it: how long a recovery
    /// waits. A server refuses what is dated far from its own clock.
    pub time: u64,
    /// What is so from now on.
    pub fact: Fact,
}

/// The largest batch: 256 names with the largest keys.
impl Limited for Statement {
    const MAX: usize = 896 * 1024;
}

impl Statement {
    /// The clientDataHash that each signer's S credential signs. `org` is all zeros for genesis,
    /// whose hash becomes the organisation's id.
    pub fn client_data_hash(&self, org: OrgId) -> [u8; 32] {
        client_data_hash(label::ENTRY, org, &encode(self))
    }
}

/// A fact.
#[derive(Clone, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
#[repr(u8)]
pub enum Fact {
    /// The first entry, and only it. Signed by every founding key.
    #[tls_codec(discriminant = 0)]
    Genesis(Genesis),
    /// A person with a name and a first key.
    #[tls_codec(discriminant = 1)]
    AccountAdd(AccountAdd),
    /// Another key for the same person.
    #[tls_codec(discriminant = 2)]
    KeyAdd(KeyAdd),
    /// A device certificate.
    #[tls_codec(discriminant = 3)]
    DeviceAdd(DeviceCertificate),
    /// A device is no longer to be trusted.
    #[tls_codec(discriminant = 4)]
    DeviceRevoke(DeviceRevoke),
    /// An account may no longer log in, sign or receive.
    #[tls_codec(discriminant = 5)]
    AccountSuspend(AccountSuspend),
    /// An account becomes an admin.
    #[tls_codec(discriminant = 6)]
    AdminAdd(AdminAdd),
    /// A key signs nothing and logs in nowhere from now on.
    #[tls_codec(discriminant = 7)]
    KeyRevoke(KeyRevoke),
    /// A suspended account is one again.
    #[tls_codec(discriminant = 8)]
    AccountRestore(AccountRestore),
    /// An account is an admin no longer.
    #[tls_codec(discriminant = 9)]
    AdminRemove(AdminRemove),
    /// How many admins must agree.
    #[tls_codec(discriminant = 10)]
    ThresholdSet(ThresholdSet),
    /// Somebody who lost every key shall have a new one.
    #[tls_codec(discriminant = 11)]
    RecoveryBegin(RecoveryBegin),
    /// He shall not.
    #[tls_codec(discriminant = 12)]
    RecoveryVeto(RecoveryVeto),
    /// Nobody objected in time: he has it.
    #[tls_codec(discriminant = 13)]
    RecoveryFinish(RecoveryFinish),
    /// Who is on a list.
    #[tls_codec(discriminant = 14)]
    ListSet(ListSet),
    /// The organisation's rules from now on.
    #[tls_codec(discriminant = 15)]
    PolicySet(PolicySet),
    /// Many people with a name and a first key each.
    #[tls_codec(discriminant = 16)]
    Batch(Batch),
}

impl Fact {
    /// What commands and the log call this fact: `device.add`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Genesis(_) => "genesis",
            Self::AccountAdd(_) => "account.add",
            Self::KeyAdd(_) => "key.add",
            Self::DeviceAdd(_) => "device.add",
            Self::DeviceRevoke(_) => "device.revoke",
            Self::AccountSuspend(_) => "account.suspend",
            Self::AdminAdd(_) => "admin.add",
            Self::KeyRevoke(_) => "key.revoke",
            Self::AccountRestore(_) => "account.restore",
            Self::AdminRemove(_) => "admin.remove",
            Self::ThresholdSet(_) => "threshold.set",
            Self::RecoveryBegin(_) => "recovery.begin",
            Self::RecoveryVeto(_) => "recovery.veto",
            Self::RecoveryFinish(_) => "recovery.finish",
            Self::ListSet(_) => "list.set",
            Self::PolicySet(_) => "policy.set",
            Self::Batch(_) => "batch",
        }
    }

    /// The account or list that it is about; `None` when it is about the organisation, or about
    /// many people.
    pub fn subject(&self) -> Option<&Name> {
        match self {
            Self::Genesis(_) | Self::ThresholdSet(_) | Self::PolicySet(_) | Self::Batch(_) => None,
            Self::AccountAdd(fact) => Some(&fact.account),
            Self::KeyAdd(fact) => Some(&fact.account),
            Self::DeviceAdd(fact) => Some(&fact.account),
            Self::DeviceRevoke(fact) => Some(&fact.account),
            Self::AccountSuspend(fact) => Some(&fact.account),
            Self::AdminAdd(fact) => Some(&fact.account),
            Self::KeyRevoke(fact) => Some(&fact.account),
            Self::AccountRestore(fact) => Some(&fact.account),
            Self::AdminRemove(fact) => Some(&fact.account),
            Self::RecoveryBegin(fact) => Some(&fact.account),
            Self::RecoveryVeto(fact) => Some(&fact.account),
            Self::RecoveryFinish(fact) => Some(&fact.account),
            Self::ListSet(fact) => Some(&fact.list),
        }
    }

    /// The largest statement of this kind, in bytes.
    pub fn statement_max(&self) -> usize {
        match self {
            Self::Batch(_) => Statement::MAX,
            Self::ListSet(_) => 36 * 1024,
            _ => 12 * 1024,
        }
    }
}

/// The signers of an entry, as far as its bytes tell.
impl Entry {
    /// Key ids of the signers, in order.
    pub fn signers(&self) -> impl Iterator<Item = KeyId> + '_ {
        self.signatures.iter().map(|signature| signature.key)
    }
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;

    use super::*;
    use crate::{codec::decode, fuzz::seed, statement::sha256};

    #[test]
    fn the_bytes_of_genesis_and_its_statement_are_frozen() {
        let genesis = seed::entry(seed::facts().swap_remove(0));
        let zero = OrgId([0; 32]);
        insta::assert_snapshot!(HEXLOWER.encode(&sha256(&[&encode(&genesis)])), @"2618d2be8fe7d5d8c964676fee6cde252316e124c06cace937ada248e9923ebf");
        insta::assert_snapshot!(
            HEXLOWER.encode(&genesis.statement.client_data_hash(zero)), @"996ed96dc9296489e7ce90866d0d9cfc14ea02ffc6b74a73c3f678494dad13d6"
        );
    }

    #[test]
    fn every_fact_reads_back_and_names_its_subject() {
        for fact in seed::facts() {
            let entry = seed::entry(fact);
            assert_eq!(decode(&encode(&entry)), Ok(entry.clone()));
            let kind = entry.statement.fact.kind();
            let of_all = ["genesis", "threshold.set", "policy.set", "batch"].contains(&kind);
            assert_eq!(entry.statement.fact.subject().is_none(), of_all);
        }
    }

    #[test]
    fn facts_of_later_versions_do_not_decode() {
        let entry = encode(&seed::entry(seed::facts().swap_remove(6)));
        // version, seen, sequence and time come before the fact's code.
        let at = 1 + 40 + 8 + 8;
        assert_eq!(entry[at], 6);
        for code in 17..=u8::MAX {
            let mut entry = entry.clone();
            entry[at] = code;
            assert!(decode::<Entry>(&entry).is_err(), "code {code}");
        }
    }
}
