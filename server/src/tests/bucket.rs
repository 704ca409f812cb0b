//! Attached files in S3: what holds of a folder holds there, whoever dies, and nothing counts before it is there.

use std::fs;

use valise_proto::{
    api::{
        ErrorCode,
        attachment::{RANGE_MIN, Stored},
    },
    id::AttachmentId,
};

use super::{
    attachment::{ID, append, begin, content, read, upload},
    storage::{self, Storage},
    support::{Person, TestServer, keep_in},
};
use crate::{
    attachment::{Bucket, MisuseS3, S3Error, UNFINISHED_MS},
    config::Config,
    store::Store,
};

#[test]
fn all_that_holds_of_files_in_a_folder_holds_in_s3() {
    let said = storage::again(&[
        "tests::attachment::",
        // What is about the folder's own disk.
        "--skip",
        "folder_",
    ]);
    assert!(!said.contains(" 0 passed"), "{said}");
}

struct Kept {
    storage: Storage,
    settings: [(&'static str, String); 3],
    server: TestServer,
    alice: Person,
}

impl Kept {
    async fn start() -> Self {
        let storage = Storage::start();
        let settings = storage.settings();
        let started =
            TestServer::start_with(valise_proto::log::entry::Policy::default(), |config| {
                keep_in(config, &settings);
            });
        let (server, alice) = started.await;
        Self {
            storage,
            settings,
            server,
            alice,
        }
    }

    fn parts(&self) -> usize {
        self.storage.parts(&self.settings).len()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_goes_on_when_s3_comes_back_and_nothing_counts_that_is_not_there() {
    let mut kept = Kept::start().await;
    let file = content(3 * RANGE_MIN);
    begin(&kept.server, &kept.alice, ID, file.len())
        .await
        .read::<Stored>();
    let part = |number: usize| file[number * RANGE_MIN..(number + 1) * RANGE_MIN].to_vec();
    append(&kept.server, &kept.alice, ID, 0, &part(0))
        .await
        .read::<Stored>();
    kept.storage.die();
    let refused = append(&kept.server, &kept.alice, ID, RANGE_MIN, &part(1)).await;
    assert_eq!(refused.status, 503);
    refused.refused(ErrorCode::Unavailable);
    let stored: Stored = begin(&kept.server, &kept.alice, ID, file.len())
        .await
        .read();
    assert_eq!(stored.bytes, u64::try_from(RANGE_MIN).unwrap());
    kept.storage.come_back();
    for number in 1..3 {
        append(
            &kept.server,
            &kept.alice,
            ID,
            number * RANGE_MIN,
            &part(number),
        )
        .await
        .read::<Stored>();
    }
    // Across parts, and within one.
    for (from, length) in [(0, file.len()), (RANGE_MIN - 1, 2), (RANGE_MIN + 5, 7)] {
        let got = read(&kept.server, &kept.alice, ID, from, length).await;
        assert_eq!(got.body, file[from..from + length]);
    }
    kept.storage.die();
    read(&kept.server, &kept.alice, ID, 0, 9)
        .await
        .refused(ErrorCode::Unavailable);
    kept.storage.come_back();
    // Somebody took a part away.
    let [(_, address), ..] = &kept.settings;
    let place = kept.storage.path("disk").join(&address["s3://".len()..]);
    fs::remove_dir_all(place).unwrap();
    read(&kept.server, &kept.alice, ID, 0, 9)
        .await
        .refused(ErrorCode::NotFound);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn v05_what_is_old_or_has_no_row_goes_from_s3() {
    let mut kept = Kept::start().await;
    let file = content(2 * RANGE_MIN);
    upload(&kept.server, &kept.alice, ID, &file).await;
    let begun = AttachmentId([8; 16]);
    begin(&kept.server, &kept.alice, begun, 4 * RANGE_MIN)
        .await
        .read::<Stored>();
    append(&kept.server, &kept.alice, begun, 0, &file)
        .await
        .read::<Stored>();
    // Of a file that nobody knows, and more of them than a page takes; and what is none of ours.
    let [(_, address), ..] = &kept.settings;
    let place = kept.storage.path("disk").join(&address["s3://".len()..]);
    let org = fs::read_dir(&place)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let orphan = org.join(AttachmentId([4; 16]).to_string());
    fs::create_dir(&orphan).unwrap();
    for part in 0..1_200_u32 {
        fs::write(orphan.join(format!("{part:032x}")), b"nobody's").unwrap();
    }
    fs::write(org.join("README"), b"another's").unwrap();
    let opened = kept.server.reopen().await;
    opened.service.attachments.expire().await.unwrap();
    assert_eq!(kept.parts(), 2);
    assert!(org.join("README").exists());
    kept.server.clock.advance(UNFINISHED_MS);
    opened.service.attachments.expire().await.unwrap();
    let row = opened.service.store.attachment(begun).await.unwrap();
    assert_eq!((row, kept.parts()), (None, 1));
    let retention_ms = kept.server.directory.policy().retention_ms;
    kept.server.clock.advance(retention_ms);
    opened.service.attachments.expire().await.unwrap();
    assert_eq!(kept.parts(), 0);
    let parts = opened.service.store.attachment_parts(ID, 0, u64::MAX);
    assert!(parts.await.unwrap().is_empty());
}

/// A file whose every part comes to two servers at once, in different lengths, as from a client that tries
/// again with less. Says where the rows are.
async fn to_both(change: impl FnOnce(&mut Config)) -> String {
    let (one, other, alice) = TestServer::start_twice(change).await;
    let file = content(12 * RANGE_MIN);
    begin(&one, &alice, ID, file.len()).await.read::<Stored>();
    let mut at = 0;
    while at < file.len() {
        let (short, long) = (RANGE_MIN, (2 * RANGE_MIN).min(file.len() - at));
        let (here, there) = tokio::join!(
            append(&one, &alice, ID, at, &file[at..at + short]),
            append(&other, &alice, ID, at, &file[at..at + long]),
        );
        let bytes = [here, there].map(|answer| answer.read::<Stored>().bytes);
        at = usize::try_from(bytes[0].max(bytes[1])).unwrap();
    }
    let got = read(&other, &alice, ID, 0, file.len()).await;
    assert!(got.body == file, "{}", got.status);
    one.config.database_url()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_that_comes_to_two_servers_at_once_is_kept_once() {
    to_both(|_| {}).await;
    let storage = Storage::start();
    let settings = storage.settings();
    let url = to_both(|config| keep_in(config, &settings)).await;
    let store = Store::connect(&url).await.unwrap();
    let rows = store.attachment_parts(ID, 0, u64::MAX).await.unwrap();
    assert_eq!(storage.parts(&settings).len(), rows.len());
    store.close().await;
}

fn bucket(change: impl FnOnce(&mut Config)) -> Result<Option<Bucket>, MisuseS3> {
    let mut config = Config::default();
    change(&mut config);
    Bucket::new(&config)
}

#[tokio::test]
async fn wrong_credentials_and_wrong_places_are_said_and_no_secret_is() {
    let storage = Storage::start();
    let settings = storage.settings();
    let right = bucket(|config| keep_in(config, &settings))
        .unwrap()
        .unwrap();
    right.probe().await.unwrap();
    let wrong = bucket(|config| {
        keep_in(config, &settings);
        config.s3_credentials = Some(storage.path("wrong"));
    });
    let refused = wrong.unwrap().unwrap().probe().await.unwrap_err();
    assert!(matches!(refused, S3Error::PeerRefuses(_)), "{refused:?}");
    let shown = format!("{refused:?} {}", crate::Chain(&refused));
    assert!(
        shown.contains("s3_credentials") && !shown.contains("hunter"),
        "{shown}"
    );
    let nowhere = bucket(|config| {
        keep_in(config, &settings);
        config.attachments = Some("s3://nothing/t".into());
    });
    let refused = nowhere.unwrap().unwrap().probe().await.unwrap_err();
    assert!(matches!(refused, S3Error::PeerNoBucket), "{refused:?}");
    let nobody = bucket(|config| {
        keep_in(config, &settings);
        config.s3_endpoint = Some("http://127.0.0.1:1".to_owned());
    });
    let refused = nobody.unwrap().unwrap().probe().await.unwrap_err();
    assert!(
        matches!(refused, S3Error::PeerUnreachable(_)),
        "{refused:?}"
    );
}

#[test]
fn what_cannot_be_s3_is_refused_before_anybody_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let credentials = folder.path().join("credentials");
    let text = "access_key_id = \"a\"\nsecret_access_key = \"hunter2\"\n";
    fs::write(&credentials, text).unwrap();
    let with = |attachments: &str, endpoint: &str| {
        bucket(|config| {
            config.attachments = Some(attachments.into());
            config.s3_endpoint = Some(endpoint.to_owned());
            config.s3_credentials = Some(credentials.clone());
        })
    };
    let shown = format!("{:?}", with("s3://files/a/b", "http://one:9000").unwrap());
    assert!(!shown.contains("hunter2"), "{shown}");
    for wrong in [
        "s3://",
        "s3:///a",
        "s3://files:1",
        "s3://files?a",
        "s3://files/a//b",
    ] {
        let refused = with(wrong, "http://one").unwrap_err();
        assert!(matches!(refused, MisuseS3::Bucket), "{wrong}");
    }
    for wrong in ["", "one", "ftp://one", "http://one/path", "http://one?a"] {
        let refused = with("s3://files", wrong).unwrap_err();
        assert!(matches!(refused, MisuseS3::Endpoint), "{wrong}");
    }
    for (place, endpoint) in [
        ("s3://a:hunter2@files", "http://one"),
        ("s3://files", "http://a:hunter2@one"),
    ] {
        let refused = with(place, endpoint).unwrap_err();
        assert!(matches!(refused, MisuseS3::Secret(_)));
        assert!(!format!("{refused:?} {refused}").contains("hunter2"));
    }
    for text in [
        "",
        "access_key_id = \"hunter2\"",
        "hunter2",
        "secret_access_key = \"hunter2\"\naccess_key_id = \"\"",
    ] {
        fs::write(&credentials, text).unwrap();
        let refused = with("s3://files", "http://one").unwrap_err();
        let shown = format!("{refused:?} {}", crate::Chain(&refused));
        assert!(
            matches!(refused, MisuseS3::Form { .. }) && !shown.contains("hunter2"),
            "{shown}"
        );
    }
    let unnamed = bucket(|config| config.attachments = Some("s3://files".into()));
    assert!(matches!(unnamed.unwrap_err(), MisuseS3::NoCredentials));
}
