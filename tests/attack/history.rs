//! A history is its owner's own word: nobody plants a letter by a file, and nobody takes one that was
//! made for a key that is not his any more.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use valise_client::{
    history::HistoryFile,
    key::{self, AssertionRequest, Source},
    session::{Error, Keyring},
    trust::Alarm,
    vault::{seal_to, stream::Sealer},
    weaken::dangerously_weaken,
};
use valise_proto::{
    codec::{decode, encode},
    history::{
        KeptLetter, MAGIC, Manifest, PeerForeignHistory, SealedKey, SignedManifest, Standing,
        VERSION,
    },
    id::{DeviceId, KeyId, OrgTag},
    label,
    statement::{StatementSignature, relying_party},
};
use zeroize::Zeroizing;

use super::insider::letter;
use crate::story::recovery::recovered;
use crate::support::{Office, Person, person::Willing};

/// Bob's own history, in a file.
fn export(person: &mut Person, path: &Path) {
    let mut hand = Willing::default();
    let mut keyring = Keyring {
        source: Source::Soft(person.key.clone()),
        prompt: &mut hand,
    };
    let session = person.session();
    let packed = session.pack_history(path, |_| ()).expect("packing");
    session
        .sign_history(packed, path, &mut keyring)
        .expect("signing");
}

/// What import does, as far as it goes.
fn import(person: &mut Person, path: &Path) -> Result<u64, Error> {
    let mut hand = Willing::default();
    let mut keyring = Keyring {
        source: Source::Soft(person.key.clone()),
        prompt: &mut hand,
    };
    let session = person.session();
    let mut history = session.open_history(path)?;
    let touched = session.touch_history(&history, &mut keyring)?;
    Ok(session.import_history(&mut history, &touched, |_| ())?.new)
}

/// The sealed chunks, and what stands behind them.
fn parts(path: &Path) -> (Vec<u8>, SignedManifest) {
    let bytes = fs::read(path).unwrap();
    let signed = HistoryFile::open(path).unwrap().signed;
    let end = bytes.len() - 4 - encode(&signed).len();
    (bytes[MAGIC.len()..end].to_vec(), signed)
}

fn put_together(path: &Path, chunks: &[u8], signed: &SignedManifest) {
    let signed = encode(signed);
    let length = u32::try_from(signed.len()).unwrap().to_be_bytes();
    fs::write(path, [&MAGIC[..], chunks, &signed, &length].concat()).unwrap();
}

/// What the S of `person` says of any manifest, under the number of any key.
fn sign(person: &mut Person, number: KeyId, manifest: Manifest) -> SignedManifest {
    let tag = tag(person);
    let own = person.session().own_keys().remove(0);
    let request = AssertionRequest {
        rp_id: &relying_party(tag),
        client_data_hash: manifest.client_data_hash(),
        allow: &[own.statement.id.as_slice().to_vec()],
        salt: None,
        purpose: "forge",
    };
    let mut key = key::open(&Source::Soft(person.key.clone())).unwrap();
    let assertion = key.assert(&request, &mut Willing::default()).unwrap();
    SignedManifest {
        manifest,
        signature: StatementSignature {
            key: number,
            authenticator_data: assertion.authenticator_data.try_into().unwrap(),
            signature: assertion.signature.try_into().unwrap(),
        },
    }
}

fn tag(person: &mut Person) -> OrgTag {
    person.session().ledger().unwrap().directory().genesis().tag
}

fn own_key(person: &mut Person) -> KeyId {
    person.session().own_keys()[0].id()
}

