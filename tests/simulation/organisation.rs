//! The organisation that every day begins with: made once, and copied for each seed.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use tempfile::TempDir;
use valise_client::{
    account::Joined,
    api::dangerously_carry,
    clock::{Clock as _, System},
    random::dangerously_seed,
    store::StoreKey,
};
use valise_proto::card::Card;

use super::served::Served;
use crate::support::{Person, Time, office::founded};

/// Everybody's computers: who, and what the computer is called.
pub const COMPUTERS: [(&str, &str); 6] = [
    ("alice", "laptop"),
    ("bob", "laptop"),
    ("carol", "laptop"),
    ("dave", "laptop"),
    ("erin", "laptop"),
    ("bob", "second computer"),
];
/// The admin's computer.
pub const ADMIN: usize = 0;
/// Bob's second one.
pub const SECOND: usize = 5;
/// When it was founded: milliseconds since 1970. Its id follows from that, and which of two
/// conversations wins from its id.
const FOUNDED_MS: u64 = 1_767_225_600_000;
/// 24 hours in milliseconds.
const DAY_MS: u64 = 86_400_000;

/// The one that is copied.
static FIRST: LazyLock<Organisation> = LazyLock::new(Organisation::found);

/// An organisation in a folder.
pub struct Organisation {
    pub folder: TempDir,
    /// The keys of all stores.
    pub keys: Vec<StoreKey>,
    /// When it was copied: milliseconds since 1970.
    pub now_ms: u64,
}

impl Organisation {
    /// One more, as it was on its first day.
    pub fn copy() -> Self {
        let folder = folder();
        copy(FIRST.folder.path(), folder.path());
        Self {
            folder,
            keys: FIRST.keys.clone(),
            now_ms: FIRST.now_ms,
        }
    }

    /// The server's data folder.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("server")
    }

    /// The computer with this number, not opened yet.
    pub fn computer(&self, number: usize, time: Time) -> Person {
        let person = Person::new(self.folder.path(), COMPUTERS[number].0, time);
        if number == SECOND {
            person.other_computer()
        } else {
            person
        }
    }

    fn found() -> Self {
        // Everything in it follows from a number, or no seed would say the same twice.
        dangerously_seed(Some(0));
        let folder = folder();
        let time = Time::still_at(FOUNDED_MS);
        let founding = founded(folder.path(), "https://localhost:8443", time.another());
        // Everybody else comes today: OpenMLS asks the machine how old a key package is.
        let today = System.now_ms() / DAY_MS * DAY_MS;
        time.pass(today - FOUNDED_MS);
        let served = Served::new();
        dangerously_carry(Some(served.clone()));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .expect("a runtime");
        let organisation = Self {
            keys: Vec::new(),
            folder,
            now_ms: FOUNDED_MS,
        };
        let keys = runtime.block_on(organisation.hire(founding, &served, &time));
        served.crash();
        dangerously_carry(None);
        dangerously_seed(None);
        Self {
            keys,
            now_ms: time.now_ms() + 1_000,
            ..organisation
        }
    }

    /// Makes the server and everybody's computers. Returns the keys of their stores.
    async fn hire(
        &self,
        (alice, genesis): (Person, Vec<u8>),
        served: &Served,
        time: &Time,
    ) -> Vec<StoreKey> {
        let listen = "127.0.0.1:8443".parse().expect("an address");
        let card = valise_server::init::init(&self.data(), &genesis, listen).await;
        let card = card.expect("init");
        served.open(&self.data(), time, None);
        // Signatures of the second in which a server starts are refused.
        time.pass(1_000);
        let mut people = vec![alice];
        join(&mut people[ADMIN], &card, 0).await;
        for (number, (_, label)) in COMPUTERS.iter().enumerate().skip(1) {
            let mut person = self.computer(number, time.another());
            if number != SECOND {
                let asked = person.try_join_with(&card, label).await;
                assert!(matches!(asked, Ok(Joined::Waiting { .. })));
                people[ADMIN].enrol(&person.name).await;
            }
            join(&mut person, &card, number).await;
            people.push(person);
        }
        for person in &mut people {
            person.sync().await;
        }
        people.iter_mut().map(Person::unlock).collect()
    }
}

async fn join(person: &mut Person, card: &Card, number: usize) {
    let joined = person.try_join_with(card, COMPUTERS[number].1).await;
    match joined.expect("joining") {
        Joined::Done(session) => person.open(session),
        Joined::Waiting { .. } => panic!("{} is not enrolled", person.name),
    }
}

/// In memory where there is some: a day is not about disks, and the disk is what takes the time.
fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() {
        tempfile::tempdir_in(memory)
    } else {
        tempfile::tempdir()
    };
    made.expect("a folder")
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            fs::create_dir(&to).expect("a folder");
            let permissions = fs::metadata(&from).expect("a folder").permissions();
            fs::set_permissions(&to, permissions).expect("a folder");
            copy(&from, &to);
        } else {
            fs::copy(&from, &to).expect("a file");
        }
    }
}
