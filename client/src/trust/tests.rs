//! Servers that lie about the log, and ledgers that are fed by them: no network, many worlds.

use std::{collections::BTreeMap, sync::LazyLock};

use proptest::prelude::*;
use valise_proto::{
    api::directory::Page,
    card::Card,
    codec::Text,
    id::{Hash, Name, OrgId, OrgTag},
    key::Ed25519Key,
    log::{
        Head,
        checkpoint::{self, SignedHead},
        entry::Policy,
        evidence::Evidence,
        merkle::{Tree, leaf_hash, verify_inclusion},
        replay::Directory,
    },
    statement::sha256,
    testing::{self, SoftDevice, SoftStatementKey},
};

use super::{Alarm, Freshness, Gossip, Ledger, compare};
use crate::store::VerifiedLog;

const NOW_MS: u64 = testing::TIME_MS;
/// Entries that are true in any order, none of which has seen another.
const PEOPLE: usize = 60;

struct Organisation {
    server: SoftDevice,
    card: Card,
    genesis: Vec<u8>,
    /// The founder's account, and the people.
    entries: Vec<Vec<u8>>,
}

static ORGANISATION: LazyLock<Organisation> = LazyLock::new(|| {
    let tag = OrgTag([3; 16]);
    let url = "https://valise.example";
    let alice = SoftStatementKey::generate(tag);
    let genesis = testing::genesis(tag, url, &[&alice], Policy::default());
    let server = SoftDevice::from_seed([4; 32]);
    let card = Card {
        url: url.parse().unwrap(),
        org: OrgId(sha256(&[&genesis])),
        tag,
        tls: Hash([5; 32]),
        log: Ed25519Key::try_from(server.id().0).unwrap(),
    };
    let mut directory = Directory::found(&genesis).unwrap();
    let add = |directory: &Directory, name: &str, key: &SoftStatementKey| {
        let name: Name = name.parse().unwrap();
        testing::account_add(directory, &name, key, &[&alice])
    };
    let founder = add(&directory, "alice", &alice);
    directory.apply(&founder).unwrap();
    let mut entries = vec![founder];
    for number in 0..PEOPLE {
        let key = SoftStatementKey::generate(tag);
        entries.push(add(&directory, &format!("p{number}"), &key));
    }
    Organisation {
        server,
        card,
        genesis,
        entries,
    }
});

/// One log of a server: which of the entries it has, in their order.
#[derive(Clone, Debug)]
struct World(Vec<usize>);

impl World {
    /// A log of `size` entries that begins as this one, and goes on with entries from `from`.
    fn fork(&self, at: usize, from: usize, size: usize) -> Self {
        let mut entries = self.0.get(..at).unwrap().to_vec();
        entries.extend((from..).take(size - at));
        Self(entries)
    }

    fn entries(&self) -> Vec<&[u8]> {
        let organisation = &*ORGANISATION;
        let people = self.0.iter().map(|entry| &*organisation.entries[*entry]);
        [&*organisation.genesis].into_iter().chain(people).collect()
    }

    fn tree(&self) -> Tree {
        let mut tree = Tree::default();
        for entry in self.entries() {
            tree.append(leaf_hash(entry));
        }
        tree
    }

    fn size(&self) -> u64 {
        u64::try_from(self.0.len() + 1).unwrap()
    }

    /// What the server answers to whoever has `old` entries, when the log had `size`.
    fn page(&self, old: u64, size: u64) -> Page {
        let tree = self.tree();
        let root = tree.root_at(size).unwrap();
        let (from, to) = (
            usize::try_from(old).unwrap(),
            usize::try_from(size).unwrap(),
        );
        let entries = self.entries();
        let new = entries.get(from..to).unwrap_or_default();
        Page {
            checkpoint: note(Head { size, root }),
            consistency: tree.consistency(old, size).unwrap_or_default(),
            entries: new
                .iter()
                .map(|entry| entry.to_vec().try_into().unwrap())
                .collect(),
        }
    }

    /// Somebody who was shown the first `size` entries.
    fn ledger(&self, size: u64) -> Ledger {
        let mut ledger = Ledger::begin(ORGANISATION.card.clone(), &ORGANISATION.genesis).unwrap();
        ledger.advance(&self.page(1, size), NOW_MS).unwrap();
        ledger
    }
}

