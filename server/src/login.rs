//! WebAuthn ceremonies: logging in with L, and the registrations of L and S. The only room that names webauthn.
//!
//! The library draws its own challenges; ours are computed by both sides, so that an assertion is
//! good for one device only. They are put into the library's serialised state in place of its own.

pub(crate) mod client_data;

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use data_encoding::BASE64URL_NOPAD;
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Serialize, de::DeserializeOwned};
use valise_proto::{
    api::{
        enrolment::Registration,
        login::{Challenge, Finish, Session, challenge},
    },
    card::ServerUrl,
    id::{DeviceId, KeyId, OrgTag, SessionId},
    key::{Credential, KeyRecord, SOFT_KEY_MODEL},
    log::{entry::AttestationAuthority, replay::Directory},
    statement::{relying_party, sha256},
    weaken::checked,
};
use webauthn_rs::prelude::Uuid;
use webauthn_rs_core::{
    WebauthnCore,
    error::WebauthnError,
    proto::{
        AttestationCaList, AttestationCaListBuilder, AttestationConveyancePreference,
        AttestationFormat, AttestationMetadata, AuthenticationExtensionsClientOutputs,
        AuthenticatorAssertionResponseRaw, AuthenticatorAttestationResponseRaw, COSEAlgorithm,
        COSEEC2Key, COSEKey, COSEKeyType, CredentialV5, ECDSACurve, ParsedAttestation,
        ParsedAttestationData, PublicKeyCredential, RegisterPublicKeyCredential,
        RegisteredExtensions, RegistrationExtensionsClientOutputs, UserVerificationPolicy,
    },
};

use self::client_data::{ClientData, Kind};
use crate::{
    clock::Clock,
    directory::Log,
    session::Sessions,
    store::{SessionRow, Store, StoreError},
};

/// A login challenge is good for this long: milliseconds.
pub const NONCE_MS: u64 = 60_000;
/// User present and user verified, nothing else: no extensions, not backup-eligible (WebAuthn §6.1).
const LOGIN_FLAGS: u8 = 0b0000_0101;

/// Why nobody was logged in. The caller is told no more than [`LoginError::Refused`] (L15).
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// Wrong challenge, name, credential or signature.
    #[error("the login was refused")]
    Refused,
    /// The signature counter did not rise, now or once: the key may have been copied (WebAuthn §7.2
    /// step 22), and logs in nowhere any more (L08). Only who holds the key, or its copy, is told.
    #[error(
        "this key's counter went back, so somebody may have a copy of it: it logs in nowhere any more"
    )]
    Copied,
    /// The device is revoked or another account's, or the account is suspended.
    #[error("the device is revoked or its account suspended")]
    Revoked,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No randomness, or the library cannot begin a ceremony.
    #[error("the ceremony could not begin")]
    Ceremony,
}

/// Why a registration proves nothing: told to nobody, kept for logs.
#[derive(Debug, thiserror::Error)]
pub enum PeerRegistration {
    /// The library refuses it.
    #[error("the registration does not verify: {0:?}")]
    Webauthn(WebauthnError),
    /// clientDataJSON is not the one accepted form.
    #[error("the client data is not the one accepted form")]
    ClientData,
    /// It is for another credential than the key record says, or of another model.
    #[error("the registration is for another key")]
    AnotherKey,
    /// The policy allows no such model.
    #[error("the organisation does not allow this model")]
    Model,
    /// An authority in the policy is no certificate.
    #[error("the organisation's attestation authority is malformed")]
    Authority,
    /// The library cannot begin a ceremony.
    #[error("the ceremony could not begin")]
    Ceremony,
}

/// The two relying parties of an organisation.
pub struct Ceremonies {
    login: Party,
    statement: Party,
    origin: String,
}

struct Party {
    id: String,
    core: WebauthnCore,
}

impl fmt::Debug for Ceremonies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ceremonies")
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

