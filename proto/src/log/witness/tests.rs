//! The form of requests, what a witness signs, and whose word counts.

use proptest::prelude::*;

use super::*;
use crate::{
    log::{
        checkpoint::{format_cosignature, format_signed},
        merkle::{Tree, leaf_hash},
    },
    testing::SoftDevice,
};

const ORG: OrgId = OrgId([1; 32]);
const TIME: u64 = 1_800_000_000;

fn key(device: &SoftDevice) -> Ed25519Key {
    Ed25519Key::try_from(device.id().0).unwrap()
}

fn server() -> SoftDevice {
    SoftDevice::from_seed([4; 32])
}

/// A log of `size` entries that goes its own way after three.
fn log(world: u8, size: u8) -> Tree {
    let mut tree = Tree::default();
    for index in 0..size {
        tree.append(leaf_hash(&[if index < 3 { 0 } else { world }, index]));
    }
    tree
}

fn note(org: OrgId, tree: &Tree, server: &SoftDevice) -> String {
    format_signed(org, tree.head(), key(server), |text| server.sign(text))
}

/// A log asks for its head, from `old` entries on.
fn request(tree: &Tree, old: u64) -> AddCheckpoint {
    AddCheckpoint {
        old,
        proof: tree.consistency(old, tree.size()).unwrap_or_default(),
        checkpoint: note(ORG, tree, &server()),
    }
}

fn ask(request: &AddCheckpoint, known: Head) -> Result<Head, Refusal> {
    may_cosign(request, ORG, key(&server()), known).map(|signed| signed.head)
}

