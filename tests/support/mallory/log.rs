//! A log of mallory's making: served in place of the real one, or written into the server's database.

use std::path::Path;

use reqwest::Method;
use valise_client::clock::Clock as _;
use valise_proto::{
    api::{LOG, SYNC, delivery, directory, key_package::package_hash},
    codec::{Text, decode, encode},
    id::DeviceId,
    log::merkle::{Tree, leaf_hash},
};

use super::{Mallory, Office, database};

impl Mallory {
    /// Serves the log `entries`, with the server's own signature under it.
    pub fn serve(&self, office: &Office, entries: Vec<Vec<u8>>) {
        let card = office.card.clone();
        let size = u64::try_from(entries.len()).expect("a size");
        let mut tree = Tree::default();
        for entry in &entries {
            tree.append(leaf_hash(entry));
        }
        let checkpoint = self.cosigned(&card, &entries, office.time.now_ms());
        self.on_response(move |exchange| {
            if exchange.is(&Method::GET, SYNC) && exchange.status.is_success() {
                let mut page: delivery::Page = decode(&exchange.answer).expect("a page");
                page.log_size = size;
                exchange.answer = encode(&page);
            }
            if exchange.is(&Method::GET, LOG) {
                let old = exchange.path.rsplit('=').next().expect("a query");
                let old: u64 = old.parse().expect("a size");
                let from = usize::try_from(old.min(size)).expect("an index");
                exchange.answer = encode(&page(&tree, &checkpoint, old, &entries[from..]));
            }
        });
        self.forget();
    }

    /// The operator puts a key package beside those that `device` has published itself.
    pub fn publish(&self, device: DeviceId, package: &[u8], now_ms: u64) {
        let row = "insert into key_package (device_id, package_hash, last_resort, published_at_ms, package) \
                   values (?1, ?2, 0, ?3, ?4)";
        let hash = package_hash(package);
        let added = (device.as_ref(), hash.0, now_ms.cast_signed(), package);
        assert_eq!(self.database().execute(row, added), Ok(1));
    }

    /// The operator writes `entry` over the last one of the log, and signs the new head.
    pub fn rewrite_last(&self, office: &Office, entry: &[u8]) {
        let mut entries = entries(&office.data());
        let index = entries.len() - 1;
        entries[index] = entry.to_vec();
        let row = "update log_entry set leaf = ?2, entry = ?3 where entry_index = ?1";
        let changed = (index, leaf_hash(entry).0, entry);
        assert_eq!(self.database().execute(row, changed), Ok(1));
        self.sign_head(office, &entries);
    }

    /// The head of `entries` becomes the one that the server signed last.
    pub fn sign_head(&self, office: &Office, entries: &[Vec<u8>]) {
        let checkpoint = self.checkpoint(&office.card, entries);
        let head = "update server set checkpoint = ?1";
        assert_eq!(self.database().execute(head, [checkpoint]), Ok(1));
    }
}

/// The page that leads a client from size `old` to all of `tree` by `new`.
pub fn page(tree: &Tree, checkpoint: &str, old: u64, new: &[Vec<u8>]) -> directory::Page {
    let entries = new.iter().map(|entry| entry.clone().try_into());
    directory::Page {
        checkpoint: Text::truncated(checkpoint),
        consistency: tree.consistency(old, tree.size()).unwrap_or_default(),
        entries: entries.collect::<Result<_, _>>().expect("entries"),
    }
}

/// The log, as it stands in the database of the server whose data folder this is.
pub fn entries(data: &Path) -> Vec<Vec<u8>> {
    let database = database(data);
    let mut statement = database
        .prepare("select entry from log_entry order by entry_index")
        .expect("a log");
    let rows = statement.query_map((), |row| row.get(0)).expect("a log");
    rows.collect::<Result<_, _>>().expect("entries")
}