/// A head, signed by the server, and dated now.
fn note(head: Head) -> Text<4096> {
    note_at(head, NOW_MS)
}

/// A head, signed and dated by the server.
fn note_at(head: Head, at_ms: u64) -> Text<4096> {
    let Organisation { server, card, .. } = &*ORGANISATION;
    let sign = |text: &[u8]| server.sign(text);
    let note = checkpoint::format_signed(card.org, head, card.log, sign);
    let name = checkpoint::origin(card.org);
    let line = checkpoint::format_cosignature(&note, &name, card.log, at_ms / 1000, sign);
    Text::truncated(&(note + &line.unwrap()))
}

/// All clocks were two days ahead, and are right again: today's word replaces the day after tomorrow's.
#[test]
fn d04_v12_a_word_from_the_future_gives_way_to_todays() {
    let world = World(vec![0, 1]);
    let mut ledger = world.ledger(3);
    let hear = |ledger: &mut Ledger, at_ms: u64| {
        let mut page = world.page(3, 3);
        page.checkpoint = note_at(ledger.head(), at_ms);
        ledger.advance(&page, at_ms).unwrap()
    };
    let ahead_ms = NOW_MS + 2 * 86_400_000;
    hear(&mut ledger, ahead_ms);
    assert_eq!(ledger.freshness(ahead_ms), Freshness::New);
    assert_eq!(ledger.freshness(NOW_MS), Freshness::Stale);
    let progress = hear(&mut ledger, NOW_MS);
    assert!(progress.checkpoint.is_some(), "it is news, and kept");
    assert_eq!(ledger.freshness(NOW_MS), Freshness::New);
    assert!(ledger.word(NOW_MS).is_ok());
    // And an older word of today does not replace a newer one.
    assert!(hear(&mut ledger, NOW_MS - 60_000).checkpoint.is_none());
}

fn word(ledger: &Ledger) -> SignedHead {
    ledger.word(NOW_MS).unwrap()
}

/// What becomes of a letter with `theirs` at somebody to whom the server shows `world`.
fn crossing(ledger: &mut Ledger, world: &World, theirs: SignedHead) -> Result<(), Alarm> {
    if compare(ledger, theirs)? == Gossip::Ahead {
        let size = ledger.head().size;
        ledger.advance(&world.page(size, world.size()), NOW_MS)?;
    }
    match compare(ledger, theirs)? {
        Gossip::Agrees => Ok(()),
        Gossip::Ahead => Err(Alarm::HiddenLog {
            seen: theirs.head.size,
            shown: ledger.head().size,
        }),
        Gossip::Unsigned => panic!("the server signed it"),
    }
}

/// A partition: where the worlds part, how large each is, and the world and the size of each device.
type Partition = (usize, Vec<usize>, Vec<(usize, usize)>);

fn partition() -> impl Strategy<Value = Partition> {
    let worlds = prop::collection::vec(1..5_usize, 2..4);
    let devices = prop::collection::vec((any::<usize>(), any::<usize>()), 3..=8);
    (1..4_usize, worlds, devices)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn d05_d06_every_partition_is_named_at_the_first_crossing((at, more, devices) in partition()) {
        let card = &ORGANISATION.card;
        let trunk = World((0..at).collect());
        let worlds: Vec<World> = (1..)
            .zip(&more)
            .map(|(number, more)| trunk.fork(at, number * 15, at + more))
            .collect();
        // The first two see different worlds, the others any.
        let places: Vec<(usize, u64)> = (0..)
            .zip(&devices)
            .map(|(number, (world, size))| {
                let world = if number < 2 { number } else { world % worlds.len() };
                let size = at + 2 + size % more[world];
                (world, u64::try_from(size).unwrap())
            })
            .collect();
        let mut read = BTreeMap::new();
        for (world, size) in &places {
            read.entry((*world, *size)).or_insert_with(|| worlds[*world].ledger(*size));
        }
        let ledgers: Vec<&Ledger> = places.iter().map(|place| &read[place]).collect();
        // Round the table, and back between the first two.
        let pairs = (0..places.len()).map(|number| (number, (number + 1) % places.len()));
        for (from, to) in pairs.chain([(1, 0)]) {
            let (home, away) = (places[to].0, places[from].0);
            let mut receiver = ledgers[to].clone();
            match crossing(&mut receiver, &worlds[home], word(ledgers[from])) {
                Ok(()) => prop_assert_eq!(home, away),
                Err(Alarm::LogFork(evidence)) => {
                    prop_assert_ne!(home, away);
                    let text = evidence.to_text(card.org, card.log);
                    prop_assert!(Evidence::open(&text, card.org, card.log).is_ok());
                }
                // Nothing of that size is there to compare with: it is named all the same.
                Err(Alarm::HiddenLog { seen, shown }) => {
                    prop_assert_ne!(home, away);
                    prop_assert!(seen > shown);
                }
                Err(other) => prop_assert!(false, "{other}"),
            }
        }
    }
}

