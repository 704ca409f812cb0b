//! The organisation card: what a newcomer's client pins before it talks to anybody.
//!
//! Public, and handed over by a person: on paper, on a screen, by a file. A server never changes it.

use std::{fmt, str::FromStr};

use crate::{
    id::{Hash, OrgId, OrgTag},
    key::Ed25519Key,
};

/// The card.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Card {
    /// Where the server is: `https://host[:port]`.
    pub url: ServerUrl,
    /// Which organisation: the hash of its genesis entry.
    pub org: OrgId,
    /// The organisation's tag; a client checks it against the genesis entry.
    pub tag: OrgTag,
    /// SHA-256 of the server's TLS `SubjectPublicKeyInfo` (RFC 7469 §2.4).
    pub tls: Hash,
    /// The server's log key, which signs checkpoints.
    pub log: Ed25519Key,
}

/// A card that is not one.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not an organisation card")]
pub struct MalformedCard;

impl Card {
    /// Largest card in bytes.
    pub const MAX: usize = 1024;
    const FIRST_LINE: &str = "valise organisation card v1";
}

impl fmt::Display for Card {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", Self::FIRST_LINE)?;
        writeln!(f, "url {}", self.url)?;
        writeln!(f, "org {}", self.org)?;
        writeln!(f, "tag {}", self.tag)?;
        writeln!(f, "tls {}", self.tls)?;
        writeln!(f, "log {}", Hash(self.log.to_bytes()))
    }
}

impl FromStr for Card {
    type Err = MalformedCard;

    /// Accepts exactly what [`Display`](fmt::Display) writes.
    fn from_str(text: &str) -> Result<Self, MalformedCard> {
        if text.len() > Self::MAX {
            return Err(MalformedCard);
        }
        let field = |name: &str, line: Option<&str>| -> Result<String, MalformedCard> {
            let value = line
                .and_then(|line| line.strip_prefix(name))
                .ok_or(MalformedCard)?;
            Ok(value.strip_prefix(' ').ok_or(MalformedCard)?.to_owned())
        };
        let mut lines = text.lines();
        if lines.next() != Some(Self::FIRST_LINE) {
            return Err(MalformedCard);
        }
        let url = field("url", lines.next())?
            .parse()
            .map_err(|_| MalformedCard)?;
        let org = field("org", lines.next())?
            .parse()
            .map_err(|_| MalformedCard)?;
        let tag = field("tag", lines.next())?
            .parse()
            .map_err(|_| MalformedCard)?;
        let tls = field("tls", lines.next())?
            .parse()
            .map_err(|_| MalformedCard)?;
        let log: Hash = field("log", lines.next())?
            .parse()
            .map_err(|_| MalformedCard)?;
        let log = Ed25519Key::try_from(log.0).map_err(|_| MalformedCard)?;
        let card = Self {
            url,
            org,
            tag,
            tls,
            log,
        };
        if card.to_string() == text {
            Ok(card)
        } else {
            Err(MalformedCard)
        }
    }
}

/// The server's address: `https://host[:port]`, host a DNS name (a WebAuthn relying party cannot
/// be an IP address), no user, path, query or fragment.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ServerUrl {
    text: String,
    host: String,
    port: u16,
}

impl ServerUrl {
    /// Host name: the relying party id of L credentials.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// TCP port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The web origin, as browsers write it: `https://host[:port]`, without the default port 443.
    pub fn origin(&self) -> &str {
        &self.text
    }

    /// `host[:port]`: the `@authority` of signed requests (RFC 9421 §2.2.3).
    pub fn authority(&self) -> &str {
        self.text.strip_prefix("https://").unwrap_or(&self.text)
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for ServerUrl {
    type Err = MalformedCard;

    fn from_str(text: &str) -> Result<Self, MalformedCard> {
        if text.len() > 256 {
            return Err(MalformedCard);
        }
        let url = url::Url::parse(text).map_err(|_| MalformedCard)?;
        let Some(url::Host::Domain(host)) = url.host() else {
            return Err(MalformedCard);
        };
        let origin = url.origin().ascii_serialization();
        if url.scheme() != "https" || origin != text {
            return Err(MalformedCard);
        }
        let port = url.port_or_known_default().ok_or(MalformedCard)?;
        Ok(Self {
            host: host.to_owned(),
            port,
            text: origin,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card() -> Card {
        Card {
            url: "https://mail.campagne.example:8443".parse().unwrap(),
            org: OrgId([1; 32]),
            tag: OrgTag([2; 16]),
            tls: Hash([3; 32]),
            log: Ed25519Key::try_from(
                ed25519_dalek::SigningKey::from_bytes(&[4; 32])
                    .verifying_key()
                    .to_bytes(),
            )
            .unwrap(),
        }
    }

    #[test]
    fn a_card_reads_back_and_nothing_else_reads() {
        let text = card().to_string();
        assert_eq!(text.parse(), Ok(card()));
        for changed in [
            text.replace("v1", "v2"),
            text.replace("org ", "org  "),
            text.replace('\n', "\r\n"),
            format!("{text}\n"),
            text.trim_end().to_owned(),
            text.replace("https", "http"),
        ] {
            assert!(changed.parse::<Card>().is_err(), "{changed:?}");
        }
    }

    #[test]
    fn a_server_url_is_an_origin_with_a_name() {
        for good in [
            "https://mail.example",
            "https://localhost:8443",
            "https://xn--caf-dma.example",
        ] {
            assert_eq!(good.parse::<ServerUrl>().unwrap().to_string(), good);
        }
        for bad in [
            "http://mail.example",
            "https://mail.example/",
            "https://mail.example:443",
            "https://127.0.0.1",
            "https://[::1]:1",
            "https://a@mail.example",
            "https://MAIL.example",
            "https://mail.example?x",
            "mail.example",
            "https://",
            "https://café.example",
        ] {
            assert!(bad.parse::<ServerUrl>().is_err(), "{bad}");
        }
    }
}
