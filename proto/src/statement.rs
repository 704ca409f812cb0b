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
        if *party != sha256(&[relying_party(tag).as_bytes()]) {
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