/// A, then B, then A again, grown: whoever has come over to B is not taken back.
#[test]
fn d10_a_log_that_swings_between_two_worlds_is_named() {
    let trunk = World((0..4).collect());
    for (a, b) in [(1, 1), (1, 3), (3, 1), (2, 5)] {
        let (world_a, world_b) = (trunk.fork(4, 15, 4 + a), trunk.fork(4, 30, 4 + b));
        // Shown what both have, then B: only the way back shows it, or the way there.
        let mut ledger = trunk.ledger(trunk.size());
        let size = ledger.head().size;
        ledger
            .advance(&world_b.page(size, world_b.size()), NOW_MS)
            .unwrap();
        for grown in 0..6 {
            let world = trunk.fork(4, 15, 4 + a + grown);
            let seen = ledger.head();
            let refused = ledger.advance(&world.page(seen.size, world.size()), NOW_MS);
            let named = matches!(refused, Err(Alarm::LogFork(_) | Alarm::LogRollback { .. }));
            assert!(named, "{a} {b} {grown}: {refused:?}");
            assert_eq!(ledger.head(), seen);
        }
        // Shown A, then B.
        let mut ledger = world_a.ledger(world_a.size());
        let refused = ledger.advance(&world_b.page(world_a.size(), world_b.size()), NOW_MS);
        assert!(refused.is_err(), "{a} {b}");
        // And back to A is no news.
        let back = world_a.page(world_a.size(), world_a.size());
        assert!(ledger.advance(&back, NOW_MS).is_ok());
    }
}

/// The same head of the log, seen again, is no evidence, and neither is an older one.
#[test]
fn d05_one_log_gives_no_evidence() {
    let world = World((0..20).collect());
    let ledger = world.ledger(world.size());
    for size in 1..=world.size() {
        let other = World((0..20).collect()).ledger(size.max(2));
        assert_eq!(compare(&ledger, word(&other)), Ok(Gossip::Agrees));
    }
    let mut unsigned = word(&ledger);
    unsigned.head.root = Hash([9; 32]);
    assert_eq!(compare(&ledger, unsigned), Ok(Gossip::Unsigned));
}

/// A page that ends before its checkpoint's size gives no word: the rest is read first.
#[test]
fn d05_a_log_half_read_has_no_word() {
    let world = World((0..20).collect());
    let mut ledger = Ledger::begin(ORGANISATION.card.clone(), &ORGANISATION.genesis).unwrap();
    assert_eq!(ledger.word(NOW_MS), Err(Alarm::StaleLog));
    let mut page = world.page(1, world.size());
    page.entries.truncate(9);
    assert!(ledger.advance(&page, NOW_MS).unwrap().more);
    assert_eq!(ledger.word(NOW_MS), Err(Alarm::StaleLog));
    let theirs = word(&world.ledger(5));
    assert_eq!(compare(&ledger, theirs), Ok(Gossip::Ahead));
    let page = world.page(ledger.head().size, world.size());
    assert!(!ledger.advance(&page, NOW_MS).unwrap().more);
    assert_eq!(word(&ledger).head, world.tree().head());
    // A restart remembers it.
    let entries = world.entries().iter().map(|entry| entry.to_vec()).collect();
    let head = world.tree().head();
    let (log, note) = (VerifiedLog { head, entries }, note(head));
    let restored = Ledger::restore(ORGANISATION.card.clone(), &log, Some(note.as_str()));
    assert_eq!(word(&restored.unwrap()), word(&ledger));
}

