//! The bodies of the fuzz targets: whatever bytes a decoder reads, it writes again, and none panics.
//!
//! Behind the feature `testing`. `tests/fuzz/` lends them to cargo-fuzz; the tests below replay its
//! corpus on the stable compiler.
#![expect(
    clippy::missing_panics_doc,
    reason = "a fuzz target's panic is its finding"
)]

pub mod seed;

use tls_codec::{DeserializeBytes, Serialize};

use crate::{
    api::{self, delivery, directory, enrolment, key_package, login, proposal},
    attachment::{HEADER, Opener, Sealer},
    card::{Card, ServerUrl},
    codec::{Limited, decode, encode},
    conversation::{AuthenticatedData, Conversation, LeafIdentity},
    history::{KeptLetter, SignedManifest},
    key::{Ed25519Key, KeyRecord},
    letter::Letter,
    log::{
        checkpoint,
        entry::{Entry, Witness},
        evidence::Evidence,
        replay::Directory,
        witness::{self, AddCheckpoint},
    },
    request::{self, Parameters},
    testing::SoftDevice,
};

/// `bytes`, and what is cut or spoiled of them anywhere.
pub fn spoiled(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let cuts = (0..=bytes.len()).map(|at| bytes.get(..at).unwrap_or_default().to_vec());
    let flips = (0..bytes.len()).flat_map(|at| [(at, 0x01), (at, 0x40), (at, 0x80)]);
    let flips = flips.map(|(at, change)| {
        let mut flipped = bytes.to_vec();
        if let Some(byte) = flipped.get_mut(at) {
            *byte ^= change;
        }
        flipped
    });
    cuts.chain(flips)
}

/// Every target and its name.
#[expect(clippy::type_complexity, reason = "a plain table of two columns")]
pub const TARGETS: &[(&str, fn(&[u8]))] = &[
    ("add_checkpoint", add_checkpoint),
    ("api", api),
    ("attachment", attachment),
    ("authenticated_data", authenticated_data),
    ("card", card),
    ("checkpoint", checkpoint),
    ("conversation", conversation),
    ("entry", entry),
    ("evidence", evidence),
    ("history", history),
    ("kept_letter", kept_letter),
    ("key_record", key_record),
    ("leaf_identity", leaf_identity),
    ("letter", letter),
    ("request", request),
    ("server_url", server_url),
    ("witness_key", witness_key),
];

/// What is read is written again, to the byte (D16).
fn round_trip<T: DeserializeBytes + Serialize + Limited>(bytes: &[u8]) {
    if let Ok(value) = decode::<T>(bytes) {
        assert!(encode(&value) == bytes, "not canonical");
    }
}

/// The bodies of the API, in the order of the first byte of an input of [`api()`].
const BODIES: &[fn(&[u8])] = &[
    round_trip::<api::Problem>,
    round_trip::<enrolment::Challenge>,
    round_trip::<enrolment::Ask>,
    round_trip::<enrolment::Status>,
    round_trip::<enrolment::Pending>,
    round_trip::<login::Challenge>,
    round_trip::<login::Finish>,
    round_trip::<login::Session>,
    round_trip::<directory::Page>,
    round_trip::<directory::Appended>,
    round_trip::<key_package::Publish>,
    round_trip::<key_package::Claim>,
    round_trip::<key_package::Claimed>,
    round_trip::<delivery::Commit>,
    round_trip::<delivery::Letters>,
    round_trip::<delivery::Accepted>,
    round_trip::<delivery::Page>,
    round_trip::<delivery::Ack>,
    round_trip::<proposal::Propose>,
    round_trip::<proposal::Open>,
    round_trip::<api::attachment::Begin>,
    round_trip::<api::attachment::Stored>,
    round_trip::<login::Copied>,
    round_trip::<delivery::AcceptedLetters>,
];

/// Every body of the API; the first byte says which.
pub fn api(bytes: &[u8]) {
    if let Some((which, body)) = bytes.split_first()
        && let Some(target) = BODIES.get(usize::from(*which))
    {
        target(body);
    }
}

/// [`AddCheckpoint::parse`], and what a witness answers: a size.
pub fn add_checkpoint(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else {
        return;
    };
    if let Ok(request) = AddCheckpoint::parse(text) {
        assert!(request.to_text() == text, "another form");
    }
    if let Ok(size) = witness::parse_size(text) {
        assert!(witness::format_size(size) == text, "another form");
    }
}

