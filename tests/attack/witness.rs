//! A server that dates, hides and forks its log, in an organisation that has witnesses.

use reqwest::Method;
use valise_client::{
    clock::Clock as _,
    session::Error,
    trust::{Alarm, Freshness},
    weaken::dangerously_weaken,
};
use valise_proto::{
    api::{COMMITS, LETTERS, LOG, delivery, directory},
    codec::{Text, decode, encode},
    log::entry::{Fact, Policy, PolicySet},
};

use crate::support::{Mallory, Office, Person, mallory, witness::Cosigner};

/// Three witnesses, each without the check `off`.
fn three(office: &Office, off: Option<&'static str>) -> [Cosigner; 3] {
    let (folder, card) = (office.folder.path(), &office.card);
    ["w1", "w2", "w3"].map(|name| Cosigner::start(folder, card, name, office.time.clone(), off))
}

/// From now on two of the three must have signed.
async fn ask_for_two(admin: &mut Person, witnesses: &[Cosigner; 3]) {
    admin.session().read_log().await.expect("the log");
    let policy = admin.session().ledger().unwrap().directory().policy();
    let policy = Policy {
        witnesses: witnesses.iter().map(|it| it.public.clone()).collect(),
        witness_quorum: 2,
        ..policy.clone()
    };
    let fact = Fact::PolicySet(PolicySet { policy });
    let deciding =
        admin.online(async |session, keyring| session.declare(keyring, fact.clone()).await);
    drop(deciding.await.expect("the policy"));
}

/// An organisation with three witnesses, and bob in it.
async fn watched(off: Option<&'static str>) -> (Office, Person, Person, Mallory, [Cosigner; 3]) {
    let (mut office, mut alice, mallory) = Office::open_under_mallory().await;
    let witnesses = three(&office, off);
    office.watched_by(&witnesses).await;
    ask_for_two(&mut alice, &witnesses).await;
    let mut bob = office.hire(&mut alice, "bob").await;
    alice.send(&["bob"], "Hello", "hello").await;
    bob.sync().await;
    bob.send(&["alice"], "Re: Hello", "Thanks.").await;
    alice.sync().await;
    (office, alice, bob, mallory, witnesses)
}

fn nothing_sent(mallory: &Mallory) {
    assert!(mallory.seen(&Method::POST, LETTERS).is_empty());
    assert!(mallory.seen(&Method::POST, COMMITS).is_empty());
}

/// Bob's stolen laptop is revoked. Returns the thief, and the log from before: the page that alice read
/// last, with the witnesses' lines of then, and its entries.
async fn redated(
    office: &Office,
    alice: &mut Person,
    bob: &mut Person,
    mallory: &Mallory,
) -> (Person, directory::Page, Vec<Vec<u8>>) {
    let mut stolen = bob.other_computer();
    stolen.join(office).await;
    office.time.pass(10_000);
    alice.send(&["bob"], "Both", "Both computers.").await;
    bob.sync().await;
    stolen.sync().await;
    let entries = mallory::entries(&office.data());
    alice.session().read_log().await.expect("the log");
    mallory.forget();
    alice.session().read_log().await.expect("the log again");
    let page = mallory.seen(&Method::GET, LOG).pop().unwrap().answer;
    let (name, device) = (bob.name.clone(), stolen.session().device());
    bob.revoke(&name, device).await;
    (stolen, decode(&page).unwrap(), entries)
}

/// Holds the log back as `page` has it, with the server's date of now.
fn date_anew(
    (office, mallory): (&Office, &Mallory),
    alice: &mut Person,
    page: &directory::Page,
    entries: &[Vec<u8>],
) {
    let mut note = mallory.cosigned(&office.card, entries, office.time.now_ms());
    let lines = page.checkpoint.as_str().split_inclusive('\n');
    note.extend(lines.filter(|line| line.starts_with("\u{2014} w")));
    let checkpoint = Text::truncated(&note);
    let page = directory::Page {
        checkpoint,
        ..page.clone()
    };
    mallory.hold_back(alice, encode(&page));
}

#[tokio::test]
async fn d04_no_server_dates_a_log_anew_that_witnesses_have_left_behind() {
    let (office, mut alice, mut bob, mallory, _witnesses) = watched(None).await;
    let (_stolen, page, entries) = redated(&office, &mut alice, &mut bob, &mallory).await;
    office.time.pass_minutes(121);
    date_anew((&office, &mallory), &mut alice, &page, &entries);
    alice.sync().await;
    assert_eq!(alice.session().freshness(), Freshness::Late);
    office.time.pass_minutes(22 * 60);
    date_anew((&office, &mallory), &mut alice, &page, &entries);
    let refused = alice.try_send(&["bob"], "Source", "Jean").await;
    let unwitnessed = Alarm::UnwitnessedLog {
        quorum: 2,
        witnesses: 3,
    };
    assert!(
        matches!(&refused, Err(Error::Alarm(alarm)) if *alarm == unwitnessed),
        "{refused:?}"
    );
    assert!(alice.events().contains(&"unwitnessed-log".to_owned()));
    nothing_sent(&mallory);
    // It is the store that remembers; and the server shows the truth: nothing else was wrong.
    alice.reopen();
    assert_eq!(alice.session().freshness(), Freshness::Stale);
    mallory.behave();
    alice.sync().await;
    assert_eq!(alice.session().freshness(), Freshness::New);
    assert_eq!(mallory.seen(&Method::POST, LETTERS).len(), 1);
}

