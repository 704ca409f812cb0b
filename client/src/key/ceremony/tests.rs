//! Whole ceremonies against the software key, judged by `ring` and by webauthn-rs.
#![cfg(feature = "soft-key")]

mod relying_party;
mod resident;

use super::*;
use crate::key::{Source, open, soft};
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use std::{
    collections::{BTreeSet, VecDeque},
    path::PathBuf,
    time::Instant,
};

/// Client data hash of these tests.
const HASH: [u8; 32] = [7; 32];

/// Relying party of these tests: no browser accepts such an id.
const RP: &str = "valise:abcd";

/// A person who types these PINs, one after the other, and then gives up.
#[derive(Default)]
struct Person {
    pins: VecDeque<&'static str>,
    asked: Vec<Option<u8>>,
    touches: Vec<String>,
}

impl Person {
    fn typing(pins: &[&'static str]) -> Self {
        Self {
            pins: pins.iter().copied().collect(),
            ..Self::default()
        }
    }
}

impl Prompt for Person {
    fn touch(&mut self, purpose: &str) {
        self.touches.push(purpose.to_owned());
    }

    fn pin(&mut self, tries_left: Option<u8>) -> Result<Zeroizing<String>, KeyError> {
        self.asked.push(tries_left);
        let pin = self.pins.pop_front().ok_or(KeyError::Cancelled)?;
        Ok(Zeroizing::new(pin.to_owned()))
    }

    fn insert(&mut self) {
        panic!("a software key is always there");
    }
}

/// A folder for keys that goes away with the test.
struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Plugs a key in; one that does not exist yet verifies its user by itself.
    fn key(&self, name: &str) -> Box<dyn Key> {
        open(&Source::Soft(self.path(name))).unwrap()
    }

    fn key_with_pin(&self, name: &str, pin: &str) -> Box<dyn Key> {
        soft::create(&self.path(name), Some(pin)).unwrap();
        self.key(name)
    }
}

fn new_credential(exclude: &[Vec<u8>]) -> NewCredential<'_> {
    NewCredential {
        rp_id: RP,
        rp_name: "Valise",
        user_id: b"alice",
        user_name: "alice",
        client_data_hash: HASH,
        hmac_secret: true,
        resident: false,
        exclude,
        purpose: "enrol",
    }
}

fn request(allow: &[Vec<u8>], salt: Option<[u8; 32]>) -> AssertionRequest<'_> {
    AssertionRequest {
        rp_id: RP,
        client_data_hash: HASH,
        allow,
        salt,
        purpose: "log in",
    }
}

fn make(key: &mut dyn Key) -> MadeCredential {
    key.make(&new_credential(&[]), &mut Person::default())
        .unwrap()
}

fn secret(key: &mut dyn Key, made: &MadeCredential, salt: u8) -> [u8; 32] {
    let allow = [made.credential_id.clone()];
    let answer = key
        .assert(&request(&allow, Some([salt; 32])), &mut Person::default())
        .unwrap();
    *answer.secret.unwrap()
}

/// What every peer checks: the signature, the relying party, and that the user was there and
/// verified, with a credential that is nowhere backed up.
fn check(made: &MadeCredential, answer: &Assertion) {
    let signed = [answer.authenticator_data.as_slice(), &HASH].concat();
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, made.public_key)
        .verify(&signed, &answer.signature)
        .unwrap();
    let rp_id_hash = ring::digest::digest(&ring::digest::SHA256, RP.as_bytes());
    assert_eq!(&answer.authenticator_data[..32], rp_id_hash.as_ref());
    assert_eq!(
        answer.authenticator_data[32] & 0b0001_1101,
        0b0000_0101,
        "UP, UV, no BE, no BS"
    );
}

