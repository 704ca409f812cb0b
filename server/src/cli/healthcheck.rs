//! `valised healthcheck`: asks the running server on this machine, over TLS, with its key pinned.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
    sync::Arc,
    time::Duration,
};

use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;
use valise_proto::id::Hash;

use valise_proto::api::GENESIS;

use super::{CommandError, runtime};
use crate::{card::KeptCard, config::Config, tls};

const PATIENCE: Duration = Duration::from_secs(5);

pub(super) fn run(data: &Path) -> Result<(), CommandError> {
    let config = Config::load(data)?;
    let asked = async { timeout(PATIENCE, ask(&config)).await };
    runtime(1)?
        .block_on(asked)
        .unwrap_or(Err(CommandError::Unhealthy("no answer")))
}

async fn ask(config: &Config) -> Result<(), CommandError> {
    let unhealthy = |what| move |_| CommandError::Unhealthy(what);
    let provider = Arc::new(ring::default_provider());
    let pin = match KeptCard::read(&config.data)? {
        Some(kept) => kept.card.tls,
        None => tls::pin(config)?,
    };
    let verifier = Arc::new(ThisKey {
        pin,
        provider: Arc::clone(&provider),
    });
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(tls::TlsError::from)?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    let stream = TcpStream::connect(here(config.listen))
        .await
        .map_err(unhealthy("no connection"))?;
    let name = ServerName::try_from("localhost").map_err(|_| CommandError::Unhealthy("no name"))?;
    let mut stream = TlsConnector::from(Arc::new(client))
        .connect(name, stream)
        .await
        .map_err(unhealthy("no TLS, or not with the card's key"))?;
    // Anybody may read it, so it says nothing of the server's health but that it answers.
    let request = format!("GET {GENESIS} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream
        .write_all(request.as_bytes())
        .await
        .map_err(unhealthy("no answer"))?;
    let mut answer = [0; 12];
    stream
        .read_exact(&mut answer)
        .await
        .map_err(unhealthy("no answer"))?;
    if &answer == b"HTTP/1.1 200" {
        Ok(())
    } else {
        Err(CommandError::Unhealthy("it is failing"))
    }
}

/// Where the listener is reached from this machine.
fn here(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

/// Accepts a certificate of the server's key, whatever its name: it may have been renewed a moment ago.
#[derive(Debug)]
struct ThisKey {
    pin: Hash,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for ThisKey {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if tls::pin_of(end_entity).is_ok_and(|pin| pin == self.pin) {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(rustls::CertificateError::ApplicationVerificationFailure.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