#[tokio::test]
async fn d04_twin_the_stolen_laptop_reads_under_a_log_that_is_dated_anew() {
    let (office, mut alice, mut bob, mallory, _witnesses) = watched(None).await;
    let (mut stolen, page, entries) = redated(&office, &mut alice, &mut bob, &mallory).await;
    office.time.pass_minutes(25 * 60);
    date_anew((&office, &mallory), &mut alice, &page, &entries);
    dangerously_weaken(Some("D04"));
    alice.send(&["bob"], "Source", "Jean").await;
    let letter: delivery::Letter = mallory.seen(&Method::POST, LETTERS)[0].request();
    stolen.is_handed(letter, 6).await;
    assert_eq!(stolen.bodies().last().unwrap(), "Jean");
}

/// The server has one of the three in its hand; the others never hear of the log.
async fn one_of_three() -> (Office, Person, Person, Mallory, [Cosigner; 3]) {
    let (mut office, mut alice, mallory) = Office::open_under_mallory().await;
    let bob = office.hire(&mut alice, "bob").await;
    let witnesses = three(&office, None);
    office.watched_by(&witnesses[..1]).await;
    ask_for_two(&mut alice, &witnesses).await;
    mallory.forget();
    (office, alice, bob, mallory, witnesses)
}

#[tokio::test]
async fn d19_a_colluding_minority_is_not_enough() {
    let (mut office, mut alice, mut bob, mallory, witnesses) = one_of_three().await;
    let refused = alice.try_send(&["bob"], "Source", "Jean").await;
    assert!(
        matches!(refused, Err(Error::Alarm(Alarm::UnwitnessedLog { .. }))),
        "{refused:?}"
    );
    assert!(alice.events().contains(&"unwitnessed-log".to_owned()));
    let signed = alice.session().sightings();
    let signed: Vec<bool> = signed.iter().map(|it| it.seen_ms.is_some()).collect();
    assert_eq!(signed, [true, false, false]);
    nothing_sent(&mallory);
    // Its log is read, admins act in it, and a second witness heals it.
    let _carol = office.hire(&mut alice, "carol").await;
    office.watched_by(&witnesses[..2]).await;
    office.time.pass(10_000);
    alice.sync().await;
    bob.sync().await;
    assert_eq!(bob.bodies(), ["Jean"]);
}

#[tokio::test]
async fn d19_twin_one_witness_is_enough() {
    let (office, mut alice, mut bob, _mallory, _witnesses) = one_of_three().await;
    dangerously_weaken(Some("D19"));
    alice.send(&["bob"], "Source", "Jean").await;
    office.time.pass(10_000);
    bob.sync().await;
    assert_eq!(bob.bodies(), ["Jean"]);
}

/// In the one world alice gets a second computer, in the other bob does. Then bob writes to alice.
async fn two_worlds(off: Option<&'static str>) -> (Mallory, Person, Result<u64, Error>) {
    let (mut office, mut alice, mut bob, mallory, _witnesses) = watched(off).await;
    office.stop();
    let before = office.copy_database();
    office.start().await;
    alice.other_computer().join(&office).await;
    alice.sync().await;
    assert_eq!(alice.session().freshness(), Freshness::New);
    let here = alice.session().ledger().unwrap().head();
    office.stop();
    office.restore_database(&before);
    office.start().await;
    bob.other_computer().join(&office).await;
    office.time.pass(10_000);
    mallory.forget();
    let sent = bob.try_send(&["alice"], "Source", "Jean").await;
    let there = bob.session().ledger().unwrap().head();
    assert!(there.size == here.size && there.root != here.root);
    (mallory, bob, sent)
}

#[tokio::test]
async fn d06_an_honest_majority_of_witnesses_signs_one_of_two_worlds() {
    let (mallory, mut bob, sent) = Box::pin(two_worlds(None)).await;
    assert!(
        matches!(sent, Err(Error::Alarm(Alarm::UnwitnessedLog { .. }))),
        "{sent:?}"
    );
    assert!(bob.events().contains(&"unwitnessed-log".to_owned()));
    assert!(
        bob.session()
            .sightings()
            .iter()
            .all(|it| it.seen_ms.is_none())
    );
    nothing_sent(&mallory);
}

#[tokio::test]
async fn d06_twin_witnesses_that_forget_sign_both_worlds() {
    let (mallory, _bob, sent) = Box::pin(two_worlds(Some("D06"))).await;
    sent.expect("sending");
    assert_eq!(mallory.seen(&Method::POST, LETTERS).len(), 1);
}
