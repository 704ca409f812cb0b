//! Backups: made while people write, whole or not there, and what becomes of everybody when one is put back.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::support::{
    program::{Cli, Said},
    site::Site,
};

/// The one backup that there is.
fn only(site: &Site, folder: &str) -> PathBuf {
    let mut found = fs::read_dir(site.path(folder)).unwrap();
    let path = found.next().unwrap().unwrap().path();
    assert!(found.next().is_none());
    path
}

fn back_up(site: &Site, more: &str) -> PathBuf {
    site.operate(&format!("backup create --data server --to backups{more}"));
    only(site, "backups")
}

fn restore(site: &Site, backup: &Path, more: &str) -> Said {
    let backup = backup.display();
    site.operator(&format!("backup restore {backup} --data server{more}"))
}

fn subjects(person: &Cli) -> Vec<String> {
    let letters = person.json(&["list", "--limit", "1000"]).objects();
    letters
        .iter()
        .map(|letter| letter["subject"].as_str().unwrap().to_owned())
        .collect()
}

fn events(person: &Cli, kind: &str) -> usize {
    let events = person.json(&["events"]).objects();
    events.iter().filter(|event| event["kind"] == kind).count()
}

/// Everybody looks in until nothing waits any more: three times are enough.
fn everybody_syncs(people: &[&Cli]) {
    for _ in 0..3 {
        for person in people {
            person.must(&["sync"]);
        }
    }
}

/// A letter before the backup, one after it, and one that nobody has fetched when the disk dies.
fn a_week(site: &mut Site, alice: &Cli, bob: &Cli) -> PathBuf {
    alice.must(&["send", "bob", "-s", "before", "-m", "1"]);
    bob.must(&["sync"]);
    let backup = back_up(site, "");
    alice.must(&["send", "bob", "-s", "after", "-m", "2"]);
    bob.must(&["send", "alice", "-s", "answer", "-m", "2"]);
    alice.must(&["sync"]);
    bob.must(&["sync"]);
    backup
}

#[test]
fn r09_d07_a_server_from_an_old_backup_is_refused_and_gets_its_log_back_from_a_client() {
    let (mut site, alice, [bob]) = Site::with(["bob"]);
    let backup = a_week(&mut site, &alice, &bob);
    let carol = site.hire(&alice, "carol");
    bob.must(&["sync"]);
    site.kill();
    let restored = restore(&site, &backup, " --replace").done();
    assert!(restored.out.contains("log-rollback"), "{restored:?}");
    site.start();
    let log = fs::read_to_string(site.log()).unwrap();
    assert!(log.contains("this server was restored"), "{log}");

    let refused = alice.run(&["send", "bob", "-s", "lost?", "-m", "3"]);
    assert_eq!(refused.code, 6, "{refused:?}");
    assert!(refused.err.contains("nothing was sent"), "{refused:?}");
    assert!(
        refused.err.contains("put an old backup back"),
        "{refused:?}"
    );
    assert!(refused.err.contains("somebody hides"), "{refused:?}");
    assert!(events(&alice, "log-rollback") >= 1);
    let log = fs::read_to_string(site.log()).unwrap();
    assert!(log.contains("a client has seen more of the log"), "{log}");
    assert_eq!(bob.run(&["sync"]).code, 6);

    // The alarm keeps nobody from handing over what he has verified, and stays an alarm. Alice has not seen
    // carol's computer; bob has.
    for (person, missing) in [(&alice, 1), (&bob, 0)] {
        let name = format!("{missing}.log");
        let export = person.run(&["admin", "log", "export", &site.path(&name)]);
        assert_eq!(export.code, 6, "{export:?}");
        site.stop();
        site.operate(&format!("log take-back {name} --data server"));
        site.start();
        assert_eq!(bob.run(&["sync"]).code, if missing > 0 { 6 } else { 0 });
    }
    alice.must(&["sync"]);
    assert!(!subjects(&bob).contains(&"lost?".to_owned()));
    everybody_syncs(&[&alice, &bob, &carol]);
    bob.must(&["send", "alice", "-c", "carol", "-s", "again", "-m", "4"]);
    everybody_syncs(&[&alice, &bob, &carol]);
    assert!(subjects(&bob).contains(&"lost?".to_owned()));
    assert!(subjects(&alice).contains(&"again".to_owned()));
    assert!(subjects(&carol).contains(&"again".to_owned()));
}

