//! The form of the note and of its signatures, frozen, and everything that is not it.

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
        note.split_once("\n\n").unwrap().0.to_owned() + "\n\n",
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

const TIME: u64 = 1_800_000_000;
const WITNESS: &str = "witness.example/w1";

fn witness() -> (SoftDevice, Ed25519Key) {
    let witness = SoftDevice::from_seed([6; 32]);
    let key = Ed25519Key::try_from(witness.id().0).unwrap();
    (witness, key)
}

/// The note with the witness's word that it was the newest at each of `times`.
fn cosigned(times: &[u64]) -> String {
    let ((witness, key), (mut note, _)) = (witness(), note());
    for time in times {
        let line = format_cosignature(&note, WITNESS, key, *time, |text| witness.sign(text));
        note.push_str(&line.unwrap());
    }
    note
}

#[test]
fn the_cosigned_note_is_frozen() {
    insta::assert_snapshot!(cosigned(&[TIME]), @r"
    valise/aeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaq
    42
    BQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQU=

    — valise/aeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaq +DXRmoqJmtKBzOEUt3uyMe6WYADdKYt9cZUd9LW0ADKXH5TcxIWNh/31qCvtEiAqYLHYwkf+CrGFBZOpgLXvuAeNbAU=
    — witness.example/w1 w8FJnQAAAABrSdIAkV2RAfKZzw0b0ABhCmnmHKHMY4z3UZxnbbmqDBOip/i2s1EL/vVs2f24WdXo3Zm94CUQTSOM+01krQYq3jqnDA==
    ");
}

#[test]
fn a_cosignature_signs_time_and_text() {
    let ((_, key), note) = (witness(), cosigned(&[TIME]));
    let line = note.lines().last().unwrap();
    let line = line.rsplit(' ').next().unwrap();
    let bytes = BASE64.decode(line.as_bytes()).unwrap();
    let id = sha256(&[WITNESS.as_bytes(), b"\n\x04", &key.to_bytes()]);
    assert_eq!(bytes[..4], id[..4]);
    assert_eq!(bytes[4..12], TIME.to_be_bytes());
    let signed = format!("cosignature/v1\ntime {TIME}\n{}", note_text(ORG, HEAD));
    assert_eq!(key.verify(signed.as_bytes(), &bytes[12..]), Ok(()));
    assert_eq!(bytes.len(), 4 + 8 + 64);
}

#[test]
fn the_newest_time_counts_and_others_lines_do_not() {
    let (_, key) = witness();
    assert_eq!(cosigned_at(&note().0, WITNESS, key), Ok(None));
    let note = cosigned(&[TIME, TIME + 9, TIME + 5]);
    assert_eq!(cosigned_at(&note, WITNESS, key), Ok(Some(TIME + 9)));
    assert_eq!(cosigned_at(&note, "witness.example/w2", key), Ok(None));
    let (_, server) = server();
    assert_eq!(cosigned_at(&note, WITNESS, server), Ok(None));
    assert_eq!(open(&note, ORG, server), Ok(HEAD));
}

#[test]
fn d04_no_bit_of_a_cosignature_can_be_changed() {
    let ((_, key), note) = (witness(), cosigned(&[TIME]));
    for bit in 0..note.len() * 8 {
        let mut bytes = note.clone().into_bytes();
        bytes[bit / 8] ^= 1 << (bit % 8);
        if let Ok(changed) = String::from_utf8(bytes) {
            // The server's own line is not the witness's to vouch for.
            let own = note.lines().nth(4).unwrap();
            let touched = changed.lines().nth(4) != Some(own);
            let read = cosigned_at(&changed, WITNESS, key);
            assert!(touched || !matches!(read, Ok(Some(_))), "bit {bit}");
        }
    }
    for end in 0..note.len() {
        if let Some(cut) = note.get(..end) {
            let read = cosigned_at(cut, WITNESS, key);
            assert!(!matches!(read, Ok(Some(_))), "cut at {end}");
        }
    }
}

#[test]
fn d04_a_time_is_not_moved_to_another_head_or_signer() {
    let ((witness, key), (note, server)) = (witness(), note());
    let good = cosigned(&[TIME]);
    let line = good.strip_prefix(&note).unwrap();
    let other = Head { size: 43, ..HEAD };
    let other = format_signed(ORG, other, server, |text| self::server().0.sign(text));
    let moved = format!("{other}{line}");
    let refused = Err(PeerBadCheckpoint::Signature);
    assert_eq!(cosigned_at(&moved, WITNESS, key), refused);
    // A plain signature of the same key is no cosignature.
    let hash = key_hash(WITNESS, ED25519, key);
    let plain = witness.sign(note_text(ORG, HEAD).as_bytes());
    let plain = format!("{note}{}", format_signature(WITNESS, &[&hash, &plain]));
    assert_eq!(cosigned_at(&plain, WITNESS, key), Ok(None));
    let hash = key_hash(WITNESS, 0x04, key);
    let short = format!("{note}{}", format_signature(WITNESS, &[&hash, &[0; 7]]));
    assert_eq!(cosigned_at(&short, WITNESS, key), refused);
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
