//! Attached files: encryption beside ring's best and `age`, sending beside a plain upload of the same
//! size to the same server, and memory at both ends while a large file passes.

use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc,
        mpsc::{channel, sync_channel},
    },
    thread,
};

use reqwest::Method;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use valise_client::{
    api::{Api, Caller},
    clock::Clock,
    file::{Folder, encrypt},
    mail::Draft,
    provider::DeviceSigner,
    store::Setting,
};
use valise_proto::{
    api::attachment::{Begin, RANGE_MAX, Stored, at, path},
    attachment::{CHUNK, FileKey, Sealer, sealed_size},
    codec::encode,
    id::AttachmentId,
};

use crate::{
    figure::{at_least, at_most, note},
    support::{Office, Person, Server, server::peak},
    watch::{Passing, timed, timed_async},
};

/// The file that is timed.
const TIMED: u64 = 512 << 20;
/// The file whose memory is measured.
const LARGE: u64 = 2 << 30;
/// Memory at most, at either end: MB.
const MEMORY_MAX: f64 = 64.0 * 1.048_576;

pub async fn measure() {
    let (mut office, mut alice) = Office::open().await;
    let passing = Passing::of(&office.time);
    let mut bob = office.hire(&mut alice, "bob").await;
    alice.send(&["bob"], "First", "Hello").await;
    office.stop();
    let folder = office.folder.path().to_owned();
    let film = folder.join("film.mp4");
    random_file(&film, TIMED);
    encryption(&film, &folder);

    let server = Server::start(&office.data());
    let plain = plain(&office, &mut alice, &film).await;
    let draft = Draft {
        to: vec!["bob".to_owned()],
        subject: "Film".to_owned(),
        body: "See the file.".to_owned(),
        files: vec![film.clone()],
        ..Draft::default()
    };
    let (number, seal_ms) = timed(|| alice.session().write(draft).expect("writing"));
    let sending = alice.online(async |session, _| session.send(number).await);
    let (sent, send_ms) = timed_async(sending).await;
    drop(sent.expect("sending"));
    let rate = rate(TIMED, seal_ms + send_ms);
    let seal = self::rate(TIMED, seal_ms);
    note("file: sealed into the spool, flushed", seal, "MB/s", None);
    at_least(
        0.5,
        "file: encrypted and sent, 512 MiB",
        rate / plain,
        "x plain",
        None,
    );
    note("  of it", rate, "MB/s", None);
    bob.sync().await;
    let number = bob.letters().last().expect("a letter").number;
    let place = folder.join("place");
    fs::create_dir(&place).expect("a folder");
    let to = Folder::open(&place).expect("a folder");
    let saving = bob.online(async |session, _| session.save_file(number, 0, &to).await);
    let (saved, save_ms) = timed_async(saving).await;
    drop(saved.expect("saving"));
    let fetched = self::rate(TIMED, save_ms);
    note(
        "file: fetched, opened, compared, saved",
        fetched,
        "MB/s",
        None,
    );
    drop(passing);
    server.stop();
    fs::remove_file(film).expect("the file");
    fs::remove_dir_all(place).expect("the folder");
    alice.close();
    bob.close();
    memory(&office);
}

/// MB a second.
#[expect(
    clippy::cast_precision_loss,
    clippy::as_conversions,
    reason = "a rate is rough"
)]
fn rate(bytes: u64, ms: f64) -> f64 {
    bytes as f64 / 1e6 / ms * 1000.0
}

/// A file of bytes that nothing compresses.
fn random_file(path: &Path, size: u64) {
    let mut random = File::open("/dev/urandom").expect("random bytes").take(size);
    let mut file = File::create(path).expect("a file");
    std::io::copy(&mut random, &mut file).expect("writing");
    file.sync_all().expect("flushing");
}

/// From the file to nowhere, by us, by ring alone, and by `age` if it is installed.
fn encryption(file: &Path, folder: &Path) {
    let ours = || {
        let mut from = File::open(file).expect("the file");
        let mut to = File::create("/dev/null").expect("nowhere");
        let key = FileKey::new([7; 32]);
        let sealed = encrypt((&mut from, "film"), TIMED, &key, |bytes, _| {
            to.write_all(bytes).expect("writing");
            Ok(())
        });
        sealed.expect("sealing");
    };
    ours();
    let ours = rate(TIMED, timed(ours).1);
    let alone = rate(TIMED, timed(|| alone(file)).1);
    let best = ring(TIMED);
    note(
        "baseline: ChaCha20-Poly1305 by ring, 64 KiB",
        best,
        "MB/s",
        None,
    );
    let hash = || ring::digest::digest(&ring::digest::SHA256, &vec![7; 64 << 20]);
    let hash = rate(64 << 20, timed(hash).1);
    note("baseline: SHA-256 by ring", hash, "MB/s", None);
    let age = age(file, folder);
    let (name, ratio) = (
        "file: encrypted, file to nowhere",
        Some((alone / best, "ring alone")),
    );
    if let Some(age) = age {
        at_least(age, name, alone, "MB/s", ratio);
        let ratio = Some((alone / age, "age"));
        note("  `age` on the same file", age, "MB/s", ratio);
    } else {
        note(name, alone, "MB/s", ratio);
        println!("  `age` is not installed here: no comparison");
    }
    let name = "  same, and hashed, which `age` does not do";
    note(name, ours, "MB/s", Some((ours / best, "ring alone")));
}

