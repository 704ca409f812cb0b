//! No entry counts whose signers had no power to make it, whoever takes it and whoever signs the head.

use data_encoding::BASE64URL_NOPAD;
use reqwest::Method;
use serde_json::json;
use valise_client::{
    attack::Rogue, clock::Clock as _, session::Error, trust::Alarm, weaken::dangerously_weaken,
};
use valise_proto::{
    api::{COMMITS, ErrorCode, LETTERS},
    codec::{decode, encode},
    conversation::LeafIdentity,
    id::{Name, OrgId},
    key::SOFT_KEY_MODEL,
    label,
    log::{
        Head,
        entry::{
            AccountAdd, AccountRestore, AccountSuspend, AdminAdd, DeviceRevoke, Entry, Fact, KeyAdd,
        },
        merkle::leaf_hash,
        replay::Refusal,
    },
    statement::{client_data_hash, sha256},
    testing::{self, SoftDevice, SoftStatementKey},
};

use super::ghost::read;
use crate::support::{Mallory, Office, Person, mallory};

const SECRET: &str = "The source is called Jean.";

/// The seed of mallory's own computer.
const SEED: [u8; 32] = [7; 32];

/// A key in mallory's hands, of a model that the organisation allows.
fn made_up(office: &Office) -> SoftStatementKey {
    let mut key = SoftStatementKey::generate(office.card.tag);
    key.record.model = SOFT_KEY_MODEL;
    key
}

/// Mallory's computer, certified as `name`'s.
fn certificate(office: &Office, name: &str) -> Fact {
    let device = SoftDevice::from_seed(SEED);
    let name = name.parse().unwrap();
    Fact::DeviceAdd(device.certificate(office.card.org, &name, "laptop"))
}

fn add(name: &str, key: &SoftStatementKey) -> Fact {
    Fact::AccountAdd(AccountAdd {
        account: name.parse().unwrap(),
        key: key.record.clone(),
    })
}

/// `entry` with these keys' signatures too.
fn signed_too(mut entry: Entry, office: &Office, keys: &[&SoftStatementKey]) -> Entry {
    let hash = entry.statement.client_data_hash(office.card.org);
    let more = keys.iter().map(|key| key.sign(&hash));
    entry.signatures.extend(more);
    entry.signatures.sort_by_key(|signature| signature.key);
    entry
}

/// The honest server takes no such entry from an insider, and says which rule it breaks.
async fn refused_by_server(insider: &mut Person, entry: &Entry) {
    let refused = insider.post(entry).await.expect_err("taken");
    assert_eq!(refused.code(), Some(ErrorCode::Refused), "{refused:?}");
}

/// Fed by a server that took `entry`, the honest client refuses it, by the event, and sends nothing.
async fn refused_by(
    person: &mut Person,
    to: &str,
    office: &Office,
    mallory: &Mallory,
    entry: &Entry,
) -> Refusal {
    let entries = [mallory::entries(&office.data()), vec![encode(entry)]].concat();
    mallory.serve(office, entries);
    let before = person.events().len();
    office.time.pass(10_000);
    let refused = person.try_send(&[to], "Source", SECRET).await;
    let Err(Error::Alarm(Alarm::ForgedEntry(refusal))) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(person.events()[before..], ["forged-entry"]);
    for path in [COMMITS, LETTERS] {
        assert!(mallory.seen(&Method::POST, path).is_empty());
    }
    mallory.behave();
    refusal
}

/// A server without the check `off` takes from `insider` an entry that certifies mallory's computer, and
/// hands her key package to whoever wants to write to the person whose it is then. So does alice, who
/// has switched the same check off.
async fn letter_to_mallory(
    office: &mut Office,
    alice: &mut Person,
    mallory: &Mallory,
    insider: &mut Person,
    entry: &Entry,
    off: &'static str,
) -> String {
    let Fact::DeviceAdd(certificate) = &entry.statement.fact else {
        panic!("a certificate");
    };
    office.stop();
    office.start_without(Some(off)).await;
    insider.post(entry).await.expect("the weak server takes it");
    let entries = mallory::entries(&office.data());
    let identity = LeafIdentity {
        account: certificate.account.clone(),
        device: certificate.device,
        index: u64::try_from(entries.len() - 1).unwrap(),
        certificate: leaf_hash(&encode(entry)),
    };
    let rogue = Rogue::new(&SEED, &identity).unwrap();
    let package = rogue.package().unwrap();
    mallory.publish(identity.device, &package, office.time.now_ms());
    mallory.forget();
    office.time.pass(10_000);
    dangerously_weaken(Some(off));
    let to = identity.account.to_string();
    alice.send(&[&to], "Source", SECRET).await;
    dangerously_weaken(None);
    read(mallory, &rogue)
}

