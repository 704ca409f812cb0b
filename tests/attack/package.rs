//! Key packages: nobody can be added by one that is old, used or of another suite.

use reqwest::Method;
use valise_client::{clock::Clock as _, session::Error, trust::Alarm, weaken::dangerously_weaken};
use valise_proto::{
    api::{
        COMMITS, KEY_PACKAGE_CLAIMS, LETTERS,
        key_package::{Claimed, ClaimedPackage},
    },
    codec::decode,
    id::DeviceId,
};

use super::insider::package_of;
use crate::support::{Mallory, Office, Person};

const DAY_S: u64 = 86_400;

/// Whatever is claimed, the answer is this package.
pub(super) fn serve(mallory: &Mallory, device: DeviceId, package: Vec<u8>) {
    mallory.alter(
        &Method::POST,
        KEY_PACKAGE_CLAIMS,
        move |claimed: &mut Claimed| {
            claimed.packages = vec![ClaimedPackage {
                device,
                package: package.clone().try_into().unwrap(),
                last_resort: 0,
            }];
        },
    );
    mallory.forget();
}

/// The first package that was handed out since mallory forgot.
fn handed_out(mallory: &Mallory) -> Vec<u8> {
    let claimed = &mallory.seen(&Method::POST, KEY_PACKAGE_CLAIMS)[0];
    let claimed: Claimed = decode(&claimed.answer).unwrap();
    claimed.packages[0].package.as_slice().to_vec()
}

/// Alice writes to bob, whose device offers a package from so many days ago that lasts so many.
pub(super) async fn lasting(
    office: &Office,
    mallory: &Mallory,
    alice: &mut Person,
    (ago, days): (u64, u64),
) -> Person {
    let mut bob = office.hire(alice, "bob").await;
    let own = bob.identity();
    let rogue = bob.session().attack_rogue(&own).unwrap();
    let from_s = office.time.now_ms() / 1_000 - 60 - ago * DAY_S;
    let package = rogue.package_lasting(from_s, from_s + days * DAY_S);
    serve(mallory, own.device, package.unwrap());
    bob
}

/// Bob's own package, 31 days after he made it.
async fn expired(office: &Office, mallory: &Mallory, alice: &mut Person) -> Person {
    let mut bob = office.hire(alice, "bob").await;
    let own = bob.identity();
    serve(mallory, own.device, package_of(mallory, &own));
    office.time.pass_days(31);
    bob
}

/// Nothing has left for bob, and it is said why.
async fn refuses(mallory: &Mallory, alice: &mut Person) {
    let refused = alice.try_send(&["bob"], "Source", "Jean").await;
    let account = "bob".parse().unwrap();
    let expected = Alarm::StalePackage { account };
    assert!(
        matches!(&refused, Err(Error::Alarm(alarm)) if *alarm == expected),
        "{refused:?}"
    );
    assert!(alice.events().contains(&"stale-package".to_owned()));
    assert!(mallory.seen(&Method::POST, COMMITS).is_empty());
    assert!(mallory.seen(&Method::POST, LETTERS).is_empty());
}

#[tokio::test]
async fn g13_a_package_that_lasts_too_long_is_refused() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let _bob = lasting(&office, &mallory, &mut alice, (0, 31)).await;
    refuses(&mallory, &mut alice).await;
}

#[tokio::test]
async fn g13_twin_a_package_lasts_for_ten_years() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let _bob = lasting(&office, &mallory, &mut alice, (0, 3_650)).await;
    dangerously_weaken(Some("G13"));
    alice.send(&["bob"], "Source", "Jean").await;
    assert_eq!(mallory.seen(&Method::POST, LETTERS).len(), 1);
}

#[tokio::test]
async fn g13_an_expired_package_is_refused() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let _bob = expired(&office, &mallory, &mut alice).await;
    refuses(&mallory, &mut alice).await;
}

#[tokio::test]
async fn g13_twin_an_expired_package_is_used() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let _bob = expired(&office, &mallory, &mut alice).await;
    dangerously_weaken(Some("G13"));
    alice.send(&["bob"], "Source", "Jean").await;
    assert_eq!(mallory.seen(&Method::POST, LETTERS).len(), 1);
}

