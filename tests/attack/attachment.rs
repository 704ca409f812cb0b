//! A file is what its writer sealed, lands where one said, and nothing else happens.

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use reqwest::Method;
use valise_client::{
    file::Folder,
    mail::{Draft, Saved},
    session::Error,
    trust::Alarm,
    weaken::dangerously_weaken,
};
use valise_proto::{
    api::attachment::{parse_range, path},
    attachment::{FileKey, sealed_size},
    id::{AttachmentId, Hash},
    letter::Attachment,
};

use super::insider::letter;
use crate::support::{Mallory, Office, Person};

const CONTENT: &[u8] = b"The bus leaves at 7, platform 3.";

/// Alice sends bob files of these names and contents; the letter's number with bob.
async fn send(
    office: &Office,
    alice: &mut Person,
    bob: &mut Person,
    files: &[(&str, &[u8])],
) -> u64 {
    let files = files.iter().map(|(name, content)| {
        let path = office.folder.path().join(name);
        fs::write(&path, content).unwrap();
        path
    });
    let draft = Draft {
        to: vec!["bob".to_owned()],
        subject: "Plan".to_owned(),
        body: "See the file.".to_owned(),
        files: files.collect(),
        ..Draft::default()
    };
    alice.try_post(draft).await.expect("sending");
    bob.sync().await;
    bob.letters().last().expect("a letter").number
}

async fn save(bob: &mut Person, number: u64, index: usize, to: &Path) -> Result<Saved, Error> {
    let folder = Folder::open(to).unwrap();
    bob.online(async |session, _| session.save_file(number, index, &folder).await)
        .await
}

fn place(office: &Office) -> PathBuf {
    let place = office.folder.path().join("place");
    fs::create_dir_all(&place).unwrap();
    place
}

fn in_folder(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort_unstable();
    names
}

fn id(file: &Attachment) -> AttachmentId {
    FileKey::of(file).unwrap().id().unwrap()
}

#[track_caller]
fn alarmed(bob: &mut Person, place: &Path, saved: &Result<Saved, Error>) {
    assert!(
        matches!(saved, Err(Error::Alarm(Alarm::BadAttachment { .. }))),
        "{saved:?}"
    );
    assert!(bob.events().contains(&"bad-attachment".to_owned()));
    assert_eq!(in_folder(place), Vec::<String>::new());
    assert_eq!(in_folder(&bob.folder.join("partial")), Vec::<String>::new());
}

/// Mallory gives the ciphertext of another file, or one with a bit flipped.
fn serve(
    office: &Office,
    mallory: &Mallory,
    of: AttachmentId,
    from: AttachmentId,
    flipped: Option<usize>,
) {
    let file = office.data().join("attachments").join(from.to_string());
    let mut ciphertext = fs::read(file).unwrap();
    if let Some(at) = flipped {
        ciphertext[at] ^= 1;
    }
    mallory.on_response(move |exchange| {
        if exchange.is(&Method::GET, &path(of)) && exchange.status.is_success() {
            let (_, query) = exchange.path.split_once('?').unwrap();
            let (at, length) = parse_range(query).unwrap();
            let at = usize::try_from(at).unwrap();
            exchange.answer = ciphertext[at..at + length].to_vec();
        }
    });
}

#[tokio::test]
async fn g26_another_file_in_its_place_never_appears() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let mut bob = office.hire(&mut alice, "bob").await;
    let files: [(&str, &[u8]); 2] = [("plan.pdf", CONTENT), ("other.pdf", b"At nine.")];
    let number = send(&office, &mut alice, &mut bob, &files).await;
    let manifest = bob.letter(number).attachments;
    let [first, second] = [&manifest[0], &manifest[1]].map(id);
    let place = place(&office);
    let last = usize::try_from(sealed_size(manifest[0].size).unwrap()).unwrap() - 1;
    for (from, flipped) in [
        (second, None),
        (first, Some(0)),
        (first, Some(40)),
        (first, Some(last)),
    ] {
        serve(&office, &mallory, first, from, flipped);
        let saved = save(&mut bob, number, 0, &place).await;
        alarmed(&mut bob, &place, &saved);
    }
    // The twin: the same way, and what the writer sealed, is a file.
    serve(&office, &mallory, first, first, None);
    let saved = save(&mut bob, number, 0, &place).await.expect("saving");
    assert_eq!(fs::read(saved.path).unwrap(), CONTENT);
}

