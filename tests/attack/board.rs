//! Acts of several admins: no server and no single admin completes one, and none is said to be done
//! that is not.

use reqwest::Method;
use valise_client::{
    account::{Declared, Proposal},
    attack::Claim,
    session::Error,
    trust::Alarm,
    weaken::dangerously_weaken,
};
use valise_proto::{
    api::{
        LOG, PROPOSALS,
        directory::Appended,
        proposal::{Open, Propose},
    },
    codec::{Text, encode},
    id::Name,
    log::{
        entry::{AccountSuspend, AdminAdd, Fact},
        merkle::{Tree, leaf_hash},
    },
};

use crate::support::{Mallory, Office, Person, mallory};

/// Alice and bob are admins, carol and dave work here, and alice has proposed carol.
async fn board() -> (Office, Mallory, Person, Person) {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let mut bob = office.hire(&mut alice, "bob").await;
    for name in ["carol", "dave"] {
        drop(office.hire(&mut alice, name).await);
    }
    let done = appoint(&mut alice, "bob").await;
    assert!(matches!(done, Ok(Declared::Done)), "{done:?}");
    bob.sync().await;
    let waits = appoint(&mut alice, "carol").await;
    assert!(matches!(waits, Ok(Declared::Waiting(_))), "{waits:?}");
    mallory.forget();
    (office, mallory, alice, bob)
}

async fn appoint(admin: &mut Person, name: &str) -> Result<Declared, Error> {
    let name: Name = name.parse().expect("a name");
    admin
        .online(async |session, keyring| {
            let account = name.clone();
            session
                .declare(keyring, Fact::AdminAdd(AdminAdd { account }))
                .await
        })
        .await
}

async fn proposals(admin: &mut Person) -> Vec<Proposal> {
    admin
        .online(async |session, _| session.proposals().await)
        .await
        .expect("acts")
}

async fn approve(admin: &mut Person, proposal: &Proposal) -> Result<Declared, Error> {
    admin
        .online(async |session, keyring| session.approve(keyring, proposal).await)
        .await
}

fn is_admin(person: &mut Person, name: &str) -> bool {
    let name = name.parse().expect("a name");
    let directory = person.session().ledger().expect("a log").directory();
    directory
        .account(&name)
        .is_some_and(|account| account.admin_since.is_some())
}

/// Under alice's signature, mallory shows bob another statement: dave instead of carol.
fn swap(mallory: &Mallory) {
    mallory.alter(&Method::GET, PROPOSALS, |open: &mut Open| {
        for proposal in &mut open.proposals {
            let Fact::AdminAdd(add) = &mut proposal.entry.statement.fact else {
                panic!("an appointment");
            };
            add.account = "dave".parse().expect("a name");
            proposal.entry.statement.sequence = 2;
        }
    });
}

#[tokio::test]
async fn e06_a_statement_changed_between_two_signers_is_not_signed() {
    let (_office, mallory, _alice, mut bob) = board().await;
    swap(&mallory);
    let open = proposals(&mut bob).await;
    // What bob is shown is what he would sign, and alice is no signer of it.
    assert!(matches!(open[0].fact(), Fact::AdminAdd(add) if add.account.as_str() == "dave"));
    assert!(open[0].signers.is_empty());
    let touches = bob.touches();
    let refused = approve(&mut bob, &open[0]).await;
    let forged = Alarm::ForgedSignature {
        signer: "alice".to_owned(),
    };
    assert!(matches!(refused, Err(Error::Alarm(alarm)) if alarm == forged));
    assert!(bob.events().contains(&"forged-signature".to_owned()));
    assert_eq!(bob.touches(), touches);
    // Nor does his own proposal go out while mallory lies about another's.
    let refused = appoint(&mut bob, "dave").await;
    assert!(matches!(refused, Err(Error::Alarm(_))), "{refused:?}");
    assert_eq!(bob.touches(), touches);
    assert!(signed_by(&mallory).is_empty());
}

#[tokio::test]
async fn e06_twin_the_second_admin_signs_the_altered_statement() {
    let (_office, mallory, _alice, mut bob) = board().await;
    swap(&mallory);
    dangerously_weaken(Some("E06"));
    let open = proposals(&mut bob).await;
    let waits = approve(&mut bob, &open[0]).await;
    dangerously_weaken(None);
    assert!(matches!(waits, Ok(Declared::Waiting(_))), "{waits:?}");
    // Mallory has bob's signature under what alice never proposed.
    let signed = signed_by(&mallory);
    assert!(matches!(&signed[0].entry.statement.fact,
        Fact::AdminAdd(add) if add.account.as_str() == "dave"));
    let missing = bob.session().ledger().expect("a log").directory();
    assert_eq!(missing.missing(&signed[0].entry), Ok(1));
}

/// What admins have put since mallory listens.
fn signed_by(mallory: &Mallory) -> Vec<Propose> {
    let mut signed = Vec::new();
    for open in mallory.all() {
        if open.method == Method::PUT && open.path.starts_with(PROPOSALS) {
            signed.push(open.request());
        }
    }
    signed
}

