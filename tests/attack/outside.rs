//! Nobody comes into a conversation but by a member's commit: neither by a leaked
//! `GroupInfo`, nor by asking.

use reqwest::{Method, StatusCode};
use valise_client::{
    attack::{Claim, Rogue},
    weaken::dangerously_weaken,
};
use valise_proto::{
    api::{ErrorCode, LETTERS, delivery},
    codec::encode,
    id::{GroupId, SubmissionId},
};

use super::ghost::ghost;
use crate::support::{Mallory, Office, Person};

const SECRET: &str = "The source is called Jean.";

/// What an MLS message says that it is (RFC 9420 §6): behind the version.
const PRIVATE_MESSAGE: [u8; 4] = [0, 1, 0, 2];
const WELCOME: [u8; 4] = [0, 1, 0, 3];

/// Alice and bob have exchanged a letter.
pub(super) async fn conversation(office: &Office, alice: &mut Person) -> (Person, GroupId) {
    let mut bob = office.hire(alice, "bob").await;
    alice.send(&["bob"], "Hello", "Only the two of us.").await;
    bob.sync().await;
    alice.sync().await;
    let (group, _) = alice.only_group();
    (bob, group)
}

/// A rogue's commit into the group, by a `GroupInfo` that leaked from alice.
pub(super) fn joining(rogue: &Rogue, alice: &mut Person, group: GroupId) -> Vec<u8> {
    let log = alice.session().attack_word().unwrap();
    let leaked = alice.session().attack_group_info(group).unwrap();
    rogue.join_from_outside(&leaked, log).expect("a commit")
}

/// Mallory hands `message` to alice as the next one of the group.
pub(super) fn hand_over(mallory: &Mallory, alice: &mut Person, group: GroupId, message: Vec<u8>) {
    mallory.hand(alice, group, SubmissionId([9; 16]), message);
}

/// Alice takes it, or does not.
async fn taken(mallory: &Mallory, alice: &mut Person) {
    alice.sync().await;
    mallory.behave();
}

/// Alice writes on, to bob, and mallory keeps what the server would refuse as out of its time.
async fn next_letter(mallory: &Mallory, alice: &mut Person, group: GroupId) -> delivery::Letter {
    mallory.forget();
    mallory.on_request(move |exchange| {
        if exchange.is(&Method::POST, LETTERS)
            && exchange.request::<delivery::Letter>().group == group
        {
            exchange.status = StatusCode::OK;
            exchange.answer = encode(&delivery::Accepted { sequence: 9 });
        }
    });
    alice.send(&["bob"], "Source", SECRET).await;
    mallory.behave();
    mallory.seen(&Method::POST, LETTERS)[0].request()
}

/// What the rogue makes of a letter.
fn read(rogue: &Rogue, letter: &delivery::Letter) -> Option<String> {
    let letter = rogue.read(letter.group, letter.message.as_slice()).ok()??;
    Some(letter.body.as_str().to_owned())
}

/// Somebody who has copied the key of this person's device, and nothing else of it.
fn thief(of: &mut Person) -> Rogue {
    let own = of.identity();
    of.session().attack_rogue(&own).unwrap()
}

#[tokio::test]
async fn g02_a_ghost_with_a_group_info_stays_outside() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let (mut bob, group) = conversation(&office, &mut alice).await;
    let ghost = ghost();
    let commit = joining(&ghost, &mut alice, group);
    hand_over(&mallory, &mut alice, group, commit);
    taken(&mallory, &mut alice).await;
    assert!(alice.events().contains(&"unreadable".to_owned()));
    let letter = next_letter(&mallory, &mut alice, group).await;
    assert_eq!(read(&ghost, &letter), None);
    bob.sync().await;
    assert_eq!(bob.bodies().last().unwrap(), SECRET);
}

/// Without that check the ghost meets the next one: its key is nobody's device.
#[tokio::test]
async fn g02_a_ghost_that_is_let_in_is_a_ghost_still() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let (_bob, group) = conversation(&office, &mut alice).await;
    let ghost = ghost();
    let commit = joining(&ghost, &mut alice, group);
    dangerously_weaken(Some("G02"));
    hand_over(&mallory, &mut alice, group, commit);
    taken(&mallory, &mut alice).await;
    assert!(alice.events().contains(&"ghost-device".to_owned()));
    let letter = next_letter(&mallory, &mut alice, group).await;
    assert_eq!(read(&ghost, &letter), None);
}

/// Bob's other computer is certified, and not in the conversation yet. Whoever copied its key comes in
/// its place. Returns what the thief reads of alice's next letter.
async fn copied(off: Option<&str>) -> Option<String> {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let (bob, group) = conversation(&office, &mut alice).await;
    let mut desk = bob.other_computer();
    desk.join(&office).await;
    alice.session().read_log().await.expect("the log");
    let thief = thief(&mut desk);
    let commit = joining(&thief, &mut alice, group);
    dangerously_weaken(off);
    hand_over(&mallory, &mut alice, group, commit);
    taken(&mallory, &mut alice).await;
    let letter = next_letter(&mallory, &mut alice, group).await;
    read(&thief, &letter)
}

