//! Evidence: two heads that one server signed and that cannot both be true.
//!
//! As a text it can be handed to anybody: whoever has the organisation card can check it, and needs
//! to believe neither side.

use data_encoding::BASE64;

use crate::{
    id::{Hash, OrgId},
    key::Ed25519Key,
    log::{
        Head,
        checkpoint::SignedHead,
        merkle::{PeerBadProof, root_before, verify_consistency},
    },
};

/// Largest text in bytes: two notes, and a proof of at most one hash a level.
pub const EVIDENCE_MAX: usize = 8192;
/// What the text starts with.
const TITLE: &str = "valise/evidence/v1";
/// Lines of a note with one signature.
const NOTE_LINES: usize = 5;
/// Most hashes in a consistency proof.
const PROOF_MAX: usize = 65;

/// A text that proves nothing against the server of the card.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("this proves nothing against the server of this card")]
pub struct PeerNoEvidence;

/// Two heads of one server. Its log under `newer` had another root at the size of `older`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Evidence {
    /// The smaller log, or one of two of the same size.
    pub older: SignedHead,
    /// The larger log.
    pub newer: SignedHead,
    /// The root that the larger log had when it was as small as the other one.
    pub root: Hash,
    /// Proof of that: RFC 9162 consistency from `root` to the root of `newer`.
    pub proof: Vec<Hash>,
}

impl Evidence {
    /// What `newer` and a proof of how it grew prove against `older`; `None` when they agree, or prove
    /// nothing.
    pub fn of(older: SignedHead, newer: SignedHead, proof: &[Hash]) -> Option<Self> {
        // Of one size each proves against the other, whatever was said of how they grew.
        let proof = if older.head.size == newer.head.size {
            &[]
        } else {
            proof
        };
        let root = root_before(older.head.size, newer.head, proof).ok()?;
        (root != older.head.root).then(|| Self {
            older,
            newer,
            root,
            proof: proof.to_vec(),
        })
    }

    /// Checks all of it: both signatures, the proof, and that the roots differ.
    pub fn verify(&self, org: OrgId, key: Ed25519Key) -> Result<(), PeerNoEvidence> {
        let signed = |head: &SignedHead| head.verify(org, key).map_err(|_| PeerNoEvidence);
        signed(&self.older)?;
        signed(&self.newer)?;
        let then = Head {
            size: self.older.head.size,
            root: self.root,
        };
        verify_consistency(then, self.newer.head, &self.proof)
            .map_err(|PeerBadProof| PeerNoEvidence)?;
        if self.root == self.older.head.root {
            return Err(PeerNoEvidence);
        }
        Ok(())
    }

    /// As a text: a title, the two signed notes, the root and the proof.
    pub fn to_text(&self, org: OrgId, key: Ed25519Key) -> String {
        let (older, newer) = (self.older.to_note(org, key), self.newer.to_note(org, key));
        let hashes = [&self.root].into_iter().chain(&self.proof);
        let hashes: Vec<_> = hashes.map(|hash| BASE64.encode(&hash.0)).collect();
        let hashes = hashes.join("\n");
        format!("{TITLE}\n\n{older}\n{newer}\n{hashes}\n")
    }

    /// Reads what [`Evidence::to_text`] writes, of at most 8 KiB, and checks all of it.
    pub fn open(text: &str, org: OrgId, key: Ed25519Key) -> Result<Self, PeerNoEvidence> {
        if text.len() > EVIDENCE_MAX {
            return Err(PeerNoEvidence);
        }
        let evidence = parse(text, org, key).ok_or(PeerNoEvidence)?;
        if evidence.to_text(org, key) != text {
            return Err(PeerNoEvidence);
        }
        evidence.verify(org, key)?;
        Ok(evidence)
    }
}

