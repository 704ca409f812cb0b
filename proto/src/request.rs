//! Signed requests: one fixed profile of HTTP Message Signatures (RFC 9421), one spelling.
//!
//! Every request after login, and every WebSocket upgrade, carries a signature by the device key
//! over method, authority, path, query, body digest and session. So a session id is no secret: a
//! copied one, a replayed request or a request sent on to another server gives nothing (L13).

use data_encoding::BASE64;

use crate::{
    id::{DeviceId, SessionId},
    label,
    statement::sha256,
};

/// Header: SHA-256 of the body (RFC 9530): `sha-256=:<base64>:`.
pub const CONTENT_DIGEST: &str = "content-digest";
/// Header: the session id, or `-` where there is none yet.
pub const SESSION: &str = "valise-session";
/// Header: what is signed, and with which parameters.
pub const SIGNATURE_INPUT: &str = "signature-input";
/// Header: the signature itself.
pub const SIGNATURE: &str = "signature";

/// How far the signer's clock may be from the server's: seconds.
pub const CLOCK_TOLERANCE_S: u64 = 60;

/// What one request's signature covers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SignedRequest<'a> {
    /// `GET`, `POST` …
    pub method: &'a str,
    /// `host[:port]` from configuration, never from the request.
    pub authority: &'a str,
    /// Path, as sent.
    pub path: &'a str,
    /// Query without the question mark, as sent; empty when there is none.
    pub query: &'a str,
    /// SHA-256 of the body.
    pub body: [u8; 32],
    /// The session, if there is one.
    pub session: Option<SessionId>,
    /// Parameters of the signature.
    pub parameters: Parameters,
}

/// Parameters of the signature (RFC 9421 §2.3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Parameters {
    /// Seconds since 1970.
    pub created: u64,
    /// Random, accepted once.
    pub nonce: [u8; 16],
    /// The device whose key signs.
    pub device: DeviceId,
}

/// A request whose signature headers are not the one accepted form.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("malformed request signature")]
pub struct PeerMalformedSignature;

/// The SHA-256 that [`SignedRequest::body`] wants.
pub fn digest(body: &[u8]) -> [u8; 32] {
    sha256(&[body])
}

/// Value of [`CONTENT_DIGEST`].
pub fn content_digest(digest: [u8; 32]) -> String {
    format!("sha-256=:{}:", BASE64.encode(&digest))
}

/// Value of [`SESSION`].
pub fn session(session: Option<SessionId>) -> String {
    session.map_or_else(|| "-".to_owned(), |session| session.to_string())
}

/// Value of [`SIGNATURE`].
pub fn signature(signature: &[u8]) -> String {
    format!("sig=:{}:", BASE64.encode(signature))
}

/// Reads [`SIGNATURE`].
pub fn parse_signature(header: &str) -> Result<[u8; 64], PeerMalformedSignature> {
    let inner = header
        .strip_prefix("sig=:")
        .and_then(|rest| rest.strip_suffix(':'));
    let bytes = inner.and_then(|inner| BASE64.decode(inner.as_bytes()).ok());
    let bytes: [u8; 64] = bytes
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or(PeerMalformedSignature)?;
    if signature(&bytes) == header {
        Ok(bytes)
    } else {
        Err(PeerMalformedSignature)
    }
}

/// Reads [`SESSION`].
pub fn parse_session(header: &str) -> Result<Option<SessionId>, PeerMalformedSignature> {
    if header == "-" {
        return Ok(None);
    }
    header.parse().map(Some).map_err(|_| PeerMalformedSignature)
}

impl Parameters {
    /// Value of [`SIGNATURE_INPUT`], without the `sig=` in front: the `@signature-params`.
    fn to_inner(self) -> String {
        format!(
            "(\"@method\" \"@authority\" \"@path\" \"@query\" \"{CONTENT_DIGEST}\" \"{SESSION}\");created={};nonce=\"{}\";alg=\"ed25519\";keyid=\"{}\";tag=\"{}\"",
            self.created,
            BASE64.encode(&self.nonce),
            self.device,
            label::REQUEST_TAG,
        )
    }

    /// Value of [`SIGNATURE_INPUT`].
    pub fn to_header(self) -> String {
        format!("sig={}", self.to_inner())
    }

