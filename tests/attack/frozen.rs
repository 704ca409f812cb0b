//! A server that goes on showing yesterday's log, so that nobody sees who was shut out today.

use reqwest::Method;
use valise_client::{
    clock::Clock as _,
    session::Error,
    trust::{Alarm, Freshness},
    weaken::dangerously_weaken,
};
use valise_proto::{
    api::{COMMITS, LETTERS, LOG, delivery, directory},
    codec::Text,
};

use crate::support::{Mallory, Office, Person, mallory};

/// Bob's stolen laptop is revoked, and mallory gives out the pages from before. Returns the thief.
pub(super) async fn frozen(office: &Office, mallory: &Mallory, alice: &mut Person) -> Person {
    let mut bob = office.hire(alice, "bob").await;
    let mut stolen = bob.other_computer();
    stolen.join(office).await;
    alice.send(&["bob"], "Hello", "Both computers.").await;
    bob.sync().await;
    stolen.sync().await;
    bob.send(&["alice"], "Re: Hello", "Thanks.").await;
    mallory.forget();
    alice.session().read_log().await.expect("the log");
    let page = mallory.seen(&Method::GET, LOG).pop().unwrap().answer;
    let (name, device) = (bob.name.clone(), stolen.session().device());
    bob.revoke(&name, device).await;
    mallory.hold_back(alice, page);
    stolen
}

#[tokio::test]
async fn d04_after_two_hours_a_frozen_log_warns_and_after_a_day_it_stops_sending() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let stolen = frozen(&office, &mallory, &mut alice).await;
    office.time.pass_minutes(121);
    alice.sync().await;
    assert_eq!(alice.session().freshness(), Freshness::Late);
    office.time.pass_minutes(22 * 60);
    let refused = alice.try_send(&["bob"], "Source", "Jean").await;
    assert!(
        matches!(refused, Err(Error::Alarm(Alarm::StaleLog))),
        "{refused:?}"
    );
    assert!(alice.events().contains(&"stale-log".to_owned()));
    assert!(mallory.seen(&Method::POST, LETTERS).is_empty());
    assert!(mallory.seen(&Method::POST, COMMITS).is_empty());
    // The letter waits, others are read, and a sync says the same.
    let waiting = alice.session().store().read().outbox().unwrap();
    assert_eq!(waiting.len(), 1);
    assert!(alice.bodies().contains(&"Thanks.".to_owned()));
    let refused = alice.try_sync().await;
    assert!(matches!(refused, Err(Error::Alarm(Alarm::StaleLog))));
    // It is the store that remembers.
    alice.reopen();
    assert_eq!(alice.session().freshness(), Freshness::Stale);
    mallory.behave();
    mallory.forget();
    alice.sync().await;
    assert_eq!(alice.session().freshness(), Freshness::New);
    assert_eq!(mallory.seen(&Method::POST, LETTERS).len(), 1);
    let number = alice.letters().iter().map(|letter| letter.number).max();
    let mut stolen = stolen;
    let device = stolen.session().device();
    let readers = alice.readers(number.unwrap());
    assert!(readers.iter().all(|(_, reader)| *reader != device));
}

#[tokio::test]
async fn d04_twin_the_stolen_laptop_reads_what_is_sent_a_day_later() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let mut stolen = frozen(&office, &mallory, &mut alice).await;
    office.time.pass_minutes(25 * 60);
    dangerously_weaken(Some("D04"));
    alice.send(&["bob"], "Source", "Jean").await;
    let letter: delivery::Letter = mallory.seen(&Method::POST, LETTERS)[0].request();
    stolen.is_handed(letter, 4).await;
    assert_eq!(stolen.bodies().last().unwrap(), "Jean");
}

/// Offline for two days: nothing to fear, as long as the server answers then.
#[tokio::test]
async fn d04_who_was_away_for_two_days_sends_at_once() {
    let (office, mut alice, _mallory) = Office::open_under_mallory().await;
    let mut bob = office.hire(&mut alice, "bob").await;
    alice.close();
    office.time.pass_days(2);
    alice.reopen();
    assert_eq!(alice.session().freshness(), Freshness::Stale);
    alice.send(&["bob"], "Back", "I am back.").await;
    bob.sync().await;
    assert_eq!(bob.bodies(), ["I am back."]);
}

#[tokio::test]
async fn d04_no_server_writes_tomorrow_under_its_log() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    alice.sync().await;
    let entries = mallory::entries(&office.data());
    let date = |ahead_minutes: u64| {
        let now_ms = office.time.now_ms() + ahead_minutes * 60_000;
        let note = mallory.cosigned(&office.card, &entries, now_ms);
        mallory.alter(&Method::GET, LOG, move |page: &mut directory::Page| {
            page.checkpoint = Text::truncated(&note);
        });
    };
    date(11);
    let refused = alice.session().read_log().await;
    let future = Alarm::FutureLog { minutes: 11 };
    assert!(matches!(refused, Err(Error::Alarm(alarm)) if alarm == future));
    assert!(alice.events().contains(&"future-log".to_owned()));
    date(10);
    alice
        .session()
        .read_log()
        .await
        .expect("clocks differ a little");
    // An old page takes nothing back.
    let known = alice.session().ledger().unwrap().said_ms();
    date(0);
    alice.session().read_log().await.expect("an old page");
    assert_eq!(alice.session().ledger().unwrap().said_ms(), known);
}
