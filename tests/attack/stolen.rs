//! What is stolen without a security key: an organisation card, an ask on its way, a live session.

use reqwest::{Method, StatusCode};
use valise_client::{
    account::{Joined, enrolment_requests},
    attack::Claim,
    key::KeyError,
    session::Error,
};
use valise_proto::{
    api::{
        ENROLMENTS, KEY_PACKAGE_CLAIMS, LETTERS, LOG, PROPOSALS, SESSION, SYNC,
        enrolment::{Ask, Challenge},
    },
    codec::{decode, encode},
    key::SOFT_KEY_MODEL,
    log::entry::{
        AccountAdd, AccountSuspend, AdminAdd, AdminRemove, Batch, DeviceRevoke, Fact, KeyRevoke,
        ListSet, Policy, PolicySet, RecoveryBegin, ThresholdSet,
    },
    testing::SoftStatementKey,
};

use crate::support::{Office, Person};

/// With the card, the network and a key of his own, a thief can ask, and nothing else: not under a new
/// name, not under one that is taken, and no route answers him. That every kind of entry is refused to him
/// at every route is shown with the server's own tests.
#[tokio::test]
async fn e01_a_stolen_card_lets_one_ask_and_nothing_else() {
    let (office, mut alice) = Office::open().await;
    let _bob = office.hire(&mut alice, "bob").await;
    for (folder, name) in [("one", "mallory"), ("two", "bob"), ("three", "alice")] {
        let mut thief = office.person(name);
        thief.folder = office.folder.path().join(folder);
        thief.key = office.folder.path().join(format!("{folder}.key"));
        for _ in 0..2 {
            let Ok(Joined::Waiting { session, .. }) = thief.try_join(&office).await else {
                panic!("{name} is in");
            };
            let claims = [
                Claim::Device,
                Claim::Session(alice.session().login_session().unwrap().unwrap().id),
            ];
            for claim in claims {
                for path in [SYNC, LOG, ENROLMENTS, PROPOSALS] {
                    let answer = session.attack_request(claim, Method::GET, path, Vec::new());
                    assert!(answer.await.is_err(), "{path}");
                }
                for path in [LOG, LETTERS, KEY_PACKAGE_CLAIMS] {
                    let answer = session.attack_request(claim, Method::POST, path, Vec::new());
                    assert!(answer.await.is_err(), "{path}");
                }
            }
        }
    }
    alice.sync().await;
    let directory = alice.session().ledger().unwrap().directory();
    assert_eq!(directory.accounts().count(), 2);
    // And what he asked for is nothing after a day (E03).
    let asks = async |alice: &mut Person| {
        let asked = alice.online(async |session, _| enrolment_requests(session).await);
        asked.await.expect("asks").len()
    };
    assert_eq!(asks(&mut alice).await, 3);
    office.time.pass_days(1);
    assert_eq!(asks(&mut alice).await, 0);
}

/// An ask that a thief saw on its way serves nobody but the computer and the key that it names.
#[tokio::test]
async fn e02_e03_an_ask_serves_the_one_who_made_it_once() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let mut bob = office.person("bob");
    bob.ask(&office).await;
    let mut carol = office.hire(&mut alice, "carol").await;
    let asked = |exchange: &&crate::support::mallory::Exchange| exchange.method == Method::PUT;
    let seen = mallory.all();
    let bobs = seen.iter().find(asked).expect("an ask");
    let ask: Ask = decode(&bobs.body).expect("an ask");
    assert_eq!(ask.name, bob.name);
    // Byte for byte, by another computer, for another name, with an own challenge.
    assert_eq!(mallory.replay(bobs).await, StatusCode::UNAUTHORIZED);
    let own = Ask {
        device: carol.session().device(),
        ..ask.clone()
    };
    let begun = carol
        .request(Claim::Device, Method::POST, ENROLMENTS, Vec::new())
        .await;
    let begun: Challenge = decode(&begun.expect("a challenge")).expect("a challenge");
    let fresh = format!("{ENROLMENTS}/{}", begun.id);
    for path in [&bobs.path, &fresh] {
        for ask in [&ask, &own] {
            let put = carol.request(Claim::Device, Method::PUT, path, encode(ask));
            assert!(put.await.is_err(), "{path}");
        }
    }
    alice.enrol(&bob.name.clone()).await;
    bob.join(&office).await;
    // Used once: the same ask enrols nobody a second time.
    let again = alice.online(async |session, _| enrolment_requests(session).await);
    assert!(again.await.expect("asks").is_empty());
    assert_eq!(mallory.replay(bobs).await, StatusCode::UNAUTHORIZED);
}

