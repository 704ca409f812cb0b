//! Files go out and come in, whoever is killed and wherever the line is cut.

use std::{
    fs,
    path::{Path, PathBuf},
};

use valise_client::{
    clock::{Clock as _, System},
    file::Folder,
    mail::Draft,
    session::Error,
};

use crate::support::{
    Dice, Office, Person, Site,
    cutter::Cutter,
    office::free_port,
    program::Cli,
    site::{code, ends_within},
};

/// An empty file, a short one and one of some MiB.
fn files(folder: &Path, dice: &mut Dice) -> Vec<(PathBuf, Vec<u8>)> {
    let files = [
        ("empty.txt", Vec::new()),
        ("note.txt", b"The bus leaves at 7.".to_vec()),
        ("film.mp4", dice.bytes((9 << 20) + 12_345)),
    ];
    let files = files.map(|(name, content)| {
        let path = folder.join(name);
        fs::write(&path, &content).unwrap();
        (path, content)
    });
    files.into()
}

/// Alice has written to bob once.
fn acquainted() -> (Site, [Cli; 2]) {
    let (site, alice, [bob]) = Site::with(["bob"]);
    alice.must(&["send", "bob", "-s", "First", "-m", "Hello."]);
    (site, [alice, bob])
}

/// A folder for what comes.
fn place(folder: &Path) -> PathBuf {
    let place = folder.join("place");
    fs::create_dir(&place).unwrap();
    place
}

fn arrived(place: &Path, files: &[(PathBuf, Vec<u8>)]) {
    for (path, content) in files {
        let saved = place.join(path.file_name().unwrap());
        assert!(fs::read(&saved).unwrap() == *content, "{}", saved.display());
    }
    assert_eq!(
        fs::read_dir(place).unwrap().count(),
        files.len(),
        "nothing else"
    );
}

fn count(folder: &Path) -> usize {
    fs::read_dir(folder).map_or(0, Iterator::count)
}

#[test]
fn r02_who_dies_with_a_file_in_hand_goes_on_where_he_was() {
    let mut dice = Dice(System.now_ms());
    let (mut site, [alice, bob]) = acquainted();
    let files = files(site.folder.path(), &mut dice);
    let place = place(site.folder.path());
    let paths: Vec<&str> = files
        .iter()
        .map(|(path, _)| path.to_str().unwrap())
        .collect();
    let spool = alice.home.join("spool");
    let send = ["send", "bob", "-s", "Film", "-m", "See the files."];
    let attached: Vec<&str> = paths.iter().flat_map(|path| ["-a", *path]).collect();
    let send = [&send[..], &attached].concat();
    // Before the letter is kept, nothing is; what was sealed is thrown away.
    for step in ["after-file-sealed", "after-spool"] {
        alice.dies_at(step, &send);
        assert!(count(&spool) > 0, "{step}");
        alice.must(&["sync"]);
        assert_eq!(count(&spool), 0, "{step}");
    }
    // From then on nobody needs the originals.
    alice.dies_at("after-write", &send);
    for path in &paths {
        fs::remove_file(path).unwrap();
    }
    let retry = ["outbox", "retry"];
    for step in [
        "after-upload-begun",
        "after-part-sent",
        "after-part-sent",
        "after-part-sent",
    ] {
        alice.dies_at(step, &retry);
        site.kill();
        site.start();
    }
    alice.dies_at("after-files-sent", &retry);
    alice.dies_at("after-letter-accepted", &retry);
    assert_eq!(count(&spool), 3);
    alice.must(&retry);
    assert_eq!(count(&spool), 0);

    bob.must(&["sync"]);
    let save = ["attach", "save", "@last", "--to", place.to_str().unwrap()];
    let film = [&save[..], &["film.mp4"]].concat();
    for step in [
        "after-part-stored",
        "after-part-stored",
        "after-file-opened",
    ] {
        bob.dies_at(step, &film);
        site.kill();
        site.start();
        let shown = fs::read_dir(&place).unwrap();
        let shown: Vec<_> = shown.map(|entry| entry.unwrap().file_name()).collect();
        assert!(!shown.contains(&"film.mp4".into()), "{step}: {shown:?}");
    }
    let saved = bob.json(&save);
    assert_eq!(saved.objects().len(), 3);
    arrived(&place, &files);
    assert_eq!(count(&bob.home.join("partial")), 0);
    // A second time, and beside the first.
    bob.must(&save);
    assert_eq!(count(&place), 6);
}

/// Runs a command that is killed at a random moment, unless it is done before.
fn blow(dice: &mut Dice, person: &Cli, arguments: &[&str]) -> bool {
    let mut child = person.start(arguments);
    if ends_within(&mut child, dice.roll(250)).is_some() {
        return true;
    }
    child.kill().expect("killing");
    child.wait().expect("its end");
    false
}

#[test]
fn r01_r02_killed_at_random_moments_a_file_arrives_whole() {
    let seed = System.now_ms();
    println!("seed {seed}");
    let mut dice = Dice(seed);
    let (mut site, [alice, bob]) = acquainted();
    let files = files(site.folder.path(), &mut dice);
    let place = place(site.folder.path());
    site.kill();
    let attached = files
        .iter()
        .flat_map(|(path, _)| ["-a", path.to_str().unwrap()]);
    let letter: Vec<&str> = ["send", "bob", "-s", "Film", "-m", "See."]
        .into_iter()
        .chain(attached)
        .collect();
    assert_eq!(alice.run(&letter).code, 7);
    site.start();
    for round in 0..12 {
        blow(&mut dice, &alice, &["outbox", "retry"]);
        if round % 3 == 2 {
            let mut child = alice.start(&["outbox", "retry"]);
            ends_within(&mut child, dice.roll(250));
            site.kill();
            site.start();
            assert!([0, 7].contains(&code(&mut child)));
        }
    }
    alice.must(&["outbox", "retry"]);
    bob.must(&["sync"]);
    let save = [
        "attach",
        "save",
        "@last",
        "film.mp4",
        "--to",
        place.to_str().unwrap(),
    ];
    for _ in 0..12 {
        if blow(&mut dice, &bob, &save) {
            break;
        }
    }
    bob.must(&[
        "attach",
        "save",
        "@last",
        "1",
        "2",
        "--to",
        place.to_str().unwrap(),
    ]);
    bob.must(&save);
    let film = fs::read(place.join("film.mp4")).unwrap();
    assert!(film == files[2].1);
    for name in ["empty.txt", "note.txt"] {
        assert!(place.join(name).exists());
    }
}

