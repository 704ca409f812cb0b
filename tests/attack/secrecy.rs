//! What MLS promises, through our own doors: nonsense opens nothing and changes nothing, keys that
//! were used are gone, and an update shuts a thief out.

use std::process::Command;

use reqwest::Method;
use valise_client::weaken::dangerously_weaken;
use valise_proto::{
    api::{COMMITS, LETTERS, delivery},
    id::GroupId,
    letter::Letter,
};

use crate::support::{Mallory, Office, Person, mallory::Exchange};

/// So that nothing is refused merely because its sender has seen more of the log.
async fn read_log(person: &mut Person) {
    let reading = person.online(async |session, _| session.read_log().await);
    reading.await.expect("the log");
}

/// The ciphertexts of letters that passed since mallory forgot.
fn letters(mallory: &Mallory) -> Vec<Vec<u8>> {
    let seen = mallory.seen(&Method::POST, LETTERS);
    let letters = seen.iter().map(Exchange::request::<delivery::Letter>);
    letters.map(|letter| letter.message.into_vec()).collect()
}

/// The last commit that passed.
fn commit(mallory: &Mallory) -> delivery::Commit {
    let commits = mallory.seen(&Method::POST, COMMITS);
    commits.last().expect("a commit").request()
}

/// Alice and bob have written to each other. Mallory has forgotten what she saw.
async fn acquainted(office: &Office, mallory: &Mallory, alice: &mut Person) -> (Person, GroupId) {
    let mut bob = office.hire(alice, "bob").await;
    alice.send(&["bob"], "Hello", "Hello.").await;
    bob.sync().await;
    bob.send(&["alice"], "Hello", "Hello to you.").await;
    alice.sync().await;
    mallory.forget();
    let (group, _) = bob.only_group();
    (bob, group)
}

/// Alice's next commit, which adds bob's other computer, and the ciphertext of her letter behind it.
/// Bob has read the log, and neither of them.
pub(super) async fn on_their_way(
    office: &Office,
    mallory: &Mallory,
    alice: &mut Person,
) -> (Person, GroupId, delivery::Commit, Vec<u8>) {
    let (mut bob, group) = acquainted(office, mallory, alice).await;
    bob.other_computer().join(office).await;
    office.time.pass(10_000);
    mallory.forget();
    alice.send(&["bob"], "Plan", "At nine.").await;
    read_log(&mut bob).await;
    (bob, group, commit(mallory), letters(mallory).remove(0))
}

const FLIPS: usize = 2_000;

/// No flipped bit is taken for the message, none changes the group, and then the message opens.
fn flips(bob: &mut Person, group: GroupId, message: &[u8]) -> Option<Letter> {
    let bits = message.len() * 8;
    for round in 0..FLIPS / 2 {
        let bit = if round < 400 {
            round
        } else {
            (round * 7_919) % bits
        };
        let mut flipped = message.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let opened = bob.session().attack_open(group, &flipped);
        assert!(opened.is_err(), "bit {bit} of {bits}");
    }
    bob.session()
        .attack_open(group, message)
        .expect("the true message")
}

/// The twin is in it: the true message opens after all of them.
#[tokio::test]
async fn g32_no_flipped_bit_changes_anything() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let (mut bob, group, commit, letter) = on_their_way(&office, &mallory, &mut alice).await;
    assert_eq!(flips(&mut bob, group, commit.message.as_slice()), None);
    let opened = flips(&mut bob, group, &letter).expect("a letter");
    assert_eq!(opened.body.as_str(), "At nine.");
}

/// Numbers that look random and are the same every time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 8).unwrap() % end.max(1)
    }

    /// Nonsense that begins like `true_one`: cut, stretched, overwritten, with false lengths.
    fn nonsense(&mut self, true_one: &[u8]) -> Vec<u8> {
        let mut bytes = true_one.to_vec();
        for _ in 0..=self.below(4) {
            let place = self.below(bytes.len());
            match self.below(4) {
                0 => bytes.truncate(place),
                1 => bytes.extend((0..self.below(1 << 12)).map(|n| n.to_le_bytes()[0])),
                2 => bytes
                    .iter_mut()
                    .skip(place)
                    .take(4)
                    .for_each(|byte| *byte = 0xbf),
                _ => bytes
                    .splice(place..place, [0x80, 0x0f, 0xff, 0xff])
                    .for_each(drop),
            }
        }
        bytes
    }
}

