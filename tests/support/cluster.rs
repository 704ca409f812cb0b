//! A PostgreSQL for the tests of one process: on a socket in a folder of its own, and gone with the process.

use std::{
    ffi::OsString,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
};

/// What chooses the database of a test: `postgres`; else it is SQLite.
pub(crate) const VARIABLE: &str = "VALISE_TEST_DATABASE";
/// The same for measurements, which pay for every flush.
pub(crate) const DURABLE: &str = "postgres-durable";

/// Runs until its standard input ends, which it does with whoever started it, however that ends. Its first
/// argument is whether anything is flushed to disk.
const LIFE: &str = r#"
trap '' INT TERM HUP
programs=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
PATH=${programs:-$(dirname "$(command -v initdb)")}:$PATH
if ! command -v initdb >/dev/null; then
  echo 'PostgreSQL is not installed, so nothing was tested on it: run .ci/install' >&2
  exit 1
fi
folder=$(mktemp -d "${TMPDIR:-/tmp}/valise-postgres.XXXXXX")
trap 'rm -rf "$folder"' EXIT
if ! initdb --pgdata "$folder/data" --auth trust --username valise --encoding UTF8 --no-locale --no-sync \
  >"$folder/log" 2>&1; then
  cat "$folder/log" >&2
  exit 1
fi
postgres -D "$folder/data" -k "$folder" -c listen_addresses= -c fsync=$1 -c full_page_writes=$1 \
  -c max_connections=400 -c shared_buffers=64MB </dev/null >"$folder/log" 2>&1 &
until pg_isready --quiet --host "$folder"; do
  if ! kill -0 $! 2>/dev/null; then
    cat "$folder/log" >&2
    exit 1
  fi
  sleep 0.05
done
echo "$folder"
cat >/dev/null
kill -QUIT $!
wait
"#;

struct Cluster {
    folder: String,
    schemas: AtomicU32,
    /// Its standard input is closed with this process.
    _life: Child,
}

impl Cluster {
    fn start() -> Self {
        // PostgreSQL refuses to run as root; Debian's package has made somebody for it.
        let script = r#"as=(); ((EUID)) || as=(runuser -u postgres --); exec "${as[@]}" bash -c "$1" bash "$2""#;
        // A test kills the server, and never the machine.
        let durable = variable().is_some_and(|name| name == DURABLE);
        let flushes = if durable { "on" } else { "off" };
        let mut child = Command::new("bash")
            .current_dir("/")
            .args(["-c", script, "bash", LIFE, flushes])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("bash runs");
        let mut folder = String::new();
        let mut out = BufReader::new(child.stdout.take().expect("its output"));
        out.read_line(&mut folder).expect("a line");
        assert!(
            folder.ends_with('\n'),
            "no PostgreSQL for the tests: see above, or run .ci/install"
        );
        Self {
            folder: folder.trim_end().to_owned(),
            schemas: AtomicU32::new(0),
            _life: child,
        }
    }

    /// The address of a new, empty schema.
    fn schema(&self) -> String {
        let name = format!("t{}", self.schemas.fetch_add(1, Ordering::Relaxed));
        let folder = &self.folder;
        let made = Command::new("psql")
            .args(["-qXh", folder, "-U", "valise", "-d", "postgres", "-c"])
            .arg(format!("create schema {name}"))
            .status()
            .expect("psql runs");
        assert!(made.success(), "{made}");
        let folder = folder.replace('/', "%2F");
        format!("postgres://valise@{folder}/postgres?options%5Bsearch_path%5D={name}")
    }
}

fn variable() -> Option<OsString> {
    std::env::var_os(VARIABLE)
}

/// Whether this process tests on PostgreSQL.
pub(crate) fn chosen() -> bool {
    match variable() {
        None => false,
        Some(name) if name == "postgres" || name == DURABLE => true,
        Some(name) => panic!(
            "{VARIABLE} is {}: choose postgres or nothing",
            name.display()
        ),
    }
}

/// The address of a fresh database, if this process tests on PostgreSQL.
pub(crate) fn database() -> Option<String> {
    chosen().then(fresh)
}

/// The address of a fresh database on PostgreSQL.
pub(crate) fn fresh() -> String {
    static CLUSTER: LazyLock<Cluster> = LazyLock::new(Cluster::start);
    CLUSTER.schema()
}

/// Runs this program's tests again, on PostgreSQL: those that `arguments` choose. Says how many there were.
pub(crate) fn again(arguments: &[&str]) -> String {
    again_with((VARIABLE, "postgres"), arguments)
}

/// The same, with another variable.
pub(crate) fn again_with((name, value): (&str, &str), arguments: &[&str]) -> String {
    let tests = std::env::current_exe().expect("this program");
    let output = Command::new(tests)
        .args(arguments)
        .env(name, value)
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout);
    let more = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{more}");
    let summary = said.lines().find(|line| line.starts_with("test result: "));
    summary.expect("a summary").to_owned()
}
