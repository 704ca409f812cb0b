//! Colleagues of a conversation can neither widen it nor speak for each other.

use reqwest::Method;
use valise_client::{
    attack::Rogue, session::Error, store::Filter, trust::Alarm, weaken::dangerously_weaken,
};
use valise_proto::{
    api::{COMMITS, LETTERS, SYNC, delivery},
    conversation::{Conversation, LeafIdentity},
    id::{DeviceId, GroupId, Hash, ThreadId},
    letter::{Format, Letter},
    log::{Head, checkpoint::SignedHead, evidence::Evidence},
};

use crate::support::{Mallory, Office, Person};

/// A letter as an insider would write it by hand.
pub fn letter(writer: DeviceId, to: &[&str], body: &str) -> Letter {
    let nonce = [5; 16];
    Letter {
        id: Letter::id_of(writer, nonce),
        nonce,
        sequence: 1,
        previous: Hash([0; 32]),
        thread: ThreadId([6; 16]),
        in_reply_to: None,
        date: 1_800_000_000_000,
        subject: "Plan".to_owned().try_into().unwrap(),
        to: to.iter().map(|name| name.parse().unwrap()).collect(),
        cc: Vec::new(),
        format: Format::Plain,
        body: body.to_owned().try_into().unwrap(),
        attachments: Vec::new(),
    }
}

/// Bob adds carol's real, certified device to his conversation with alice, who has not heard of it yet.
/// Returns carol, who has joined.
pub(super) async fn carol_is_smuggled_in(office: &Office, alice: &mut Person) -> (Rogue, GroupId) {
    let [mut bob, mut carol] = office.hire_all(alice, ["bob", "carol"]).await;
    alice.send(&["bob"], "Hello", "Only the two of us.").await;
    bob.sync().await;
    let (group, _) = bob.only_group();
    let own = carol.identity();
    let rogue = carol.session().attack_rogue(&own).unwrap();
    let package = rogue.package().unwrap();
    let commit = bob
        .session()
        .attack_add(group, own.device, &package)
        .await
        .expect("a commit");
    rogue.join(commit.welcome.as_slice()).expect("carol joins");
    (rogue, group)
}

#[tokio::test]
async fn g01_an_insider_adds_nobody_from_outside() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let (carol, group) = carol_is_smuggled_in(&office, &mut alice).await;
    alice.sync().await;
    assert!(
        alice.events().contains(&"unauthorised-member".to_owned()),
        "{:?}",
        alice.events()
    );
    // What alice writes to bob from now on goes where carol is not.
    mallory.forget();
    alice.send(&["bob"], "Source", "Jean").await;
    let letters = mallory.seen(&Method::POST, LETTERS);
    assert_eq!(letters.len(), 1);
    let letter: delivery::Letter = letters[0].request();
    assert_ne!(letter.group, group);
    assert!(carol.read(letter.group, letter.message.as_slice()).is_err());
    assert!(carol.read(group, letter.message.as_slice()).is_err());
}

#[tokio::test]
async fn g01_twin_the_outsider_reads() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let (carol, group) = carol_is_smuggled_in(&office, &mut alice).await;
    dangerously_weaken(Some("G01"));
    alice.sync().await;
    mallory.forget();
    alice.send(&["bob"], "Source", "Jean").await;
    let letter: delivery::Letter = mallory.seen(&Method::POST, LETTERS)[0].request();
    assert_eq!(letter.group, group);
    let read = carol
        .read(group, letter.message.as_slice())
        .expect("carol reads")
        .unwrap();
    assert_eq!(read.body.as_str(), "Jean");
}

/// The server says that carol is in the group, and delivers everything to her: she has no key.
#[tokio::test]
async fn g01_a_member_by_the_servers_word_reads_nothing() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let [mut bob, mut carol] = office.hire_all(&mut alice, ["bob", "carol"]).await;
    alice.send(&["bob"], "Hello", "Only the two of us.").await;
    bob.sync().await;
    let (group, _) = bob.only_group();
    let row = "insert into member (group_id, device_id, acked_sequence, left_sequence)
               values (?1, ?2, 0, 9223372036854775807)";
    let device = carol.session().device();
    mallory
        .database()
        .execute(row, (group.as_ref(), device.as_ref()))
        .unwrap();
    alice.send(&["bob"], "Source", "Jean").await;
    carol.sync().await;
    assert!(carol.bodies().is_empty());
    bob.sync().await;
    assert_eq!(bob.bodies().last().unwrap(), "Jean");
    let readers = alice.session().readers(2).unwrap();
    assert!(
        readers
            .iter()
            .all(|reader| reader.account.as_str() != "carol")
    );
}

