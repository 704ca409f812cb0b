//! A device of the model: its disk, its memory, and each of its steps.

use super::{
    office::Broken,
    replay::{Log, Logs},
    server::{Answer, Content, Id, Message, Request},
};

/// A set of devices, one bit each.
pub type Devices = u8;

pub const EVERYBODY: Devices = 0b111;
/// Whom the log shuts out. She is away all the time.
pub const CAROL: Devices = 0b100;
/// A ciphertext that waits for its answer, and what was true when it was made.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Sealed {
    pub id: Id,
    pub content: Content,
}

/// What a device has in memory: nothing of it outlives the program.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Memory {
    /// On its way to the server.
    pub request: Option<Request>,
    /// On its way back.
    pub answer: Option<Answer>,
    /// A page that is being read, as far as this place, and what it does not hold.
    pub reading: Option<(u8, Option<u8>)>,
    /// Everything was read since the program began, or since the server last said "stale".
    pub fresh: bool,
    /// A letter that is kept, and whose place is not: only a broken device has such.
    pub half: Option<Message>,
}

/// What a device has on its disk, and what the model remembers of it.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Device {
    pub number: u8,
    /// How many letters it writes.
    pub letters: u8,
    pub log: Log,
    pub epoch: u8,
    /// Which commit began the epoch.
    pub authenticator: Option<Id>,
    pub members: Devices,
    /// How far it has read.
    pub cursor: u8,
    /// Ids given so far.
    pub ids: u8,
    /// Letters sealed in this epoch.
    pub generation: u8,
    /// Letters that the server has, by its word or by their coming back.
    pub gone: u8,
    pub sealed: Option<Sealed>,
    pub proposed: Option<Sealed>,
    /// Writer and number of each letter that is shown, in order.
    pub shown: Vec<(u8, u8)>,
    /// A gap was noticed.
    pub marked: bool,
    pub memory: Memory,
    /// Everything it ever sealed: commit that began the epoch, and the ciphertext.
    pub keys: Vec<(Option<Id>, Sealed)>,
    /// It sealed a letter for somebody whom its own log had shut out.
    pub careless: bool,
    /// Its log became shorter, or another one.
    pub shrunk: bool,
}

impl Device {
    pub fn new(number: u8, letters: u8) -> Self {
        Self {
            number,
            letters,
            log: Log::new(),
            epoch: 0,
            authenticator: None,
            members: EVERYBODY,
            cursor: 0,
            ids: 0,
            generation: 0,
            gone: 0,
            sealed: None,
            proposed: None,
            shown: Vec::new(),
            marked: false,
            memory: Memory {
                fresh: true,
                ..Memory::default()
            },
            keys: Vec::new(),
            careless: false,
            shrunk: false,
        }
    }

    /// It waits for nobody and reads nothing.
    pub fn idle(&self) -> bool {
        let Memory {
            request,
            answer,
            reading,
            half,
            ..
        } = &self.memory;
        request.is_none() && answer.is_none() && reading.is_none() && half.is_none()
    }

    fn bit(&self) -> Devices {
        1 << self.number
    }

    /// Who is in the conversation and may not be, by the log as it is here.
    pub fn surplus(&self, logs: &Logs) -> Devices {
        self.members & !logs.active(&self.log)
    }

    /// There is a letter to seal, and nothing that forbids it.
    pub fn may_seal(&self, logs: &Logs, broken: &[Broken]) -> bool {
        let right = self.surplus(logs) == 0 || broken.contains(&Broken::DeviceLooksNotAtTheLog);
        let waits = self.gone < self.letters;
        let inside = self.members & self.bit() != 0;
        let free = self.sealed.is_none() && self.proposed.is_none();
        waits && inside && free && right && self.memory.fresh && !self.marked
    }

    /// Somebody has to be put out first.
    pub fn may_propose(&self, logs: &Logs) -> bool {
        let (surplus, waits) = (self.surplus(logs), self.gone < self.letters);
        let inside = self.members & self.bit() & !surplus != 0;
        // Where something is missing, a conversation ends: nothing more is written there.
        let needed = (waits || self.sealed.is_some()) && !self.marked;
        needed && surplus != 0 && inside && self.proposed.is_none() && self.memory.fresh
    }

    fn next_id(&mut self) -> Id {
        self.ids += 1;
        (self.number, self.ids)
    }

    /// One transaction: the ratchet moves and the ciphertext is kept.
    pub fn seal(&mut self, logs: &Logs, broken: &[Broken]) {
        self.careless |= self.surplus(logs) != 0;
        let content = Content::Letter {
            number: self.gone + 1,
            epoch: self.epoch,
            generation: self.generation,
        };
        let sealed = Sealed {
            id: self.next_id(),
            content,
        };
        self.sealed = Some(sealed);
        self.keys.push((self.authenticator, sealed));
        if broken.contains(&Broken::DeviceSendsBeforeItKeeps) {
            // It goes out at once, and whoever dies now has the old ratchet and no ciphertext.
            self.memory.request = Some(Request::Write(sealed.id, content));
        }
        self.generation += 1;
    }

    /// One transaction: the commit is kept, and not merged.
    pub fn propose(&mut self, logs: &Logs, broken: &[Broken]) {
        let removed = self.surplus(logs);
        let content = Content::Commit {
            epoch: self.epoch,
            removed,
        };
        let proposed = Sealed {
            id: self.next_id(),
            content,
        };
        self.proposed = Some(proposed);
        if broken.contains(&Broken::DeviceMergesBeforeTheAnswer) {
            self.merge(proposed.id, removed);
        }
    }