fn parse(text: &str, org: OrgId, key: Ed25519Key) -> Option<Evidence> {
    let mut lines = text.split_inclusive('\n');
    lines.next()?;
    let mut note = || {
        lines.next()?;
        let note: String = lines.by_ref().take(NOTE_LINES).collect();
        SignedHead::open(&note, org, key).ok()
    };
    let (older, newer) = (note()?, note()?);
    lines.next()?;
    let mut hashes = lines.take(PROOF_MAX + 1).map(|line| {
        let bytes = BASE64.decode(line.trim_end().as_bytes()).ok()?;
        Some(Hash(bytes.try_into().ok()?))
    });
    Some(Evidence {
        older,
        newer,
        root: hashes.next()??,
        proof: hashes.collect::<Option<_>>()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        log::{
            checkpoint::note_text,
            merkle::{Tree, leaf_hash},
        },
        testing::SoftDevice,
    };

    const ORG: OrgId = OrgId([1; 32]);

    fn server() -> (SoftDevice, Ed25519Key) {
        let server = SoftDevice::from_seed([4; 32]);
        let key = Ed25519Key::try_from(server.id().0).unwrap();
        (server, key)
    }

    fn sign(server: &SoftDevice, head: Head) -> SignedHead {
        let signature = server.sign(note_text(ORG, head).as_bytes());
        SignedHead { head, signature }
    }

    /// A log of `size` entries that goes its own way after three.
    fn log(world: u8, size: u8) -> Tree {
        let mut tree = Tree::default();
        for index in 0..size {
            tree.append(leaf_hash(&[if index < 3 { 0 } else { world }, index]));
        }
        tree
    }

    /// The evidence that another world of `older` entries and this one of `newer` give.
    fn evidence(older: u8, newer: u8) -> Evidence {
        let (server, _) = server();
        let tree = log(1, newer);
        Evidence {
            older: sign(&server, log(2, older).head()),
            newer: sign(&server, tree.head()),
            root: tree.root_at(older.into()).unwrap(),
            proof: tree.consistency(older.into(), newer.into()).unwrap(),
        }
    }

    #[test]
    fn d05_two_worlds_of_any_sizes_are_proven_to_a_stranger() {
        let (_, key) = server();
        for newer in 4..40 {
            for older in 4..=newer {
                let evidence = evidence(older, newer);
                let text = evidence.to_text(ORG, key);
                assert_eq!(Evidence::open(&text, ORG, key), Ok(evidence));
            }
        }
    }

    #[test]
    fn d06_a_proof_of_growth_is_evidence_against_another_world() {
        let (server, key) = server();
        for newer in 4..40_u8 {
            for older in 4..=newer {
                let (ours, theirs) = (log(2, older), log(1, newer));
                let signed = |tree: &Tree| sign(&server, tree.head());
                let proof = theirs.consistency(older.into(), newer.into()).unwrap();
                let found = Evidence::of(signed(&ours), signed(&theirs), &proof);
                // Of a log as large as a power of two the proof does not contain the root.
                if older < newer && older.is_power_of_two() {
                    assert_eq!(found, None);
                } else {
                    assert_eq!(found.unwrap().verify(ORG, key), Ok(()));
                }
                let honest = signed(&log(1, older));
                assert_eq!(Evidence::of(honest, signed(&theirs), &proof), None);
            }
        }
    }

    #[test]
    fn d05_one_world_is_no_evidence() {
        let (server, key) = server();
        for (older, newer) in [(1, 1), (2, 3), (3, 9), (8, 8), (8, 9)] {
            let tree = log(1, newer);
            let honest = Evidence {
                older: sign(&server, log(1, older).head()),
                newer: sign(&server, tree.head()),
                root: tree.root_at(older.into()).unwrap(),
                proof: tree.consistency(older.into(), newer.into()).unwrap(),
            };
            assert_eq!(honest.verify(ORG, key), Err(PeerNoEvidence));
            let mut accused = honest.clone();
            accused.root = Hash([9; 32]);
            assert_eq!(accused.verify(ORG, key), Err(PeerNoEvidence));
        }
    }

    #[test]
    fn d05_every_flipped_bit_and_truncation_is_refused() {
        let (_, key) = server();
        let text = evidence(5, 9).to_text(ORG, key);
        for end in 0..text.len() {
            if let Some(cut) = text.get(..end) {
                assert!(Evidence::open(cut, ORG, key).is_err(), "cut at {end}");
            }
        }
        for bit in 0..text.len() * 8 {
            let mut bytes = text.clone().into_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            if let Ok(changed) = String::from_utf8(bytes) {
                assert!(Evidence::open(&changed, ORG, key).is_err(), "bit {bit}");
            }
        }
        let long = format!("{text}{}", "A".repeat(EVIDENCE_MAX));
        assert!(Evidence::open(&long, ORG, key).is_err());
        assert!(Evidence::open(&text, OrgId([2; 32]), key).is_err());
        let other = Ed25519Key::try_from(SoftDevice::from_seed([9; 32]).id().0).unwrap();
        assert!(Evidence::open(&text, ORG, other).is_err());
    }
}
