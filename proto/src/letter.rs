//! A letter: what only its people may see. It travels padded inside an MLS application message.

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use crate::{
    codec::{self, Bytes, Limited, Malformed, Text, encode},
    id::{DeviceId, Hash, LetterId, Name, ThreadId},
    label,
    statement::sha256,
    weaken::checked,
};

/// How the body is to be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
#[repr(u8)]
pub enum Format {
    /// Plain text.
    Plain = 0,
    /// Markdown, a safe subset of it.
    Markdown = 1,
}

/// One file of the attachment manifest. The ciphertext itself travels beside the letter.
#[derive(Clone, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
pub struct Attachment {
    /// File name as the writer saw it: untrusted.
    pub name: Text<255>,
    /// Plaintext size in bytes.
    pub size: u64,
    /// SHA-256 of the plaintext.
    pub content: Hash,
    /// Where the server keeps the ciphertext, and the key that opens it: 16 and 32 bytes, see
    /// [`crate::attachment::FileKey`].
    pub blob: Bytes<48>,
}

impl Limited for Vec<Attachment> {
    const MAX: usize = Letter::MAX;
}

/// One letter.
#[derive(Clone, Debug, Eq, PartialEq, TlsDeserializeBytes, TlsSerialize, TlsSize)]
pub struct Letter {
    /// The letter's id: receivers show an id once, and take it only from its device (G08).
    pub id: LetterId,
    /// Random: what the id is made of, with the device.
    pub nonce: [u8; 16],
    /// Counts this device's letters in this conversation, from 1: a gap shows (G07).
    pub sequence: u64,
    /// Hash of this device's previous letter here; zero before the first.
    pub previous: Hash,
    /// The thread, which may run through several conversations.
    pub thread: ThreadId,
    /// The letter this one answers.
    pub in_reply_to: Option<LetterId>,
    /// When it was written by its writer's clock: milliseconds since 1970, UTC.
    pub date: u64,
    /// Subject, one line: untrusted.
    pub subject: Text<998>,
    /// To, in the writer's order.
    pub to: Vec<Name>,
    /// Cc, in the writer's order. To, Cc and the writer are exactly the conversation's accounts.
    pub cc: Vec<Name>,
    /// How to read the body.
    pub format: Format,
    /// The text: untrusted.
    pub body: Text<{ 1 << 20 }>,
    /// Attached files.
    pub attachments: Vec<Attachment>,
}

impl Limited for Letter {
    const MAX: usize = 2 << 20;
}

impl Letter {
    /// Largest padded letter in bytes.
    pub const PADDED_MAX: usize = Self::MAX + Self::MAX / 8;

    /// The id of a letter that `device` writes with this nonce. Nobody else can give a letter that
    /// id, so nobody can be there first and have the letter dropped as a repetition.
    pub fn id_of(device: DeviceId, nonce: [u8; 16]) -> LetterId {
        let hash = sha256(&[label::LETTER_ID, &device.0, &nonce]);
        let mut id = [0; LetterId::LEN];
        id.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
        LetterId(id)
    }

    /// The hash that this device's next letter names as its previous one.
    pub fn hash(&self) -> Hash {
        Hash(sha256(&[label::LETTER, &encode(self)]))
    }

    /// The bytes to encrypt: length (u32), letter, zeros up to a Padmé bucket of at least 256
    /// bytes, so that the size tells little (P02).
    pub fn to_padded(&self) -> Vec<u8> {
        let letter = encode(self);
        let length = u32::try_from(letter.len())
            .unwrap_or(u32::MAX)
            .to_be_bytes();
        let mut padded = [&length[..], &letter].concat();
        if checked("P02") {
            padded.resize(padme(padded.len()).max(256), 0);
        }
        padded
    }

    /// Reads what [`Letter::to_padded`] wrote, and nothing else.
    pub fn from_padded(bytes: &[u8]) -> Result<Self, Malformed> {
        let malformed = Malformed { what: "Letter" };
        if bytes.len() > Self::PADDED_MAX {
            return Err(malformed);
        }
        let (length, rest) = bytes.split_first_chunk::<4>().ok_or(malformed)?;
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| malformed)?;
        let letter: Self = codec::decode(rest.get(..length).ok_or(malformed)?)?;
        if letter.to_padded() == bytes {
            Ok(letter)
        } else {
            Err(malformed)
        }
    }
}

