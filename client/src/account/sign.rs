//! Signing entries of the directory log, and having them taken.

use reqwest::Method;
use valise_proto::{
    api::{LOG, directory::Appended},
    codec::encode,
    id::{OrgId, OrgTag},
    key::KeyRecord,
    log::{
        Head,
        entry::{Entry, Fact, Statement},
        replay::Directory,
    },
    statement::{StatementSignature, relying_party},
};

use crate::{
    failpoint::reached,
    key::{AssertionRequest, KeyError},
    session::{Error, Keyring, Session},
};

/// One touch: the entry that says `statement`, signed by the S of whichever of `records` is at hand.
/// `org` is zero for genesis.
pub(super) fn sign(
    keyring: &mut Keyring<'_>,
    tag: OrgTag,
    org: OrgId,
    records: &[KeyRecord],
    statement: Statement,
    purpose: &str,
) -> Result<Vec<u8>, Error> {
    let ids = records
        .iter()
        .map(|key| key.statement.id.as_slice().to_vec());
    let request = AssertionRequest {
        rp_id: &relying_party(tag),
        client_data_hash: statement.client_data_hash(org),
        allow: &ids.collect::<Vec<_>>(),
        salt: None,
        purpose,
    };
    let assertion = keyring.with(|key, prompt| Ok(key.assert(&request, prompt)?))?;
    let unexpected = |what: &str| KeyError::Protocol(what.to_owned());
    let record = records
        .iter()
        .find(|key| key.statement.id.as_slice() == assertion.credential_id)
        .ok_or(KeyError::NotThisKey)?;
    let signature = StatementSignature {
        key: record.id(),
        authenticator_data: assertion
            .authenticator_data
            .try_into()
            .map_err(|_| unexpected("extensions in a signature"))?,
        signature: assertion
            .signature
            .try_into()
            .map_err(|_| unexpected("a signature of another kind"))?,
    };
    Ok(encode(&Entry {
        statement,
        signatures: vec![signature],
    }))
}

/// The statement of `fact` by somebody who has seen all of `directory`.
pub(super) fn statement(directory: &Directory, time: u64, fact: Fact) -> Statement {
    let sequence = directory.sequence_of(&fact);
    Statement {
        version: 1,
        seen: directory.head(),
        sequence,
        time,
        fact,
    }
}

/// The head before the first entry.
pub(super) const NOTHING: Head = Head {
    size: 0,
    root: valise_proto::id::Hash([0; 32]),
};

impl Session {
    /// Signs `fact` with this person's key and has the server take it. Returns when the server
    /// has proven that it is in the log, and the log was read that far.
    pub(crate) async fn declare(
        &mut self,
        keyring: &mut Keyring<'_>,
        fact: Fact,
        purpose: &str,
    ) -> Result<(), Error> {
        let (directory, time) = (self.directory()?, self.clock.now_ms());
        let (tag, org) = (directory.genesis().tag, directory.org());
        let statement = statement(directory, time, fact);
        let entry = sign(keyring, tag, org, &self.own_keys(), statement, purpose)?;
        let answer: Appended = self.request(Method::POST, LOG, entry.clone()).await?;
        reached("after-append");
        let ledger = self.ledger.as_ref().ok_or(Error::NotEnrolled)?;
        if let Err(alarm) = ledger.check_appended(&entry, &answer) {
            self.record_alarm(&alarm)?;
            return Err(alarm.into());
        }
        self.read_log().await
    }
}
