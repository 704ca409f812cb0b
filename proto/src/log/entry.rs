//! The facts that the log holds, and the statement that makes each one true.

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use crate::{
    codec::{Bytes, Limited, Text, encode},
    id::{DeviceId, KeyId, Name, OrgId, OrgTag},
    key::KeyRecord,
    label,
    log::Head,
    statement::{StatementSignature, client_data_hash},
};

/// One entry: a statement and the hardware keys' signatures over it.
#[derive(Clone, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
pub struct Entry {
    /// What is signed.
    pub statement: Statement,
    /// Who signed: at least one, each key once, sorted by key id.
    pub signatures: Vec<StatementSignature>,
}

impl Limited for Entry {
    const MAX: usize = 16 * 1024;
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
    pub sequence: u64,
    /// The signer's clock, milliseconds since 1970 UTC. Information: no rule depends on it.
    pub time: u64,
    /// What is so from now on.
    pub fact: Fact,
}

impl Limited for Statement {
    const MAX: usize = 12 * 1024;
}

impl Statement {
    /// The clientDataHash that each signer's S credential signs. `org` is all zeros for genesis,
    /// whose hash becomes the organisation's id.
    pub fn client_data_hash(&self, org: OrgId) -> [u8; 32] {
        client_data_hash(label::ENTRY, org, &encode(self))
    }
}

/// A fact. Codes 7 to 14 are kept for key.revoke, account.restore, admin.remove, threshold.set,
/// recovery.begin, recovery.veto, recovery.finish and list.set; 15 for policy.set, 16 for batch.
#[derive(Clone, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
#[repr(u8)]
pub enum Fact {
    /// The first entry, and only it. Signed by every founding key.
    #[tls_codec(discriminant = 0)]
    Genesis(Genesis),
    /// A person with a name and a first key. Signed by an admin, or by the founding key that it
    /// gives a name to.
    #[tls_codec(discriminant = 1)]
    AccountAdd(AccountAdd),
    /// Another key for the same person. Signed by the account's own keys, never by an admin: who
    /// adds a key to an account speaks for that account from then on.
    #[tls_codec(discriminant = 2)]
    KeyAdd(KeyAdd),
    /// A device certificate. Signed by one of the account's own keys, and by nobody else.
    #[tls_codec(discriminant = 3)]
    DeviceAdd(DeviceCertificate),
    /// A device is no longer to be trusted. Signed by one of the account's keys or by an admin.
    #[tls_codec(discriminant = 4)]
    DeviceRevoke(DeviceRevoke),
    /// An account may no longer log in or receive. Signed by an admin.
    #[tls_codec(discriminant = 5)]
    AccountSuspend(AccountSuspend),
    /// An account becomes an admin. Signed by as many admins as the threshold says.
    #[tls_codec(discriminant = 6)]
    AdminAdd(AdminAdd),
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
        }
    }

    /// The account it is about; `None` for genesis.
    pub fn subject(&self) -> Option<&Name> {
        match self {
            Self::Genesis(_) => None,
            Self::AccountAdd(fact) => Some(&fact.account),
            Self::KeyAdd(fact) => Some(&fact.account),
            Self::DeviceAdd(fact) => Some(&fact.account),
            Self::DeviceRevoke(fact) => Some(&fact.account),
            Self::AccountSuspend(fact) => Some(&fact.account),
            Self::AdminAdd(fact) => Some(&fact.account),
        }
    }
}

/// The founding of an organisation. It names no person, so that it can be shown to anybody (D18):
/// each founding key gets its name by an [`AccountAdd`] that it signs itself, and is an admin's.
#[derive(Clone, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
pub struct Genesis {
    /// Names the relying party of S credentials.
    pub tag: OrgTag,
    /// The organisation's name, for people.
    pub organisation: Text<64>,
    /// Where the server is: `https://host[:port]`, nothing after it.
    pub url: Text<256>,
    /// The founding admins' keys: 1 to 4.
    pub founders: Vec<KeyRecord>,
    /// The rules everybody follows.
    pub policy: Policy,
}

