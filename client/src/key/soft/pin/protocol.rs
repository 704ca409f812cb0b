//! PIN/UV auth protocols one and two: key agreement and what is done with the secret
//! (CTAP 2.1 §6.5.6, §6.5.7).

use crate::key::soft::{
    cbor::{Map, bytes, map},
    ctap2::Status,
};
use aes::{
    Aes256,
    cipher::{BlockDecryptMut, BlockEncryptMut, KeyIvInit, block_padding::NoPadding},
};
use ciborium::Value;
use p256::{
    EncodedPoint, PublicKey, SecretKey, ecdh,
    elliptic_curve::{sec1::ToEncodedPoint, subtle::ConstantTimeEq},
};
use ring::{
    digest::{SHA256, digest},
    hmac,
};
use zeroize::Zeroizing;

/// Which of the two protocols.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::key::soft) enum Protocol {
    One,
    Two,
}

/// The secret between key and platform.
pub(in crate::key::soft) struct Shared {
    protocol: Protocol,
    mac_key: Zeroizing<[u8; 32]>,
    aes_key: Zeroizing<[u8; 32]>,
}

impl Protocol {
    /// Reads pinUvAuthProtocol.
    pub(in crate::key::soft) fn of(number: i64) -> Result<Self, Status> {
        match number {
            1 => Ok(Self::One),
            2 => Ok(Self::Two),
            _ => Err(Status::INVALID_PARAMETER),
        }
    }

    /// `decapsulate()`: the secret shared with a platform's public key.
    pub(super) fn shared(self, own: &SecretKey, platform: &Map) -> Result<Shared, Status> {
        let coordinate = |name: i64| -> Result<[u8; 32], Status> {
            platform
                .bytes(name)?
                .try_into()
                .map_err(|_| Status::INVALID_PARAMETER)
        };
        let (x, y) = (coordinate(-2)?, coordinate(-3)?);
        let point = EncodedPoint::from_affine_coordinates(&x.into(), &y.into(), false);
        let platform =
            PublicKey::from_sec1_bytes(point.as_bytes()).map_err(|_| Status::INVALID_PARAMETER)?;
        let agreed = ecdh::diffie_hellman(own.to_nonzero_scalar(), platform.as_affine());
        let z = agreed.raw_secret_bytes();
        let (mac_key, aes_key) = match self {
            Self::One => {
                let key = array(digest(&SHA256, z).as_ref());
                (key, key)
            }
            Self::Two => (derive(z, b"CTAP2 HMAC key"), derive(z, b"CTAP2 AES key")),
        };
        Ok(Shared {
            protocol: self,
            mac_key: mac_key.into(),
            aes_key: aes_key.into(),
        })
    }

    /// `verify()`: whether the proof authenticates the message under the key.
    pub(super) fn verify(self, key: &[u8], message: &[u8], proof: &[u8]) -> bool {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message);
        let tag = match self {
            Self::One => tag.as_ref().get(..16),
            Self::Two => tag.as_ref().get(..),
        };
        tag.is_some_and(|tag| tag.ct_eq(proof).into())
    }
}

impl Shared {
    /// `encrypt()`: AES-256-CBC without padding; protocol two puts a random IV in front.
    pub(in crate::key::soft) fn encrypt(&self, plain: &[u8]) -> Result<Vec<u8>, Status> {
        let iv = match self.protocol {
            Protocol::One => [0; 16],
            Protocol::Two => super::random()?,
        };
        let sealed = cbc::Encryptor::<Aes256>::new((&*self.aes_key).into(), &iv.into())
            .encrypt_padded_vec_mut::<NoPadding>(plain);
        Ok(match self.protocol {
            Protocol::One => sealed,
            Protocol::Two => [iv.as_slice(), &sealed].concat(),
        })
    }

    /// `decrypt()`, its counterpart.
    pub(in crate::key::soft) fn decrypt(
        &self,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, Status> {
        let (iv, sealed) = match self.protocol {
            Protocol::One => ([0; 16], sealed),
            Protocol::Two => {
                let (iv, rest) = sealed
                    .split_first_chunk()
                    .ok_or(Status::INVALID_PARAMETER)?;
                (*iv, rest)
            }
        };
        cbc::Decryptor::<Aes256>::new((&*self.aes_key).into(), &iv.into())
            .decrypt_padded_vec_mut::<NoPadding>(sealed)
            .map(Zeroizing::new)
            .map_err(|_| Status::INVALID_PARAMETER)
    }

    /// `verify()` under the shared secret itself.
    pub(in crate::key::soft) fn verify(&self, message: &[u8], proof: &[u8]) -> bool {
        self.protocol
            .verify(self.mac_key.as_slice(), message, proof)
    }
}

/// HKDF-SHA-256 with a zero salt and 32 bytes out, which is two HMACs.
fn derive(z: &[u8], info: &[u8]) -> [u8; 32] {
    let mac = |key: &[u8], data: &[u8]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), data);
    let pseudorandom = mac(&[0; 32], z);
    array(mac(pseudorandom.as_ref(), &[info, &[1]].concat()).as_ref())
}

/// The 32 bytes of a SHA-256 result.
fn array(from: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.iter_mut().zip(from).for_each(|(o, f)| *o = *f);
    out
}

/// A P-256 public key in COSE (RFC 9053 §7.1), for algorithm `alg`.
pub(in crate::key::soft) fn cose(key: &PublicKey, alg: i64) -> Result<Value, Status> {
    let point = key.to_encoded_point(false);
    let x = point.x().ok_or(Status::OTHER)?;
    let y = point.y().ok_or(Status::OTHER)?;
    Ok(map([
        (1, 2.into()),
        (3, alg.into()),
        (-1, 1.into()),
        (-2, bytes(x.as_slice())),
        (-3, bytes(y.as_slice())),
    ]))
}