/// Bob founds a group under the id of alice's conversation with carol, and mallory hands her the
/// Welcome. Returns carol.
pub(super) async fn false_group(office: &Office, mallory: &Mallory, alice: &mut Person) -> Person {
    let [mut bob, mut carol] = office.hire_all(alice, ["bob", "carol"]).await;
    alice.send(&["carol"], "Hello", "Only the two of us.").await;
    carol.sync().await;
    let (group, _) = alice.only_group();
    let record = Conversation {
        nonce: [1; 16],
        creator: "alice".parse().unwrap(),
        accounts: vec!["alice".parse().unwrap(), "bob".parse().unwrap()],
    };
    let own = bob.identity();
    let rogue = bob.session().attack_rogue(&own).unwrap();
    let own = alice.identity();
    let package = package_of(mallory, &own);
    let welcome = rogue.found(group, &record, &[&package]).expect("a group");
    mallory.invite(group, &welcome);
    carol
}

/// Alice takes the invitation or not, and carol writes to her afterwards.
async fn carol_writes(mallory: &Mallory, alice: &mut Person, mut carol: Person, off: Option<&str>) {
    dangerously_weaken(off);
    alice.sync().await;
    mallory.behave();
    dangerously_weaken(None);
    carol.send(&["alice"], "Re: Hello", "Jean").await;
    alice.sync().await;
}

/// One of a device's key packages, out of the server's database.
pub(super) fn package_of(mallory: &Mallory, of: &LeafIdentity) -> Vec<u8> {
    let row = "select package from key_package where device_id = ?1 and last_resort = 0 limit 1";
    let database = mallory.database();
    database
        .query_row(row, [of.device.as_ref()], |row| row.get(0))
        .expect("a package")
}

#[tokio::test]
async fn g04_a_false_group_of_the_same_id_is_refused() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let carol = false_group(&office, &mallory, &mut alice).await;
    carol_writes(&mallory, &mut alice, carol, None).await;
    assert!(
        alice.events().contains(&"wrong-conversation".to_owned()),
        "{:?}",
        alice.events()
    );
    assert_eq!(alice.bodies().last().unwrap(), "Jean");
}

#[tokio::test]
async fn g04_twin_the_false_group_takes_the_conversations_place() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let carol = false_group(&office, &mallory, &mut alice).await;
    carol_writes(&mallory, &mut alice, carol, Some("G04")).await;
    assert_ne!(alice.bodies().last().unwrap(), "Jean");
}

/// Alice writes to all three; bob sends the same letter, word for word and with its id, as his.
async fn re_injected(office: &Office, alice: &mut Person) -> Person {
    let [mut bob, mut carol] = office.hire_all(alice, ["bob", "carol"]).await;
    alice
        .send(&["alice", "bob", "carol"], "Plan", "At nine.")
        .await;
    bob.sync().await;
    carol.sync().await;
    let letters = bob
        .session()
        .store()
        .read()
        .letters(&Filter::default())
        .unwrap();
    let mut copy = letter(
        bob.session().device(),
        &["alice", "bob", "carol"],
        "At nine.",
    );
    (copy.id, copy.thread, copy.date) = (letters[0].id, letters[0].thread, letters[0].date_ms);
    let (group, _) = bob.only_group();
    bob.session()
        .attack_send(group, &copy, None)
        .await
        .expect("sending");
    carol.sync().await;
    carol
}

#[tokio::test]
async fn g08_a_re_encrypted_letter_is_shown_once() {
    let (office, mut alice, _mallory) = Office::open_under_mallory().await;
    let mut carol = re_injected(&office, &mut alice).await;
    assert_eq!(carol.bodies(), ["At nine."]);
    assert_eq!(carol.letters()[0].sender.as_str(), "alice");
    assert!(carol.events().contains(&"borrowed-id".to_owned()));
}

