//! A store on disk: what opens it, what survives, what is found.

use valise_proto::{
    id::{DeviceId, Hash, LetterId, ThreadId},
    letter::{Format, Letter},
};
use zeroize::Zeroizing;

use super::*;

fn key(byte: u8) -> StoreKey {
    Zeroizing::new([byte; 32])
}

fn letter(number: u8, subject: &str, body: &str) -> Letter {
    Letter {
        id: LetterId([number; 16]),
        nonce: [number; 16],
        sequence: 1,
        previous: Hash([0; 32]),
        thread: ThreadId([9; 16]),
        in_reply_to: None,
        date: 1_700_000_000_000,
        subject: subject.to_owned().try_into().unwrap(),
        to: vec!["bob".parse().unwrap()],
        cc: Vec::new(),
        format: Format::Plain,
        body: body.to_owned().try_into().unwrap(),
        attachments: Vec::new(),
    }
}

fn add(work: &Work<'_>, letter: &Letter) -> Option<u64> {
    add_from(work, letter, None)
}

fn add_from(work: &Work<'_>, letter: &Letter, imported: Option<DeviceId>) -> Option<u64> {
    let new = NewLetter {
        letter,
        group: None,
        sender: &"alice".parse().unwrap(),
        device: DeviceId([1; 32]),
        here_ms: 5,
        outgoing: false,
        unread: true,
        remark: "",
        imported,
    };
    work.add_letter(&new).unwrap()
}

#[test]
fn c01_a_store_opens_with_its_key_alone_and_shows_nothing_without() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let mut store = Store::create(&path, &key(1)).unwrap();
    let work = store.begin().unwrap();
    add(&work, &letter(1, "tournesol", "tournesol"));
    work.commit().unwrap();
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(9).any(|window| window == b"tournesol"));
        assert!(!bytes.windows(13).any(|window| window == b"SQLite format"));
    }
    drop(store);
    assert!(matches!(
        Store::open(&path, &key(2)),
        Err(StoreError::NotOpened)
    ));
    assert!(matches!(
        Store::create(&path, &key(2)),
        Err(StoreError::Exists)
    ));
    assert_eq!(
        Store::open(&path, &key(1))
            .unwrap()
            .read()
            .unread()
            .unwrap(),
        1
    );
}

#[test]
fn a_newer_store_is_refused_and_untouched() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let store = Store::create(&path, &key(1)).unwrap();
    store
        .connection
        .pragma_update(None, "user_version", VERSION + 1)
        .unwrap();
    drop(store);
    let refused = Store::open(&path, &key(1));
    assert!(matches!(refused, Err(StoreError::Newer { found }) if found == VERSION + 1));
}

#[test]
fn nothing_is_kept_without_a_commit() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::create(&folder.path().join("store.db"), &key(1)).unwrap();
    let work = store.begin().unwrap();
    add(&work, &letter(1, "a", "b"));
    drop(work);
    assert_eq!(store.read().letters(&Filter::default()).unwrap().len(), 0);
}

#[test]
fn a_letter_is_kept_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::create(&folder.path().join("store.db"), &key(1)).unwrap();
    let work = store.begin().unwrap();
    assert_eq!(add(&work, &letter(1, "a", "b")), Some(1));
    assert_eq!(add(&work, &letter(1, "another subject", "b")), None);
    work.commit().unwrap();
    assert_eq!(store.read().letter(1).unwrap().unwrap().subject, "a");
}

