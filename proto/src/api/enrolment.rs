//! Asking to be enrolled. An ask gives nothing: an admin has to compare the words and sign.

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use crate::{
    codec::{Bytes, Limited},
    id::{DeviceId, EnrolmentId, Name},
    key::KeyRecord,
};

/// What the two credentials' registrations must answer, so that attestation is fresh.
#[derive(Clone, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
pub struct Challenge {
    /// The ask's id.
    pub id: EnrolmentId,
    /// WebAuthn challenge of both registrations; valid 10 minutes.
    pub challenge: [u8; 32],
}

impl Limited for Challenge {
    const MAX: usize = 48;
}

/// One credential's registration (WebAuthn §7.1).
#[derive(Clone, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
pub struct Registration {
    /// CBOR {fmt, authData, attStmt}.
    pub attestation_object: Bytes<8192>,
    /// The JSON that was signed.
    pub client_data: Bytes<1024>,
}

/// "I am `name`, this is my key, this is my device."
#[derive(Clone, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
pub struct Ask {
    /// The name asked for.
    pub name: Name,
    /// The device that asks, and whose signature the request carries.
    pub device: DeviceId,
    /// The key.
    pub key: KeyRecord,
    /// Registration of S; its origin is the server's, its relying party `valise:<tag>`.
    pub statement: Registration,
    /// Registration of L.
    pub login: Registration,
}

impl Limited for Ask {
    const MAX: usize = 24 * 1024;
}

/// How far an ask has come. The log, not this, says what is true.
#[derive(Clone, Copy, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
#[repr(u8)]
pub enum Status {
    /// No admin has decided; or admins began a recovery with this key, and it waits for objections.
    Waiting = 0,
    /// The key is in the log.
    Enrolled = 1,
    /// An admin refused, or the ask is too old (24 h), or the name went to another key.
    Refused = 2,
}

impl Limited for Status {
    const MAX: usize = 1;
}

/// Every ask that waits, oldest first.
#[derive(Clone, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
pub struct Pending {
    /// At most 100.
    pub asks: Vec<PendingAsk>,
}

impl Limited for Pending {
    const MAX: usize = 4 << 20;
}

/// An ask as an admin sees it. The admin's client recomputes the words from it.
#[derive(Clone, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
pub struct PendingAsk {
    /// Its id.
    pub id: EnrolmentId,
    /// When it arrived: milliseconds since 1970 UTC, the server's clock.
    pub asked_at_ms: u64,
    /// The ask, with its attestations.
    pub ask: Ask,
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::{
        codec::{decode, encode},
        fuzz::seed,
    };

    proptest! {
        #[test]
        fn an_ask_reads_back(
            name in "[a-z][a-z0-9]{0,31}",
            device: [u8; 32],
            object in vec(any::<u8>(), 0..=8192),
            data in vec(any::<u8>(), 0..=1024),
        ) {
            let registration = Registration {
                attestation_object: object.try_into().unwrap(),
                client_data: data.try_into().unwrap(),
            };
            let ask = Ask {
                name: name.parse().unwrap(),
                device: DeviceId(device),
                key: seed::key(1),
                statement: registration.clone(),
                login: registration,
            };
            prop_assert_eq!(decode(&encode(&ask)), Ok(ask));
        }
    }
}
