//! Somebody with a device key and a security key of his own making, and no key of anybody else's.

use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use valise_proto::{
    api::login,
    card::ServerUrl,
    id::{DeviceId, KeyId, Name, OrgTag},
    key::{Credential, KeyRecord},
    statement::{StatementSignature, relying_party, sha256},
};

use super::Unmade;
use crate::{
    account::client_data, provider::DeviceSigner, random, session::Error, vault::VaultKey,
};

const BROKEN: Error = Error::Wrong("the attacker's keys cannot be made");

/// The attacker.
pub(super) struct Attacker {
    /// His device key.
    pub(super) signer: DeviceSigner,
    /// His device.
    pub(super) device: DeviceId,
    /// The credential that signs for him, whatever it is asked to sign.
    pub(super) key: Forger,
}

impl Attacker {
    /// Makes the keys.
    pub(super) fn new() -> Result<Self, Error> {
        let seed = random::secret::<32>()?;
        let signer = DeviceSigner::from_seed(&*seed).map_err(|_| BROKEN)?;
        let device = DeviceId::try_from(signer.public_key()).map_err(|_| BROKEN)?;
        let key = Forger::new()?;
        Ok(Self {
            signer,
            device,
            key,
        })
    }
}

/// A credential that is on no security key: a program can sign with it, and say what it likes about a
/// touch and a PIN.
pub(super) struct Forger {
    pair: EcdsaKeyPair,
    id: [u8; 32],
}

impl Forger {
    /// Makes one.
    pub(super) fn new() -> Result<Self, Error> {
        let (algorithm, random) = (&ECDSA_P256_SHA256_ASN1_SIGNING, SystemRandom::new());
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).map_err(|_| BROKEN)?;
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random);
        Ok(Self {
            pair: pair.map_err(|_| BROKEN)?,
            id: random::bytes()?,
        })
    }

    fn credential(&self) -> Result<Credential, Error> {
        let public_key = self.pair.public_key().as_ref();
        Ok(Credential {
            id: self.id.to_vec().try_into().map_err(|_| BROKEN)?,
            public_key: public_key.try_into().map_err(|_| BROKEN)?,
        })
    }

    /// What he would have enrolled: as sound as a real key's record, and of the same `model`.
    pub(super) fn record(&self, model: [u8; 16]) -> Result<KeyRecord, Error> {
        let secret = random::secret::<32>()?;
        Ok(KeyRecord {
            model,
            statement: self.credential()?,
            login: Self::new()?.credential()?,
            vault: VaultKey::derive(&secret)?.public,
        })
    }

    /// What a security key says after touch and PIN, its counter far ahead, and his signature.
    fn assert(&self, party: &str, client_data_hash: &[u8]) -> Result<([u8; 37], Vec<u8>), Error> {
        let party = sha256(&[party.as_bytes()]);
        let said = [&party[..], &[0b101], &[0x7f, 0, 0, 0]].concat();
        let said: [u8; 37] = said.try_into().map_err(|_| BROKEN)?;
        let signed = [&said[..], client_data_hash].concat();
        let signature = self.pair.sign(&SystemRandom::new(), &signed);
        let signature = signature.map_err(|_| BROKEN)?;
        Ok((said, signature.as_ref().to_vec()))
    }

    /// An answer to the server's challenge. `credential`: another's, under whose number it goes.
    pub(super) fn answer(
        &self,
        nonce: [u8; 32],
        url: &ServerUrl,
        account: &Name,
        device: DeviceId,
        credential: Option<&[u8]>,
    ) -> Result<login::Finish, Unmade> {
        let hash = login::challenge(nonce, device, account);
        let client_data = client_data("webauthn.get", &hash, url);
        let (said, signature) = self.assert(url.host(), &sha256(&[&client_data]))?;
        let large = |_| BROKEN;
        Ok(login::Finish {
            nonce,
            account: account.clone(),
            credential_id: credential
                .unwrap_or(&self.id)
                .to_vec()
                .try_into()
                .map_err(large)?,
            authenticator_data: said.to_vec().try_into().map_err(large)?,
            client_data: client_data.try_into().map_err(large)?,
            signature: signature.try_into().map_err(large)?,
        })
    }

    /// A signature over a statement, under the number of another's key.
    pub(super) fn state(
        &self,
        key: KeyId,
        tag: OrgTag,
        client_data_hash: &[u8; 32],
    ) -> Result<StatementSignature, Error> {
        let (authenticator_data, signature) = self.assert(&relying_party(tag), client_data_hash)?;
        Ok(StatementSignature {
            key,
            authenticator_data,
            signature: signature.try_into().map_err(|_| BROKEN)?,
        })
    }
}
