//! Who is on a list, the server neither decides nor changes.

use reqwest::Method;
use valise_client::{session::Error, trust::Alarm, weaken::dangerously_weaken};
use valise_proto::{
    api::{COMMITS, LETTERS},
    codec::{decode, encode},
    log::entry::{Entry, Fact, ListSet},
};

use crate::support::{Mallory, Office, Person, mallory};

/// Alice puts these people on the list press.
async fn set(alice: &mut Person, members: &[&str]) {
    let members: Vec<_> = members.iter().map(|name| name.parse().unwrap()).collect();
    let setting = alice.online(async |session, keyring| {
        let list = "press".parse().unwrap();
        let members = members.clone();
        let fact = Fact::ListSet(ListSet { list, members });
        session.declare(keyring, fact).await
    });
    drop(setting.await.expect("a list"));
}

/// Bob and carol are on the list, dave is not.
pub(super) async fn press(office: &Office, alice: &mut Person) -> [Person; 3] {
    let people = office.hire_all(alice, ["bob", "carol", "dave"]).await;
    alice.sync().await;
    set(alice, &["bob", "carol"]).await;
    people
}

/// The log with dave on the list, the entry otherwise as alice signed it.
pub(super) fn with_dave(office: &Office) -> Vec<Vec<u8>> {
    let mut entries = mallory::entries(&office.data());
    let last = entries.last_mut().expect("an entry");
    let mut entry: Entry = decode(last).unwrap();
    let Fact::ListSet(fact) = &mut entry.statement.fact else {
        panic!("{:?}", entry.statement.fact);
    };
    fact.members.push("dave".parse().unwrap());
    *last = encode(&entry);
    entries
}

#[track_caller]
fn nothing_sent(mallory: &Mallory) {
    assert!(mallory.seen(&Method::POST, LETTERS).is_empty());
    assert!(mallory.seen(&Method::POST, COMMITS).is_empty());
}

#[tokio::test]
async fn g27_a_letter_to_a_list_names_its_people_and_goes_to_them_alone() {
    let (office, mut alice, _mallory) = Office::open_under_mallory().await;
    let [mut bob, mut carol, mut dave] = press(&office, &mut alice).await;
    // Dave has not looked at the log since, and takes the list from the newest one.
    let number = dave
        .send(&["press", "bob"], "Point presse", "At nine.")
        .await;
    let to: Vec<_> = dave
        .letter(number)
        .to
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(to, ["bob", "carol"]);
    for person in [&mut bob, &mut carol] {
        person.sync().await;
        assert_eq!(person.bodies(), ["At nine."]);
    }
    alice.sync().await;
    assert!(alice.bodies().is_empty());
    // Carol has left the list: the next letter is not for her.
    set(&mut alice, &["alice", "bob"]).await;
    dave.send(&["press"], "Point presse", "At ten.").await;
    for person in [&mut alice, &mut bob, &mut carol] {
        person.sync().await;
    }
    assert_eq!(alice.bodies(), ["At ten."]);
    assert_eq!(carol.bodies(), ["At nine."]);
}

#[tokio::test]
async fn g27_nobody_is_written_to_on_a_closed_list() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let [_bob, _carol, mut dave] = press(&office, &mut alice).await;
    set(&mut alice, &[]).await;
    mallory.forget();
    let refused = dave.try_send(&["press"], "Point presse", "At nine.").await;
    assert!(
        matches!(refused, Err(Error::NobodyOnList(_))),
        "{refused:?}"
    );
    assert!(dave.letters().is_empty());
    nothing_sent(&mallory);
}

/// The server puts somebody on the list.
#[tokio::test]
async fn g27_the_server_puts_nobody_on_a_list() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let [mut bob, ..] = press(&office, &mut alice).await;
    mallory.serve(&office, with_dave(&office));
    let refused = bob.try_send(&["press"], "Source", "Jean").await;
    let forged = matches!(refused, Err(Error::Alarm(Alarm::ForgedEntry(_))));
    assert!(forged, "{refused:?}");
    assert!(bob.events().contains(&"forged-entry".to_owned()));
    assert!(bob.letters().is_empty());
    nothing_sent(&mallory);
}

#[tokio::test]
async fn g27_twin_whom_the_server_put_on_the_list_reads_the_letter() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let [mut bob, _carol, mut dave] = press(&office, &mut alice).await;
    mallory.serve(&office, with_dave(&office));
    dangerously_weaken(Some("D12"));
    bob.send(&["press"], "Source", "Jean").await;
    dave.sync().await;
    assert_eq!(dave.bodies(), ["Jean"]);
}

/// The server hides that carol left the list. A colleague who has seen that writes to bob.
async fn hidden(office: &Office, mallory: &Mallory, alice: &mut Person) -> [Person; 2] {
    let [mut bob, carol, mut dave] = press(office, alice).await;
    bob.sync().await;
    dave.send(&["bob"], "Hello", "hello").await;
    bob.sync().await;
    let before = mallory::entries(&office.data());
    set(alice, &["bob"]).await;
    dave.session().read_log().await.expect("the log");
    office.time.pass(10_000);
    dave.send(&["bob"], "News", "Carol has left.").await;
    office.time.pass(10_000);
    mallory.serve(office, before);
    [bob, carol]
}

#[tokio::test]
async fn g27_what_a_list_was_is_not_what_it_is() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let [mut bob, _carol] = Box::pin(hidden(&office, &mallory, &mut alice)).await;
    let refused = bob.try_send(&["press"], "Source", "Jean").await;
    let named = matches!(refused, Err(Error::Alarm(Alarm::HiddenLog { .. })));
    assert!(named, "{refused:?}");
    assert!(bob.events().contains(&"hidden-log".to_owned()));
    nothing_sent(&mallory);
    // Nor does it wait, to go to carol later.
    mallory.behave();
    bob.sync().await;
    nothing_sent(&mallory);
}
