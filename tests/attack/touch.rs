//! The security key: each touch signs one thing, and what it opens a store with leaves no computer.

use std::path::Path;

use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER, HEXUPPER};
use reqwest::Method;
use ring::hkdf;
use valise_client::{
    account::Declared,
    attack::Claim,
    key::{self, AssertionRequest, Source, soft},
    session::Session,
    vault,
};
use valise_proto::{
    api::{LETTERS, SYNC},
    card::Card,
    label,
    log::entry::{AccountRestore, AccountSuspend, AdminAdd, Fact, ListSet},
    statement::relying_party,
};

use crate::support::{Mallory, Office, Person, mallory::Exchange, person::Willing, search};

/// How often a finger was on the key in this file.
fn fingers(key: &Path) -> usize {
    let commands = soft::commands(key).unwrap_or_default();
    commands.iter().filter(|name| *name == "touch").count()
}

/// How often `person` was asked for a touch by `act`; the key was touched as often, and no more.
async fn touches(person: &mut Person, act: impl AsyncFnOnce(&mut Person)) -> usize {
    let before = (person.touches(), fingers(&person.key));
    act(person).await;
    let asked = person.touches() - before.0;
    assert_eq!(fingers(&person.key) - before.1, asked);
    asked
}

async fn declared(person: &mut Person, fact: Fact) -> usize {
    let act = async |person: &mut Person| drop(person.declare(fact).await.expect("an act"));
    touches(person, act).await
}

#[tokio::test]
async fn l19_one_touch_is_one_signature_and_every_act_has_its_own() {
    let (office, mut alice) = Office::open().await;
    let mut bob = office.person("bob");
    // S, L and the key of the letters are made; then the store is opened, and L and S sign.
    let asked = touches(&mut bob, async |bob| bob.ask(&office).await).await;
    assert_eq!(asked, 3);
    let name = bob.name.clone();
    assert_eq!(
        touches(&mut alice, async |alice| alice.enrol(&name).await).await,
        1
    );
    assert_eq!(
        touches(&mut bob, async |bob| bob.join(&office).await).await,
        3
    );
    assert_eq!(touches(&mut bob, async |bob| bob.reopen()).await, 1);
    let log_in = async |bob: &mut Person| bob.try_log_in().await.expect("a login");
    assert_eq!(touches(&mut bob, log_in).await, 1);
    // Writing, sending and reading are no acts of the key.
    let write = async |bob: &mut Person| {
        bob.send(&["alice"], "Hello", "Hello.").await;
        bob.sync().await;
    };
    assert_eq!(touches(&mut bob, write).await, 0);

    let list = Fact::ListSet(ListSet {
        list: "press".parse().expect("a name"),
        members: vec![name.clone()],
    });
    let (account, again) = (name.clone(), name.clone());
    for fact in [
        list,
        Fact::AccountSuspend(AccountSuspend { account }),
        Fact::AccountRestore(AccountRestore { account: again }),
    ] {
        assert_eq!(
            declared(&mut alice, fact.clone()).await,
            1,
            "{}",
            fact.kind()
        );
    }
    let account = name.clone();
    assert_eq!(
        declared(&mut alice, Fact::AdminAdd(AdminAdd { account })).await,
        1
    );
    // An act of two admins is one touch of each.
    let carol = office.hire(&mut alice, "carol").await;
    let account = carol.name.clone();
    assert_eq!(
        declared(&mut alice, Fact::AdminAdd(AdminAdd { account })).await,
        1
    );
    let approve = async |bob: &mut Person| {
        let open = bob.online(async |session, _| session.proposals().await);
        let open = open.await.expect("acts");
        let approving =
            bob.online(async |session, keyring| session.approve(keyring, &open[0]).await);
        assert!(matches!(approving.await, Ok(Declared::Done)));
    };
    bob.sync().await;
    assert_eq!(touches(&mut bob, approve).await, 1);
    // A second key: one touch of the first, and its own three.
    let before = bob.touches();
    let first = fingers(&bob.key);
    let second = bob.add_second_key().await;
    assert_eq!(fingers(&bob.key) - first, 1);
    assert_eq!(fingers(&second), 3);
    assert_eq!(bob.touches() - before, 4);
}

/// What the key at `path` gives to open the store of an organisation.
fn hmac_secret(path: &Path, card: &Card) -> [u8; 32] {
    let request = AssertionRequest {
        rp_id: &relying_party(card.tag),
        client_data_hash: [0; 32],
        allow: &[],
        salt: Some(vault::salt(card.tag)),
        purpose: "look into it",
    };
    let mut key = key::open(&Source::Soft(path.to_owned())).expect("the key");
    let assertion = key.assert(&request, &mut Willing::default());
    *assertion.expect("a touch").secret.expect("a secret")
}

