//! One person, one key, two computers.

use reqwest::{Method, StatusCode};
use valise_client::session::Error;
use valise_proto::api::{LETTERS, delivery};

use crate::support::Office;

#[tokio::test]
async fn a_second_computer_needs_the_key_and_no_admin() {
    let (office, mut alice) = Office::open().await;
    // Bob's key is known: his laptop is certified at once.
    let [mut bob, mut laptop] = office
        .bob_at_two(&mut alice, &["Only your first computer has this."])
        .await;
    assert_ne!(laptop.session().device(), bob.session().device());

    office.time.pass_minutes(1);
    // What is written from now on reaches both.
    let number = alice.send(&["bob"], "After", "Both have this.").await;
    let readers: Vec<_> = alice
        .readers(number)
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(readers, ["alice", "bob", "bob"]);
    bob.sync().await;
    laptop.sync().await;
    assert_eq!(bob.bodies().len(), 2);
    assert_eq!(laptop.bodies(), ["Both have this."]);

    // What bob writes on one computer is on the other too, as his own.
    bob.reply(2, false, "So do I.").await;
    laptop.sync().await;
    let own = laptop.letters().pop().unwrap();
    assert_eq!(
        (own.body.as_str(), own.sender.as_str()),
        ("So do I.", "bob")
    );
    assert_eq!((own.unread, own.outgoing), (false, true));
    alice.sync().await;
    assert_eq!(alice.bodies().len(), 3);
    assert!(
        alice
            .events()
            .iter()
            .all(|kind| ["conversation", "device-added"].contains(&kind.as_str())),
        "{:?}",
        alice.events()
    );
}

/// Bob's new computer comes into his conversations although nobody writes: alice's only syncs.
#[tokio::test]
async fn whoever_syncs_next_lets_a_new_computer_in() {
    let (office, mut alice) = Office::open().await;
    let [mut bob, mut carol] = office.hire_all(&mut alice, ["bob", "carol"]).await;
    alice.send(&["bob", "carol"], "One", "For three.").await;
    carol.sync().await;
    bob.sync().await;
    let mut laptop = bob.other_computer();
    laptop.join(&office).await;
    office.time.pass(10_000);
    alice.sync().await;
    laptop.sync().await;
    let group = alice.only_group();
    assert!(
        laptop
            .session()
            .attack_conversations()
            .expect("conversations")
            .contains(&group)
    );
    // A second look changes nothing.
    office.time.pass(10_000);
    alice.sync().await;
    carol.reply(1, true, "And for four.").await;
    laptop.sync().await;
    assert_eq!(laptop.bodies(), ["And for four."]);
}

#[tokio::test]
async fn a_revoked_computer_gets_nothing_more() {
    let (office, mut alice) = Office::open().await;
    let [mut bob, mut laptop] = office.bob_at_two(&mut alice, &[]).await;
    alice.send(&["bob"], "One", "For both.").await;
    laptop.sync().await;
    assert_eq!(laptop.bodies(), ["For both."]);

    // The laptop is stolen; bob revokes it from the computer that he still has.
    let (name, stolen) = (bob.name.clone(), laptop.session().device());
    bob.revoke(&name, stolen).await;
    office.time.pass_minutes(1);

    // Whoever writes next removes it before anything is encrypted.
    let number = alice.send(&["bob"], "Two", "Not for the thief.").await;
    assert!(
        alice
            .readers(number)
            .iter()
            .all(|(_, device)| *device != stolen)
    );
    bob.sync().await;
    assert_eq!(bob.bodies(), ["For both.", "Not for the thief."]);

    // The thief has what was there before, no more, and cannot write.
    assert!(matches!(laptop.try_sync().await, Err(Error::Revoked)));
    assert_eq!(laptop.bodies(), ["For both."]);
    let refused = laptop.try_send(&["alice"], "Hello", "It is me, bob.").await;
    assert!(matches!(refused, Err(Error::Revoked)), "{refused:?}");
    alice.sync().await;
    assert_eq!(alice.bodies(), ["For both.", "Not for the thief."]);
}

/// Alice's letter is encrypted and does not reach the server. Bob loses his laptop and shuts it out.
/// Then the letter goes, and not in the form that the laptop could open.
#[tokio::test]
async fn g14_a_letter_that_was_held_up_does_not_reach_a_computer_shut_out_since() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let mut laptop = office.hire(&mut alice, "bob").await;
    let mut desk = laptop.other_computer();
    desk.join(&office).await;
    alice.send(&["bob"], "Plan", "At nine.").await;
    mallory.on_request(|exchange| {
        if exchange.is(&Method::POST, LETTERS) {
            exchange.status = StatusCode::BAD_GATEWAY;
        }
    });
    assert!(alice.try_send(&["bob"], "Plan", "At ten.").await.is_err());
    let held_up = mallory.seen(&Method::POST, LETTERS).pop().unwrap();
    let held_up: delivery::Letter = held_up.request();
    mallory.behave();
    let (name, lost) = (desk.name.clone(), laptop.session().device());
    desk.revoke(&name, lost).await;
    mallory.forget();
    office.time.pass(10_000);
    alice.sync().await;
    for sent in mallory.seen(&Method::POST, LETTERS) {
        let sent: delivery::Letter = sent.request();
        assert!(
            sent.epoch > held_up.epoch,
            "{} ≤ {}",
            sent.epoch,
            held_up.epoch
        );
    }
    desk.sync().await;
    assert_eq!(desk.bodies(), ["At nine.", "At ten."]);
    let number = alice.letters().last().unwrap().number;
    assert!(
        alice
            .readers(number)
            .iter()
            .all(|(_, device)| *device != lost)
    );
}
