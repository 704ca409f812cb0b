//! Six words that two people read to each other, so that an admin enrols the key he thinks he does.

use std::{fmt, str::FromStr};

use diceware_wordlists::EFF_SHORT_WORDLIST_1;

use crate::safe::Safe;

/// How many words: 6 × 10.34 = 62 bits.
pub const COUNT: usize = 6;

/// Six words of the EFF's short list (1,296 words, <https://www.eff.org/dice>).
///
/// Public, made from [`valise_proto::key::KeyRecord::fingerprint`]; equal only if all six are.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Words([&'static str; COUNT]);

/// What was typed is not six words of the list.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NotWords {
    /// Not six of them.
    #[error("that is {found} words, not six")]
    Count {
        /// How many there were, at most seven.
        found: usize,
    },
    /// A word that the list does not have: a slip of the ear or the finger.
    #[error("word {position} is not in the list")]
    Unknown {
        /// Which word, from 1.
        position: usize,
    },
}

impl Words {
    /// The words of a fingerprint: its six lowest digits in base 1,296, highest first. The
    /// list divides 2^80 unevenly by less than one part in 2^17, so no word is likelier than another.
    pub fn of(fingerprint: &[u8; 10]) -> Self {
        let mut rest = fingerprint
            .iter()
            .fold(0_u128, |sum, byte| sum << 8 | u128::from(*byte));
        let mut words = [""; COUNT];
        for word in words.iter_mut().rev() {
            let (quotient, digit) = (rest / 1296, rest % 1296);
            *word = usize::try_from(digit)
                .ok()
                .and_then(|digit| EFF_SHORT_WORDLIST_1.get(digit))
                .copied()
                .unwrap_or_default();
            rest = quotient;
        }
        Self(words)
    }
}

impl FromStr for Words {
    type Err = NotWords;

    /// Reads words in any case, with anything between them that is neither letter nor hyphen.
    fn from_str(text: &str) -> Result<Self, NotWords> {
        let typed: Vec<String> = text
            .split(|c: char| !c.is_alphabetic() && c != '-')
            .filter(|word| !word.is_empty())
            .take(COUNT + 1)
            .map(str::to_lowercase)
            .collect();
        if typed.len() != COUNT {
            return Err(NotWords::Count { found: typed.len() });
        }
        let mut words = [""; COUNT];
        for (index, (word, typed)) in words.iter_mut().zip(&typed).enumerate() {
            *word = EFF_SHORT_WORDLIST_1
                .iter()
                .find(|known| *known == typed)
                .ok_or(NotWords::Unknown {
                    position: index + 1,
                })?;
        }
        Ok(Self(words))
    }
}

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}

impl From<Words> for Safe {
    fn from(words: Words) -> Self {
        Self::line(&words.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// The list as the EFF published it: frozen, since both people must have the same.
    #[test]
    fn the_list_is_the_one_we_know() {
        let list = EFF_SHORT_WORDLIST_1;
        assert_eq!(list.len(), 1296);
        assert_eq!((list[0], list[647], list[1295]), ("acid", "lip", "zoom"));
        assert_eq!(list.iter().collect::<HashSet<_>>().len(), 1296);
        assert!(list.iter().all(|word| {
            word.chars().all(|c| c.is_ascii_lowercase() || c == '-') && word.len() <= 5
        }));
        let joined = list.join("\n");
        let hash = ring::digest::digest(&ring::digest::SHA256, joined.as_bytes());
        assert_eq!(
            data_encoding::HEXLOWER.encode(hash.as_ref()),
            "3680fb8483e03eab3067f20ef8b8848a086006b25981b0df6c8bdc603c4ed55e"
        );
    }

    #[test]
    fn known_answers() {
        assert_eq!(
            Words::of(&[0; 10]).to_string(),
            "acid acid acid acid acid acid"
        );
        let one = [0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
        assert_eq!(
            Words::of(&one).to_string(),
            "acid acid acid acid acid acorn"
        );
        let carry = [0, 0, 0, 0, 0, 0, 0, 0, 0x05, 0x10];
        assert_eq!(
            Words::of(&carry).to_string(),
            "acid acid acid acid acorn acid"
        );
        assert_eq!(
            Words::of(&[0xff; 10]).to_string(),
            "slain eaten cross uncut left mousy"
        );
        assert_eq!(
            Words::of(b"valise!!80").to_string(),
            "jolt yo-yo reply size twice veto"
        );
    }

    #[test]
    fn any_spacing_and_case_reads_back() {
        let words = Words::of(b"valise!!80");
        let text = words.to_string();
        assert_eq!(text.parse(), Ok(words));
        let shouted = format!("  {}\n", text.to_uppercase().replace(' ', " ·\t"));
        assert_eq!(shouted.parse(), Ok(words));
        assert_eq!(text.replace(' ', ", ").parse(), Ok(words));
    }

    #[test]
    fn one_wrong_word_is_another_string() {
        let words: Words = "acid acorn acre acts afar affix".parse().unwrap();
        for other in [
            "acid acorn acre acts affix afar",
            "acid acorn acre acts afar aged",
        ] {
            assert_ne!(other.parse(), Ok(words));
        }
        assert_eq!(
            "acid acorn acre acts afar".parse::<Words>(),
            Err(NotWords::Count { found: 5 })
        );
        assert_eq!(
            "acid acorn acre acts afar affix agent".parse::<Words>(),
            Err(NotWords::Count { found: 7 })
        );
        assert_eq!(
            "acid acorn acer acts afar affix".parse::<Words>(),
            Err(NotWords::Unknown { position: 3 })
        );
        assert_eq!(
            "acid".repeat(1 << 16).parse::<Words>(),
            Err(NotWords::Count { found: 1 })
        );
    }

    #[test]
    fn a_flipped_low_bit_changes_the_words() {
        for bit in 0..62 {
            let mut other = *b"valise!!80";
            other[9 - bit / 8] ^= 1 << (bit % 8);
            assert_ne!(Words::of(&other), Words::of(b"valise!!80"), "bit {bit}");
        }
    }
}