/// Sealed without the hash of its content: as a file is sent, one thread reads and another seals.
fn alone(file: &Path) {
    let mut from = File::open(file).expect("the file");
    let mut to = File::create("/dev/null").expect("nowhere");
    let (mut sealer, _) = Sealer::new(&FileKey::new([7; 32]), TIMED).expect("a key");
    let (read, chunks) = sync_channel::<Vec<u8>>(8);
    let (done, used) = channel::<Vec<u8>>();
    thread::scope(|scope| {
        scope.spawn(move || {
            let mut left = TIMED;
            while left > 0 {
                let length = usize::try_from(left).map_or(CHUNK, |left| left.min(CHUNK));
                let mut chunk = used.try_recv().unwrap_or_default();
                chunk.resize(length, 0);
                from.read_exact(&mut chunk).expect("reading");
                read.send(chunk).expect("somebody seals");
                left -= u64::try_from(length).expect("a small number");
            }
        });
        for mut chunk in chunks {
            sealer.seal(&mut chunk).expect("sealing");
            to.write_all(&chunk).expect("writing");
            // The reader may have read it all.
            done.send(chunk).ok();
        }
    });
}

fn ring(size: u64) -> f64 {
    let key = UnboundKey::new(&CHACHA20_POLY1305, &[7; 32]).expect("a key");
    let key = LessSafeKey::new(key);
    let mut chunk = vec![7; CHUNK];
    let chunks = size / u64::try_from(CHUNK).expect("a small number");
    let ((), ms) = timed(|| {
        for _ in 0..chunks {
            let nonce = Nonce::assume_unique_for_key([0; 12]);
            let sealed = key.seal_in_place_separate_tag(nonce, Aad::empty(), &mut chunk);
            let _tag = std::hint::black_box(sealed.expect("sealing"));
        }
    });
    rate(size, ms)
}

/// MB a second of `age` as a process, the best of three.
fn age(file: &Path, folder: &Path) -> Option<f64> {
    let key = folder.join("age.key");
    let made = Command::new("age-keygen")
        .arg("-o")
        .arg(&key)
        .stderr(Stdio::null())
        .status()
        .ok()?;
    assert!(made.success(), "age-keygen");
    let text = fs::read_to_string(key).expect("age's key");
    let (_, rest) = text.split_once("public key: ").expect("a public key");
    let to = rest.lines().next().expect("a public key");
    let encrypt = || {
        let mut age = Command::new("age");
        age.args(["-r", to, "-o", "/dev/null"]).arg(file);
        assert!(age.status().expect("age runs").success());
    };
    let times = (0..3).map(|_| timed(encrypt).1);
    Some(rate(TIMED, times.fold(f64::MAX, f64::min)))
}

/// The same number of bytes as the file's ciphertext, in the largest parts, by nobody's code but HTTP's.
async fn plain(office: &Office, person: &mut Person, file: &Path) -> f64 {
    let clock: Arc<dyn Clock> = Arc::new(office.time.clone());
    let api = Api::new(office.card.clone(), clock).expect("a client");
    person.sync().await;
    let (seed, session) = person.signs_as();
    let signer = DeviceSigner::from_seed(&seed).expect("a key");
    let caller = Caller::Session(&signer, session);
    let size = sealed_size(TIMED).expect("a size");
    let place = path(AttachmentId([9; 16]));
    let mut from = File::open(file).expect("the file");
    let upload = async {
        let begin = encode(&Begin { size });
        let stored = api.call::<Stored>(caller, Method::PUT, &place, begin).await;
        let mut done = stored.expect("a place").bytes;
        while done < size {
            let left = usize::try_from(size - done).expect("a small number");
            let mut part = vec![0; left.min(RANGE_MAX)];
            let _rest = from.read(&mut part).expect("reading");
            let target = format!("{place}?{}", at(done));
            let sent = api
                .call::<Stored>(caller, Method::POST, &target, part)
                .await;
            done = sent.expect("a part").bytes;
        }
    };
    let ((), ms) = timed_async(upload).await;
    let plain = rate(TIMED, ms);
    note(
        "baseline: plain upload, same server, 4 MiB parts",
        plain,
        "MB/s",
        None,
    );
    plain
}

/// The programs themselves, with a file that is larger than any buffer.
fn memory(office: &Office) {
    let passing = Passing::of(&office.time);
    let server = Server::start(&office.data());
    let folder = office.folder.path();
    let (large, place) = (folder.join("large.img"), folder.join("large"));
    random_file(&large, LARGE);
    fs::create_dir(&place).expect("a folder");
    let run = |name: &str, arguments: &[&str]| {
        let mut command = office.cli(name).command(arguments);
        command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .stdin(Stdio::null());
        peak(command.spawn().expect("valise runs"))
    };
    let path = large.to_str().expect("a name");
    let (sent, ms) = timed(|| {
        run(
            "alice",
            &["send", "bob", "-s", "Film", "-m", "See.", "-a", path],
        )
    });
    bar(
        "file of 2 GiB: peak memory of `valise send -a`",
        sent,
        rate(LARGE, ms),
    );
    fs::remove_file(&large).expect("the file");
    run("bob", &["sync"]);
    let to = place.to_str().expect("a name");
    let (saved, ms) = timed(|| run("bob", &["attach", "save", "@last", "--to", to]));
    bar(
        "file of 2 GiB: peak memory of `valise attach save`",
        saved,
        rate(LARGE, ms),
    );
    let arrived = fs::metadata(place.join("large.img"))
        .expect("the file")
        .len();
    assert_eq!(arrived, LARGE);
    bar(
        "file of 2 GiB: peak memory of `valised`",
        server.peak_mb(),
        rate(LARGE, ms),
    );
    drop(passing);
    server.stop();
}

fn bar(name: &str, value: f64, rate: f64) {
    at_most(MEMORY_MAX, name, value, "MB", None);
    note("  while it passed with", rate, "MB/s", None);
}
