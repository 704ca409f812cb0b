//! An S3 server for tests: a process of its own, with a folder as its disk, which may die and come back.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
    thread::park_timeout,
    time::Duration,
};

use tempfile::TempDir;

/// What chooses where a test's attached files are: `s3`; else they are in a folder.
const VARIABLE: &str = "VALISE_TEST_ATTACHMENTS";

/// Runs until its standard input ends, which it does with whoever started it, however that ends.
const LIFE: &str = r#"
PATH=$PATH:$2
s3s-fs --host 127.0.0.1 --port "$1" --access-key valise --secret-key hunter2 disk </dev/null >log 2>&1 &
echo $!
cat >/dev/null
kill -KILL $!
"#;

/// The server, or its disk while it does not run.
pub(crate) struct Storage {
    folder: TempDir,
    port: u16,
    /// Its standard input is closed with this.
    life: Option<Child>,
    places: AtomicU32,
}

impl Storage {
    /// Starts one with a bucket `files`, and credentials for it.
    pub(crate) fn start() -> Self {
        let free = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = free.local_addr().expect("a port").port();
        drop(free);
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir_all(folder.path().join("disk/files")).expect("a bucket");
        for (name, secret) in [("credentials", "hunter2"), ("wrong", "hunter3")] {
            let text = format!("access_key_id = \"valise\"\nsecret_access_key = \"{secret}\"\n");
            fs::write(folder.path().join(name), text).expect("credentials");
        }
        let mut storage = Self {
            folder,
            port,
            life: None,
            places: AtomicU32::new(0),
        };
        storage.come_back();
        storage
    }

    /// Starts it again on its disk.
    pub(crate) fn come_back(&mut self) {
        // Where .ci/install puts it: beside what cargo builds.
        let program = std::env::current_exe().expect("this program");
        let target = program.ancestors().nth(3).expect("the target folder");
        let mut life = Command::new("bash")
            .current_dir(self.folder.path())
            .args(["-c", LIFE, "s3", &self.port.to_string()])
            .arg(target.join("tools/bin"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("bash runs");
        let mut id = String::new();
        let mut out = BufReader::new(life.stdout.take().expect("its output"));
        out.read_line(&mut id).expect("a line");
        let alive = Path::new("/proc").join(id.trim()).join("exe");
        self.life = Some(life);
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let log = || fs::read_to_string(self.path("log")).unwrap_or_default();
            assert!(
                alive.exists(),
                "no S3 server: run .ci/install s3. {}",
                log()
            );
            park_timeout(Duration::from_millis(5));
        }
    }

    /// It is killed, in the middle of whatever it does.
    pub(crate) fn die(&mut self) {
        if let Some(mut life) = self.life.take() {
            drop(life.stdin.take());
            life.wait().expect("its end");
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What a server's configuration says, so that its files are in a place of its own here.
    pub(crate) fn settings(&self) -> [(&'static str, String); 3] {
        let place = self.places.fetch_add(1, Ordering::Relaxed);
        [
            ("attachments", format!("s3://files/t{place}")),
            ("s3_endpoint", format!("http://127.0.0.1:{}", self.port)),
            (
                "s3_credentials",
                self.path("credentials").display().to_string(),
            ),
        ]
    }

    /// The parts that are on its disk for the server of these settings, as `FILE/PART`.
    pub(crate) fn parts(&self, settings: &[(&'static str, String); 3]) -> Vec<String> {
        let [(_, address), ..] = settings;
        let place = address.strip_prefix("s3://").expect("an address");
        let mut parts = Vec::new();
        for organisation in entries(&self.path("disk").join(place)) {
            for file in entries(&organisation) {
                for part in entries(&file) {
                    let part = part.strip_prefix(&organisation).expect("it is in there");
                    parts.push(part.display().to_string());
                }
            }
        }
        parts
    }
}

impl Drop for Storage {
    fn drop(&mut self) {
        self.die();
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries.map(|entry| entry.expect("a name").path()).collect()
}

/// The S3 server of this process, if its tests keep attached files there.
pub(crate) fn chosen() -> Option<&'static Storage> {
    static STORAGE: LazyLock<Storage> = LazyLock::new(Storage::start);
    match std::env::var_os(VARIABLE) {
        None => None,
        Some(name) if name == "s3" => Some(&STORAGE),
        Some(name) => panic!("{VARIABLE} is {}: choose s3 or nothing", name.display()),
    }
}

/// Runs this program's tests again, with attached files in S3: those that `arguments` choose. Says how many
/// there were.
pub(crate) fn again(arguments: &[&str]) -> String {
    super::cluster::again_with((VARIABLE, "s3"), arguments)
}
