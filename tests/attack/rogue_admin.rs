//! One admin alone, with the server on his side: what he cannot do, and that all he can do is seen.

use reqwest::Method;
use valise_client::{account::Declared, session::Error, trust::Alarm, weaken::dangerously_weaken};
use valise_proto::{
    api::{ErrorCode, LETTERS},
    codec::encode,
    id::Name,
    key::SOFT_KEY_MODEL,
    log::{
        entry::{
            AccountSuspend, AdminAdd, DeviceRevoke, Entry, Fact, ListSet, RecoveryBegin,
            ThresholdSet,
        },
        replay::{Directory, Refusal},
    },
    testing::SoftStatementKey,
};

use crate::support::{Mallory, Office, Person, mallory};

fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

/// Alice and bob are admins, and two must agree; carol, dave and eve work here, and know each other.
async fn office() -> (Office, Mallory, Person, Person, [Person; 3]) {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let [mut bob, mut carol, mut dave, mut eve] = office
        .hire_all(&mut alice, ["bob", "carol", "dave", "eve"])
        .await;
    let account = bob.name.clone();
    let done = alice.declare(Fact::AdminAdd(AdminAdd { account })).await;
    assert!(matches!(done, Ok(Declared::Done)), "{done:?}");
    office.time.pass(10_000);
    alice
        .send(&["carol", "dave", "eve"], "Hello", "All of us.")
        .await;
    carol
        .send(&["alice", "dave", "eve"], "Hello", "All of us.")
        .await;
    for person in [&mut alice, &mut bob, &mut carol, &mut dave, &mut eve] {
        person.sync().await;
    }
    (office, mallory, alice, bob, [carol, dave, eve])
}

/// What bob signs alone: that eve is an admin, that one is enough, and that carol's account gets a key of
/// his.
async fn coup(office: &Office, bob: &mut Person) -> [Entry; 3] {
    let mut key = SoftStatementKey::generate(office.card.tag);
    key.record.model = SOFT_KEY_MODEL;
    let facts = [
        Fact::AdminAdd(AdminAdd {
            account: name("eve"),
        }),
        Fact::ThresholdSet(ThresholdSet { threshold: 1 }),
        Fact::RecoveryBegin(RecoveryBegin {
            account: name("carol"),
            key: key.record,
        }),
    ];
    let mut entries = Vec::new();
    for fact in facts {
        let statement = bob.statement(fact);
        entries.push(bob.sign(&statement).await);
    }
    entries.try_into().expect("three")
}

fn directory(person: &mut Person) -> &Directory {
    person.session().ledger().expect("a log").directory()
}

#[tokio::test]
async fn e06_a_server_that_takes_one_admins_word_for_two_convinces_nobody() {
    let (office, mallory, mut alice, mut bob, [mut carol, mut dave, _eve]) =
        Box::pin(office()).await;
    let coup = coup(&office, &mut bob).await;
    let entries = mallory::entries(&office.data());
    for entry in &coup {
        let refused = bob.post(entry).await.expect_err("taken");
        assert_eq!(refused.code(), Some(ErrorCode::Refused));
        mallory.serve(&office, [&entries[..], &[encode(entry)]].concat());
        for (person, to) in [
            (&mut alice, "dave"),
            (&mut carol, "dave"),
            (&mut dave, "carol"),
        ] {
            office.time.pass(10_000);
            let before = person.events().len();
            let refused = person.try_send(&[to], "Source", "Jean").await;
            assert!(
                matches!(
                    refused,
                    Err(Error::Alarm(Alarm::ForgedEntry(Refusal::Threshold {
                        needed: 2,
                        found: 1,
                        ..
                    })))
                ),
                "{refused:?}"
            );
            assert_eq!(person.events()[before..], ["forged-entry"]);
            let directory = directory(person);
            assert_eq!(directory.threshold(), 2);
            assert_eq!(directory.account(&name("eve")).unwrap().admin_since, None);
            assert_eq!(directory.account(&name("carol")).unwrap().recovery, None);
        }
        assert!(mallory.seen(&Method::POST, LETTERS).is_empty());
    }
}

#[tokio::test]
async fn e06_twin_one_admins_word_is_taken_for_two() {
    let (office, mallory, _alice, mut bob, [mut carol, ..]) = Box::pin(office()).await;
    let coup = coup(&office, &mut bob).await;
    let more = coup.iter().map(encode).collect();
    let entries = [mallory::entries(&office.data()), more].concat();
    mallory.serve(&office, entries);
    dangerously_weaken(Some("E06"));
    carol.session().read_log().await.expect("the log");
    dangerously_weaken(None);
    let directory = directory(&mut carol);
    assert_eq!(directory.threshold(), 1);
    assert!(
        directory
            .account(&name("eve"))
            .unwrap()
            .admin_since
            .is_some()
    );
    assert!(
        directory
            .account(&name("carol"))
            .unwrap()
            .recovery
            .is_some()
    );
}

/// What one admin may do alone, he does in sight of everybody: the log says that it was he, and who knows
/// the people concerned has an event.
#[tokio::test]
async fn e06_whatever_one_admin_does_alone_everybody_sees() {
    let (office, _mallory, mut alice, mut bob, [mut carol, mut dave, mut eve]) =
        Box::pin(office()).await;
    let from = directory(&mut bob).head().size;
    let account = name("dave");
    let laptop = dave.session().device();
    let acts = [
        Fact::DeviceRevoke(DeviceRevoke {
            account: account.clone(),
            device: laptop,
        }),
        Fact::AccountSuspend(AccountSuspend { account }),
        Fact::ListSet(ListSet {
            list: name("press"),
            members: vec![name("bob")],
        }),
    ];
    for fact in &acts {
        let done = bob.declare(fact.clone()).await;
        assert!(matches!(done, Ok(Declared::Done)), "{done:?}");
    }
    let mut frank = office.person("frank");
    frank.ask(&office).await;
    bob.enrol(&frank.name.clone()).await;
    for person in [&mut alice, &mut carol, &mut eve] {
        person.sync().await;
        let said = person.session();
        let mut kinds = Vec::new();
        for index in from..from + 4 {
            let (statement, signers) = said.said(index).expect("an entry");
            assert_eq!(signers, [name("bob")]);
            kinds.push(statement.fact.kind());
        }
        assert_eq!(
            kinds,
            [
                "device.revoke",
                "account.suspend",
                "list.set",
                "account.add"
            ]
        );
    }
    // Alice and carol have written to dave.
    for person in [&mut alice, &mut carol] {
        for kind in ["device-revoked", "suspended"] {
            assert!(person.events().contains(&kind.to_owned()), "{kind}");
        }
    }
}