/// Alice writes to all three. Bob has her letter first, and mallory brings carol a letter of his under
/// its id, and alice's after it.
async fn squatted(
    office: &Office,
    mallory: &Mallory,
    alice: &mut Person,
    off: Option<&str>,
) -> Person {
    let [mut bob, mut carol] = office.hire_all(alice, ["bob", "carol"]).await;
    alice.send(&["bob", "carol"], "Hello", "Hello.").await;
    bob.sync().await;
    carol.sync().await;
    alice.send(&["bob", "carol"], "Source", "Jean").await;
    bob.sync().await;
    let mut squatter = letter(
        bob.session().device(),
        &["alice", "carol"],
        "Nothing to see.",
    );
    squatter.id = bob.letters().last().unwrap().id;
    let (group, _) = bob.only_group();
    bob.session()
        .attack_send(group, &squatter, None)
        .await
        .expect("sending");
    mallory.alter(&Method::GET, SYNC, |page: &mut delivery::Page| {
        if let [alices, bobs] = &mut page.messages[..] {
            std::mem::swap(&mut alices.id, &mut bobs.id);
            std::mem::swap(&mut alices.message, &mut bobs.message);
        }
    });
    dangerously_weaken(off);
    carol.sync().await;
    carol
}

#[tokio::test]
async fn g08_nobody_is_there_first_with_a_colleagues_id() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let mut carol = squatted(&office, &mallory, &mut alice, None).await;
    assert_eq!(carol.bodies(), ["Hello.", "Jean"]);
    assert!(carol.events().contains(&"borrowed-id".to_owned()));
}

#[tokio::test]
async fn g08_twin_a_letter_is_taken_for_a_repetition() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let mut carol = squatted(&office, &mallory, &mut alice, Some("G08")).await;
    assert_eq!(carol.bodies(), ["Hello.", "Nothing to see."]);
}

/// Bob addresses a letter to alice alone, and sends it where carol reads too, who has not looked yet.
pub(super) async fn to_alice_alone(office: &Office, alice: &mut Person) -> Person {
    let [mut bob, mut carol] = office.hire_all(alice, ["bob", "carol"]).await;
    bob.send(&["alice", "carol"], "Plan", "At nine.").await;
    carol.sync().await;
    let (group, _) = bob.only_group();
    let mut copy = letter(bob.session().device(), &["alice"], "Between us.");
    copy.sequence = 2;
    bob.session()
        .attack_send(group, &copy, None)
        .await
        .expect("sending");
    carol
}

#[tokio::test]
async fn g09_a_letter_names_all_who_got_it() {
    let (office, mut alice, _mallory) = Office::open_under_mallory().await;
    let mut carol = to_alice_alone(&office, &mut alice).await;
    carol.sync().await;
    assert_eq!(carol.bodies(), ["At nine."]);
    assert!(carol.events().contains(&"wrong-recipients".to_owned()));
}

#[tokio::test]
async fn g09_twin_a_letter_hides_a_reader() {
    let (office, mut alice, _mallory) = Office::open_under_mallory().await;
    let mut carol = to_alice_alone(&office, &mut alice).await;
    dangerously_weaken(Some("G09"));
    carol.sync().await;
    assert_eq!(carol.bodies(), ["At nine.", "Between us."]);
}

/// A log that is not bob's, of the same size.
fn another_head(bob: &mut Person) -> Head {
    let mut head = bob.session().ledger().unwrap().head();
    head.root = Hash([3; 32]);
    head
}

/// The server has shown bob a log that differs from alice's. His letter to her is on its way.
pub(super) async fn another_log(office: &Office, mallory: &Mallory, alice: &mut Person) -> Person {
    let mut bob = office.hire(alice, "bob").await;
    bob.send(&["alice"], "Plan", "At nine.").await;
    alice.sync().await;
    let (group, _) = bob.only_group();
    let mut copy = letter(bob.session().device(), &["alice"], "At ten.");
    copy.sequence = 2;
    let log = mallory.signed(&office.card, another_head(&mut bob));
    bob.session()
        .attack_send(group, &copy, Some(log))
        .await
        .expect("sending");
    bob
}

