//! What passes is cut, spoiled, turned round and handed back: none of it is taken for something else.

use reqwest::Method;
use valise_client::weaken::dangerously_weaken;
use valise_proto::{
    api::{COMMITS, SYNC, delivery},
    codec::{decode, encode},
    conversation::Conversation,
    id::GroupId,
};

use super::{
    flight::{CONTENT_TYPE, written},
    secrecy::on_their_way,
};
use crate::support::{Mallory, Office, Person};

/// The length (RFC 9000 §16) at `at`, and where what it counts begins.
fn length(bytes: &[u8], at: usize) -> (usize, usize) {
    let wide = 1 << (bytes[at] >> 6);
    let mut value = usize::from(bytes[at] & 0x3f);
    for byte in &bytes[at + 1..at + wide] {
        value = value << 8 | usize::from(*byte);
    }
    (value, at + wide)
}

/// The message without the last `bytes` bytes of its sender data, or else of its content: each ends
/// with a tag of 16 bytes.
pub(super) fn cut(message: &[u8], sender_data: bool, bytes: usize) -> Vec<u8> {
    let (aad, at) = length(message, CONTENT_TYPE + 1);
    let (sender, begin) = length(message, at + aad);
    let (place, (long, begin)) = if sender_data {
        (at + aad, (sender, begin))
    } else {
        (begin + sender, length(message, begin + sender))
    };
    let left = u16::try_from(long - bytes).unwrap();
    let head = if left < 64 {
        vec![left.to_be_bytes()[1]]
    } else {
        (left | 0x4000).to_be_bytes().to_vec()
    };
    let kept = &message[begin..begin + long - bytes];
    [&message[..place], &head, kept, &message[begin + long..]].concat()
}

const CUTS: usize = 32;

#[tokio::test]
async fn g17_no_letter_with_a_cut_tag_is_shown() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    written(&office, &mallory, &mut alice, CUTS, |round, bytes| {
        *bytes = cut(bytes, round % 2 == 0, 1 + round / 2);
    })
    .await;
    alice.sync().await;
    assert_eq!(alice.bodies(), ["first", "last"]);
    let events = alice.events();
    let unreadable = events.iter().filter(|kind| *kind == "unreadable").count();
    assert_eq!(unreadable, CUTS, "{events:?}");
}

/// The twin: put together by the same hand with its whole tag, each is the letter that it was.
#[tokio::test]
async fn g17_twin_a_letter_with_its_whole_tag_is_shown() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    written(&office, &mallory, &mut alice, 4, |round, bytes| {
        let whole = cut(bytes, round % 2 == 0, 0);
        assert_eq!(whole, *bytes);
        *bytes = whole;
    })
    .await;
    alice.sync().await;
    assert_eq!(alice.bodies().len(), 4 + 2);
    assert!(!alice.events().contains(&"unreadable".to_owned()));
}

/// A conversation that is sound but for being twice as large as one may be.
fn bomb() -> Vec<u8> {
    let accounts = (0..4_000).map(|n| format!("a{n:031}").parse().unwrap());
    encode(&Conversation {
        nonce: [1; 16],
        creator: format!("a{:031}", 0).parse().unwrap(),
        accounts: accounts.collect(),
    })
}

#[test]
fn g18_what_is_too_large_is_not_decoded() {
    dangerously_weaken(None);
    assert!(decode::<Conversation>(&bomb()).is_err());
}

/// The twin: without the limit all of it is decoded.
#[test]
fn g18_twin_without_a_limit_the_decoder_is_reached() {
    dangerously_weaken(Some("G18"));
    let decoded = decode::<Conversation>(&bomb());
    dangerously_weaken(None);
    assert_eq!(decoded.expect("a conversation").accounts.len(), 4_000);
}

/// Alice's own letter, captured; nobody has read it.
pub(super) async fn captured(
    office: &Office,
    mallory: &Mallory,
    alice: &mut Person,
) -> (Person, delivery::Letter, u64) {
    let mut bob = office.hire(alice, "bob").await;
    alice.send(&["bob"], "First", "first").await;
    bob.sync().await;
    mallory.forget();
    alice.send(&["bob"], "Second", "second").await;
    let mut letter: delivery::Letter =
        mallory.seen(&Method::POST, valise_proto::api::LETTERS)[0].request();
    // Under its own id it would be known as what it is.
    letter.id.0[0] ^= 1;
    let group = letter.group;
    let row = bob.session().store().read().conversation(group);
    let cursor = row.unwrap().unwrap().cursor;
    (bob, letter, cursor)
}