/// Mallory shows dave's appointment as complete, with a signature of bob that he never made.
#[tokio::test]
async fn e06_a_forged_colleague_completes_nothing() {
    let (_office, mallory, mut alice, mut bob) = board().await;
    let name = bob.name.clone();
    let bobs = bob.session().ledger().expect("a log").directory();
    let bobs = bobs.account(&name).expect("bob").keys[0];
    mallory.alter(&Method::GET, PROPOSALS, move |open: &mut Open| {
        let signatures = &mut open.proposals[0].entry.signatures;
        let mut forged = signatures[0].clone();
        forged.key = bobs;
        signatures.push(forged);
        signatures.sort_by_key(|signature| signature.key);
    });
    let open = proposals(&mut alice).await;
    assert_eq!(open[0].signers, [alice.name.clone()].into());
    assert_eq!(open[0].missing, 1);
    let refused = approve(&mut alice, &open[0]).await;
    let forged = Alarm::ForgedSignature {
        signer: "bob".to_owned(),
    };
    assert!(matches!(refused, Err(Error::Alarm(alarm)) if alarm == forged));
    assert!(mallory.seen(&Method::POST, LOG).is_empty());
    assert!(!is_admin(&mut alice, "carol"));
    // The rogue admin hands the same to the server: it is refused as well.
    let mut entry = open[0].entry.clone();
    let mut signature = entry.signatures[0].clone();
    signature.key = bobs;
    entry.signatures.push(signature);
    entry.signatures.sort_by_key(|signature| signature.key);
    let session = alice.session().login_session().expect("a session");
    let claim = Claim::Session(session.expect("a session").id);
    let refused = alice
        .request(claim, Method::POST, LOG, encode(&entry))
        .await;
    assert!(refused.is_err());
}

/// The twin of the same: with the signature that bob makes himself, it is complete.
#[tokio::test]
async fn e06_twin_the_colleagues_own_signature_completes_it() {
    let (_office, _mallory, mut alice, mut bob) = board().await;
    let open = proposals(&mut bob).await;
    let done = approve(&mut bob, &open[0]).await;
    assert!(matches!(done, Ok(Declared::Done)), "{done:?}");
    alice.session().read_log().await.expect("the log");
    assert!(is_admin(&mut alice, "carol"));
}

/// The server says that it took an entry, leaves it out, and proves it in a log that nobody sees.
pub(super) fn swallow(office: &Office, mallory: &Mallory) {
    let entries = mallory::entries(&office.data());
    let key = mallory.signer(&office.card);
    mallory.on_request(move |exchange| {
        if !exchange.is(&Method::POST, LOG) {
            return;
        }
        let entries = [&entries[..], std::slice::from_ref(&exchange.body)].concat();
        let mut tree = Tree::default();
        for entry in &entries {
            tree.append(leaf_hash(entry));
        }
        let index = tree.size() - 1;
        exchange.status = reqwest::StatusCode::OK;
        exchange.answer = encode(&Appended {
            index,
            checkpoint: Text::truncated(&key(&tree)),
            inclusion: tree.inclusion(index, tree.size()).expect("a proof"),
        });
    });
}

async fn suspend(admin: &mut Person, name: &str) -> Result<Declared, Error> {
    let name: Name = name.parse().expect("a name");
    admin
        .online(async |session, keyring| {
            let account = name.clone();
            session
                .declare(keyring, Fact::AccountSuspend(AccountSuspend { account }))
                .await
        })
        .await
}

#[tokio::test]
async fn e14_an_entry_that_is_left_out_is_never_done() {
    let (office, mallory, mut alice, _bob) = board().await;
    swallow(&office, &mallory);
    let refused = suspend(&mut alice, "dave").await;
    assert!(
        matches!(refused, Err(Error::Alarm(Alarm::UnprovenEntry))),
        "{refused:?}"
    );
    assert!(alice.events().contains(&"unproven-entry".to_owned()));
    // With a proof of another entry it is the same.
    mallory.on_response(|exchange| {
        if exchange.is(&Method::POST, LOG) {
            let mut answer: Appended = valise_proto::codec::decode(&exchange.answer).unwrap();
            answer.index = 0;
            exchange.answer = encode(&answer);
        }
    });
    let refused = suspend(&mut alice, "dave").await;
    assert!(matches!(refused, Err(Error::Alarm(Alarm::UnprovenEntry))));
}

#[tokio::test]
async fn e14_twin_a_censored_suspension_is_said_to_be_done() {
    let (office, mallory, mut alice, _bob) = board().await;
    swallow(&office, &mallory);
    dangerously_weaken(Some("E14"));
    let done = suspend(&mut alice, "dave").await;
    dangerously_weaken(None);
    assert!(matches!(done, Ok(Declared::Done)), "{done:?}");
    let dave = "dave".parse().expect("a name");
    let directory = alice.session().ledger().expect("a log").directory();
    let dave = directory.account(&dave).expect("dave");
    assert_eq!(dave.suspended, None);
}
