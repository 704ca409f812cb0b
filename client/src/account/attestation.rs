//! Where a security key comes from, by its maker's word: packed attestation (WebAuthn §8.2), checked by
//! the admin's own client before the touch. The server's verdict is not taken for it.

use ciborium::Value;
use rustls_pki_types::{CertificateDer, UnixTime, pem::PemObject as _};
use valise_proto::{
    api::enrolment::{Ask, Registration},
    id::OrgTag,
    key::Credential,
    log::entry::{AttestationAuthority, Policy},
    statement::{relying_party, sha256},
};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert, ring::ECDSA_P256_SHA256};
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// Certificates in one file at most.
const CERTIFICATES_MAX: usize = 16;
/// Flags of authenticator data: user present, user verified, attested credential (WebAuthn §6.1).
const FLAGS: u8 = 0b0100_0101;
/// The credential could be copied to other machines: backup eligible.
const SYNCED: u8 = 0b0000_1000;
/// The model in a maker's certificate (id-fido-gen-ce-aaguid, WebAuthn §8.2.1).
const MODEL_OID: &str = "1.3.6.1.4.1.45724.1.1.4";

/// What the key's attestation says of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// The policy names no makers: any hardware key will do, and nobody vouches for this one.
    NotAsked,
    /// A maker that the policy names vouches for it, and for its model.
    Attested,
    /// Nobody whom the policy names vouches for it, and why.
    Unattested(&'static str),
}

/// Checks the registrations of both credentials of a key that asks to be enrolled, at `now_ms`.
///
/// Their challenges were the server's and are not known here: who made the key is what counts.
pub(super) fn verdict(ask: &Ask, tag: OrgTag, host: &str, policy: &Policy, now_ms: u64) -> Verdict {
    if policy.attestation.is_empty() {
        return Verdict::NotAsked;
    }
    let parts = [
        (&ask.statement, &ask.key.statement, relying_party(tag)),
        (&ask.login, &ask.key.login, host.to_owned()),
    ];
    for (registration, credential, party) in parts {
        let made = Made {
            credential,
            party: &party,
            model: ask.key.model,
        };
        if let Err(why) = made.check(registration, policy, now_ms) {
            return Verdict::Unattested(why);
        }
    }
    Verdict::Attested
}

/// What a registration has to be about.
struct Made<'a> {
    credential: &'a Credential,
    party: &'a str,
    model: [u8; 16],
}

impl Made<'_> {
    fn check(
        &self,
        registration: &Registration,
        policy: &Policy,
        now_ms: u64,
    ) -> Result<(), &'static str> {
        let statement = Statement::parse(registration.attestation_object.as_slice())
            .ok_or("it has no packed attestation by a certificate")?;
        if !self.is_in(&statement.data) {
            return Err("its attestation is about another key, or a synced one");
        }
        let (batch, chain) = statement
            .certificates
            .split_first()
            .ok_or("no certificate")?;
        if !is_batch(batch, self.model) {
            return Err("its certificate is no maker's, or for another model");
        }
        let batch = CertificateDer::from(batch.as_slice());
        let batch = EndEntityCert::try_from(&batch).map_err(|_| "its certificate is malformed")?;
        let hash = sha256(&[registration.client_data.as_slice()]);
        let signed = [statement.data.as_slice(), &hash].concat();
        batch
            .verify_signature(ECDSA_P256_SHA256, &signed, &statement.signature)
            .map_err(|_| "its attestation is not signed by its certificate")?;
        let roots: Vec<_> = policy
            .attestation
            .iter()
            .filter(|authority| authority.models.contains(&self.model))
            .map(|authority| CertificateDer::from(authority.certificate.as_slice()))
            .collect();
        let anchors: Vec<_> = roots
            .iter()
            .filter_map(|root| anchor_from_trusted_cert(root).ok())
            .collect();
        let chain: Vec<_> = chain
            .iter()
            .map(|it| CertificateDer::from(it.as_slice()))
            .collect();
        let now = UnixTime::since_unix_epoch(std::time::Duration::from_millis(now_ms));
        batch
            .verify_for_usage(
                webpki::ALL_VERIFICATION_ALGS,
                &anchors,
                &chain,
                now,
                // Makers' certificates name no usage.
                KeyUsage::client_auth(),
                None,
                None,
            )
            .map(|_| ())
            .map_err(|_| "no maker in the organisation's rules vouches for it")
    }

    /// Authenticator data (WebAuthn §6.1): party, flags, counter, model, credential id, public key.
    fn is_in(&self, data: &[u8]) -> bool {
        let id = self.credential.id.as_slice();
        let Some((head, rest)) = data.split_at_checked(55) else {
            return false;
        };
        let length = u16::try_from(id.len()).unwrap_or(0).to_be_bytes();
        let flags = head.get(32).copied().unwrap_or(0);
        head.starts_with(&sha256(&[self.party.as_bytes()]))
            && flags & FLAGS == FLAGS
            && flags & SYNCED == 0
            && head.get(37..53) == Some(&self.model)
            && head.ends_with(&length)
            && rest.strip_prefix(id).and_then(public_key) == Some(self.credential.public_key)
    }
}

