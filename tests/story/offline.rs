//! Somebody comes back after a week, or after lunch.

use crate::support::{Office, Person, mallory};

fn bodies_of(person: &mut Person, sender: &str) -> Vec<String> {
    let letters = person
        .letters()
        .into_iter()
        .filter(|letter| letter.sender.as_str() == sender);
    letters.map(|letter| letter.body).collect()
}

#[tokio::test]
async fn a_week_of_letters_comes_once_and_in_order() {
    let (office, mut alice) = Office::open().await;
    let mut bob = office.hire(&mut alice, "bob").await;
    let mut carol = office.hire(&mut alice, "carol").await;
    bob.close();

    // Seven days: letters of two people to bob, and to him and each other. Dave and erin are hired
    // meanwhile, and alice gets a second computer, which belongs into all her conversations.
    let mut sent = [Vec::new(), Vec::new()];
    for day in 0..7 {
        office.time.pass_days(1);
        match day {
            2 => drop(office.hire(&mut alice, "dave").await),
            4 => alice.other_computer().join(&office).await,
            5 => drop(office.hire(&mut alice, "erin").await),
            _ => {}
        }
        for (sender, sent) in [&mut alice, &mut carol].into_iter().zip(&mut sent) {
            let other = if sender.name.as_str() == "alice" {
                "carol"
            } else {
                "alice"
            };
            for hour in 0..5 {
                let body = format!("{} of day {day}, hour {hour}", sender.name);
                let both = ["bob", other];
                let to = if hour % 2 == 0 { &both[..1] } else { &both[..] };
                sender.send(to, "News", &body).await;
                sent.push(body);
            }
        }
    }
    assert_eq!(sent.iter().map(Vec::len).sum::<usize>(), 70);

    // Bob needs one login and one sync.
    bob.reopen();
    let touches = bob.touches();
    let report = bob.sync().await;
    assert_eq!(bob.touches(), touches + 1);
    assert_eq!((report.letters, &report.alarms), (70, &Vec::new()));
    assert_eq!(bodies_of(&mut bob, "alice"), sent[0]);
    assert_eq!(bodies_of(&mut bob, "carol"), sent[1]);
    assert!(!bob.events().iter().any(|kind| kind == "gap"));

    // Nothing comes twice, and what he writes now reaches both, and alice's new computer.
    assert_eq!(bob.sync().await.letters, 0);
    let number = bob
        .send(&["alice", "carol"], "Back", "What did I miss?")
        .await;
    assert_eq!(bob.readers(number).len(), 4);
    carol.sync().await;
    assert_eq!(carol.bodies().last().unwrap(), "What did I miss?");
}

#[tokio::test]
async fn after_a_break_the_server_wants_one_more_login() {
    let (office, mut alice) = Office::open().await;
    let mut bob = office.hire(&mut alice, "bob").await;
    alice.send(&["bob"], "Lunch", "At noon?").await;
    bob.sync().await;
    let touches = bob.touches();
    bob.reply(1, false, "At noon.").await;
    assert_eq!(
        bob.touches(),
        touches,
        "a session that is used needs no touch"
    );

    // The server ends a session after 15 minutes without use: one touch, and all goes on.
    office.time.pass_minutes(16);
    bob.reply(1, false, "Make that one.").await;
    assert_eq!(bob.touches(), touches + 1);

    // By his own clock it has run out after 12 hours.
    office.time.pass_days(1);
    bob.sync().await;
    assert_eq!(bob.touches(), touches + 2);
    alice.sync().await;
    assert_eq!(alice.bodies(), ["At noon?", "At noon.", "Make that one."]);
}

/// The server keeps ciphertext for thirty days. What was dropped shows as a gap, and the
/// conversation goes on.
#[tokio::test]
async fn what_waited_longer_than_the_retention_time_is_gone_and_missed() {
    let (mut office, mut alice) = Office::open().await;
    let mut bob = office.hire(&mut alice, "bob").await;
    alice.send(&["bob"], "Plan", "first").await;
    bob.sync().await;
    for body in ["lost", "lost too"] {
        alice.send(&["bob"], "Plan", body).await;
    }
    office.stop();
    office.time.pass_days(31);
    office.start().await;
    let waiting = || -> u64 {
        let sql = "select count(*) from message where handshake = 0";
        let count = mallory::database(&office.data()).query_row(sql, (), |row| row.get(0));
        count.expect("a count")
    };
    for _ in 0..200 {
        if waiting() == 0 {
            break;
        }
        std::thread::park_timeout(std::time::Duration::from_millis(50));
    }
    assert_eq!(waiting(), 0);
    alice.send(&["bob"], "Plan", "last").await;
    bob.sync().await;
    assert_eq!(bob.bodies(), ["first", "last"]);
    let events = bob.events();
    assert!(events.contains(&"gap".to_owned()), "{events:?}");
    assert!(events.contains(&"missing-letter".to_owned()), "{events:?}");
}
