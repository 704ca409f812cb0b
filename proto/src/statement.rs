//! What a hardware key's S credential signs, and how anybody checks it.
//!
//! The key signs `authenticatorData ‖ clientDataHash` (WebAuthn §7.2). Here clientDataHash is
//! the hash of our own bytes, not of JSON, as OpenSSH's sk keys do; the relying party is
//! `valise:<org tag>`, which no browser can name, so no web page can have such a signature made.

use ring::{digest, signature};
use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use crate::{
    codec::Bytes,
    id::{KeyId, OrgId, OrgTag},
    label,
    weaken::checked,
};

/// Size of authenticator data without extensions: rpIdHash, flags, counter (WebAuthn §6.1).
pub const AUTHENTICATOR_DATA_LEN: usize = 37;

/// User present (bit 0) and user verified (bit 2), and nothing else: not backup-eligible, no
/// attested credential, no extensions, no reserved bits.
const FLAGS: u8 = 0b0000_0101;

/// The relying party id of the organisation's S credentials.
pub fn relying_party(tag: OrgTag) -> String {
    format!("valise:{tag}")
}

/// The clientDataHash for `statement`, under one of the statement labels of [`crate::label`].
pub fn client_data_hash(label: &[u8], org: OrgId, statement: &[u8]) -> [u8; 32] {
    let length = u64::try_from(statement.len())
        .unwrap_or(u64::MAX)
        .to_be_bytes();
    sha256(&[label::STATEMENT, label, b"\0", &org.0, &length, statement])
}

/// One S signature over a statement.
#[derive(Clone, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
pub struct StatementSignature {
    /// The hardware key that signed.
    pub key: KeyId,
    /// What the authenticator said: rpIdHash, flags, counter.
    pub authenticator_data: [u8; AUTHENTICATOR_DATA_LEN],
    /// ECDSA P-256, ASN.1 DER: 8 to 72 bytes.
    pub signature: Bytes<72>,
}

/// Why an assertion proves nothing.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PeerSignature {
    /// Made for another relying party.
    #[error("signed for another relying party")]
    AnotherRelyingParty,
    /// No touch, no PIN, a synced credential, or an extension.
    #[error(
        "the security key's flags are {0:#04x}: a touch and a PIN on a hardware key are needed"
    )]
    Flags(u8),
    /// Not this key's signature over this statement.
    #[error("the signature does not verify")]
    Signature,
}

impl StatementSignature {
    /// Checks that the S credential with `public_key` (P-256, uncompressed SEC1) signed the
    /// statement with this [`client_data_hash`], under touch and PIN, for this organisation.
    pub fn verify(
        &self,
        public_key: &[u8; 65],
        tag: OrgTag,
        client_data_hash: &[u8; 32],
    ) -> Result<(), PeerSignature> {
        let [party @ .., flags, _, _, _, _] = &self.authenticator_data;
        if *party != sha256(&[relying_party(tag).as_bytes()]) && checked("D17") {
            return Err(PeerSignature::AnotherRelyingParty);
        }
        if *flags != FLAGS {
            return Err(PeerSignature::Flags(*flags));
        }
        let mut signed = self.authenticator_data.to_vec();
        signed.extend_from_slice(client_data_hash);
        signature::UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_ASN1, public_key)
            .verify(&signed, self.signature.as_slice())
            .map_err(|_| PeerSignature::Signature)
    }
}