/// A file for bob that mallory made, who knows everything public: a letter of alice's that she never
/// wrote, sealed to bob's V, from bob's own device. Mallory signs it, under the number of bob's key or
/// of his own.
fn plant(mallory: &mut Person, bob: &mut Person, as_bob: bool, path: &Path) {
    let planted = KeptLetter {
        letter: letter(DeviceId([9; 32]), &["bob"], "Send him the source."),
        group: None,
        sender: "alice".parse().unwrap(),
        device: DeviceId([9; 32]),
        here_ms: 1,
        standing: Standing::Unread,
        remark: String::new().try_into().unwrap(),
    };
    let planted = encode(&planted);
    let mut sealer = Sealer::new(Zeroizing::new([3; 32]), Vec::new());
    sealer
        .write_all(&u32::try_from(planted.len()).unwrap().to_be_bytes())
        .unwrap();
    sealer.write_all(&planted).unwrap();
    let (chunks, content) = sealer.finish().unwrap();
    let info = [label::HISTORY_SEAL, &tag(bob).0].concat();
    let opens = seal_to(&bob.session().own_keys()[0], &info, &[3; 32]).unwrap();
    let manifest = Manifest {
        version: VERSION,
        org: bob.session().ledger().unwrap().directory().org(),
        account: bob.name.clone(),
        device: bob.session().device(),
        made_ms: 1,
        letters: 1,
        content,
        seals: vec![SealedKey {
            key: own_key(bob),
            encapsulated: opens.encapsulated,
            sealed: opens.sealed,
        }],
    };
    let number = if as_bob {
        own_key(bob)
    } else {
        own_key(mallory)
    };
    put_together(path, &chunks, &sign(mallory, number, manifest));
}

/// An alarm, an event, nothing imported, and no touch.
#[track_caller]
fn refused(person: &mut Person, path: &Path, letters: usize) -> PeerForeignHistory {
    let answer = import(person, path);
    let Err(Error::Alarm(Alarm::ForeignHistory(why))) = answer else {
        panic!("{answer:?}");
    };
    assert_eq!(person.letters().len(), letters);
    assert!(person.events().contains(&"foreign-history".to_owned()));
    why
}

async fn three(off: Option<&str>) -> (Office, Person, Person, PathBuf) {
    let (office, mut alice) = Office::open().await;
    let [bob, mallory] = office.hire_all(&mut alice, ["bob", "mallory"]).await;
    let file = office.folder.path().join("letters.valise");
    dangerously_weaken(off);
    (office, bob, mallory, file)
}

#[tokio::test]
async fn a_colleague_plants_no_letter_by_a_history() {
    let (_office, mut bob, mut mallory, file) = three(None).await;
    bob.sync().await;
    mallory.sync().await;
    plant(&mut mallory, &mut bob, false, &file);
    let why = refused(&mut bob, &file, 0);
    assert_eq!(why, PeerForeignHistory::Key(bob.name.clone()));
    plant(&mut mallory, &mut bob, true, &file);
    let why = refused(&mut bob, &file, 0);
    assert!(matches!(why, PeerForeignHistory::Signature(_)), "{why:?}");
}

#[tokio::test]
async fn twin_a_colleague_plants_a_letter_by_a_history() {
    let (_office, mut bob, mut mallory, file) = three(Some("history")).await;
    bob.sync().await;
    mallory.sync().await;
    plant(&mut mallory, &mut bob, true, &file);
    assert_eq!(import(&mut bob, &file).expect("imported"), 1);
    let planted = bob.letters().remove(0);
    assert_eq!(
        (planted.body.as_str(), planted.sender.as_str()),
        ("Send him the source.", "alice")
    );
}

#[tokio::test]
async fn a_history_of_somebody_else_is_refused_under_any_name() {
    let (_office, mut bob, mut mallory, file) = three(None).await;
    bob.sync().await;
    mallory.sync().await;
    // Mallory's own, as it is; and with bob's name and device written into it.
    export(&mut mallory, &file);
    let why = refused(&mut bob, &file, 0);
    assert_eq!(why, PeerForeignHistory::Account(mallory.name.clone()));
    let (chunks, mut signed) = parts(&file);
    signed.manifest.account = bob.name.clone();
    signed.manifest.device = bob.session().device();
    put_together(&file, &chunks, &signed);
    let why = refused(&mut bob, &file, 0);
    assert_eq!(why, PeerForeignHistory::Key(bob.name.clone()));

    // Another organisation's bob.
    let (other, mut other_alice) = Office::open().await;
    let mut other_bob = other.hire(&mut other_alice, "bob").await;
    let file = other.folder.path().join("letters.valise");
    export(&mut other_bob, &file);
    let why = refused(&mut bob, &file, 0);
    assert_eq!(why, PeerForeignHistory::Organisation);
}

