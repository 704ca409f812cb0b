//! Two servers on one PostgreSQL, with attached files in S3 and `HAProxy` before them: any of them does it, one
//! after the other is stopped, and nobody notices.

use std::fs;

use valise_client::clock::{Clock as _, System};

use crate::support::{
    Dice, Site,
    program::Cli,
    site::{code, lines},
    storage::Storage,
};

/// Goal: a file is begun at one server and finished at the other, though one dies and S3 too. Method: each
/// part of it meets another misfortune.
#[test]
fn r02_a_file_goes_on_at_another_server_and_outlives_s3() {
    let mut storage = Storage::start();
    let settings = storage.settings();
    let (mut site, alice) = Site::open_scaled(&settings);
    let bob = site.hire(&alice, "bob");
    for person in [&alice, &bob] {
        site.unlock(person);
    }
    let film = site.folder.path().join("film.mp4");
    let content = Dice(System.now_ms()).bytes((9 << 20) + 12_345);
    fs::write(&film, &content).unwrap();
    let send = [
        "send",
        "bob",
        "-s",
        "Film",
        "-m",
        "See.",
        "-a",
        film.to_str().unwrap(),
    ];
    let retry = ["outbox", "retry"];
    alice.dies_at("after-part-sent", &send);
    for _ in 0..2 {
        // One is dead while the other takes a part; then the other way round.
        site.kill();
        alice.dies_at("after-part-sent", &retry);
        site.start();
    }
    storage.die();
    let kept = alice.run(&retry);
    assert_eq!(kept.code, 7, "{kept:?}");
    storage.come_back();
    alice.must(&retry);
    bob.must(&["sync"]);
    let place = site.path("place");
    fs::create_dir(&place).unwrap();
    let save = ["attach", "save", "@last", "--to", &place];
    storage.die();
    let none = bob.run(&save);
    assert_ne!(none.code, 0, "{none:?}");
    assert_eq!(fs::read_dir(&place).unwrap().count(), 0);
    // Letters go all the same.
    alice.must(&["send", "bob", "-s", "Note", "-m", "The film is late."]);
    storage.come_back();
    bob.must(&save);
    assert!(fs::read(site.folder.path().join("place/film.mp4")).unwrap() == content);
    assert!(!storage.parts(&settings).is_empty());
    let doctor = site.operator("doctor --data server").done();
    assert!(
        doctor.out.contains("takes, gives, lists and deletes"),
        "{doctor:?}"
    );
    let status = site
        .operator("status --data server -o json")
        .done()
        .object();
    assert_eq!(
        (&status["s3"], status["attachments"].as_u64()),
        (&"ok".into(), Some(1))
    );
    let wrong = storage.path("wrong");
    fs::copy(wrong, storage.path("credentials")).unwrap();
    let doctor = site.operator("config check --data server");
    assert!(
        doctor.code == 1 && doctor.out.contains("s3_credentials"),
        "{doctor:?}"
    );
    assert!(!doctor.out.contains("hunter"), "{doctor:?}");
}

fn states(site: &Site) -> Vec<(String, String)> {
    let listed = site.operator("node list --data server -o json").done();
    let nodes = listed.objects().into_iter().map(|node| {
        let text = |key: &str| node[key].as_str().unwrap().to_owned();
        (text("name"), text("state"))
    });
    nodes.collect()
}

/// Waits for a node to say so of itself.
fn until(site: &Site, name: &str, state: &str) {
    let begun = System.monotonic_ms();
    let wanted = (name.to_owned(), state.to_owned());
    while !states(site).contains(&wanted) {
        assert!(System.monotonic_ms() - begun < 30_000, "{:?}", states(site));
    }
}

/// Goal: both servers are stopped and started, one after the other, while people write, and no command of
/// theirs fails. Method: `node drain` before each stop.
#[test]
fn r01_a_rolling_restart_fails_no_command_and_loses_nothing() {
    let storage = Storage::start();
    let (mut site, alice) = Site::open_scaled(&storage.settings());
    let bob = site.hire(&alice, "bob");
    for person in [&alice, &bob] {
        site.unlock(person);
    }
    until(&site, "node-0", "serves");
    until(&site, "node-1", "serves");
    let unknown = site.operator("node drain node-9 --data server");
    assert!(
        unknown.code == 1 && unknown.err.contains("node-9"),
        "{unknown:?}"
    );
    let mut sent = 0;
    let mut write = |alice: &Cli| {
        sent += 1;
        alice.must(&[
            "send",
            "bob",
            "-s",
            "Plan",
            "-m",
            &format!("Number {sent}."),
        ]);
    };
    write(&alice);
    bob.must(&["sync"]);
    for (at, name) in ["node-0", "node-1"].into_iter().enumerate() {
        // Wherever his stream is, he is told to connect again, and hears of the letter.
        let waits = bob.start(&["sync", "--wait", "60"]);
        site.operate(&format!("node drain {name} --data server"));
        until(&site, name, "drains");
        site.until(at, "DOWN");
        write(&alice);
        site.stop();
        write(&alice);
        assert_eq!(code(&mut { waits }), 0);
        site.start();
        until(&site, name, "serves");
        write(&alice);
    }
    site.operate("node drain node-0 --data server");
    until(&site, "node-0", "drains");
    site.operate("node drain node-0 --off --data server");
    until(&site, "node-0", "serves");
    bob.must(&["sync"]);
    assert_eq!(bob.json(&["list"]).objects().len(), sent);
}

#[test]
fn where_there_is_one_server_there_is_none_to_drain() {
    let (site, _) = Site::open();
    for command in ["node list", "node drain"] {
        let said = site.operator(&format!("{command} --data server"));
        assert!(
            said.code == 1 && said.err.contains("one server"),
            "{said:?}"
        );
    }
}

/// Goal: nobody takes a backup for more than it is.
#[test]
fn a_backup_says_that_files_are_in_s3() {
    let storage = Storage::start();
    let (site, _) = Site::open();
    site.configure(&lines(&storage.settings()));
    let made = site
        .operator("backup create --data server --to backups")
        .done();
    for part in ["without attached files", "not in it", "s3://files/"] {
        assert!(made.out.contains(part), "{part}: {made:?}");
    }
}
