//! The server's TLS identity: made at `init`, pinned by the organisation card, loaded at each start, and
//! again when an operator has renewed the certificate.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::{
    ServerConfig,
    version::{TLS12, TLS13},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use valise_proto::{id::Hash, statement::sha256};

use crate::config::Config;

/// The TLS identity cannot be made or loaded.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file holds no PEM of the kind that is needed.
    #[error("{0} holds no certificate or no key")]
    MisusePem(PathBuf),
    /// The certificate cannot be made.
    #[error("the certificate cannot be made")]
    Make(#[from] rcgen::Error),
    /// Key and certificate do not go together, or are of a kind that rustls does not take.
    #[error("the TLS key or certificate cannot be used")]
    Use(#[from] rustls::Error),
    /// The certificate is malformed.
    #[error("the TLS certificate is malformed")]
    Certificate(#[from] webpki::Error),
    /// Another key than the one that the organisation card pins.
    #[error(
        "{0} is of another key than before: every client would refuse it, because the organisation card \
         pins the key; renew the certificate with the same key"
    )]
    MisuseKey(PathBuf),
}

/// Makes a P-256 key and a certificate for `host`, valid ten years, where the configuration has them.
pub fn make(config: &Config, host: &str, now_ms: u64) -> Result<(), TlsError> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = CertificateParams::new(vec![host.to_owned()])?;
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, host);
    let year = year(now_ms);
    // From the year before: on New Year's Day too there are clocks that are slow.
    params.not_before = rcgen::date_time_ymd(year - 1, 1, 1);
    params.not_after = rcgen::date_time_ymd(year + 10, 12, 31);
    let certificate = params.self_signed(&key)?;
    write_private(&config.tls_key_path(), key.serialize_pem().as_bytes())?;
    write_private(&config.tls_certificate_path(), certificate.pem().as_bytes())
}

/// The year of a time, UTC. Gregorian years average 365.2425 days, so a day near New Year may be off.
fn year(now_ms: u64) -> i32 {
    let days = now_ms / 86_400_000;
    i32::try_from(1970 + days * 400 / 146_097).unwrap_or(1970)
}

/// Writes a new file that only its owner reads.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), TlsError> {
    let write = || {
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        // The file's name, too, outlives a power cut.
        let folder = path.parent().filter(|folder| *folder != Path::new(""));
        fs::File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    };
    write().map_err(|source| TlsError::File {
        path: path.to_owned(),
        source,
    })
}

/// The certificate chain that the server shows.
pub fn certificates(config: &Config) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let path = config.tls_certificate_path();
    let pem = read(&path)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match chain {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        _ => Err(TlsError::MisusePem(path)),
    }
}

/// SHA-256 of the certificate's `SubjectPublicKeyInfo` (RFC 7469 §2.4): the card's pin.
pub fn pin(config: &Config) -> Result<Hash, TlsError> {
    let chain = certificates(config)?;
    let leaf = chain
        .first()
        .ok_or_else(|| TlsError::MisusePem(config.tls_certificate_path()))?;
    Ok(pin_of(leaf)?)
}

/// The pin that fits `certificate`.
pub fn pin_of(certificate: &CertificateDer<'_>) -> Result<Hash, webpki::Error> {
    let certificate = webpki::EndEntityCert::try_from(certificate)?;
    let key = certificate.subject_public_key_info();
    Ok(Hash(sha256(&[key.as_ref()])))
}

/// The identity that the server shows now.
#[derive(Debug)]
pub struct Identity {
    config: Config,
    pin: Hash,
    shown: RwLock<Arc<ServerConfig>>,
}

impl Identity {
    /// Loads it from where `config` has it.
    pub fn load(config: &Config) -> Result<Self, TlsError> {
        Ok(Self {
            config: config.clone(),
            pin: pin(config)?,
            shown: RwLock::new(server_config(config)?),
        })
    }

    /// What the next connection is shown.
    pub fn shown(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.shown.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Loads certificate and key again. After an error the ones before are shown on.
    pub fn reload(&self) -> Result<(), TlsError> {
        if pin(&self.config)? != self.pin {
            return Err(TlsError::MisuseKey(self.config.tls_certificate_path()));
        }
        let fresh = server_config(&self.config)?;
        *self.shown.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }
}

/// TLS as the server speaks it: 1.3 only with the self-made certificate, whose clients are all ours.
pub fn server_config(config: &Config) -> Result<Arc<ServerConfig>, TlsError> {
    let path = config.tls_key_path();
    let key =
        PrivateKeyDer::from_pem_slice(&read(&path)?).map_err(|_| TlsError::MisusePem(path))?;
    let versions: &[_] = if config.tls_certificate.is_none() {
        &[&TLS13]
    } else {
        &[&TLS13, &TLS12]
    };
    let mut tls =
        ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_protocol_versions(versions)?
            .with_no_client_auth()
            .with_single_cert(certificates(config)?, key)?;
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(tls))
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|source| TlsError::File {
        path: path.to_owned(),
        source,
    })
}
