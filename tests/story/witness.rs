//! Witnesses as people run them: three are named, two run, and one after the other is killed.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    process::Child,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{park_timeout, scope},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use valise_proto::{
    card::Card,
    id::{Hash, OrgId, OrgTag},
    key::Ed25519Key,
    log::{
        checkpoint::{self, format_signed},
        entry,
        merkle::{Tree, leaf_hash},
        witness::{AddCheckpoint, parse_size},
    },
    testing::SoftDevice,
};

use crate::support::{
    Cli, Site,
    site::ends_within,
    witness::{Process, ask, configuration},
};

const ORG: OrgId = OrgId([1; 32]);

/// A witness of the site's log, and its key.
fn witness(site: &Site, name: &str) -> (Cli, String) {
    let witness = site.person(name);
    let card = site.path("card.valise");
    let said = witness.json(&["witness", "init", &card, "--name", name]);
    let key = said.object()["key"].as_str().unwrap().to_owned();
    (witness, key)
}

/// SIGTERM ends it in good order.
fn end(child: &mut Child) {
    kill_process(Pid::from_child(child), Signal::TERM).unwrap();
    let status = ends_within(child, 20_000).expect("the witness hangs");
    assert!(status.success(), "{status}");
}

#[test]
fn letters_go_while_two_of_three_witnesses_watch() {
    let (mut site, alice, [bob]) = Site::with(["bob"]);
    let witnesses = ["w1", "w2", "w3"].map(|name| witness(&site, name));
    let (first, second) = (
        Process::start(&witnesses[0].0, None),
        Process::start(&witnesses[1].0, None),
    );
    site.stop();
    site.configure(&configuration([
        ("w1", first.address),
        ("w2", second.address),
    ]));
    site.start();
    let named: Vec<&str> = witnesses
        .iter()
        .flat_map(|(_, key)| ["--witness", key])
        .collect();
    let set = [&["admin", "policy", "set"], &named[..], &["--yes"]].concat();
    let said = alice.must(&set);
    let plain = "letters go only under a log that 2 of 3 witnesses signed within a day";
    assert!(said.err.contains(plain), "{said:?}");
    let rules = alice.json(&["admin", "policy", "show"]).object();
    assert_eq!(rules["witness_quorum"], "2");
    alice.must(&["send", "bob", "-s", "Bus", "-m", "It leaves at 7."]);
    let head = alice.json(&["log", "head"]).object();
    let signed: Vec<bool> = head["witnesses"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line.as_str().unwrap().contains(" signed 20"))
        .collect();
    assert_eq!(signed, [true, true, false]);
    let shown = witnesses[0].0.json(&["witness", "show"]).object();
    assert_eq!(shown["root"], head["root"]);
    bob.must(&["sync"]);

    // One dies and the other is stopped: of the next entry nobody can say that it is the newest.
    let (mut first, mut second) = (first, second);
    first.child.kill().unwrap();
    end(&mut second.child);
    let _carol = site.hire(&alice, "carol");
    let refused = alice.run(&["send", "bob", "-s", "Source", "-m", "Jean"]);
    assert_eq!(refused.code, 6, "{refused:?}");
    assert!(refused.refusal().starts_with("error[V0413]"), "{refused:?}");
    assert!(refused.err.contains("nothing was sent"), "{refused:?}");
    let events = alice.json(&["events"]).objects();
    assert!(
        events
            .iter()
            .any(|event| event["kind"] == "unwitnessed-log")
    );

    // They come back where they were.
    let again = [0, 1].map(|number: usize| Process::start(&witnesses[number].0, None));
    site.stop();
    let places = ["w1", "w2"]
        .into_iter()
        .zip(again.each_ref().map(|it| it.address));
    site.configure(&configuration(places));
    site.start();
    alice.must(&["outbox", "retry"]);
    bob.must(&["sync"]);
    let letters = bob.json(&["list"]).objects();
    assert!(letters.iter().any(|letter| letter["subject"] == "Source"));
    // Without them, after all.
    drop(again);
    alice.must(&["admin", "policy", "set", "--no-witnesses", "--yes"]);
    alice.must(&["send", "bob", "-s", "Bus", "-m", "At 8."]);
}

/// A witness of a log of which this test has the key.
fn watcher(folder: &std::path::Path) -> (Cli, entry::Witness) {
    let server = SoftDevice::from_seed([4; 32]);
    let card = Card {
        url: "https://mail.campagne.example".parse().unwrap(),
        org: ORG,
        tag: OrgTag([2; 16]),
        tls: Hash([3; 32]),
        log: Ed25519Key::try_from(server.id().0).unwrap(),
    };
    let file = folder.join("card.valise");
    std::fs::write(&file, card.to_string()).unwrap();
    let witness = Cli::new(folder, "witness");
    let said = witness.json(&["witness", "init", file.to_str().unwrap(), "--name", "w"]);
    let public = said.object()["key"].as_str().unwrap().parse().unwrap();
    (witness, public)
}

/// The log of one of many worlds, in which every entry is another.
fn log(world: u8, size: u64) -> Tree {
    let mut tree = Tree::default();
    for index in 0..size {
        tree.append(leaf_hash(&[&[world][..], &index.to_be_bytes()].concat()));
    }
    tree
}

fn request(tree: &Tree, old: u64) -> AddCheckpoint {
    let server = SoftDevice::from_seed([4; 32]);
    let key = Ed25519Key::try_from(server.id().0).unwrap();
    AddCheckpoint {
        old,
        proof: tree.consistency(old, tree.size()).unwrap(),
        checkpoint: format_signed(ORG, tree.head(), key, |text| server.sign(text)),
    }
}

