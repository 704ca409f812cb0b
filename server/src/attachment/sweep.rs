//! What is left of a file without its row, or of a row without its file.

use std::{
    collections::{BTreeSet, HashSet},
    io,
    sync::Arc,
};

use tokio::task::spawn_blocking;
use valise_proto::id::AttachmentId;

use super::{AttachmentError, Attachments, Bucket, ROWS, folder::Folder, place::Place};
use crate::store::StoreError;

impl Attachments {
    /// Collects what is left.
    pub(super) async fn sweep(&self) -> Result<(), AttachmentError> {
        match &self.place {
            Place::Folder(folder) => self.sweep_folder(folder).await,
            Place::Bucket(bucket) => self.sweep_bucket(bucket).await,
        }
    }

    /// Files without a row, and rows without a file.
    async fn sweep_folder(&self, folder: &Arc<Folder>) -> Result<(), AttachmentError> {
        let here = Arc::clone(folder);
        // A row is there before its file, and its file before any of it counts.
        let here = spawn_blocking(move || here.ids()).await??;
        let rows = self.rows(false).await?;
        let orphans: Vec<_> = here
            .iter()
            .filter(|id| !rows.contains(*id))
            .copied()
            .collect();
        let mut lost: Vec<_> = self.rows(true).await?.into_iter().collect();
        lost.retain(|id| !here.contains(id));
        let folder = Arc::clone(folder);
        let lost = spawn_blocking(move || {
            for id in orphans {
                folder.remove(id)?;
            }
            // One that came since is there.
            lost.retain(|id| !folder.has(*id));
            Ok::<_, io::Error>(lost)
        });
        self.forget(lost.await??).await
    }

    /// Every file that the database knows, or only those of which something is on disk.
    async fn rows(&self, begun: bool) -> Result<HashSet<AttachmentId>, StoreError> {
        let mut rows = HashSet::new();
        let mut after = None;
        loop {
            let page = self.store.attachment_ids(after, begun, ROWS).await?;
            after = page.last().copied();
            if after.is_none() {
                return Ok(rows);
            }
            rows.extend(page);
        }
    }

    /// Parts of files without a row, page by page. A row without its parts stays for its time: what a wrong
    /// address does not show is not lost.
    async fn sweep_bucket(&self, bucket: &Bucket) -> Result<(), AttachmentError> {
        let mut after = None;
        loop {
            let (mut parts, more) = bucket.page(after).await?;
            // The row is there before its parts; and no name comes twice, so what is taken away is what was
            // listed, though the same file may be begun again.
            let ids: BTreeSet<_> = parts.iter().map(|(id, _)| *id).collect();
            let mut known = HashSet::new();
            for id in ids {
                if self.store.attachment(id).await?.is_some() {
                    known.insert(id);
                }
            }
            parts.retain(|(id, _)| !known.contains(id));
            bucket.remove(&parts).await?;
            after = more;
            if after.is_none() {
                return Ok(());
            }
        }
    }
}
