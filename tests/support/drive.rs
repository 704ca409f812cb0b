//! A disk whose power fails: what may be on it after any moment of a trace, and nothing that may not.
//!
//! POSIX promises this and no more. A file's bytes are kept once it was flushed after they were written;
//! a name is kept once its folder was flushed after it came, went or changed. Of what was not flushed any
//! part may be there, in any order, and of each write any sector.

use std::{
    collections::{BTreeMap, HashMap},
    fs::{DirBuilder, OpenOptions},
    io::Write as _,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use super::{Dice, trace::Call};

/// What is remembered only in memory, and is made anew: nothing of it is expected on the disk.
const FLEETING: &str = "-shm";

/// The disk, and everything that was done to it.
#[derive(Debug)]
pub struct Drive {
    root: PathBuf,
    events: Vec<Event>,
    /// Which file or folder has this name now.
    nodes: HashMap<PathBuf, usize>,
    /// How many files and folders there were so far. The root is the first.
    count: usize,
    /// Where the next plain write to an open file goes.
    places: HashMap<u64, u64>,
}

#[derive(Debug)]
struct Event {
    begun_us: u64,
    ended_us: u64,
    /// The file or folder that must be flushed for this to be kept.
    node: usize,
    what: What,
}

#[derive(Debug)]
enum What {
    Write(u64, Vec<u8>),
    Cut(u64),
    /// A name in the folder, and whose it is. A folder's own is marked.
    Name(String, usize, bool),
    NoName(String),
    Renamed(String, String),
    Flush,
}

/// What becomes of that which was not flushed.
#[derive(Clone, Copy, Debug)]
pub enum Unflushed {
    /// All of it is there.
    There,
    /// Nothing of it.
    Missing,
    /// Of each write these sectors, each with this chance in eight; other changes by the same chance.
    Torn { sector: usize, chance: u64 },
}

/// Which flushes the disk heeds, after the first so many events.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Heeds {
    All,
    /// It lies: as if SQLite ran with `synchronous = off`.
    Nothing(usize),
    /// Those of files alone.
    Files(usize),
}

/// What stands on the disk.
#[derive(Default)]
struct Node {
    bytes: Vec<u8>,
    names: BTreeMap<String, (usize, bool)>,
}

impl Drive {
    /// An empty folder.
    pub fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            events: Vec::new(),
            nodes: HashMap::from([(root.to_owned(), 0)]),
            count: 1,
            places: HashMap::new(),
        }
    }

    /// How much was done to it.
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// A crash after `done` events is one before this time: then the next one has ended.
    pub fn until_us(&self, done: usize) -> u64 {
        self.events.get(done).map_or(u64::MAX, |it| it.ended_us)
    }

    /// Goes on with what a program did whose relative names begin at the root's parent.
    pub fn go_on(&mut self, calls: &[Call]) {
        self.places.clear();
        for call in calls {
            if call.done().is_some() {
                self.take(call);
            }
        }
    }

    /// Whether a name is one of this disk.
    fn has(&self, path: &Path) -> bool {
        path.starts_with(&self.root) && !path.to_string_lossy().ends_with(FLEETING)
    }

    fn take(&mut self, call: &Call) {
        let beside = self.root.parent().expect("a parent").to_owned();
        match call.name.as_str() {
            "openat" => self.open(call),
            "mkdir" => self.name(call, &call.named(0, &beside), true),
            "mkdirat" => self.name(call, &call.named(1, &beside), true),
            "unlink" => self.forget(call, &call.named(0, &beside)),
            "unlinkat" => self.forget(call, &call.named(1, &beside)),
            "rename" => self.rename(call, &call.named(0, &beside), &call.named(1, &beside)),
            "renameat" | "renameat2" => {
                self.rename(call, &call.named(1, &beside), &call.named(3, &beside));
            }
            _ => {
                let Some(path) = call.of().filter(|path| self.has(path)) else {
                    return;
                };
                let node = self.nodes[&path];
                match call.name.as_str() {
                    "pwrite64" => {
                        let bytes = written(call);
                        self.event(call, node, What::Write(call.number(3), bytes));
                    }
                    "write" => {
                        let bytes = written(call);
                        let end = u64::try_from(bytes.len()).expect("a size");
                        let place = self
                            .places
                            .entry(descriptor(&call.arguments[0]))
                            .or_default();
                        let at = *place;
                        *place += end;
                        self.event(call, node, What::Write(at, bytes));
                    }
                    "ftruncate" => self.event(call, node, What::Cut(call.number(1))),
                    "fsync" | "fdatasync" => self.event(call, node, What::Flush),
                    other => panic!("{other} is not understood yet: {}", path.display()),
                }
            }
        }
    }

    fn event(&mut self, call: &Call, node: usize, what: What) {
        self.events.push(Event {
            begun_us: call.begun_us,
            ended_us: call.ended_us,
            node,
            what,
        });
    }

    fn open(&mut self, call: &Call) {
        let Some(path) = Call::file(&call.result).filter(|path| self.has(path)) else {
            return;
        };
        let how = &call.arguments[2];
        assert!(!how.contains("O_APPEND"), "{}", path.display());
        self.places.insert(descriptor(&call.result), 0);
        if how.contains("O_CREAT") && !self.nodes.contains_key(&path) {
            self.name(call, &path, false);
        }
        if how.contains("O_TRUNC") {
            let node = self.nodes[&path];
            self.event(call, node, What::Cut(0));
        }
    }

    /// The folder of a name, and the name in it.
    fn place(&self, path: &Path) -> (usize, String) {
        let folder = self.nodes[path.parent().expect("a folder")];
        let name = path.file_name().and_then(|name| name.to_str());
        (folder, name.expect("a name").to_owned())
    }

    fn name(&mut self, call: &Call, path: &Path, folder: bool) {
        if path == self.root || !self.has(path) {
            return;
        }
        let (parent, name) = self.place(path);
        self.nodes.insert(path.to_owned(), self.count);
        self.event(call, parent, What::Name(name, self.count, folder));
        self.count += 1;
    }

    fn forget(&mut self, call: &Call, path: &Path) {
        if self.has(path) {
            let (parent, name) = self.place(path);
            self.nodes.remove(path);
            self.event(call, parent, What::NoName(name));
        }
    }

    fn rename(&mut self, call: &Call, from: &Path, to: &Path) {
        if self.has(from) {
            let ((parent, name), (other, new)) = (self.place(from), self.place(to));
            assert_eq!(parent, other, "within one folder");
            let node = self.nodes.remove(from).expect("a file");
            self.nodes.insert(to.to_owned(), node);
            self.event(call, parent, What::Renamed(name, new));
        }
    }

    /// Writes into `folder` what is on the disk when the power fails after `done` events.
    pub fn crash(
        &self,
        done: usize,
        unflushed: Unflushed,
        heeds: Heeds,
        dice: &mut Dice,
        folder: &Path,
    ) {
        let flushed = self.flushed(done, heeds);
        let mut nodes: Vec<Node> = (0..self.count).map(|_| Node::default()).collect();
        // The one that the crash interrupts may have done some of its work.
        let interrupted = usize::from(matches!(unflushed, Unflushed::Torn { .. }));
        for (at, event) in self.events.iter().take(done + interrupted).enumerate() {
            let kept = at < done && event.ended_us <= flushed[event.node];
            let how = if kept { Unflushed::There } else { unflushed };
            event.apply(&mut nodes[event.node], how, dice);
        }
        write(&nodes, 0, folder);
    }

    /// When the last flush began of each file and folder that ended in time.
    fn flushed(&self, done: usize, heeds: Heeds) -> Vec<u64> {
        let folders: Vec<usize> = std::iter::once(0)
            .chain(self.events.iter().filter_map(|event| match event.what {
                What::Name(_, node, true) => Some(node),
                _ => None,
            }))
            .collect();
        let mut flushed = vec![0; self.count];
        for (at, event) in self.events.iter().take(done).enumerate() {
            let heeded = match heeds {
                Heeds::All => true,
                Heeds::Nothing(first) => at < first,
                Heeds::Files(first) => at < first || !folders.contains(&event.node),
            };
            if matches!(event.what, What::Flush) && heeded {
                flushed[event.node] = event.begun_us.max(flushed[event.node]);
            }
        }
        flushed
    }
}