/// What was signed: the roots of each size.
type Signed = Mutex<BTreeMap<u64, BTreeSet<[u8; 32]>>>;

/// One world goes on asking until it is told to stop, each time for one entry more than was signed.
fn press(
    address: SocketAddr,
    public: &entry::Witness,
    world: u8,
    signed: &Signed,
    stop: &AtomicBool,
) {
    let key = Ed25519Key::try_from(public.key).unwrap();
    let mut old = 0;
    while !stop.load(Ordering::SeqCst) {
        let tree = log(world, old + 1);
        let request = request(&tree, old);
        match ask(address, &request.to_text()) {
            Some((200, line)) => {
                let note = request.checkpoint + &line;
                let time = checkpoint::cosigned_at(&note, "w", key).unwrap();
                assert!(time.is_some(), "{line}");
                let head = tree.head();
                signed
                    .lock()
                    .unwrap()
                    .entry(head.size)
                    .or_default()
                    .insert(head.root.0);
                old = head.size;
            }
            Some((409, size)) => old = parse_size(&size).unwrap(),
            Some((422, _)) => {}
            None => return,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn d06_a_witness_that_is_killed_at_any_moment_signs_one_history() {
    let folder = tempfile::tempdir().unwrap();
    let (witness, public) = watcher(folder.path());
    let signed = Signed::default();
    // Other worlds' heads are kept as evidence first, which takes the disk its time.
    for round in 0..300_u64 {
        if round >= 25 && signed.lock().unwrap().len() > 10 {
            break;
        }
        let mut process = Process::start(&witness, None);
        let address = process.address;
        let stop = AtomicBool::new(false);
        scope(|scope| {
            for world in 0..4 {
                let (public, signed, stop) = (&public, &signed, &stop);
                scope.spawn(move || press(address, public, world, signed, stop));
            }
            park_timeout(Duration::from_millis(30 + round * 7 % 60));
            process.child.kill().unwrap();
            process.child.wait().unwrap();
            stop.store(true, Ordering::SeqCst);
        });
    }
    let signed = signed.into_inner().unwrap();
    assert!(signed.len() > 10, "{} heads", signed.len());
    for (size, roots) in &signed {
        assert_eq!(roots.len(), 1, "two roots of size {size}");
    }
}

/// The server shows it another world. It says so, keeps both heads over a restart, and hands them over in a
/// form that a stranger can check with the card alone.
#[test]
fn d06_a_witness_that_is_shown_a_fork_says_so_and_keeps_the_proof() {
    let folder = tempfile::tempdir().unwrap();
    let (witness, _) = watcher(folder.path());
    let none = witness.json(&["witness", "show"]).object();
    assert_eq!(none["contradictions"], serde_json::json!([]));
    let missing = witness.run(&["witness", "evidence"]);
    assert_eq!(missing.code, 5, "{missing:?}");
    let process = Process::listen(&witness);
    let (ours, theirs) = (log(1, 5), log(2, 5));
    assert_eq!(
        ask(process.address, &request(&ours, 0).to_text())
            .unwrap()
            .0,
        200
    );
    for _ in 0..2 {
        let (status, size) = ask(process.address, &request(&theirs, 0).to_text()).unwrap();
        assert_eq!((status, size.as_str()), (409, "5\n"));
    }
    let larger = request(&log(3, 9), 5).to_text();
    assert_eq!(ask(process.address, &larger).unwrap().0, 422);
    let said = process.ends();
    let alarms: Vec<_> = said.lines().filter(|line| line.contains("ALARM")).collect();
    assert_eq!(alarms.len(), 2, "{said}");
    assert!(
        alarms[0].contains("the server signed two logs: 5 entries"),
        "{said}"
    );
    assert!(
        alarms[0].contains(&theirs.head().root.to_string()),
        "{said}"
    );

    let shown = witness.json(&["witness", "show"]).object();
    assert_eq!(shown["contradictions"].as_array().unwrap().len(), 2);
    assert_eq!(shown["root"], ours.head().root.to_string());
    let (card, file) = (
        folder.path().join("card.valise"),
        folder.path().join("fork"),
    );
    let (card, file) = (card.to_str().unwrap(), file.to_str().unwrap());
    witness.must(&["witness", "evidence", "1", "--out", file]);
    let checked = witness.json(&["log", "evidence", "check", file, "--card", card]);
    assert_eq!(checked.object()["verdict"], "the server signed two logs");
    let printed = witness.must(&["witness", "evidence", "1"]);
    assert_eq!(
        printed.out.trim_end(),
        std::fs::read_to_string(file).unwrap().trim_end()
    );
}

/// Dies before it has written what it signs, and right after that.
#[test]
fn d06_no_signature_leaves_before_it_is_remembered() {
    let folder = tempfile::tempdir().unwrap();
    let (witness, _) = watcher(folder.path());
    let (ours, theirs) = (
        request(&log(1, 5), 0).to_text(),
        request(&log(2, 5), 0).to_text(),
    );
    let dies_at = |step, request: &str| {
        let mut process = Process::start(&witness, Some(step));
        assert_eq!(ask(process.address, request), None);
        assert!(ends_within(&mut process.child, 20_000).is_some());
    };
    dies_at("before-witness-state", &theirs);
    dies_at("after-witness-state", &ours);
    let process = Process::start(&witness, None);
    let (status, size) = ask(process.address, &theirs).unwrap();
    assert_eq!((status, size.as_str()), (409, "5\n"));
    let again = request(&log(1, 5), 5).to_text();
    assert_eq!(ask(process.address, &again).unwrap().0, 200);
}
