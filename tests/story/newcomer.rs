//! Somebody is enrolled, but has not been back at the computer yet.

use valise_client::session::Error;

use crate::support::Office;

#[tokio::test]
async fn a_letter_to_a_newcomer_waits_and_holds_no_other_up() {
    let (office, mut alice) = Office::open().await;
    let mut bob = office.hire(&mut alice, "bob").await;
    let mut carol = office.person("carol");
    carol.ask(&office).await;
    alice.enrol(&carol.name).await;

    // Carol has a name and a key in the log, and no device yet.
    let early = alice
        .try_send(&["carol"], "Welcome", "Your desk is by the window.")
        .await;
    assert!(
        matches!(&early, Err(Error::NoDevice(name)) if *name == carol.name),
        "{early:?}"
    );
    let both = alice
        .try_send(&["bob", "carol"], "Lunch", "All three of us, at noon.")
        .await;
    assert!(matches!(both, Err(Error::NoDevice(_))), "{both:?}");

    // What goes to bob alone does not wait for her.
    alice.send(&["bob"], "Carol", "She starts today.").await;
    assert_eq!(alice.sync().await.sent, 0);
    bob.sync().await;
    assert_eq!(bob.bodies(), ["She starts today."]);

    // The day she joins, both letters go out by themselves.
    carol.join(&office).await;
    office.time.pass_minutes(1);
    assert_eq!(alice.sync().await.sent, 2);
    carol.sync().await;
    bob.sync().await;
    assert_eq!(
        carol.bodies(),
        ["Your desk is by the window.", "All three of us, at noon."]
    );
    assert_eq!(bob.bodies().len(), 2);
}
