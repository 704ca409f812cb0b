//! From `init` to a restart.

use std::os::unix::fs::PermissionsExt;

use valise_proto::{
    api::{
        self,
        delivery::Page,
        key_package::{Claim, Claimed, Publish},
    },
    log::entry::Policy,
};

use super::{
    delivery::{commit, commits, letter, sends},
    support::{Person, TestServer, genesis_file},
};
use crate::init::{InitError, init};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn init_makes_a_private_folder_once_and_only_from_a_true_genesis() {
    let data = tempfile::tempdir().unwrap();
    let folder = data.path().join("valise");
    let listen = "127.0.0.1:0".parse().unwrap();
    let (genesis, directory) = genesis_file(&Person::new("alice"), Policy::default());
    for at in [0, 3, 100, genesis.len() - 1] {
        let mut changed = genesis.clone();
        changed[at] ^= 1;
        assert!(init(&folder, &changed, listen).await.is_err(), "{at}");
        assert!(!folder.exists());
    }
    let card = init(&folder, &genesis, listen).await.unwrap();
    assert_eq!(card.org, directory.org());
    assert_eq!(card.to_string().parse(), Ok(card));
    assert_eq!(mode(&folder), 0o700);
    for file in ["tls.key", "log.key", "valised.toml"] {
        assert_eq!(mode(&folder.join(file)), 0o600, "{file}");
    }
    let again = init(&folder, &genesis, listen).await;
    assert!(matches!(again, Err(InitError::MisuseNotEmpty(_))));
}

fn mode(path: &std::path::Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_keeps_everything() {
    let (mut server, alice) = TestServer::start().await;
    let bob = server.hire(&alice, "bob").await;
    commits(&server, &alice, &commit(0, &[&bob], &[])).await;
    sends(&server, &alice, &letter(1, "hello")).await;
    let publish = Publish {
        once: vec![b"package".to_vec().try_into().unwrap()],
        last_resort: None,
    };
    server.post(&bob, api::KEY_PACKAGES, &publish).await.done();
    let before: Page = server.get(&bob, api::SYNC).await.read();
    server.stop().await;
    server.run().await.unwrap();
    let after: Page = server.get(&bob, api::SYNC).await.read();
    assert_eq!(before, after);
    let claim = Claim {
        devices: vec![bob.device.id()],
    };
    let claimed: Claimed = server
        .post(&alice, api::KEY_PACKAGE_CLAIMS, &claim)
        .await
        .read();
    assert_eq!(claimed.packages.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_under_way_are_answered_before_the_end() {
    let (mut server, alice) = TestServer::start().await;
    commits(&server, &alice, &commit(0, &[], &[])).await;
    let requests: Vec<_> = (0..50)
        .map(|_| {
            let body = valise_proto::codec::encode(&letter(1, "last words"));
            server.signed(&alice, "POST", api::LETTERS, body)
        })
        .collect();
    let mut connections = Vec::new();
    for _ in &requests {
        connections.push(server.connect().await);
    }
    let mut sent = tokio::task::JoinSet::new();
    for (mut connection, request) in connections.into_iter().zip(requests) {
        sent.spawn(async move { connection.send(&request).await.status });
    }
    assert_eq!(sent.join_next().await.unwrap().unwrap(), 200);
    server.stop().await;
    // The others were answered, or refused before a byte was read: never accepted and lost.
    let mut accepted = 1;
    while let Some(status) = sent.join_next().await {
        accepted += u64::from(status.is_ok_and(|status| status == 200));
    }
    server.run().await.unwrap();
    let page: Page = server.get(&alice, api::SYNC).await.read();
    let stored = u64::try_from(page.messages.len()).unwrap() - 1;
    assert!(
        stored >= accepted,
        "{stored} stored, {accepted} acknowledged"
    );
}
