//! Attached files: written by one device from the beginning on, read by whoever knows the id, bounded.

use std::fs;

use valise_proto::{
    api::{
        ErrorCode,
        attachment::{Begin, RANGE_MIN, Stored, at, path, range},
    },
    id::AttachmentId,
    log::entry::Policy,
    weaken::dangerously_weaken,
};

use super::support::{Answer, Person, TestServer};
use crate::attachment::UNFINISHED_MS;

pub(super) const ID: AttachmentId = AttachmentId([7; 16]);

pub(super) fn content(size: usize) -> Vec<u8> {
    (0..size)
        .map(|at| u8::try_from(at % 251).unwrap())
        .collect()
}

pub(super) async fn begin(
    server: &TestServer,
    who: &Person,
    id: AttachmentId,
    size: usize,
) -> Answer {
    let size = u64::try_from(size).unwrap();
    let body = valise_proto::codec::encode(&Begin { size });
    server
        .send(&server.signed(who, "PUT", &path(id), body))
        .await
}

pub(super) async fn append(
    server: &TestServer,
    who: &Person,
    id: AttachmentId,
    from: usize,
    part: &[u8],
) -> Answer {
    let target = format!("{}?{}", path(id), at(u64::try_from(from).unwrap()));
    server
        .send(&server.signed(who, "POST", &target, part.to_vec()))
        .await
}

pub(super) async fn read(
    server: &TestServer,
    who: &Person,
    id: AttachmentId,
    from: usize,
    length: usize,
) -> Answer {
    let target = format!(
        "{}?{}",
        path(id),
        range(u64::try_from(from).unwrap(), length)
    );
    server.get(who, &target).await
}

pub(super) async fn upload(server: &TestServer, who: &Person, id: AttachmentId, file: &[u8]) {
    assert_eq!(
        begin(server, who, id, file.len())
            .await
            .read::<Stored>()
            .bytes,
        0
    );
    let stored: Stored = append(server, who, id, 0, file).await.read();
    assert_eq!(stored.bytes, u64::try_from(file.len()).unwrap());
}