/// Alice's own program writes bob a letter with these files, whatever they are; its number with bob.
async fn claim(alice: &mut Person, bob: &mut Person, files: Vec<Attachment>) -> u64 {
    let mut claiming = letter(alice.session().device(), &["bob"], "See the files.");
    claiming.attachments = files;
    let written = alice.session().attack_write(&claiming).unwrap();
    alice
        .online(async |session, _| session.send(written).await)
        .await
        .expect("sending");
    bob.sync().await;
    bob.letters().last().unwrap().number
}

/// Alice's own program tells bob another content than it sealed: to somebody else she tells the true one.
async fn two_meanings(office: &Office, alice: &mut Person, bob: &mut Person) -> u64 {
    let number = send(office, alice, bob, &[("plan.pdf", CONTENT)]).await;
    let mut manifest = bob.letter(number).attachments;
    manifest[0].content = Hash([6; 32]);
    claim(alice, bob, manifest).await
}

#[tokio::test]
async fn g26_one_ciphertext_has_one_meaning() {
    let (office, mut alice) = Office::open().await;
    let mut bob = office.hire(&mut alice, "bob").await;
    let number = two_meanings(&office, &mut alice, &mut bob).await;
    let place = place(&office);
    let saved = save(&mut bob, number, 0, &place).await;
    alarmed(&mut bob, &place, &saved);
}

#[tokio::test]
async fn g26_twin_without_the_letters_word_it_has_two() {
    let (office, mut alice) = Office::open().await;
    let mut bob = office.hire(&mut alice, "bob").await;
    let number = two_meanings(&office, &mut alice, &mut bob).await;
    let place = place(&office);
    dangerously_weaken(Some("G26"));
    let saved = save(&mut bob, number, 0, &place).await;
    dangerously_weaken(None);
    assert_eq!(fs::read(saved.unwrap().path).unwrap(), CONTENT);
    assert!(!bob.events().contains(&"bad-attachment".to_owned()));
}

/// Names that nobody gives a file in good faith.
fn hostile_names() -> Vec<String> {
    let pieces = [
        "..",
        "/",
        "\\",
        "C:",
        "\0",
        ".",
        "-",
        "~",
        "NUL",
        "con.txt",
        "\u{202e}fdp.exe",
        "\u{feff}",
        " ",
        "\n",
        "%2e%2e%2f",
        "/etc/",
        "a:b",
        "\u{2044}",
    ];
    let mut names = vec![String::new(), "x".repeat(255), "é".repeat(127)];
    for first in pieces {
        for second in pieces {
            names.push(format!("{first}{second}/outside"));
        }
    }
    names
}

/// Alice's program sends one file under each of `names`, in one letter.
async fn send_names(
    office: &Office,
    alice: &mut Person,
    bob: &mut Person,
    names: &[String],
) -> u64 {
    let number = send(office, alice, bob, &[("plan.pdf", CONTENT)]).await;
    let honest = bob.letter(number).attachments.remove(0);
    let files = names.iter().map(|name| Attachment {
        name: name.clone().try_into().unwrap(),
        ..honest.clone()
    });
    claim(alice, bob, files.collect()).await
}

