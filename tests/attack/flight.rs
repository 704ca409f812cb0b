//! What the server does to letters in flight: nothing that anybody sees changes.

use reqwest::{Method, StatusCode};
use valise_client::{attack::Claim, session::Session, sync::Report};
use valise_proto::{
    api::{COMMITS, ErrorCode, Problem, SYNC, delivery},
    codec::{decode, encode},
};

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

/// The twin of the same: an envelope names no sender that could be believed, and untouched envelopes
/// show exactly what swapped ones do.
#[tokio::test]
async fn g23_twin_untouched_envelopes_show_the_same() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    both_write(&office, &mallory, &mut alice, |_| {}).await;
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

const FLIPS: usize = 200;

/// Bob writes 200 letters, whose ciphertexts `change` may touch, and one more.
async fn written(
    office: &Office,
    mallory: &Mallory,
    alice: &mut Person,
    change: impl Fn(usize, &mut Vec<u8>) + Send + 'static,
) {
    let mut bob = office.hire(alice, "bob").await;
    bob.send(&["alice"], "First", "first").await;
    alice.sync().await;
    for _ in 0..FLIPS {
        bob.send(&["alice"], "Transfer", "Pay 100 to Jean.").await;
    }
    bob.send(&["alice"], "Last", "last").await;
    let mut done = 0;
    mallory.alter(&Method::GET, SYNC, move |page: &mut delivery::Page| {
        for message in &mut page.messages {
            if done < FLIPS {
                let mut bytes = message.message.clone().into_vec();
                change(done, &mut bytes);
                message.message = bytes.try_into().unwrap();
            }
            done += 1;
        }
    });
    alice.sync().await;
}

/// Where the content type of an MLS `PrivateMessage` is (RFC 9420 §6.3): behind version, wire
/// format, the group's id and the epoch.
const CONTENT_TYPE: usize = 2 + 2 + 1 + 32 + 8;

/// Flips one bit: first of the header, then spread over the rest. The content type stays: see below.
fn flip(round: usize, bytes: &mut [u8]) {
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
    written(&office, &mallory, &mut alice, |round, bytes| {
        flip(round, bytes)
    })
    .await;
    assert_eq!(alice.bodies(), ["first", "last"]);
    let events = alice.events();
    let unreadable = events.iter().filter(|kind| *kind == "unreadable").count();
    assert_eq!(unreadable, FLIPS);
    assert!(events.contains(&"missing-letter".to_owned()), "{events:?}");
}

/// The twin of the same: without the flips all of them are shown.
#[tokio::test]
async fn g24_twin_untouched_letters_show() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    written(&office, &mallory, &mut alice, |_, _| {}).await;
    assert_eq!(alice.bodies().len(), FLIPS + 2);
    assert!(!alice.events().contains(&"unreadable".to_owned()));
}

/// A letter that says of itself that it is a commit ends the conversation for alice, because she
/// might have missed one. Nothing is silent about it, and after one exchange it is mended.
async fn spoiled(office: &Office, mallory: &Mallory, alice: &mut Person) -> Person {
    let mut bob = office.hire(alice, "bob").await;
    bob.send(&["alice"], "First", "first").await;
    alice.sync().await;
    bob.send(&["alice"], "Transfer", "Pay 100 to Jean.").await;
    mallory.alter(&Method::GET, SYNC, |page: &mut delivery::Page| {
        for message in &mut page.messages {
            let mut bytes = message.message.clone().into_vec();
            if let Some(kind) = bytes.get_mut(CONTENT_TYPE) {
                assert_eq!(*kind, 1);
                *kind = 3;
            }
            message.message = bytes.try_into().unwrap();
        }
    });
    bob
}

#[tokio::test]
async fn g10_a_spoiled_commit_is_noted_and_heals() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let mut bob = spoiled(&office, &mallory, &mut alice).await;
    let (mut session, _) = alice.at_work().await;
    // Alice's live connection brings it, and the next letter too.
    session
        .receive(page(&session).await, &mut Report::default())
        .await
        .unwrap();
    mallory.behave();
    alice.back(session);
    bob.send(&["alice"], "Second", "second").await;
    alice.sync().await;
    assert_eq!(alice.bodies(), ["first"]);
    let unreadable = |events: Vec<String>| events.iter().filter(|e| *e == "unreadable").count();
    assert_eq!(unreadable(alice.events()), 2);
    // That sync began a successor.
    bob.sync().await;
    bob.send(&["alice"], "Third", "third").await;
    alice.sync().await;
    assert_eq!(alice.bodies(), ["first", "third"]);
    alice.send(&["bob"], "Fourth", "fourth").await;
    bob.sync().await;
    assert_eq!(bob.bodies().last().unwrap(), "fourth");
}