/// [`Opener`], for the key of [`seed::file_key`]: after the file's size, its ciphertext. What opens whole is
/// what would be sealed.
pub fn attachment(bytes: &[u8]) {
    let Some((size, ciphertext)) = bytes.split_first_chunk::<8>() else {
        return;
    };
    let (key, size) = (seed::file_key(), u64::from_be_bytes(*size));
    let Some((header, chunks)) = ciphertext.split_first_chunk::<HEADER>() else {
        return;
    };
    let Ok(mut opener) = Opener::new(&seed::file(size), header) else {
        return;
    };
    let Ok((mut sealer, first)) = Sealer::new(&key, size) else {
        return;
    };
    let (mut again, mut rest) = (first.to_vec(), chunks);
    while let Some((now, later)) = opener
        .wants()
        .and_then(|wants| rest.split_at_checked(wants))
    {
        let mut chunk = now.to_vec();
        let Ok(content) = opener.open(&mut chunk) else {
            return;
        };
        let mut content = content.to_vec();
        assert!(sealer.seal(&mut content).is_ok(), "another order");
        again.extend(content);
        rest = later;
    }
    let read = ciphertext.strip_suffix(rest).unwrap_or_default();
    assert!(again == read, "another form");
}

/// [`AuthenticatedData`]
pub fn authenticated_data(bytes: &[u8]) {
    round_trip::<AuthenticatedData>(bytes);
}

/// [`Card`]
pub fn card(bytes: &[u8]) {
    if let Ok(text) = str::from_utf8(bytes)
        && let Ok(card) = text.parse::<Card>()
    {
        assert_eq!(card.to_string(), text);
    }
}

/// [`checkpoint::open`], for the server of [`seed::SERVER_SEED`], which is the cosigner too.
pub fn checkpoint(bytes: &[u8]) {
    let server = SoftDevice::from_seed(seed::SERVER_SEED);
    if let Ok(note) = str::from_utf8(bytes)
        && let Ok(key) = Ed25519Key::try_from(server.id().0)
        && let Ok(head) = checkpoint::open(note, seed::ORG, key)
    {
        let signed = checkpoint::format_signed(seed::ORG, head, key, |text| server.sign(text));
        assert!(note.starts_with(&signed), "another form");
        if let Ok(Some(time)) = checkpoint::cosigned_at(note, &checkpoint::origin(seed::ORG), key) {
            let line = seed::cosignature(&signed, time);
            assert!(note.contains(&line), "another form");
        }
    }
}

/// [`Conversation`]
pub fn conversation(bytes: &[u8]) {
    round_trip::<Conversation>(bytes);
    if let Ok(conversation) = decode::<Conversation>(bytes) {
        let id = conversation.group_id(seed::ORG);
        assert!(id.is_none() || conversation.accounts.contains(&conversation.creator));
    }
}

/// [`Entry`], as the first of a log too.
pub fn entry(bytes: &[u8]) {
    round_trip::<Entry>(bytes);
    if let Ok(directory) = Directory::found(bytes) {
        assert_eq!(directory.head().size, 1);
    }
}

/// [`Evidence::open`], against the server of [`seed::SERVER_SEED`].
pub fn evidence(bytes: &[u8]) {
    let server = SoftDevice::from_seed(seed::SERVER_SEED);
    if let Ok(text) = str::from_utf8(bytes)
        && let Ok(key) = Ed25519Key::try_from(server.id().0)
        && let Ok(evidence) = Evidence::open(text, seed::ORG, key)
    {
        assert!(evidence.to_text(seed::ORG, key) == text, "another form");
    }
}

/// [`SignedManifest`]
pub fn history(bytes: &[u8]) {
    round_trip::<SignedManifest>(bytes);
}

/// [`KeptLetter`]
pub fn kept_letter(bytes: &[u8]) {
    round_trip::<KeptLetter>(bytes);
}

/// [`KeyRecord`]
pub fn key_record(bytes: &[u8]) {
    round_trip::<KeyRecord>(bytes);
}

/// [`LeafIdentity`]
pub fn leaf_identity(bytes: &[u8]) {
    round_trip::<LeafIdentity>(bytes);
}

/// [`Letter::from_padded`]
pub fn letter(bytes: &[u8]) {
    if let Ok(letter) = Letter::from_padded(bytes) {
        assert!(letter.to_padded() == bytes, "not canonical");
    }
}

/// The headers of a signed request, and the query of a file's part.
pub fn request(bytes: &[u8]) {
    let Ok(header) = str::from_utf8(bytes) else {
        return;
    };
    if let Ok(parameters) = Parameters::parse(header) {
        assert_eq!(parameters.to_header(), header);
    }
    if let Ok(signature) = request::parse_signature(header) {
        assert_eq!(request::signature(&signature), header);
    }
    if let Ok(session) = request::parse_session(header) {
        assert_eq!(request::session(session), header);
    }
    if let Some(at) = api::attachment::parse_at(header) {
        assert_eq!(api::attachment::at(at), header);
    }
    if let Some((at, length)) = api::attachment::parse_range(header) {
        assert_eq!(api::attachment::range(at, length), header);
    }
}

