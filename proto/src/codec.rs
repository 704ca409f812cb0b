//! The one canonical encoding of everything that is hashed, signed, stored or sent.
//!
//! It is the TLS presentation language as RFC 9420 §2.1 uses it: fixed-size integers in network
//! order, vectors with a variable-size length (RFC 9000 §16) in its shortest form. [`decode`] looks
//! at the size first, reads every byte, and refuses what [`encode`] would not have written: one
//! value has one encoding, so a hash of the bytes is a hash of the value (D16).

use std::fmt;

use tls_codec::{DeserializeBytes, Error, Serialize, Size, TlsVarInt, VLByteSlice};

use crate::weaken::checked;

/// A value with a largest encoded size, in bytes. The decoder looks at nothing larger.
pub trait Limited {
    /// Largest encoding in bytes.
    const MAX: usize;
}

/// Why bytes are not a value: one variant, because the sender learns nothing from more.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("malformed {what}")]
pub struct Malformed {
    /// The type that was expected.
    pub what: &'static str,
}

/// Reads exactly one `T` from all of `bytes`.
pub fn decode<T>(bytes: &[u8]) -> Result<T, Malformed>
where
    T: DeserializeBytes + Serialize + Limited,
{
    let what = Malformed {
        what: type_name::<T>(),
    };
    if bytes.len() > T::MAX && checked("G18") {
        return Err(what);
    }
    let (value, _) = T::tls_deserialize_bytes(bytes).map_err(|_| what)?;
    // What is left over or spelt otherwise is not there when it is written again.
    if encode(&value) == bytes || !checked("D16") {
        Ok(value)
    } else {
        Err(what)
    }
}

/// Writes `value`. Every type of this crate is far smaller than the 2^30 bytes that a length holds.
///
/// # Panics
/// Never for a type of this crate: memory does not fail, and no length is too large.
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    #[expect(
        clippy::expect_used,
        reason = "writing to memory cannot fail below 2^30 bytes"
    )]
    value.tls_serialize_detached().expect("encoding to memory")
}

fn type_name<T>() -> &'static str {
    let full = std::any::type_name::<T>();
    full.rsplit("::").next().unwrap_or(full)
}

/// At most `MAX` bytes.
#[derive(Clone, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Bytes<const MAX: usize>(Vec<u8>);

impl<const MAX: usize> Bytes<MAX> {
    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }

    /// The bytes, owned.
    pub fn into_vec(self) -> Vec<u8> {
        self.0
    }
}

impl<const MAX: usize> TryFrom<Vec<u8>> for Bytes<MAX> {
    type Error = Malformed;

    fn try_from(bytes: Vec<u8>) -> Result<Self, Malformed> {
        if bytes.len() > MAX {
            Err(Malformed { what: "Bytes" })
        } else {
            Ok(Self(bytes))
        }
    }
}

impl<const MAX: usize> AsRef<[u8]> for Bytes<MAX> {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl<const MAX: usize> fmt::Debug for Bytes<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl<const MAX: usize> Size for Bytes<MAX> {
    fn tls_serialized_len(&self) -> usize {
        VLByteSlice(&self.0).tls_serialized_len()
    }
}

impl<const MAX: usize> Serialize for Bytes<MAX> {
    fn tls_serialize<W: std::io::Write>(&self, writer: &mut W) -> Result<usize, Error> {
        VLByteSlice(&self.0).tls_serialize(writer)
    }
}

impl<const MAX: usize> DeserializeBytes for Bytes<MAX> {
    fn tls_deserialize_bytes(bytes: &[u8]) -> Result<(Self, &[u8]), Error> {
        // Not `VLBytes`, which panics on truncated input in debug builds.
        let (length, rest) = TlsVarInt::tls_deserialize_bytes(bytes)?;
        let length = usize::try_from(length.value())?;
        if length > MAX {
            return Err(Error::InvalidVectorLength);
        }
        let (bytes, rest) = rest.split_at_checked(length).ok_or(Error::EndOfStream)?;
        Ok((Self(bytes.to_vec()), rest))
    }
}

/// At most `MAX` bytes of UTF-8. Untrusted: it may hold anything that Unicode has.
#[derive(Clone, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Text<const MAX: usize>(String);

impl<const MAX: usize> Text<MAX> {
    /// The text, untrusted.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text, untrusted and owned.
    pub fn into_string(self) -> String {
        self.0
    }

    /// The longest prefix of `text` that fits, cut between characters: for error texts.
    pub fn truncated(text: &str) -> Self {
        Self(
            text.get(..text.floor_char_boundary(MAX))
                .unwrap_or_default()
                .to_owned(),
        )
    }
}

impl<const MAX: usize> TryFrom<String> for Text<MAX> {
    type Error = Malformed;

    fn try_from(text: String) -> Result<Self, Malformed> {
        if text.len() > MAX {
            Err(Malformed { what: "Text" })
        } else {
            Ok(Self(text))
        }
    }
}

impl<const MAX: usize> fmt::Debug for Text<MAX> {
    /// Length only: a text of this crate is somebody's words, and debug output ends in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "text of {} bytes", self.0.len())
    }
}

impl<const MAX: usize> Size for Text<MAX> {
    fn tls_serialized_len(&self) -> usize {
        VLByteSlice(self.0.as_bytes()).tls_serialized_len()
    }
}

