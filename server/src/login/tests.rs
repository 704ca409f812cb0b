//! Every way to spoil one login assertion (L05, L11).

use ring::rand::{SecureRandom as _, SystemRandom};

use super::*;
use crate::tests::support::{Assertion, Person, URL};

fn ceremonies() -> Ceremonies {
    Ceremonies::new(&URL.parse().unwrap(), OrgTag([5; 16])).unwrap()
}

fn accepts(ceremonies: &Ceremonies, person: &Person, finish: &Finish) -> bool {
    let device = person.device.id();
    ceremonies
        .assertion(finish, device, &person.key.record)
        .is_some()
}

/// The three signed parts of an assertion, changed by `change`.
fn changed(finish: &Finish, part: usize, change: impl FnOnce(&mut Vec<u8>)) -> Finish {
    let mut finish = finish.clone();
    let mut bytes = parts(&finish).remove(part);
    change(&mut bytes);
    match part {
        0 => finish.authenticator_data = bytes.try_into().unwrap(),
        1 => finish.client_data = bytes.try_into().unwrap(),
        _ => finish.signature = bytes.try_into().unwrap_or_default(),
    }
    finish
}

fn parts(finish: &Finish) -> Vec<Vec<u8>> {
    vec![
        finish.authenticator_data.as_slice().to_vec(),
        finish.client_data.as_slice().to_vec(),
        finish.signature.as_slice().to_vec(),
    ]
}

#[test]
fn l11_every_flipped_bit_and_every_truncation_of_a_login_is_refused() {
    let (ceremonies, alice) = (ceremonies(), Person::new("alice"));
    let finish = Assertion::of(&alice, [7; 32], 1).sign(&alice.login);
    assert!(accepts(&ceremonies, &alice, &finish));
    for (part, bytes) in parts(&finish).iter().enumerate() {
        for bit in 0..bytes.len() * 8 {
            let spoiled = changed(&finish, part, |bytes| bytes[bit / 8] ^= 1 << (bit % 8));
            assert!(
                !accepts(&ceremonies, &alice, &spoiled),
                "part {part}, bit {bit}"
            );
        }
        for length in 0..bytes.len() {
            let cut = changed(&finish, part, |bytes| bytes.truncate(length));
            assert!(
                !accepts(&ceremonies, &alice, &cut),
                "part {part}, {length} bytes"
            );
        }
        let longer = changed(&finish, part, |bytes| bytes.push(0));
        assert!(
            !accepts(&ceremonies, &alice, &longer),
            "part {part}, one byte more"
        );
    }
}

#[test]
fn l11_ten_thousand_random_changes_of_a_login_are_refused() {
    let (ceremonies, alice) = (ceremonies(), Person::new("alice"));
    let finish = Assertion::of(&alice, [7; 32], 1).sign(&alice.login);
    let random = SystemRandom::new();
    for _ in 0..10_000 {
        let mut dice = [0; 8];
        random.fill(&mut dice).unwrap();
        let [part, first, second, third, mask, places, ..] = dice;
        let spoiled = changed(&finish, usize::from(part) % 3, |bytes| {
            for place in [first, second, third]
                .into_iter()
                .take(usize::from(places % 3) + 1)
            {
                let index = usize::from(place) * 7 % bytes.len();
                bytes[index] ^= mask | 1;
            }
        });
        if parts(&spoiled) != parts(&finish) {
            assert!(!accepts(&ceremonies, &alice, &spoiled), "{dice:?}");
        }
    }
}
