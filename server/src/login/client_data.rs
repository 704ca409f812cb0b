//! clientDataJSON, strictly: what the library is more patient about than we are (L09, L12).

use std::{collections::BTreeSet, fmt};

use data_encoding::BASE64URL_NOPAD;
use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, Visitor},
};

/// Which ceremony the client says it was.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// `webauthn.create`
    Create,
    /// `webauthn.get`
    Get,
}

/// The members that matter (WebAuthn §5.8.1). Members of other names may stand beside them, since
/// browsers add some; no member may stand twice.
#[derive(Debug)]
pub(crate) struct ClientData<'a> {
    kind: &'a str,
    challenge: &'a str,
    origin: &'a str,
    cross_origin: bool,
}

impl<'a> ClientData<'a> {
    /// Reads JSON without byte order mark, doubled members or escapes in what matters.
    pub(crate) fn parse(json: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(json).ok()
    }

    /// Requires exactly this ceremony, challenge and origin, not framed by another origin.
    pub(crate) fn check(&self, kind: Kind, challenge: &[u8; 32], origin: &str) -> Option<()> {
        let kind = match kind {
            Kind::Create => "webauthn.create",
            Kind::Get => "webauthn.get",
        };
        let same = self.kind == kind
            && self.challenge == BASE64URL_NOPAD.encode(challenge)
            && self.origin == origin
            && !self.cross_origin;
        same.then_some(())
    }
}

impl<'de> Deserialize<'de> for ClientData<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Members)
    }
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = ClientData<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("collected client data")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let mut seen = BTreeSet::new();
        let (mut kind, mut challenge, mut origin) = (None, None, None);
        let mut cross_origin = false;
        while let Some(name) = map.next_key::<String>()? {
            match name.as_str() {
                "type" => kind = Some(map.next_value()?),
                "challenge" => challenge = Some(map.next_value()?),
                "origin" => origin = Some(map.next_value()?),
                "crossOrigin" => cross_origin = map.next_value()?,
                "topOrigin" => return Err(M::Error::custom("topOrigin")),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
            if !seen.insert(name) {
                return Err(M::Error::custom("doubled member"));
            }
        }
        Ok(ClientData {
            kind: kind.ok_or_else(|| M::Error::missing_field("type"))?,
            challenge: challenge.ok_or_else(|| M::Error::missing_field("challenge"))?,
            origin: origin.ok_or_else(|| M::Error::missing_field("origin"))?,
            cross_origin,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: &str = "https://mail.example";

    fn accepted(json: &str) -> bool {
        ClientData::parse(json.as_bytes())
            .and_then(|data| data.check(Kind::Get, &[7; 32], ORIGIN))
            .is_some()
    }

    #[test]
    fn l09_l12_only_one_form_is_accepted() {
        let challenge = BASE64URL_NOPAD.encode(&[7; 32]);
        let good = format!(
            r#"{{"type":"webauthn.get","challenge":"{challenge}","origin":"{ORIGIN}","crossOrigin":false}}"#
        );
        assert!(accepted(&good));
        assert!(accepted(&good.replace(r#","crossOrigin":false"#, "")));
        assert!(accepted(&good.replace('}', r#","other_keys":{"a":[1]}}"#)));
        for bad in [
            good.replace("webauthn.get", "webauthn.create"),
            good.replace("false", "true"),
            good.replace("false", r#""false""#),
            good.replace('}', r#","topOrigin":"https://mail.example"}"#),
            good.replace('}', r#","origin":"https://mail.example"}"#),
            good.replace('}', r#","x":1,"x":1}"#),
            good.replace(ORIGIN, "https://mail.example/"),
            good.replace(ORIGIN, "https:\\/\\/mail.example"),
            good.replace(ORIGIN, "https://mail.example:443"),
            good.replace(ORIGIN, "https://mail.example:8443"),
            good.replace(ORIGIN, "http://mail.example"),
            good.replace(ORIGIN, "https://a.mail.example"),
            good.replace(&challenge, &format!("{challenge}=")),
            good.replace(&challenge, &BASE64URL_NOPAD.encode(&[8; 32])),
            format!("\u{feff}{good}"),
            format!("{good} x"),
            good.replace(r#""type":"webauthn.get","#, ""),
            "[]".to_owned(),
        ] {
            assert!(!accepted(&bad), "{bad}");
        }
    }
}
