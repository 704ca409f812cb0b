//! How many letters a second: `cargo test --release -p valise-server --lib speed -- --ignored --nocapture`.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;
use valise_proto::{
    api::{self, delivery::Letter},
    codec::encode,
    id::{GroupId, SubmissionId},
    log::entry::Policy,
    testing::random,
};

use super::{
    delivery::{commit, commits},
    support::TestServer,
};

const CONNECTIONS: usize = 64;
const SECONDS: u64 = 5;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement, not a check"]
async fn letters_a_second() {
    let (server, alice) = TestServer::start_with(Policy::default(), |config| {
        config.letters_per_device_minute = u32::MAX;
    })
    .await;
    for group in 0..8 {
        let mut commit = commit(0, &[], &[]);
        commit.group = GroupId([group; 32]);
        commits(&server, &alice, &commit).await;
    }
    let (server, alice) = (Arc::new(server), Arc::new(alice));
    let end = Instant::now() + Duration::from_secs(SECONDS);
    let mut senders = tokio::task::JoinSet::new();
    for number in 0..CONNECTIONS {
        let (server, alice) = (Arc::clone(&server), Arc::clone(&alice));
        senders.spawn(async move {
            let mut connection = server.connect().await;
            let mut accepted = 0_u64;
            while Instant::now() < end {
                let letter = Letter {
                    id: SubmissionId(random()),
                    group: GroupId([u8::try_from(number % 8).unwrap(); 32]),
                    epoch: 1,
                    message: vec![7; 1024].try_into().unwrap(),
                };
                let request = server.signed(&alice, "POST", api::LETTERS, encode(&letter));
                let answer = connection.send(&request).await;
                assert_eq!(answer.status, 200, "{:?}", answer.problem());
                accepted += 1;
            }
            accepted
        });
    }
    let accepted: u64 = senders.join_all().await.into_iter().sum();
    let rate = accepted / SECONDS;
    assert!(rate > 0);
    #[expect(clippy::print_stderr, reason = "the measurement's result")]
    {
        eprintln!("{rate} letters a second over {CONNECTIONS} connections");
    }
}
