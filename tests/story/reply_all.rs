//! A letter to three people, and answers to all of them or to one.

use crate::support::{Office, Person};

fn people(person: &mut Person, number: u64) -> Vec<String> {
    person
        .readers(number)
        .into_iter()
        .map(|(name, _)| name)
        .collect()
}

#[tokio::test]
async fn everybody_gets_the_answer_and_one_gets_the_aside() {
    let (office, mut alice) = Office::open().await;
    let mut bob = office.hire(&mut alice, "bob").await;
    let mut carol = office.hire(&mut alice, "carol").await;
    let mut dave = office.hire(&mut alice, "dave").await;

    // Alice writes to bob and carol, with a copy to dave; bob answers all.
    let draft = valise_client::mail::Draft {
        to: vec!["bob".into(), "carol".into()],
        cc: vec!["dave".into()],
        subject: "Budget".into(),
        body: "Is 40 enough?".into(),
        ..Default::default()
    };
    let first = alice.try_post(draft).await.unwrap();
    bob.sync().await;
    bob.reply(1, true, "50 would be safer.").await;

    // All four have both, in one thread, and see the same four people as readers.
    let thread = alice.letter(first).thread;
    let devices = alice.readers(first);
    for person in [&mut alice, &mut bob, &mut carol, &mut dave] {
        person.sync().await;
        assert_eq!(
            person.bodies(),
            ["Is 40 enough?", "50 would be safer."],
            "{}",
            person.name
        );
        let answer = person.letters().pop().unwrap();
        assert_eq!(answer.thread, thread);
        let to: Vec<_> = answer.to.iter().map(ToString::to_string).collect();
        let cc: Vec<_> = answer.cc.iter().map(ToString::to_string).collect();
        assert_eq!(
            (to, cc),
            (
                vec!["alice".into(), "carol".into()],
                vec!["dave".to_owned()]
            )
        );
        assert_eq!(person.readers(answer.number), devices);
        assert_eq!(people(person, 1), ["alice", "bob", "carol", "dave"]);
    }

    // Carol answers bob alone. The others get nothing; for those two it is in the same thread.
    let aside = carol.reply(2, false, "Between us: 60.").await;
    for person in [&mut alice, &mut bob, &mut dave] {
        person.sync().await;
    }
    assert_eq!(bob.bodies().len(), 3);
    assert_eq!((alice.bodies().len(), dave.bodies().len()), (2, 2));
    let letter = bob.letters().pop().unwrap();
    assert_eq!(
        (letter.body.as_str(), letter.thread),
        ("Between us: 60.", thread)
    );
    assert_ne!(letter.group, bob.letter(1).group);
    assert_eq!(people(&mut bob, letter.number), ["bob", "carol"]);
    assert_eq!(people(&mut carol, aside), ["bob", "carol"]);
}