/// Alice and carol are admins; bob and dave, who is on mallory's side, work here.
async fn staffed(office: &Office, alice: &mut Person) -> [Person; 3] {
    let [mut bob, carol, mut dave] = office.hire_all(alice, ["bob", "carol", "dave"]).await;
    let account = carol.name.clone();
    let appointing = alice.declare(Fact::AdminAdd(AdminAdd { account }));
    drop(appointing.await.expect("a second admin"));
    for person in [&mut bob, &mut dave] {
        person.session().read_log().await.expect("the log");
    }
    [bob, carol, dave]
}

/// Twelve entries whose signers have no authority for them, each as good as it can be.
async fn mis_authorised(
    office: &Office,
    alice: &mut Person,
    bob: &mut Person,
    dave: &mut Person,
) -> Vec<Entry> {
    let (eve, stranger) = (made_up(office), made_up(office));
    let name = |text: &str| text.parse::<Name>().unwrap();
    let suspend = |account| Fact::AccountSuspend(AccountSuspend { account });
    let promote = Fact::AdminAdd(AdminAdd {
        account: name("bob"),
    });
    let laptop = bob.session().device();
    let enrol = alice.statement(add("eve", &eve));
    let unsigned = |statement: &_| Entry {
        statement: Clone::clone(statement),
        signatures: Vec::new(),
    };
    let mut entries = Vec::new();
    // 1 to 3: not an admin.
    for fact in [add("eve", &eve), suspend(name("dave")), promote.clone()] {
        let statement = bob.statement(fact);
        entries.push(bob.sign(&statement).await);
    }
    // 4 and 5: one admin where two are needed, and beside him somebody who is none.
    let statement = alice.statement(promote);
    let alone = alice.sign(&statement).await;
    let mut both = bob.sign(&statement).await;
    both.signatures.extend(alone.signatures.clone());
    both.signatures.sort_by_key(|signature| signature.key);
    entries.extend([alone, both]);
    // 6 and 7: a computer for somebody else, by a colleague and by an admin.
    for signer in [&mut *dave, &mut *alice] {
        let statement = signer.statement(certificate(office, "bob"));
        entries.push(signer.sign(&statement).await);
    }
    // 8 and 9: a colleague's key, and a colleague's computer shut out.
    let key_add = Fact::KeyAdd(KeyAdd {
        account: name("bob"),
        key: eve.record.clone(),
    });
    let revoke = Fact::DeviceRevoke(DeviceRevoke {
        account: name("bob"),
        device: laptop,
    });
    for fact in [key_add, revoke] {
        let statement = dave.statement(fact);
        entries.push(dave.sign(&statement).await);
    }
    // 10 to 12: a key that nobody knows, alone and beside an admin, and the newcomer himself.
    entries.push(signed_too(unsigned(&enrol), office, &[&stranger]));
    let by_alice = alice.sign(&enrol).await;
    entries.push(signed_too(by_alice, office, &[&stranger]));
    entries.push(signed_too(unsigned(&enrol), office, &[&eve]));
    entries
}

#[tokio::test]
async fn d13_no_mis_authorised_entry_counts_whoever_takes_it() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let [mut bob, _carol, mut dave] = staffed(&office, &mut alice).await;
    let entries = Box::pin(mis_authorised(&office, &mut alice, &mut bob, &mut dave)).await;
    assert_eq!(entries.len(), 12);
    for (number, entry) in entries.iter().enumerate() {
        refused_by_server(&mut dave, entry).await;
        let refusal = refused_by(&mut alice, "bob", &office, &mallory, entry).await;
        assert!(
            matches!(
                (number + 1, &refusal),
                (1..=3 | 5..=9, Refusal::NoAuthority { .. })
                    | (4, Refusal::Threshold { .. })
                    | (10..=12, Refusal::UnknownSigner { .. })
            ),
            "{}: {refusal:?}",
            number + 1
        );
    }
}

#[tokio::test]
async fn d13_an_entry_from_before_the_appointment_counts_nowhere() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let [_bob, mut carol, mut dave] = staffed(&office, &mut alice).await;
    carol.session().read_log().await.expect("the log");
    // Carol is an admin, and signs in sight of the log from before she was.
    let mut statement = carol.statement(certificate(&office, "carol"));
    let account = "dave".parse().unwrap();
    statement.fact = Fact::AccountSuspend(AccountSuspend { account });
    let entries = mallory::entries(&office.data());
    let size = u64::try_from(entries.len() - 1).unwrap();
    let tree = alice.session().ledger().unwrap().directory().tree();
    let root = tree.root_at(size).unwrap();
    statement.seen = Head { size, root };
    let sight = dave.statement(statement.fact.clone());
    statement.sequence = sight.sequence;
    let entry = carol.sign(&statement).await;
    refused_by_server(&mut dave, &entry).await;
    let refusal = refused_by(&mut alice, "bob", &office, &mallory, &entry).await;
    assert!(
        matches!(refusal, Refusal::BeforeAppointment { .. }),
        "{refusal:?}"
    );
}

