//! The authenticator itself: one command in, one answer out (CTAP 2.1 §6).

use super::{
    AAGUID,
    cbor::{self, Map, bytes, map},
    pin::Power,
    store::{self, State, Verification},
};
use ciborium::Value;
use std::{io, path::PathBuf};

/// Length of the credential ids.
const ID_LEN: u32 = 32;

/// Longest command that the key takes, in bytes.
const MAX_MESSAGE: u16 = 7609;

/// A key with power: its file, and what it forgets when it is unplugged.
pub(super) struct Authenticator {
    path: PathBuf,
    power: Power,
}

impl Authenticator {
    /// Plugs the key in.
    pub(super) fn open(path: PathBuf) -> io::Result<Self> {
        store::read(&path)?;
        Ok(Self {
            path,
            power: Power::on().map_err(|_| io::Error::other("no randomness"))?,
        })
    }

    pub(super) fn path(&self) -> &PathBuf {
        &self.path
    }

    /// Obeys a command: its code and its parameters in CBOR. Answers a status and a result in CBOR.
    /// Whatever the command changed is on disk before the answer exists.
    pub(super) fn call(&mut self, request: &[u8]) -> io::Result<Vec<u8>> {
        let power = &mut self.power;
        let answer = store::update(&self.path, |state| obey(request, state, power))?;
        Ok(match answer {
            Ok(body) => [vec![0], body].concat(),
            Err(Status(code)) => vec![code],
        })
    }
}

fn obey(request: &[u8], state: &mut State, power: &mut Power) -> Result<Vec<u8>, Status> {
    let (&code, body) = request.split_first().ok_or(Status::INVALID_COMMAND)?;
    state.log(name(code));
    if request.len() > usize::from(MAX_MESSAGE) {
        return Err(Status::REQUEST_TOO_LARGE);
    }
    let params = Map::parse(body)?;
    match code {
        0x01 => cbor::encode(&super::credential::make(&params, state, power)?),
        0x02 => cbor::encode(&super::credential::assert(&params, state, power)?),
        0x04 => cbor::encode(&info(state)),
        0x06 => cbor::encode(&power.client_pin(&params, state)?),
        // Selection: someone is always there to touch this key.
        0x0b => Ok(Vec::new()),
        _ => Err(Status::INVALID_COMMAND),
    }
}

/// The name of a command, known to this key or not (CTAP 2.1 §6).
fn name(code: u8) -> &'static str {
    match code {
        0x01 => "makeCredential",
        0x02 => "getAssertion",
        0x04 => "getInfo",
        0x06 => "clientPIN",
        0x07 => "reset",
        0x08 => "getNextAssertion",
        0x09 | 0x40 => "bioEnrollment",
        0x0a | 0x41 => "credentialManagement",
        0x0b => "selection",
        0x0c => "largeBlobs",
        0x0d => "authenticatorConfig",
        _ => "unknown",
    }
}

/// authenticatorGetInfo (CTAP 2.1 §6.4).
fn info(state: &State) -> Value {
    let verification = match state.verification {
        Verification::BuiltIn => ("uv", true.into()),
        Verification::NoPin => ("clientPin", false.into()),
        Verification::Pin { .. } => ("clientPin", true.into()),
    };
    map([
        (
            0x01,
            Value::Array(vec!["FIDO_2_0".into(), "FIDO_2_1".into()]),
        ),
        (
            0x02,
            Value::Array(vec!["credProtect".into(), "hmac-secret".into()]),
        ),
        (0x03, bytes(AAGUID)),
        (
            0x04,
            map([
                ("rk", true.into()),
                ("up", true.into()),
                verification,
                ("pinUvAuthToken", true.into()),
            ]),
        ),
        (0x05, MAX_MESSAGE.into()),
        (0x06, Value::Array(vec![2.into(), 1.into()])),
        (0x07, 16.into()),
        (0x08, ID_LEN.into()),
        (0x09, Value::Array(vec!["usb".into()])),
        (
            0x0a,
            Value::Array(vec![map([
                ("alg", (-7).into()),
                ("type", "public-key".into()),
            ])]),
        ),
        (0x0d, 4.into()),
    ])
}

/// Why a command failed (CTAP 2.1 §8.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Status(u8);

impl Status {
    pub(super) const INVALID_COMMAND: Self = Self(0x01);
    pub(super) const INVALID_PARAMETER: Self = Self(0x02);
    pub(super) const UNEXPECTED_TYPE: Self = Self(0x11);
    pub(super) const INVALID_CBOR: Self = Self(0x12);
    pub(super) const MISSING_PARAMETER: Self = Self(0x14);
    pub(super) const CREDENTIAL_EXCLUDED: Self = Self(0x19);
    pub(super) const UNSUPPORTED_ALGORITHM: Self = Self(0x26);
    pub(super) const KEY_STORE_FULL: Self = Self(0x28);
    pub(super) const UNSUPPORTED_OPTION: Self = Self(0x2b);
    pub(super) const INVALID_OPTION: Self = Self(0x2c);
    pub(super) const NO_CREDENTIALS: Self = Self(0x2e);
    pub(super) const NOT_ALLOWED: Self = Self(0x30);
    pub(super) const PIN_INVALID: Self = Self(0x31);
    pub(super) const PIN_BLOCKED: Self = Self(0x32);
    pub(super) const PIN_AUTH_INVALID: Self = Self(0x33);
    pub(super) const PIN_AUTH_BLOCKED: Self = Self(0x34);
    pub(super) const PIN_NOT_SET: Self = Self(0x35);
    pub(super) const PUAT_REQUIRED: Self = Self(0x36);
    pub(super) const REQUEST_TOO_LARGE: Self = Self(0x39);
    pub(super) const INVALID_SUBCOMMAND: Self = Self(0x3e);
    pub(super) const UNAUTHORIZED_PERMISSION: Self = Self(0x40);
    pub(super) const OTHER: Self = Self(0x7f);
}