/// [`ServerUrl`]
pub fn server_url(bytes: &[u8]) {
    if let Ok(text) = str::from_utf8(bytes)
        && let Ok(url) = text.parse::<ServerUrl>()
    {
        assert_eq!(url.to_string(), text);
        assert!(url.origin().ends_with(url.authority()) && !url.host().is_empty());
    }
}

/// [`Witness`], as a verifier key.
pub fn witness_key(bytes: &[u8]) {
    if let Ok(text) = str::from_utf8(bytes)
        && let Ok(witness) = text.parse::<Witness>()
    {
        assert!(witness.to_string() == text, "another form");
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::PathBuf};

    use proptest::prelude::*;

    use super::*;

    fn folder() -> PathBuf {
        [env!("CARGO_MANIFEST_DIR"), "..", "tests", "fuzz"]
            .iter()
            .collect()
    }

    #[test]
    fn corpus_replays() {
        let mut replayed = 0;
        for (name, target) in TARGETS {
            for file in fs::read_dir(folder().join("corpus").join(name)).unwrap() {
                target(&fs::read(file.unwrap().path()).unwrap());
                replayed += 1;
            }
        }
        assert!(replayed >= seed::all().len());
    }

    /// The seeds are wire bytes of fixed values: as long as this passes, the format is the same.
    #[test]
    fn the_wire_is_what_the_corpus_says() {
        for seed in seed::all() {
            let path = folder().join("corpus").join(seed.target).join(seed.name);
            let committed = fs::read(&path).unwrap_or_default();
            assert!(committed == seed.bytes, "{} differs", path.display());
        }
    }

    #[test]
    #[ignore = "writes the seeds into the repository, after a change of format that is meant"]
    fn write_seeds() {
        for seed in seed::all() {
            let folder = folder().join("corpus").join(seed.target);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join(seed.name), seed.bytes).unwrap();
        }
    }

    #[test]
    fn every_target_has_a_binary_and_every_body_a_seed() {
        let manifest = fs::read_to_string(folder().join("Cargo.toml")).unwrap();
        for (name, _) in TARGETS {
            assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
            let binary = folder().join("targets").join(format!("{name}.rs"));
            let binary = fs::read_to_string(binary).unwrap();
            assert!(binary.contains(&format!("fuzz::{name}(")), "{name}");
            assert!(
                seed::all().iter().any(|seed| seed.target == *name),
                "{name}"
            );
        }
        let bodies: BTreeSet<_> = seed::all()
            .iter()
            .filter(|seed| seed.target == "api")
            .map(|seed| usize::from(seed.bytes[0]))
            .collect();
        assert!(bodies.into_iter().eq(0..BODIES.len()));
    }

    /// A seed must reach past the decoder, else it is no seed.
    #[test]
    fn seeds_decode() {
        for seed in seed::all() {
            let bytes = &seed.bytes;
            let text = str::from_utf8(bytes).unwrap_or_default();
            let read = match seed.target {
                "add_checkpoint" => {
                    AddCheckpoint::parse(text).is_ok() || witness::parse_size(text).is_ok()
                }
                "authenticated_data" => decode::<AuthenticatedData>(bytes).is_ok(),
                "card" => text.parse::<Card>().is_ok(),
                "conversation" => decode::<Conversation>(bytes).is_ok(),
                "entry" => decode::<Entry>(bytes).is_ok(),
                "history" => decode::<SignedManifest>(bytes).is_ok(),
                "kept_letter" => decode::<KeptLetter>(bytes).is_ok(),
                "key_record" => decode::<KeyRecord>(bytes).is_ok(),
                "leaf_identity" => decode::<LeafIdentity>(bytes).is_ok(),
                "letter" => Letter::from_padded(bytes).is_ok(),
                "server_url" => text.parse::<ServerUrl>().is_ok(),
                "witness_key" => text.parse::<Witness>().is_ok(),
                _ => true,
            };
            assert!(read, "{} {}", seed.target, seed.name);
        }
    }

    #[test]
    fn d16_every_seed_spoilt_anywhere_is_refused_or_canonical() {
        for seed in seed::all() {
            let (_, target) = TARGETS
                .iter()
                .find(|(name, _)| *name == seed.target)
                .unwrap();
            for at in 0..seed.bytes.len() {
                target(&seed.bytes[..at]);
                for change in [0x01, 0x40, 0x80, 0xff] {
                    let mut bytes = seed.bytes.clone();
                    bytes[at] ^= change;
                    target(&bytes);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn noise_is_refused_or_canonical(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            for (_, target) in TARGETS {
                target(&bytes);
            }
            for which in 0..=u8::try_from(BODIES.len()).unwrap() {
                api(&[&[which][..], &bytes].concat());
            }
        }
    }
}