#[test]
fn the_request_is_frozen() {
    let text = request(&log(1, 5), 3).to_text();
    insta::assert_snapshot!(text, @r"
    old 3
    ZdJ6SN/vQG249fQ3Qjv6X5yD13v8EvihS4zj7eWJL7U=
    t0TWAPvjhTcCl47HJsFm0mJ0/nsJssYA3fLX2JVmeyQ=
    MZ3SVAAnani0NafA+Hr73CmzqAKZFaOFtrMCyTIyHjE=
    PweNO34iyJROVWGQmiNq5ItIp+pC8o3YYcIrb2TX6Xs=

    valise/aeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaq
    5
    eZxbi8y+xLWsoX7KJ0KcyI++Rx7QMQUMwk83OnrUODI=

    — valise/aeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaq +DXRmvC5aqUOVrk+RvhqiKeDJY4VRt2DKqbAB4fcjS+8UUFMk7eloj2Xz2mrcfbbn3ZlMI+6sWKh3hPPUwgAoS1xlwk=
    ");
    assert_eq!(AddCheckpoint::parse(&text), Ok(request(&log(1, 5), 3)));
}

#[test]
fn d16_a_request_has_one_form() {
    let text = request(&log(1, 5), 3).to_text();
    let long = "A".repeat(43) + "=\n";
    for changed in [
        text.replace("old 3", "old 03"),
        text.replace("old 3", "old +3"),
        text.replace("old 3", "old -3"),
        text.replace("old 3", "old 18446744073709551616"),
        text.replace("old 3", "Old 3"),
        text.replace("old 3\n", "old 3\r\n"),
        text.replacen("=\n", "\n", 1),
        text.replacen('\n', &format!("\n{}", long.repeat(64)), 1),
        text.replacen('\n', "\nAAAA\n", 1),
        text.split_once("\n\n").unwrap().0.to_owned() + "\n\n",
        format!("{text}{}", "A".repeat(NOTE_MAX)),
        String::new(),
        "old 0\n".to_owned(),
    ] {
        assert_eq!(
            AddCheckpoint::parse(&changed),
            Err(PeerMalformed),
            "{changed}"
        );
    }
    let largest = AddCheckpoint {
        old: u64::MAX,
        proof: vec![Hash([9; 32]); PROOF_MAX],
        checkpoint: "A".repeat(NOTE_MAX),
    };
    assert!(largest.to_text().len() <= AddCheckpoint::MAX);
    assert_eq!(AddCheckpoint::parse(&largest.to_text()), Ok(largest));
    for (text, size) in [("0\n", Ok(0)), ("42\n", Ok(42)), ("42", Err(PeerMalformed))] {
        assert_eq!(parse_size(text), size);
    }
    for text in ["", "\n", "042\n", "42\n\n", " 42\n", "-1\n"] {
        assert_eq!(parse_size(text), Err(PeerMalformed), "{text:?}");
    }
    assert_eq!(parse_size(&format_size(u64::MAX)), Ok(u64::MAX));
}

proptest! {
    #[test]
    fn a_request_reads_back(
        old: u64,
        proof in proptest::collection::vec(any::<[u8; 32]>(), 0..=PROOF_MAX),
        checkpoint in "[ -~\n]{1,200}",
    ) {
        let proof = proof.into_iter().map(Hash).collect();
        let request = AddCheckpoint { old, proof, checkpoint };
        prop_assert_eq!(AddCheckpoint::parse(&request.to_text()), Ok(request));
    }

    #[test]
    fn what_reads_is_written_again(text in "old [0-9]{1,3}\n([A-P]{43}=\n){0,2}\n[ -~\n]{0,9}") {
        if let Ok(request) = AddCheckpoint::parse(&text) {
            prop_assert_eq!(request.to_text(), text);
        }
    }
}

#[test]
fn a_witness_signs_whatever_extends_what_it_signed() {
    for new in 0..20 {
        for old in 0..=new {
            let (before, after) = (log(1, old).head(), log(1, new));
            assert_eq!(ask(&request(&after, old.into()), before), Ok(after.head()));
        }
    }
}

#[test]
fn d06_a_witness_never_signs_a_second_history() {
    for known in 4..12 {
        for new in 4..20_u8 {
            let (ours, theirs) = (log(1, known).head(), log(2, new));
            for old in 0..=new {
                let refused = ask(&request(&theirs, old.into()), ours).unwrap_err();
                let expected = if old == known && new > known {
                    Refusal::Proof
                } else {
                    Refusal::Conflict { size: ours.size }
                };
                assert_eq!(refused, expected, "{known} {old} {new}");
            }
        }
    }
}

#[test]
fn d07_a_witness_never_goes_back() {
    let known = log(1, 9).head();
    let conflict = Err(Refusal::Conflict { size: 9 });
    for old in 0..=8 {
        assert_eq!(ask(&request(&log(1, 8), old), known), conflict);
    }
    let mut ahead = request(&log(1, 8), 8);
    ahead.old = 9;
    assert_eq!(ask(&ahead, known), Err(Refusal::Shrinks));
    // Nothing was lost: the same head is signed again, at a later time.
    assert_eq!(ask(&request(&log(1, 9), 9), known), Ok(known));
    assert_eq!(ask(&request(&log(1, 9), 5), known), conflict);
}

#[test]
fn d20_a_witness_signs_the_log_of_its_card_only() {
    let tree = log(1, 5);
    let mut asked = request(&tree, 0);
    let empty = Tree::default().head();
    asked.checkpoint = note(OrgId([2; 32]), &tree, &server());
    assert_eq!(ask(&asked, empty), Err(Refusal::UnknownLog));
    asked.checkpoint = note(ORG, &tree, &SoftDevice::from_seed([5; 32]));
    assert_eq!(ask(&asked, empty), Err(Refusal::NotSigned));
    asked.checkpoint = format!("{}\nnonsense", origin(ORG));
    assert_eq!(ask(&asked, empty), Err(Refusal::Malformed));
    for (refusal, status) in [
        (Refusal::Malformed, 400),
        (Refusal::Shrinks, 400),
        (Refusal::NotSigned, 403),
        (Refusal::UnknownLog, 404),
        (Refusal::Conflict { size: 0 }, 409),
        (Refusal::Proof, 422),
    ] {
        assert_eq!(refusal.status(), status);
    }
}

/// A note under which the witnesses of these seeds signed at these times.
fn witnessed(lines: &[(u8, &str, u64)]) -> String {
    let mut text = note(ORG, &log(1, 5), &server());
    for (seed, name, time) in lines {
        let device = SoftDevice::from_seed([*seed; 32]);
        let line = format_cosignature(&text, name, key(&device), *time, |it| device.sign(it));
        text.push_str(&line.unwrap());
    }
    text
}

fn witness(seed: u8, name: &str) -> Witness {
    Witness {
        name: name.to_owned().try_into().unwrap(),
        key: SoftDevice::from_seed([seed; 32]).id().0,
    }
}

fn three() -> [Witness; 3] {
    [witness(11, "a"), witness(12, "b"), witness(13, "c")]
}

#[test]
fn d19_a_witness_counts_once_by_name_and_key() {
    let lines = [(11, "a", TIME), (11, "a", TIME + 9), (12, "b", TIME + 1)];
    let seen = seen_at(&witnessed(&lines), &three());
    assert_eq!(seen, [Some(TIME + 9), Some(TIME + 1), None]);
    // Its key under another's name, another's key under its name, and what nobody signed.
    let seen = seen_at(&witnessed(&[(11, "b", TIME), (12, "a", TIME)]), &three());
    assert_eq!(seen, [None; 3]);
    let forged = witnessed(&[(11, "a", TIME)]).replace("— a ", "— b ");
    assert_eq!(seen_at(&forged, &three()), [None; 3]);
    let mut weak = three();
    weak[0].key = [0; 32];
    assert_eq!(seen_at(&witnessed(&[(11, "a", TIME)]), &weak), [None; 3]);
}

#[test]
fn d19_no_minority_sets_the_time() {
    assert_eq!(quorum_time([5, 9, 7], 2), Some(7));
    assert_eq!(quorum_time([5, 9, 7], 3), Some(5));
    assert_eq!(quorum_time([u64::MAX, 7], 2), Some(7));
    assert_eq!(quorum_time([u64::MAX], 2), None);
    assert_eq!(quorum_time([5, 9, 7], 4), None);
    assert_eq!(quorum_time([5, 9, 7], 0), None);
}

#[cfg(feature = "weaken")]
#[test]
fn d19_twin_one_witness_sets_the_time() {
    crate::weaken::dangerously_weaken(Some("D19"));
    assert_eq!(quorum_time([u64::MAX], 2), Some(u64::MAX));
    crate::weaken::dangerously_weaken(None);
}

#[test]
fn a_verifier_key_reads_back_and_no_slip_does() {
    let text = witness(11, "campagne.example/w1").to_string();
    insta::assert_snapshot!(text, @"campagne.example/w1+8bf5ffff+BGa+fjMsekUzMr2dCn99sFX1xe8aBq2mbZizn7aBDEc6");
    assert_eq!(text.parse(), Ok(witness(11, "campagne.example/w1")));
    for at in 0..text.len() {
        for change in [1, 2, 0x20] {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= change;
            let slip = String::from_utf8(bytes).unwrap();
            assert_eq!(slip.parse::<Witness>(), Err(PeerMalformed), "{slip}");
        }
    }
    let mut weak = witness(11, "w1");
    weak.key = [0; 32];
    assert_eq!(weak.to_string().parse::<Witness>(), Err(PeerMalformed));
    assert_eq!(
        witness(11, "").to_string().parse::<Witness>(),
        Err(PeerMalformed)
    );
}
