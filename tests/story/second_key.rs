//! A second security key: added with the first, good for everything that the first is good for.

use valise_client::{
    key::{KeyError, Source},
    session::{Error, Keyring},
};

use crate::support::{Office, person::Willing};

#[tokio::test]
async fn either_key_opens_logs_in_and_signs() {
    let (office, mut alice) = Office::open_now().await;
    let mut bob = office.hire(&mut alice, "bob").await;
    bob.close();
    let mut first = office.cli("bob");
    let second = bob.key.with_extension("second");
    let listed = first.json(&["key", "list"]).objects();
    assert_eq!(listed.len(), 1);
    let doctor = first.run(&["doctor"]);
    assert!(doctor.out.contains("valise key add"), "{}", doctor.out);

    let new = format!("soft:{}", second.display());
    let added = first.json(&["key", "add", "--new-key", &new]).object();
    assert_eq!(added["state"], "added");
    let listed = first.json(&["key", "list"]).objects();
    assert_eq!(listed.len(), 2, "{listed:?}");
    assert!(
        listed.iter().all(|key| key["here"] == "known"),
        "{listed:?}"
    );

    // The first key goes into the safe.
    std::fs::rename(&first.key, bob.key.with_extension("safe")).unwrap();
    first.key = second;
    let tested = first.json(&["key", "test"]).object();
    assert_eq!(tested["key"], added["key"]);
    first.json(&["send", "alice", "-s", "Bus", "-m", "It leaves at 7."]);
    let id = added["key"].as_str().unwrap();
    first.json(&["key", "rename", &id[..8], "on the ring"]);
    let listed = first.json(&["key", "list"]).objects();
    assert_eq!(listed[1]["label"], "on the ring", "{listed:?}");
    // It certifies another computer too, and that one opens with either key as well.
    let mut laptop = first.clone();
    laptop.home = first.home.with_extension("other");
    let card = office.card_file();
    laptop.json(&["join", card.to_str().unwrap(), "--as", "bob"]);
    laptop.key = bob.key.with_extension("safe");
    let inbox = laptop.json(&["inbox"]);
    assert_eq!(inbox.code, 0);
    assert_eq!(laptop.json(&["key", "list"]).objects().len(), 2);
    // The computer that was there before says who came.
    first.run(&["sync"]).done();
    let told = first.run(&["whoami"]);
    assert!(
        told.err.contains("ATTENTION, your own record"),
        "{}",
        told.err
    );
    assert!(told.err.contains("bob's own key"), "{}", told.err);
    assert!(told.err.contains("valise device revoke"), "{}", told.err);
    first.json(&["contact", "accept", "bob"]);
    let told = first.run(&["whoami"]);
    assert!(!told.err.contains("ATTENTION"), "{}", told.err);
}

#[tokio::test]
async fn a_lost_key_is_removed_and_the_last_one_is_not() {
    let (office, mut alice) = Office::open_now().await;
    let mut bob = office.hire(&mut alice, "bob").await;
    bob.close();
    let first = office.cli("bob");
    let mut second = first.clone();
    second.key = bob.key.with_extension("second");
    let own = first.json(&["key", "list"]).objects().remove(0);
    let id = own["id"].as_str().unwrap();
    let refused = first.run(&["key", "remove", id, "--yes"]);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(
        refused.err.contains("your only security key"),
        "{refused:?}"
    );
    let new = format!("soft:{}", second.key.display());
    first.json(&["key", "add", "--new-key", &new]);
    second.json(&["key", "remove", id, "--yes"]);
    assert_eq!(second.json(&["key", "list"]).objects().len(), 1);
    second.json(&["send", "alice", "-s", "Bus", "-m", "It leaves at 7."]);
    // What the finder has opens nothing.
    let refused = first.run(&["list"]);
    assert_eq!(refused.code, 8, "{refused:?}");
}

#[tokio::test]
async fn a_key_is_not_added_to_itself() {
    let (office, mut alice) = Office::open().await;
    let mut bob = office.hire(&mut alice, "bob").await;
    let mut hand = Willing::default();
    let mut same = Keyring {
        source: Source::Soft(bob.key.clone()),
        prompt: &mut hand,
    };
    let made = Box::pin(bob.session().make_spare(&mut same)).await;
    assert!(
        matches!(made, Err(Error::Key(KeyError::AlreadyEnrolled))),
        "{made:?}"
    );
    // And it is still what it was.
    bob.reopen();
    bob.send(&["alice"], "Bus", "It leaves at 7.").await;
}
