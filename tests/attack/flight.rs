//! What the server does to letters in flight: nothing that anybody sees changes.

use reqwest::Method;
use valise_client::weaken::dangerously_weaken;
use valise_proto::api::{SYNC, delivery};

use super::insider::letter;
use crate::support::{Mallory, Office, Person};

/// Both write to alice in one conversation; then mallory hands her the page as `change` leaves it.
async fn both_write(
    office: &Office,
    mallory: &Mallory,
    alice: &mut Person,
    change: impl FnMut(&mut delivery::Page) + Send + 'static,
) {
    let mut bob = office.hire(alice, "bob").await;
    let mut carol = office.hire(alice, "carol").await;
    bob.send(&["alice", "carol"], "Hello", "Hello").await;
    carol.sync().await;
    alice.sync().await;
    bob.send(&["alice", "carol"], "Bob's", "I am bob.").await;
    carol
        .send(&["alice", "bob"], "Carol's", "I am carol.")
        .await;
    mallory.alter(&Method::GET, SYNC, change);
    alice.sync().await;
}

fn labels(of: &mut Person) -> Vec<(String, String)> {
    let mut labels: Vec<_> = of
        .letters()
        .into_iter()
        .map(|l| (l.sender.to_string(), l.body))
        .collect();
    labels.sort();
    labels
}

#[tokio::test]
async fn g23_a_letters_sender_is_who_signed_it() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    // Bob's ciphertext in carol's envelope, and the other way round.
    both_write(&office, &mallory, &mut alice, |page| {
        if let [bobs, carols] = &mut page.messages[..] {
            std::mem::swap(&mut bobs.id, &mut carols.id);
            std::mem::swap(&mut bobs.message, &mut carols.message);
        }
    })
    .await;
    let expected = [
        ("bob", "Hello"),
        ("bob", "I am bob."),
        ("carol", "I am carol."),
    ];
    assert_eq!(
        labels(&mut alice),
        expected.map(|(who, what)| (who.into(), what.into()))
    );
}

/// Carol, who reads along, writes in bob's name, and the server will hand it out as his.
pub(super) async fn written_by_carol(office: &Office, alice: &mut Person) {
    let mut bob = office.hire(alice, "bob").await;
    let mut carol = office.hire(alice, "carol").await;
    bob.send(&["alice", "carol"], "Hello", "Hello").await;
    carol.sync().await;
    alice.sync().await;
    let (group, _) = bob.only_group();
    let mut forged = letter(
        bob.session().device(),
        &["alice", "carol"],
        "Pay 100 to Jean.",
    );
    forged.sequence = 2;
    bob.session()
        .attack_send_signed_by(carol.session(), group, &forged)
        .await
        .expect("sending");
}

#[tokio::test]
async fn g23_nobody_writes_in_a_colleagues_name() {
    let (office, mut alice) = Office::open().await;
    written_by_carol(&office, &mut alice).await;
    alice.sync().await;
    assert_eq!(labels(&mut alice), [("bob".into(), "Hello".into())]);
    assert!(alice.events().contains(&"unreadable".to_owned()));
}

#[tokio::test]
async fn g23_twin_a_colleague_writes_in_bobs_name() {
    let (office, mut alice) = Office::open().await;
    written_by_carol(&office, &mut alice).await;
    dangerously_weaken(Some("G23"));
    alice.sync().await;
    let last = labels(&mut alice).pop().unwrap();
    assert_eq!(last, ("bob".into(), "Pay 100 to Jean.".into()));
}

const FLIPS: usize = 200;

/// Bob writes so many letters, whose ciphertexts `change` may touch, and one more. Alice has not looked.
pub(super) async fn written(
    office: &Office,
    mallory: &Mallory,
    alice: &mut Person,
    letters: usize,
    change: impl Fn(usize, &mut Vec<u8>) + Send + 'static,
) {
    let mut bob = office.hire(alice, "bob").await;
    bob.send(&["alice"], "First", "first").await;
    alice.sync().await;
    for _ in 0..letters {
        bob.send(&["alice"], "Transfer", "Pay 100 to Jean.").await;
    }
    bob.send(&["alice"], "Last", "last").await;
    let mut done = 0;
    mallory.alter(&Method::GET, SYNC, move |page: &mut delivery::Page| {
        for message in &mut page.messages {
            if done < letters {
                let mut bytes = message.message.clone().into_vec();
                change(done, &mut bytes);
                message.message = bytes.try_into().unwrap();
            }
            done += 1;
        }
    });
}

/// Where the content type of an MLS `PrivateMessage` is (RFC 9420 §6.3): behind version, wire
/// format, the group's id and the epoch.
pub(super) const CONTENT_TYPE: usize = 2 + 2 + 1 + 32 + 8;

/// Flips one bit: first of the header, then spread over the rest. The content type stays: see below.
pub(super) fn flip(round: usize, bytes: &mut [u8]) {
    let bits = bytes.len() * 8;
    let bit = if round < 100 {
        round * 3
    } else {
        (round * 7919) % bits
    };
    let bit = if bit / 8 == CONTENT_TYPE {
        bit + 8
    } else {
        bit
    };
    bytes[bit / 8] ^= 1 << (bit % 8);
}

#[tokio::test]
async fn g24_no_flipped_bit_shows() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    written(&office, &mallory, &mut alice, FLIPS, |round, bytes| {
        flip(round, bytes);
    })
    .await;
    alice.sync().await;
    assert_eq!(alice.bodies(), ["first", "last"]);
    let events = alice.events();
    // A bit of what a message says of its group's state makes it seem to come from another half of it.
    let noted = ["unreadable", "group-fork"];
    let noted = events.iter().filter(|kind| noted.contains(&&***kind));
    assert_eq!(noted.count(), FLIPS);
    assert!(events.contains(&"missing-letter".to_owned()), "{events:?}");
}

/// The twin of the same: without the flips all of them are shown.
#[tokio::test]
async fn g24_twin_untouched_letters_show() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    written(&office, &mallory, &mut alice, 9, |_, _| {}).await;
    alice.sync().await;
    assert_eq!(alice.bodies().len(), 9 + 2);
    assert!(!alice.events().contains(&"unreadable".to_owned()));
}
