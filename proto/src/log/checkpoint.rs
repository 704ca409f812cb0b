//! The signed tree head: a C2SP tlog-checkpoint in a signed note (c2sp.org/tlog-checkpoint,
//! c2sp.org/signed-note), with one Ed25519 signature by the server's log key.

use data_encoding::BASE64;

use crate::{
    id::{Hash, OrgId},
    key::Ed25519Key,
    log::Head,
    statement::sha256,
};

/// Largest signed note in bytes.
const NOTE_MAX: usize = 4096;

/// The signed-note signature type of plain Ed25519 (c2sp.org/signed-note, "Signature types").
const ED25519: u8 = 0x01;

/// What each signature line starts with: em dash, space.
const SIGNATURE: &str = "\u{2014} ";

/// A checkpoint is malformed or not the server's.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PeerBadCheckpoint {
    /// Not the one accepted form.
    #[error("malformed checkpoint")]
    Malformed,
    /// Signed by another key, or for another organisation.
    #[error("the checkpoint is not signed by this organisation's server")]
    Signature,
}

/// The origin line, which is also the signing key's name: `valise/<org_id>`.
pub fn origin(org: OrgId) -> String {
    format!("valise/{org}")
}

/// The note's text, which the server signs.
pub fn note_text(org: OrgId, head: Head) -> String {
    let root = BASE64.encode(&head.root.0);
    format!("{}\n{}\n{root}\n", origin(org), head.size)
}

/// The whole signed note; `sign` is Ed25519 over the note's text.
pub fn format_signed(
    org: OrgId,
    head: Head,
    key: Ed25519Key,
    sign: impl FnOnce(&[u8]) -> [u8; 64],
) -> String {
    let text = note_text(org, head);
    let signature = sign(text.as_bytes());
    let line = BASE64.encode(&[&key_hash(org, key)[..], &signature].concat());
    format!("{text}\n{SIGNATURE}{} {line}\n", origin(org))
}

/// The four bytes by which a note says which key signed (c2sp.org/signed-note, "Key IDs").
fn key_hash(org: OrgId, key: Ed25519Key) -> [u8; 4] {
    let name = origin(org);
    let [a, b, c, d, ..] = sha256(&[name.as_bytes(), b"\n", &[ED25519], &key.to_bytes()]);
    [a, b, c, d]
}

/// Reads a signed note of at most 4 KiB. Accepts exactly what [`format_signed`] writes, followed by
/// other signers' lines, which are skipped.
pub fn open(note: &str, org: OrgId, key: Ed25519Key) -> Result<Head, PeerBadCheckpoint> {
    if note.len() > NOTE_MAX {
        return Err(PeerBadCheckpoint::Malformed);
    }
    let (text, signatures) = note
        .split_once("\n\n")
        .ok_or(PeerBadCheckpoint::Malformed)?;
    let (found_origin, head) = parse_text(text).ok_or(PeerBadCheckpoint::Malformed)?;
    let (first, others) = signatures
        .split_once('\n')
        .ok_or(PeerBadCheckpoint::Malformed)?;
    let (name, signed) = parse_signature(first).ok_or(PeerBadCheckpoint::Malformed)?;
    let sound = others.is_empty() || others.ends_with('\n');
    if !sound
        || others
            .split_terminator('\n')
            .any(|line| parse_signature(line).is_none())
    {
        return Err(PeerBadCheckpoint::Malformed);
    }
    if found_origin != origin(org) || name != found_origin {
        return Err(PeerBadCheckpoint::Signature);
    }
    let signature = signed
        .strip_prefix(&key_hash(org, key))
        .ok_or(PeerBadCheckpoint::Signature)?;
    key.verify(note_text(org, head).as_bytes(), signature)
        .map_err(|_| PeerBadCheckpoint::Signature)?;
    Ok(head)
}

/// Reads the note's text without its last line feed: three lines, each in its one spelling.
fn parse_text(text: &str) -> Option<(&str, Head)> {
    let mut lines = text.split('\n');
    let (origin, size_text, root_text) = (lines.next()?, lines.next()?, lines.next()?);
    let size: u64 = size_text.parse().ok()?;
    let root = BASE64.decode(root_text.as_bytes()).ok()?;
    let root = Hash(root.try_into().ok()?);
    let canonical = size.to_string() == size_text && lines.next().is_none();
    canonical.then_some((origin, Head { size, root }))
}

