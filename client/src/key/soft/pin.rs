//! authenticatorClientPIN: how a platform proves that the user was verified (CTAP 2.1 §6.5).

mod protocol;

pub(super) use protocol::{Protocol, cose};

use super::{
    cbor::{Map, bytes, map},
    ctap2::Status,
    store::{PIN_TRIES, State, Verification},
};
use ciborium::Value;
use p256::{SecretKey, elliptic_curve::subtle::ConstantTimeEq};
use zeroize::Zeroizing;

/// Permission to make credentials, and to sign with them (CTAP 2.1 §6.5.5.7).
pub(super) const MAKE: u8 = 0x01;
pub(super) const ASSERT: u8 = 0x02;

/// Wrong PINs in a row until the key must be unplugged.
const PAUSE_AFTER: u8 = 3;

/// What the key forgets without power.
pub(super) struct Power {
    agreement: SecretKey,
    token: Option<Token>,
    wrong_in_a_row: u8,
}

/// pinUvAuthToken: whoever knows it acts for a verified user.
struct Token {
    protocol: Protocol,
    value: Zeroizing<[u8; 32]>,
    permissions: u8,
    /// The only relying party for which it is good; a token of CTAP 2.0 takes the first one used.
    rp_id: Option<String>,
}

impl Power {
    pub(super) fn on() -> Result<Self, Status> {
        Ok(Self {
            agreement: new_scalar()?,
            token: None,
            wrong_in_a_row: 0,
        })
    }

    /// Obeys a subcommand. This key offers none that sets or changes a PIN.
    pub(super) fn client_pin(&mut self, params: &Map, state: &mut State) -> Result<Value, Status> {
        match params.int(0x02)? {
            0x01 => Ok(map([
                (0x03, tries_left(&state.verification).into()),
                (0x04, (self.wrong_in_a_row >= PAUSE_AFTER).into()),
            ])),
            0x02 => {
                Protocol::of(params.int(0x01)?)?;
                Ok(map([(0x01, cose(&self.agreement.public_key(), -25)?)]))
            }
            0x05 => {
                self.check_pin(params, state)?;
                self.issue(params, MAKE | ASSERT, None)
            }
            0x06 if matches!(state.verification, Verification::BuiltIn) => {
                let (permissions, rp_id) = wanted(params)?;
                self.issue(params, permissions, rp_id)
            }
            0x06 => Err(Status::NOT_ALLOWED),
            0x07 => Ok(map([(0x05, PIN_TRIES.into())])),
            0x09 => {
                let (permissions, rp_id) = wanted(params)?;
                self.check_pin(params, state)?;
                self.issue(params, permissions, rp_id)
            }
            _ => Err(Status::INVALID_SUBCOMMAND),
        }
    }

    /// The secret shared with a platform that sent its public key.
    pub(super) fn shared(
        &self,
        protocol: Protocol,
        platform: &Map,
    ) -> Result<protocol::Shared, Status> {
        protocol.shared(&self.agreement, platform)
    }

    /// Whether the parameter of a command proves that the user was verified for it.
    pub(super) fn check_token(
        &mut self,
        protocol: Protocol,
        proof: &[u8],
        message: &[u8],
        permission: u8,
        rp_id: &str,
    ) -> Result<(), Status> {
        let token = self.token.as_mut().ok_or(Status::PIN_AUTH_INVALID)?;
        let proven = token.protocol == protocol
            && protocol.verify(token.value.as_slice(), message, proof)
            && token.permissions & permission != 0
            && token.rp_id.as_deref().is_none_or(|bound| bound == rp_id);
        if !proven {
            return Err(Status::PIN_AUTH_INVALID);
        }
        token.rp_id = Some(rp_id.to_owned());
        Ok(())
    }

    /// A touch uses the token up.
    pub(super) fn touched(&mut self) {
        self.token = None;
    }

    /// CTAP 2.1 §6.5.5.7.1: counts first, then compares.
    fn check_pin(&mut self, params: &Map, state: &mut State) -> Result<(), Status> {
        let shared = self.shared(Protocol::of(params.int(0x01)?)?, &params.map(0x03)?)?;
        let Verification::Pin { hash, tries_left } = &mut state.verification else {
            return Err(Status::PIN_NOT_SET);
        };
        if self.wrong_in_a_row >= PAUSE_AFTER {
            return Err(Status::PIN_AUTH_BLOCKED);
        }
        *tries_left = tries_left.checked_sub(1).ok_or(Status::PIN_BLOCKED)?;
        let given = shared.decrypt(params.bytes(0x06)?)?;
        if bool::from(given.as_slice().ct_eq(hash.as_slice())) {
            *tries_left = PIN_TRIES;
            self.wrong_in_a_row = 0;
            return Ok(());
        }
        self.agreement = new_scalar()?;
        self.wrong_in_a_row += 1;
        Err(match *tries_left {
            0 => Status::PIN_BLOCKED,
            _ if self.wrong_in_a_row >= PAUSE_AFTER => Status::PIN_AUTH_BLOCKED,
            _ => Status::PIN_INVALID,
        })
    }

    /// Makes a new token, and with it the old one void.
    fn issue(
        &mut self,
        params: &Map,
        permissions: u8,
        rp_id: Option<String>,
    ) -> Result<Value, Status> {
        let protocol = Protocol::of(params.int(0x01)?)?;
        let shared = self.shared(protocol, &params.map(0x03)?)?;
        let value = Zeroizing::new(random()?);
        let sealed = shared.encrypt(value.as_slice())?;
        self.token = Some(Token {
            protocol,
            value,
            permissions,
            rp_id,
        });
        Ok(map([(0x02, bytes(sealed))]))
    }
}

/// The permissions that a platform asks for, and the relying party that they need.
fn wanted(params: &Map) -> Result<(u8, Option<String>), Status> {
    let permissions = u8::try_from(params.int(0x09)?).map_err(|_| Status::INVALID_PARAMETER)?;
    match permissions {
        0 => Err(Status::INVALID_PARAMETER),
        asked if asked & !(MAKE | ASSERT) != 0 => Err(Status::UNAUTHORIZED_PERMISSION),
        _ => Ok((permissions, Some(params.text(0x0a)?.to_owned()))),
    }
}

fn tries_left(verification: &Verification) -> u8 {
    match verification {
        Verification::Pin { tries_left, .. } => *tries_left,
        Verification::BuiltIn | Verification::NoPin => PIN_TRIES,
    }
}

/// Random bytes from the system.
pub(super) fn random<const N: usize>() -> Result<[u8; N], Status> {
    crate::random::bytes().map_err(|_| Status::OTHER)
}

/// A random P-256 key. One in 2^32 random values is none; then the command fails.
pub(super) fn new_scalar() -> Result<SecretKey, Status> {
    SecretKey::from_slice(random::<32>()?.as_slice()).map_err(|_| Status::OTHER)
}
