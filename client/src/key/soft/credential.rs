//! Making credentials and signing with them (CTAP 2.1 §6.1, §6.2, §12.1, §12.5).

use super::{
    AAGUID, attestation,
    cbor::{self, Map, bytes, map},
    ctap2::Status,
    pin::{self, Power, Protocol},
    store::{Credential, MAX_CREDENTIALS, Random, State, Verification},
};
use ciborium::Value;
use p256::{
    SecretKey,
    ecdsa::{DerSignature, SigningKey, signature::Signer},
};
use ring::{
    digest::{SHA256, digest},
    hmac,
};
use zeroize::Zeroizing;

/// Flags of authenticator data (WebAuthn §6.1).
const USER_PRESENT: u8 = 0x01;
const USER_VERIFIED: u8 = 0x04;
const ATTESTED: u8 = 0x40;
const EXTENSIONS: u8 = 0x80;

/// A finger on the key, among the names of its commands.
const TOUCH: &str = "touch";

/// authenticatorMakeCredential.
pub(super) fn make(params: &Map, state: &mut State, power: &mut Power) -> Result<Value, Status> {
    let hash = params.bytes(0x01)?;
    let rp_id = params.map(0x02)?.text("id")?.to_owned();
    let user_id = params.map(0x03)?.bytes("id")?.to_vec();
    let proof = Proof::read(params, 0x08, 0x09)?;
    proof.check_not_empty(state)?;
    let algorithms = params.maps(0x04)?;
    if !algorithms.iter().any(|kind| kind.int("alg") == Ok(-7)) {
        return Err(Status::UNSUPPORTED_ALGORITHM);
    }
    let options = params.map_or_empty(0x07)?;
    if options.flag("up")? == Some(false) {
        return Err(Status::INVALID_OPTION);
    }
    let verified = verified(&proof, &options, state, power, hash, pin::MAKE, &rp_id)?;
    if !verified && !matches!(state.verification, Verification::NoPin) {
        return Err(Status::PUAT_REQUIRED);
    }
    let excluded = ids(params, 0x05)?;
    if state
        .credentials
        .iter()
        .any(|c| c.rp_id == rp_id && named(c, &excluded, verified))
    {
        return Err(Status::CREDENTIAL_EXCLUDED);
    }
    let extensions = params.map_or_empty(0x06)?;
    let resident = options.flag("rk")? == Some(true);
    let credential = fresh(rp_id, user_id, resident, &extensions)?;
    let replaced = state
        .credentials
        .iter()
        .position(|old| replaces(&credential, old));
    if replaced.is_none() && state.credentials.len() >= MAX_CREDENTIALS {
        return Err(Status::KEY_STORE_FULL);
    }
    power.touched();
    state.log(TOUCH);
    state.counter = state.counter.saturating_add(1);
    let data = attested_data(&credential, &extensions, verified, state.counter)?;
    if let Some(old) = replaced {
        state.credentials.remove(old);
    }
    state.credentials.push(credential);
    let (signature, certificate) = attestation::sign(&[data.as_slice(), hash].concat())?;
    Ok(map([
        (0x01, "packed".into()),
        (0x02, bytes(data)),
        (
            0x03,
            map([
                ("alg", (-7).into()),
                ("sig", bytes(signature)),
                ("x5c", Value::Array(vec![bytes(certificate)])),
            ]),
        ),
    ]))
}

