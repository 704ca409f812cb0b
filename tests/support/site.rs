//! An organisation in which everybody is a process: `valised serve`, and `valise` for each person.

use std::{
    fs::File,
    io::{BufRead as _, BufReader},
    net::TcpListener,
    os::{fd::OwnedFd, unix::process::ExitStatusExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread::park_timeout,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use valise_client::clock::{Clock as _, System};

use super::{
    cluster,
    front::Front,
    office::free_port,
    program::{Cli, Said, said, valised},
    proxy::Proxy,
    storage, trace,
    witness::configure,
};

/// How a process ends that aborts.
const SIGABRT: i32 = 6;
/// How long anything may take before the test says that it hangs: milliseconds.
const PATIENCE_MS: u64 = 30_000;

/// The server's process, or several of them, and the folder in which everybody lives.
pub struct Site {
    pub folder: TempDir,
    port: u16,
    servers: Vec<Server>,
    /// Which of them is stopped or killed next.
    turn: usize,
    /// What stands before several servers.
    front: Option<Front>,
    /// The same, by a program that operators use.
    proxy: Option<Proxy>,
    /// Where the database is, if it is not SQLite.
    database: Option<String>,
    agents: Vec<Cli>,
}

/// One process, if it runs, and where it listens.
struct Server {
    port: u16,
    /// Where it says whether it is ready, if it says so.
    ready: Option<u16>,
    process: Option<Child>,
}

impl Site {
    /// A folder and a free port, and nobody there yet.
    pub fn empty() -> Self {
        let port = free_port();
        Self::with_servers(port, &[port], cluster::database())
    }

    /// The same, and the server listens elsewhere than everybody looks for it: somebody is to stand between.
    pub fn apart() -> Self {
        Self::with_servers(free_port(), &[free_port()], None)
    }

    /// Where everybody looks for the server, and where it listens.
    pub fn ports(&self) -> (u16, u16) {
        (self.port, self.servers[0].port)
    }

    fn with_servers(port: u16, ports: &[u16], database: Option<String>) -> Self {
        let servers = ports.iter().map(|port| Server {
            port: *port,
            ready: None,
            process: None,
        });
        Self {
            folder: tempfile::tempdir().expect("a folder"),
            port,
            servers: servers.collect(),
            turn: 0,
            front: None,
            proxy: None,
            database,
            agents: Vec::new(),
        }
    }

    /// Founds an organisation with alice as its first admin, and starts its server.
    pub fn open() -> (Self, Cli) {
        let mut site = Self::empty();
        let alice = site.begin("");
        (site, alice)
    }

    /// The same with two servers on one PostgreSQL, and nobody who knows which of them answers.
    pub fn open_twice() -> (Self, Cli) {
        let (port, ports) = (free_port(), [free_port(), free_port()]);
        let mut site = Self::with_servers(port, &ports, Some(cluster::fresh()));
        site.front = Some(Front::start(port, ports.to_vec()));
        let alice = site.begin("");
        (site, alice)
    }

    /// The same, with `HAProxy` before them, which asks each whether it is ready, and attached files in S3.
    pub fn open_scaled(settings: &[(&str, String)]) -> (Self, Cli) {
        let (port, ports) = (free_port(), [free_port(), free_port()]);
        let mut site = Self::with_servers(port, &ports, Some(cluster::fresh()));
        for server in &mut site.servers {
            server.ready = Some(free_port());
        }
        let nodes: Vec<_> = site.servers.iter().map(|it| (it.port, it.ready)).collect();
        site.proxy = Some(Proxy::start(site.folder.path(), port, &nodes));
        let alice = site.begin(&lines(settings));
        (site, alice)
    }

    fn begin(&mut self, configuration: &str) -> Cli {
        let alice = self.person("alice");
        self.found(&alice, &[]);
        self.configure(configuration);
        self.start();
        alice.must(&["join", &self.path("card.valise")]);
        alice
    }

    /// The same, with people of these names enrolled, and everybody's store open in an agent.
    pub fn with<const N: usize>(names: [&str; N]) -> (Self, Cli, [Cli; N]) {
        let (mut site, alice) = Self::open();
        let people = names.map(|name| site.hire(&alice, name));
        for person in std::iter::once(&alice).chain(&people) {
            site.unlock(person);
        }
        (site, alice, people)
    }

    /// Where the server is, or will be.
    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    /// The founder signs; the operator makes the server's data and the card of it, with this in his
    /// environment.
    pub fn found(&self, founder: &Cli, environment: &[(&str, &str)]) {
        self.sign(founder);
        self.init(environment);
    }

    /// The founder signs the genesis file.
    fn sign(&self, founder: &Cli) {
        let (genesis, url) = (self.path("genesis.valise"), self.url());
        let founding = [
            "found", "--org", "Campagne", "--url", &url, "--as", "alice", "--out",
        ];
        founder.must(&[&founding[..], &[&genesis]].concat());
    }

    /// The same as [`Site::found`], and all that the operator's command asks of the disk stands in `trace`.
    pub fn found_traced(&self, founder: &Cli, trace: &Path) {
        self.sign(founder);
        let mut init = Command::new("strace");
        init.env_clear().current_dir(self.folder.path());
        init.args(trace::arguments(trace)).arg(valised());
        init.args(self.init_arguments().split(' '));
        said(&init.output().expect("strace: .ci/install")).done();
    }

    fn init_arguments(&self) -> String {
        let listen = format!("127.0.0.1:{}", self.servers[0].port);
        format!("init --data server --genesis genesis.valise --listen {listen} --card card.valise")
    }

    /// The operator makes the server's data and the card from what the founder signed.
    pub fn init(&self, environment: &[(&str, &str)]) {
        let mut init = self.valised(&self.init_arguments());
        init.envs(environment.iter().copied());
        said(&init.output().expect("valised runs")).done();
        if let Some(storage) = storage::chosen() {
            self.configure(&lines(&storage.settings()));
        }
    }

    /// Runs an operator's command in the folder, which must succeed.
    pub fn operate(&self, arguments: &str) {
        self.operator(arguments).done();
    }

    /// What an operator's command says, run in the folder.
    pub fn operator(&self, arguments: &str) -> Said {
        said(&self.valised(arguments).output().expect("valised runs"))
    }

    /// An operator's command in the folder, with nothing of this machine's environment.
    pub fn valised(&self, arguments: &str) -> Command {
        let mut command = Command::new(valised());
        command
            .env_clear()
            .current_dir(self.folder.path())
            .args(arguments.split(' '));
        if let Some(database) = &self.database {
            command.env("VALISED_DATABASE", database);
        }
        command
    }

    /// A person's `valise`: with a key, and not enrolled.
    pub fn person(&self, name: &str) -> Cli {
        Cli::new(self.folder.path(), name)
    }

    /// Somebody new, enrolled by `admin`.
    pub fn hire(&self, admin: &Cli, name: &str) -> Cli {
        let person = self.person(name);
        let card = self.path("card.valise");
        let asked = person.run(&["join", &card, "--as", name]);
        assert_eq!(asked.code, 11, "{asked:?}");
        admin.must(&["admin", "enrol", name, "--yes"]);
        person.must(&["join", &card]);
        person
    }

    /// Another computer of somebody, joined.
    pub fn other_computer(&self, person: &Cli, name: &str) -> Cli {
        let computer = person.elsewhere(name);
        let account = person
            .home
            .file_name()
            .expect("a name")
            .to_str()
            .expect("a name");
        computer.must(&["join", &self.path("card.valise"), "--as", account]);
        computer
    }

    /// Keeps a person's store open in an agent until the site is closed.
    pub fn unlock(&mut self, person: &Cli) {
        person.must(&["unlock"]);
        self.agents.push(person.clone());
    }

    pub fn path(&self, name: &str) -> String {
        self.folder
            .path()
            .join(name)
            .to_str()
            .expect("a name")
            .to_owned()
    }

    /// What the server wrote to its standard error, of all its runs.
    pub fn log(&self) -> PathBuf {
        self.folder.path().join("server.log")
    }

    /// Where the server listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process id of the running server.
    pub fn pid(&self) -> u32 {
        let mut running = self.servers.iter().filter_map(|it| it.process.as_ref());
        running.next().expect("a running server").id()
    }

    /// The operator writes `more` into the server's configuration.
    pub fn configure(&self, more: &str) {
        configure(&self.folder.path().join("server"), more);
    }

    /// Waits until the proxy takes the server at this place for `UP` or `DOWN`.
    pub fn until(&self, at: usize, state: &str) {
        let proxy = self.proxy.as_ref();
        proxy.expect("a proxy").until(at, state);
    }

    /// Starts what does not run, and returns when it accepts connections, and the proxy knows.
    pub fn start(&mut self) {
        for at in 0..self.servers.len() {
            if self.servers[at].process.is_none() {
                let mut command = self.valised("serve --data server");
                let Server { port, ready, .. } = self.servers[at];
                if self.servers.len() > 1 {
                    command.env("VALISED_LISTEN", format!("127.0.0.1:{port}"));
                    command.env("VALISED_NODE", format!("node-{at}"));
                }
                if let Some(ready) = ready {
                    command.env("VALISED_METRICS_LISTEN", format!("127.0.0.1:{ready}"));
                }
                self.servers[at].process = Some(self.start_by(command));
            }
        }
        for at in (0..self.servers.len()).filter(|_| self.proxy.is_some()) {
            self.until(at, "UP");
        }
    }

    /// The same, with a disk on which no file grows beyond so many KiB.
    pub fn start_cramped(&mut self, kib: u32) {
        let mut command = Command::new("bash");
        let script = format!("trap '' XFSZ; ulimit -f {kib}; exec \"$0\" serve --data server");
        command.env_clear().current_dir(self.folder.path());
        command.arg("-c").arg(script).arg(valised());
        self.servers[0].process = Some(self.start_by(command));
    }

    /// The same, on a socket that somebody else opened, as systemd hands it over (`sd_listen_fds(3)`).
    pub fn start_on(&mut self, socket: &TcpListener) {
        let script =
            "exec 3<&0 </dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec \"$0\" serve --data server";
        let mut command = Command::new("bash");
        command.env_clear().current_dir(self.folder.path());
        command.arg("-c").arg(script).arg(valised());
        command.stdin(OwnedFd::from(socket.try_clone().expect("a copy")));
        self.servers[0].process = Some(self.start_by(command));
    }

    /// The same, and all that it asks of the disk stands in the file `trace`.
    pub fn start_traced(&mut self, trace: &Path) {
        let mut command = Command::new("strace");
        command.env_clear().current_dir(self.folder.path());
        // The tracer is a grandchild: the child is the server itself.
        command.arg("-D").args(trace::arguments(trace));
        command.arg(valised()).args(["serve", "--data", "server"]);
        self.servers[0].process = Some(self.start_by(command));
    }

    fn start_by(&self, mut command: Command) -> Child {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log())
            .expect("the log");
        let mut server = command
            .env("VALISED_LOG_LEVEL", "trace")
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("valised runs");
        let mut line = String::new();
        let stdout = server.stdout.take().expect("its output");
        BufReader::new(stdout)
            .read_line(&mut line)
            .expect("its first line");
        let log = || std::fs::read_to_string(self.log()).unwrap_or_default();
        assert!(line.starts_with("valised: serving"), "{line:?} {}", log());
        server
    }

    /// The server, or the one whose turn it is, which all run.
    fn next(&mut self) -> Child {
        let at = self.turn % self.servers.len();
        self.turn += 1;
        self.servers[at].process.take().expect("a running server")
    }

    /// SIGTERM: the server ends in good order.
    pub fn stop(&mut self) {
        let mut server = self.next();
        kill_process(Pid::from_child(&server), Signal::TERM).expect("a signal");
        let status = ends_within(&mut server, PATIENCE_MS).expect("the server hangs");
        assert!(status.success(), "{status}");
    }

    /// SIGHUP, and what the server logged of it.
    pub fn hang_up(&self) -> String {
        let read = || std::fs::read_to_string(self.log()).expect("the log");
        let before = read().len();
        let server = self.servers[0].process.as_ref();
        let server = Pid::from_child(server.expect("a running server"));
        kill_process(server, Signal::HUP).expect("a signal");
        let begun = System.monotonic_ms();
        loop {
            let said = read().split_off(before);
            if said.contains("TLS certificate") {
                return said;
            }
            assert!(System.monotonic_ms() - begun < PATIENCE_MS, "{said}");
            park_timeout(Duration::from_millis(1));
        }
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        let mut server = self.next();
        server.kill().expect("killing");
        server.wait().expect("its end");
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        for person in &self.agents {
            person.run(&["lock"]);
        }
        let servers = self.servers.iter_mut();
        let running: Vec<_> = servers.filter_map(|it| it.process.take()).collect();
        for mut server in running {
            if std::thread::panicking() {
                let log = std::fs::read_to_string(self.log()).unwrap_or_default();
                println!("the server, {:?}, said: {log}", server.try_wait());
            }
            drop(server.kill());
            drop(server.wait());
        }
    }
}

/// What stands in a configuration.
pub fn lines(settings: &[(&str, String)]) -> String {
    let lines = settings.iter();
    let lines: Vec<_> = lines
        .map(|(key, value)| format!("{key} = \"{value}\"\n"))
        .collect();
    lines.concat()
}

/// Waits for the end of `child`, at most until `ms` have passed. `None`: it still runs.
pub fn ends_within(child: &mut Child, ms: u64) -> Option<ExitStatus> {
    let begun = System.monotonic_ms();
    loop {
        if let Some(status) = child.try_wait().expect("a child") {
            return Some(status);
        }
        if System.monotonic_ms() - begun >= ms {
            return None;
        }
        park_timeout(Duration::from_micros(500));
    }
}

impl Cli {
    /// Another computer of the same person: the same key, another home, and nothing in it.
    pub fn elsewhere(&self, name: &str) -> Self {
        let home = self.home.with_extension(name);
        Self {
            home,
            key: self.key.clone(),
        }
    }

    /// Starts a command whose output nobody reads.
    pub fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("valise runs")
    }

    /// Runs a command that must succeed.
    pub fn must(&self, arguments: &[&str]) -> Said {
        let said = self.run(arguments);
        assert_eq!(said.code, 0, "{arguments:?}: {said:?}");
        said
    }

    /// Runs a command that must die at this step, see `valise_client::failpoint`.
    pub fn dies_at(&self, step: &str, arguments: &[&str]) {
        let mut command = self.command(arguments);
        command
            .env(valise_client::failpoint::VARIABLE, step)
            .stdin(Stdio::null());
        let output = command.output().expect("valise runs");
        assert_eq!(
            output.status.signal(),
            Some(SIGABRT),
            "{step}: {:?}",
            said(&output)
        );
    }
}

/// The exit code of a command that must end by itself.
pub fn code(child: &mut Child) -> i32 {
    let status = ends_within(child, PATIENCE_MS).expect("valise hangs");
    status.code().unwrap_or(-1)
}
