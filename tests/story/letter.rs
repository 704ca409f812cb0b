//! A letter, its answer and their thread.

use crate::support::Office;

#[tokio::test]
async fn a_letter_and_its_reply() {
    let (office, mut alice) = Office::open().await;
    let mut bob = office.hire(&mut alice, "bob").await;

    alice
        .send(&["bob"], "Point presse", "The bus leaves at 7.")
        .await;
    assert_eq!(bob.sync().await.letters, 1);
    let letter = bob.letters().remove(0);
    assert_eq!(
        (letter.subject.as_str(), letter.unread),
        ("Point presse", true)
    );

    bob.reply(letter.number, false, "I will be there.").await;
    assert_eq!(alice.sync().await.letters, 1);
    let answer = alice.letters().pop().unwrap();
    assert_eq!(
        (answer.subject.as_str(), answer.sender.as_str()),
        ("Re: Point presse", "bob")
    );
    assert_eq!(
        (answer.thread, answer.in_reply_to),
        (letter.thread, Some(letter.id))
    );
    assert_eq!(alice.bodies(), ["The bus leaves at 7.", "I will be there."]);
    assert!(!alice.events().iter().any(|kind| kind != "conversation"));
}
