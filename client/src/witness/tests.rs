//! What a witness remembers, and what it answers over HTTP.

use std::{
    fs,
    net::SocketAddr,
    os::unix::fs::PermissionsExt as _,
    sync::{Arc, Barrier},
    thread,
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::oneshot,
};
use valise_proto::{
    id::{Hash, OrgId, OrgTag},
    log::{
        checkpoint::{format_signed, origin},
        evidence::Evidence,
        merkle::leaf_hash,
    },
    testing::SoftDevice,
};

use super::*;
use crate::clock::Manual;

const ORG: OrgId = OrgId([1; 32]);
const NOW_MS: u64 = 1_800_000_000_000;

fn server() -> SoftDevice {
    SoftDevice::from_seed([4; 32])
}

fn key() -> Ed25519Key {
    Ed25519Key::try_from(server().id().0).unwrap()
}

fn card() -> Card {
    Card {
        url: "https://mail.campagne.example".parse().unwrap(),
        org: ORG,
        tag: OrgTag([2; 16]),
        tls: Hash([3; 32]),
        log: key(),
    }
}

/// The log of one of many worlds, which go apart after three entries.
fn log(world: u64, size: u64) -> Tree {
    let mut tree = Tree::default();
    for index in 0..size {
        let world = if index < 3 { 0 } else { world };
        tree.append(leaf_hash(
            &[world.to_be_bytes(), index.to_be_bytes()].concat(),
        ));
    }
    tree
}

fn note(tree: &Tree) -> String {
    format_signed(ORG, tree.head(), key(), |text| server().sign(text))
}

fn request(tree: &Tree, old: u64) -> String {
    let request = AddCheckpoint {
        old,
        proof: tree.consistency(old, tree.size()).unwrap(),
        checkpoint: note(tree),
    };
    request.to_text()
}

fn made() -> (TempDir, Witness) {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("witness");
    let witness = Witness::init(&place, &card(), Some("campagne.example/w1")).unwrap();
    (folder, witness)
}

/// When `witness` signed the head of `tree`, by this line.
fn signed_at(witness: &Witness, tree: &Tree, line: &str) -> Option<u64> {
    let note = note(tree) + line;
    let key = Ed25519Key::try_from(witness.public().key).unwrap();
    cosigned_at(&note, "campagne.example/w1", key).unwrap()
}

#[test]
fn c06_a_witness_is_made_once_and_its_key_is_its_own() {
    let (folder, witness) = made();
    let place = folder.path().join("witness");
    let again = Witness::init(&place, &card(), None);
    assert!(matches!(again, Err(WitnessError::MisuseTaken(_))));
    let key = fs::metadata(place.join("key")).unwrap();
    assert_eq!(key.permissions().mode() & 0o777, 0o600);
    let reopened = Witness::open(&place).unwrap();
    assert_eq!(reopened.public(), witness.public());
    assert_eq!(reopened.signed().unwrap(), None);
    let nowhere = Witness::open(&folder.path().join("other"));
    assert!(matches!(nowhere, Err(WitnessError::MisuseNotMade(_))));
    for name in ["", "a b", "a+b", &"a".repeat(65)] {
        let made = Witness::init(&folder.path().join("third"), &card(), Some(name));
        assert!(matches!(made, Err(WitnessError::MisuseName)), "{name}");
    }
    let unnamed = Witness::init(&folder.path().join("third"), &card(), None).unwrap();
    let name = unnamed.public().name.as_str().to_owned();
    assert!(name.starts_with("mail.campagne.example/"), "{name}");
    assert!(!format!("{witness:?}").contains("seed"));
}

#[test]
fn it_signs_what_grows_and_remembers_it() {
    let (folder, witness) = made();
    let (two, five) = (log(1, 2), log(1, 5));
    let line = witness.cosign(&request(&two, 0), NOW_MS).unwrap();
    assert_eq!(signed_at(&witness, &two, &line), Some(NOW_MS / 1000));
    let line = witness.cosign(&request(&five, 2), NOW_MS + 9_000).unwrap();
    assert_eq!(signed_at(&witness, &five, &line), Some(NOW_MS / 1000 + 9));
    let witness = Witness::open(&folder.path().join("witness")).unwrap();
    let signed = witness.signed().unwrap().unwrap();
    assert_eq!((signed.head, signed.time), (five.head(), NOW_MS / 1000 + 9));
    // The same head again, later.
    let line = witness.cosign(&request(&five, 5), NOW_MS + 60_000).unwrap();
    assert_eq!(signed_at(&witness, &five, &line), Some(NOW_MS / 1000 + 60));
}

