//! Acts that wait for more admins: brought by admins, one signature each, and dropped when overtaken.

use valise_proto::{
    api::{
        self, ErrorCode,
        proposal::{OPEN_MAX, OPEN_MS, Open, Propose},
    },
    codec::{decode, encode},
    id::ProposalId,
    log::entry::{AccountSuspend, AdminAdd, Entry, Fact, Statement},
    testing::{self, SoftStatementKey},
};

use super::support::{Answer, Person, TestServer};

/// An organisation whose admins are alice and bob, and in which carol works.
struct Board {
    server: TestServer,
    alice: Person,
    bob: Person,
    carol: Person,
}

impl Board {
    async fn start() -> Self {
        let (mut server, alice) = Box::pin(TestServer::start()).await;
        let bob = server.hire(&alice, "bob").await;
        let carol = server.hire(&alice, "carol").await;
        let entry = testing::admin_add(&server.directory, &bob.name, &[&alice.key]);
        server.append(&alice, entry).await;
        Self {
            server,
            alice,
            bob,
            carol,
        }
    }

    /// "Carol shall be an admin."
    fn statement(&self) -> Statement {
        let fact = Fact::AdminAdd(AdminAdd {
            account: self.carol.name.clone(),
        });
        testing::statement(&self.server.directory, fact)
    }

    fn entry(&self, statement: Statement, signers: &[&SoftStatementKey]) -> Entry {
        testing::entry(statement, self.server.directory.org(), signers)
    }

    async fn put_as(&self, person: &Person, id: ProposalId, entry: Entry) -> Answer {
        let body = encode(&Propose { entry });
        let request = self.server.signed(person, "PUT", &path(id), body);
        self.server.send(&request).await
    }

    /// Person puts what `signer` signed.
    async fn put(&self, person: &Person, signers: &[&SoftStatementKey]) -> Answer {
        let statement = self.statement();
        let id = ProposalId::of(&statement);
        self.put_as(person, id, self.entry(statement, signers))
            .await
    }

    async fn append(&mut self, entry: Vec<u8>) {
        self.server.append(&self.alice, entry).await;
    }

    async fn open(&self) -> Vec<Entry> {
        let open: Open = self.server.get(&self.bob, api::PROPOSALS).await.read();
        open.proposals.into_iter().map(|open| open.entry).collect()
    }
}