#[tokio::test]
async fn g28_ones_own_letter_does_not_come_back_as_a_colleagues() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let (mut bob, letter, cursor) = captured(&office, &mallory, &mut alice).await;
    let before = alice.letters().len();
    alice.is_handed(letter, cursor + 1).await;
    assert_eq!(alice.letters().len(), before);
    assert!(alice.events().contains(&"unreadable".to_owned()));
    // And the conversation goes on.
    bob.sync().await;
    alice.send(&["bob"], "Third", "third").await;
    bob.sync().await;
    assert_eq!(bob.bodies(), ["first", "second", "third"]);
}

/// The twin: the same bytes under the same false id, to the one whose they are not.
#[tokio::test]
async fn g28_twin_the_same_bytes_are_read_by_somebody_else() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let (mut bob, letter, cursor) = captured(&office, &mallory, &mut alice).await;
    bob.is_handed(letter, cursor + 1).await;
    assert_eq!(bob.bodies(), ["first", "second"]);
    assert!(!bob.events().contains(&"unreadable".to_owned()));
}

/// Bob will be brought alice's commit, of which mallory turns one bit, or none.
pub(super) async fn committed(
    office: &Office,
    mallory: &Mallory,
    alice: &mut Person,
    turned: u8,
) -> (Person, GroupId) {
    let mut bob = office.hire(alice, "bob").await;
    alice.send(&["bob"], "First", "first").await;
    bob.sync().await;
    let (group, _) = alice.only_group();
    let commit = alice.session().attack_keep(group).await;
    commit.expect("a commit");
    mallory.alter(&Method::GET, SYNC, move |page: &mut delivery::Page| {
        for message in &mut page.messages {
            let mut bytes = message.message.clone().into_vec();
            if let Some(last) = bytes.last_mut() {
                *last ^= turned;
            }
            message.message = bytes.try_into().unwrap();
        }
    });
    mallory.forget();
    (bob, group)
}

/// A client that comes back from outside by itself, after a commit that it cannot take, lets whoever
/// sends such a commit choose when, and into what. Ours begins another conversation, with everybody's
/// key packages checked, and sends nothing into the one that it cannot follow.
#[tokio::test]
async fn g10_an_invalid_commit_makes_nobody_come_back_from_outside() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let (mut bob, group) = committed(&office, &mallory, &mut alice, 1).await;
    bob.sync().await;
    mallory.behave();
    let events = bob.events();
    let unreadable = events.iter().filter(|kind| *kind == "unreadable").count();
    assert_eq!(unreadable, 1, "{events:?}");
    let commits = mallory.commits();
    assert_eq!(commits.len(), 1);
    for commit in commits {
        assert_ne!(commit.group, group);
        assert_eq!((commit.epoch, commit.message.as_slice()), (0, &[][..]));
    }
    alice.sync().await;
    alice.send(&["bob"], "Second", "second").await;
    bob.sync().await;
    assert_eq!(bob.bodies(), ["first", "second"]);
}

#[tokio::test]
async fn g10_twin_the_same_commit_unspoiled_is_merged() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let (mut bob, group) = committed(&office, &mallory, &mut alice, 0).await;
    bob.sync().await;
    mallory.behave();
    assert!(!bob.events().contains(&"unreadable".to_owned()));
    assert!(mallory.seen(&Method::POST, COMMITS).is_empty());
    alice.sync().await;
    alice.send(&["bob"], "Second", "second").await;
    bob.sync().await;
    assert_eq!(bob.bodies(), ["first", "second"]);
    assert_eq!(bob.only_group().0, group);
}

const FLIPS: usize = 100_000;

/// A hundred thousand times one bit is turned, in a letter and in a commit. None opens, and none
/// changes anything: then the true one opens.
#[tokio::test]
async fn g32_of_a_hundred_thousand_flipped_bits_none_changes_anything() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let (mut bob, group, commit, letter) = on_their_way(&office, &mallory, &mut alice).await;
    for message in [commit.message.as_slice(), &letter] {
        let flips = (0..FLIPS / 2).map(|round| round * 7_919 % (message.len() * 8));
        let opened = bob.session().attack_flips(group, message, flips);
        assert_eq!(opened.expect("the store"), 0);
        let true_one = bob.session().attack_open(group, message);
        true_one.expect("the true message");
    }
}

/// The twin: through the same hand, a bit that is turned and turned back again spoils nothing.
#[tokio::test]
async fn g32_twin_a_bit_that_is_turned_back_spoils_nothing() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let (mut bob, group, commit, letter) = on_their_way(&office, &mallory, &mut alice).await;
    for message in [commit.message.as_slice(), &letter] {
        let mut turned = message.to_vec();
        for bit in (0..FLIPS).map(|round| round * 7_919 % (message.len() * 8)) {
            for _ in 0..2 {
                turned[bit / 8] ^= 1 << (bit % 8);
            }
        }
        let opened = bob.session().attack_open(group, &turned);
        opened.expect("the true message");
    }
}
