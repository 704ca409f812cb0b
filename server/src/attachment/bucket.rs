//! Attached files in S3: each part is one object, `PREFIX/ORGANISATION/FILE/PART`, under a name that nobody used
//! before.
//!
//! An object is never written twice, so two servers that take the same part at once do not spoil each
//! other's, and what the database names is what was put. S3 has it on disk when it says so. What the database
//! does not name counts for nobody, and goes with its file.

use std::{
    fs::File,
    io::{self, Read as _},
    ops::Range,
    path::{Path as FilePath, PathBuf},
    sync::Arc,
    time::Duration,
};

use data_encoding::HEXLOWER;
use futures_util::{StreamExt as _, stream};
use hyper::body::Bytes;
use object_store::{
    BackoffConfig, ObjectStore as _, ObjectStoreExt as _, RetryConfig,
    aws::{AmazonS3, AmazonS3Builder},
    list::{PaginatedListOptions, PaginatedListStore as _},
    path::Path,
};
use ring::{
    error::Unspecified,
    rand::{SecureRandom as _, SystemRandom},
};
use rustls::{ClientConfig, RootCertStore, crypto::ring::default_provider};
use rustls_pki_types::{CertificateDer, pem::PemObject as _};
use serde::Deserialize;
use url::Url;
use valise_proto::id::{AttachmentId, OrgId};

use self::line::{Line, Refusal};
use crate::{Chain, config::Config, store::PartId};

mod line;

/// Where S3 is, if nothing else is said.
const REGION: &str = "us-east-1";
/// Bytes of a file of credentials or certificates at most.
const FILE_MAX: u64 = 1 << 20;
/// Objects that are listed and removed in one go.
const PAGE: usize = 1_000;
/// How often something is tried again that failed, and for how long.
const AGAIN: RetryConfig = RetryConfig {
    backoff: BackoffConfig {
        init_backoff: Duration::from_millis(100),
        max_backoff: Duration::from_secs(1),
        base: 2.0,
    },
    max_retries: 2,
    retry_timeout: Duration::from_secs(10),
};

/// S3 did not do it. No secret is in any of these, nor what the file was.
#[derive(Debug, thiserror::Error)]
pub enum S3Error {
    /// No connection, or it broke.
    #[error("S3 cannot be reached ({0}): check s3_endpoint and s3_ca in valised.toml")]
    PeerUnreachable(String),
    /// It does not know the credentials, or does not allow them this.
    #[error(
        "S3 refuses this server ({0}): check s3_credentials in valised.toml, and that they may put, get, delete and \
         list objects in the bucket"
    )]
    PeerRefuses(String),
    /// The bucket is not there.
    #[error("S3 has no such bucket: check attachments and s3_endpoint in valised.toml")]
    PeerNoBucket,
    /// An object is not there.
    #[error("S3 does not have a part of this file")]
    PeerMissing,
    /// It complains.
    #[error("S3 answers {0}")]
    PeerSays(String),
    /// Its answer is none.
    #[error("S3's answer is not well-formed")]
    PeerMalformed,
    /// There is no randomness for a name.
    #[error("this machine has no randomness")]
    Random,
}

impl From<Unspecified> for S3Error {
    fn from(_: Unspecified) -> Self {
        Self::Random
    }
}

impl From<object_store::Error> for S3Error {
    fn from(error: object_store::Error) -> Self {
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
        while let Some(error) = cause {
            match error.downcast_ref::<Refusal>() {
                Some(Refusal::Line(text)) => return Self::PeerUnreachable(text.clone()),
                Some(Refusal::Answer { status, code }) => {
                    return match (status, code.as_str()) {
                        (404, "NoSuchBucket") => Self::PeerNoBucket,
                        (404, _) => Self::PeerMissing,
                        (401 | 403, "") => Self::PeerRefuses(status.to_string()),
                        (401 | 403, code) => Self::PeerRefuses(code.to_owned()),
                        (status, code) => Self::PeerSays(format!("{status} {code}")),
                    };
                }
                None => cause = error.source(),
            }
        }
        Self::PeerMalformed
    }
}

