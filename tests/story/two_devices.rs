//! One person, one key, two computers.

use valise_client::session::Error;

use crate::support::Office;

#[tokio::test]
async fn a_second_computer_needs_the_key_and_no_admin() {
    let (office, mut alice) = Office::open().await;
    let mut bob = office.hire(&mut alice, "bob").await;
    alice
        .send(&["bob"], "Before", "Only your first computer has this.")
        .await;
    bob.sync().await;

    // Bob's key is known: his laptop is certified at once.
    let mut laptop = bob.other_computer();
    laptop.join(&office).await;
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
        !alice.events().iter().any(|kind| kind != "conversation"),
        "{:?}",
        alice.events()
    );
}

#[tokio::test]
async fn a_revoked_computer_gets_nothing_more() {
    let (office, mut alice) = Office::open().await;
    let mut bob = office.hire(&mut alice, "bob").await;
    let mut laptop = bob.other_computer();
    laptop.join(&office).await;
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