/// SHA-256 of the concatenation of `parts`.
pub fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(part);
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;

    use super::*;
    use crate::{
        codec::encode,
        testing::{self, SoftStatementKey},
    };

    const TAG: OrgTag = OrgTag([7; 16]);
    const ORG: OrgId = OrgId([1; 32]);
    const STATEMENT: &[u8] = b"this device, this name, this organisation";

    fn hash() -> [u8; 32] {
        client_data_hash(label::ENTRY, ORG, STATEMENT)
    }

    #[test]
    fn the_client_data_hash_is_frozen() {
        assert_eq!(relying_party(TAG), "valise:a4dqobyha4dqobyha4dqobyha4");
        insta::assert_snapshot!(HEXLOWER.encode(&hash()), @"16931f33db16645f2df68452e021ebb03f6a3fdd44aa8c03f00540bfc529cf4f");
    }

    #[test]
    fn s_assertion_every_flipped_bit_and_truncation_is_refused() {
        let key = SoftStatementKey::generate(TAG);
        let public_key = &key.record.statement.public_key;
        let good = key.sign(&hash());
        assert_eq!(good.verify(public_key, TAG, &hash()), Ok(()));
        for bit in 0..AUTHENTICATOR_DATA_LEN * 8 {
            let mut forged = good.clone();
            forged.authenticator_data[bit / 8] ^= 1 << (bit % 8);
            assert!(forged.verify(public_key, TAG, &hash()).is_err(), "{bit}");
        }
        let der = good.signature.as_slice();
        for bit in 0..der.len() * 8 {
            let mut der = der.to_vec();
            der[bit / 8] ^= 1 << (bit % 8);
            let mut forged = good.clone();
            forged.signature = der.try_into().unwrap();
            assert!(forged.verify(public_key, TAG, &hash()).is_err(), "{bit}");
        }
        for bit in 0..STATEMENT.len() * 8 {
            let mut statement = STATEMENT.to_vec();
            statement[bit / 8] ^= 1 << (bit % 8);
            let hash = client_data_hash(label::ENTRY, ORG, &statement);
            assert!(good.verify(public_key, TAG, &hash).is_err(), "{bit}");
        }
        for end in 0..der.len() {
            let mut forged = good.clone();
            forged.signature = der[..end].to_vec().try_into().unwrap();
            assert!(forged.verify(public_key, TAG, &hash()).is_err(), "{end}");
        }
        for end in 0..STATEMENT.len() {
            let hash = client_data_hash(label::ENTRY, ORG, &STATEMENT[..end]);
            assert!(good.verify(public_key, TAG, &hash).is_err(), "{end}");
        }
    }

    #[test]
    fn s_assertion_ten_thousand_random_changes_are_refused() {
        let key = SoftStatementKey::generate(TAG);
        let public_key = &key.record.statement.public_key;
        let good = key.sign(&hash());
        let bytes = encode(&good);
        // Everything after the key id, which is not this check's to judge.
        let signed = 32 * 8..bytes.len() * 8;
        for round in 0..10_000_u64 {
            let seed = sha256(&[&round.to_be_bytes()]);
            let flips = 1 + usize::from(seed[0] % 4);
            let mut forged = bytes.clone();
            for flip in seed[1..].chunks_exact(2).take(flips) {
                let bit = usize::from(u16::from_be_bytes([flip[0], flip[1]]));
                let bit = signed.start + bit % signed.len();
                forged[bit / 8] ^= 1 << (bit % 8);
            }
            let parsed: Result<(StatementSignature, _), _> =
                tls_codec::DeserializeBytes::tls_deserialize_bytes(&forged);
            let accepted = forged != bytes
                && parsed.is_ok_and(|(signature, rest)| {
                    rest.is_empty() && signature.verify(public_key, TAG, &hash()).is_ok()
                });
            assert!(!accepted, "round {round}");
        }
    }

    #[test]
    fn l05_l10_only_touch_and_pin_on_a_hardware_key() {
        let key = SoftStatementKey::generate(TAG);
        let public_key = &key.record.statement.public_key;
        for flags in 0..=u8::MAX {
            let mut data = testing::authenticator_data(&relying_party(TAG));
            data[32] = flags;
            let verdict = key.sign_as(&data, &hash()).verify(public_key, TAG, &hash());
            if flags == FLAGS {
                assert_eq!(verdict, Ok(()));
            } else {
                assert_eq!(verdict, Err(PeerSignature::Flags(flags)));
            }
        }
    }

    #[test]
    fn d17_every_use_of_a_key_is_its_own() {
        let key = SoftStatementKey::generate(TAG);
        let public_key = &key.record.statement.public_key;
        let other = SoftStatementKey::generate(TAG);
        let uses: Vec<[u8; 32]> = [label::ENTRY, label::UNLOCK, label::CREATE]
            .into_iter()
            .flat_map(|label| [ORG, OrgId([2; 32])].map(|org| (label, org)))
            .map(|(label, org)| client_data_hash(label, org, STATEMENT))
            .collect();
        for (made_for, hash) in uses.iter().enumerate() {
            let signature = key.sign(hash);
            for (used_for, hash) in uses.iter().enumerate() {
                let verdict = signature.verify(public_key, TAG, hash);
                assert_eq!(verdict.is_ok(), made_for == used_for);
            }
            let another = &other.record.statement.public_key;
            assert!(signature.verify(another, TAG, hash).is_err());
            assert_eq!(
                signature.verify(public_key, OrgTag([8; 16]), hash),
                Err(PeerSignature::AnotherRelyingParty)
            );
            // A login's relying party is a host name.
            let login = testing::authenticator_data("mail.campagne.example");
            assert_eq!(
                key.sign_as(&login, hash).verify(public_key, TAG, hash),
                Err(PeerSignature::AnotherRelyingParty)
            );
        }
    }

    #[test]
    fn d17_no_two_labels_begin_alike() {
        let labels = [
            label::STATEMENT,
            label::DEVICE_CONSENT,
            label::LOGIN,
            label::WORDS,
            label::CONVERSATION,
            label::LETTER,
            label::LETTER_ID,
            label::VAULT_SALT,
            label::VAULT_SEED,
            label::VAULT_SEAL,
        ];
        for (index, one) in labels.iter().enumerate() {
            for other in &labels[index + 1..] {
                assert!(!one.starts_with(other) && !other.starts_with(one));
            }
        }
    }
}
