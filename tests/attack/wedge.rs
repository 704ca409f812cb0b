//! Nothing that a colleague, the server or a crash does stops people from writing to each other for
//! good, or stops them silently.

use reqwest::{Method, StatusCode};
use valise_client::{
    attack::{Claim, Rogue, Weak},
    session::{Error, Session},
    sync::Report,
    trust::Alarm,
    weaken::dangerously_weaken,
};
use valise_proto::{
    api::{
        COMMITS, ErrorCode, KEY_PACKAGE_CLAIMS, LETTERS, Problem, SYNC, delivery,
        key_package::Claimed,
    },
    codec::{decode, encode},
};

use super::flight::CONTENT_TYPE;
use crate::support::{Mallory, Office, Person};

/// A letter that says of itself that it is a commit ends the conversation for alice, because she
/// might have missed one. Nothing is silent about it, and after one exchange it is mended.
async fn spoiled(office: &Office, mallory: &Mallory, alice: &mut Person) -> Person {
    let mut bob = office.hire(alice, "bob").await;
    bob.send(&["alice"], "First", "first").await;
    alice.sync().await;
    bob.send(&["alice"], "Transfer", "Pay 100 to Jean.").await;
    spoil(mallory);
    bob
}

/// From now on every letter says of itself that it is a commit.
fn spoil(mallory: &Mallory) {
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
}

#[tokio::test]
async fn g10_a_spoiled_commit_is_noted_and_heals() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let mut bob = spoiled(&office, &mallory, &mut alice).await;
    // Alice's live connection brings it, and her next look at the server the letter after it.
    let page = page(alice.session()).await;
    let received = alice.session().receive(page, &mut Report::default()).await;
    received.expect("receiving");
    mallory.behave();
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

/// Bob begins a conversation of the same three with an id than which none is smaller, all come in, and the
/// server spoils his letter in it for alice. Then she writes to both, without the check `off`.
async fn grounded(off: Option<&str>) -> ((Office, Mallory), Result<u64, Error>, [Person; 3]) {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let [mut bob, mut carol] = office.hire_all(&mut alice, ["bob", "carol"]).await;
    alice.send(&["bob", "carol"], "First", "first").await;
    bob.sync().await;
    carol.sync().await;
    let people = vec![alice.name.clone(), bob.name.clone(), carol.name.clone()];
    bob.session()
        .attack_begin(people, 20)
        .await
        .expect("a group");
    for person in [&mut bob, &mut alice, &mut carol] {
        person.sync().await;
    }
    bob.send(&["alice", "carol"], "Nonsense", "nonsense").await;
    spoil(&mallory);
    let page = page(alice.session()).await;
    let received = alice.session().receive(page, &mut Report::default()).await;
    received.expect("receiving");
    mallory.behave();
    dangerously_weaken(off);
    let sent = alice.try_send(&["bob", "carol"], "Later", "later").await;
    dangerously_weaken(None);
    ((office, mallory), sent, [alice, bob, carol])
}

#[tokio::test]
async fn g10_no_small_id_leaves_people_without_a_conversation() {
    let (_office, sent, [mut alice, mut bob, mut carol]) = Box::pin(grounded(None)).await;
    sent.expect("a successor");
    for person in [&mut bob, &mut carol] {
        person.sync().await;
        assert_eq!(person.bodies().last().unwrap(), "later");
    }
    // For the others the one with the small id is still open: they follow all the same.
    carol.send(&["alice", "bob"], "Last", "last").await;
    for person in [&mut alice, &mut bob] {
        person.sync().await;
        assert_eq!(person.bodies().last().unwrap(), "last");
    }
}

#[tokio::test]
async fn g10_twin_the_smallest_id_ends_it_for_good() {
    let (_office, sent, _) = Box::pin(grounded(Some("G10"))).await;
    assert!(matches!(sent, Err(Error::Wrong(_))), "{sent:?}");
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
    alice.send(&["bob"], "Second", "second").await;
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

/// Bob is an insider: his own certified device offers a key package of his own making.
pub(super) async fn weak(
    office: &Office,
    mallory: &Mallory,
    alice: &mut Person,
    place: Weak,
) -> Person {
    let mut bob = office.hire(alice, "bob").await;
    let device = bob.session().device();
    let own = bob.session().attack_identity(device).unwrap();
    let rogue: Rogue = bob.session().attack_rogue(&own).unwrap();
    let package = rogue.weak_package(place).unwrap();
    mallory.alter(
        &Method::POST,
        KEY_PACKAGE_CLAIMS,
        move |claimed: &mut Claimed| {
            for claimed in claimed
                .packages
                .iter_mut()
                .filter(|claimed| claimed.device == device)
            {
                claimed.package = package.clone().try_into().unwrap();
            }
        },
    );
    bob
}

#[tokio::test]
async fn g19_a_weak_key_is_never_added() {
    for place in [Weak::Init, Weak::Leaf] {
        let (office, mut alice, mallory) = Office::open_under_mallory().await;
        let bob = weak(&office, &mallory, &mut alice, place).await;
        mallory.forget();
        let refused = alice.try_send(&["bob"], "First", "first").await;
        let expected = Alarm::WeakKey {
            account: bob.name.clone(),
        };
        assert!(matches!(refused, Err(Error::Alarm(alarm)) if alarm == expected));
        assert!(alice.events().contains(&"weak-key".to_owned()));
        assert!(mallory.seen(&Method::POST, COMMITS).is_empty());
        assert!(mallory.seen(&Method::POST, LETTERS).is_empty());
    }
}

#[tokio::test]
async fn g19_twin_a_weak_leaf_ends_every_later_commit() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let bob = weak(&office, &mallory, &mut alice, Weak::Leaf).await;
    dangerously_weaken(Some("G19"));
    alice.send(&["bob"], "First", "first").await;
    bob.other_computer().join(&office).await;
    office.time.pass(10_000);
    let refused = alice.try_send(&["bob"], "Second", "second").await;
    assert!(matches!(refused, Err(Error::Mls(_))), "{refused:?}");
}