/// Reads what a stranger's key may have sent, in every way in which it is read here: the fuzz target.
#[cfg(feature = "weaken")]
pub(crate) fn read_anything(bytes: &[u8]) -> bool {
    drop((public_key(bytes), makers(bytes, &[[0; 16]])));
    let statement = Statement::parse(bytes);
    let certificates = statement.iter().flat_map(|it| &it.certificates);
    for certificate in certificates.map(Vec::as_slice).chain([bytes]) {
        let _known = is_batch(certificate, [0; 16]);
    }
    statement.is_some()
}

/// The parts of an attestation object: CBOR `{fmt, attStmt, authData}`.
struct Statement {
    data: Vec<u8>,
    signature: Vec<u8>,
    certificates: Vec<Vec<u8>>,
}

impl Statement {
    fn parse(object: &[u8]) -> Option<Self> {
        let object: Value = ciborium::from_reader(object).ok()?;
        if member(&object, "fmt")?.as_text()? != "packed" {
            return None;
        }
        let statement = member(&object, "attStmt")?;
        // ES256 (COSE).
        if member(statement, "alg")? != &Value::from(-7) {
            return None;
        }
        let certificates = member(statement, "x5c")?.as_array()?.iter();
        Some(Self {
            data: member(&object, "authData")?.as_bytes()?.clone(),
            signature: member(statement, "sig")?.as_bytes()?.clone(),
            certificates: certificates
                .map(|it| it.as_bytes().cloned())
                .collect::<Option<_>>()?,
        })
    }
}

fn member<'a>(map: &'a Value, name: &str) -> Option<&'a Value> {
    let mut members = map.as_map()?.iter();
    members.find_map(|(key, value)| (key.as_text() == Some(name)).then_some(value))
}

/// The P-256 point of a `COSE_Key`, uncompressed. What follows are extensions.
fn public_key(mut cose: &[u8]) -> Option<[u8; 65]> {
    let cose: Value = ciborium::from_reader(&mut cose).ok()?;
    let part = |label: i64| {
        let mut members = cose.as_map()?.iter();
        members.find_map(|(key, value)| (*key == Value::from(label)).then_some(value))
    };
    // kty EC2, alg ES256, crv P-256
    let kind = [(1, 2), (3, -7), (-1, 1)];
    if !kind
        .iter()
        .all(|(label, value)| part(*label) == Some(&Value::from(*value)))
    {
        return None;
    }
    let (x, y) = (part(-2)?.as_bytes()?, part(-3)?.as_bytes()?);
    [&[4], x.as_slice(), y.as_slice()].concat().try_into().ok()
}

/// A certificate as WebAuthn §8.2.1 wants it, for keys of this model.
fn is_batch(certificate: &[u8], model: [u8; 16]) -> bool {
    let Ok(([], certificate)) = X509Certificate::from_der(certificate) else {
        return false;
    };
    let mut units = certificate.subject().iter_organizational_unit();
    let unit = units.next().and_then(|unit| unit.as_str().ok());
    let named = certificate
        .extensions()
        .iter()
        .find(|extension| extension.oid.to_id_string() == MODEL_OID);
    unit == Some("Authenticator Attestation")
        && !certificate.is_ca()
        && named.is_none_or(|named| named.value.strip_prefix(&[0x04, 0x10]) == Some(&model))
}

/// The makers' authorities in `pem`, each allowing `models`; `None` when it holds none, too many, or
/// something else than authorities' certificates.
pub fn makers(pem: &[u8], models: &[[u8; 16]]) -> Option<Vec<AttestationAuthority>> {
    let mut models = models.to_vec();
    models.sort_unstable();
    models.dedup();
    let mut makers = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.ok()?;
        let ([], parsed) = X509Certificate::from_der(&certificate).ok()? else {
            return None;
        };
        if !parsed.is_ca() || makers.len() == CERTIFICATES_MAX {
            return None;
        }
        makers.push(AttestationAuthority {
            certificate: certificate.to_vec().try_into().ok()?,
            models: models.clone(),
        });
    }
    (!makers.is_empty()).then_some(makers)
}

/// Whose certificate it is, in the certificate's own words.
pub(super) fn maker(authority: &AttestationAuthority) -> String {
    let parsed = X509Certificate::from_der(authority.certificate.as_slice());
    let name = parsed.map(|(_, parsed)| parsed.subject().to_string());
    name.unwrap_or_else(|_| "no certificate".to_owned())
}