/// The Padmé bucket of `length` (Nikitin et al., "Reducing Metadata Leakage from Encrypted Files
/// and Communication with PURBs", 2019): at most 12 % longer, and O(log log n) bits leak.
pub(crate) fn padme(length: usize) -> usize {
    let Some(exponent) = length.checked_ilog2() else {
        return length;
    };
    let kept_bits = exponent.checked_ilog2().map_or(0, |bits| bits + 1);
    let mask = (1_usize << exponent.saturating_sub(kept_bits)) - 1;
    (length + mask) & !mask
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use data_encoding::HEXLOWER;
    use proptest::prelude::*;

    use super::*;

    fn letter(body: String) -> Letter {
        Letter {
            id: Letter::id_of(DeviceId([8; 32]), [1; 16]),
            nonce: [1; 16],
            sequence: 2,
            previous: Hash([3; 32]),
            thread: ThreadId([4; 16]),
            in_reply_to: Some(LetterId([5; 16])),
            date: 1_800_000_000_000,
            subject: "Débat".to_owned().try_into().unwrap(),
            to: vec!["alice".parse().unwrap(), "bob".parse().unwrap()],
            cc: vec!["carol".parse().unwrap()],
            format: Format::Plain,
            body: body.try_into().unwrap(),
            attachments: vec![Attachment {
                name: "plan.pdf".to_owned().try_into().unwrap(),
                size: 12,
                content: Hash([6; 32]),
                blob: vec![7; 48].try_into().unwrap(),
            }],
        }
    }

    #[test]
    fn the_padded_bytes_and_the_hash_are_frozen() {
        let letter = letter("See you at nine.".to_owned());
        assert_eq!(letter.to_padded().len(), 272);
        insta::assert_snapshot!(HEXLOWER.encode(&sha256(&[&letter.to_padded()])), @"a2251c30a5b1e9065cd88f1cd65757bf5f5399d78adcecb1a4f5a034ac204700");
        insta::assert_snapshot!(HEXLOWER.encode(&letter.hash().0), @"054d89fb8f1c3842cf01014e4a234265d8b9e0c78fedbc4e9ed04bc545e51e05");
    }

    #[test]
    fn g08_an_id_is_one_devices_and_one_nonces() {
        let id = |device, nonce| Letter::id_of(DeviceId([device; 32]), [nonce; 16]);
        assert_eq!(id(1, 1), id(1, 1));
        assert_ne!(id(1, 1), id(1, 2));
        assert_ne!(id(1, 1), id(2, 1));
        insta::assert_snapshot!(HEXLOWER.encode(&id(1, 1).0), @"f3370942ef25f5a1d4cef55c1b16e4fd");
    }

    #[test]
    fn only_the_one_padding_is_read() {
        let letter = letter("See you at nine.".to_owned());
        let padded = letter.to_padded();
        assert_eq!(Letter::from_padded(&padded), Ok(letter));
        for end in 0..padded.len() {
            assert!(Letter::from_padded(&padded[..end]).is_err(), "cut at {end}");
        }
        let mut longer = padded.clone();
        longer.push(0);
        assert!(Letter::from_padded(&longer).is_err());
        let mut marked = padded;
        *marked.last_mut().unwrap() = 1;
        assert!(Letter::from_padded(&marked).is_err());
        assert!(Letter::from_padded(&[0xff; 256]).is_err());
        assert!(Letter::from_padded(&vec![0; Letter::PADDED_MAX + 1]).is_err());
    }

    #[test]
    fn p02_sizes_are_few_and_waste_is_small() {
        let mut sizes = BTreeSet::new();
        for round in 0..10_000_u32 {
            let seed = sha256(&[&round.to_be_bytes()]);
            let random = u32::from_be_bytes([seed[0], seed[1], seed[2], seed[3]]);
            let letter = letter("x".repeat(usize::try_from(random % 100_001).unwrap()));
            let (plain, padded) = (encode(&letter).len() + 4, letter.to_padded().len());
            sizes.insert(padded);
            let waste = padded - plain;
            assert!(
                plain <= 256 || waste * 100 <= plain * 12,
                "{plain}: {padded}"
            );
        }
        // Padmé has 142 buckets from 256 bytes to 100 kB. No scheme has fewer than 53 there that
        // wastes at most 12 %: ln(100,000 / 256) / ln(1.12).
        assert!(sizes.len() <= 142, "{} sizes", sizes.len());
    }

    proptest! {
        #[test]
        fn a_letter_reads_back(
            body in "\\PC{0,2000}",
            subject in "\\PC{0,60}",
            sequence: u64,
            in_reply_to: Option<[u8; 16]>,
            markdown: bool,
        ) {
            let mut letter = letter(body);
            letter.subject = subject.try_into().unwrap();
            letter.sequence = sequence;
            letter.in_reply_to = in_reply_to.map(LetterId);
            letter.format = if markdown { Format::Markdown } else { Format::Plain };
            prop_assert_eq!(Letter::from_padded(&letter.to_padded()), Ok(letter));
        }

        #[test]
        fn noise_is_never_misread(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            if let Ok(letter) = Letter::from_padded(&bytes) {
                prop_assert_eq!(letter.to_padded(), bytes);
            }
        }
    }
}