/// The log of an office, a thousand entries long: people, and two computers of each.
fn thousand() -> (Card, Vec<Vec<u8>>) {
    let (tag, url) = (OrgTag([3; 16]), "https://valise.example");
    let alice = SoftStatementKey::generate(tag);
    let genesis = testing::genesis(tag, url, &[&alice], Policy::default());
    let mut card = ORGANISATION.card.clone();
    card.org = OrgId(sha256(&[&genesis]));
    let mut directory = Directory::found(&genesis).unwrap();
    let mut entries = vec![genesis];
    let mut add = |directory: &mut Directory, entry: Vec<u8>| {
        directory.apply(&entry).unwrap();
        entries.push(entry);
    };
    for number in 0..333 {
        let name: Name = if number == 0 {
            "alice".to_owned()
        } else {
            format!("p{number}")
        }
        .parse()
        .unwrap();
        let own = SoftStatementKey::generate(tag);
        let key = if number == 0 { &alice } else { &own };
        let entry = testing::account_add(&directory, &name, key, &[&alice]);
        add(&mut directory, entry);
        for _ in 0..2 {
            let entry = testing::device_add(&directory, &name, &SoftDevice::generate(), key);
            add(&mut directory, entry);
        }
    }
    assert_eq!(entries.len(), 1000);
    (card, entries)
}

fn flipped(entry: &[u8], bit: usize) -> Vec<u8> {
    let mut changed = entry.to_vec();
    changed[bit / 8] ^= 1 << (bit % 8);
    changed
}

#[test]
fn d08_no_bit_of_a_thousand_entries_changes_unnoticed() {
    let (card, entries) = thousand();
    let mut tree = Tree::default();
    for entry in &entries {
        tree.append(leaf_hash(entry));
    }
    let head = tree.head();
    // Under the signed head: every bit of fifty entries, one of every other.
    for (index, entry) in (0_u64..).zip(&entries) {
        let path = tree.inclusion(index, head.size).unwrap();
        assert_eq!(
            verify_inclusion(leaf_hash(entry), index, head, &path),
            Ok(())
        );
        let bits = entry.len() * 8;
        let one = u32::from_le_bytes(testing::random());
        let one = usize::try_from(one).unwrap() % bits;
        let chosen = if index % 20 == 2 {
            0..bits
        } else {
            one..one + 1
        };
        for bit in chosen {
            let leaf = leaf_hash(&flipped(entry, bit));
            let read = verify_inclusion(leaf, index, head, &path);
            assert!(read.is_err(), "entry {index}, bit {bit}");
        }
    }
    // And a client takes no page that holds such an entry.
    let name = checkpoint::origin(card.org);
    let sign = |text: &[u8]| ORGANISATION.server.sign(text);
    let note = checkpoint::format_signed(card.org, head, card.log, sign);
    let line = checkpoint::format_cosignature(&note, &name, card.log, NOW_MS / 1000, sign).unwrap();
    let note = note + &line;
    let page = |entries: &[Vec<u8>], old: u64| Page {
        checkpoint: Text::truncated(&note),
        consistency: tree.consistency(old, head.size).unwrap(),
        entries: entries
            .iter()
            .map(|entry| entry.clone().try_into().unwrap())
            .collect(),
    };
    let mut ledger = Ledger::begin(card, &entries[0]).unwrap();
    for (index, entry) in entries.iter().enumerate().skip(1) {
        let old = u64::try_from(index).unwrap();
        if index % 20 == 7 {
            let bit = usize::from(u16::from_le_bytes(testing::random())) % (entry.len() * 8);
            let refused = ledger.advance(&page(&[flipped(entry, bit)], old), NOW_MS);
            assert!(refused.is_err(), "entry {index}, bit {bit}");
            assert_eq!(ledger.head().size, old);
        }
        ledger
            .advance(&page(std::slice::from_ref(entry), old), NOW_MS)
            .unwrap();
    }
    assert_eq!(word(&ledger).head, head);
}
