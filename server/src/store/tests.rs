//! What the database does when it is full, and when somebody writes between two reads.

use std::{pin::pin, time::Duration};

use tokio::time::timeout;
use valise_proto::id::{DeviceId, GroupId, SubmissionId};

use super::{GroupRow, NewMessage, Store, StoreError, Write};
use crate::tests::support::TestServer;

const GROUP: GroupId = GroupId([1; 32]);

async fn limit_pages(store: &Store, pragma: &'static str) {
    let mut connection = store.writes.acquire().await.unwrap();
    sqlx::query(pragma)
        .fetch_one(&mut *connection)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_writes_recover_from_a_full_disk() {
    let data = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/valise.db?mode=rwc", data.path().display());
    let store = Store::open(&url).await.unwrap();
    let write_one = async |sequence| -> Result<(), StoreError> {
        let mut write = store.begin().await?;
        write
            .insert_welcome(GROUP, sequence, &vec![7; 1 << 20], &[], 0)
            .await?;
        write.commit().await
    };
    write_one(1).await.unwrap();
    limit_pages(&store, "pragma max_page_count = 400").await;
    assert!(write_one(2).await.is_err());
    limit_pages(&store, "pragma max_page_count = 100000").await;
    write_one(3).await.unwrap();
}

/// A group of `device` alone, that it is invited to, with one letter for it.
async fn invite(mut write: Write, device: DeviceId) {
    let row = GroupRow {
        epoch: 1,
        sequence: 2,
    };
    write.set_group(GROUP, row).await.unwrap();
    write.add_member(GROUP, device, 1).await.unwrap();
    write
        .insert_welcome(GROUP, 1, b"welcome", &[device], 0)
        .await
        .unwrap();
    let message = NewMessage {
        group: GROUP,
        sequence: 2,
        id: SubmissionId([2; 16]),
        handshake: false,
        sender: DeviceId([3; 32]),
        body: b"letter",
    };
    write.insert_messages(&[message], 0).await.unwrap();
    write.commit().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_letter_never_comes_before_its_welcome() {
    let (mut server, alice) = TestServer::start().await;
    let service = server.reopen().await.service;
    let store = &service.store;
    let device = alice.device.id();
    // Connections are given in the order of asking: the page's first query, then us, then its second.
    let first = store.reads.acquire().await.unwrap();
    let mut others = Vec::new();
    for _ in 1..store.reads.options().get_max_connections() {
        others.push(store.reads.acquire().await.unwrap());
    }
    let mut page = pin!(service.delivery.page(device));
    assert!(timeout(Duration::ZERO, &mut page).await.is_err());
    let mut between = pin!(store.reads.acquire());
    assert!(timeout(Duration::ZERO, &mut between).await.is_err());
    drop(first);
    let (page, ()) = tokio::join!(page, async {
        let between = between.await.unwrap();
        invite(store.begin().await.unwrap(), device).await;
        drop(between);
    });
    let page = page.unwrap();
    assert!(
        page.messages.is_empty() || !page.welcomes.is_empty(),
        "{page:?}"
    );
    let page = service.delivery.page(device).await.unwrap();
    assert_eq!((page.welcomes.len(), page.messages.len()), (1, 1));
}
