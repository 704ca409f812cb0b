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

use super::{act::act, proposal::Declared};
use crate::{
    failpoint::reached,
    key::{AssertionRequest, KeyError},
    session::{Error, Keyring, Session},
    trust::Alarm,
    weaken::checked,
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
) -> Result<Entry, Error> {
    let hash = statement.client_data_hash(org);
    let signature = sign_hash(keyring, tag, records, hash, purpose)?;
    Ok(Entry {
        statement,
        signatures: vec![signature],
    })
}

/// One touch: what the S of whichever of `records` is at hand says of a statement with this hash.
pub(crate) fn sign_hash(
    keyring: &mut Keyring<'_>,
    tag: OrgTag,
    records: &[KeyRecord],
    client_data_hash: [u8; 32],
    purpose: &str,
) -> Result<StatementSignature, Error> {
    let ids = records
        .iter()
        .map(|key| key.statement.id.as_slice().to_vec());
    let request = AssertionRequest {
        rp_id: &relying_party(tag),
        client_data_hash,
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
    Ok(StatementSignature {
        key: record.id(),
        authenticator_data: assertion
            .authenticator_data
            .try_into()
            .map_err(|_| unexpected("extensions in a signature"))?,
        signature: assertion
            .signature
            .try_into()
            .map_err(|_| unexpected("a signature of another kind"))?,
    })
}

/// The statement of `fact` by somebody who has seen all of `directory`.
pub(crate) fn statement(directory: &Directory, time: u64, fact: Fact) -> Statement {
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
    /// Makes `fact` true by this person's signature, or proposes it when that needs more admins.
    ///
    /// Done means: the server has proven that the entry is in the log, and the log that this device
    /// has read holds it (E14).
    pub async fn declare(
        &mut self,
        keyring: &mut Keyring<'_>,
        fact: Fact,
    ) -> Result<Declared, Error> {
        self.read_log().await?;
        if self.signers_of(&fact)? > 1 {
            // Rare and large: it takes no room in every other act.
            return Box::pin(self.ask_admins(keyring, fact)).await;
        }
        let statement = statement(self.directory()?, self.clock.now_ms(), fact);
        let entry = self.sign(keyring, statement)?;
        self.append(&entry).await?;
        Ok(Declared::Done)
    }

    /// How many people must sign `fact`, of whom this person is one.
    pub(crate) fn signers_of(&self, fact: &Fact) -> Result<usize, Error> {
        let directory = self.directory()?;
        if directory.may_alone(&self.me.account, fact) {
            return Ok(1);
        }
        self.must_be_admin()?;
        Ok(directory.needed(fact))
    }

    /// `fact` can come true as things are: found out before anybody is asked, or touches a key.
    pub(crate) fn can_be(&self, fact: &Fact) -> Result<(), Error> {
        let directory = self.directory()?;
        let statement = statement(directory, self.clock.now_ms(), fact.clone());
        directory.fits(statement).map_err(Error::AgainstRules)
    }

    /// One touch: this person's signature.
    pub(crate) fn sign(
        &self,
        keyring: &mut Keyring<'_>,
        statement: Statement,
    ) -> Result<Entry, Error> {
        let directory = self.directory()?;
        let (tag, org) = (directory.genesis().tag, directory.org());
        let purpose = act(&statement.fact);
        sign(keyring, tag, org, &self.own_keys(), statement, &purpose)
    }

    /// Has the server take `entry`, and sees that it did.
    pub(super) async fn append(&mut self, entry: &Entry) -> Result<(), Error> {
        let entry = encode(entry);
        let answer: Appended = self.request(Method::POST, LOG, entry.clone()).await?;
        reached("after-append");
        let ledger = self.ledger.as_ref().ok_or(Error::NotEnrolled)?;
        let proven = ledger.check_appended(&entry, &answer);
        self.read_log().await?;
        let tree = self.directory()?.tree();
        let held = proven.and_then(|head| {
            // A proof in a log that nobody else is shown proves nothing.
            if tree.root_at(head.size) == Some(head.root) {
                Ok(())
            } else {
                Err(Alarm::UnprovenEntry)
            }
        });
        if let Err(alarm) = held
            && checked("E14")
        {
            self.record_alarm(&alarm)?;
            return Err(alarm.into());
        }
        Ok(())
    }
}