/// authenticatorGetAssertion. Among several credentials without an allow list the newest signs.
pub(super) fn assert(params: &Map, state: &mut State, power: &mut Power) -> Result<Value, Status> {
    let rp_id = params.text(0x01)?.to_owned();
    let hash = params.bytes(0x02)?;
    let proof = Proof::read(params, 0x06, 0x07)?;
    proof.check_not_empty(state)?;
    let options = params.map_or_empty(0x05)?;
    if options.flag("rk")?.is_some() {
        return Err(Status::UNSUPPORTED_OPTION);
    }
    let present = options.flag("up")? != Some(false);
    let verified = verified(&proof, &options, state, power, hash, pin::ASSERT, &rp_id)?;
    let allowed = ids(params, 0x03)?;
    let fits = |c: &&Credential| {
        let found = if allowed.is_empty() {
            listed(c, verified)
        } else {
            named(c, &allowed, verified)
        };
        c.rp_id == rp_id && found
    };
    let credential = state
        .credentials
        .iter()
        .rfind(fits)
        .ok_or(Status::NO_CREDENTIALS)?
        .clone();
    let secret = match (
        params.map_or_empty(0x04)?.get("hmac-secret"),
        &credential.random,
    ) {
        (Some(_), _) if !present => return Err(Status::UNSUPPORTED_OPTION),
        (Some(input), Some(random)) => {
            let key = if verified {
                &random.with_uv
            } else {
                &random.without_uv
            };
            Some(hmac_secret(&Map::of(input)?, key, power)?)
        }
        _ => None,
    };
    if present {
        power.touched();
        state.log(TOUCH);
    }
    state.counter = state.counter.saturating_add(1);
    let mut flags = if present { USER_PRESENT } else { 0 };
    if verified {
        flags |= USER_VERIFIED;
    }
    let extensions = secret.map(|secret| map([("hmac-secret", bytes(secret))]));
    let data = data(
        &credential.rp_id,
        flags,
        state.counter,
        None,
        extensions.as_ref(),
    )?;
    let signature = sign(&credential, &[data.as_slice(), hash].concat())?;
    let id = map([("id", bytes(credential.id)), ("type", "public-key".into())]);
    let mut answer = vec![
        (0x01.into(), id),
        (0x02.into(), bytes(data)),
        (0x03.into(), bytes(signature)),
    ];
    // Mandatory for resident credentials, with or without an allow list.
    if credential.resident {
        answer.push((0x04.into(), map([("id", bytes(credential.user_id))])));
    }
    Ok(Value::Map(answer))
}

/// pinUvAuthParam and its protocol.
struct Proof<'a>(Option<(&'a [u8], i64)>);

impl<'a> Proof<'a> {
    fn read(params: &'a Map, proof: i64, protocol: i64) -> Result<Self, Status> {
        if params.get(proof).is_none() {
            return Ok(Self(None));
        }
        Ok(Self(Some((
            params.bytes(proof)?,
            params.int_or(protocol, 1)?,
        ))))
    }

    /// An empty proof only asks for a touch, and whether there is a PIN (CTAP 2.1 §6.1.2 step 1).
    fn check_not_empty(&self, state: &State) -> Result<(), Status> {
        match (self.0, &state.verification) {
            (Some(([], _)), Verification::NoPin) => Err(Status::PIN_NOT_SET),
            (Some(([], _)), _) => Err(Status::PIN_INVALID),
            _ => Ok(()),
        }
    }
}

/// Whether the user was verified for this command, by a token or by the key itself.
fn verified(
    proof: &Proof<'_>,
    options: &Map,
    state: &State,
    power: &mut Power,
    hash: &[u8],
    permission: u8,
    rp_id: &str,
) -> Result<bool, Status> {
    if let Some((proof, protocol)) = proof.0 {
        power.check_token(Protocol::of(protocol)?, proof, hash, permission, rp_id)?;
        return Ok(true);
    }
    match (options.flag("uv")?, &state.verification) {
        (Some(true), Verification::BuiltIn) => Ok(true),
        (Some(true), _) => Err(Status::INVALID_OPTION),
        _ => Ok(false),
    }
}

/// The ids in an exclude or allow list.
fn ids(params: &Map, list: i64) -> Result<Vec<Vec<u8>>, Status> {
    params
        .maps(list)?
        .iter()
        .map(|entry| entry.bytes("id").map(<[u8]>::to_vec))
        .collect()
}

/// Whether a list of ids may lead to this credential.
fn named(credential: &Credential, ids: &[Vec<u8>], verified: bool) -> bool {
    (verified || credential.protection < 3) && ids.iter().any(|id| *id == credential.id)
}

/// Whether this credential may be found without its id.
fn listed(credential: &Credential, verified: bool) -> bool {
    (verified || credential.protection < 2) && credential.resident
}

/// A resident credential takes the place of an older one for the same account (CTAP 2.1 §6.1.2).
fn replaces(new: &Credential, old: &Credential) -> bool {
    new.resident && old.resident && new.rp_id == old.rp_id && new.user_id == old.user_id
}