#[tokio::test]
async fn d13_twin_a_computer_that_dave_certifies_reads_bobs_letter() {
    let (mut office, mut alice, mallory) = Office::open_under_mallory().await;
    let [_bob, _carol, mut dave] = staffed(&office, &mut alice).await;
    let statement = dave.statement(certificate(&office, "bob"));
    let entry = dave.sign(&statement).await;
    let read = letter_to_mallory(&mut office, &mut alice, &mallory, &mut dave, &entry, "D13").await;
    assert_eq!(read, SECRET);
}

/// Bob left, came back, and left for good. Carol, who wrote to him before, has seen none of that, and
/// mallory shows her the log with the entries `again` once more at its end.
pub(super) async fn replayed(
    office: &Office,
    alice: &mut Person,
    mallory: &Mallory,
    kind: &str,
) -> (Person, Person) {
    let [mut bob, mut carol] = office.hire_all(alice, ["bob", "carol"]).await;
    carol.send(&["bob"], "Hello", "Hello.").await;
    bob.sync().await;
    let account = bob.name.clone();
    let suspend = Fact::AccountSuspend(AccountSuspend {
        account: account.clone(),
    });
    let restore = Fact::AccountRestore(AccountRestore { account });
    for fact in [suspend.clone(), restore, suspend] {
        drop(alice.declare(fact).await.expect("an entry"));
    }
    let mut entries = mallory::entries(&office.data());
    let of_bob = |entry: &&Vec<u8>| {
        let entry: Entry = decode(entry).unwrap();
        let fact = entry.statement.fact;
        fact.kind() == kind && fact.subject().is_some_and(|name| name.as_str() == "bob")
    };
    let again = entries.iter().find(of_bob).expect("an old entry").clone();
    // The server takes it: as the one that it has already. Bob stays where he is.
    let entry: Entry = decode(&again).unwrap();
    alice.post(&entry).await.expect("an old answer");
    assert_eq!(mallory::entries(&office.data()).len(), entries.len());
    entries.push(again);
    mallory.serve(office, entries);
    office.time.pass(10_000);
    (bob, carol)
}

#[tokio::test]
async fn d14_no_old_entry_brings_a_leaver_back() {
    for kind in ["account.add", "device.add", "account.restore"] {
        let (office, mut alice, mallory) = Office::open_under_mallory().await;
        let (_bob, mut carol) = replayed(&office, &mut alice, &mallory, kind).await;
        let refused = carol.try_send(&["bob"], "Source", SECRET).await;
        let Err(Error::Alarm(Alarm::ForgedEntry(refusal))) = refused else {
            panic!("{refused:?}");
        };
        assert!(matches!(refusal, Refusal::Sequence { .. }), "{refusal:?}");
        assert!(carol.events().contains(&"forged-entry".to_owned()));
        assert!(mallory.seen(&Method::POST, LETTERS).is_empty());
    }
}

#[tokio::test]
async fn d14_twin_an_old_entry_brings_a_leaver_back() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let (mut bob, mut carol) = replayed(&office, &mut alice, &mallory, "account.restore").await;
    dangerously_weaken(Some("D14"));
    carol.send(&["bob"], "Source", SECRET).await;
    let letter: valise_proto::api::delivery::Letter =
        mallory.seen(&Method::POST, LETTERS)[0].request();
    let read = bob
        .session()
        .attack_read(letter.group, letter.message.as_slice());
    assert_eq!(read.unwrap().unwrap().body.as_str(), SECRET);
}

/// Eve, whose key can be made to sign anything, and the statement that mallory's computer is hers.
async fn eve(office: &Office, alice: &mut Person) -> (SoftStatementKey, Entry) {
    let key = made_up(office);
    drop(alice.declare(add("eve", &key)).await.expect("an entry"));
    let statement = alice.statement(certificate(office, "eve"));
    let signatures = Vec::new();
    (
        key,
        Entry {
            statement,
            signatures,
        },
    )
}

/// That statement with eve's signature for the opening of a store under it.
pub(super) async fn misused(office: &Office, alice: &mut Person) -> Entry {
    let (key, mut entry) = eve(office, alice).await;
    let said = encode(&entry.statement);
    let unlocks = client_data_hash(label::UNLOCK, office.card.org, &said);
    entry.signatures = vec![key.sign(&unlocks)];
    entry
}

