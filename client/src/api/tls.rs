//! TLS with one authority: the pin on the organisation card (RFC 7469 §2.4).

use std::{error::Error as _, fmt, sync::Arc};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use valise_proto::{card::Card, id::Hash, statement::sha256};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::ApiError;
use crate::{clock::Clock, weaken::checked};

/// The server's key is not the one on the card.
#[derive(Debug)]
pub struct PinFailure;

impl fmt::Display for PinFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the server's TLS key is not the one on the organisation card")
    }
}

impl std::error::Error for PinFailure {}

/// A configuration that accepts exactly one key.
pub(super) fn pinned(pin: Hash, clock: Arc<dyn Clock>) -> ClientConfig {
    let provider = Arc::new(ring::default_provider());
    let verifier = Pinned {
        pin,
        clock,
        provider: Arc::clone(&provider),
    };
    #[expect(
        clippy::expect_used,
        reason = "ring supports the default protocol versions"
    )]
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("TLS versions of ring");
    builder
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth()
}

/// What a failed request means.
pub(super) fn failure(error: &reqwest::Error, card: &Card) -> ApiError {
    if let Some(refused) = error.source().and_then(tls_cause) {
        return tls_failure(refused, card);
    }
    if error.is_timeout() {
        ApiError::Unreachable("no answer in time".to_owned())
    } else if error.is_connect() {
        ApiError::Unreachable("no connection".to_owned())
    } else {
        ApiError::Broken
    }
}

/// The TLS error below an error. I/O errors hold their causes inside, not as sources, and may hold
/// each other.
pub(super) fn tls_cause<'e>(error: &'e (dyn std::error::Error + 'static)) -> Option<&'e Error> {
    if let Some(found) = error.downcast_ref() {
        return Some(found);
    }
    match error
        .downcast_ref::<std::io::Error>()
        .and_then(std::io::Error::get_ref)
    {
        Some(inner) => tls_cause(inner),
        None => error.source().and_then(tls_cause),
    }
}

/// What a failed TLS handshake means.
pub(super) fn tls_failure(error: &Error, card: &Card) -> ApiError {
    match error {
        Error::InvalidCertificate(
            CertificateError::Expired
            | CertificateError::NotValidYet
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYetContext { .. },
        ) => ApiError::Certificate,
        Error::InvalidCertificate(_) => ApiError::WrongServer {
            url: card.url.to_string(),
        },
        other => ApiError::Unreachable(other.to_string()),
    }
}

struct Pinned {
    pin: Hash,
    clock: Arc<dyn Clock>,
    provider: Arc<CryptoProvider>,
}

impl fmt::Debug for Pinned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pinned({})", self.pin)
    }
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let malformed = Error::InvalidCertificate(CertificateError::BadEncoding);
        let (_, certificate) =
            X509Certificate::from_der(end_entity).map_err(|_| malformed.clone())?;
        if Hash(sha256(&[certificate.public_key().raw])) != self.pin && checked("L01") {
            return Err(Error::InvalidCertificate(
                CertificateError::ApplicationVerificationFailure,
            ));
        }
        let now = i64::try_from(self.clock.now_ms() / 1000).map_err(|_| malformed)?;
        let validity = certificate.validity();
        if now > validity.not_after.timestamp() {
            return Err(Error::InvalidCertificate(CertificateError::Expired));
        }
        if now < validity.not_before.timestamp() {
            return Err(Error::InvalidCertificate(CertificateError::NotValidYet));
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