#[tokio::test]
async fn c09_three_hundred_names_stay_in_the_folder() {
    let (office, mut alice) = Office::open().await;
    let mut bob = office.hire(&mut alice, "bob").await;
    let names = hostile_names();
    assert!(names.len() >= 300, "{}", names.len());
    let number = send_names(&office, &mut alice, &mut bob, &names).await;
    let outer = place(&office);
    let place = outer.join("inner/most");
    fs::create_dir_all(&place).unwrap();
    fs::write(place.join("file"), b"mine").unwrap();
    let before = in_folder(office.folder.path());
    for (index, name) in names.iter().enumerate() {
        let saved = save(&mut bob, number, index, &place).await;
        let saved = saved.unwrap_or_else(|error| panic!("{name:?}: {error}"));
        assert_eq!(saved.path.parent(), Some(&*place), "{name:?}");
        let mode = fs::metadata(&saved.path).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);
    }
    let saved = in_folder(&place);
    assert_eq!(saved.len(), names.len() + 1, "each in a place of its own");
    for name in &saved {
        assert!(!name.starts_with(['.', '-', '~']), "{name:?}");
        let path = place.join(name);
        let kind = fs::symlink_metadata(&path).unwrap();
        assert!(
            kind.is_file() && kind.permissions().mode() & 0o111 == 0,
            "{name:?}"
        );
        let expected = if name == "file" {
            &b"mine"[..]
        } else {
            CONTENT
        };
        assert_eq!(fs::read(path).unwrap(), expected, "{name:?}");
    }
    assert_eq!(in_folder(&outer), ["inner"]);
    assert_eq!(in_folder(&outer.join("inner")), ["most"]);
    assert_eq!(in_folder(office.folder.path()), before);
}

#[tokio::test]
async fn c09_twin_without_the_safe_name_a_file_lands_outside() {
    let (office, mut alice) = Office::open().await;
    let mut bob = office.hire(&mut alice, "bob").await;
    let names = ["../outside".to_owned()];
    let number = send_names(&office, &mut alice, &mut bob, &names).await;
    let outer = place(&office);
    let place = outer.join("inner");
    fs::create_dir_all(&place).unwrap();
    dangerously_weaken(Some("C09"));
    let saved = save(&mut bob, number, 0, &place).await;
    dangerously_weaken(None);
    drop(saved.unwrap());
    assert_eq!(in_folder(&place), Vec::<String>::new());
    assert_eq!(fs::read(outer.join("outside")).unwrap(), CONTENT);
}

/// A deflate stream (RFC 1951) in a gzip file: one zero byte, then the same 258 bytes again and again.
fn bomb(size: usize) -> Vec<u8> {
    // The header; a last block with fixed codes, the literal 0, and then 13 bits for 258 bytes.
    let mut bits = vec![true, true, false];
    bits.extend([false, false, true, true, false, false, false, false]);
    let again = [true, true, false, false, false, true, false, true].into_iter();
    let again: Vec<bool> = again.chain([false; 5]).collect();
    while bits.len() < size * 8 {
        bits.extend(&again);
    }
    let bytes = bits
        .chunks(8)
        .map(|byte| (0..).zip(byte).map(|(at, bit)| u8::from(*bit) << at).sum());
    [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]
        .into_iter()
        .chain(bytes)
        .collect()
}

#[tokio::test]
async fn c10_c11_a_bomb_is_bytes_and_a_page_fetches_nothing() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let mut bob = office.hire(&mut alice, "bob").await;
    let tempting = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    tempting.set_nonblocking(true).unwrap();
    let at = tempting.local_addr().unwrap();
    let page = format!(
        "<html><img src='http://{at}/pixel.png'><meta http-equiv=refresh content='0;http://{at}'>"
    );
    let gzip = bomb(1 << 20);
    let files: [(&str, &[u8]); 2] = [("bomb.gz", &gzip), ("page.html", page.as_bytes())];
    let number = send(&office, &mut alice, &mut bob, &files).await;
    let place = place(&office);
    mallory.forget();
    for (index, (name, content)) in (0..).zip(files) {
        let saved = save(&mut bob, number, index, &place).await.unwrap();
        assert_eq!(
            fs::read(&saved.path).unwrap(),
            content,
            "{name}: byte for byte"
        );
    }
    assert_eq!(in_folder(&place), ["bomb.gz", "page.html"]);
    for exchange in mallory.all() {
        assert_eq!(exchange.method, Method::GET);
        assert!(
            exchange.path.starts_with("/v1/attachments/"),
            "{}",
            exchange.path
        );
        assert!(!exchange.headers.contains_key("accept-encoding"));
    }
    let nobody = tempting.accept().map(|_| ()).map_err(|error| error.kind());
    assert_eq!(nobody, Err(std::io::ErrorKind::WouldBlock));
}
