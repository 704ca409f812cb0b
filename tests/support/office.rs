//! An organisation: a real server in this process, behind real TLS.

use std::{
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread::JoinHandle,
};

use tempfile::TempDir;
use tokio::sync::oneshot;
use valise_client::{
    account::{Founding, found},
    weaken::dangerously_weaken,
};
use valise_proto::card::Card;
use valise_server::config::Config;

use super::{
    Cli, Mallory, Person, Time,
    witness::{Cosigner, configuration, configure},
};

/// The server, and the folder in which everybody lives.
pub struct Office {
    pub folder: TempDir,
    pub card: Card,
    pub time: Time,
    port: u16,
    running: Option<Running>,
}

struct Running {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Office {
    /// Founds an organisation with alice as its first admin, and starts its server.
    pub async fn open() -> (Self, Person) {
        Self::open_at(Time::still()).await
    }

    /// The same on PostgreSQL, on the machine's own time: other servers can be started on it.
    pub async fn open_on_postgres() -> (Self, Person) {
        let database = super::cluster::fresh();
        let (mut office, mut alice) = Self::found_on(Time::running(), Some(database)).await;
        office.start().await;
        alice.join(&office).await;
        (office, alice)
    }

    /// The same, on the machine's own time, for people who use the real program.
    pub async fn open_now() -> (Self, Person) {
        Self::open_at(Time::running()).await
    }

    /// The same, so many days ago: what happens before the real program comes lets them pass.
    pub async fn open_ago(days: u32) -> (Self, Person) {
        let time = Time::running();
        time.set_wrong(i64::from(days) * -86_400_000);
        Self::open_at(time).await
    }

    /// The same, with mallory where the server should be.
    pub async fn open_under_mallory() -> (Self, Person, Mallory) {
        Self::open_under_mallory_at(Time::still()).await
    }

    /// The same, on the machine's own time.
    pub async fn open_now_under_mallory() -> (Self, Person, Mallory) {
        Self::open_under_mallory_at(Time::running()).await
    }

    /// The same, so many minutes ago: what happens before the real program comes lets them pass.
    pub async fn open_ago_under_mallory(minutes: u32) -> (Self, Person, Mallory) {
        let time = Time::running();
        time.set_wrong(i64::from(minutes) * -60_000);
        Self::open_under_mallory_at(time).await
    }

    async fn open_under_mallory_at(time: Time) -> (Self, Person, Mallory) {
        let (mut office, mut alice) = Self::found(time).await;
        let public = std::mem::replace(&mut office.port, free_port());
        let mallory = Mallory::start(public, office.port, &office.data());
        office.start().await;
        alice.join(&office).await;
        (office, alice, mallory)
    }

    async fn open_at(time: Time) -> (Self, Person) {
        let (mut office, mut alice) = Self::found(time).await;
        office.start().await;
        alice.join(&office).await;
        (office, alice)
    }

    async fn found(time: Time) -> (Self, Person) {
        Self::found_on(time, super::cluster::database()).await
    }

    async fn found_on(time: Time, database: Option<String>) -> (Self, Person) {
        // Tests may share a thread: what one switched off, the next one has.
        dangerously_weaken(None);
        let folder = tempfile::tempdir().expect("a folder");
        let port = free_port();
        let url = format!("https://localhost:{port}");
        let (alice, genesis) = founded(folder.path(), &url, time.clone());
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let data = folder.path().join("server");
        let card = valise_server::init::init_on(&data, &genesis, address, database.as_deref())
            .await
            .expect("init");
        if let Some(storage) = super::storage::chosen() {
            configure(&data, &super::site::lines(&storage.settings()));
        }
        let office = Self {
            folder,
            card,
            time,
            port,
            running: None,
        };
        (office, alice)
    }

    /// Starts the server on its port, and returns when it accepts connections.
    pub async fn start(&mut self) {
        self.start_without(None).await;
    }