#[test]
fn r09_after_a_restore_letters_go_on_in_new_conversations_and_nobody_is_left_in_the_dark() {
    letters_go_on(
        |site| drop(back_up(site, "")),
        |site| drop(restore(site, &only(site, "backups"), " --replace").done()),
    );
}

/// Whoever puts a disk back from its snapshot has made no backup by us.
#[test]
fn r09_after_a_snapshot_of_the_disk_letters_go_on_too() {
    letters_go_on(
        |site| {
            site.stop();
            copy_folder(&site.path("server"), &site.path("snapshot"));
            site.start();
        },
        |site| {
            fs::remove_dir_all(site.path("server")).unwrap();
            fs::rename(site.path("snapshot"), site.path("server")).unwrap();
            site.operate("backup settle --data server");
        },
    );
}

fn copy_folder(from: &str, to: &str) {
    let mut command = std::process::Command::new("cp");
    assert!(command.args(["-a", from, to]).status().unwrap().success());
}

fn letters_go_on(back_up: impl Fn(&mut Site), put_back: impl Fn(&Site)) {
    let (mut site, alice, [bob]) = Site::with(["bob"]);
    // What waits for bob when the backup is made still reaches him.
    alice.must(&["send", "bob", "-s", "first", "-m", "0"]);
    bob.must(&["sync"]);
    alice.must(&["send", "bob", "-s", "waiting", "-m", "0"]);
    back_up(&mut site);
    alice.must(&["send", "bob", "-s", "unfetched", "-m", "1"]);
    site.kill();
    put_back(&site);
    site.start();
    // The log did not grow: there is no alarm, and the conversation here is ahead of the server's.
    let sent = alice.run(&["send", "bob", "-s", "now", "-m", "1"]);
    // It waits until bob has said how he is reached now.
    assert_eq!(sent.code, 7, "{sent:?}");
    everybody_syncs(&[&alice, &bob]);
    let has = subjects(&bob);
    for subject in ["first", "waiting", "now"] {
        assert!(has.contains(&subject.to_owned()), "{subject}: {has:?}");
    }
    // Its writer is told that this one may be lost: it is.
    assert!(!has.contains(&"unfetched".to_owned()));
    assert_eq!(events(&alice, "gap"), 1);
    for number in 0..3 {
        let subject = format!("later {number}");
        bob.must(&["send", "alice", "-s", &subject, "-m", "2"]);
        alice.must(&["sync"]);
        assert!(subjects(&alice).contains(&subject));
    }
}

#[test]
fn r09_a_backup_without_keys_is_restored_with_them_and_the_exported_log_in_one_go() {
    let (mut site, alice) = Site::open();
    site.unlock(&alice);
    let backup = back_up(&site, " --no-keys");
    assert!(!backup.join("log.key").exists());
    let bob = site.hire(&alice, "bob");
    let exported = site.path("campagne.log");
    alice.must(&["admin", "log", "export", &exported]);
    site.stop();
    fs::rename(site.path("server"), site.path("broken")).unwrap();
    let without = restore(&site, &backup, "");
    assert_eq!(without.code, 1);
    assert!(without.err.contains("--keys"), "{without:?}");
    restore(&site, &backup, " --keys broken --log campagne.log").done();
    site.start();
    alice.must(&["sync"]);
    bob.must(&["sync"]);
}

#[test]
fn r09_half_a_backup_or_a_changed_one_is_never_restored() {
    let (mut site, _alice) = Site::open();
    let backup = back_up(&site, "");
    let running = restore(&site, &backup, " --replace");
    assert!(running.err.contains("stop its server first"), "{running:?}");
    site.stop();
    let full = restore(&site, &backup, "");
    assert!(full.err.contains("--replace"), "{full:?}");
    for entry in fs::read_dir(&backup).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            continue;
        }
        let good = fs::read(&path).unwrap();
        let mut bad = good.clone();
        let middle = bad.len() / 2;
        bad[middle] ^= 1;
        for damage in [Some(&bad[..]), Some(&good[..middle]), None] {
            match damage {
                Some(bytes) => fs::write(&path, bytes).unwrap(),
                None => fs::remove_file(&path).unwrap(),
            }
            let refused = restore(&site, &backup, " --replace");
            // One bit of the manifest's prose may be changed by whoever can write it.
            let prose = path.ends_with("backup.toml") && damage == Some(&bad[..]);
            assert!(
                refused.code == 1 || prose,
                "{}: {refused:?}",
                path.display()
            );
        }
        fs::write(&path, good).unwrap();
    }
    site.operate(&format!("backup verify {}", backup.display()));
    // Whatever stops halfway has a name that is no backup's, and no manifest.
    let half = site
        .folder
        .path()
        .join("backups/.valise-20000101T000000Z.unfinished");
    fs::create_dir(&half).unwrap();
    fs::copy(backup.join("valise.db"), half.join("valise.db")).unwrap();
    let list = site.operator("backup list backups").done();
    let line = list.out.lines().find(|line| line.contains("unfinished"));
    assert!(line.unwrap().contains("not to be used"), "{list:?}");
    assert_eq!(restore(&site, &half, " --replace").code, 1);
    // A restore that was cut off is not served from.
    fs::create_dir(site.path("server/restore-unfinished")).unwrap();
    let served = site.operator("serve --data server");
    assert!(served.err.contains("was interrupted"), "{served:?}");
    restore(&site, &backup, " --replace").done();
    site.start();
}

