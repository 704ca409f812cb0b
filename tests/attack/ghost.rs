//! Nobody but a person's own security key adds a device that colleagues write to.

use reqwest::Method;
use valise_client::{attack::Rogue, session::Error, trust::Alarm, weaken::dangerously_weaken};
use valise_proto::{
    api::{COMMITS, KEY_PACKAGE_CLAIMS, LETTERS, delivery, key_package::Claimed},
    conversation::{Conversation, LeafIdentity},
    id::{DeviceId, GroupId, Hash},
};

use super::insider::package_of;
use crate::support::{Mallory, Office, Person};

const SECRET: &str = "The source is called Jean.";

/// Every claimed key package becomes `package`.
pub(super) fn serve(mallory: &Mallory, package: Vec<u8>) {
    mallory.alter(
        &Method::POST,
        KEY_PACKAGE_CLAIMS,
        move |claimed: &mut Claimed| {
            for claimed in &mut claimed.packages {
                claimed.package = package.clone().try_into().unwrap();
            }
        },
    );
    mallory.forget();
}

/// The honest client: an alarm with its event, and nothing left the house, now or at the next try.
async fn refuses(mallory: &Mallory, alice: &mut Person, kind: &str) -> Alarm {
    let Err(Error::Alarm(alarm)) = alice.try_send(&["bob"], "Source", SECRET).await else {
        panic!("the letter was sent");
    };
    assert_eq!(alarm.kind(), kind);
    assert!(
        alice.events().contains(&kind.to_owned()),
        "{:?}",
        alice.events()
    );
    assert!(alice.try_sync().await.is_err());
    assert!(mallory.seen(&Method::POST, COMMITS).is_empty());
    assert!(mallory.seen(&Method::POST, LETTERS).is_empty());
    alarm
}

/// What the attacker reads of what passed through her hands.
pub(super) fn read(mallory: &Mallory, rogue: &Rogue) -> String {
    let commit: delivery::Commit = mallory.seen(&Method::POST, COMMITS)[0].request();
    let letter: delivery::Letter = mallory.seen(&Method::POST, LETTERS)[0].request();
    rogue
        .join(commit.welcome.as_slice())
        .expect("the attacker joins");
    let letter = rogue
        .read(letter.group, letter.message.as_slice())
        .expect("the attacker reads");
    letter.expect("a letter").body.as_str().to_owned()
}

/// Mallory's own device, which claims to be bob's and which no key of his ever certified.
pub(super) fn ghost() -> Rogue {
    let seed = [7; 32];
    let mut identity = LeafIdentity {
        account: "bob".parse().unwrap(),
        device: DeviceId([0; 32]),
        index: 3,
        certificate: Hash([9; 32]),
    };
    identity.device = Rogue::new(&seed, &identity).unwrap().device().unwrap();
    Rogue::new(&seed, &identity).unwrap()
}

#[tokio::test]
async fn d01_a_ghost_device_is_refused() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let _bob = office.hire(&mut alice, "bob").await;
    let ghost = ghost();
    serve(&mallory, ghost.package().unwrap());
    let alarm = refuses(&mallory, &mut alice, "ghost-device").await;
    let device = ghost.device().unwrap();
    assert_eq!(
        alarm,
        Alarm::GhostDevice {
            account: "bob".parse().unwrap(),
            device
        }
    );
}

#[tokio::test]
async fn d01_twin_a_ghost_reads_bobs_letter() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let _bob = office.hire(&mut alice, "bob").await;
    let ghost = ghost();
    serve(&mallory, ghost.package().unwrap());
    dangerously_weaken(Some("D01"));
    alice.send(&["bob"], "Source", SECRET).await;
    assert_eq!(read(&mallory, &ghost), SECRET);
}

/// Carol is on mallory's side: her certified device, with bob's name on it.
pub(super) fn carol_as_bob(carol: &mut Person) -> Rogue {
    let mut identity = carol.identity();
    identity.account = "bob".parse().unwrap();
    carol.session().attack_rogue(&identity).unwrap()
}

#[tokio::test]
async fn d02_another_insiders_device_is_not_bobs() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let _bob = office.hire(&mut alice, "bob").await;
    let mut carol = office.hire(&mut alice, "carol").await;
    serve(&mallory, carol_as_bob(&mut carol).package().unwrap());
    let alarm = refuses(&mallory, &mut alice, "misbound-device").await;
    let (account, owner) = ("bob".parse().unwrap(), "carol".parse().unwrap());
    assert_eq!(alarm, Alarm::MisboundDevice { account, owner });
}