fn path(id: ProposalId) -> String {
    format!("{}/{id}", api::PROPOSALS)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_admins_signatures_come_together_under_one_statement() {
    let mut board = Board::start().await;
    let (alice, bob) = (&board.alice, &board.bob);
    board.put(alice, &[&alice.key]).await.done();
    // Brought again, with another signature of the same key, it is there once.
    board.put(alice, &[&alice.key]).await.done();
    let open = board.open().await;
    assert_eq!(open.len(), 1);
    assert_eq!(board.server.directory.missing(&open[0]), Ok(1));
    board.put(bob, &[&bob.key]).await.done();
    let open = board.open().await;
    assert_eq!(open.len(), 1);
    let entry = encode(&open[0]);
    // The server did nothing with it: carol is no admin until somebody appends it.
    let carol = &board.carol;
    let request = board
        .server
        .signed(carol, "GET", api::PROPOSALS, Vec::new());
    let refused = board.server.send(&request).await;
    refused.refused(ErrorCode::Forbidden);
    board.append(entry).await;
    assert!(board.open().await.is_empty());
    let admin = board.server.directory.account(&board.carol.name).unwrap();
    assert!(admin.admin_since.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e06_one_admin_with_two_keys_brings_one_signature() {
    let mut board = Board::start().await;
    let spare = Person::new("spare").key;
    let entry = testing::key_add(
        &board.server.directory,
        &board.alice.name,
        &spare,
        &[&board.alice.key],
    );
    board.append(entry).await;
    let alice = &board.alice;
    let statement = board.statement();
    let id = ProposalId::of(&statement);
    let signed = |key| board.entry(statement.clone(), &[key]);
    board.put_as(alice, id, signed(&alice.key)).await.done();
    board.put_as(alice, id, signed(&spare)).await.done();
    let open = board.open().await;
    assert_eq!(open[0].signatures.len(), 1);
    assert_eq!(board.server.directory.missing(&open[0]), Ok(1));
    // Nor does the log take both.
    let both = encode(&board.entry(statement.clone(), &[&alice.key, &spare]));
    let request = board.server.signed(alice, "POST", api::LOG, both);
    let refused = board.server.send(&request).await;
    refused.refused(ErrorCode::Refused);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e06_only_ones_own_verified_signature_is_kept() {
    let board = Board::start().await;
    let (alice, bob, carol) = (&board.alice, &board.bob, &board.carol);
    // A colleague's, both at once, none, and one that does not verify.
    for signers in [&[&bob.key][..], &[&alice.key, &bob.key], &[]] {
        let refused = board.put(alice, signers).await;
        refused.refused(ErrorCode::Forbidden);
    }
    let statement = board.statement();
    let mut forged = board.entry(statement.clone(), &[&alice.key]);
    forged.statement.time += 1;
    let id = ProposalId::of(&forged.statement);
    let refused = board.put_as(alice, id, forged).await;
    refused.refused(ErrorCode::Refused);
    // Under another statement's name, and under none.
    let entry = board.entry(statement, &[&alice.key]);
    let refused = board.put_as(alice, id, entry.clone()).await;
    refused.refused(ErrorCode::Conflict);
    let body = encode(&Propose { entry });
    let target = format!("{}/carol", api::PROPOSALS);
    let request = board.server.signed(alice, "PUT", &target, body);
    let refused = board.server.send(&request).await;
    refused.refused(ErrorCode::NotFound);
    // Who is no admin brings nothing, his own appointment least of all.
    let refused = board.put(carol, &[&carol.key]).await;
    refused.refused(ErrorCode::Forbidden);
    assert!(board.open().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_log_could_not_take_is_not_kept() {
    let board = Board::start().await;
    let alice = &board.alice;
    let good = board.statement();
    let mut late = good.clone();
    late.sequence += 1;
    let mut elsewhere = good.clone();
    elsewhere.seen.root.0[0] ^= 1;
    // One signature is enough for this one.
    let suspend = Fact::AccountSuspend(AccountSuspend {
        account: board.carol.name.clone(),
    });
    let suspend = testing::statement(&board.server.directory, suspend);
    for statement in [late, elsewhere, suspend] {
        let id = ProposalId::of(&statement);
        let entry = board.entry(statement, &[&alice.key]);
        let refused = board.put_as(alice, id, entry).await;
        refused.refused(ErrorCode::Refused);
    }
    assert!(board.open().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_admin_rejects_and_rejecting_twice_is_rejecting_once() {
    let board = Board::start().await;
    let (alice, bob, carol) = (&board.alice, &board.bob, &board.carol);
    board.put(alice, &[&alice.key]).await.done();
    let target = path(ProposalId::of(&board.statement()));
    let reject = async |person: &Person| {
        let request = board.server.signed(person, "DELETE", &target, Vec::new());
        board.server.send(&request).await
    };
    reject(carol).await.refused(ErrorCode::Forbidden);
    assert_eq!(board.open().await.len(), 1);
    reject(bob).await.done();
    reject(bob).await.done();
    assert!(board.open().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_log_has_overtaken_is_dropped() {
    let mut board = Board::start().await;
    board.put(&board.alice, &[&board.alice.key]).await.done();
    // Another entry about carol takes the sequence.
    let entry = testing::device_revoke(
        &board.server.directory,
        &board.carol.name,
        board.carol.device.id(),
        &[&board.carol.key],
    );
    board.append(entry).await;
    assert!(board.open().await.is_empty());
    // So does a signer's suspension: his signature counts no more, and he has no session. It takes
    // two admins, and a third one stays beside the one who is left.
    let dave = board.server.hire(&board.alice, "dave").await;
    let admins = [&board.alice.key, &board.bob.key];
    let entry = testing::admin_add(&board.server.directory, &dave.name, &admins);
    board.append(entry).await;
    board.put(&board.alice, &[&board.alice.key]).await.done();
    board.put(&board.bob, &[&board.bob.key]).await.done();
    let (bob, alice) = (&board.bob, &board.alice);
    let entry =
        testing::account_suspend(&board.server.directory, &alice.name, &[&bob.key, &dave.key]);
    let request = board.server.signed(bob, "POST", api::LOG, entry);
    assert_eq!(board.server.send(&request).await.status, 200);
    let open = board.open().await;
    let signers: Vec<_> = open[0].signers().collect();
    assert_eq!(signers, [bob.key.id()]);
    let refused = board.server.get(alice, api::PROPOSALS).await;
    let code = refused.problem().map(|(code, _)| code);
    assert!(
        matches!(code, Some(ErrorCode::Revoked | ErrorCode::Unauthenticated)),
        "{code:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn v14_few_acts_wait_at_once_and_none_for_ever() {
    let board = Board::start().await;
    let (alice, bob) = (&board.alice, &board.bob);
    let put = async |person: &Person, time| {
        let mut statement = board.statement();
        statement.time = time;
        let id = ProposalId::of(&statement);
        let entry = board.entry(statement, &[&person.key]);
        board.put_as(person, id, entry).await
    };
    let max = u64::try_from(OPEN_MAX).unwrap();
    for time in 0..max {
        put(alice, time).await.done();
        // Entries and acts have one pace.
        board.server.clock.advance(5_000);
    }
    put(alice, max).await.refused(ErrorCode::TooMany);
    // What waits already takes more signatures.
    put(alice, 0).await.done();
    put(bob, 0).await.done();
    let answer = board.server.get(bob, api::PROPOSALS).await;
    assert!(answer.body.len() < 100_000);
    let open: Open = decode(&answer.body).unwrap();
    assert_eq!(open.proposals.len(), OPEN_MAX);
    assert_eq!(open.proposals[0].entry.signatures.len(), 2);
    let store = crate::store::Store::open(&board.server.config.database_url())
        .await
        .unwrap();
    assert!(store.proposals(0).await.unwrap().len() > OPEN_MAX);
    let now_ms = crate::clock::Clock::now_ms(&*board.server.clock);
    let later = store.proposals(now_ms + OPEN_MS).await.unwrap();
    assert!(later.is_empty());
}
