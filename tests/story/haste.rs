//! An admin does very much within an hour: everybody sees it, and nobody is stopped.

use valise_proto::{
    key::SOFT_KEY_MODEL,
    log::entry::{AccountAdd, Batch, Fact, ListSet},
    testing::SoftStatementKey,
};

use crate::support::{Office, Person};

/// Alice changes a list so often.
async fn acts(alice: &mut Person, count: usize) {
    for number in 0..count {
        let members = [alice.name.clone()];
        let list = Fact::ListSet(ListSet {
            list: "press".parse().expect("a name"),
            members: members.into_iter().skip(number % 2).collect(),
        });
        drop(alice.declare(list).await.expect("an act"));
    }
}

/// Many people come in by one act.
async fn batch(office: &Office, alice: &mut Person) {
    let accounts = (10..40).map(|number| {
        let mut key = SoftStatementKey::generate(office.card.tag);
        key.record.model = SOFT_KEY_MODEL;
        AccountAdd {
            account: format!("staff{number}").parse().expect("a name"),
            key: key.record,
        }
    });
    let batch = Fact::Batch(Batch {
        accounts: accounts.collect(),
    });
    drop(alice.declare(batch).await.expect("an act"));
}

fn told(person: &mut Person) -> Vec<String> {
    let events = person.session().events().expect("events");
    let told = events
        .into_iter()
        .filter(|event| event.kind == "admin-haste");
    told.inspect(|event| assert!(event.alarm))
        .map(|event| event.detail)
        .collect()
}

#[tokio::test]
async fn e13_an_admins_haste_is_told_to_everybody_once() {
    let (office, mut alice) = Office::open().await;
    let [mut bob, mut carol] = office.hire_all(&mut alice, ["bob", "carol"]).await;
    bob.sync().await;
    carol.sync().await;
    office.time.pass_days(1);
    // A founding day is no haste: thirty people are one act.
    batch(&office, &mut alice).await;
    acts(&mut alice, 10).await;
    bob.sync().await;
    assert!(told(&mut bob).is_empty());
    acts(&mut alice, 12).await;
    office.time.pass(10_000);
    for person in [&mut bob, &mut carol] {
        person.sync().await;
        assert_eq!(told(person), ["admin alice did 23 acts within an hour"]);
        let warnings = person.session().take_warnings();
        assert_eq!(warnings, ["admin alice did 23 acts within an hour"]);
    }
    // She herself is told too: it may have been her key in other hands.
    assert_eq!(told(&mut alice).len(), 1);
    // It stops nobody, and what goes on is not told again.
    bob.send(&["carol"], "Alice", "What is she doing?").await;
    acts(&mut alice, 3).await;
    office.time.pass(10_000);
    carol.sync().await;
    assert_eq!(carol.bodies(), ["What is she doing?"]);
    assert_eq!(told(&mut carol).len(), 1);
    // Hours later, at the usual pace, nothing is new.
    office.time.pass_minutes(180);
    acts(&mut alice, 5).await;
    bob.sync().await;
    assert_eq!(told(&mut bob).len(), 1);
}

/// Dated over a week, and all there since the last look: no date hides them.
#[tokio::test]
async fn e13_no_false_date_hides_a_burst() {
    let (office, mut alice) = Office::open().await;
    let mut bob = office.hire(&mut alice, "bob").await;
    office.time.pass_days(7);
    bob.sync().await;
    let now = office.time.clone();
    for number in 0..21 {
        let list = Fact::ListSet(ListSet {
            list: "press".parse().expect("a name"),
            members: Vec::new(),
        });
        let mut statement = alice.statement(list);
        statement.time -= number * 7 * 3_600_000;
        let entry = alice.sign(&statement).await;
        alice.post(&entry).await.expect("taken");
        alice.session().read_log().await.expect("the log");
    }
    now.pass(10_000);
    bob.sync().await;
    assert_eq!(told(&mut bob), ["admin alice did 21 acts within an hour"]);
}
