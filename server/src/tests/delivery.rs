//! The delivery contract: one sequence, one epoch, one winner, once.

mod random;

use std::sync::Arc;

use sqlx::{Connection as _, Row as _};
use valise_proto::{
    api::{
        self, ErrorCode,
        delivery::{
            Accepted, AcceptedLetters, Ack, Commit, Cursor, LETTERS_MAX, Letter, Letters, Page,
        },
    },
    id::{GroupId, SubmissionId},
    log::entry::Policy,
    testing::{self, random},
    weaken::dangerously_weaken,
};

use super::support::{Person, TestServer};
use crate::{Server, delivery::DeliveryError};

pub(super) const GROUP: GroupId = GroupId([1; 32]);

pub(super) fn commit(epoch: u64, added: &[&Person], removed: &[&Person]) -> Commit {
    let welcome = if added.is_empty() { "" } else { "welcome" };
    Commit {
        id: SubmissionId(random()),
        group: GROUP,
        epoch,
        message: format!("commit {epoch}").into_bytes().try_into().unwrap(),
        added: added.iter().map(|person| person.device.id()).collect(),
        removed: removed.iter().map(|person| person.device.id()).collect(),
        welcome: welcome.as_bytes().to_vec().try_into().unwrap(),
    }
}

pub(super) fn letter(epoch: u64, text: &str) -> Letter {
    Letter {
        id: SubmissionId(random()),
        group: GROUP,
        epoch,
        message: text.as_bytes().to_vec().try_into().unwrap(),
    }
}

pub(super) async fn commits(server: &TestServer, person: &Person, commit: &Commit) -> u64 {
    let answer = server.post(person, api::COMMITS, commit).await;
    answer.read::<Accepted>().sequence
}

pub(super) async fn sends(server: &TestServer, person: &Person, letter: &Letter) -> u64 {
    let answer = server.post(person, api::LETTERS, letter).await;
    answer.read::<Accepted>().sequence
}

async fn page(server: &TestServer, person: &Person) -> Page {
    server.get(person, api::SYNC).await.read()
}

/// Sequence and text of every message in a page.
fn texts(page: &Page) -> Vec<(u64, String)> {
    page.messages
        .iter()
        .map(|message| {
            let text = String::from_utf8(message.message.as_slice().to_vec()).unwrap();
            (message.sequence, text)
        })
        .collect()
}

async fn acks(server: &TestServer, person: &Person, welcomes: u64, sequence: u64) {
    let ack = Ack {
        welcomes,
        groups: vec![Cursor {
            group: GROUP,
            sequence,
        }],
    };
    server.post(person, api::ACKS, &ack).await.done();
}

