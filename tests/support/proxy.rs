//! `HAProxy` before two servers, configured as `compose.yaml` has it.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::park_timeout,
    time::Duration,
};

/// Runs until its standard input ends, which it does with whoever started it, however that ends.
const LIFE: &str = r#"
PATH=$PATH:/usr/sbin
printf 'global\n    stats socket %s\n' "$2/proxy" >"$2/haproxy.cfg"
haproxy -db -f "$1" -f "$2/haproxy.cfg" </dev/null &
cat >/dev/null
kill -KILL $!
"#;

pub struct Proxy {
    life: Child,
    /// In which it answers what it thinks of the servers.
    folder: PathBuf,
}

impl Proxy {
    /// Listens on `public`, for servers that listen on the first of these ports, and say on the second
    /// whether they are ready. What it writes is in `folder`.
    pub fn start(folder: &Path, public: u16, servers: &[(u16, Option<u16>)]) -> Self {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../server/haproxy.cfg");
        let mut command = Command::new("bash");
        command
            .args(["-c", LIFE, "haproxy"])
            .args([&file, folder])
            .env("VALISE_BIND", format!("127.0.0.1:{public}"));
        for ((port, ready), name) in servers.iter().zip(["ONE", "TWO"]) {
            let ready = ready.expect("a port of its own");
            command.env(format!("VALISE_{name}"), format!("127.0.0.1:{port}"));
            command.env(format!("VALISE_{name}_READY"), ready.to_string());
        }
        let mut life = command
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("bash runs");
        while TcpStream::connect(("127.0.0.1", public)).is_err() {
            let ended = life.try_wait().expect("a child");
            assert!(ended.is_none(), "no haproxy: run .ci/install");
            park_timeout(Duration::from_millis(5));
        }
        Self {
            life,
            folder: folder.to_owned(),
        }
    }

    /// Waits until it thinks of the server at this place that it may be `UP`, or `DOWN`.
    pub fn until(&self, at: usize, state: &str) {
        let wanted = format!("nodes,{},", ["one", "two"][at]);
        loop {
            let mut socket = UnixStream::connect(self.folder.join("proxy")).expect("its socket");
            socket.write_all(b"show stat\n").expect("a question");
            let mut said = String::new();
            socket.read_to_string(&mut said).expect("an answer");
            let line = said.lines().find(|line| line.starts_with(&wanted));
            // The 18th column of what its manual calls show stat.
            let found = line.and_then(|line| line.split(',').nth(17));
            if found == Some(state) {
                return;
            }
            park_timeout(Duration::from_millis(20));
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.life.stdin.take());
        drop(self.life.wait());
    }
}