#[test]
fn r09_a_log_that_goes_another_way_is_not_taken_back() {
    let (mut site, alice) = Site::open();
    site.unlock(&alice);
    let backup = back_up(&site, "");
    site.hire(&alice, "bob");
    let bobs = site.path("bob.log");
    alice.must(&["admin", "log", "export", &bobs]);
    let text = fs::read_to_string(&bobs).unwrap();
    site.stop();
    restore(&site, &backup, " --replace").done();
    let (note, entries) = text.rsplit_once("\n\n").unwrap();
    let fewer: Vec<_> = entries.lines().collect();
    let fewer = fewer[..fewer.len() - 1].join("\n");
    for forged in [
        format!("{note}\n\n{fewer}\n"),
        text.replacen("valise/", "valise/a", 1),
        entries.to_owned(),
    ] {
        fs::write(site.path("forged.log"), forged).unwrap();
        let refused = site.operator("log take-back forged.log --data server");
        assert_eq!(refused.code, 1, "{refused:?}");
        assert!(
            refused.err.contains("nothing was taken back"),
            "{refused:?}"
        );
    }
    site.operate("log take-back bob.log --data server");
    let again = site.operator("log take-back bob.log --data server").done();
    assert!(again.out.contains("took 0 entries"), "{again:?}");
}

/// Bob has not seen that carol came after the backup; he revokes his other computer when the server is back.
/// Returns whether the server took that, before it had carol's entries again or after.
fn bob_goes_on(log_opened: bool) -> bool {
    let (mut site, alice, [bob]) = Site::with(["bob"]);
    let other = site.other_computer(&bob, "bob2");
    bob.must(&["sync"]);
    let backup = back_up(&site, "");
    site.hire(&alice, "carol");
    alice.must(&["sync"]);
    alice.must(&["admin", "log", "export", &site.path("campagne.log")]);
    site.stop();
    restore(&site, &backup, " --replace").done();
    site.start();
    if log_opened {
        site.operate("log open --data server");
    }
    let id = other.json(&["device", "this"]).object()["id"].clone();
    let revoke = ["device", "revoke", id.as_str().unwrap(), "--yes"];
    let early = bob.run(&revoke);
    let doctor = site.operator("doctor --data server");
    assert_eq!(
        doctor.out.contains("and takes no entry"),
        !log_opened,
        "{doctor:?}"
    );
    site.stop();
    let taken = site.operator("log take-back campagne.log --data server");
    if early.code == 0 {
        assert!(taken.err.contains("go different ways"), "{taken:?}");
        return true;
    }
    assert!(early.err.contains("takes no entry"), "{early:?}");
    taken.done();
    site.start();
    assert!(bob.run(&revoke).err.contains("takes no entry"));
    let opened = site.operator("log open --data server").done();
    assert!(opened.out.contains("takes entries again"), "{opened:?}");
    bob.must(&revoke);
    alice.must(&["sync"]);
    false
}

#[test]
fn r09_a_restored_log_takes_no_entry_before_its_operator_says_that_it_is_whole() {
    assert!(!bob_goes_on(false));
}

#[test]
fn r09_twin_an_entry_in_the_place_of_a_missing_one_makes_two_logs() {
    assert!(bob_goes_on(true));
}

#[test]
fn a_backup_of_postgresql_is_refused_with_what_to_do() {
    let (site, _alice) = Site::open();
    site.configure("database = \"postgres://localhost/valise\"\n");
    let refused = site.operator("backup create --data server --to backups");
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("pg_dump"), "{refused:?}");
    assert!(!site.folder.path().join("backups").exists());
}