/// Every act of an admin.
fn acts(office: &Office, bob: &mut Person) -> Vec<Fact> {
    let (account, list) = (bob.name.clone(), "press".parse().expect("a name"));
    let mut key = SoftStatementKey::generate(office.card.tag);
    key.record.model = SOFT_KEY_MODEL;
    let directory = bob.session().ledger().expect("a log").directory();
    let bobs_key = directory.account(&account).expect("bob").keys[0];
    let device = bob.session().device();
    let add = AccountAdd {
        account: "eve".parse().expect("a name"),
        key: key.record.clone(),
    };
    let (one, two, three) = (account.clone(), account.clone(), account.clone());
    vec![
        Fact::AccountAdd(add.clone()),
        Fact::Batch(Batch {
            accounts: vec![add],
        }),
        Fact::AccountSuspend(AccountSuspend { account: one }),
        Fact::KeyRevoke(KeyRevoke {
            account: two,
            key: bobs_key,
        }),
        Fact::DeviceRevoke(DeviceRevoke {
            account: three,
            device,
        }),
        Fact::AdminAdd(AdminAdd {
            account: account.clone(),
        }),
        Fact::AdminRemove(AdminRemove {
            account: "alice".parse().expect("a name"),
        }),
        Fact::ThresholdSet(ThresholdSet { threshold: 1 }),
        Fact::PolicySet(PolicySet {
            policy: Policy::default(),
        }),
        Fact::RecoveryBegin(RecoveryBegin {
            account,
            key: key.record,
        }),
        Fact::ListSet(ListSet {
            list,
            members: Vec::new(),
        }),
    ]
}

/// Who sits at alice's open computer, with her session, her unlocked store and another key, does not one
/// act of an admin: each is a signature, and nothing is asked of the server before there is one. What he can
/// do is refuse an ask or take an act off the list that waits, which changes nobody's rights.
#[tokio::test]
async fn l20_a_live_session_alone_does_no_act_of_an_admin() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let mut bob = office.hire(&mut alice, "bob").await;
    alice.sync().await;
    let own = std::mem::replace(&mut alice.key, office.folder.path().join("thief.key"));
    mallory.forget();
    let acts = acts(&office, &mut bob);
    for act in &acts {
        let refused = alice.declare(act.clone()).await;
        assert!(
            matches!(
                refused,
                Err(Error::Key(KeyError::NotThisKey) | Error::AgainstRules(_))
            ),
            "{}: {refused:?}",
            act.kind()
        );
    }
    assert!(mallory.seen(&Method::POST, LOG).is_empty());
    assert!(mallory.seen(&Method::POST, SESSION).is_empty());
    let all = mallory.all();
    assert!(all.iter().all(|exchange| exchange.method == Method::GET));
    // With her own key, the first of them is done.
    alice.key = own;
    drop(alice.declare(acts[0].clone()).await.expect("an act"));
    assert_eq!(mallory.seen(&Method::POST, LOG).len(), 1);
}

/// A copy of alice's key is used. The next of the two whose turn is behind is let in no more, nor is the
/// other: alice is told what to do, and her other key is in.
#[tokio::test]
async fn l08_a_copied_key_is_let_in_no_more_and_its_owner_is_told() {
    let (mut office, mut alice) = Office::open_now().await;
    let second = alice.add_second_key().await;
    let mut thief = alice.other_computer();
    thief.key = office.folder.path().join("copy.key");
    std::fs::copy(&alice.key, &thief.key).expect("a copy");
    thief.join(&office).await;
    for _ in 0..3 {
        thief.try_log_in().await.expect("nobody knows yet");
    }
    let refused = alice.try_log_in().await;
    assert!(matches!(refused, Err(Error::CopiedKey)), "{refused:?}");
    let events = alice.session().events().expect("events");
    let told = events.iter().find(|event| event.kind == "copied-key");
    assert!(told.is_some_and(|event| event.alarm), "{events:?}");
    // The thief neither comes back, nor is he still in; and a restart changes nothing.
    office.stop();
    office.start().await;
    for _ in 0..5 {
        let refused = thief.try_log_in().await;
        assert!(matches!(refused, Err(Error::CopiedKey)), "{refused:?}");
    }
    assert!(thief.try_sync().await.is_err());
    let refused = alice.try_log_in().await;
    assert!(matches!(refused, Err(Error::CopiedKey)), "{refused:?}");
    alice.close();
    let said = office.cli("alice").run(&["sync"]);
    assert_eq!(said.code, 6, "{said:?}");
    assert!(said.err.contains("V0417"), "{said:?}");
    assert!(said.err.contains("use your other key"), "{said:?}");
    alice.key = second;
    alice.reopen();
    alice.try_log_in().await.expect("the other key");
    let keys = alice.session().own_keys();
    assert_eq!(keys.len(), 2);
    let first = keys[0].id();
    // Every admin sees it in the report.
    let usual = std::mem::replace(&mut alice.key, office.folder.path().join("alice.key"));
    assert_ne!(usual, alice.key);
    std::fs::copy(&usual, &alice.key).expect("the other key in its place");
    alice.close();
    let report = office.cli("alice").json(&["admin", "report", "risk"]);
    let copied = report.objects().into_iter();
    let copied: Vec<_> = copied.filter(|row| row["risk"] == "copied-key").collect();
    assert_eq!(copied.len(), 1, "{copied:?}");
    assert!(
        copied[0]["about"]
            .as_str()
            .unwrap()
            .contains(&first.to_string())
    );
    alice.reopen();
    let removing = alice.online(async |session, keyring| session.remove_key(first, keyring).await);
    removing.await.expect("removing the copied key");
}