#[tokio::test]
async fn a_history_that_was_changed_anywhere_is_refused() {
    let (office, mut alice) = Office::open().await;
    let [mut bob, mut laptop] = office.bob_at_two(&mut alice, &["Old."]).await;
    let file = office.folder.path().join("letters.valise");
    export(&mut bob, &file);
    let good = fs::read(&file).unwrap();
    for at in 0..good.len() {
        let mut spoilt = good.clone();
        spoilt[at] ^= 1 << (at % 8);
        fs::write(&file, &spoilt).unwrap();
        let answer = import(&mut laptop, &file);
        let named = matches!(
            answer,
            Err(Error::BadHistory { .. } | Error::Alarm(Alarm::ForeignHistory(_)))
        );
        assert!(named, "byte {at}: {answer:?}");
    }
    for end in (0..good.len()).step_by(13) {
        fs::write(&file, &good[..end]).unwrap();
        let answer = import(&mut laptop, &file);
        assert!(
            matches!(answer, Err(Error::BadHistory { .. })),
            "cut at {end}: {answer:?}"
        );
    }
    fs::write(&file, [&good[..], &good].concat()).unwrap();
    let answer = import(&mut laptop, &file);
    assert!(
        matches!(answer, Err(Error::BadHistory { .. })),
        "{answer:?}"
    );
    assert!(laptop.letters().is_empty());
    fs::write(&file, &good).unwrap();
    assert_eq!(import(&mut laptop, &file).expect("imported"), 1);
}

#[tokio::test]
async fn chunks_in_another_order_are_refused() {
    let (office, mut alice) = Office::open().await;
    let text = "x".repeat(50_000);
    let [mut bob, mut laptop] = office.bob_at_two(&mut alice, &[text.as_str(); 4]).await;
    let file = office.folder.path().join("letters.valise");
    export(&mut bob, &file);
    let (chunks, signed) = parts(&file);
    let size = 64 * 1024 + 16;
    let turned = [
        &chunks[size..2 * size],
        &chunks[..size],
        &chunks[2 * size..],
    ]
    .concat();
    put_together(&file, &turned, &signed);
    let answer = import(&mut laptop, &file);
    assert!(
        matches!(answer, Err(Error::BadHistory { .. })),
        "{answer:?}"
    );
    assert!(laptop.letters().is_empty());
}

#[tokio::test]
async fn a_history_from_a_revoked_computer_is_refused() {
    let (office, mut alice) = Office::open().await;
    let [mut bob, mut laptop] = office.bob_at_two(&mut alice, &[]).await;
    let file = office.folder.path().join("letters.valise");
    let (name, stolen) = (bob.name.clone(), laptop.session().device());
    bob.revoke(&name, stolen).await;
    // The laptop has not heard of it.
    export(&mut laptop, &file);
    let why = refused(&mut bob, &file, 0);
    assert_eq!(why, PeerForeignHistory::Device(bob.name.clone()));
    // When it has, it makes none.
    laptop.try_sync().await.expect_err("revoked");
}

#[tokio::test]
async fn e08_a_recovered_account_imports_nothing_that_was_made_for_the_old_keys() {
    let (office, mut alice) = Office::open().await;
    let mut bob = office.hire(&mut alice, "bob").await;
    alice.send(&["bob"], "Before", "Old.").await;
    bob.sync().await;
    let file = office.folder.path().join("letters.valise");
    export(&mut bob, &file);
    let mut found = recovered(&office, &mut alice, &bob).await;
    let why = refused(&mut found, &file, 0);
    assert_eq!(why, PeerForeignHistory::Device(bob.name.clone()));
    // Not even when the new key says that it is its owner's word: no V of it opens the letters.
    let (chunks, old) = parts(&file);
    let mut manifest = old.manifest;
    manifest.device = found.session().device();
    let number = own_key(&mut found);
    let signed = sign(&mut found, number, manifest);
    assert_eq!(decode(&encode(&signed)), Ok(signed.clone()));
    put_together(&file, &chunks, &signed);
    let answer = import(&mut found, &file);
    assert!(matches!(answer, Err(Error::NotSealedToKey)), "{answer:?}");
    assert!(found.letters().is_empty());
}