    fn merge(&mut self, id: Id, removed: Devices) {
        self.epoch += 1;
        self.generation = 0;
        self.authenticator = Some(id);
        self.members &= !removed;
    }

    /// What it has to ask, when it is idle.
    pub fn requests(&self, logs: &Logs, server: (&Log, u8, u8), broken: &[Broken]) -> Vec<Request> {
        let (log, length, acked) = server;
        if self.cursor > acked && !broken.contains(&Broken::DeviceSaysItHasWhatItHasNot) {
            return vec![Request::Ack(self.cursor)];
        }
        if !self.memory.fresh {
            return vec![Request::Page];
        }
        let mut requests = Vec::new();
        if length > self.cursor || *log != self.log {
            requests.push(Request::Page);
        }
        if let Some(commit) = self.proposed {
            requests.push(Request::Write(commit.id, commit.content));
        } else if let Some(letter) = self.sealed.filter(|_| self.surplus(logs) == 0) {
            requests.push(Request::Write(letter.id, letter.content));
        }
        requests
    }

    /// Takes the answer to what it asked.
    pub fn take(&mut self, answer: Answer, broken: &[Broken]) {
        let request = self.memory.request.take();
        match (answer, request) {
            (
                Answer::Page {
                    up_to,
                    log,
                    without,
                },
                _,
            ) => {
                let grows = log.starts_with(&self.log);
                if grows || broken.contains(&Broken::DeviceBelievesAnyLog) {
                    self.shrunk |= !grows;
                    self.log = log;
                    self.memory.reading = Some((up_to, without));
                    if broken.contains(&Broken::DeviceSaysItHasWhatItHasNot) {
                        self.memory.request = Some(Request::Ack(up_to));
                    }
                } else {
                    self.marked = true;
                }
            }
            (Answer::Accepted, Some(Request::Write(id, _))) => self.arrived(id),
            (Answer::Stale, Some(Request::Write(id, _))) => {
                self.memory.fresh = false;
                self.sealed = self.sealed.filter(|sealed| sealed.id != id);
                self.proposed = self.proposed.filter(|proposed| proposed.id != id);
            }
            _ => {}
        }
    }

    /// The letter with this id is at the server.
    fn arrived(&mut self, id: Id) {
        if self.sealed.is_some_and(|sealed| sealed.id == id) {
            self.sealed = None;
            self.gone += 1;
        }
    }

    /// One transaction: the next message of the page, and its place.
    pub fn read(&mut self, messages: &[Message], broken: &[Broken]) {
        let Some((up_to, without)) = self.memory.reading else {
            return;
        };
        let next = self
            .cursor
            .saturating_add(1 + u8::from(without == Some(self.cursor + 1)));
        if next > up_to {
            self.memory.reading = None;
            self.memory.fresh = true;
            return;
        }
        if next > self.cursor + 1 && !broken.contains(&Broken::DeviceLooksNotForGaps) {
            self.marked = true;
        }
        let Some(message) = messages.get(usize::from(next - 1)).copied() else {
            // The server said more than it stored.
            self.memory.reading = None;
            return;
        };
        if broken.contains(&Broken::DeviceKeepsLetterBeforePlace) && self.memory.half.is_none() {
            self.open(message, broken);
            self.memory.half = Some(message);
            return;
        }
        if self.memory.half.take().is_none() {
            self.open(message, broken);
        }
        self.cursor = next;
    }

    fn open(&mut self, message: Message, broken: &[Broken]) {
        match message.content {
            _ if self.members & self.bit() == 0 => {}
            Content::Letter { .. } if message.id.0 == self.number => self.arrived(message.id),
            Content::Letter { number, epoch, .. } if epoch == self.epoch => {
                self.chain((message.id.0, number), broken);
            }
            Content::Commit { epoch, removed } if epoch == self.epoch => {
                self.proposed = None;
                self.merge(message.id, removed);
            }
            // Of another epoch: nothing here opens it.
            _ => self.marked = true,
        }
    }

    /// A letter in its writer's chain: once, in order, and a gap leaves a mark.
    fn chain(&mut self, (writer, number): (u8, u8), broken: &[Broken]) {
        let of_writer = self.shown.iter().filter(|shown| shown.0 == writer);
        let last = of_writer.map(|shown| shown.1).max().unwrap_or(0);
        // A chain whose place is not kept with the letter has forgotten it.
        if number <= last && !broken.contains(&Broken::DeviceKeepsLetterBeforePlace) {
            return;
        }
        if number > last + 1 && !broken.contains(&Broken::DeviceLooksNotForGaps) {
            self.marked = true;
        }
        self.shown.push((writer, number));
    }

    /// The program ends; what was on the disk is there when it begins again.
    pub fn crash(&mut self, broken: &[Broken]) {
        let sent = self.memory.request;
        self.memory = Memory::default();
        if broken.contains(&Broken::DeviceSendsBeforeItKeeps)
            && let Some(Request::Write(id, Content::Letter { .. })) = sent
            && self.sealed.is_some_and(|sealed| sealed.id == id)
        {
            self.sealed = None;
            self.generation -= 1;
        }
    }
}
