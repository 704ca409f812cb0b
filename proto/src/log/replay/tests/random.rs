//! Facts in any order, right and wrong, signed by anybody: what must hold after each of them.

use proptest::{prelude::*, strategy::ValueTree as _};

use super::*;

/// What the dice say of one entry.
#[derive(Clone, Debug)]
struct Throw {
    kind: u8,
    /// Whom it is about.
    person: usize,
    /// A key, or a number.
    other: usize,
    /// Which keys sign; none: a key of the one it is about.
    signers: Vec<usize>,
    /// How many entries less than there are the signers saw.
    behind: u64,
    /// Whether a day passed.
    later: bool,
}

fn throw() -> impl Strategy<Value = Throw> {
    let signers = prop_oneof![
        4 => Just(vec![]),
        3 => Just(vec![0]),
        3 => Just(vec![0, 1]),
        2 => Just(vec![0, 1, 2]),
        4 => proptest::collection::vec(0..KEYS, 1..4),
    ];
    let behind = prop_oneof![8 => Just(0), 1 => 0..4_u64];
    (
        prop_oneof![6 => 0..16_u8, 1 => Just(12)],
        0..PEOPLE.len(),
        0..KEYS,
        signers,
        behind,
        any::<bool>(),
    )
        .prop_map(|(kind, person, other, signers, behind, later)| Throw {
            kind,
            person,
            other,
            signers,
            behind,
            later,
        })
}

const PEOPLE: [&str; 8] = [
    "alice", "bob", "carol", "dave", "eve", "faye", "gilles", "press",
];
const KEYS: usize = 16;

/// An organisation of three admins and two people, and some keys and a device for each.
struct World {
    directory: Directory,
    log: Vec<Vec<u8>>,
    names: Vec<Name>,
    keys: Vec<SoftStatementKey>,
    devices: Vec<SoftDevice>,
}

impl World {
    fn new() -> Self {
        let keys: Vec<_> = (0..KEYS).map(|_| key()).collect();
        let names: Vec<_> = PEOPLE.into_iter().map(name).collect();
        let genesis = testing::genesis(TAG, URL, &[&keys[0]], Policy::default());
        let mut world = Self {
            directory: Directory::found(&genesis).unwrap(),
            log: vec![genesis],
            names,
            keys,
            devices: (0..4).map(|_| SoftDevice::generate()).collect(),
        };
        for person in 0..5 {
            let (name, key) = (&world.names[person], &world.keys[person]);
            let add = testing::account_add(&world.directory, name, key, &[&world.keys[0]]);
            world.step(add);
        }
        for (person, signers) in [(1, 1), (2, 2)] {
            let signers: Vec<_> = world.keys[..signers].iter().collect();
            let add = testing::admin_add(&world.directory, &world.names[person], &signers);
            world.step(add);
        }
        assert_eq!((world.log.len(), world.directory.able_admins()), (8, 3));
        world
    }