#[tokio::test]
async fn g02_a_copied_device_key_opens_no_conversation() {
    assert_eq!(Box::pin(copied(None)).await, None);
}

#[tokio::test]
async fn g02_twin_a_copied_device_key_and_a_group_info_read_alices_letter() {
    assert_eq!(Box::pin(copied(Some("G02"))).await.as_deref(), Some(SECRET));
}

/// Whoever copied the key of bob's computer, which is in the conversation, takes its place. Returns
/// what the thief reads of alice's next letter, and what bob does, who follows her commits.
async fn evicted(off: Option<&str>) -> (Option<String>, Option<String>) {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let (mut bob, group) = conversation(&office, &mut alice).await;
    let thief = thief(&mut bob);
    let commit = joining(&thief, &mut alice, group);
    dangerously_weaken(off);
    hand_over(&mallory, &mut alice, group, commit.clone());
    taken(&mallory, &mut alice).await;
    let letter = next_letter(&mallory, &mut alice, group).await;
    if letter.group == group {
        bob.session().attack_read(group, &commit).expect("a commit");
    }
    bob.sync().await;
    let ciphertext = letter.message.as_slice();
    let by_bob = bob.session().attack_read(letter.group, ciphertext).ok();
    let by_bob = by_bob
        .flatten()
        .map(|letter| letter.body.as_str().to_owned());
    (read(&thief, &letter), by_bob.or_else(|| bob.bodies().pop()))
}

#[tokio::test]
async fn g03_nobody_is_put_out_from_outside() {
    let (by_thief, by_bob) = evicted(None).await;
    assert_eq!((by_thief, by_bob.as_deref()), (None, Some(SECRET)));
}

#[tokio::test]
async fn g03_twin_a_copied_device_key_puts_bob_out() {
    let (by_thief, by_bob) = evicted(Some("G03")).await;
    assert_eq!(by_thief.as_deref(), Some(SECRET));
    assert_ne!(by_bob.as_deref(), Some(SECRET));
}

/// Asking is no way either, and disturbs nobody.
#[tokio::test]
async fn g02_whoever_asks_from_outside_is_not_heard() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let (mut bob, group) = conversation(&office, &mut alice).await;
    let ghost = ghost();
    let asked = ghost.propose_from_outside(group, 1).expect("a proposal");
    hand_over(&mallory, &mut alice, group, asked);
    taken(&mallory, &mut alice).await;
    assert!(alice.events().contains(&"unreadable".to_owned()));
    let letter = next_letter(&mallory, &mut alice, group).await;
    assert_eq!(letter.group, group);
    assert_eq!(read(&ghost, &letter), None);
    let ciphertext = letter.message.as_slice();
    let by_bob = bob.session().attack_read(group, ciphertext).unwrap();
    assert_eq!(by_bob.unwrap().body.as_str(), SECRET);
}

/// No client hands out what would open a group from outside, and the server has no place for it.
#[tokio::test]
async fn g02_no_group_info_leaves_a_client() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let (mut bob, group) = conversation(&office, &mut alice).await;
    bob.other_computer().join(&office).await;
    office.time.pass(10_000);
    alice.send(&["bob"], "Second", "For both.").await;
    bob.reply(1, false, "Thank you.").await;
    let commits = mallory.commits();
    assert_eq!(commits.len(), 2);
    for commit in commits {
        let (message, welcome) = (commit.message.as_slice(), commit.welcome.as_slice());
        assert!(message.is_empty() || message.starts_with(&PRIVATE_MESSAGE));
        assert!(welcome.starts_with(&WELCOME));
    }
    let letters = mallory.seen(&Method::POST, LETTERS);
    assert_eq!(letters.len(), 3);
    for letter in letters {
        let letter: delivery::Letter = letter.request();
        assert!(letter.message.as_slice().starts_with(&PRIVATE_MESSAGE));
    }
    let id = alice.session().login_session().unwrap().unwrap().id;
    let leaked = alice.session().attack_group_info(group).unwrap();
    for path in [
        "group-info",
        "group-infos",
        "groups",
        &format!("groups/{group}/info"),
    ] {
        for method in [Method::GET, Method::PUT, Method::POST] {
            let path = format!("/v1/{path}");
            let body = if method == Method::GET {
                Vec::new()
            } else {
                leaked.clone()
            };
            let answer = alice.request(Claim::Session(id), method, &path, body).await;
            let refused = answer.expect_err("a way for it").code();
            assert_eq!(refused, Some(ErrorCode::NotFound), "{path}");
        }
    }
}
