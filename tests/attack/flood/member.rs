//! V14, V15: a colleague floods with letters, or with changes of a group.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use reqwest::Method;
use tokio::sync::oneshot;
use valise_client::attack::Claim;
use valise_proto::{
    api::{ErrorCode, LETTERS, delivery},
    codec::encode,
    id::{GroupId, SubmissionId},
    testing::random,
};

use super::{besieged, correspond};
use crate::support::{Office, Person};

/// Letters of one device in a minute, and how many mallory tries to send.
const LIMIT: usize = 60;
const TRIED: usize = 600;
/// Commits of one device into one group in a minute, as the server has it.
const COMMITS: usize = 30;

/// The group of `with` and the others, as `member` knows it: its id and epoch.
fn group(member: &mut Person, people: usize) -> (GroupId, u64) {
    let known = member
        .session()
        .attack_conversations()
        .expect("conversations");
    let mut known = known.into_iter();
    let (group, _) = known
        .find(|(_, conversation)| conversation.accounts.len() == people)
        .expect("a conversation");
    let epochs = member.session().attack_epochs().expect("epochs");
    let epoch = epochs.iter().find(|(id, ..)| *id == group);
    (group, epoch.expect("an epoch").1)
}

/// Mallory hands the server nonsense in the place of letters, as fast as it takes it: how many it took.
async fn nonsense(mallory: &mut Person) -> usize {
    let (group, epoch) = group(mallory, 3);
    let login = mallory.session().login_session().expect("the store");
    let claim = Claim::Session(login.expect("a session").id);
    let mut taken = 0;
    for _ in 0..TRIED {
        let letter = delivery::Letter {
            id: SubmissionId(random()),
            group,
            epoch,
            message: random::<1000>()
                .to_vec()
                .try_into()
                .expect("a short letter"),
        };
        let sent = mallory.request(claim, Method::POST, LETTERS, encode(&letter));
        match sent.await {
            Ok(_) => taken += 1,
            Err(refused) => assert_eq!(refused.code(), Some(ErrorCode::TooMany), "{refused}"),
        }
    }
    taken
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn v14_r06_who_floods_is_stopped_and_nonsense_is_parked() {
    let limits = format!("letters_per_device_minute = {LIMIT}\n");
    let (office, server, [mut alice, mut bob, mut mallory]) = Box::pin(besieged(&limits)).await;
    let (ready, is_ready) = oneshot::channel();
    let flood = std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        ready.send(()).expect("somebody waits");
        runtime.block_on(async {
            mallory.reopen();
            mallory.sync().await;
            nonsense(&mut mallory).await
        })
    });
    is_ready.await.expect("the flood");
    correspond(&mut alice, &mut bob, 5).await;
    alice
        .send(&["bob", "mallory"], "Among three", "before")
        .await;
    let taken = flood.join().expect("the flood");
    // The bucket fills again while the flood goes on, however slow this machine is.
    assert!((LIMIT / 2..TRIED).contains(&taken), "{taken}");
    alice
        .send(&["bob", "mallory"], "Among three", "after")
        .await;
    correspond(&mut alice, &mut bob, 1).await;
    let bodies = bob.bodies();
    assert!(
        ["before", "after"]
            .iter()
            .all(|body| bodies.contains(&(*body).to_owned()))
    );
    // What does not open is left behind, each under its own number, and nothing waits behind it.
    let events = bob.events();
    let parked = events.iter().filter(|kind| *kind == "unreadable").count();
    assert_eq!(parked, taken);
    server.stop();
    drop(office);
}

/// Mallory changes her keys in the group of three again and again, until the server takes no more.
async fn storm(mallory: &mut Person, most: usize) -> usize {
    let (group, _) = group(mallory, 3);
    for taken in 0..most {
        if mallory.session().attack_keep(group).await.is_err() {
            return taken;
        }
        mallory.sync().await;
    }
    most
}

async fn stormed(off: Option<&'static str>, most: usize) -> (Office, usize, [Person; 3]) {
    let (mut office, mut alice) = Office::open().await;
    office.stop();
    office.start_without(off).await;
    let [mut bob, mut mallory] = office.hire_all(&mut alice, ["bob", "mallory"]).await;
    alice.send(&["bob", "mallory"], "First", "first").await;
    bob.sync().await;
    mallory.sync().await;
    let over = Arc::<AtomicBool>::default();
    let told = Arc::clone(&over);
    let storm = std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let taken = runtime.block_on(storm(&mut mallory, most));
        told.store(true, Ordering::SeqCst);
        (taken, mallory)
    });
    // Whoever writes into the storm gets through it.
    let mut letters = 0;
    while letters < 3 || !over.load(Ordering::SeqCst) {
        letters += 1;
        alice
            .send(&["bob", "mallory"], "News", &format!("letter {letters}"))
            .await;
        bob.reply(1, true, "I am here.").await;
    }
    let (taken, mut mallory) = storm.join().expect("the storm");
    for person in [&mut alice, &mut bob] {
        person.sync().await;
        let mut bodies = person.bodies();
        bodies.retain(|body| body.starts_with("letter"));
        let sent: Vec<_> = (1..=letters)
            .map(|number| format!("letter {number}"))
            .collect();
        assert_eq!(bodies, sent);
        assert!(!person.events().iter().any(|kind| kind == "gap"));
    }
    if off.is_none() {
        // A minute later she may again, and so may whoever has a reason to.
        office.time.pass_minutes(1);
        mallory.sync().await;
    }
    (office, taken, [alice, bob, mallory])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn v15_a_storm_of_commits_ends_and_the_group_is_in_use_all_the_while() {
    let (_office, taken, [mut alice, mut bob, _]) = Box::pin(stormed(None, 2 * COMMITS)).await;
    // Her program asks once more for each whether it won.
    assert!((1..=COMMITS).contains(&taken), "{taken}");
    alice.send(&["bob", "mallory"], "Last", "last").await;
    bob.sync().await;
    assert_eq!(bob.bodies().last().unwrap(), "last");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn v15_twin_without_the_limit_the_storm_has_no_end() {
    let (_office, taken, _) = Box::pin(stormed(Some("V15"), 2 * COMMITS)).await;
    assert_eq!(taken, 2 * COMMITS);
}
