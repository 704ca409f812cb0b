//! R02: somebody who dies while founding or joining.

use super::{all_is_well, subjects};
use crate::support::Site;

#[test]
fn r02_a_newcomer_dies_after_any_step_and_is_enrolled_all_the_same() {
    let (site, alice) = Site::open();
    let card = site.path("card.valise");
    let before = [
        "after-credentials",
        "after-store",
        "after-settle",
        "after-ask",
    ];
    let after = [
        "after-login",
        "after-log-stored",
        "after-append",
        "after-certify",
        "after-packages-made",
        "after-publish",
    ];
    let steps: Vec<_> = before.iter().chain(&after).collect();
    for (number, step) in steps.iter().enumerate() {
        let name = format!("person{number}");
        let person = site.person(&name);
        let ask = ["join", &card, "--as", &name];
        if before.contains(step) {
            person.dies_at(step, &ask);
        }
        assert_eq!(person.run(&ask).code, 11, "{step}");
        alice.must(&["admin", "enrol", &name, "--yes"]);
        if after.contains(step) {
            person.dies_at(step, &["join", &card]);
        }
        person.must(&["join", &card]);
        let me = person.json(&["whoami"]).objects().remove(0);
        assert_eq!(
            (&me["certified"], &me["name"]),
            (&true.into(), &name.as_str().into()),
            "{step}"
        );
        assert_eq!(
            person.json(&["device", "list"]).objects().len(),
            1,
            "{step}"
        );
        alice.must(&["send", &name, "-s", step, "-m", "welcome"]);
        person.must(&["sync"]);
        assert_eq!(subjects(&person, "alice"), [**step], "{step}");
        all_is_well(&person);
    }
}

#[test]
fn r02_somebody_dies_while_setting_another_computer_up() {
    let (site, alice) = Site::open();
    let card = site.path("card.valise");
    for step in [
        "after-store",
        "after-settle",
        "after-append",
        "after-certify",
        "after-publish",
    ] {
        let computer = alice.elsewhere(step);
        computer.dies_at(step, &["join", &card, "--as", "alice"]);
        computer.must(&["join", &card, "--as", "alice"]);
        assert_eq!(
            computer.json(&["whoami"]).objects()[0]["certified"],
            true,
            "{step}"
        );
    }
    assert_eq!(
        alice.json(&["device", "list"]).objects().len(),
        1,
        "before a look at the log"
    );
    alice.must(&["sync"]);
    assert_eq!(alice.json(&["device", "list"]).objects().len(), 6);
}

#[test]
fn r02_a_founder_dies_before_the_genesis_file_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let alice = crate::support::program::Cli::new(folder.path(), "alice");
    let genesis = folder.path().join("genesis.valise");
    let url = "https://localhost:8443";
    let found = [
        "found", "--org", "Campagne", "--url", url, "--as", "alice", "--out",
    ];
    let found = [&found[..], &[genesis.to_str().unwrap()]].concat();
    alice.dies_at("after-store", &found);
    alice.dies_at("after-settle", &found);
    assert!(!genesis.exists());
    let again = alice.json(&found).objects().remove(0);
    assert!(genesis.exists() && again["id"].is_string(), "{again}");
}