#[test]
fn v05_a_disk_that_fills_up_spoils_nothing() {
    let mut dice = Dice(System.now_ms());
    let (mut site, [alice, bob]) = acquainted();
    let files = files(site.folder.path(), &mut dice);
    let place = place(site.folder.path());
    let film = files[2].0.to_str().unwrap();
    site.stop();
    // The disk is full in the middle of a part: what it took of it is given back.
    site.start_cramped(7_000);
    let kept = alice.run(&["send", "bob", "-s", "Film", "-m", "See.", "-a", film]);
    assert_eq!(kept.code, 7, "{kept:?}");
    assert!(
        kept.refusal()
            .starts_with("error[V0209]: the server refuses"),
        "{kept:?}"
    );
    let server = site.folder.path().join("server/attachments");
    let held: u64 = fs::read_dir(server)
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .sum();
    assert!(
        held > 0 && held.is_multiple_of(64 << 10),
        "{held}: whole parts"
    );
    // Letters go and come all the same.
    alice.must(&[
        "send",
        "alice",
        "-s",
        "Note",
        "-m",
        "There is no room for films.",
    ]);
    bob.must(&["sync"]);
    site.stop();
    site.start();
    alice.must(&["outbox", "retry"]);
    bob.must(&["sync"]);
    bob.must(&["attach", "save", "@last", "--to", place.to_str().unwrap()]);
    arrived(&place, &files[2..]);
}

/// Does it until it is done, over a line that is cut.
async fn insist<T>(
    person: &mut Person,
    mut work: impl AsyncFnMut(&mut Person) -> Result<T, Error>,
) -> T {
    for _ in 0..200 {
        match work(person).await {
            Err(Error::Api(error)) if error.code().is_none() => {}
            done => return done.expect("it is only the line"),
        }
    }
    panic!("the line is too bad")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r02_a_line_that_is_cut_at_any_byte_brings_a_file_whole() {
    let seed = System.now_ms();
    println!("seed {seed}");
    let mut dice = Dice(seed);
    let (mut office, mut alice) = Office::open().await;
    let mut bob = office.hire(&mut alice, "bob").await;
    let files = files(office.folder.path(), &mut dice);
    let public = office.move_server(free_port());
    office.start().await;
    let cutter = Cutter::start(public, office.port(), move || {
        i64::try_from(100_000 + dice.roll(2_000_000)).unwrap()
    });
    let draft = Draft {
        to: vec!["bob".to_owned()],
        subject: "Film".to_owned(),
        body: "See the files.".to_owned(),
        files: files.iter().map(|(path, _)| path.clone()).collect(),
        ..Draft::default()
    };
    let number = alice.session().write(draft).unwrap();
    insist(&mut alice, async |alice| {
        alice
            .online(async |session, _| session.send(number).await)
            .await
    })
    .await;
    let up = cutter.cuts();
    insist(&mut bob, async |bob| bob.try_sync().await).await;
    let number = bob.letters().last().unwrap().number;
    let place = place(office.folder.path());
    let folder = Folder::open(&place).unwrap();
    for index in 0..files.len() {
        insist(&mut bob, async |bob| {
            bob.online(async |session, _| session.save_file(number, index, &folder).await)
                .await
        })
        .await;
    }
    arrived(&place, &files);
    println!("cut {up} times up, {} times down", cutter.cuts() - up);
    assert!(up > 2 && cutter.cuts() - up > 2);
    drop(cutter);
}

#[tokio::test]
async fn what_cannot_be_attached_is_refused_and_nothing_is_kept() {
    let (office, mut alice) = Office::open_now().await;
    drop(office.hire(&mut alice, "bob").await);
    alice.close();
    let alice = office.cli("alice");
    let folder = office.folder.path().to_str().unwrap();
    let missing = format!("{folder}/missing.pdf");
    let send = |file: &str| alice.run(&["send", "bob", "-s", "Plan", "-m", "See.", "-a", file]);
    let refused = send(&missing);
    assert_eq!(
        (refused.refusal(), refused.code),
        (
            &*format!(
                "error[V0513]: {missing}: No such file or directory (os error 2) — nothing was sent or kept\n  \
                 more   valise help V0513\n"
            ),
            2
        )
    );
    let refused = send(folder);
    assert_eq!(
        (refused.refusal(), refused.code),
        (
            &*format!(
                "error[V0513]: {folder} is a folder — nothing was sent or kept\n  \
                 try   pack it into one file first, with tar or zip        more: valise help V0513\n"
            ),
            2
        )
    );
    assert!(
        send("/dev/null")
            .refusal()
            .contains("/dev/null is not a plain file")
    );
    assert_eq!(alice.json(&["outbox"]).objects().len(), 0);
    assert_eq!(count(&alice.home.join("spool")), 0);
    let refused = alice.run(&["attach", "save", "@last"]);
    assert_eq!(refused.code, 5);
}
