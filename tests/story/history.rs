//! Letters on the way from one's old computer to one's new one, by the real programs.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use valise_client::{
    home::Home,
    key::Source,
    session::{Keyring, Session},
    store::{NewLetter, Store},
};
use valise_proto::{
    id::{DeviceId, Hash},
    letter::{Attachment, Letter},
};

use crate::attack::insider::letter;
use crate::support::{Cli, Said, Site, person::Willing, search::count};

/// More than become durable together.
const MANY: u8 = 150;

/// The store of somebody whose programs are all ended.
fn store(person: &Cli) -> Store {
    let mut keyring = Keyring {
        source: Source::Soft(person.key.clone()),
        prompt: &mut Willing::default(),
    };
    let home = Home::open(&person.home).unwrap();
    let key = Session::unlock(&home, &mut keyring).unwrap();
    Store::open(&home.store(), &key).unwrap()
}

/// Letters of alice's that somebody has read and not read, without the work of sending them.
fn keep_many(person: &Cli) {
    let mut store = store(person);
    let work = store.begin().unwrap();
    let device = DeviceId([7; 32]);
    for number in 0..MANY {
        let mut letter = letter(device, &["bob"], &format!("number {number}\n").repeat(100));
        letter.nonce = [number; 16];
        letter.id = Letter::id_of(device, letter.nonce);
        letter.attachments.push(Attachment {
            name: format!("{number}.pdf").try_into().unwrap(),
            size: 12,
            content: Hash([6; 32]),
            blob: vec![7; 48].try_into().unwrap(),
        });
        let new = NewLetter {
            letter: &letter,
            group: None,
            sender: &"alice".parse().unwrap(),
            device,
            here_ms: 5,
            outgoing: false,
            unread: number % 2 == 0,
            remark: "",
            imported: None,
        };
        work.add_letter(&new).unwrap().unwrap();
    }
    work.commit().unwrap();
}

fn touches(said: &Said) -> usize {
    said.err.matches("touch your security key").count()
}

/// What a list says of each letter, but for its number here.
fn shown(person: &Cli) -> Vec<serde_json::Value> {
    let mut letters = person.json(&["list", "--limit", "999"]).objects();
    for letter in &mut letters {
        letter.as_object_mut().unwrap().remove("number");
    }
    letters
}

fn everything_beside(file: &Path) -> Vec<PathBuf> {
    let folder = file.parent().unwrap();
    let all = fs::read_dir(folder).unwrap();
    all.map(|entry| entry.unwrap().path()).collect()
}

/// Alice and bob have written to each other; then bob has joined with a laptop, and one more letter has
/// come to both his computers.
fn correspondence() -> (Site, Cli, Cli, Cli) {
    let (site, alice, [bob]) = Site::with(["bob"]);
    let first = ["send", "bob", "-s", "Kanariensubject", "-m", "Kanarienbody"];
    alice.must(&first);
    alice.must(&["send", "bob", "-s", "Unread", "-m", "For later"]);
    bob.must(&["sync"]);
    bob.must(&["read", "1"]);
    bob.must(&["reply", "1", "-m", "I will be there"]);
    let laptop = site.other_computer(&bob, "laptop");
    alice.must(&["send", "bob", "-s", "Both", "-m", "For both computers"]);
    bob.must(&["sync"]);
    laptop.must(&["sync"]);
    assert_eq!(shown(&laptop).len(), 1);
    (site, alice, bob, laptop)
}

#[test]
fn a_new_computer_has_the_letters_of_the_old_one() {
    let (site, alice, bob, laptop) = correspondence();
    let folder = site.folder.path().join("stick");
    fs::create_dir(&folder).unwrap();
    let file = folder.join("letters.valise");
    let path = file.to_str().unwrap();
    // The agent has the store open, and that is not enough.
    let away = site.folder.path().join("in a pocket");
    fs::rename(&bob.key, &away).unwrap();
    let refused = bob.run(&["history", "export", path]);
    assert_eq!(refused.code, 8, "{refused:?}");
    assert!(everything_beside(&file).is_empty());
    fs::rename(&away, &bob.key).unwrap();

    let exported = bob.json(&["history", "export", path]);
    assert_eq!(touches(&exported), 1, "{exported:?}");
    let exported = exported.object();
    assert_eq!(
        (&exported["letters"], &exported["keys"]),
        (&4.into(), &1.into())
    );
    assert_eq!(everything_beside(&file), std::slice::from_ref(&file));
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let bytes = fs::read(&file).unwrap();
    for canary in ["Kanarien", "For later", "I will be there", "alice"] {
        assert_eq!(count(&bytes, canary.as_bytes()), 0, "{canary}");
    }
    let again = bob.run(&["history", "export", path]);
    assert_eq!(again.code, 1, "{again:?}");
    assert_eq!(fs::read(&file).unwrap(), bytes);

    // Nobody else's computer takes it, though it is the same server and its owner has a key too.
    let refused = alice.run(&["history", "import", path]);
    assert_eq!(refused.code, 6, "{refused:?}");
    assert!(
        refused
            .refusal()
            .contains("it is bob's — nothing was imported"),
        "{refused:?}"
    );
    assert_eq!(shown(&alice).len(), 4);

    let imported = laptop.json(&["history", "import", path]);
    assert_eq!(touches(&imported), 1, "{imported:?}");
    let imported = imported.object();
    assert_eq!(
        (&imported["letters"], &imported["known"]),
        (&3.into(), &1.into())
    );
    assert_eq!(shown(&laptop), shown(&bob));
    let found = laptop.json(&["search", "kanarienbody"]).object();
    let number = found["number"].to_string();
    let read = laptop.json(&["read", &number]).object();
    let device = bob.json(&["device", "this"]).object();
    assert_eq!(read["imported"], device["id"], "{device}");
    let read = laptop.must(&["read", &number, "-o", "human"]).out;
    assert!(read.contains("Import:  from your device"), "{read}");
    // What came here by itself is not marked, and a thread holds both kinds.
    let both = laptop.json(&["read", "@last"]).object();
    assert_eq!(
        (&both["subject"], &both["imported"]),
        (&"Both".into(), &().into())
    );
    assert_eq!(laptop.json(&["thread", &number]).objects().len(), 2);
    laptop.must(&["who", &number]);

    // Once more is nothing more, and what was read here since stays read.
    let again = laptop.json(&["history", "import", path]).object();
    assert_eq!((&again["letters"], &again["known"]), (&0.into(), &4.into()));
    assert_eq!(shown(&laptop).len(), 4);
    laptop.must(&["send", "alice", "-s", "From here", "-m", "It goes on"]);
}

#[test]
fn an_import_that_is_killed_goes_on_where_it_was() {
    let (site, alice) = Site::open();
    let laptop = site.other_computer(&alice, "laptop");
    keep_many(&alice);
    let file = site.path("letters.valise");
    alice.dies_at("before-history", &["history", "export", &file]);
    assert!(!Path::new(&file).exists());
    let exported = alice.json(&["history", "export", &file]).object();
    assert_eq!(exported["letters"], u64::from(MANY));
    laptop.dies_at("after-history-batch", &["history", "import", &file]);
    assert_eq!(shown(&laptop).len(), 64);
    let imported = laptop.json(&["history", "import", &file]).object();
    assert_eq!(imported["letters"], u64::from(MANY) - 64);
    assert_eq!(shown(&laptop), shown(&alice));
    let read = laptop.json(&["read", "3"]).object();
    assert_eq!(read["attachments"][0]["name"], "2.pdf");
    assert_eq!(laptop.json(&["search", "number 149"]).objects().len(), 1);
}