impl Ceremonies {
    /// For the organisation at `url` with this `tag`.
    pub fn new(url: &ServerUrl, tag: OrgTag) -> Result<Self, LoginError> {
        let origin: url::Url = url.origin().parse().map_err(|_| LoginError::Ceremony)?;
        let party = |id: String| Party {
            core: WebauthnCore::new_unsafe_experts_only(
                "valise",
                &id,
                vec![origin.clone()],
                Duration::from_mins(1),
                Some(false),
                Some(false),
            ),
            id,
        };
        Ok(Self {
            login: party(url.host().to_owned()),
            statement: party(relying_party(tag)),
            origin: url.origin().to_owned(),
        })
    }

    /// Checks an assertion of L by the key with `record`; gives its signature counter (WebAuthn §7.2).
    fn assertion(&self, finish: &Finish, device: DeviceId, record: &KeyRecord) -> Option<u32> {
        let expected = challenge(finish.nonce, device, &finish.account);
        let client_data = finish.client_data.as_slice();
        ClientData::parse(client_data)?.check(Kind::Get, &expected, &self.origin)?;
        let data = finish.authenticator_data.as_slice();
        let &[.., flags, a, b, c, d] = data else {
            return None;
        };
        if data.len() != 37 || flags != LOGIN_FLAGS {
            return None;
        }
        let credential = library_credential(&record.login)?;
        let core = &self.login.core;
        let builder = core
            .new_challenge_authenticate_builder(
                vec![credential.clone()],
                Some(UserVerificationPolicy::Required),
            )
            .ok()?;
        let (_, state) = core.generate_challenge_authenticate(builder).ok()?;
        let state = with_challenge(&state, expected)?;
        let id = finish.credential_id.as_slice();
        let response = PublicKeyCredential {
            id: BASE64URL_NOPAD.encode(id),
            raw_id: id.to_vec(),
            response: AuthenticatorAssertionResponseRaw {
                authenticator_data: data.to_vec(),
                client_data_json: client_data.to_vec(),
                signature: finish.signature.as_slice().to_vec(),
                user_handle: None,
            },
            extensions: AuthenticationExtensionsClientOutputs::default(),
            type_: "public-key".to_owned(),
        };
        let result = core
            .authenticate_single_credential(&response, &state, &credential)
            .ok()?;
        result
            .user_verified()
            .then_some(u32::from_be_bytes([a, b, c, d]))
    }

    /// Checks the registrations of both credentials of `key` (WebAuthn §7.1): user verified, ES256,
    /// not synced, attested as the policy says.
    pub fn registrations(
        &self,
        key: &KeyRecord,
        statement: &Registration,
        login: &Registration,
        challenge: [u8; 32],
        authorities: &[AttestationAuthority],
    ) -> Result<(), PeerRegistration> {
        if authorities.is_empty() && key.model == SOFT_KEY_MODEL {
            return Err(PeerRegistration::Model);
        }
        let authorities = authority_list(authorities)?;
        let check = |party: &Party, registration, credential| {
            self.registration(
                party,
                registration,
                credential,
                key.model,
                challenge,
                &authorities,
            )
        };
        check(&self.statement, statement, &key.statement)?;
        check(&self.login, login, &key.login)
    }

