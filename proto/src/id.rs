//! Names of things: fixed-size opaque ids, and the name of an account.

use std::{fmt, str::FromStr};

use data_encoding::{BASE32_NOPAD, Encoding, Specification};
use tls_codec::{
    DeserializeBytes, Error, Serialize, Size, TlsDeserializeBytes, TlsSerialize, TlsSize,
};

use crate::codec::{Malformed, Text};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd,
            TlsDeserializeBytes, TlsSerialize, TlsSize,
        )]
        pub struct $name(pub [u8; $len]);

        impl $name {
            /// Size in bytes.
            pub const LEN: usize = $len;
        }

        impl AsRef<[u8]> for $name {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }

        impl TryFrom<&[u8]> for $name {
            type Error = Malformed;

            fn try_from(bytes: &[u8]) -> Result<Self, Malformed> {
                let bytes = bytes.try_into().map_err(|_| Malformed { what: stringify!($name) })?;
                Ok(Self(bytes))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&base32(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl FromStr for $name {
            type Err = Malformed;

            fn from_str(text: &str) -> Result<Self, Malformed> {
                Self::try_from(&*from_base32(text, $len, stringify!($name))?)
            }
        }
    };
}

id!(
    /// A SHA-256 hash.
    Hash, 32
);
id!(
    /// An organisation: the SHA-256 of its genesis entry.
    OrgId, 32
);
id!(
    /// The organisation's random tag, drawn at founding. It names the relying party of statement
    /// credentials, `valise:<tag>`; it cannot be the [`OrgId`], because the genesis entry holds
    /// such credentials.
    OrgTag, 16
);
id!(
    /// A device: its Ed25519 public key. It names itself, so nothing can be swapped under it.
    DeviceId, 32
);
id!(
    /// A hardware key: the SHA-256 of its canonical [`crate::key::KeyRecord`].
    KeyId, 32
);
id!(
    /// A conversation's MLS group: the hash of what it is for, see [`crate::conversation`].
    GroupId, 32
);
id!(
    /// A thread of letters. Random, chosen by whoever writes its first letter.
    ThreadId, 16
);
id!(
    /// A letter: derived from the device that wrote it, see [`crate::letter::Letter::id_of`].
    LetterId, 16
);
id!(
    /// One write to the server, chosen by the client: the same id twice is the same write once.
    SubmissionId, 16
);
id!(
    /// An attached file at the server: derived from its key, see [`crate::attachment`].
    AttachmentId, 16
);
id!(
    /// A login session. Not a secret: every request is signed by the device key it is bound to.
    SessionId, 16
);
id!(
    /// A request to be enrolled. Random, chosen by the server.
    EnrolmentId, 16
);
id!(
    /// An act that waits for more admins: the SHA-256 of the statement that they sign.
    ProposalId, 32
);

fn lower_base32() -> Option<Encoding> {
    let mut spec = Specification::new();
    spec.symbols.push_str("abcdefghijklmnopqrstuvwxyz234567");
    spec.encoding().ok()
}

fn base32(bytes: &[u8]) -> String {
    BASE32_NOPAD.encode(bytes).to_ascii_lowercase()
}

fn from_base32(text: &str, len: usize, what: &'static str) -> Result<Vec<u8>, Malformed> {
    let malformed = Malformed { what };
    if text.len() > 2 * len {
        return Err(malformed);
    }
    let encoding = lower_base32().ok_or(malformed)?;
    encoding.decode(text.as_bytes()).map_err(|_| malformed)
}

/// An account's name, and its address inside the organisation: what people type after `valise send`.
///
/// 1 to 32 of `a-z 0-9 . _ -`, first a letter, last no punctuation, no two marks in a row. Plain
/// ASCII on purpose: no two names look alike through another alphabet (C08). A name is never given
/// to another person, and is what every certificate binds (D02).
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Name(String);

impl Name {
    /// Longest name in bytes.
    pub const MAX: usize = 32;

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let bytes = text.as_bytes();
        let mark = |byte: &u8| matches!(byte, b'.' | b'_' | b'-');
        let well_formed = bytes.len() <= Self::MAX
            && bytes.first().is_some_and(u8::is_ascii_lowercase)
            && bytes.last().is_some_and(|byte| !mark(byte))
            && bytes
                .iter()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || mark(b))
            && !bytes.windows(2).any(|pair| pair.iter().all(mark));
        if well_formed {
            Ok(Self(text.to_owned()))
        } else {
            Err(Malformed { what: "Name" })
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Name({})", self.0)
    }
}

impl Size for Name {
    fn tls_serialized_len(&self) -> usize {
        tls_codec::VLByteSlice(self.0.as_bytes()).tls_serialized_len()
    }
}

impl Serialize for Name {
    fn tls_serialize<W: std::io::Write>(&self, writer: &mut W) -> Result<usize, Error> {
        tls_codec::VLByteSlice(self.0.as_bytes()).tls_serialize(writer)
    }
}

impl DeserializeBytes for Name {
    fn tls_deserialize_bytes(bytes: &[u8]) -> Result<(Self, &[u8]), Error> {
        let (text, rest) = Text::<{ Self::MAX }>::tls_deserialize_bytes(bytes)?;
        let name = text
            .as_str()
            .parse()
            .map_err(|_| Error::DecodingError("name".to_owned()))?;
        Ok((name, rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_from_its_text() {
        let id = DeviceId([7; 32]);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!(id.to_string().to_uppercase().parse::<DeviceId>().is_err());
        assert!(id.to_string()[1..].parse::<DeviceId>().is_err());
    }

    #[test]
    fn c08_a_name_is_plain() {
        for good in [
            "a",
            "alice",
            "lea.moreau",
            "x1",
            "a-b_c.d2",
            &"a".repeat(32),
        ] {
            assert!(good.parse::<Name>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "Alice",
            "1a",
            ".a",
            "a.",
            "a..b",
            "a-.b",
            "léa",
            "аlice",
            "a b",
            "a@b",
            "a/b",
            "a\n",
            "-a",
            &"a".repeat(33),
        ] {
            assert!(bad.parse::<Name>().is_err(), "{bad:?}");
        }
    }
}