fn files(server: &TestServer) -> usize {
    fs::read_dir(server.config.attachments_path())
        .unwrap()
        .count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_is_written_part_by_part_whatever_comes_twice() {
    let (mut server, alice) = TestServer::start().await;
    let bob = server.hire(&alice, "bob").await;
    let file = content(3 * RANGE_MIN + 100);
    let stored = |answer: Answer| usize::try_from(answer.read::<Stored>().bytes).unwrap();
    assert_eq!(stored(begin(&server, &alice, ID, file.len()).await), 0);
    let parts = [
        0..RANGE_MIN,
        RANGE_MIN..3 * RANGE_MIN,
        3 * RANGE_MIN..file.len(),
    ];
    for part in parts {
        read(&server, &bob, ID, 0, 1)
            .await
            .refused(ErrorCode::NotFound);
        // Before its time, and then twice.
        let ahead = append(&server, &alice, ID, part.start + 1, &file[part.clone()]).await;
        assert_eq!(stored(ahead), part.start);
        for _ in 0..2 {
            let sent = append(&server, &alice, ID, part.start, &file[part.clone()]).await;
            assert_eq!(stored(sent), part.end);
        }
        assert_eq!(
            stored(begin(&server, &alice, ID, file.len()).await),
            part.end
        );
    }
    for (from, length) in [
        (0, file.len()),
        (5, 70_000),
        (file.len(), 0),
        (file.len() - 1, 1),
    ] {
        let part = read(&server, &bob, ID, from, length).await;
        assert_eq!(
            (part.status, part.body.as_slice()),
            (200, &file[from..from + length])
        );
    }
    read(&server, &bob, ID, file.len(), 1)
        .await
        .refused(ErrorCode::NotFound);
    let odd = format!("{}?at=0", path(ID));
    server.get(&bob, &odd).await.refused(ErrorCode::Malformed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_is_of_the_file_or_none() {
    let (server, alice) = TestServer::start().await;
    append(&server, &alice, ID, 0, &content(9))
        .await
        .refused(ErrorCode::NotFound);
    begin(&server, &alice, ID, 31)
        .await
        .refused(ErrorCode::Malformed);
    begin(&server, &alice, ID, 2 * RANGE_MIN)
        .await
        .read::<Stored>();
    begin(&server, &alice, ID, 3 * RANGE_MIN)
        .await
        .refused(ErrorCode::Conflict);
    for part in [0, 1, RANGE_MIN - 1, 2 * RANGE_MIN + 1] {
        let part = content(part);
        append(&server, &alice, ID, 0, &part)
            .await
            .refused(ErrorCode::Malformed);
    }
    let target = format!("{}?{}", path(ID), at(0));
    let huge = server.signed(&alice, "POST", &target, content((4 << 20) + 1));
    let mut connection = server.connect().await;
    connection.send_head(&huge).await;
    connection.receive().await.refused(ErrorCode::TooLarge);
    let odd = server.signed(&alice, "PUT", "/v1/attachments/x", vec![0; 8]);
    server.send(&odd).await.refused(ErrorCode::NotFound);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn v06_nobody_goes_on_with_anothers_upload() {
    let (mut server, alice) = TestServer::start().await;
    let bob = server.hire(&alice, "bob").await;
    let file = content(2 * RANGE_MIN);
    begin(&server, &alice, ID, file.len())
        .await
        .read::<Stored>();
    let part = &file[..RANGE_MIN];
    begin(&server, &bob, ID, file.len())
        .await
        .refused(ErrorCode::Conflict);
    append(&server, &bob, ID, 0, part)
        .await
        .refused(ErrorCode::Conflict);
    append(&server, &alice, ID, 0, part).await.read::<Stored>();
    append(&server, &bob, ID, RANGE_MIN, part)
        .await
        .refused(ErrorCode::Conflict);
    append(&server, &alice, ID, RANGE_MIN, &file[RANGE_MIN..])
        .await
        .read::<Stored>();
    assert_eq!(read(&server, &bob, ID, 0, file.len()).await.body, file);
    // An id that was never given, and those beside it.
    for other in [[7; 16], [8; 16]].map(|mut id: [u8; 16]| {
        id[15] ^= 1;
        AttachmentId(id)
    }) {
        read(&server, &bob, other, 0, 1)
            .await
            .refused(ErrorCode::NotFound);
    }
}

#[test]
fn v06_twin_without_the_check_a_colleague_spoils_an_upload() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .on_thread_start(|| dangerously_weaken(Some("V06")))
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let (mut server, alice) = TestServer::start().await;
        let bob = server.hire(&alice, "bob").await;
        begin(&server, &alice, ID, 2 * RANGE_MIN)
            .await
            .read::<Stored>();
        let spoiled = append(&server, &bob, ID, 0, &vec![0; RANGE_MIN]).await;
        assert_eq!(
            spoiled.read::<Stored>().bytes,
            u64::try_from(RANGE_MIN).unwrap()
        );
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn v05_nobody_takes_more_room_than_is_his() {
    let (mut server, mut alice) = TestServer::start_with(Policy::default(), |config| {
        config.attachment_bytes_max = 200_000;
        config.attachments_per_account_bytes_max = 300_000;
        config.attachments_per_account_max = 3;
        config.attachments_bytes_max = 450_000;
    })
    .await;
    let bob = server.hire(&alice, "bob").await;
    let id = |number| AttachmentId([number; 16]);
    begin(&server, &alice, id(1), 200_001)
        .await
        .refused(ErrorCode::TooLarge);
    begin(&server, &alice, id(1), 200_000)
        .await
        .read::<Stored>();
    begin(&server, &alice, id(2), 100_001)
        .await
        .refused(ErrorCode::Full);
    begin(&server, &alice, id(2), 99_000).await.read::<Stored>();
    begin(&server, &alice, id(3), 100).await.read::<Stored>();
    let few = begin(&server, &alice, id(4), 100).await;
    assert_eq!(few.status, 507);
    few.refused(ErrorCode::Full);
    // Everybody together.
    begin(&server, &bob, id(5), 151_000)
        .await
        .refused(ErrorCode::Full);
    begin(&server, &bob, id(5), 150_000).await.read::<Stored>();
    // What is begun goes on, and what expired makes room.
    append(&server, &alice, id(1), 0, &content(200_000))
        .await
        .read::<Stored>();
    server.clock.advance(UNFINISHED_MS + 1);
    let opened = server.reopen().await;
    opened.service.attachments.expire().await.unwrap();
    drop(opened);
    server.run().await.unwrap();
    server.log_in(&mut alice).await;
    begin(&server, &alice, id(6), 99_000).await.read::<Stored>();
    assert_eq!(read(&server, &alice, id(1), 0, 9).await.body, content(9));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn v05_folder_a_full_disk_takes_no_file_and_gives_what_it_has() {
    let (mut server, alice) = TestServer::start().await;
    let file = content(2 * RANGE_MIN);
    upload(&server, &alice, ID, &file).await;
    let other = AttachmentId([8; 16]);
    begin(&server, &alice, other, file.len())
        .await
        .read::<Stored>();
    server.stop().await;
    server.config.disk_reserve_percent = 100;
    server.run().await.unwrap();
    let full = append(&server, &alice, other, 0, &file).await;
    assert_eq!(full.status, 507);
    full.refused(ErrorCode::Full);
    begin(&server, &alice, AttachmentId([9; 16]), 99)
        .await
        .refused(ErrorCode::Full);
    assert_eq!(read(&server, &alice, ID, 0, file.len()).await.body, file);
    assert_eq!(files(&server), 1);
    // There is room again.
    server.stop().await;
    server.config.disk_reserve_percent = 0;
    server.run().await.unwrap();
    append(&server, &alice, other, 0, &file)
        .await
        .read::<Stored>();
    assert_eq!(read(&server, &alice, other, 0, file.len()).await.body, file);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn v05_folder_what_is_old_or_without_its_other_half_is_collected() {
    let (mut server, alice) = TestServer::start_with(
        Policy {
            retention_ms: 3 * UNFINISHED_MS,
            ..Policy::default()
        },
        |_| {},
    )
    .await;
    let file = content(RANGE_MIN);
    let [whole, begun, lost] = [1, 2, 3].map(|number| AttachmentId([number; 16]));
    upload(&server, &alice, whole, &file).await;
    upload(&server, &alice, lost, &file).await;
    begin(&server, &alice, begun, 2 * RANGE_MIN)
        .await
        .read::<Stored>();
    append(&server, &alice, begun, 0, &file)
        .await
        .read::<Stored>();
    let folder = server.config.attachments_path();
    let orphan = folder.join(AttachmentId([4; 16]).to_string());
    fs::write(&orphan, b"nobody's").unwrap();
    fs::remove_file(folder.join(lost.to_string())).unwrap();
    let opened = server.reopen().await;
    opened.service.attachments.expire().await.unwrap();
    assert!(!orphan.exists());
    assert_eq!(files(&server), 2);
    let row = |id| opened.service.store.attachment(id);
    assert_eq!(row(lost).await.unwrap(), None);
    assert!(row(begun).await.unwrap().is_some());
    server.clock.advance(UNFINISHED_MS);
    opened.service.attachments.expire().await.unwrap();
    assert_eq!((row(begun).await.unwrap(), files(&server)), (None, 1));
    assert!(row(whole).await.unwrap().is_some());
    server.clock.advance(2 * UNFINISHED_MS);
    opened.service.attachments.expire().await.unwrap();
    assert_eq!((row(whole).await.unwrap(), files(&server)), (None, 0));
}

/// A crash between the flush of a part and the row that counts it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn folder_what_nobody_counted_is_written_over() {
    let (server, alice) = TestServer::start().await;
    let file = content(3 * RANGE_MIN);
    begin(&server, &alice, ID, file.len())
        .await
        .read::<Stored>();
    append(&server, &alice, ID, 0, &file[..RANGE_MIN])
        .await
        .read::<Stored>();
    let path = server.config.attachments_path().join(ID.to_string());
    let mut uncounted = fs::read(&path).unwrap();
    uncounted.extend(vec![0xff; 4 * RANGE_MIN]);
    fs::write(&path, uncounted).unwrap();
    let stored: Stored = begin(&server, &alice, ID, file.len()).await.read();
    assert_eq!(stored.bytes, u64::try_from(RANGE_MIN).unwrap());
    append(&server, &alice, ID, RANGE_MIN, &file[RANGE_MIN..])
        .await
        .read::<Stored>();
    assert_eq!(fs::read(&path).unwrap(), file);
}