/// Up to 1 MiB of nonsense wherever a Welcome, a commit, a letter or a key package is read.
#[tokio::test]
async fn g18_nonsense_stops_nobody() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let (mut bob, group, commit, letter) = on_their_way(&office, &mallory, &mut alice).await;
    let own = bob.identity();
    let package = super::insider::package_of(&mallory, &own);
    let rogue = bob.session().attack_rogue(&own).unwrap();
    let all = [
        commit.welcome.as_slice(),
        commit.message.as_slice(),
        &letter,
        &package,
    ];
    let mut dice = Dice(0x5eed);
    for round in 0..1_200 {
        let bytes = match round {
            0..24 => {
                let mut bytes = all[round % 4].to_vec();
                bytes.truncate(dice.below(64));
                bytes.resize(1 << 20, [0, 0x40, 0x80, 0xbf, 0xff][round % 5]);
                bytes
            }
            _ => dice.nonsense(all[round % 4]),
        };
        if all.contains(&bytes.as_slice()) {
            continue;
        }
        assert!(bob.session().attack_open(group, &bytes).is_err());
        assert!(bob.session().attack_join(&bytes).is_err());
        let record = bob.only_group().1;
        rogue.found(group, &record, &[&bytes]).ok();
        Letter::from_padded(&bytes).ok();
    }
    bob.sync().await;
    assert_eq!(bob.bodies().last().unwrap(), "At nine.");
}

/// A copy of bob's disk as it is now, in the hands of somebody who has his key too.
fn stolen(office: &Office, bob: &mut Person, copy: &str) -> Person {
    bob.close();
    let mut thief = bob.other_computer();
    thief.folder = office.folder.path().join(copy);
    let copied = Command::new("cp")
        .arg("-a")
        .arg(&bob.folder)
        .arg(&thief.folder)
        .status();
    assert!(copied.expect("cp").success());
    bob.reopen();
    thief.reopen();
    thief
}

#[tokio::test]
async fn g21_a_seized_store_opens_no_earlier_ciphertext() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let (mut bob, group) = acquainted(&office, &mallory, &mut alice).await;
    for number in 0..20 {
        alice.send(&["bob"], "Plan", &number.to_string()).await;
    }
    let earlier = letters(&mallory);
    assert_eq!(earlier.len(), 20);
    let mut early_thief = stolen(&office, &mut bob, "early");
    bob.sync().await;
    let mut thief = stolen(&office, &mut bob, "stolen");
    for (number, letter) in earlier.iter().enumerate() {
        assert!(thief.session().attack_open(group, letter).is_err());
        // Before bob read them, the same theft opened all of them.
        let opened = early_thief.session().attack_open(group, letter);
        assert_eq!(opened.unwrap().unwrap().body.as_str(), number.to_string());
    }
}

/// Bob's disk is copied; then he updates his keys, or does not. Whether the copy opens what comes next.
async fn copy_opens(updates: bool) -> bool {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let (mut bob, group) = acquainted(&office, &mallory, &mut alice).await;
    let mut thief = stolen(&office, &mut bob, "stolen");
    if updates {
        // His next commit carries new keys of his: here it adds his other computer.
        bob.other_computer().join(&office).await;
        office.time.pass(10_000);
        bob.send(&["alice"], "Plan", "At nine.").await;
        alice.sync().await;
        let commit = commit(&mallory);
        read_log(&mut thief).await;
        assert!(
            thief
                .session()
                .attack_open(group, commit.message.as_slice())
                .is_err()
        );
    }
    mallory.forget();
    alice.send(&["bob"], "Source", "Jean").await;
    let letter = letters(&mallory).remove(0);
    let opened = thief.session().attack_open(group, &letter);
    bob.sync().await;
    assert_eq!(bob.bodies().last().unwrap(), "Jean");
    opened.is_ok()
}

#[tokio::test]
async fn g21_an_update_shuts_a_thief_out() {
    assert!(!Box::pin(copy_opens(true)).await);
}

#[tokio::test]
async fn g21_twin_without_an_update_a_thief_reads_on() {
    assert!(Box::pin(copy_opens(false)).await);
}

/// Bob's disk is copied, and for a week he only reads. Whether the copy opens what comes after that, and how
/// many commits of his passed.
async fn reading_week(off: Option<&str>) -> (bool, usize) {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let (mut bob, group) = acquainted(&office, &mallory, &mut alice).await;
    let mut thief = stolen(&office, &mut bob, "stolen");
    dangerously_weaken(off);
    for _ in 0..6 {
        office.time.pass_days(1);
        bob.sync().await;
    }
    office.time.pass_days(1);
    bob.sync().await;
    let renewals = mallory.commits().len();
    dangerously_weaken(None);
    // Alice has read it before she writes.
    alice.sync().await;
    alice.send(&["bob"], "Source", "Jean").await;
    let letter = letters(&mallory).remove(0);
    read_log(&mut thief).await;
    for commit in mallory.commits() {
        // Bob's own he cannot open; alice's he can, as long as he has bob's keys.
        drop(
            thief
                .session()
                .attack_open(group, commit.message.as_slice()),
        );
    }
    let opened = thief.session().attack_open(group, &letter);
    bob.sync().await;
    assert_eq!(bob.bodies().last().unwrap(), "Jean");
    (opened.is_ok(), renewals)
}