#[tokio::test]
async fn d05_the_first_letter_across_a_fork_stops_sending_and_is_proven() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let mut carol = office.hire(&mut alice, "carol").await;
    let _bob = another_log(&office, &mallory, &mut alice).await;
    let synced = alice.try_sync().await;
    assert!(
        matches!(synced, Err(Error::Alarm(Alarm::LogFork(_)))),
        "{synced:?}"
    );
    assert!(alice.events().contains(&"log-fork".to_owned()));
    mallory.forget();
    office.time.pass(10_000);
    for name in ["bob", "carol"] {
        let refused = alice.try_send(&[name], "Source", "Jean").await;
        assert!(matches!(refused, Err(Error::Alarm(Alarm::LogFork(_)))));
    }
    alice.reopen();
    assert!(alice.try_sync().await.is_err());
    assert!(mallory.seen(&Method::POST, LETTERS).is_empty());
    assert!(mallory.seen(&Method::POST, COMMITS).is_empty());
    // Whoever has the card can check it.
    let found = alice.session().evidence().unwrap();
    assert_eq!(found.len(), 1);
    let card = &office.card;
    let evidence = Evidence::open(&found[0].text, card.org, card.log).unwrap();
    assert_eq!(evidence.older.head.root, Hash([3; 32]));
    // It goes on when a person has decided so, and what waited arrives.
    assert_eq!(alice.session().dismiss_evidence().unwrap(), 1);
    assert!(alice.events().contains(&"evidence-dismissed".to_owned()));
    alice.sync().await;
    carol.sync().await;
    assert_eq!(carol.bodies(), ["Jean"]);
}

#[tokio::test]
async fn d05_twin_a_letter_from_another_world_is_shown() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let _bob = another_log(&office, &mallory, &mut alice).await;
    dangerously_weaken(Some("D05"));
    let synced = alice.try_sync().await;
    assert!(synced.is_ok(), "{synced:?}");
    assert_eq!(alice.bodies().last().unwrap(), "At ten.");
}

/// A letter with numbers that no store holds is left behind, and stops nothing.
#[tokio::test]
async fn v10_a_letter_from_the_end_of_time_stops_nobody() {
    let (office, mut alice) = Office::open().await;
    let mut bob = office.hire(&mut alice, "bob").await;
    bob.send(&["alice"], "Plan", "At nine.").await;
    alice.sync().await;
    let (group, _) = bob.only_group();
    for (sequence, date) in [
        (2, u64::MAX),
        (3, 1 << 63),
        (u64::MAX, 1),
        (1 << 63, 1),
        (0, 1),
    ] {
        let mut bad = letter(bob.session().device(), &["alice"], "Never.");
        (bad.sequence, bad.date) = (sequence, date);
        bob.session()
            .attack_send(group, &bad, None)
            .await
            .expect("sending");
        alice.sync().await;
    }
    bob.send(&["alice"], "Plan", "At ten.").await;
    alice.sync().await;
    assert_eq!(alice.bodies(), ["At nine.", "At ten."]);
    let unreadable = |events: Vec<String>| events.iter().filter(|e| *e == "unreadable").count();
    assert_eq!(unreadable(alice.events()), 5);
}

/// A word about the log that the server never signed is the colleague's lie: it stops nobody.
#[tokio::test]
async fn d05_a_colleagues_false_word_about_the_log_stops_nobody() {
    let (office, mut alice) = Office::open().await;
    let mut bob = office.hire(&mut alice, "bob").await;
    bob.send(&["alice"], "Plan", "At nine.").await;
    alice.sync().await;
    let (group, _) = bob.only_group();
    let mut copy = letter(bob.session().device(), &["alice"], "At ten.");
    copy.sequence = 2;
    let head = another_head(&mut bob);
    let log = SignedHead {
        head,
        signature: [7; 64],
    };
    bob.session()
        .attack_send(group, &copy, Some(log))
        .await
        .expect("sending");
    alice.sync().await;
    assert!(alice.events().contains(&"unreadable".to_owned()));
    assert!(alice.session().evidence().unwrap().is_empty());
    assert_eq!(alice.bodies(), ["At nine."]);
    alice.send(&["bob"], "Re: Plan", "When?").await;
    bob.sync().await;
    assert_eq!(bob.bodies().last().unwrap(), "When?");
}
