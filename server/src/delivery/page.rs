//! What a device has not acknowledged, as much as fits one page.

use std::collections::{BTreeMap, HashMap, HashSet};

use valise_proto::{
    api::delivery::{Message, Page, Welcome},
    codec::Bytes,
    id::{DeviceId, GroupId},
};

use super::Delivery;
use crate::store::{PendingMessage, StoreError};

/// Bytes of one page at most, unless its first Welcome or message alone is larger. Welcomes take half
/// of a page at most, so that nobody holds up another's letters by inviting.
const PAGE_BYTES: u64 = 4 << 20;
/// Messages and Welcomes in one page at most: Welcomes half of it.
const PAGE_ITEMS: u32 = 512;
/// What one item takes beside its ciphertext: bytes.
const ITEM_BYTES: u64 = 100;

impl Delivery {
    /// What `device` has not acknowledged, oldest first: Welcomes, then messages.
    ///
    /// Messages are read before invitations: whoever is added between the two reads has a Welcome
    /// without a message, never a message without its Welcome, which would be acknowledged unread.
    pub async fn page(&self, device: DeviceId) -> Result<Page, StoreError> {
        let pending = self.store.pending_messages(device, PAGE_ITEMS).await?;
        let invitations = self.store.invitations(device, PAGE_ITEMS).await?;
        let mut room = Room::new(PAGE_BYTES / 2, PAGE_ITEMS / 2);
        let mut welcomes = Vec::new();
        let mut number = 0;
        for invitation in invitations {
            if !room.take(invitation.size_bytes) {
                break;
            }
            number = invitation.number;
            let (group, sequence) = (invitation.group, invitation.sequence);
            if let Some(body) = self.store.welcome_body(group, sequence).await? {
                welcomes.push(Welcome {
                    number,
                    group,
                    sequence,
                    message: bytes(body)?,
                });
            }
        }
        // Messages of groups whose Welcome waits for a later page wait with it.
        let later = if room.full {
            self.store.invited_groups(device, number).await?
        } else {
            HashSet::new()
        };
        let more = room.full;
        let mut room = room.rest();
        let mut chosen = Vec::new();
        for message in pending {
            if later.contains(&message.group) {
                continue;
            }
            let size = if message.sender == device {
                0
            } else {
                message.size_bytes
            };
            if !room.take(size) {
                break;
            }
            chosen.push(message);
        }
        let key_packages = self.store.count_key_packages(device).await?;
        Ok(Page {
            log_size: self.log.now().directory.tree().size(),
            welcomes,
            messages: self.messages(device, &chosen).await?,
            more: (more || room.full).into(),
            key_packages: u16::try_from(key_packages).unwrap_or(u16::MAX),
        })
    }

    async fn messages(
        &self,
        device: DeviceId,
        chosen: &[PendingMessage],
    ) -> Result<Vec<Message>, StoreError> {
        let mut ranges: BTreeMap<GroupId, (u64, u64)> = BTreeMap::new();
        for message in chosen.iter().filter(|message| message.sender != device) {
            let range = ranges
                .entry(message.group)
                .or_insert((message.sequence, message.sequence));
            range.0 = range.0.min(message.sequence);
            range.1 = range.1.max(message.sequence);
        }
        let mut bodies = HashMap::new();
        for (group, (first, last)) in ranges {
            for (sequence, body) in self.store.message_bodies(group, first, last).await? {
                bodies.insert((group, sequence), body);
            }
        }
        let mut messages = Vec::with_capacity(chosen.len());
        for message in chosen {
            let body = if message.sender == device {
                Vec::new()
            } else if let Some(body) = bodies.remove(&(message.group, message.sequence)) {
                body
            } else {
                // Dropped by retention since it was chosen: a gap, which the client sees.
                continue;
            };
            messages.push(Message {
                group: message.group,
                sequence: message.sequence,
                id: message.id,
                message: bytes(body)?,
            });
        }
        Ok(messages)
    }
}

/// How much of a page is left.
#[derive(Debug)]
struct Room {
    items: u32,
    items_max: u32,
    bytes: u64,
    bytes_max: u64,
    full: bool,
}

impl Room {
    fn new(bytes_max: u64, items_max: u32) -> Self {
        Self {
            items: 0,
            items_max,
            bytes: 0,
            bytes_max,
            full: false,
        }
    }

    /// What these items leave of the whole page.
    fn rest(&self) -> Self {
        Self::new(
            PAGE_BYTES.saturating_sub(self.bytes),
            PAGE_ITEMS.saturating_sub(self.items),
        )
    }

    /// Takes room for one item; the first always fits.
    fn take(&mut self, size_bytes: u64) -> bool {
        let bytes = self.bytes + size_bytes + ITEM_BYTES;
        // One item short of the query's limit: so a page that ends there knows that there is more.
        self.full |= self.items > 0 && (bytes > self.bytes_max || self.items + 1 >= self.items_max);
        if !self.full {
            self.bytes = bytes;
            self.items += 1;
        }
        !self.full
    }
}

fn bytes<const MAX: usize>(body: Vec<u8>) -> Result<Bytes<MAX>, StoreError> {
    Bytes::try_from(body).map_err(|_| StoreError::Corrupt("body"))
}