/// The organisation's rules. They stand in the log, so that nothing can loosen them unseen.
#[derive(Clone, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
pub struct Policy {
    /// The MLS ciphersuite of every group: 0x004E.
    pub suite: u16,
    /// Which hardware keys may be enrolled, by their makers' authorities. Empty: any hardware key
    /// that is not a synced credential and not the software key.
    pub attestation: Vec<AttestationAuthority>,
    /// Largest padded letter in bytes.
    pub letter_bytes_max: u32,
    /// A login ends after this long: milliseconds (NIST SP 800-63B AAL3: 12 h).
    pub session_ms: u64,
    /// A login ends after this long without use: milliseconds (AAL3: 15 min).
    pub session_idle_ms: u64,
    /// The server drops undelivered ciphertext after this long: milliseconds.
    pub retention_ms: u64,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            suite: 0x004E,
            attestation: Vec::new(),
            letter_bytes_max: 1 << 20,
            session_ms: 12 * 3_600_000,
            session_idle_ms: 15 * 60_000,
            retention_ms: 30 * 86_400_000,
        }
    }
}

/// One maker's attestation authority.
#[derive(Clone, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
pub struct AttestationAuthority {
    /// Its certificate, DER.
    pub certificate: Bytes<2048>,
    /// Models (AAGUIDs) that are allowed under it, sorted.
    pub models: Vec<[u8; 16]>,
}

/// `account.add`
#[derive(Clone, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
pub struct AccountAdd {
    /// The name, never used before.
    pub account: Name,
    /// The first key. A key belongs to one account for ever.
    pub key: KeyRecord,
}

/// `key.add`
#[derive(Clone, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
pub struct KeyAdd {
    /// Whose key.
    pub account: Name,
    /// The key.
    pub key: KeyRecord,
}

/// `device.add`: "this device key, this name, this organisation", signed by the person's S.
#[derive(Clone, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
pub struct DeviceCertificate {
    /// Whose device. The name is in every certificate (D02).
    pub account: Name,
    /// The device key.
    pub device: DeviceId,
    /// What its owner calls it.
    pub label: Text<32>,
    /// The device key's own signature over `DEVICE_CONSENT ‖ org_id ‖ account ‖ 0 ‖ device`, so that nobody
    /// certifies another's device as his own.
    pub consent: [u8; 64],
}

impl DeviceCertificate {
    /// What the device key signs in [`DeviceCertificate::consent`].
    pub fn consent_bytes(org: OrgId, account: &Name, device: DeviceId) -> Vec<u8> {
        [
            label::DEVICE_CONSENT,
            &org.0,
            account.as_str().as_bytes(),
            b"\0",
            &device.0,
        ]
        .concat()
    }
}

/// `device.revoke`
#[derive(Clone, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
pub struct DeviceRevoke {
    /// Whose device.
    pub account: Name,
    /// Which one. A revoked device never comes back.
    pub device: DeviceId,
}

/// `account.suspend`
#[derive(Clone, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
pub struct AccountSuspend {
    /// Who.
    pub account: Name,
}

/// `admin.add`
#[derive(Clone, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
pub struct AdminAdd {
    /// Who.
    pub account: Name,
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
        insta::assert_snapshot!(HEXLOWER.encode(&sha256(&[&encode(&genesis)])), @"1bcf230c37aa57081ae54e8a8519b62d59b4c48b6b4ca360e7247f94531f15d0");
        insta::assert_snapshot!(
            HEXLOWER.encode(&genesis.statement.client_data_hash(zero)), @"4f51b19d30c66651455fb3c3e6db57fea9775e0de513617144523eccb459daea"
        );
    }

    #[test]
    fn every_fact_reads_back_and_names_its_subject() {
        for fact in seed::facts() {
            let entry = seed::entry(fact);
            assert_eq!(decode(&encode(&entry)), Ok(entry.clone()));
            let genesis = entry.statement.fact.kind() == "genesis";
            assert_eq!(entry.statement.fact.subject().is_none(), genesis);
        }
    }

    #[test]
    fn facts_of_later_versions_do_not_decode() {
        let entry = encode(&seed::entry(seed::facts().swap_remove(6)));
        // version, seen, sequence and time come before the fact's code.
        let at = 1 + 40 + 8 + 8;
        assert_eq!(entry[at], 6);
        for code in 7..=u8::MAX {
            let mut entry = entry.clone();
            entry[at] = code;
            assert!(decode::<Entry>(&entry).is_err(), "code {code}");
        }
    }
}