#[test]
fn a_letter_that_comes_by_itself_takes_the_place_of_its_imported_copy() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::create(&folder.path().join("store.db"), &key(1)).unwrap();
    let device = Some(DeviceId([9; 32]));
    let work = store.begin().unwrap();
    add(&work, &letter(1, "here", "b"));
    assert_eq!(
        add_from(&work, &letter(2, "claimed", "planted"), device),
        Some(2)
    );
    assert_eq!(add_from(&work, &letter(2, "again", "b"), device), None);
    // What is here by itself stays what it is.
    assert_eq!(
        add_from(&work, &letter(1, "claimed", "planted"), device),
        None
    );
    work.commit().unwrap();
    let order = |store: &Store| -> Vec<(u64, String)> {
        let letters = store.read().letters(&Filter::default()).unwrap();
        letters
            .into_iter()
            .map(|it| (it.number, it.subject))
            .collect()
    };
    let both = [(2, "claimed".to_owned()), (1, "here".to_owned())];
    assert_eq!(order(&store), both);
    store.mark_read(2).unwrap();

    let work = store.begin().unwrap();
    assert_eq!(add(&work, &letter(2, "true", "real")), Some(2));
    assert_eq!(add(&work, &letter(2, "again", "b")), None);
    work.commit().unwrap();
    let now = store.read().letter(2).unwrap().unwrap();
    assert_eq!(
        (now.subject.as_str(), now.imported, now.unread),
        ("true", None, false)
    );
    let found = |words: &str| {
        let words = Some(words.to_owned());
        let filter = Filter {
            words,
            ..Filter::default()
        };
        store.read().letters(&filter).unwrap().len()
    };
    assert_eq!((found("planted"), found("real")), (0, 1));
}

#[test]
fn letters_are_found_by_words_with_or_without_accents() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::create(&folder.path().join("store.db"), &key(1)).unwrap();
    let work = store.begin().unwrap();
    add(&work, &letter(1, "Débat de l'équipe", "à 7 h"));
    add(&work, &letter(2, "Bus", "platform \"3\" OR nothing"));
    work.commit().unwrap();
    let found = |words: &str| -> Vec<u64> {
        let filter = Filter {
            words: Some(words.to_owned()),
            ..Filter::default()
        };
        let letters = store.read().letters(&filter).unwrap();
        letters.into_iter().map(|letter| letter.number).collect()
    };
    assert_eq!(found("debat"), [1]);
    assert_eq!(found("equipe"), [1]);
    assert_eq!(found("alice plat"), [2]);
    assert_eq!(found("OR"), [2]);
    assert_eq!(found("\"3\""), [2]);
    assert!(found("* ( NEAR").is_empty());
    assert!(found("subject:bus").is_empty());
}

#[test]
fn the_log_is_read_as_far_as_it_was_verified() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::create(&folder.path().join("store.db"), &key(1)).unwrap();
    assert_eq!(store.read().log().unwrap(), None);
    let head = |size| valise_proto::log::Head {
        size,
        root: Hash([7; 32]),
    };
    let entries = [vec![1], vec![2], vec![3]];
    let work = store.begin().unwrap();
    work.add_to_log(0, &entries, head(3)).unwrap();
    // A slower process of the same account comes with less.
    work.add_to_log(1, &entries[1..2], head(2)).unwrap();
    assert!(work.add_to_log(1, &entries[..1], head(2)).is_err());
    work.commit().unwrap();
    assert_eq!(
        store.read().log().unwrap(),
        Some(VerifiedLog {
            head: head(3),
            entries: entries.to_vec()
        })
    );
    let work = store.begin().unwrap();
    work.add_to_log(4, &entries[..1], head(5)).unwrap();
    work.commit().unwrap();
    assert!(matches!(store.read().log(), Err(StoreError::Damaged(_))));
}

#[test]
fn a_store_of_the_first_format_is_brought_to_this_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let mut store = Store::create(&path, &key(1)).unwrap();
    let work = store.begin().unwrap();
    add(&work, &letter(1, "a", "b"));
    work.commit().unwrap();
    let first = "drop table evidence; drop table contact; drop table own; drop table label;
        drop table act; drop table upload; drop index letter_place; drop index letter_answer;
        alter table letter drop column imported;
        alter table conversation drop column renewed_ms;
        insert into conversation (group_id, record, accounts, state, joined, cursor, sent_hash)
        values (x'00', x'00', 'alice bob', 'disputed', 1, 1, zeroblob(32));
        pragma user_version = 1;";
    store.connection.execute_batch(first).unwrap();
    drop(store);
    let store = Store::open(&path, &key(1)).unwrap();
    assert_eq!(store.read().letters(&Filter::default()).unwrap().len(), 1);
    assert!(store.read().evidence().unwrap().is_empty());
    let sql = "select state from conversation";
    let state: String = store
        .connection
        .query_row(sql, (), |row| row.get(0))
        .unwrap();
    assert_eq!(state, "open");
}