#[test]
fn a_verifying_key_makes_and_signs_without_a_pin() {
    let desk = Desk::new();
    let mut key = desk.key("k");
    let mut alice = Person::default();
    let made = key.make(&new_credential(&[]), &mut alice).unwrap();
    assert_eq!(made.aaguid, soft::AAGUID);
    let allow = [made.credential_id.clone()];
    let answer = key.assert(&request(&allow, None), &mut alice).unwrap();
    check(&made, &answer);
    assert!(answer.secret.is_none());
    assert_eq!(answer.credential_id, made.credential_id);
    assert_eq!(alice.touches, ["enrol", "log in"]);
    assert!(alice.asked.is_empty());
}

#[test]
fn a_key_with_a_pin_asks_once_per_ceremony() {
    let desk = Desk::new();
    let mut key = desk.key_with_pin("k", "1234");
    let mut alice = Person::typing(&["1234", "1234"]);
    let made = key.make(&new_credential(&[]), &mut alice).unwrap();
    let allow = [made.credential_id.clone()];
    let answer = key
        .assert(&request(&allow, Some([1; 32])), &mut alice)
        .unwrap();
    check(&made, &answer);
    assert!(answer.secret.is_some());
    assert_eq!(alice.asked, [None, None]);
    assert_eq!(alice.touches, ["enrol", "log in"]);
}

#[test]
fn the_secret_depends_on_credential_and_salt_alone() {
    let desk = Desk::new();
    let mut key = desk.key("k");
    let (one, two) = (make(&mut *key), make(&mut *key));
    let first = secret(&mut *key, &one, 1);
    let again = secret(&mut *desk.key("k"), &one, 1);
    assert_eq!(first, again, "stable across opens");
    let secrets = BTreeSet::from([
        first,
        secret(&mut *key, &one, 2),
        secret(&mut *key, &two, 1),
    ]);
    assert_eq!(secrets.len(), 3);
}

#[test]
fn a_wrong_pin_is_asked_again_with_the_tries_left() {
    let desk = Desk::new();
    let mut key = desk.key_with_pin("k", "1234");
    let mut alice = Person::typing(&["0000", "1111", "1234"]);
    key.make(&new_credential(&[]), &mut alice).unwrap();
    assert_eq!(alice.asked, [None, Some(7), Some(6)]);
    let mut alice = Person::typing(&["0000", "1234"]);
    key.make(&new_credential(&[]), &mut alice).unwrap();
    assert_eq!(
        alice.asked,
        [None, Some(7)],
        "a right PIN gives all tries back"
    );
}

#[test]
fn giving_up_after_a_wrong_pin_says_what_is_left() {
    let desk = Desk::new();
    let mut key = desk.key_with_pin("k", "1234");
    let refusal = key
        .make(&new_credential(&[]), &mut Person::typing(&["0000"]))
        .unwrap_err();
    assert!(matches!(
        refusal,
        KeyError::WrongPin {
            tries_left: Some(7)
        }
    ));
    assert_eq!(refusal.to_string(), "wrong PIN: 7 tries left");
    let refusal = key
        .make(&new_credential(&[]), &mut Person::default())
        .unwrap_err();
    assert!(
        matches!(refusal, KeyError::Cancelled),
        "no PIN was wrong this time"
    );
}

#[test]
fn three_wrong_pins_pause_the_key_and_eight_block_it() {
    let desk = Desk::new();
    let mut key = desk.key_with_pin("k", "1234");
    let wrong = ["0000"; 3];
    let refusal = key
        .make(&new_credential(&[]), &mut Person::typing(&wrong))
        .unwrap_err();
    assert!(matches!(refusal, KeyError::PinPaused));
    let refusal = key
        .make(&new_credential(&[]), &mut Person::typing(&["1234"]))
        .unwrap_err();
    assert!(
        matches!(refusal, KeyError::PinPaused),
        "not before it is unplugged"
    );
    let refusal = desk
        .key("k")
        .make(&new_credential(&[]), &mut Person::typing(&wrong))
        .unwrap_err();
    assert!(matches!(refusal, KeyError::PinPaused));
    let mut alice = Person::typing(&wrong);
    let refusal = desk
        .key("k")
        .make(&new_credential(&[]), &mut alice)
        .unwrap_err();
    assert!(matches!(refusal, KeyError::PinBlocked));
    assert_eq!(alice.asked, [None, Some(1)]);
    let refusal = desk
        .key("k")
        .make(&new_credential(&[]), &mut Person::typing(&["1234"]))
        .unwrap_err();
    assert!(matches!(refusal, KeyError::PinBlocked), "for ever");
}