    fn registration(
        &self,
        party: &Party,
        registration: &Registration,
        credential: &Credential,
        model: [u8; 16],
        challenge: [u8; 32],
        authorities: &AttestationCaList,
    ) -> Result<(), PeerRegistration> {
        let client_data = registration.client_data.as_slice();
        ClientData::parse(client_data)
            .and_then(|data| data.check(Kind::Create, &challenge, &self.origin))
            .ok_or(PeerRegistration::ClientData)?;
        let builder = party
            .core
            .new_challenge_register_builder(b"valise", "valise", "valise")
            .map_err(PeerRegistration::Webauthn)?
            .attestation(AttestationConveyancePreference::Direct)
            .user_verification_policy(UserVerificationPolicy::Required)
            .reject_synchronised_authenticators(true)
            .credential_algorithms(vec![COSEAlgorithm::ES256]);
        let (_, state) = party
            .core
            .generate_challenge_register(builder)
            .map_err(PeerRegistration::Webauthn)?;
        let state = with_challenge(&state, challenge).ok_or(PeerRegistration::Ceremony)?;
        let object = registration.attestation_object.as_slice();
        let response = RegisterPublicKeyCredential {
            id: BASE64URL_NOPAD.encode(credential.id.as_slice()),
            raw_id: credential.id.as_slice().to_vec(),
            response: AuthenticatorAttestationResponseRaw {
                attestation_object: object.to_vec(),
                client_data_json: client_data.to_vec(),
                transports: None,
            },
            type_: "public-key".to_owned(),
            extensions: RegistrationExtensionsClientOutputs::default(),
        };
        let authorities = (!authorities.is_empty()).then_some(authorities);
        let verified = party
            .core
            .register_credential(&response, &state, authorities)
            .map_err(PeerRegistration::Webauthn)?;
        let same = verified.cred_id.as_slice() == credential.id.as_slice()
            && library_key(&credential.public_key).is_some_and(|key| key == verified.cred)
            && stated_model(object, &party.id, credential.id.as_slice()) == Some(model);
        if same && !verified.backup_eligible {
            Ok(())
        } else {
            Err(PeerRegistration::AnotherKey)
        }
    }
}

/// Logins.
#[derive(Debug)]
pub struct Login {
    /// The ceremonies.
    pub ceremonies: Arc<Ceremonies>,
    /// Where challenges and counters are kept.
    pub store: Store,
    /// Who is who.
    pub log: Arc<Log>,
    /// Where a login ends up.
    pub sessions: Arc<Sessions>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

impl Login {
    /// A fresh challenge, single use.
    pub async fn begin(&self) -> Result<Challenge, LoginError> {
        let nonce = random()?;
        let now_ms = self.clock.now_ms();
        let mut write = self.store.begin().await?;
        write.insert_nonce(nonce, now_ms + NONCE_MS).await?;
        write.commit().await?;
        Ok(Challenge { nonce })
    }

    /// Checks the assertion and makes a session that is bound to `device`. Whatever comes of it,
    /// the challenge is used up (L04).
    pub async fn finish(&self, finish: &Finish, device: DeviceId) -> Result<Session, LoginError> {
        let now_ms = self.clock.now_ms();
        // Cheap, so that a made-up challenge costs no verification.
        if !self.store.has_nonce(finish.nonce, now_ms).await? && checked("L04") {
            return Err(LoginError::Refused);
        }
        let snapshot = self.log.now();
        let directory = &snapshot.directory;
        let verified = self.verify(finish, device, directory);
        let mut write = self.store.begin().await?;
        let fresh = write.take_nonce(finish.nonce, now_ms).await? || !checked("L04");
        let mut copied = None;
        let session = match verified.filter(|_| fresh) {
            None => Err(LoginError::Refused),
            Some((key, counter)) if write.raise_counter(key, counter).await? => {
                let session = SessionRow {
                    id: SessionId(random()?),
                    device,
                    account: finish.account.clone(),
                    key,
                    created_at_ms: now_ms,
                    used_at_ms: now_ms,
                    ends_at_ms: now_ms.saturating_add(directory.policy().session_ms),
                };
                if may_log_in(directory, &session) {
                    Ok(session)
                } else {
                    Err(LoginError::Revoked)
                }
            }
            Some((key, _)) => {
                copied = Some(key);
                if write.suspend_key(key, now_ms).await? {
                    tracing::warn!(key.id = %key, "a key's signature counter went back: it may be a copy");
                }
                Err(LoginError::Copied)
            }
        };
        if let Ok(session) = &session {
            write.insert_session(session).await?;
        }
        write.commit().await?;
        if let Some(key) = copied {
            self.sessions.forget_key(key);
        }
        let session = session?;
        let answer = Session {
            id: session.id,
            ends_at_ms: session.ends_at_ms,
            idle_ms: directory.policy().session_idle_ms,
        };
        self.sessions.insert(session);
        Ok(answer)
    }