/// All that must stay on the computer: the secret, what is derived from it, and what that opens.
fn secrets(person: &mut Person, card: &Card) -> Vec<[u8; 32]> {
    let secret = hmac_secret(&person.key, card);
    let derived = hkdf::Salt::new(hkdf::HKDF_SHA256, b"").extract(&secret);
    let mut seed = [0; 32];
    derived
        .expand(&[label::VAULT_SEED], hkdf::HKDF_SHA256)
        .and_then(|okm| okm.fill(&mut seed))
        .expect("a seed");
    let home = person.home();
    let opened = person.with_keyring(|keyring, _| Session::unlock(&home, keyring));
    vec![secret, seed, *opened.expect("the store's key")]
}

/// `secret` as it could be written: as it is, in hexadecimal, and in base64 wherever it begins there.
fn spellings(secret: &[u8; 32]) -> Vec<Vec<u8>> {
    let mut spellings = vec![
        secret.to_vec(),
        HEXLOWER.encode(secret).into_bytes(),
        HEXUPPER.encode(secret).into_bytes(),
    ];
    for skipped in 0..3 {
        let part = &secret[skipped..skipped + 27];
        spellings
            .extend([BASE64.encode(part), BASE64URL_NOPAD.encode(part)].map(String::into_bytes));
    }
    spellings
}

/// How often any of `secrets` is in anything that passed mallory: paths, headers, bodies, answers.
fn found(mallory: &Mallory, secrets: &[[u8; 32]]) -> usize {
    let all = mallory.all();
    let said = |exchange: &Exchange| {
        let mut said = exchange.path.clone().into_bytes();
        for (name, value) in &exchange.headers {
            said.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\n"].concat());
        }
        [said, exchange.body.clone(), exchange.answer.clone()].concat()
    };
    let spellings: Vec<_> = secrets.iter().flat_map(spellings).collect();
    let count = |said: Vec<u8>| -> usize {
        let times = spellings.iter().map(|secret| search::count(&said, secret));
        times.sum()
    };
    all.iter().map(|exchange| count(said(exchange))).sum()
}

/// Bob joins, logs in, unlocks, writes, adds a second key and reads, all under mallory's eyes.
async fn a_day(office: &Office, alice: &mut Person) -> Person {
    let mut bob = office.hire(alice, "bob").await;
    bob.reopen();
    bob.try_log_in().await.expect("a login");
    bob.send(&["alice"], "Hello", "Hello.").await;
    alice.sync().await;
    alice.send(&["bob"], "Hello", "Hello to you.").await;
    bob.add_second_key().await;
    bob.sync().await;
    bob.other_computer().join(office).await;
    bob
}

#[tokio::test]
async fn l18_no_secret_of_the_key_passes_the_wire() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let mut bob = a_day(&office, &mut alice).await;
    let mut secrets = secrets(&mut bob, &office.card);
    secrets.extend(self::secrets(&mut alice, &office.card));
    secrets.push(hmac_secret(&bob.key.with_extension("second"), &office.card));
    secrets.sort_unstable();
    secrets.dedup();
    assert_eq!(secrets.len(), 7);
    assert!(mallory.all().len() > 30, "{}", mallory.all().len());
    assert_eq!(found(&mallory, &secrets), 0);
    // Nor is it anywhere at the server, or at home.
    for secret in secrets.iter().flat_map(spellings) {
        for folder in [office.data(), bob.folder.clone(), alice.folder.clone()] {
            assert_eq!(
                search::files_with(&folder, &secret),
                Vec::<std::path::PathBuf>::new()
            );
        }
    }
}

/// The search finds what is there: in a body, in a path, in any of the spellings.
#[tokio::test]
async fn l18_twin_a_planted_secret_is_found() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let mut bob = a_day(&office, &mut alice).await;
    let secrets = secrets(&mut bob, &office.card);
    let session = bob.session().login_session().expect("the store");
    let claim = Claim::Session(session.expect("a session").id);
    let secret = secrets[0];
    let mut planted = 0;
    for spelt in [secret.to_vec(), HEXUPPER.encode(&secret).into_bytes()] {
        for before in ["", "a", "ab", "abc"] {
            let body = [before.as_bytes(), &spelt].concat();
            let answer = bob.request(claim, Method::POST, LETTERS, body).await;
            assert!(answer.is_err());
            planted += 1;
            assert_eq!(found(&mallory, &secrets), planted);
        }
    }
    for before in ["", "a", "ab"] {
        let bytes = [before.as_bytes(), &secret].concat();
        let path = format!("{SYNC}?secret={}", BASE64URL_NOPAD.encode(&bytes));
        drop(bob.request(claim, Method::GET, &path, Vec::new()).await);
        let seen = found(&mallory, &secrets);
        assert!(seen > planted, "{before}");
        planted = seen;
    }
}