fn fresh(
    rp_id: String,
    user_id: Vec<u8>,
    resident: bool,
    extensions: &Map,
) -> Result<Credential, Status> {
    let protection = match extensions.int_or("credProtect", 1)? {
        2 => 2,
        3 => 3,
        _ => 1,
    };
    let random = match extensions.flag("hmac-secret")? {
        Some(true) => Some(Random {
            with_uv: pin::random()?,
            without_uv: pin::random()?,
        }),
        _ => None,
    };
    Ok(Credential {
        id: pin::random()?,
        rp_id,
        user_id,
        private_key: pin::new_scalar()?.to_bytes().into(),
        random,
        resident,
        protection,
    })
}

/// Authenticator data of a new credential, with its public key and what became of the extensions.
fn attested_data(
    credential: &Credential,
    asked: &Map,
    verified: bool,
    counter: u32,
) -> Result<Vec<u8>, Status> {
    let mut flags = USER_PRESENT;
    if verified {
        flags |= USER_VERIFIED;
    }
    let secret = SecretKey::from_slice(&credential.private_key).map_err(|_| Status::OTHER)?;
    let public = cbor::encode(&pin::cose(&secret.public_key(), -7)?)?;
    let id_len = u16::try_from(credential.id.len())
        .map_err(|_| Status::OTHER)?
        .to_be_bytes();
    let attested = [AAGUID.as_slice(), &id_len, &credential.id, &public].concat();
    let mut results = Vec::new();
    if asked.get("credProtect").is_some() {
        results.push(("credProtect".into(), credential.protection.into()));
    }
    if credential.random.is_some() {
        results.push(("hmac-secret".into(), true.into()));
    }
    let results = (!results.is_empty()).then_some(Value::Map(results));
    data(
        &credential.rp_id,
        flags,
        counter,
        Some(&attested),
        results.as_ref(),
    )
}

/// Authenticator data (WebAuthn §6.1).
fn data(
    rp_id: &str,
    mut flags: u8,
    counter: u32,
    attested: Option<&[u8]>,
    extensions: Option<&Value>,
) -> Result<Vec<u8>, Status> {
    if attested.is_some() {
        flags |= ATTESTED;
    }
    let extensions = match extensions {
        Some(extensions) => {
            flags |= EXTENSIONS;
            cbor::encode(extensions)?
        }
        None => Vec::new(),
    };
    let rp_id_hash = digest(&SHA256, rp_id.as_bytes());
    let attested = attested.unwrap_or_default();
    Ok([
        rp_id_hash.as_ref(),
        &[flags],
        &counter.to_be_bytes(),
        attested,
        &extensions,
    ]
    .concat())
}

fn sign(credential: &Credential, message: &[u8]) -> Result<Vec<u8>, Status> {
    let key = SigningKey::from_slice(&credential.private_key).map_err(|_| Status::OTHER)?;
    let signature: DerSignature = key.try_sign(message).map_err(|_| Status::OTHER)?;
    Ok(signature.as_bytes().to_vec())
}

/// hmac-secret: HMAC-SHA-256 of one or two salts, sealed to the platform (CTAP 2.1 §12.5).
fn hmac_secret(input: &Map, random: &[u8], power: &Power) -> Result<Vec<u8>, Status> {
    let shared = power.shared(Protocol::of(input.int_or(0x04, 1)?)?, &input.map(0x01)?)?;
    let sealed = input.bytes(0x02)?;
    if !shared.verify(sealed, input.bytes(0x03)?) {
        return Err(Status::PIN_AUTH_INVALID);
    }
    let salts = shared.decrypt(sealed)?;
    if !matches!(salts.len(), 32 | 64) {
        return Err(Status::INVALID_PARAMETER);
    }
    let key = hmac::Key::new(hmac::HMAC_SHA256, random);
    let secrets: Zeroizing<Vec<u8>> = Zeroizing::new(
        salts
            .chunks(32)
            .flat_map(|salt| hmac::sign(&key, salt).as_ref().to_vec())
            .collect(),
    );
    shared.encrypt(&secrets)
}