#[test]
fn d06_two_processes_of_one_witness_sign_one_history() {
    let (folder, _) = made();
    let place = folder.path().join("witness");
    let start = Barrier::new(8);
    let won: usize = thread::scope(|scope| {
        let racers: Vec<_> = (0..8)
            .map(|world| {
                let (place, start) = (&place, &start);
                scope.spawn(move || {
                    let witness = Witness::open(place).unwrap();
                    start.wait();
                    witness.cosign(&request(&log(world, 5), 0), NOW_MS).is_ok()
                })
            })
            .collect();
        let won = racers.into_iter().map(|racer| racer.join().unwrap());
        won.filter(|won| *won).count()
    });
    assert_eq!(won, 1);
}

#[test]
fn d06_a_witness_that_lost_its_memory_signs_nothing() {
    let (folder, witness) = made();
    witness.cosign(&request(&log(1, 5), 0), NOW_MS).unwrap();
    let place = folder.path().join("witness");
    let file = place.join("signed");
    let good = fs::read(&file).unwrap();
    let fork = request(&log(2, 5), 0);
    let damaged = |it: Result<_, _>| matches!(it, Err(WitnessError::Damaged(_)));
    for bad in [&good[..good.len() - 1], b"nonsense"] {
        fs::write(&file, bad).unwrap();
        assert!(damaged(witness.cosign(&fork, NOW_MS)));
        assert!(damaged(Witness::open(&place).map(|_| String::new())));
    }
    fs::remove_file(&file).unwrap();
    assert!(damaged(witness.cosign(&fork, NOW_MS)));
    fs::write(&file, good).unwrap();
    assert!(matches!(
        witness.cosign(&fork, NOW_MS),
        Err(WitnessError::Contradiction {
            refusal: Refusal::Conflict { size: 5 },
            ..
        })
    ));
}

/// Whether a head that the witness is shown contradicts what it signed: `None`, or whether that is proven.
fn contradicts(witness: &Witness, request: &str) -> Option<bool> {
    match witness.cosign(request, NOW_MS) {
        Err(WitnessError::Contradiction { found, .. }) => Some(found.proven),
        _ => None,
    }
}

#[test]
fn d06_both_heads_of_a_fork_are_kept_as_evidence() {
    let (folder, witness) = made();
    let ours = log(1, 5);
    witness.cosign(&request(&ours, 0), NOW_MS).unwrap();
    // The same size, whatever the log asks from; a larger one, with the proof of its own world.
    let (fork, larger) = (log(2, 5), log(3, 9));
    assert_eq!(contradicts(&witness, &request(&fork, 0)), Some(true));
    assert_eq!(contradicts(&witness, &request(&larger, 5)), Some(true));
    // Two heads alone, beside a proof that anybody could have made up.
    let mut unproven = AddCheckpoint::parse(&request(&log(4, 9), 5)).unwrap();
    unproven.proof[0].0[0] ^= 1;
    assert_eq!(contradicts(&witness, &unproven.to_text()), Some(false));
    let witness = Witness::open(&folder.path().join("witness")).unwrap();
    let kept = witness.contradictions().unwrap();
    assert_eq!(kept.len(), 3);
    for (one, shown) in kept.iter().zip([&fork, &larger, &log(4, 9)]) {
        assert_eq!(one.known.head, ours.head());
        assert_eq!(one.shown.head, shown.head());
        let proven = Evidence::open(&one.text, ORG, key());
        assert_eq!(proven.is_ok(), one.proven);
    }
    // Shown again, they are here already.
    assert_eq!(contradicts(&witness, &request(&fork, 0)), Some(true));
    assert_eq!(witness.contradictions().unwrap().len(), 3);
}

/// The twin of every case: the honest log, and what a stranger makes up of it.
#[test]
fn d06_an_honest_log_leaves_no_evidence() {
    let (_folder, witness) = made();
    witness.cosign(&request(&log(1, 5), 0), NOW_MS).unwrap();
    for (tree, old) in [
        (log(1, 3), 0),
        (log(1, 5), 0),
        (log(1, 9), 3),
        (log(1, 4), 4),
    ] {
        assert_eq!(contradicts(&witness, &request(&tree, old)), None);
    }
    let unsigned = request(&log(2, 5), 0).replace(
        note(&log(2, 5)).lines().last().unwrap(),
        note(&log(1, 5)).lines().last().unwrap(),
    );
    assert_eq!(contradicts(&witness, &unsigned), None);
    assert_eq!(witness.contradictions().unwrap(), []);
}