#[test]
fn a_key_without_a_pin_is_refused() {
    let desk = Desk::new();
    soft::create_without_pin(&desk.path("k"));
    let refusal = desk
        .key("k")
        .make(&new_credential(&[]), &mut Person::typing(&["1234"]))
        .unwrap_err();
    assert!(matches!(refusal, KeyError::NoPinSet));
    assert!(refusal.to_string().contains("set one"));
}

#[test]
fn an_enrolled_key_is_not_enrolled_twice() {
    let desk = Desk::new();
    let mut key = desk.key_with_pin("k", "1234");
    let alice = &mut Person::typing(&["1234"; 3]);
    let made = key.make(&new_credential(&[]), alice).unwrap();
    let exclude = [vec![9; 32], made.credential_id];
    let refusal = key.make(&new_credential(&exclude), alice).unwrap_err();
    assert!(matches!(refusal, KeyError::AlreadyEnrolled));
    desk.key("other")
        .make(&new_credential(&exclude), alice)
        .unwrap();
}

#[test]
fn a_foreign_key_is_told_apart() {
    let desk = Desk::new();
    let made = make(&mut *desk.key("mine"));
    let mut other = desk.key("other");
    let its_own = make(&mut *other);
    let allow = [made.credential_id];
    let refusal = other
        .assert(&request(&allow, None), &mut Person::default())
        .unwrap_err();
    assert!(matches!(refusal, KeyError::NotThisKey));
    let allow = [its_own.credential_id.clone()];
    let elsewhere = AssertionRequest {
        rp_id: "valise:efgh",
        ..request(&allow, None)
    };
    let refusal = other
        .assert(&elsewhere, &mut Person::default())
        .unwrap_err();
    assert!(
        matches!(refusal, KeyError::NotThisKey),
        "an id is bound to its relying party"
    );
}

#[test]
fn one_of_two_keys_of_a_person_signs() {
    let desk = Desk::new();
    let (one, two) = (make(&mut *desk.key("one")), make(&mut *desk.key("two")));
    let allow = [one.credential_id, two.credential_id.clone()];
    let answer = desk
        .key("two")
        .assert(&request(&allow, None), &mut Person::default())
        .unwrap();
    assert_eq!(answer.credential_id, two.credential_id);
    check(&two, &answer);
}

#[test]
fn the_counter_grows() {
    let desk = Desk::new();
    let mut key = desk.key("k");
    let made = make(&mut *key);
    let allow = [made.credential_id];
    let mut count = || {
        let answer = key
            .assert(&request(&allow, None), &mut Person::default())
            .unwrap();
        u32::from_be_bytes(answer.authenticator_data[33..37].try_into().unwrap())
    };
    let (first, second) = (count(), count());
    assert!(first < second);
}

#[test]
fn a_credential_without_hmac_secret_gives_none() {
    let desk = Desk::new();
    let mut key = desk.key("k");
    let new = NewCredential {
        hmac_secret: false,
        ..new_credential(&[])
    };
    let made = key.make(&new, &mut Person::default()).unwrap();
    let allow = [made.credential_id];
    let refusal = key
        .assert(&request(&allow, Some([1; 32])), &mut Person::default())
        .unwrap_err();
    assert!(matches!(refusal, KeyError::NotSupported(_)));
}

#[test]
fn l16_a_credential_is_of_no_use_without_verification() {
    let made = make(&mut *Desk::new().key("k"));
    let level_3 = b"\x6bcredProtect\x03";
    let mut parts = made.attestation_object.windows(level_3.len());
    assert!(
        parts.any(|part| part == level_3),
        "the key confirms credProtect level 3"
    );
}