/// Mallory's network eats every answer (or request, if `unseen`) to `path`, once.
fn eat(mallory: &Mallory, path: &'static str, unseen: bool) {
    let lost = move |exchange: &mut crate::support::mallory::Exchange| {
        if exchange.is(&Method::POST, path) {
            exchange.status = StatusCode::BAD_GATEWAY;
            exchange.answer.clear();
        }
    };
    if unseen {
        mallory.on_request(lost);
    } else {
        mallory.on_response(lost);
    }
}

/// The process ends between its commit and the answer; whether the server has it or not, the letter
/// arrives, once.
#[tokio::test]
async fn a_restart_between_commit_and_merge_loses_nothing() {
    for unseen in [false, true] {
        for path in [COMMITS, LETTERS] {
            let (office, mut alice, mallory) = Office::open_under_mallory().await;
            let mut bob = office.hire(&mut alice, "bob").await;
            eat(&mallory, path, unseen);
            assert!(alice.try_send(&["bob"], "First", "first").await.is_err());
            alice.close();
            mallory.behave();
            alice.reopen();
            alice.sync().await;
            bob.sync().await;
            assert_eq!(bob.bodies(), ["first"], "{path} {unseen}");
            bob.send(&["alice"], "Second", "second").await;
            alice.sync().await;
            assert_eq!(alice.bodies(), ["first", "second"]);
        }
    }
}

/// A ciphertext that waits while the epoch moves on is made anew.
#[tokio::test]
async fn a_stale_letter_is_encrypted_again() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let mut bob = office.hire(&mut alice, "bob").await;
    alice.send(&["bob"], "First", "first").await;
    bob.sync().await;
    eat(&mallory, LETTERS, true);
    assert!(alice.try_send(&["bob"], "Second", "second").await.is_err());
    mallory.behave();
    // Bob's letter adds his second computer, which ends the epoch.
    let mut other = bob.other_computer();
    other.join(&office).await;
    office.time.pass(10_000);
    bob.send(&["alice"], "Third", "third").await;
    mallory.forget();
    alice.sync().await;
    let sent = mallory.seen(&Method::POST, LETTERS);
    let status: Vec<_> = sent.iter().map(|exchange| exchange.status).collect();
    assert_eq!(status, [StatusCode::CONFLICT, StatusCode::OK]);
    bob.sync().await;
    other.sync().await;
    assert_eq!(bob.bodies(), ["first", "third", "second"]);
    assert_eq!(other.bodies(), ["third", "second"]);
}

/// A colleague's client leaves a proposal in the group, which in OpenMLS keeps everybody from writing
/// until somebody commits it.
#[tokio::test]
async fn a_loose_proposal_keeps_nobody_from_writing() {
    let (office, mut alice, _mallory) = Office::open_under_mallory().await;
    let mut bob = office.hire(&mut alice, "bob").await;
    alice.send(&["bob"], "First", "first").await;
    bob.sync().await;
    let (group, _) = bob.session().attack_conversations().unwrap().remove(0);
    bob.session()
        .attack_propose_removal(group, &alice.name.clone())
        .await
        .expect("a proposal");
    alice.sync().await;
    assert!(alice.events().contains(&"unreadable".to_owned()));
    alice.send(&["bob"], "Second", "second").await;
    bob.sync().await;
    assert_eq!(bob.bodies(), ["first", "second"]);
}

/// The server says that there is more, for ever.
#[tokio::test]
async fn v03_an_endless_answer_has_an_end() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let mut bob = office.hire(&mut alice, "bob").await;
    bob.send(&["alice"], "First", "first").await;
    alice.sync().await;
    bob.send(&["alice"], "Second", "second").await;
    mallory.alter(&Method::GET, SYNC, |page: &mut delivery::Page| {
        page.more = 1;
    });
    alice.sync().await;
    // The same page again and again.
    let mut first = None;
    mallory.alter(&Method::GET, SYNC, move |page: &mut delivery::Page| {
        *page = first.get_or_insert_with(|| page.clone()).clone();
        page.more = 1;
    });
    bob.send(&["alice"], "Third", "third").await;
    alice.sync().await;
    assert_eq!(alice.bodies(), ["first", "second", "third"]);
}