impl Event {
    fn apply(&self, node: &mut Node, how: Unflushed, dice: &mut Dice) {
        let (sector, chance) = match how {
            Unflushed::There => (usize::MAX, 8),
            Unflushed::Missing => return,
            Unflushed::Torn { sector, chance } => (sector, chance),
        };
        let mut happens = || chance == 8 || dice.roll(8) < chance;
        match &self.what {
            What::Write(at, bytes) => {
                let mut at = usize::try_from(*at).expect("a place");
                let mut rest = bytes.as_slice();
                while !rest.is_empty() {
                    let (part, after) = rest.split_at(rest.len().min(sector - at % sector));
                    if happens() {
                        let end = at + part.len();
                        if node.bytes.len() < end {
                            node.bytes.resize(end, 0);
                        }
                        node.bytes[at..end].copy_from_slice(part);
                    }
                    at += part.len();
                    rest = after;
                }
            }
            _ if !happens() => {}
            What::Cut(len) => node.bytes.resize(usize::try_from(*len).expect("a size"), 0),
            What::Name(name, child, folder) => {
                node.names.insert(name.clone(), (*child, *folder));
            }
            What::NoName(name) => drop(node.names.remove(name)),
            What::Renamed(name, new) => {
                if let Some(child) = node.names.remove(name) {
                    node.names.insert(new.clone(), child);
                }
            }
            What::Flush => {}
        }
    }
}

/// The number of an open file.
fn descriptor(text: &str) -> u64 {
    let number = text.split('<').next().expect("a number");
    number.parse().expect("a number")
}

/// What a call wrote, which may be less than it was given.
fn written(call: &Call) -> Vec<u8> {
    let mut bytes = call.quoted(1);
    bytes.truncate(usize::try_from(call.done().expect("a size")).expect("a size"));
    bytes
}

/// Writes a folder, private as its owner made it.
fn write(nodes: &[Node], at: usize, path: &Path) {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.expect("a folder");
    for (name, (child, folder)) in &nodes[at].names {
        let path = path.join(name);
        if *folder {
            write(nodes, *child, &path);
        } else {
            let mut options = OpenOptions::new();
            let file = options.write(true).create_new(true).mode(0o600).open(path);
            let mut file = file.expect("a file");
            file.write_all(&nodes[*child].bytes).expect("its bytes");
        }
    }
}