#[tokio::test]
async fn g21_a_computer_that_only_reads_has_new_keys_within_a_week() {
    assert_eq!(Box::pin(reading_week(None)).await, (false, 1));
}

#[tokio::test]
async fn g21_twin_a_computer_that_only_reads_keeps_a_thief() {
    // Alice renews hers all the same: what is hers to seal, she seals to his old ones.
    assert_eq!(Box::pin(reading_week(Some("G21"))).await, (true, 0));
}

/// Carol's computer writes, and is shut out; bob's new one takes its place in the tree. Alice reads all
/// of it at once.
#[tokio::test]
async fn g20_a_senders_name_is_right_across_a_change() {
    let (office, mut alice, _mallory) = Office::open_under_mallory().await;
    let [mut bob, mut carol] = office.hire_all(&mut alice, ["bob", "carol"]).await;
    let mut desk = carol.other_computer();
    desk.join(&office).await;
    alice.send(&["bob", "carol"], "Hello", "I am alice.").await;
    for person in [&mut bob, &mut carol, &mut desk] {
        person.sync().await;
    }
    carol.send(&["alice", "bob"], "Hello", "I am carol.").await;
    let (name, device) = (carol.name.clone(), carol.session().device());
    desk.revoke(&name, device).await;
    let mut laptop = bob.other_computer();
    laptop.join(&office).await;
    office.time.pass(10_000);
    bob.send(&["alice", "carol"], "Hello", "I am bob.").await;
    laptop.sync().await;
    laptop
        .send(&["alice", "carol"], "Hello", "I am bob too.")
        .await;
    alice.sync().await;
    let shown: Vec<_> = alice
        .letters()
        .into_iter()
        .map(|letter| (letter.sender.to_string(), letter.device, letter.body))
        .skip(1)
        .collect();
    let expected = [
        ("carol", device, "I am carol."),
        ("bob", bob.session().device(), "I am bob."),
        ("bob", laptop.session().device(), "I am bob too."),
    ];
    assert_eq!(
        shown,
        expected.map(|(who, device, what)| (who.into(), device, what.into()))
    );
}

/// Bob's store is copied; he writes once more, and the copy is put back. What alice has in the end, and
/// the computer that wrote last.
async fn put_back(
    office: &Office,
    mallory: &Mallory,
    alice: &mut Person,
    acked: bool,
    off: Option<&str>,
) -> Person {
    let (mut bob, _) = acquainted(office, mallory, alice).await;
    let mut copy = stolen(office, &mut bob, "copy");
    bob.send(&["alice"], "Plan", "Before.").await;
    if acked {
        bob.sync().await;
    }
    bob.close();
    alice.sync().await;
    dangerously_weaken(off);
    copy.send(&["alice"], "Plan", "After.").await;
    dangerously_weaken(None);
    alice.sync().await;
    copy
}

#[tokio::test]
async fn g22_a_store_that_was_put_back_uses_no_key_again() {
    for acked in [true, false] {
        let (office, mut alice, mallory) = Office::open_under_mallory().await;
        let mut bob = put_back(&office, &mallory, &mut alice, acked, None).await;
        assert!(
            bob.events().contains(&"store-rollback".to_owned()),
            "{acked}: {:?}",
            bob.events()
        );
        assert_eq!(alice.bodies()[2..], ["Before.", "After."], "{acked}");
        // The two are of two groups, so of two sets of keys.
        let sent = mallory.seen(&Method::POST, LETTERS);
        let groups: Vec<_> = sent
            .iter()
            .map(|sent| sent.request::<delivery::Letter>().group)
            .collect();
        assert!(
            matches!(groups[..], [before, after] if before != after),
            "{groups:?}"
        );
        // And both go on from there.
        alice.send(&["bob"], "Plan", "Later.").await;
        bob.sync().await;
        assert_eq!(bob.bodies().last().unwrap(), "Later.");
    }
}

#[tokio::test]
async fn g22_twin_a_store_that_was_put_back_uses_a_key_again() {
    for acked in [true, false] {
        let (office, mut alice, mallory) = Office::open_under_mallory().await;
        put_back(&office, &mallory, &mut alice, acked, Some("G22")).await;
        assert_eq!(alice.bodies()[2..], ["Before."], "{acked}");
        assert!(alice.events().contains(&"unreadable".to_owned()));
    }
}