/// Nobody fills the witness' disk, nor takes the room of what proves something.
#[test]
fn d06_made_up_proofs_take_little_room() {
    let (_folder, witness) = made();
    witness.cosign(&request(&log(1, 5), 0), NOW_MS).unwrap();
    for size in 6..60 {
        let mut unproven = AddCheckpoint::parse(&request(&log(1, size), 5)).unwrap();
        unproven.proof[0].0[0] ^= 1;
        assert_eq!(contradicts(&witness, &unproven.to_text()), Some(false));
    }
    assert_eq!(witness.contradictions().unwrap().len(), 32);
    assert_eq!(contradicts(&witness, &request(&log(2, 5), 0)), Some(true));
    let kept = witness.contradictions().unwrap();
    assert!(kept.last().unwrap().proven);
    // And the honest log goes on.
    witness.cosign(&request(&log(1, 9), 5), NOW_MS).unwrap();
}

/// A witness that listens, until it is dropped.
struct Listening {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    ended: tokio::task::JoinHandle<()>,
    _folder: TempDir,
}

impl Listening {
    async fn start() -> Self {
        let (folder, witness) = made();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let clock = Arc::new(Manual::new(NOW_MS));
        let shutdown = async move { drop(stopped.await) };
        let (found, _) = tokio::sync::mpsc::channel(1);
        let ended = tokio::spawn(serve(Arc::new(witness), listener, clock, found, shutdown));
        Self {
            address,
            stop,
            ended,
            _folder: folder,
        }
    }

    /// Sends bytes, and reads status, head and body of the answer.
    async fn raw(&self, bytes: &[u8]) -> (u16, String, String) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        // The witness may have heard enough before the end.
        drop(stream.write_all(bytes).await);
        let mut answer = Vec::new();
        drop(stream.read_to_end(&mut answer).await);
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, head.to_lowercase(), body.to_owned())
    }

    async fn ask(&self, method: &str, path: &str, body: &str) -> (u16, String, String) {
        let length = body.len();
        let head = format!("{method} {path} HTTP/1.1\r\nhost: w\r\ncontent-length: {length}\r\n");
        self.raw(format!("{head}\r\n{body}").as_bytes()).await
    }

    async fn post(&self, body: &str) -> (u16, String, String) {
        self.ask("POST", "/add-checkpoint", body).await
    }
}

#[tokio::test]
async fn it_answers_as_a_witness_does() {
    let witness = Listening::start().await;
    let (two, five) = (log(1, 2), log(1, 5));
    let (status, _, line) = witness.post(&request(&two, 0)).await;
    assert_eq!((status, line.lines().count()), (200, 1));
    assert!(line.starts_with("\u{2014} campagne.example/w1 "), "{line}");
    let (status, head, size) = witness.post(&request(&five, 0)).await;
    assert_eq!((status, size.as_str()), (409, "2\n"));
    assert!(head.contains("content-type: text/x.tlog.size"), "{head}");
    let mut unproven = AddCheckpoint::parse(&request(&five, 2)).unwrap();
    unproven.proof[0].0[0] ^= 1;
    assert_eq!(witness.post(&unproven.to_text()).await.0, 422);
    let shrunk = request(&two, 2).replace("old 2", "old 3");
    assert_eq!(witness.post(&shrunk).await.0, 400);
    assert_eq!(witness.post("old 0\n").await.0, 400);
    let other = request(&five, 2).replace(&origin(ORG), &origin(OrgId([9; 32])));
    assert_eq!(witness.post(&other).await.0, 404);
    let line = note(&five).lines().last().unwrap().to_owned();
    let unsigned = request(&five, 2).replace(&line, note(&two).lines().last().unwrap());
    assert_eq!(witness.post(&unsigned).await.0, 403);
    assert_eq!(witness.ask("GET", "/add-checkpoint", "").await.0, 405);
    assert_eq!(witness.ask("POST", "/", &request(&five, 2)).await.0, 404);
    assert_eq!(
        witness.post(&"a".repeat(AddCheckpoint::MAX + 1)).await.0,
        400
    );
    let long = format!("GET /{} HTTP/1.1\r\n", "a".repeat(1 << 16));
    assert!((400..500).contains(&witness.raw(long.as_bytes()).await.0));
    assert_eq!(witness.post(&request(&five, 2)).await.0, 200);
    witness.stop.send(()).unwrap();
    witness.ended.await.unwrap();
}

/// A hundred at once, each of a world of its own: one gets a signature.
#[tokio::test]
async fn d06_of_a_hundred_conflicting_heads_one_wins() {
    let witness = Arc::new(Listening::start().await);
    let asked = (0..100).map(|world| {
        let witness = Arc::clone(&witness);
        tokio::spawn(async move { witness.post(&request(&log(world, 5), 0)).await.0 })
    });
    let mut statuses = Vec::new();
    for asked in asked.collect::<Vec<_>>() {
        statuses.push(asked.await.unwrap());
    }
    statuses.sort_unstable();
    assert_eq!(statuses[0], 200);
    assert!(
        statuses[1..].iter().all(|status| *status == 409),
        "{statuses:?}"
    );
}
