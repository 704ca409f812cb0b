//! What one server says to the others, as a line of text: its name, what it is about, and that.

use data_encoding::BASE64URL_NOPAD;
use valise_proto::id::DeviceId;

use crate::wake::Ring;

/// Rings in one word at most. PostgreSQL takes 7,999 bytes.
pub(super) const RINGS_MAX: usize = 150;
/// Bytes of a word at most.
const TEXT_MAX: usize = 7_999;

/// A word.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Word {
    /// There is something for some devices, or their streams have moved.
    Rings(Vec<Ring>),
    /// The log has so many entries.
    Log(u64),
}

impl Word {
    /// As it is said by the server of this name.
    pub(crate) fn to_text(&self, name: &str) -> String {
        match self {
            Self::Log(size) => format!("{name} log {size}"),
            Self::Rings(rings) => {
                let mut text = format!("{name} ring");
                for ring in rings.iter().take(RINGS_MAX) {
                    let (mark, device) = match ring {
                        Ring::Bell(device) => (" b", device),
                        Ring::Stream(device) => (" s", device),
                    };
                    text.push_str(mark);
                    BASE64URL_NOPAD.encode_append(&device.0, &mut text);
                }
                text
            }
        }
    }

    /// Reads a word of another server than the one named `own`. `None` when it is none, or one's own.
    pub(crate) fn parse(text: &str, own: &str) -> Option<Self> {
        if text.len() > TEXT_MAX {
            return None;
        }
        let mut parts = text.split(' ');
        if parts.next() == Some(own) {
            return None;
        }
        match parts.next()? {
            "log" => parts.next()?.parse().ok().map(Self::Log),
            "ring" => parts.map(ring).collect::<Option<_>>().map(Self::Rings),
            _ => None,
        }
    }
}

fn ring(part: &str) -> Option<Ring> {
    let (mark, device) = part.split_at_checked(1)?;
    let device = BASE64URL_NOPAD.decode(device.as_bytes()).ok()?;
    let device = DeviceId(device.try_into().ok()?);
    match mark {
        "b" => Some(Ring::Bell(device)),
        "s" => Some(Ring::Stream(device)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_comes_as_it_was_said_and_not_to_its_speaker() {
        let rings = (0..150).map(|at| match at % 2 {
            0 => Ring::Bell(DeviceId([at; 32])),
            _ => Ring::Stream(DeviceId([at; 32])),
        });
        for word in [Word::Log(17), Word::Rings(rings.collect())] {
            let text = word.to_text("one");
            assert!(text.len() <= TEXT_MAX, "{}", text.len());
            assert_eq!(Word::parse(&text, "other"), Some(word));
            assert_eq!(Word::parse(&text, "one"), None);
        }
        for text in [
            "",
            "one",
            "one log",
            "one log x",
            "one ring b",
            "one ring x",
            "one sing 1",
        ] {
            assert_eq!(Word::parse(text, "other"), None, "{text}");
        }
    }
}
