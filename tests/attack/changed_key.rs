//! A key is added to somebody's account: nobody's letter goes to it before they have agreed.

use valise_client::{session::Error, weaken::dangerously_weaken};

use crate::support::{Office, Person};

/// Alice has written to bob. Then mallory, who has bob's key in his hands for a minute, adds one of his
/// own, and with that a computer.
async fn taken_over() -> (Office, Person, Person, Person) {
    let (office, mut alice) = Office::open().await;
    let mut bob = office.hire(&mut alice, "bob").await;
    alice.send(&["bob"], "Plan", "At nine.").await;
    bob.sync().await;
    let key = bob.add_second_key().await;
    let mut mallory = bob.other_computer();
    mallory.key = key;
    mallory.join(&office).await;
    office.time.pass(10_000);
    (office, alice, bob, mallory)
}

#[tokio::test]
async fn e11_no_letter_goes_to_somebody_whose_keys_changed() {
    let (_office, mut alice, mut bob, mut mallory) = taken_over().await;
    let refused = alice
        .try_send(&["bob"], "Plan", "The source is Jean.")
        .await;
    assert!(
        matches!(&refused, Err(Error::KeysChanged(name)) if *name == bob.name),
        "{refused:?}"
    );
    assert!(alice.events().contains(&"key-added".to_owned()));
    assert!(alice.events().contains(&"device-added".to_owned()));
    // It is held, whoever syncs how often.
    alice.sync().await;
    mallory.sync().await;
    assert!(mallory.bodies().is_empty());

    // Bob says on the phone that it was he: the letter goes.
    let size = alice.session().ledger().expect("a log").head().size;
    let name = bob.name.clone();
    alice.session().accept(&name, size).expect("accepting");
    alice.sync().await;
    mallory.sync().await;
    bob.sync().await;
    assert_eq!(mallory.bodies(), ["The source is Jean."]);
    assert_eq!(bob.bodies().len(), 2);
}

#[tokio::test]
async fn e11_twin_without_the_check_the_added_key_reads_the_letter() {
    let (_office, mut alice, _bob, mut mallory) = taken_over().await;
    dangerously_weaken(Some("E11"));
    alice.send(&["bob"], "Plan", "The source is Jean.").await;
    dangerously_weaken(None);
    mallory.sync().await;
    assert_eq!(mallory.bodies(), ["The source is Jean."]);
}

#[tokio::test]
async fn e11_a_letter_in_the_outbox_is_held_too() {
    let (mut office, mut alice) = Office::open().await;
    let mut bob = office.hire(&mut alice, "bob").await;
    let mut carol = office.hire(&mut alice, "carol").await;
    alice.send(&["bob"], "Plan", "At nine.").await;
    office.stop();
    for name in ["bob", "carol"] {
        let kept = alice.try_send(&[name], "Plan", "The source is Jean.").await;
        assert!(kept.is_err(), "{kept:?}");
    }
    office.start().await;
    bob.add_second_key().await;
    office.time.pass(10_000);
    // What is for others goes.
    alice.sync().await;
    bob.sync().await;
    carol.sync().await;
    assert_eq!(bob.bodies(), ["At nine."]);
    assert_eq!(carol.bodies(), ["The source is Jean."]);
}

#[tokio::test]
async fn e11_a_key_of_ones_own_that_was_not_added_here_is_an_alarm() {
    let (office, mut alice) = Office::open().await;
    let bob = office.hire(&mut alice, "bob").await;
    let (name, mut desk) = (bob.name.clone(), bob.other_computer());
    let mut laptop = bob;
    desk.join(&office).await;
    laptop.sync().await;
    assert!(laptop.events().contains(&"own-record".to_owned()));
    let changes = laptop.session().changes(&name).expect("changes");
    assert_eq!((changes.keys.len(), changes.devices.len()), (0, 1));

    laptop.add_second_key().await;
    desk.sync().await;
    let events = desk.session().events().expect("events");
    assert!(
        events
            .iter()
            .any(|event| event.kind == "own-record" && event.alarm),
        "{events:?}"
    );
    let changes = desk.session().changes(&name).expect("changes");
    assert_eq!((changes.keys.len(), changes.devices.len()), (1, 0));
}