    /// Reads what [`Parameters::to_header`] writes, and nothing else.
    pub fn parse(header: &str) -> Result<Self, PeerMalformedSignature> {
        let malformed = PeerMalformedSignature;
        if header.len() > 512 {
            return Err(malformed);
        }
        let value = |name: &str| -> Option<&str> {
            let (_, rest) = header.split_once(&format!(";{name}="))?;
            Some(rest.split(';').next().unwrap_or(rest).trim_matches('"'))
        };
        let created = value("created")
            .and_then(|text| text.parse().ok())
            .ok_or(malformed)?;
        let nonce = value("nonce").and_then(|text| BASE64.decode(text.as_bytes()).ok());
        let nonce = nonce
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or(malformed)?;
        let device = value("keyid")
            .and_then(|text| text.parse().ok())
            .ok_or(malformed)?;
        let parameters = Self {
            created,
            nonce,
            device,
        };
        if parameters.to_header() == header {
            Ok(parameters)
        } else {
            Err(malformed)
        }
    }
}

impl SignedRequest<'_> {
    /// The signature base (RFC 9421 §2.5): what the device key signs.
    pub fn signature_base(&self) -> Vec<u8> {
        format!(
            "\"@method\": {}\n\"@authority\": {}\n\"@path\": {}\n\"@query\": ?{}\n\"{CONTENT_DIGEST}\": {}\n\"{SESSION}\": {}\n\"@signature-params\": {}",
            self.method,
            self.authority,
            self.path,
            self.query,
            content_digest(self.body),
            session(self.session),
            self.parameters.to_inner(),
        )
        .into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters() -> Parameters {
        Parameters {
            created: 1_700_000_000,
            nonce: [9; 16],
            device: DeviceId([3; 32]),
        }
    }

    #[test]
    fn parameters_have_one_spelling() {
        let header = parameters().to_header();
        assert_eq!(Parameters::parse(&header), Ok(parameters()));
        for changed in [
            header.replace("ed25519", "rsa-v1_5-sha256"),
            header.replace(" \"@query\"", ""),
            header.replace("created=1", "created=01"),
            header.replace("created=1", "created=+1"),
            header.replace(";nonce", "; nonce"),
            format!("{header};expires=1"),
            header.to_uppercase(),
        ] {
            assert_eq!(
                Parameters::parse(&changed),
                Err(PeerMalformedSignature),
                "{changed}"
            );
        }
    }

    #[test]
    fn every_part_changes_the_signature_base() {
        let request = SignedRequest {
            method: "POST",
            authority: "mail.example",
            path: "/v1/letters",
            query: "",
            body: digest(b"body"),
            session: Some(SessionId([1; 16])),
            parameters: parameters(),
        };
        let base = request.signature_base();
        let mut later = parameters();
        later.created += 1;
        let mut again = parameters();
        again.nonce[0] ^= 1;
        for other in [
            SignedRequest {
                method: "GET",
                ..request.clone()
            },
            SignedRequest {
                authority: "mail.example:444",
                ..request.clone()
            },
            SignedRequest {
                path: "/v1/letter",
                ..request.clone()
            },
            SignedRequest {
                query: "a=1",
                ..request.clone()
            },
            SignedRequest {
                body: digest(b""),
                ..request.clone()
            },
            SignedRequest {
                session: None,
                ..request.clone()
            },
            SignedRequest {
                parameters: later,
                ..request.clone()
            },
            SignedRequest {
                parameters: again,
                ..request.clone()
            },
        ] {
            assert_ne!(other.signature_base(), base);
        }
    }

    #[test]
    fn the_signature_base_is_frozen() {
        let request = SignedRequest {
            method: "POST",
            authority: "mail.example",
            path: "/v1/log",
            query: "from=1&old=0",
            body: digest(b"body"),
            session: Some(SessionId([1; 16])),
            parameters: parameters(),
        };
        let base = String::from_utf8(request.signature_base()).unwrap();
        insta::assert_snapshot!(base, @r#"
        "@method": POST
        "@authority": mail.example
        "@path": /v1/log
        "@query": ?from=1&old=0
        "content-digest": sha-256=:Iw2DWNyOiJC0xY3utikS7i8gNXrpKlzIYbmOaP4xrLU=:
        "valise-session": aeaqcaibaeaqcaibaeaqcaibae
        "@signature-params": ("@method" "@authority" "@path" "@query" "content-digest" "valise-session");created=1700000000;nonce="CQkJCQkJCQkJCQkJCQkJCQ==";alg="ed25519";keyid="ambqgaydambqgaydambqgaydambqgaydambqgaydambqgaydambq";tag="valise-v1"
        "#);
    }

    #[test]
    fn a_signature_header_has_one_spelling() {
        let header = signature(&[7; 64]);
        assert_eq!(parse_signature(&header), Ok([7; 64]));
        assert!(parse_signature(&header.replace("sig=", "sig1=")).is_err());
        assert!(parse_signature(&signature(&[7; 63])).is_err());
        assert_eq!(parse_session("-"), Ok(None));
        assert!(parse_session("").is_err());
    }
}