    /// The same, with the check `off` switched off in the server, and nowhere else.
    pub async fn start_without(&mut self, off: Option<&'static str>) {
        let config = Config::load(&self.data()).expect("configuration");
        let listener = TcpListener::bind(("127.0.0.1", self.port)).expect("the port");
        listener.set_nonblocking(true).expect("the listener");
        let (stop, stopped) = oneshot::channel::<()>();
        let (ready, is_ready) = oneshot::channel();
        let time = self.time.clone();
        let thread = std::thread::spawn(move || {
            dangerously_weaken(off);
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .on_thread_start(move || dangerously_weaken(off))
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).expect("the listener");
                let server = valise_server::Server::open(config, Arc::new(time))
                    .await
                    .expect("the server");
                ready.send(()).expect("somebody waits");
                let shutdown = async {
                    let _ = stopped.await;
                };
                server
                    .run(listener, shutdown)
                    .await
                    .expect("the server ends well");
            });
        });
        is_ready.await.expect("the server starts");
        // Signatures of the second in which a server starts are refused; clients ask again.
        if self.time.stands_still() {
            self.time.pass(1_000);
        }
        self.running = Some(Running { stop, thread });
    }

    /// The operator writes down where these witnesses are, and no others, and starts the server again.
    pub async fn watched_by(&mut self, witnesses: &[Cosigner]) {
        self.stop();
        let witnesses = witnesses.iter().map(|it| (it.name(), it.address));
        configure(&self.data(), &configuration(witnesses));
        self.start().await;
    }

    /// The server's database as it is, the server standing still.
    pub fn copy_database(&self) -> Vec<u8> {
        std::fs::read(self.data().join("valise.db")).expect("the database")
    }

    /// Puts a copy back, the server standing still.
    pub fn restore_database(&self, database: &[u8]) {
        for more in ["valise.db-wal", "valise.db-shm"] {
            drop(std::fs::remove_file(self.data().join(more)));
        }
        std::fs::write(self.data().join("valise.db"), database).expect("the database");
    }

    /// The port on which the server listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Stops the server, which will start on another port. Returns the one where clients look for it.
    pub fn move_server(&mut self, port: u16) -> u16 {
        self.stop();
        std::mem::replace(&mut self.port, port)
    }

    /// Stops the server in good order.
    pub fn stop(&mut self) {
        if let Some(Running { stop, thread }) = self.running.take() {
            let _ = stop.send(());
            thread.join().expect("the server ends well");
        }
    }

    /// The same, with bob, whose key has this PIN and whose store is shut.
    pub async fn open_with_pin(pin: &'static str) -> (Self, Person, Person) {
        let (office, mut alice) = Self::open_now().await;
        let mut bob = office
            .employ(&mut alice, office.person("bob").with_pin(pin))
            .await;
        bob.close();
        (office, alice, bob)
    }

    /// People of these names, enrolled by `admin`.
    pub async fn hire_all<const N: usize>(
        &self,
        admin: &mut Person,
        names: [&str; N],
    ) -> [Person; N] {
        let mut people = Vec::new();
        for name in names {
            people.push(self.hire(admin, name).await);
        }
        people.try_into().ok().expect("one for each name")
    }

    /// Somebody new, enrolled by `admin`.
    pub async fn hire(&self, admin: &mut Person, name: &str) -> Person {
        self.employ(admin, self.person(name)).await
    }

    /// Bob, enrolled by `admin`, has these letters of hers, and a second computer that has none of them.
    pub async fn bob_at_two(&self, admin: &mut Person, letters: &[&str]) -> [Person; 2] {
        let mut bob = self.hire(admin, "bob").await;
        for body in letters {
            admin.send(&["bob"], "Before", body).await;
        }
        bob.sync().await;
        let mut laptop = bob.other_computer();
        laptop.join(self).await;
        [bob, laptop]
    }

    /// Somebody whom nobody knows yet.
    pub fn person(&self, name: &str) -> Person {
        Person::new(self.folder.path(), name, self.time.clone())
    }

    /// Enrols `person`.
    pub async fn employ(&self, admin: &mut Person, mut person: Person) -> Person {
        person.ask(self).await;
        admin.enrol(&person.name).await;
        person.join(self).await;
        person
    }

    /// The organisation card, in a file.
    pub fn card_file(&self) -> PathBuf {
        let path = self.folder.path().join("card.valise");
        std::fs::write(&path, self.card.to_string()).expect("the card");
        path
    }

    /// The real program in the hands of `name`: with the same home and key as the person.
    pub fn cli(&self, name: &str) -> Cli {
        Cli::new(self.folder.path(), name)
    }

    /// The server's data folder.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("server")
    }
}

impl Drop for Office {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.stop();
        }
    }
}

/// Alice founds an organisation whose server will be at `url`. Returns her, and the genesis file.
pub fn founded(folder: &Path, url: &str, time: Time) -> (Person, Vec<u8>) {
    let mut alice = Person::new(folder, "alice", time);
    let founding = Founding {
        organisation: "Campagne",
        url: &url.parse().expect("an address"),
        admin: &alice.name.clone(),
    };
    let genesis = folder.join("genesis.valise");
    let home = alice.home();
    alice
        .with_keyring(|keyring, clock| found(&home, &founding, &genesis, keyring, clock))
        .expect("founding");
    let genesis = std::fs::read(genesis).expect("the genesis file");
    (alice, genesis)
}

/// A port that nobody has, each once in this process. It is below those that connections are given
/// (from 32768 on Linux), or one of them could have it before its server is there.
pub fn free_port() -> u16 {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    loop {
        let given = GIVEN.fetch_add(1, Ordering::Relaxed);
        let offset = std::process::id().wrapping_mul(97).wrapping_add(given) % 11_000;
        let port = 21_000 + u16::try_from(offset).expect("a small number");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
