//! What must be so before a hardware key comes or goes.

use crate::{
    id::KeyId,
    key::{KeyRecord, SOFT_KEY_MODEL},
    log::{
        entry::{Entry, KeyAdd, KeyRevoke, Policy},
        replay::{Directory, Refusal},
    },
};

impl Directory {
    pub(super) fn check_key_add(&self, fact: &KeyAdd) -> Result<(), Refusal> {
        self.known_active_account("key.add", &fact.account)?;
        self.check_key(fact.key.id(), &fact.key, self.policy())
    }

    /// A suspended account's key can be revoked too: it must not come back with a restore.
    pub(super) fn check_key_revoke(&self, entry: &Entry, fact: &KeyRevoke) -> Result<(), Refusal> {
        let kind = "key.revoke";
        let account = self.known_account(kind, &fact.account)?;
        let owner = Some(&fact.account);
        let key = self.keys.get(&fact.key);
        match key.filter(|key| key.account.as_ref() == owner) {
            None => {
                return Err(Refusal::UnknownKey {
                    account: fact.account.clone(),
                    key: fact.key,
                });
            }
            Some(key) if key.revoked.is_some() => {
                return Err(Refusal::KeyAlreadyRevoked(fact.key));
            }
            Some(_) => {}
        }
        if account.keys.len() > 1 {
            return Ok(());
        }
        // He could never log in again, nor ask for it.
        let mut signers = entry.signers().filter_map(|id| self.keys.get(&id));
        if signers.any(|signer| signer.account.as_ref() == owner) {
            return Err(Refusal::OwnLastKey(fact.account.clone()));
        }
        if account.is_able_admin() {
            return Self::check_council(kind, self.council.without_one());
        }
        Ok(())
    }

    /// A key may come into the directory: it is new, sound, and of a model that is allowed.
    pub(in crate::log::replay) fn check_key(
        &self,
        id: KeyId,
        record: &KeyRecord,
        policy: &Policy,
    ) -> Result<(), Refusal> {
        if self.keys.contains_key(&id) {
            return Err(Refusal::KeyTaken(id));
        }
        let KeyRecord {
            statement, login, ..
        } = record;
        for credential in [statement, login] {
            let bytes = credential.id.as_slice();
            if bytes.is_empty() || self.credentials.contains_key(bytes) {
                return Err(Refusal::CredentialId(id));
            }
            if self.public_keys.contains(&credential.public_key) {
                return Err(Refusal::PublicKeyTaken(id));
            }
            if p256::PublicKey::from_sec1_bytes(&credential.public_key).is_err() {
                return Err(Refusal::PublicKey(id));
            }
        }
        if statement.id == login.id {
            return Err(Refusal::CredentialId(id));
        }
        if statement.public_key == login.public_key {
            return Err(Refusal::PublicKeyTaken(id));
        }
        check_model(id, record, policy)
    }
}

/// The policy allows keys of this model.
pub(super) fn check_model(id: KeyId, record: &KeyRecord, policy: &Policy) -> Result<(), Refusal> {
    let authorities = &policy.attestation;
    let listed = authorities
        .iter()
        .any(|authority| authority.models.contains(&record.model));
    if record.model == SOFT_KEY_MODEL && !listed {
        Err(Refusal::SoftKey(id))
    } else if !authorities.is_empty() && !listed {
        Err(Refusal::Model(id))
    } else {
        Ok(())
    }
}
