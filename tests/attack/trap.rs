//! Traps of the MLS library, which this house goes around. Each has a test that falls into it when the
//! way around is blocked.
//!
//! | trap | way around | shown by |
//! |-|-|-|
//! | 1 a feature of `openmls` decides over everybody's SQLite | it is off | `tidy::trap1_…` |
//! | 2 past epochs cost each message, and open what is over | none is kept | `trap2_…` here, in `mls` |
//! | 3 a commit may leave out whom the log shuts out | whoever sends next removes them | `trap3_…` here |
//! | 4 after a rollback the group in memory is ahead | it is loaded anew | `persistence` in `mls` |
//! | 5 an update of one's own costs O(members) in a fresh group | nobody makes one alone | `trap5_…` here |
//! | 6 an own commit that comes back is a stranger's | it is known by its id | `g28_an_echoed_commit_…` |
//! | 7 nobody can write while a proposal is stored | none is stored | `a_loose_proposal_…` |
//! | 8 its state needs a codec that describes itself | `MessagePack`, with names | `storage` in `mls` |
//! | 9 before 0.9.2 it has holes | it is not older | `tidy::trap9_…` |

use reqwest::{Method, StatusCode};
use valise_client::weaken::dangerously_weaken;
use valise_proto::api::{LETTERS, delivery};

use crate::support::{Mallory, Office, Person};

/// `from` writes, and mallory keeps it. A second computer of bob's ends the epoch, and only then mallory
/// hands it to `to`, as the newest message.
async fn held_back(office: &Office, mallory: &Mallory, people: [&mut Person; 2], laptop: &Person) {
    let [from, to] = people;
    let (from_name, to_name) = (from.name.to_string(), to.name.to_string());
    mallory.on_request(|exchange| {
        if exchange.is(&Method::POST, LETTERS) {
            exchange.status = StatusCode::BAD_GATEWAY;
        }
    });
    mallory.forget();
    assert!(from.try_send(&[&to_name], "Late", "late").await.is_err());
    let held = mallory.seen(&Method::POST, LETTERS)[0].request::<delivery::Letter>();
    mallory.behave();
    laptop.other_computer().join(office).await;
    office.time.pass(10_000);
    to.send(&[&from_name], "Next", "next").await;
    to.sync().await;
    mallory.hand(to, held.group, held.id, held.message.into_vec());
    to.sync().await;
    mallory.behave();
}

/// What was written before somebody came or went is not opened after it: neither by who began the
/// conversation, nor by who was invited.
#[tokio::test]
async fn trap2_a_message_of_a_past_epoch_is_not_opened() {
    for alice_reads in [true, false] {
        let (office, mut alice, mallory) = Office::open_under_mallory().await;
        let mut bob = office.hire(&mut alice, "bob").await;
        alice.send(&["bob"], "First", "first").await;
        bob.sync().await;
        let laptop = bob.other_computer();
        let reader = if alice_reads {
            held_back(&office, &mallory, [&mut bob, &mut alice], &laptop).await;
            &mut alice
        } else {
            held_back(&office, &mallory, [&mut alice, &mut bob], &laptop).await;
            &mut bob
        };
        assert_eq!(reader.bodies(), ["first", "next"], "{alice_reads}");
        assert!(reader.events().contains(&"unreadable".to_owned()));
    }
}

/// Bob's laptop is stolen, and he shuts it out. Carol, in league with the thief, commits something else
/// in time. Returns bob and the thief.
pub(super) async fn shut_out(office: &Office, alice: &mut Person) -> [Person; 2] {
    let [mut bob, mut carol] = office.hire_all(alice, ["bob", "carol"]).await;
    let mut laptop = bob.other_computer();
    laptop.join(office).await;
    alice.send(&["bob", "carol"], "Hello", "For all.").await;
    laptop.sync().await;
    carol.sync().await;
    let (name, stolen) = (bob.name.clone(), laptop.session().device());
    bob.revoke(&name, stolen).await;
    let (group, _) = carol.only_group();
    let kept = carol.session().attack_keep(group).await.expect("a commit");
    let followed = laptop.session().attack_read(group, kept.message.as_slice());
    assert!(followed.is_ok());
    [bob, laptop]
}

/// What the thief reads of the one letter that alice has sent since mallory forgot. Bob reads it.
pub(super) async fn thief_reads(
    mallory: &Mallory,
    [mut bob, mut laptop]: [Person; 2],
) -> Option<String> {
    let letters = mallory.seen(&Method::POST, LETTERS);
    assert_eq!(letters.len(), 1);
    let letter: delivery::Letter = letters[0].request();
    for commit in mallory.commits() {
        assert_eq!(commit.removed, [laptop.session().device()]);
        let commit = commit.message.as_slice();
        let followed = laptop.session().attack_read(letter.group, commit);
        assert!(followed.is_ok());
    }
    bob.sync().await;
    assert_eq!(bob.bodies().last().unwrap(), "Jean");
    let read = laptop
        .session()
        .attack_read(letter.group, letter.message.as_slice());
    Some(read.ok()??.body.as_str().to_owned())
}

async fn kept(off: Option<&str>) -> Option<String> {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let people = shut_out(&office, &mut alice).await;
    mallory.forget();
    office.time.pass(10_000);
    dangerously_weaken(off);
    alice.send(&["bob", "carol"], "Source", "Jean").await;
    dangerously_weaken(None);
    thief_reads(&mallory, people).await
}

#[tokio::test]
async fn g14_trap3_a_commit_that_keeps_a_revoked_device_keeps_it_for_nothing() {
    assert_eq!(Box::pin(kept(None)).await, None);
}

#[tokio::test]
async fn g14_twin_trap3_a_revoked_device_that_a_commit_keeps_reads_on() {
    assert_eq!(Box::pin(kept(Some("G14"))).await.as_deref(), Some("Jean"));
}

/// Five people who are invited, read and write: the one commit is that which invited them.
#[tokio::test]
async fn trap5_who_joins_and_writes_updates_nothing() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let names = ["bob", "carol", "dora", "emil"];
    let mut people = Vec::new();
    for name in names {
        people.push(office.hire(&mut alice, name).await);
    }
    mallory.forget();
    let number = alice.send(&names, "Plan", "At nine.").await;
    for person in &mut people {
        person.sync().await;
        person.reply(1, true, "I come.").await;
        office.time.pass(10_000);
    }
    alice.sync().await;
    alice.reply(number, true, "Good.").await;
    assert_eq!(alice.bodies().len(), 1 + 4 + 1);
    assert_eq!(mallory.seen(&Method::POST, LETTERS).len(), 1 + 4 + 1);
    assert_eq!(mallory.commits().len(), 1);
}