/// Packages are renewed after a week, and the newest is handed out first.
#[tokio::test]
async fn g13_packages_are_renewed_before_they_are_old() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let mut bob = office.hire(&mut alice, "bob").await;
    let device = bob.session().device();
    let every = || -> Vec<Vec<u8>> {
        let sql = "select package from key_package where device_id = ?1 and last_resort = 0";
        let database = mallory.database();
        let mut statement = database.prepare(sql).unwrap();
        let rows = statement.query_map([device.as_ref()], |row| row.get(0));
        rows.unwrap().map(Result::unwrap).collect()
    };
    let first = every();
    office.time.pass_days(6);
    bob.sync().await;
    assert_eq!(every().len(), first.len());
    office.time.pass_days(2);
    bob.sync().await;
    assert_eq!(every().len(), 2 * first.len());
    mallory.forget();
    alice.send(&["bob"], "Plan", "At nine.").await;
    assert!(!first.contains(&handed_out(&mallory)));
    bob.sync().await;
    assert_eq!(bob.bodies(), ["At nine."]);
    // An honest server hands out none that is too old.
    office.time.pass_days(30);
    let mut carol = office.hire(&mut alice, "carol").await;
    let refused = carol.try_send(&["bob"], "Plan", "At ten.").await;
    assert!(matches!(refused, Err(Error::NoDevice(_))), "{refused:?}");
    assert!(!carol.events().contains(&"stale-package".to_owned()));
}

/// Alice and carol both write to bob, who has not looked yet; carol is given the package that alice was,
/// or one of her own.
pub(super) async fn handed_out_twice(
    office: &Office,
    mallory: &Mallory,
    alice: &mut Person,
    twice: bool,
) -> Person {
    let [mut bob, mut carol] = office.hire_all(alice, ["bob", "carol"]).await;
    mallory.forget();
    alice.send(&["bob"], "Plan", "At nine.").await;
    if twice {
        let package = handed_out(mallory);
        serve(mallory, bob.session().device(), package);
    }
    carol.send(&["bob"], "Plan", "At ten.").await;
    mallory.behave();
    bob
}

#[tokio::test]
async fn g12_a_package_invites_once() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let mut bob = handed_out_twice(&office, &mallory, &mut alice, true).await;
    bob.sync().await;
    assert_eq!(bob.bodies(), ["At nine."]);
    let events = bob.session().events().unwrap();
    assert!(
        events
            .iter()
            .any(|event| event.detail.contains("used before")),
        "{events:?}"
    );
}

/// The twin: with a package of its own the second invitation is as good as the first.
#[tokio::test]
async fn g12_twin_two_packages_invite_twice() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let mut bob = handed_out_twice(&office, &mallory, &mut alice, false).await;
    bob.sync().await;
    assert_eq!(bob.bodies(), ["At nine.", "At ten."]);
}

/// Bob's device offers `package`, and alice writes to him.
async fn offered(
    mallory: &Mallory,
    alice: &mut Person,
    bob: &mut Person,
    package: Vec<u8>,
) -> Result<u64, Error> {
    serve(mallory, bob.session().device(), package);
    alice.try_send(&["bob"], "Source", "Jean").await
}

/// A package of bob's device for the classical suite.
pub(super) fn classical(bob: &mut Person) -> Vec<u8> {
    let own = bob.identity();
    let rogue = bob.session().attack_rogue(&own).unwrap();
    rogue.classical_package().unwrap()
}

#[tokio::test]
async fn g15_a_classical_package_is_refused() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let mut bob = office.hire(&mut alice, "bob").await;
    let package = classical(&mut bob);
    let refused = offered(&mallory, &mut alice, &mut bob, package).await;
    assert!(matches!(refused, Err(Error::NoDevice(_))), "{refused:?}");
    assert!(alice.events().contains(&"bad-package".to_owned()));
    assert!(mallory.seen(&Method::POST, LETTERS).is_empty());
}

/// 0x0002 is DHKEM over P-256 with ECDSA, 0x0005 the one over P-521, 0x0007 the one over P-384.
#[tokio::test]
async fn g16_a_package_with_an_ecdsa_leaf_is_refused() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let mut bob = office.hire(&mut alice, "bob").await;
    let own = bob.identity();
    let rogue = bob.session().attack_rogue(&own).unwrap();
    for code in [0x0002, 0x0005, 0x0007] {
        let package = rogue.package_of_suite(code).unwrap();
        let refused = offered(&mallory, &mut alice, &mut bob, package).await;
        assert!(matches!(refused, Err(Error::NoDevice(_))), "{refused:?}");
        assert!(mallory.seen(&Method::POST, LETTERS).is_empty());
    }
    assert!(alice.events().contains(&"bad-package".to_owned()));
}

/// The twin of both: the same device's package in our own suite is used.
#[tokio::test]
async fn g15_g16_twin_a_package_in_our_suite_is_used() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let mut bob = office.hire(&mut alice, "bob").await;
    let own = bob.identity();
    let rogue = bob.session().attack_rogue(&own).unwrap();
    let now_s = office.time.now_ms() / 1_000;
    let package = rogue
        .package_lasting(now_s - 60, now_s + 29 * DAY_S)
        .unwrap();
    offered(&mallory, &mut alice, &mut bob, package)
        .await
        .expect("sending");
    assert_eq!(mallory.seen(&Method::POST, LETTERS).len(), 1);
}
