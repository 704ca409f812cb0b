//! Key packages: each once, the last resort again and again.

use valise_proto::{
    api::{
        self, ErrorCode,
        key_package::{Claim, Claimed, Publish},
    },
    codec::Bytes,
    log::entry::Policy,
    testing,
};

use super::support::TestServer;

fn package(name: &str) -> Bytes<8192> {
    name.as_bytes().to_vec().try_into().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g11_a_package_is_given_once_and_the_last_resort_for_ever() {
    let (mut server, alice) = TestServer::start().await;
    let bob = server.hire(&alice, "bob").await;
    let publish = Publish {
        once: vec![package("a"), package("b"), package("a")],
        last_resort: Some(package("old")),
    };
    server.post(&bob, api::KEY_PACKAGES, &publish).await.done();
    let publish = Publish {
        once: vec![package("b")],
        last_resort: Some(package("last")),
    };
    server.post(&bob, api::KEY_PACKAGES, &publish).await.done();
    let claim = Claim {
        devices: vec![bob.device.id(), alice.device.id()],
    };
    let mut claimed = Vec::new();
    for _ in 0..4 {
        let answer: Claimed = server
            .post(&alice, api::KEY_PACKAGE_CLAIMS, &claim)
            .await
            .read();
        assert_eq!(answer.packages.len(), 1, "bob's, and not alice's own");
        assert_eq!(answer.packages[0].device, bob.device.id());
        let text = String::from_utf8(answer.packages[0].package.as_slice().to_vec()).unwrap();
        claimed.push((text, answer.packages[0].last_resort));
    }
    claimed[..2].sort();
    let expected = [("a", 0), ("b", 0), ("last", 1), ("last", 1)];
    assert_eq!(
        claimed,
        expected.map(|(text, last)| (text.to_owned(), last))
    );
    let page: api::delivery::Page = server.get(&bob, api::SYNC).await.read();
    assert_eq!(page.key_packages, 0);
    // Nothing of a revoked device is given.
    let entry =
        testing::device_revoke(&server.directory, &bob.name, bob.device.id(), &[&alice.key]);
    server.append(&alice, entry).await;
    let answer: Claimed = server
        .post(&alice, api::KEY_PACKAGE_CLAIMS, &claim)
        .await
        .read();
    assert!(answer.packages.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g11_nobody_drains_a_colleague() {
    let (mut server, alice) = TestServer::start_with(Policy::default(), |config| {
        config.claims_per_target_hour = 3;
        config.key_packages_per_device_max = 4;
    })
    .await;
    let bob = server.hire(&alice, "bob").await;
    let carol = server.hire(&alice, "carol").await;
    let once = (0..10).map(|number| package(&number.to_string())).collect();
    let publish = Publish {
        once,
        last_resort: None,
    };
    server.post(&bob, api::KEY_PACKAGES, &publish).await.done();
    let page: api::delivery::Page = server.get(&bob, api::SYNC).await.read();
    assert_eq!(page.key_packages, 4);
    let claim = Claim {
        devices: vec![bob.device.id()],
    };
    for _ in 0..3 {
        server
            .post(&alice, api::KEY_PACKAGE_CLAIMS, &claim)
            .await
            .read::<Claimed>();
    }
    server
        .post(&alice, api::KEY_PACKAGE_CLAIMS, &claim)
        .await
        .refused(ErrorCode::TooMany);
    let left: Claimed = server
        .post(&carol, api::KEY_PACKAGE_CLAIMS, &claim)
        .await
        .read();
    assert_eq!(left.packages.len(), 1);
}