/// Whether a signature line can hold this name (c2sp.org/signed-note, "Format").
pub(super) fn is_signer_name(name: &str) -> bool {
    let plain = |c: char| !c.is_whitespace() && !c.is_control() && c != '+';
    !name.is_empty() && name.chars().all(plain)
}

/// Reads one signature line: the signer's name, and key hash with signature.
fn parse_signature(line: &str) -> Option<(&str, Vec<u8>)> {
    let (name, signature) = line.strip_prefix(SIGNATURE)?.split_once(' ')?;
    if !is_signer_name(name) {
        return None;
    }
    let signature = BASE64.decode(signature.as_bytes()).ok()?;
    (signature.len() > 4).then_some((name, signature))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::SoftDevice;

    const ORG: OrgId = OrgId([1; 32]);
    const HEAD: Head = Head {
        size: 42,
        root: Hash([5; 32]),
    };

    fn server() -> (SoftDevice, Ed25519Key) {
        let server = SoftDevice::from_seed([4; 32]);
        let key = Ed25519Key::try_from(server.id().0).unwrap();
        (server, key)
    }

    fn note() -> (String, Ed25519Key) {
        let (server, key) = server();
        (format_signed(ORG, HEAD, key, |text| server.sign(text)), key)
    }

    #[test]
    fn the_note_is_frozen() {
        insta::assert_snapshot!(note().0, @r"
        valise/aeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaq
        42
        BQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQU=

        — valise/aeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaq +DXRmoqJmtKBzOEUt3uyMe6WYADdKYt9cZUd9LW0ADKXH5TcxIWNh/31qCvtEiAqYLHYwkf+CrGFBZOpgLXvuAeNbAU=
        ");
    }

    #[test]
    fn a_checkpoint_reads_back_with_others_signatures() {
        let (note, key) = note();
        assert_eq!(open(&note, ORG, key), Ok(HEAD));
        let witnessed = format!("{note}\u{2014} witness.example/w1 AAAAAAAA\n");
        assert_eq!(open(&witnessed, ORG, key), Ok(HEAD));
    }

    #[test]
    fn only_one_form_is_accepted() {
        let (note, key) = note();
        for changed in [
            note.replace("\n42\n", "\n042\n"),
            note.replace("\n42\n", "\n+42\n"),
            note.replace("\n42\n", "\n42\r\n"),
            note.replace('\n', "\r\n"),
            note.replace("=\n\n", "=\nextension\n\n"),
            note.replace("=\n\n", "\n\n"),
            note.replace('\u{2014}', "-"),
            note.replace(" valise/", "  valise/"),
            note.trim_end().to_owned(),
            format!("{note}\n"),
            format!("{note}not a signature\n"),
            format!("{note}\u{2014} witness AAAAAAAA\r\n"),
            format!("{note}\u{2014} witness AAAAAAAA"),
            format!("{note}{}", "\u{2014} witness AAAAAAAA\n".repeat(200)),
            String::new(),
        ] {
            assert_eq!(
                open(&changed, ORG, key),
                Err(PeerBadCheckpoint::Malformed),
                "{changed:?}"
            );
        }
    }

    #[test]
    fn d20_every_flipped_bit_and_truncation_is_refused() {
        let (note, key) = note();
        for end in 0..note.len() {
            if let Some(cut) = note.get(..end) {
                assert!(open(cut, ORG, key).is_err(), "cut at {end}");
            }
        }
        for bit in 0..note.len() * 8 {
            let mut bytes = note.clone().into_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            if let Ok(changed) = String::from_utf8(bytes) {
                assert!(open(&changed, ORG, key).is_err(), "bit {bit}");
            }
        }
    }

    #[test]
    fn another_key_or_organisation_is_not_the_server() {
        let (note, key) = note();
        assert_eq!(
            open(&note, OrgId([2; 32]), key),
            Err(PeerBadCheckpoint::Signature)
        );
        let other = SoftDevice::from_seed([9; 32]);
        let other_key = Ed25519Key::try_from(other.id().0).unwrap();
        assert_eq!(
            open(&note, ORG, other_key),
            Err(PeerBadCheckpoint::Signature)
        );
        // Another key under this key's hash.
        let forged = format_signed(ORG, HEAD, key, |text| other.sign(text));
        assert_eq!(open(&forged, ORG, key), Err(PeerBadCheckpoint::Signature));
    }
}