#[test]
fn l16_nothing_ever_resets_the_key_or_manages_its_credentials() {
    let desk = Desk::new();
    let mut key = desk.key_with_pin("k", "1234");
    let alice = &mut Person::typing(&["0000", "1234", "1234", "1234", "1234"]);
    let made = key.make(&new_credential(&[]), alice).unwrap();
    let exclude = [made.credential_id.clone()];
    key.make(&new_credential(&exclude), alice).unwrap_err();
    key.assert(&request(&exclude, Some([1; 32])), alice)
        .unwrap();
    key.assert(&request(&[vec![9; 32]], None), alice)
        .unwrap_err();
    let sent: BTreeSet<String> = soft::commands(&desk.path("k"))
        .unwrap()
        .into_iter()
        .filter(|command| command != "touch")
        .collect();
    let expected = ["clientPIN", "getAssertion", "getInfo", "makeCredential"];
    assert!(sent.iter().eq(&expected), "{sent:?}");
}

#[test]
fn a_file_that_is_no_key_is_named() {
    let desk = Desk::new();
    std::fs::write(desk.path("k"), "not a key").unwrap();
    let refusal = open(&Source::Soft(desk.path("k"))).err().unwrap();
    assert!(matches!(&refusal, KeyError::File(path, _) if *path == desk.path("k")));
    let refusal = soft::create(&desk.path("short"), Some("123")).unwrap_err();
    assert!(refusal.to_string().ends_with("a PIN has 4 to 63 bytes"));
}

#[test]
fn a_key_that_vanishes_is_an_error() {
    let desk = Desk::new();
    let mut key = desk.key("k");
    std::fs::remove_file(desk.path("k")).unwrap();
    let refusal = key
        .make(&new_credential(&[]), &mut Person::default())
        .unwrap_err();
    assert!(matches!(refusal, KeyError::File(..)), "{refusal}");
}

#[test]
fn sources_are_read_and_written() {
    for text in ["usb", "soft:/tmp/a:b"] {
        assert_eq!(text.parse::<Source>().unwrap().to_string(), text);
    }
    for text in ["", "soft", "soft:", "USB", "usb:", "hid"] {
        text.parse::<Source>().unwrap_err();
    }
}

#[test]
fn a_key_that_waits_for_a_finger_is_announced() {
    /// Ends the ceremony as soon as it is told to touch.
    struct Finger(Sender<authenticator::Result<()>>);

    impl Prompt for Finger {
        fn touch(&mut self, _purpose: &str) {
            self.0.send(Ok(())).unwrap();
        }
        fn pin(&mut self, _tries_left: Option<u8>) -> Result<Zeroizing<String>, KeyError> {
            Err(KeyError::Cancelled)
        }
        fn insert(&mut self) {}
    }

    let (silent_key, updates) = channel();
    let (done, outcome) = channel();
    let mut finger = Finger(done);
    let ended = Dialogue::new(&mut finger, "log in").serve(&updates, &outcome);
    assert!(matches!(ended, Some(Ok(()))), "a sensor says nothing");
    silent_key.send(StatusUpdate::PresenceRequired).unwrap();
    let ended = Dialogue::new(&mut finger, "log in").serve(&updates, &outcome);
    assert!(matches!(ended, Some(Ok(()))), "a button blinks");
}

#[test]
fn a_ceremony_takes_at_most_a_tenth_of_a_second() {
    let desk = Desk::new();
    let mut key = desk.key("k");
    let made = make(&mut *key);
    let ceremony = |_| {
        #[expect(clippy::disallowed_methods, reason = "this test measures time itself")]
        let start = Instant::now();
        secret(&mut *key, &made, 1);
        start.elapsed()
    };
    // The best of five: the machine may be busy with other tests.
    let best = (0..5).map(ceremony).min().unwrap();
    assert!(best < Duration::from_millis(100), "{best:?}");
}