#[tokio::test]
async fn d02_an_insiders_own_device_does_not_pass_for_bobs() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let _bob = office.hire(&mut alice, "bob").await;
    let mut carol = office.hire(&mut alice, "carol").await;
    let own = carol.identity();
    serve(
        &mallory,
        carol
            .session()
            .attack_rogue(&own)
            .unwrap()
            .package()
            .unwrap(),
    );
    refuses(&mallory, &mut alice, "unauthorised-member").await;
}

#[tokio::test]
async fn d02_twin_carol_reads_bobs_letter() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let _bob = office.hire(&mut alice, "bob").await;
    let mut carol = office.hire(&mut alice, "carol").await;
    let rogue = carol_as_bob(&mut carol);
    serve(&mallory, rogue.package().unwrap());
    dangerously_weaken(Some("D02"));
    alice.send(&["bob"], "Source", SECRET).await;
    assert_eq!(read(&mallory, &rogue), SECRET);
}

/// Bob's identity, to the last bit, over mallory's key.
pub(super) fn swapped(bob: &mut Person) -> Rogue {
    Rogue::new(&[8; 32], &bob.identity()).unwrap()
}

#[tokio::test]
async fn d03_a_swapped_key_package_is_refused() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let mut bob = office.hire(&mut alice, "bob").await;
    serve(&mallory, swapped(&mut bob).package().unwrap());
    let alarm = refuses(&mallory, &mut alice, "swapped-key").await;
    assert_eq!(
        alarm,
        Alarm::SwappedKey {
            account: "bob".parse().unwrap()
        }
    );
}

#[tokio::test]
async fn d03_twin_a_swapped_key_package_reads_bobs_letter() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let mut bob = office.hire(&mut alice, "bob").await;
    let rogue = swapped(&mut bob);
    serve(&mallory, rogue.package().unwrap());
    dangerously_weaken(Some("D03"));
    alice.send(&["bob"], "Source", SECRET).await;
    assert_eq!(read(&mallory, &rogue), SECRET);
}

/// Bob founds a conversation with alice, in whose tree there is a computer of hers that nobody
/// certified. Mallory hands her the invitation. Returns the computer, and the conversation.
pub(super) async fn ghost_in_the_tree(
    office: &Office,
    mallory: &Mallory,
    alice: &mut Person,
) -> (Rogue, GroupId) {
    let mut bob = office.hire(alice, "bob").await;
    let own = alice.identity();
    let device = Rogue::new(&[9; 32], &own).unwrap().device().unwrap();
    let ghost = Rogue::new(
        &[9; 32],
        &LeafIdentity {
            device,
            ..own.clone()
        },
    )
    .unwrap();
    let record = Conversation {
        nonce: [1; 16],
        creator: bob.name.clone(),
        accounts: vec![alice.name.clone(), bob.name.clone()],
    };
    let group = record.group_id(office.card.org).unwrap();
    let identity = bob.identity();
    let rogue = bob.session().attack_rogue(&identity).unwrap();
    let packages = [package_of(mallory, &own), ghost.package().unwrap()];
    let packages: Vec<_> = packages.iter().map(Vec::as_slice).collect();
    let welcome = rogue.found(group, &record, &packages).unwrap();
    ghost.join(&welcome).unwrap();
    mallory.invite(group, &welcome);
    (ghost, group)
}

async fn invited(mallory: &Mallory, alice: &mut Person, off: Option<&str>) {
    dangerously_weaken(off);
    alice.sync().await;
    mallory.behave();
    mallory.forget();
}

#[tokio::test]
async fn g05_a_tree_with_a_ghost_in_it_is_not_joined() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let (ghost, group) = ghost_in_the_tree(&office, &mallory, &mut alice).await;
    invited(&mallory, &mut alice, None).await;
    assert!(
        alice.events().contains(&"ghost-device".to_owned()),
        "{:?}",
        alice.events()
    );
    assert!(alice.session().attack_conversations().unwrap().is_empty());
    alice.send(&["bob"], "Source", SECRET).await;
    let sent: delivery::Letter = mallory.seen(&Method::POST, LETTERS)[0].request();
    assert_ne!(sent.group, group);
    assert!(ghost.read(sent.group, sent.message.as_slice()).is_err());
}

#[tokio::test]
async fn g05_twin_the_ghost_in_the_tree_reads() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let (ghost, group) = ghost_in_the_tree(&office, &mallory, &mut alice).await;
    invited(&mallory, &mut alice, Some("D01")).await;
    alice.send(&["bob"], "Source", SECRET).await;
    let sent: delivery::Letter = mallory.seen(&Method::POST, LETTERS)[0].request();
    assert_eq!(sent.group, group);
    let read = ghost.read(group, sent.message.as_slice()).unwrap().unwrap();
    assert_eq!(read.body.as_str(), SECRET);
}