    /// By credential to key to account, and only then compared with the name that was sent (L06).
    fn verify(
        &self,
        finish: &Finish,
        device: DeviceId,
        directory: &Directory,
    ) -> Option<(KeyId, u32)> {
        let (id, key) = directory.key_by_login(finish.credential_id.as_slice())?;
        if key.account.as_ref() != Some(&finish.account) {
            return None;
        }
        let counter = self.ceremonies.assertion(finish, device, &key.record)?;
        Some((id, counter))
    }
}

fn may_log_in(directory: &Directory, session: &SessionRow) -> bool {
    let device = directory.device(session.device);
    directory.active_account(&session.account).is_some()
        && device.is_none_or(|device| device.revoked.is_none() && device.account == session.account)
}

/// Random bytes from the operating system.
pub fn random<const BYTES: usize>() -> Result<[u8; BYTES], LoginError> {
    let mut bytes = [0; BYTES];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| LoginError::Ceremony)?;
    Ok(bytes)
}

/// The library's state with our challenge in place of its own.
fn with_challenge<S: Serialize + DeserializeOwned>(state: &S, challenge: [u8; 32]) -> Option<S> {
    let mut json = serde_json::to_value(state).ok()?;
    *json.get_mut("challenge")? = BASE64URL_NOPAD.encode(&challenge).into();
    serde_json::from_value(json).ok()
}

fn library_key(public_key: &[u8; 65]) -> Option<COSEKey> {
    let [4, point @ ..] = public_key else {
        return None;
    };
    let (x, y) = point.split_at(32);
    Some(COSEKey {
        type_: COSEAlgorithm::ES256,
        key: COSEKeyType::EC_EC2(COSEEC2Key {
            curve: ECDSACurve::SECP256R1,
            x: x.to_vec(),
            y: y.to_vec(),
        }),
    })
}

fn library_credential(credential: &Credential) -> Option<CredentialV5> {
    Some(CredentialV5 {
        cred_id: credential.id.as_slice().to_vec(),
        cred: library_key(&credential.public_key)?,
        // The database compares counters, in the transaction that makes the session.
        counter: 0,
        transports: None,
        user_verified: true,
        backup_eligible: false,
        backup_state: false,
        registration_policy: UserVerificationPolicy::Required,
        extensions: RegisteredExtensions::none(),
        attestation: ParsedAttestation {
            data: ParsedAttestationData::None,
            metadata: AttestationMetadata::None,
        },
        attestation_format: AttestationFormat::None,
    })
}

fn authority_list(
    authorities: &[AttestationAuthority],
) -> Result<AttestationCaList, PeerRegistration> {
    let mut list = AttestationCaListBuilder::new();
    for authority in authorities {
        for model in &authority.models {
            let certificate = authority.certificate.as_slice();
            let model = Uuid::from_bytes(*model);
            list.insert_device_der(certificate, model, String::new(), BTreeMap::new())
                .map_err(|_| PeerRegistration::Authority)?;
        }
    }
    Ok(list.build())
}

/// The AAGUID in an attestation object that the library accepted.
///
/// The library keeps it to itself unless it is attested. Authenticator data begins with the relying
/// party's hash and goes on with flags, counter, AAGUID, length and credential id (WebAuthn §6.5.1):
/// that sequence stands in the object exactly once, or nothing is believed.
fn stated_model(object: &[u8], party: &str, credential_id: &[u8]) -> Option<[u8; 16]> {
    let party = sha256(&[party.as_bytes()]);
    let length = u16::try_from(credential_id.len()).ok()?.to_be_bytes();
    let mut found = object
        .windows(55 + credential_id.len())
        .filter(|data| {
            let (head, id) = data.split_at(55);
            head.starts_with(&party) && head.ends_with(&length) && id == credential_id
        })
        .filter_map(|data| data.get(37..53));
    let model = found.next()?;
    if found.next().is_some() {
        return None;
    }
    model.try_into().ok()
}

#[cfg(test)]
mod tests;
