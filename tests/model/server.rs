//! The server of the model: one sequence, one epoch, one place for each id.

use super::{
    device::{Devices, EVERYBODY},
    office::Broken,
    replay::{Log, Logs},
};

/// Names a write: its device and which of the device's writes it is.
pub type Id = (u8, u8);

/// What was written.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Content {
    /// Which of its writer's letters, and the key that seals it: epoch and generation.
    Letter {
        number: u8,
        epoch: u8,
        generation: u8,
    },
    /// Ends this epoch, and puts these devices out.
    Commit { epoch: u8, removed: Devices },
}

/// A message in its place.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Message {
    pub id: Id,
    pub content: Content,
    /// Who was in the conversation when it was accepted.
    pub readers: Devices,
}

/// What a device asks.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Request {
    /// "I have everything up to here."
    Ack(u8),
    /// "What is new?"
    Page,
    /// "Take this."
    Write(Id, Content),
}

/// What it is told.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Answer {
    Accepted,
    /// Everything up to this place, and the log; one message in it is withheld.
    Page {
        up_to: u8,
        log: Log,
        without: Option<u8>,
    },
    Stale,
}

/// On its disk.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Server {
    pub log: Log,
    pub epoch: u8,
    pub members: Devices,
    pub messages: Vec<Message>,
    /// What each device said that it has.
    pub acked: [u8; 2],
    /// What of it is on the disk: epoch, members, and how many messages. Only a broken server answers
    /// before that is all.
    pub stored: (u8, Devices, usize),
}

impl Server {
    pub fn new() -> Self {
        Self {
            log: Log::new(),
            epoch: 0,
            members: EVERYBODY,
            messages: Vec::new(),
            acked: [0; 2],
            stored: (0, EVERYBODY, 0),
        }
    }

    pub fn length(&self) -> u8 {
        u8::try_from(self.messages.len()).expect("few messages")
    }

    /// Answers; says nothing to who is shut out.
    pub fn serve(
        &mut self,
        logs: &Logs,
        device: u8,
        request: Request,
        broken: &[Broken],
    ) -> Option<Answer> {
        if logs.active(&self.log) & 1 << device == 0 {
            return None;
        }
        match request {
            Request::Ack(place) => {
                let acked = &mut self.acked[usize::from(device)];
                *acked = place.max(*acked);
                Some(Answer::Accepted)
            }
            Request::Page => Some(Answer::Page {
                up_to: self.length(),
                log: self.log.clone(),
                without: None,
            }),
            Request::Write(id, content) => Some(self.write(device, id, content, broken)),
        }
    }

    fn write(&mut self, device: u8, id: Id, content: Content, broken: &[Broken]) -> Answer {
        let known = self.messages.iter().any(|message| message.id == id);
        if known && !broken.contains(&Broken::ServerForgetsIds) {
            return Answer::Accepted;
        }
        let (Content::Letter { epoch, .. } | Content::Commit { epoch, .. }) = content;
        let current = epoch == self.epoch || broken.contains(&Broken::ServerComparesNoEpoch);
        if !current || self.members & 1 << device == 0 {
            return Answer::Stale;
        }
        let readers = self.members;
        if let Content::Commit { removed, .. } = content {
            self.epoch += 1;
            self.members &= !removed;
        }
        self.messages.push(Message {
            id,
            content,
            readers,
        });
        if !broken.contains(&Broken::ServerAnswersBeforeItStores) {
            self.store();
        }
        Answer::Accepted
    }

    fn present(&self) -> (u8, Devices, usize) {
        (self.epoch, self.members, self.messages.len())
    }

    /// Everything is on the disk.
    pub fn store(&mut self) {
        self.stored = self.present();
    }

    pub fn all_is_stored(&self) -> bool {
        self.stored == self.present()
    }

    /// What is not on the disk is gone.
    pub fn crash(&mut self) {
        let length;
        (self.epoch, self.members, length) = self.stored;
        self.messages.truncate(length);
    }
}