/// What a login signs over, if the server could choose its challenge.
fn login_hash(office: &Office, challenge: &[u8; 32]) -> [u8; 32] {
    let data = json!({
        "type": "webauthn.get",
        "challenge": BASE64URL_NOPAD.encode(challenge),
        "origin": office.card.url.origin(),
        "crossOrigin": false,
    });
    sha256(&[data.to_string().as_bytes()])
}

#[tokio::test]
async fn d17_no_other_use_of_a_key_signs_an_entry() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let mut dave = office.hire(&mut alice, "dave").await;
    let (key, mut entry) = eve(&office, &mut alice).await;
    let (org, said) = (office.card.org, encode(&entry.statement));
    let own = entry.statement.client_data_hash(org);
    let login = testing::authenticator_data(office.card.url.host());
    let signatures = [
        key.sign(&client_data_hash(label::UNLOCK, org, &said)),
        key.sign(&client_data_hash(label::CREATE, org, &said)),
        key.sign(&client_data_hash(label::ENTRY, OrgId([9; 32]), &said)),
        key.sign(&client_data_hash(label::ENTRY, OrgId([0; 32]), &said)),
        key.sign(&login_hash(&office, &own)),
        key.sign_as(&login, &login_hash(&office, &own)),
        key.sign_as(&login, &own),
    ];
    for signature in signatures {
        entry.signatures = vec![signature];
        refused_by_server(&mut dave, &entry).await;
        let refusal = refused_by(&mut alice, "eve", &office, &mallory, &entry).await;
        assert!(matches!(refusal, Refusal::Signature { .. }), "{refusal:?}");
    }
    // The same key, in its proper use.
    entry.signatures = vec![key.sign(&own)];
    dave.post(&entry).await.expect("taken");
    alice.session().read_log().await.expect("the log");
}

/// Which label was signed is in the hash, so there is nothing to switch off; under which relying party
/// is looked at. Without that, what the login's relying party could have had signed is a certificate.
#[tokio::test]
async fn d17_twin_a_signature_for_the_login_certifies_a_computer() {
    let (mut office, mut alice, mallory) = Office::open_under_mallory().await;
    let mut dave = office.hire(&mut alice, "dave").await;
    let (key, mut entry) = eve(&office, &mut alice).await;
    let login = testing::authenticator_data(office.card.url.host());
    let own = entry.statement.client_data_hash(office.card.org);
    entry.signatures = vec![key.sign_as(&login, &own)];
    let read = letter_to_mallory(&mut office, &mut alice, &mallory, &mut dave, &entry, "D17").await;
    assert_eq!(read, SECRET);
}

/// Mallory certifies her computer as bob's, by a key of her own under the id of bob's.
fn invented(office: &Office, alice: &mut Person) -> Entry {
    let statement = alice.statement(certificate(office, "bob"));
    let mut signature = made_up(office).sign(&statement.client_data_hash(office.card.org));
    let directory = alice.session().ledger().unwrap().directory();
    signature.key = directory.account(&"bob".parse().unwrap()).unwrap().keys[0];
    Entry {
        statement,
        signatures: vec![signature],
    }
}

/// With the log key, mallory signs heads; that makes no entry true.
#[tokio::test]
async fn d20_the_stolen_log_key_makes_nothing_true() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let mut dave = office.hire(&mut alice, "dave").await;
    let _bob = office.hire(&mut alice, "bob").await;
    alice.sync().await;
    let entry = invented(&office, &mut alice);
    refused_by_server(&mut dave, &entry).await;
    let refusal = refused_by(&mut alice, "bob", &office, &mallory, &entry).await;
    assert!(matches!(refusal, Refusal::Signature { .. }), "{refusal:?}");
    // Without the key, she cannot even put honest entries into another order of hers.
    mallory.alter(
        &Method::GET,
        valise_proto::api::LOG,
        |page: &mut valise_proto::api::directory::Page| {
            let note = page.checkpoint.as_str().replace('A', "B");
            page.checkpoint = valise_proto::codec::Text::truncated(&note);
        },
    );
    let refused = alice.session().read_log().await;
    assert!(matches!(
        refused,
        Err(Error::Alarm(Alarm::BadCheckpoint(_)))
    ));
    assert!(alice.events().contains(&"bad-checkpoint".to_owned()));
}

#[tokio::test]
async fn d20_twin_with_the_log_key_alone_mallory_reads_bobs_letter() {
    let (mut office, mut alice, mallory) = Office::open_under_mallory().await;
    let mut dave = office.hire(&mut alice, "dave").await;
    let _bob = office.hire(&mut alice, "bob").await;
    alice.sync().await;
    let entry = invented(&office, &mut alice);
    // Whose signature it is, is the check of D12.
    let read = letter_to_mallory(&mut office, &mut alice, &mallory, &mut dave, &entry, "D12").await;
    assert_eq!(read, SECRET);
}