    /// The entry that the dice say.
    fn entry(&self, throw: &Throw) -> Vec<u8> {
        let directory = &self.directory;
        // What few can be in need of is about somebody who is.
        let needy = directory.accounts().find(|(_, account)| match throw.kind {
            7 => account.suspended.is_some(),
            11 | 12 => account.recovery.is_some(),
            _ => false,
        });
        let name = needy.map_or(&self.names[throw.person], |(name, _)| name);
        let other = &self.keys[throw.other];
        let mut signers: Vec<_> = throw.signers.iter().map(|it| &self.keys[*it]).collect();
        if signers.is_empty() {
            let own = directory.active_keys(name).next().map(|(id, _)| id);
            let own = self.keys.iter().find(|key| Some(key.id()) == own);
            signers.push(own.unwrap_or(other));
        }
        let by = &signers[..];
        let account = directory.account(name);
        let begun = account.and_then(|it| it.recovery.as_ref());
        let begun = begun.map_or(7, |recovery| recovery.begun);
        let device = &self.devices[throw.other % self.devices.len()];
        let entry = match throw.kind {
            0 => testing::account_add(directory, name, other, by),
            1 => testing::key_add(directory, name, other, by),
            2 => testing::device_add(directory, name, device, by[0]),
            3 => testing::device_revoke(directory, name, device.id(), by),
            4 => testing::account_suspend(directory, name, by),
            5 => testing::admin_add(directory, name, by),
            6 => {
                let last = account.and_then(|account| account.keys.last());
                testing::key_revoke(directory, name, *last.unwrap_or(&other.id()), by)
            }
            7 => testing::account_restore(directory, name, by),
            8 => testing::admin_remove(directory, name, by),
            9 => testing::threshold_set(directory, u8::try_from(throw.other % 5).unwrap(), by),
            10 => testing::recovery_begin(directory, name, other, by),
            11 => testing::recovery_veto(directory, name, begun, by),
            12 => testing::recovery_finish(directory, name, begun, testing::TIME_MS, by),
            13 => testing::list_set(
                directory,
                name,
                &[&self.names[throw.other % PEOPLE.len()]],
                by,
            ),
            14 => testing::policy_set(directory, Policy::default(), by),
            _ => testing::batch(directory, &[(name, other)], by),
        };
        let mut statement = decode::<Entry>(&entry).unwrap().statement;
        let size = statement.seen.size.saturating_sub(throw.behind);
        let root = directory.tree().root_at(size).unwrap();
        statement.seen = Head { size, root };
        if throw.later {
            statement.time += 24 * 3_600_000;
        }
        testing::sign(statement, directory.org(), by)
    }

    /// Offers an entry; says whether it was taken.
    fn step(&mut self, bytes: Vec<u8>) -> bool {
        let before = self.directory.clone();
        let taken = match self.directory.apply(&bytes) {
            Ok(entry) => {
                for signer in entry.signers() {
                    let key = before.key(signer).unwrap();
                    assert_eq!(key.revoked, None);
                    let signer = key.account.as_ref().and_then(|it| before.account(it));
                    assert!(signer.is_none_or(|account| account.suspended.is_none()));
                }
                self.log.push(bytes);
                true
            }
            Err(refusal) => {
                assert_eq!(self.directory, before, "{refusal}");
                false
            }
        };
        self.check();
        taken
    }

    /// Counts what the directory keeps count of.
    fn check(&self) {
        let directory = &self.directory;
        let unnamed = directory.keys.values().filter(|key| key.account.is_none());
        let admins = directory.accounts().filter(|(name, account)| {
            account.admin_since.is_some() && directory.active_keys(name).next().is_some()
        });
        let able = unnamed.count() + admins.count();
        assert_eq!(directory.able_admins(), able);
        assert!(able >= directory.threshold() && directory.threshold() >= 1);
        for (name, account) in directory.accounts() {
            assert!(directory.list(name).is_none());
            for key in &account.keys {
                let key = directory.key(*key).unwrap();
                assert_eq!((&key.account, key.revoked), (&Some(name.clone()), None));
            }
            assert!(account.recovery.is_none() || account.suspended.is_none());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn e06_e10_whatever_is_said_by_whomever(throws in proptest::collection::vec(throw(), 80)) {
        let mut world = World::new();
        for throw in &throws {
            let entry = world.entry(throw);
            world.step(entry);
        }
        let mut again = Directory::found(&world.log[0]).unwrap();
        for entry in &world.log[1..] {
            again.apply(entry).unwrap();
        }
        assert_eq!(again, world.directory);
    }
}

/// The dice are worth something: each kind is taken now and then.
#[test]
fn the_dice_reach_every_kind() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut taken = [0; 16];
    for _ in 0..32 {
        let mut world = World::new();
        for _ in 0..100 {
            let throw = throw().new_tree(&mut runner).unwrap().current();
            let entry = world.entry(&throw);
            taken[usize::from(throw.kind)] += usize::from(world.step(entry));
        }
    }
    assert!(taken.iter().all(|count| *count > 0), "{taken:?}");
}