/// What the configuration says of S3 cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MisuseS3 {
    /// No such bucket can be.
    #[error("attachments is not s3://BUCKET or s3://BUCKET/PREFIX: correct it in valised.toml")]
    Bucket,
    /// No such address.
    #[error("s3_endpoint is not https://HOST:PORT or http://HOST:PORT: correct it in valised.toml")]
    Endpoint,
    /// A secret where logs may show it.
    #[error(
        "{0} holds credentials: put them into a file, and its path into s3_credentials in valised.toml"
    )]
    Secret(&'static str),
    /// No file of credentials is named.
    #[error(
        "attachments are kept in S3, and s3_credentials in valised.toml names no file of credentials"
    )]
    NoCredentials,
    /// A file cannot be read.
    #[error("{key} cannot be read: {}", path.display())]
    File {
        /// What names it in the configuration.
        key: &'static str,
        /// Where it should be.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file holds something else. What it holds is not shown.
    #[error("{key} is not what valised config example says of it: {}", path.display())]
    Form {
        /// What names it in the configuration.
        key: &'static str,
        /// Where it is.
        path: PathBuf,
    },
    /// Nobody is trusted.
    #[error(
        "this machine trusts no authority that could certify S3: name a file of them as s3_ca in valised.toml"
    )]
    NoAuthority,
    /// The library does not take it.
    #[error("S3 cannot be used as valised.toml says")]
    Library(#[source] object_store::Error),
    /// No HTTP client can be made.
    #[error("S3 cannot be asked from here")]
    Client(#[source] reqwest::Error),
    /// TLS cannot be prepared.
    #[error("TLS to S3 cannot be prepared")]
    Tls(#[source] rustls::Error),
}

/// A file of credentials.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Credentials {
    access_key_id: String,
    secret_access_key: String,
}

/// An object: a file's id, and the name of a part.
pub(super) type Object = (AttachmentId, PartId);

/// A place in S3.
#[derive(Debug)]
pub(crate) struct Bucket {
    s3: AmazonS3,
    root: Path,
}

impl Bucket {
    /// As the configuration says, if it says that attached files are in S3. Nobody is asked yet.
    pub(crate) fn new(config: &Config) -> Result<Option<Self>, MisuseS3> {
        let Some(address) = config.attachments_bucket() else {
            return Ok(None);
        };
        let (bucket, root) = place(address)?;
        let path = config.s3_credentials.as_deref();
        let credentials = credentials(path.ok_or(MisuseS3::NoCredentials)?)?;
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(bucket)
            .with_region(config.s3_region.as_deref().unwrap_or(REGION))
            .with_access_key_id(credentials.access_key_id)
            .with_secret_access_key(credentials.secret_access_key)
            .with_retry(AGAIN);
        let mut plain = false;
        if let Some(text) = &config.s3_endpoint {
            let url = endpoint(text)?;
            plain = url.scheme() == "http";
            builder = builder.with_endpoint(url.as_str()).with_allow_http(plain);
        }
        let tls = tls(config.s3_ca.as_deref(), plain)?;
        let line = Line::new(tls).map_err(MisuseS3::Client)?;
        let s3 = builder.with_http_connector(line).build();
        let s3 = s3.map_err(MisuseS3::Library)?;
        Ok(Some(Self { s3, root }))
    }

    /// The part of it that one organisation has.
    pub(super) fn inside(self, org: OrgId) -> Self {
        Self {
            root: self.root.join(org.to_string()),
            ..self
        }
    }

    fn path(&self, (id, part): &Object) -> Path {
        let file = self.root.clone().join(id.to_string());
        file.join(HEXLOWER.encode(part))
    }

    /// Keeps a part, and says under which name. It is on S3's disk then.
    pub(super) async fn put(&self, id: AttachmentId, part: Bytes) -> Result<PartId, S3Error> {
        let mut name = PartId::default();
        SystemRandom::new().fill(&mut name)?;
        self.s3.put(&self.path(&(id, name)), part.into()).await?;
        Ok(name)
    }

    /// Bytes of a part.
    pub(super) async fn get(&self, object: &Object, range: Range<u64>) -> Result<Bytes, S3Error> {
        let length = range.end.saturating_sub(range.start);
        let bytes = self.s3.get_range(&self.path(object), range).await?;
        if u64::try_from(bytes.len()) == Ok(length) {
            Ok(bytes)
        } else {
            Err(S3Error::PeerMalformed)
        }
    }

    /// Takes parts away, if they are there.
    pub(super) async fn remove(&self, objects: &[Object]) -> Result<(), S3Error> {
        let paths: Vec<_> = objects.iter().map(|object| Ok(self.path(object))).collect();
        let mut removed = self.s3.delete_stream(stream::iter(paths).boxed());
        while let Some(done) = removed.next().await {
            match done.map_err(S3Error::from) {
                Ok(_) | Err(S3Error::PeerMissing) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Some of the parts that are there, and how to go on after them.
    pub(super) async fn page(
        &self,
        after: Option<String>,
    ) -> Result<(Vec<Object>, Option<String>), S3Error> {
        let options = PaginatedListOptions {
            max_keys: Some(PAGE),
            page_token: after,
            ..PaginatedListOptions::default()
        };
        let root = format!("{}/", self.root);
        let listed = self.s3.list_paginated(Some(&root), options).await?;
        let objects = listed.result.objects.iter().take(PAGE);
        // What else is there is not ours.
        let objects =
            objects.filter_map(|object| parse(object.location.as_ref().strip_prefix(&root)?));
        Ok((objects.collect(), listed.page_token))
    }

    /// Tries S3 as a server uses it, and says what is wrong; `None` if the configuration keeps files in the
    /// folder.
    pub(crate) async fn tried(config: &Config) -> Option<Result<(), String>> {
        let bucket = match Self::new(config) {
            Ok(bucket) => bucket?,
            Err(error) => return Some(Err(Chain(&error).to_string())),
        };
        let probed = bucket.probe().await;
        Some(probed.map_err(|error| Chain(&error).to_string()))
    }

    /// Does once what a server must be able to do.
    pub(crate) async fn probe(&self) -> Result<(), S3Error> {
        self.page(None).await?;
        let mut name = PartId::default();
        SystemRandom::new().fill(&mut name)?;
        let path = self
            .root
            .clone()
            .join(format!("probe-{}", HEXLOWER.encode(&name)));
        self.s3.put(&path, name.to_vec().into()).await?;
        let length = u64::try_from(name.len()).unwrap_or_default();
        let read = self.s3.get_range(&path, 0..length).await?;
        self.s3.delete(&path).await?;
        if read.as_ref() == name {
            Ok(())
        } else {
            Err(S3Error::PeerMalformed)
        }
    }
}

/// `FILE/PART`.
fn parse(name: &str) -> Option<Object> {
    let (id, part) = name.split_once('/')?;
    let part = HEXLOWER.decode(part.as_bytes()).ok()?;
    Some((id.parse().ok()?, part.try_into().ok()?))
}

/// The bucket and the prefix in `s3://BUCKET/PREFIX`.
fn place(address: &str) -> Result<(String, Path), MisuseS3> {
    let url: Url = address.parse().map_err(|_| MisuseS3::Bucket)?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(MisuseS3::Secret("attachments"));
    }
    let bucket = url.host_str().filter(|host| !host.is_empty());
    if url.port().is_some() || url.query().is_some() || url.fragment().is_some() {
        return Err(MisuseS3::Bucket);
    }
    let prefix = Path::parse(url.path()).map_err(|_| MisuseS3::Bucket)?;
    Ok((bucket.ok_or(MisuseS3::Bucket)?.to_owned(), prefix))
}

fn endpoint(text: &str) -> Result<Url, MisuseS3> {
    let url: Url = text.parse().map_err(|_| MisuseS3::Endpoint)?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(MisuseS3::Secret("s3_endpoint"));
    }
    let plain = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    if plain && matches!(url.scheme(), "http" | "https") && url.host_str().is_some() {
        Ok(url)
    } else {
        Err(MisuseS3::Endpoint)
    }
}

fn read(key: &'static str, path: &FilePath) -> Result<Vec<u8>, MisuseS3> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(FILE_MAX).read_to_end(&mut bytes));
    read.map_err(|source| MisuseS3::File {
        key,
        path: path.to_owned(),
        source,
    })?;
    Ok(bytes)
}

fn credentials(path: &FilePath) -> Result<Credentials, MisuseS3> {
    let key = "s3_credentials";
    let bytes = read(key, path)?;
    // An error of the form shows what is in the file: it goes no further.
    let credentials = toml::from_slice::<Credentials>(&bytes).ok();
    let whole = |it: &Credentials| !it.access_key_id.is_empty() && !it.secret_access_key.is_empty();
    let credentials = credentials.filter(whole);
    credentials.ok_or_else(|| MisuseS3::Form {
        key,
        path: path.to_owned(),
    })
}

/// TLS as the rest of the house has it. Where S3 is spoken to in plain HTTP, nobody needs to be trusted.
fn tls(authorities: Option<&FilePath>, plain: bool) -> Result<ClientConfig, MisuseS3> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = authorities {
        let pem = read("s3_ca", path)?;
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let added = certificate.ok().map(|it| roots.add(it));
            if !matches!(added, Some(Ok(()))) {
                return Err(MisuseS3::Form {
                    key: "s3_ca",
                    path: path.to_owned(),
                });
            }
        }
    } else if !plain {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    if roots.is_empty() && !plain {
        return Err(MisuseS3::NoAuthority);
    }
    let tls = ClientConfig::builder_with_provider(Arc::new(default_provider()));
    let tls = tls.with_safe_default_protocol_versions();
    let tls = tls.map_err(MisuseS3::Tls)?;
    Ok(tls.with_root_certificates(roots).with_no_client_auth())
}