impl<const MAX: usize> Serialize for Text<MAX> {
    fn tls_serialize<W: std::io::Write>(&self, writer: &mut W) -> Result<usize, Error> {
        VLByteSlice(self.0.as_bytes()).tls_serialize(writer)
    }
}

impl<const MAX: usize> DeserializeBytes for Text<MAX> {
    fn tls_deserialize_bytes(bytes: &[u8]) -> Result<(Self, &[u8]), Error> {
        let (read, rest) = Bytes::<MAX>::tls_deserialize_bytes(bytes)?;
        let text = String::from_utf8(read.into_vec())
            .map_err(|_| Error::DecodingError("text is not UTF-8".to_owned()))?;
        Ok((Self(text), rest))
    }
}

/// One to `COUNT` values, one after the other, with nothing around them: one alone is spelt as itself.
///
/// It has no length of its own, so it is a whole body and never a part of one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Run<T, const COUNT: usize>(Vec<T>);

impl<T, const COUNT: usize> Run<T, COUNT> {
    /// The values.
    pub fn into_vec(self) -> Vec<T> {
        self.0
    }
}

impl<T, const COUNT: usize> TryFrom<Vec<T>> for Run<T, COUNT> {
    type Error = Malformed;

    fn try_from(values: Vec<T>) -> Result<Self, Malformed> {
        if (1..=COUNT).contains(&values.len()) {
            Ok(Self(values))
        } else {
            Err(Malformed { what: "Run" })
        }
    }
}

impl<T: Size, const COUNT: usize> Size for Run<T, COUNT> {
    fn tls_serialized_len(&self) -> usize {
        self.0.iter().map(Size::tls_serialized_len).sum()
    }
}

impl<T: Serialize, const COUNT: usize> Serialize for Run<T, COUNT> {
    fn tls_serialize<W: std::io::Write>(&self, writer: &mut W) -> Result<usize, Error> {
        self.0.iter().try_fold(0, |written, value| {
            Ok(written + value.tls_serialize(writer)?)
        })
    }
}

impl<T: DeserializeBytes, const COUNT: usize> DeserializeBytes for Run<T, COUNT> {
    fn tls_deserialize_bytes(bytes: &[u8]) -> Result<(Self, &[u8]), Error> {
        let (first, mut rest) = T::tls_deserialize_bytes(bytes)?;
        let mut values = vec![first];
        while !rest.is_empty() {
            if values.len() == COUNT {
                return Err(Error::InvalidVectorLength);
            }
            let (value, left) = T::tls_deserialize_bytes(rest)?;
            values.push(value);
            rest = left;
        }
        Ok((Self(values), rest))
    }
}

#[cfg(test)]
mod tests {
    use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

    use super::*;

    #[derive(Debug, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
    struct Pair {
        left: Bytes<4>,
        right: Text<300>,
    }

    impl Limited for Pair {
        const MAX: usize = 400;
    }

    fn pair() -> Pair {
        Pair {
            left: vec![1, 2, 3].try_into().unwrap(),
            right: "é".repeat(100).try_into().unwrap(),
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        assert_eq!(decode::<Pair>(&encode(&pair())), Ok(pair()));
    }

    #[test]
    fn d16_only_the_canonical_bytes_decode() {
        let bytes = encode(&pair());
        for end in 0..bytes.len() {
            assert!(decode::<Pair>(&bytes[..end]).is_err(), "truncated at {end}");
        }
        let mut trailing = bytes.clone();
        trailing.push(0);
        assert!(decode::<Pair>(&trailing).is_err());
        // The same length 3, written in two bytes instead of one.
        let mut long = vec![0x40, 0x03];
        long.extend_from_slice(&bytes[1..]);
        assert!(decode::<Pair>(&long).is_err());
        // Five bytes where four are allowed.
        let mut wide = vec![5, 1, 2, 3, 4, 5];
        wide.extend_from_slice(&bytes[4..]);
        assert!(decode::<Pair>(&wide).is_err());
        assert!(decode::<Pair>(&vec![0; 401]).is_err());
    }

    #[test]
    fn text_must_be_utf8() {
        assert!(decode::<Pair>(&[0, 2, 0xff, 0xfe]).is_err());
    }

    impl Limited for Run<Pair, 3> {
        const MAX: usize = 1_200;
    }

    #[test]
    fn d16_a_run_is_one_to_so_many_values_and_nothing_else() {
        let run = |count| Run::<Pair, 3>::try_from((0..count).map(|_| pair()).collect::<Vec<_>>());
        for count in 1..=3 {
            let bytes = encode(&run(count).unwrap());
            assert_eq!(bytes, encode(&pair()).repeat(count));
            assert_eq!(decode::<Run<Pair, 3>>(&bytes), run(count));
            assert!(decode::<Run<Pair, 3>>(&bytes[..bytes.len() - 1]).is_err());
            assert!(decode::<Run<Pair, 3>>(&[&bytes[..], &[0]].concat()).is_err());
        }
        assert!(run(0).is_err() && run(4).is_err());
        assert!(decode::<Run<Pair, 3>>(&[]).is_err());
        assert!(decode::<Run<Pair, 3>>(&encode(&pair()).repeat(4)).is_err());
    }

    #[test]
    fn an_error_text_is_cut_between_characters() {
        assert_eq!(Text::<3>::truncated("éé").as_str(), "é");
    }
}
