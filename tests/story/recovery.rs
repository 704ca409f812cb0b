//! Every key is lost: what a recovered person has again, and what is gone.

use valise_client::{
    account::{Declared, enrolment_requests},
    session::Error,
};
use valise_proto::log::entry::{Fact, RecoveryBegin, RecoveryFinish};

use crate::support::{Office, Person};

async fn declare(admin: &mut Person, fact: Fact) -> Result<Declared, Error> {
    let declaring =
        admin.online(async |session, keyring| session.declare(keyring, fact.clone()).await);
    declaring.await
}

/// Admins give `lost` a new key, after the day in which anybody can object. Returns the same person with
/// that key, at another computer.
pub async fn recovered(office: &Office, admin: &mut Person, lost: &Person) -> Person {
    let mut found = lost.other_computer();
    found.key = office.folder.path().join("found.key");
    found.ask(office).await;

    let requests = admin.online(async |session, _| enrolment_requests(session).await);
    let key = requests.await.unwrap().remove(0).key;
    let account = lost.name.clone();
    let proposed = Fact::RecoveryBegin(RecoveryBegin { account, key });
    assert!(matches!(declare(admin, proposed).await, Ok(Declared::Done)));
    let directory = admin.session().ledger().unwrap().directory();
    let recovery = directory.account(&lost.name).unwrap().recovery.as_ref();
    let begun = recovery.unwrap().begun;
    let account = lost.name.clone();
    let finish = Fact::RecoveryFinish(RecoveryFinish { account, begun });
    let early = declare(admin, finish.clone()).await;
    assert!(early.is_err(), "{early:?}");

    // The ask outlives its own day: it waits as long as the recovery does.
    office.time.pass_days(2);
    found.ask(office).await;
    let done = declare(admin, finish).await;
    assert!(matches!(done, Ok(Declared::Done)), "{done:?}");
    found.join(office).await;
    found
}

#[tokio::test]
async fn e08_a_recovered_account_has_no_old_letter_and_no_old_device() {
    let (office, mut alice) = Office::open().await;
    let mut bob = office.hire(&mut alice, "bob").await;
    alice.send(&["bob"], "Before", "Old.").await;
    bob.sync().await;
    let mut found = recovered(&office, &mut alice, &bob).await;
    found.sync().await;
    assert!(found.bodies().is_empty());
    office.time.pass_minutes(1);
    // A key that is new to her stops the letter, until she agrees to it.
    let held = alice.try_send(&["bob"], "After", "New.").await;
    assert!(matches!(held, Err(Error::KeysChanged(_))), "{held:?}");
    let size = alice.session().ledger().expect("a log").head().size;
    alice.session().accept(&bob.name, size).expect("accepting");
    alice.sync().await;
    found.sync().await;
    assert_eq!(found.bodies(), ["New."]);
    assert!(bob.try_sync().await.is_err());
    assert_eq!(bob.bodies(), ["Old."]);
}