async fn count(server: &TestServer, statement: &'static str) -> i64 {
    let url = server.config.database_url();
    let mut database = sqlx::AnyConnection::connect(&url).await.unwrap();
    let row = sqlx::query(statement)
        .fetch_one(&mut database)
        .await
        .unwrap();
    row.get(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_letter_goes_to_every_member_and_is_deleted_when_all_have_it() {
    let (mut server, alice) = TestServer::start().await;
    let bob = server.hire(&alice, "bob").await;
    assert_eq!(commits(&server, &alice, &commit(0, &[&bob], &[])).await, 1);
    let invited = page(&server, &bob).await;
    assert_eq!(invited.welcomes.len(), 1);
    assert_eq!(
        (invited.welcomes[0].number, invited.welcomes[0].sequence),
        (1, 1)
    );
    assert_eq!(invited.messages, []);
    assert_eq!(sends(&server, &bob, &letter(1, "hello")).await, 2);
    assert_eq!(sends(&server, &alice, &letter(1, "hi")).await, 3);
    assert_eq!(
        texts(&page(&server, &bob).await),
        [(2, String::new()), (3, "hi".into())]
    );
    let alices = page(&server, &alice).await;
    assert_eq!(
        texts(&alices),
        [(1, String::new()), (2, "hello".into()), (3, String::new())]
    );
    assert_eq!(
        (alices.more, alices.log_size),
        (0, server.directory.head().size)
    );
    acks(&server, &bob, 1, 3).await;
    assert!(page(&server, &bob).await.messages.is_empty());
    assert!(page(&server, &bob).await.welcomes.is_empty());
    assert_eq!(count(&server, "select count(*) from message").await, 3);
    assert_eq!(count(&server, "select count(*) from welcome").await, 0);
    // Past the end, and back again: neither moves a cursor.
    acks(&server, &alice, 0, 99).await;
    acks(&server, &alice, 0, 2).await;
    acks(&server, &alice, 0, 1).await;
    assert_eq!(texts(&page(&server, &alice).await).len(), 1);
    acks(&server, &alice, 0, 3).await;
    assert_eq!(count(&server, "select count(*) from message").await, 0);
    assert_eq!(sends(&server, &alice, &letter(1, "more")).await, 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g31_of_twenty_commits_one_wins_and_letters_of_the_old_epoch_are_stale() {
    let (mut server, alice) = TestServer::start().await;
    let bob = server.hire(&alice, "bob").await;
    commits(&server, &alice, &commit(0, &[&bob], &[])).await;
    let server = Arc::new(server);
    let people = [Arc::new(alice), Arc::new(bob)];
    let mut races = tokio::task::JoinSet::new();
    for number in 0..20 {
        let (server, person) = (Arc::clone(&server), Arc::clone(&people[number % 2]));
        races.spawn(async move {
            let answer = server
                .post(&person, api::COMMITS, &commit(1, &[], &[]))
                .await;
            answer.problem().map(|problem| problem.0)
        });
    }
    let answers = races.join_all().await;
    assert_eq!(answers.iter().filter(|code| code.is_none()).count(), 1);
    assert_eq!(
        answers
            .iter()
            .filter(|code| **code == Some(ErrorCode::Stale))
            .count(),
        19
    );
    let answer = server
        .post(&people[0], api::LETTERS, &letter(1, "late"))
        .await;
    answer.refused(ErrorCode::Stale);
    assert_eq!(sends(&server, &people[0], &letter(2, "now")).await, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r01_the_same_write_again_answers_as_the_first_time() {
    let (mut server, alice) = TestServer::start().await;
    let bob = server.hire(&alice, "bob").await;
    let first = commit(0, &[&bob], &[]);
    assert_eq!(commits(&server, &alice, &first).await, 1);
    assert_eq!(commits(&server, &alice, &first).await, 1);
    let hello = letter(1, "hello");
    assert_eq!(sends(&server, &alice, &hello).await, 2);
    commits(&server, &bob, &commit(1, &[], &[])).await;
    server.stop().await;
    server.run().await.unwrap();
    // Its epoch is over, but it was accepted.
    assert_eq!(sends(&server, &alice, &hello).await, 2);
    assert_eq!(page(&server, &bob).await.messages.len(), 2);
    let mut other = hello.clone();
    other.message = b"other".to_vec().try_into().unwrap();
    server
        .post(&alice, api::LETTERS, &other)
        .await
        .refused(ErrorCode::Conflict);
    server
        .post(&bob, api::LETTERS, &hello)
        .await
        .refused(ErrorCode::Conflict);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_device_gets_its_removal_and_no_more() {
    let (mut server, alice) = TestServer::start().await;
    let bob = server.hire(&alice, "bob").await;
    let carol = server.hire(&alice, "carol").await;
    commits(&server, &alice, &commit(0, &[&bob, &carol], &[])).await;
    commits(&server, &alice, &commit(1, &[], &[&bob])).await;
    sends(&server, &alice, &letter(2, "without bob")).await;
    assert_eq!(texts(&page(&server, &bob).await), [(2, "commit 1".into())]);
    server
        .post(&bob, api::LETTERS, &letter(2, "still here?"))
        .await
        .refused(ErrorCode::NotFound);
    server
        .post(&bob, api::COMMITS, &commit(2, &[], &[]))
        .await
        .refused(ErrorCode::NotFound);
    for person in [&alice, &carol] {
        acks(&server, person, 0, 3).await;
    }
    assert_eq!(count(&server, "select count(*) from message").await, 2);
    acks(&server, &bob, 0, 2).await;
    assert_eq!(count(&server, "select count(*) from message").await, 0);
    assert_eq!(count(&server, "select count(*) from member").await, 2);
    // Added again: from there on.
    assert_eq!(commits(&server, &carol, &commit(2, &[&bob], &[])).await, 4);
    assert_eq!(sends(&server, &carol, &letter(3, "welcome back")).await, 5);
    assert_eq!(
        texts(&page(&server, &bob).await),
        [(5, "welcome back".into())]
    );
    // A revoked device holds nothing up once it is removed.
    let entry =
        testing::device_revoke(&server.directory, &bob.name, bob.device.id(), &[&alice.key]);
    server.append(&alice, entry).await;
    commits(&server, &alice, &commit(3, &[], &[&bob])).await;
    assert_eq!(count(&server, "select count(*) from member").await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn v06_what_is_not_ones_own_is_refused() {
    let (mut server, alice) = TestServer::start_with(
        Policy {
            letter_bytes_max: 2_000,
            ..Policy::default()
        },
        |_| {},
    )
    .await;
    let bob = server.hire(&alice, "bob").await;
    let stranger = Person::new("mallory");
    let refused = async |person: &Person, commit: Commit, code| {
        let answer = server.post(person, api::COMMITS, &commit).await;
        assert_eq!(
            answer.problem().map(|problem| problem.0),
            Some(code),
            "{commit:?}"
        );
    };
    refused(&alice, commit(1, &[], &[]), ErrorCode::NotFound).await;
    refused(&alice, commit(0, &[&stranger], &[]), ErrorCode::Forbidden).await;
    refused(&alice, commit(0, &[&alice], &[]), ErrorCode::Malformed).await;
    let mut without_welcome = commit(0, &[&bob], &[]);
    without_welcome.welcome = Vec::new().try_into().unwrap();
    refused(&alice, without_welcome, ErrorCode::Malformed).await;
    assert_eq!(count(&server, "select count(*) from mls_group").await, 0);
    commits(&server, &alice, &commit(0, &[], &[])).await;
    refused(&bob, commit(0, &[], &[]), ErrorCode::NotFound).await;
    refused(&bob, commit(1, &[], &[]), ErrorCode::NotFound).await;
    refused(&alice, commit(1, &[], &[&alice]), ErrorCode::Malformed).await;
    commits(&server, &alice, &commit(1, &[&bob], &[])).await;
    refused(&alice, commit(2, &[&bob], &[&bob]), ErrorCode::Malformed).await;
    commits(&server, &alice, &commit(2, &[], &[&bob])).await;
    server
        .post(&bob, api::LETTERS, &letter(3, "let me in"))
        .await
        .refused(ErrorCode::NotFound);
    let large = letter(3, &"x".repeat(2_000 + 1_025));
    server
        .post(&alice, api::LETTERS, &large)
        .await
        .refused(ErrorCode::TooLarge);
    sends(&server, &alice, &letter(3, &"x".repeat(2_000 + 1_024))).await;
    acks(&server, &bob, 9, 9).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_has_a_size_and_says_that_there_is_more() {
    let (mut server, alice) = TestServer::start().await;
    let bob = server.hire(&alice, "bob").await;
    commits(&server, &alice, &commit(0, &[&bob], &[])).await;
    for _ in 0..5 {
        sends(&server, &alice, &letter(1, &"x".repeat(1 << 20))).await;
    }
    let first = page(&server, &bob).await;
    assert_eq!((first.messages.len(), first.more), (3, 1));
    acks(&server, &bob, 1, first.messages[2].sequence).await;
    let second = page(&server, &bob).await;
    assert_eq!((second.messages.len(), second.more), (2, 0));
    assert_eq!(second.messages[0].sequence, first.messages[2].sequence + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn welcomes_leave_room_for_letters_and_letters_wait_for_their_welcome() {
    let (mut server, alice) = TestServer::start().await;
    let bob = server.hire(&alice, "bob").await;
    commits(&server, &alice, &commit(0, &[&bob], &[])).await;
    acks(&server, &bob, 1, 0).await;
    for group in 2..5 {
        let group = GroupId([group; 32]);
        let mut invited = commit(0, &[&bob], &[]);
        invited.group = group;
        invited.welcome = vec![7; 3 << 19].try_into().unwrap();
        commits(&server, &alice, &invited).await;
        let mut first = letter(1, "welcome!");
        first.group = group;
        sends(&server, &alice, &first).await;
    }
    sends(&server, &alice, &letter(1, "hello")).await;
    let page = page(&server, &bob).await;
    assert_eq!((page.welcomes.len(), page.more), (1, 1));
    let groups: Vec<_> = page.messages.iter().map(|message| message.group).collect();
    assert_eq!(groups, [GroupId([2; 32]), GROUP]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l17_large_writes_and_long_acks_cost_more() {
    let (server, alice) = TestServer::start_with(Policy::default(), |config| {
        config.letters_per_device_minute = 64;
    })
    .await;
    commits(&server, &alice, &commit(0, &[], &[])).await;
    sends(&server, &alice, &letter(1, &"x".repeat(32 * 16 * 1024))).await;
    let ack = Ack {
        welcomes: 0,
        groups: vec![
            Cursor {
                group: GROUP,
                sequence: 1
            };
            480
        ],
    };
    let too_many = server.post(&alice, api::ACKS, &ack).await;
    too_many.refused(ErrorCode::TooMany);
    let ack = Ack {
        groups: ack.groups[..400].to_vec(),
        ..ack
    };
    server.post(&alice, api::ACKS, &ack).await.done();
}

async fn sends_all(server: &TestServer, person: &Person, letters: &[Letter]) -> Vec<u64> {
    let letters = Letters::try_from(letters.to_vec()).unwrap();
    let answer = server.post(person, api::LETTERS, &letters).await;
    let accepted = answer.read::<AcceptedLetters>().into_vec();
    accepted.iter().map(|accepted| accepted.sequence).collect()
}

#[tokio::test]
async fn r05_letters_of_one_request_are_stored_in_order_and_once() {
    let (mut server, alice) = TestServer::start().await;
    let bob = server.hire(&alice, "bob").await;
    commits(&server, &alice, &commit(0, &[&bob], &[])).await;
    let letters: Vec<_> = (0..LETTERS_MAX)
        .map(|number| letter(1, &number.to_string()))
        .collect();
    let sequences: Vec<u64> = (2..).take(LETTERS_MAX).collect();
    assert_eq!(
        sends_all(&server, &alice, &letters[..20]).await,
        sequences[..20]
    );
    // The answer was lost: what is there already keeps its place, and the rest comes behind it.
    assert_eq!(sends_all(&server, &alice, &letters).await, sequences);
    let there = texts(&page(&server, &bob).await);
    let sent: Vec<_> = (0..LETTERS_MAX).map(|number| number.to_string()).collect();
    let sent: Vec<_> = sequences.into_iter().zip(sent).collect();
    assert_eq!(there, sent);
}

#[tokio::test]
async fn letters_behind_one_that_is_refused_are_not_stored() {
    let policy = Policy {
        letter_bytes_max: 2_000,
        ..Policy::default()
    };
    let (server, alice) = TestServer::start_with(policy, |_| {}).await;
    commits(&server, &alice, &commit(0, &[], &[])).await;
    let [first, second] = ["first", "second"].map(|text| letter(1, text));
    let stale = letter(0, "of another epoch");
    let elsewhere = Letter {
        group: GroupId([9; 32]),
        ..letter(1, "to nobody")
    };
    let other = Letter {
        id: first.id,
        ..letter(1, "under the first one's id")
    };
    let large = letter(1, &"x".repeat(4_000));
    for (refused, code) in [
        (stale, ErrorCode::Stale),
        (elsewhere, ErrorCode::NotFound),
        (other, ErrorCode::Conflict),
        (large, ErrorCode::TooLarge),
    ] {
        let letters = [first.clone(), refused.clone(), second.clone()];
        assert_eq!(sends_all(&server, &alice, &letters).await, [2], "{code:?}");
        server
            .post(&alice, api::LETTERS, &refused)
            .await
            .refused(code);
        // So it is when it is the first of several.
        let letters = Letters::try_from(vec![refused, second.clone()]).unwrap();
        let answer = server.post(&alice, api::LETTERS, &letters).await;
        answer.refused(code);
    }
    assert_eq!(sends_all(&server, &alice, &[first, second]).await, [2, 3]);
}

/// How many of ten letters of 64 KiB each the server takes from a device that may send 256 KiB in an hour.
async fn taken_in_an_hour(off: Option<&'static str>) -> (TestServer, Person, usize) {
    dangerously_weaken(off);
    let (server, alice) = TestServer::start_with(Policy::default(), |config| {
        config.letter_kib_per_device_hour = 260;
    })
    .await;
    commits(&server, &alice, &commit(0, &[], &[])).await;
    let mut taken = 0;
    for number in 0..10 {
        let text = format!("{number} {}", "x".repeat(64_000));
        let sent = server.post(&alice, api::LETTERS, &letter(1, &text)).await;
        taken += usize::from(sent.status == 200);
    }
    dangerously_weaken(None);
    (server, alice, taken)
}

#[tokio::test]
async fn v14_no_device_fills_the_disk_with_letters() {
    let (server, alice, taken) = taken_in_an_hour(None).await;
    assert_eq!(taken, 4);
    let more = letter(1, &"x".repeat(64_000));
    let refused = server.post(&alice, api::LETTERS, &more).await;
    refused.refused(ErrorCode::TooMany);
    // Several in one request are several.
    let small = letter(1, "x");
    assert_eq!(
        sends_all(&server, &alice, &[small, more.clone()]).await,
        [6]
    );
    // An acknowledgement takes nothing.
    acks(&server, &alice, 0, 1).await;
    for _ in 0..6 {
        server.clock.advance(600_000);
        acks(&server, &alice, 0, 1).await;
    }
    sends(&server, &alice, &more).await;
}

#[tokio::test]
async fn v14_twin_a_device_fills_the_disk_with_letters() {
    let (_server, _alice, taken) = taken_in_an_hour(Some("V14")).await;
    assert_eq!(taken, 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e12_what_a_revoked_device_has_in_the_queue_is_refused() {
    let (mut server, alice) = TestServer::start().await;
    let bob = server.hire(&alice, "bob").await;
    commits(&server, &alice, &commit(0, &[&bob], &[])).await;
    let entry =
        testing::device_revoke(&server.directory, &bob.name, bob.device.id(), &[&alice.key]);
    server.append(&alice, entry).await;
    let Server {
        service, writer, ..
    } = server.reopen().await;
    let _writer = tokio::spawn(writer.run());
    // Past the door, as if it had come before the revocation.
    let (device, delivery) = (bob.device.id(), &service.delivery);
    let letters = vec![letter(1, "one more")].try_into().unwrap();
    let letters = delivery.letters(device, letters).await;
    let commit = delivery.commit(device, commit(1, &[], &[])).await;
    let ack = delivery.ack(device, Ack::default()).await;
    assert_eq!(letters, Err(DeliveryError::Revoked));
    assert_eq!(commit, Err(DeliveryError::Revoked));
    assert_eq!(ack, Err(DeliveryError::Revoked));
}
