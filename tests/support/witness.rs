//! Witnesses: the real ones, in this process on a story's time, or as processes of their own.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Child, Stdio},
    sync::Arc,
    thread::JoinHandle,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::oneshot;
use valise_client::{
    clock::Clock,
    weaken::dangerously_weaken,
    witness::{Witness, serve},
};
use valise_proto::{card::Card, log::entry};

use super::{Cli, Time};

/// How long a witness may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where witnesses are, by name, as an operator writes it down.
pub fn configuration<'w>(witnesses: impl IntoIterator<Item = (&'w str, SocketAddr)>) -> String {
    let places = witnesses.into_iter();
    let places = places.map(|(name, address)| format!("\"{name}\" = \"http://{address}\"\n"));
    let places: Vec<_> = places.collect();
    format!(
        "witness_interval_ms = 100\n[witnesses]\n{}",
        places.concat()
    )
}

/// Writes `more` into the configuration of the server in `data`, in the place of what was written so
/// before.
pub fn configure(data: &Path, more: &str) {
    let path = data.join(valise_server::config::FILE);
    let text = std::fs::read_to_string(&path).expect("the configuration");
    let own = text
        .split("witness_interval_ms")
        .next()
        .expect("the beginning");
    std::fs::write(&path, format!("{own}{more}")).expect("the configuration");
}

/// A witness in this process.
pub struct Cosigner {
    pub public: entry::Witness,
    pub address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Cosigner {
    /// Makes a witness of the log on `card`, and starts it without the check `off`.
    pub fn start(
        folder: &Path,
        card: &Card,
        name: &str,
        time: Time,
        off: Option<&'static str>,
    ) -> Self {
        let witness = Witness::init(&folder.join(name), card, Some(name)).expect("a witness");
        let public = witness.public().clone();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("the listener");
        let address = listener.local_addr().expect("its address");
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            dangerously_weaken(off);
            let runtime = tokio::runtime::Builder::new_current_thread()
                .on_thread_start(move || dangerously_weaken(off))
                .enable_all()
                .build()
                .expect("a runtime");
            let clock: Arc<dyn Clock> = Arc::new(time);
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).expect("the listener");
                let shutdown = async { drop(stopped.await) };
                let (found, _) = tokio::sync::mpsc::channel(1);
                serve(Arc::new(witness), listener, clock, found, shutdown).await;
            });
        });
        Self {
            public,
            address,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    pub fn name(&self) -> &str {
        self.public.name.as_str()
    }
}

impl Drop for Cosigner {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take().filter(|_| !std::thread::panicking()) {
            thread.join().expect("the witness ends well");
        }
    }
}

/// A witness as a process.
pub struct Process {
    pub child: Child,
    pub address: SocketAddr,
}

impl Process {
    /// The same as [`Process::start`], and what it says to people is kept: see [`Process::ends`].
    pub fn listen(witness: &Cli) -> Self {
        Self::run(witness, None, Stdio::piped())
    }

    /// Has it end in good order. What it said to people.
    pub fn ends(mut self) -> String {
        kill_process(Pid::from_child(&self.child), Signal::TERM).expect("a signal");
        let mut said = String::new();
        let mut stderr = self.child.stderr.take().expect("what it says");
        stderr.read_to_string(&mut said).expect("what it says");
        assert!(self.child.wait().expect("its end").success(), "{said}");
        said
    }

    /// `valise witness serve`, once it answers. `step`: where it dies, see `valise_client::failpoint`.
    pub fn start(witness: &Cli, step: Option<&str>) -> Self {
        Self::run(witness, step, Stdio::null())
    }

    fn run(witness: &Cli, step: Option<&str>, stderr: Stdio) -> Self {
        let mut command =
            witness.command(&["witness", "serve", "--listen", "127.0.0.1:0", "-o", "json"]);
        if let Some(step) = step {
            command.env(valise_client::failpoint::VARIABLE, step);
        }
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .expect("valise runs");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("its output");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        let said: serde_json::Value = serde_json::from_str(&line).expect("an answer");
        let address = said["listen"].as_str().expect("an address");
        let address = address.parse().expect("an address");
        Self { child, address }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Asks a witness: status and body. `None` when it went away.
pub fn ask(address: SocketAddr, request: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let length = request.len();
    let head =
        format!("POST /add-checkpoint HTTP/1.1\r\nhost: w\r\ncontent-length: {length}\r\n\r\n");
    stream.write_all((head + request).as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, body.to_owned()))
}