/// What the server would push to this session.
async fn page(session: &Session) -> delivery::Page {
    let claim = Claim::Session(session.login_session().unwrap().unwrap().id);
    let answer = session
        .attack_request(claim, Method::GET, SYNC, Vec::new())
        .await
        .unwrap();
    decode(&answer).unwrap()
}

/// The server refuses a commit for good. It must not be sent for ever, with nothing behind it.
#[tokio::test]
async fn g31_a_refused_commit_blocks_nothing() {
    for code in [
        ErrorCode::NotFound,
        ErrorCode::Malformed,
        ErrorCode::Forbidden,
    ] {
        let (office, mut alice, mallory) = Office::open_under_mallory().await;
        let mut bob = office.hire(&mut alice, "bob").await;
        mallory.on_request(move |exchange| {
            if exchange.is(&Method::POST, COMMITS) {
                exchange.status = StatusCode::from_u16(code.status()).unwrap();
                let detail = "no".to_owned().try_into().unwrap();
                exchange.answer = encode(&Problem { code, detail });
            }
        });
        assert!(alice.try_send(&["bob"], "First", "first").await.is_err());
        mallory.behave();
        alice.sync().await;
        bob.sync().await;
        assert_eq!(bob.bodies(), ["first"], "{code:?}");
    }
}

/// The server's database lost the group: the next letter begins another one.
#[tokio::test]
async fn g31_a_lost_group_blocks_nothing() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let mut bob = office.hire(&mut alice, "bob").await;
    alice.send(&["bob"], "First", "first").await;
    bob.sync().await;
    for table in ["member", "mls_group"] {
        mallory
            .database()
            .execute(&format!("delete from {table}"), ())
            .unwrap();
    }
    assert!(alice.try_send(&["bob"], "Second", "second").await.is_err());
    alice.sync().await;
    bob.sync().await;
    assert_eq!(bob.bodies(), ["first", "second"]);
}

/// OpenMLS takes its own commit for a stranger's when it comes back whole.
#[tokio::test]
async fn g28_an_echoed_commit_is_merged_once() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let mut bob = office.hire(&mut alice, "bob").await;
    alice.send(&["bob"], "First", "first").await;
    bob.sync().await;
    // Bob's second computer is added by alice's next letter, and her commit comes back whole.
    let mut other = bob.other_computer();
    other.join(&office).await;
    let proxy = mallory.share();
    mallory.on_response(move |exchange| {
        if exchange.is(&Method::GET, SYNC) {
            let mut page: delivery::Page = decode(&exchange.answer).unwrap();
            for message in &mut page.messages {
                for commit in proxy.seen(&Method::POST, COMMITS) {
                    let commit: delivery::Commit = commit.request();
                    if commit.id == message.id {
                        message.message = commit.message;
                    }
                }
            }
            exchange.answer = encode(&page);
        }
    });
    office.time.pass(10_000);
    alice.send(&["bob"], "Second", "second").await;
    mallory.behave();
    other.sync().await;
    assert_eq!(other.bodies(), ["second"]);
    assert!(
        !alice.events().contains(&"unreadable".to_owned()),
        "{:?}",
        alice.events()
    );
}

/// Somebody has drained bob's key packages: the last resort serves everybody, again and again.
#[tokio::test]
async fn g11_drained_key_packages_leave_the_last_resort() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let mut bob = office.hire(&mut alice, "bob").await;
    let mut carol = office.hire(&mut alice, "carol").await;
    let drain = "delete from key_package where last_resort = 0 and device_id = ?1";
    let device = bob.session().device();
    assert!(
        mallory
            .database()
            .execute(drain, [device.as_ref()])
            .unwrap()
            > 0
    );
    alice.send(&["bob"], "First", "first").await;
    carol.send(&["bob"], "Second", "second").await;
    carol.send(&["alice", "bob"], "Third", "third").await;
    bob.sync().await;
    let mut bodies = bob.bodies();
    bodies.sort();
    assert_eq!(bodies, ["first", "second", "third"]);
    // And bob's sync has brought fresh ones.
    let count = "select count(*) from key_package where last_resort = 0 and device_id = ?1";
    let fresh: u32 = mallory
        .database()
        .query_row(count, [device.as_ref()], |r| r.get(0))
        .unwrap();
    assert!(fresh > 0);
}
