//! The rules of the house, as tests: where a name may stand, what a file looks like, what a promise needs.

#![cfg(test)]

#[path = "tidy/catalogue.rs"]
mod catalogue;
#[path = "tidy/fuzz.rs"]
mod fuzz;
#[path = "tidy/library.rs"]
mod library;
#[path = "tidy/secret.rs"]
mod secret;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Command,
};

/// All that stands at the top level.
const TOP: &[&str] = &[
    ".ci",
    ".config",
    ".dockerignore",
    ".gitignore",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "Dockerfile",
    "LICENSE",
    "Makefile",
    "README.md",
    "SECURITY.md",
    "client",
    "clippy.toml",
    "compose.yaml",
    "deny.toml",
    "migrations",
    "proto",
    "rust-toolchain.toml",
    "rustfmt.toml",
    "server",
    "tests",
];

/// Which of [`TOP`] need not be there.
const TOP_OPTIONAL: &[&str] = &[".config"];

/// A crate, and the only places that may name it. A place is a file, or a room: `a/b` is `a/b.rs` and
/// all of `a/b/`.
const HOMES: &[(&str, &[&str])] = &[
    ("openmls", &["client/src/mls", "client/src/provider"]),
    (
        "openmls_sqlite_storage",
        &["client/src/mls", "client/src/provider"],
    ),
    // The vault seals with the provider's HPKE, so that there is one.
    (
        "openmls_traits",
        &["client/src/mls", "client/src/provider", "client/src/vault"],
    ),
    // In stories of a race and of a power cut it is the operator who counts, and mallory is one who edits.
    (
        "rusqlite",
        &[
            "client/src/store",
            "client/src/provider",
            "tests/story/crash/power",
            "tests/story/race",
            "tests/support/mallory",
        ],
    ),
    // In the server's tests it is the operator who edits rows.
    ("sqlx", &["server/src/store", "server/src/tests"]),
    (
        "axum",
        &[
            "server/src/http",
            "server/src/listen",
            "server/src/lib.rs",
            "server/src/tests",
            "tests/support/mallory",
        ],
    ),
    // In the client's tests it is the other side of the ceremony.
    (
        "webauthn_rs",
        &["server/src/login", "client/src/key/ceremony/tests"],
    ),
    (
        "webauthn_rs_core",
        &["server/src/login", "client/src/key/ceremony/tests"],
    ),
    (
        "clap",
        &[
            "client/src/cli",
            "server/src/cli",
            "client/src/main.rs",
            "server/src/main.rs",
        ],
    ),
    ("authenticator", &["client/src/key"]),
    ("object_store", &["server/src/attachment"]),
    ("rustls_native_certs", &["server/src/attachment"]),
];

/// A program's rooms by floor, the highest first. A room names rooms of its own floor and of lower ones.
const FLOORS: &[(&str, &[&[&str]])] = &[
    (
        "client/src/",
        &[
            &["cli", "fuzz"],
            &[
                "account", "agent", "attack", "drill", "history", "mail", "sync", "witness",
            ],
            &["session"],
            &["mls", "trust"],
            &["api", "key", "store", "vault"],
            &["provider"],
            &[
                "clock",
                "config",
                "failpoint",
                "file",
                "home",
                "random",
                "safe",
                "weaken",
                "words",
            ],
        ],
    ),
    (
        "server/src/",
        &[
            &["cli", "fuzz"],
            &["http", "listen", "service"],
            &[
                "account",
                "attachment",
                "backup",
                "card",
                "delivery",
                "directory",
                "init",
                "key_package",
                "proposal",
                "login",
                "node",
                "session",
                "witness",
            ],
            &["data", "limit", "metrics", "store", "tls", "trace", "wake"],
            &["clock", "config", "post"],
        ],
    ),
];

/// What writes to a terminal, and the only places that may. Tests may tell what they measured.
const WRITERS: &[(&str, &[&str])] = &[
    ("println!", &[]),
    ("eprintln!", &[]),
    ("print!", &[]),
    ("eprint!", &[]),
    ("dbg!", &[]),
    ("io::stdout", &["client/src/cli/ui.rs", "server/src/cli"]),
    ("io::stderr", &["client/src/cli/ui.rs", "server/src/cli"]),
];

/// Names that say nothing.
const EMPTY_NAMES: &[&str] = &[
    "mod", "util", "utils", "common", "helper", "helpers", "misc", "manager",
];

/// Columns at most of prose; rustfmt holds code to 100.
const COLUMNS: usize = 110;

/// A file that git knows, or would if asked to add all.
struct File {
    path: String,
    text: String,
}

impl File {
    fn is_rust(&self) -> bool {
        self.ends("rs")
    }

    fn ends(&self, extension: &str) -> bool {
        Path::new(&self.path)
            .extension()
            .is_some_and(|it| it == extension)
    }

    /// A file of tests only.
    fn is_test(&self) -> bool {
        let path = &self.path;
        path.starts_with("tests/") || path.contains("/tests/") || path.ends_with("/tests.rs")
    }

    fn stem(&self) -> &str {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        name.split('.').next().unwrap_or_default()
    }

    /// Whether this file is, or is in, one of `places`.
    fn is_in(&self, places: &[&str]) -> bool {
        places.iter().any(|place| {
            self.path == *place
                || self
                    .path
                    .strip_prefix(place)
                    .is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
        })
    }

    /// Each line without its comment, and its number.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().filter_map(|(index, line)| {
            let comment = line.trim_start().starts_with("//");
            let line = line.split(" // ").next().unwrap_or_default();
            (!comment).then_some((index + 1, line))
        })
    }
}

/// Every text file of the house.
fn house() -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let listed = Command::new("git")
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .current_dir(&root)
        .output()
        .expect("git");
    assert!(listed.status.success(), "git ls-files: {listed:?}");
    let paths: BTreeSet<String> = String::from_utf8(listed.stdout)
        .expect("paths are text")
        .split_terminator('\0')
        .map(str::to_owned)
        .collect();
    let files: Vec<File> = paths
        .into_iter()
        .filter_map(|path| {
            let text = fs::read_to_string(root.join(&path)).ok()?;
            Some(File { path, text })
        })
        .collect();
    assert!(files.len() > 100, "git lists {} files only", files.len());
    files
}

/// The house but this file and its rooms, which have to name what they forbid.
fn house_but_me() -> Vec<File> {
    let mut files = house();
    files.retain(|file| !file.is_in(&["tests/tidy"]));
    files
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|letter: char| !letter.is_alphanumeric() && letter != '_')
}

/// Fails with one line for each thing that is wrong.
fn none(rule: &str, wrong: &[String]) {
    assert!(wrong.is_empty(), "{rule}:\n  {}", wrong.join("\n  "));
}

#[test]
fn the_top_level_is_what_it_is() {
    let found: BTreeSet<String> = house()
        .iter()
        .filter_map(|file| file.path.split('/').next().map(str::to_owned))
        .collect();
    let more = found.iter().filter(|name| !TOP.contains(&name.as_str()));
    let fewer = TOP
        .iter()
        .filter(|name| !TOP_OPTIONAL.contains(name) && !found.contains(**name));
    let wrong: Vec<String> = more
        .map(|name| format!("{name} is new: find it a room"))
        .chain(fewer.map(|name| format!("{name} is missing")))
        .collect();
    none("the top level is closed", &wrong);
}

#[test]
fn a_crate_is_named_only_in_its_home() {
    let mut wrong = Vec::new();
    for file in house_but_me().iter().filter(|file| file.is_rust()) {
        for (name, places) in HOMES.iter().filter(|(_, places)| !file.is_in(places)) {
            for (number, line) in file.code() {
                let path = format!("{name}::");
                let names = line.contains(&path) || line.contains(&format!("use {name};"));
                if names && words(line).any(|word| word == *name) {
                    wrong.push(format!(
                        "{}:{number} names {name}, at home in {places:?}",
                        file.path
                    ));
                }
            }
        }
    }
    none("a crate is named only in its home", &wrong);
}

#[test]
fn every_home_is_lived_in() {
    let files = house_but_me();
    let wrong: Vec<String> = HOMES
        .iter()
        .filter(|(name, places)| {
            let mut rooms = files
                .iter()
                .filter(|file| file.is_rust() && file.is_in(places));
            !rooms.any(|file| {
                file.code()
                    .any(|(_, line)| words(line).any(|word| word == *name))
            })
        })
        .map(|(name, _)| format!("nobody names {name}: take it out of HOMES"))
        .collect();
    none("every rule is about something", &wrong);
}

/// The rooms that `text` names, by `crate::room` or in `use crate::{room, …}`. What the crate's root has
/// itself, such as a type, is no room.
fn rooms_named(text: &str) -> BTreeSet<String> {
    let mut rooms = BTreeSet::new();
    for (at, start) in text.match_indices("crate::") {
        let rest = text.get(at + start.len()..).unwrap_or_default();
        let Some(group) = rest.strip_prefix('{') else {
            rooms.extend(words(rest).next().map(str::to_owned));
            continue;
        };
        let (mut depth, mut first) = (1_u32, String::new());
        for letter in group.chars() {
            match letter {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ if depth == 1 => first.push(letter),
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
        let names = first
            .split(',')
            .filter_map(|item| words(item.trim()).next());
        rooms.extend(names.map(str::to_owned));
    }
    rooms.retain(|room| room.starts_with(|letter: char| letter.is_ascii_lowercase()));
    rooms
}

#[test]
fn calls_go_down_only() {
    let mut wrong = Vec::new();
    for file in house()
        .iter()
        .filter(|file| file.is_rust() && !file.is_test())
    {
        for (program, floors) in FLOORS {
            let Some(path) = file.path.strip_prefix(program) else {
                continue;
            };
            let room = path.split(['/', '.']).next().unwrap_or_default();
            let floor = |room: &str| floors.iter().position(|floor| floor.contains(&room));
            // The two roots are the house itself.
            if ["lib", "main"].contains(&room) {
                continue;
            }
            let code: Vec<&str> = file.code().map(|(_, line)| line).collect();
            for named in rooms_named(&code.join("\n")) {
                match (floor(room), floor(&named)) {
                    (Some(ours), Some(theirs)) if theirs >= ours => {}
                    (Some(_), Some(_)) => {
                        wrong.push(format!("{} names {named}, a floor above it", file.path));
                    }
                    (None, _) => wrong.push(format!("{} is on no floor", file.path)),
                    (_, None) => wrong.push(format!("{} names {named}, on no floor", file.path)),
                }
            }
        }
    }
    none("calls go down only", &wrong);
}

#[test]
fn only_one_file_of_each_program_writes_to_the_terminal() {
    let mut wrong = Vec::new();
    for file in house_but_me()
        .iter()
        .filter(|file| file.is_rust() && !file.is_test())
    {
        for (writer, _) in WRITERS.iter().filter(|(_, places)| !file.is_in(places)) {
            for (number, line) in file.code() {
                let own = line.match_indices(writer).any(|(at, _)| {
                    let before = line.get(..at).and_then(|text| text.chars().next_back());
                    !before.is_some_and(|letter| letter.is_alphanumeric() || letter == '_')
                });
                if own {
                    wrong.push(format!("{}:{number} names {writer}", file.path));
                }
            }
        }
    }
    none("one file writes to the terminal", &wrong);
}

#[test]
fn every_file_says_first_what_it_is_for() {
    let wrong: Vec<String> = house()
        .iter()
        .filter(|file| file.is_rust() && !file.text.starts_with("//! "))
        .map(|file| file.path.clone())
        .collect();
    none("a file opens with a //! line", &wrong);
}

#[test]
fn a_name_says_something() {
    let wrong: Vec<String> = house()
        .iter()
        .filter(|file| file.is_rust() && EMPTY_NAMES.contains(&file.stem()))
        .map(|file| file.path.clone())
        .collect();
    none("a file is named after what is in it", &wrong);
}

#[test]
fn nothing_is_left_for_later() {
    let later = ["TODO", "FIXME", "XXX", "todo", "unimplemented"];
    let mut wrong = Vec::new();
    for file in house_but_me()
        .iter()
        .filter(|file| file.path != "Cargo.toml")
    {
        for (index, line) in file.text.lines().enumerate() {
            let left = words(line).find(|word| later.get(..3).unwrap_or_default().contains(word));
            let stub = later
                .iter()
                .skip(3)
                .any(|word| line.contains(&format!("{word}!(")));
            if left.is_some() || stub {
                wrong.push(format!("{}:{}: {}", file.path, index + 1, line.trim()));
            }
        }
    }
    none("what is here is done", &wrong);
}

#[test]
fn both_databases_have_the_same_migrations() {
    let mut folders = BTreeMap::<String, BTreeSet<String>>::new();
    for file in house() {
        if let Some(rest) = file.path.strip_prefix("migrations/")
            && let Some((folder, name)) = rest.split_once('/')
        {
            folders
                .entry(folder.to_owned())
                .or_default()
                .insert(name.to_owned());
        }
    }
    assert!(folders.contains_key("client"), "no migrations: {folders:?}");
    assert_eq!(
        folders.get("sqlite"),
        folders.get("postgres"),
        "two databases, one history"
    );
    let mut wrong = Vec::new();
    for (folder, names) in &folders {
        for (index, name) in names.iter().enumerate() {
            if !name.starts_with(&format!("{:04}_", index + 1)) {
                wrong.push(format!(
                    "migrations/{folder}/{name} is not number {}",
                    index + 1
                ));
            }
        }
    }
    none("migrations count from 0001 without a gap", &wrong);
}

#[test]
fn lines_fit_a_screen() {
    let mut wrong = Vec::new();
    for file in house() {
        let written = file.is_rust() || file.path.starts_with(".ci/") || file.ends("sh");
        for (index, line) in file.text.lines().enumerate().filter(|_| written) {
            // Code is rustfmt's to break, a text that a program prints is as long as it is, and the
            // first line is the summary that rustdoc shows: it stays one line.
            let comment = line.trim_start().starts_with("//");
            let table = line.trim_start().starts_with("//! |") || line.contains("://");
            let prose = index > 0 && (comment || !file.is_rust());
            if prose && !table && !line.contains("\"$") && line.chars().count() > COLUMNS {
                wrong.push(format!("{}:{}", file.path, index + 1));
            }
        }
    }
    none("a line has at most 110 columns", &wrong);
}

#[test]
fn no_test_is_forgotten() {
    let files = house();
    let manifests: Vec<&File> = files
        .iter()
        .filter(|file| file.path.ends_with("Cargo.toml"))
        .collect();
    let in_tests = || {
        files
            .iter()
            .filter(|file| file.is_rust() && file.path.starts_with("tests/"))
    };
    let wrong: Vec<String> = in_tests()
        .filter(|file| {
            let declared = manifests.iter().any(|manifest| {
                let path = file.path.strip_prefix("tests/fuzz/");
                let path = path.map_or_else(|| format!("../{}", file.path), str::to_owned);
                manifest.text.contains(&format!("path = \"{path}\""))
            });
            let line = format!("mod {};", file.stem());
            let named = in_tests().any(|other| {
                let mut code = other.code();
                other.path != file.path && code.any(|(_, it)| it.trim().ends_with(&line))
            });
            !declared && !named
        })
        .map(|file| format!("{} is no test's root and nobody's mod", file.path))
        .collect();
    none("every test runs", &wrong);
}

#[test]
fn the_image_is_built_by_the_pinned_toolchain() {
    let files = house();
    let pinned = named(&files, "rust-toolchain.toml");
    let pinned = pinned.text.split('"').nth(1).expect("a channel");
    let base = format!("\nARG RUST_IMAGE=rust:{pinned}-");
    let image = named(&files, "Dockerfile");
    assert!(image.text.contains(&base), "not {base:?}");
}

#[test]
fn nothing_tells_where_it_was_written() {
    // In two halves, so that this file is not its own finding.
    let places = [
        concat!("/wo", "rk/"),
        concat!("/ro", "ot/"),
        concat!("static.crates", ".io"),
        concat!("index.crates", ".io"),
        concat!("py", "pi.org"),
        concat!("registry.np", "mjs"),
        concat!("deb.deb", "ian.org"),
    ];
    let mut wrong = Vec::new();
    for file in house() {
        for (index, line) in file.text.lines().enumerate() {
            if let Some(place) = places.iter().find(|place| line.contains(**place)) {
                wrong.push(format!("{}:{} names {place}", file.path, index + 1));
            }
        }
    }
    none("the house stands anywhere", &wrong);
}

/// The file at `path`.
fn named<'f>(files: &'f [File], path: &str) -> &'f File {
    let mut files = files.iter();
    files.find(|file| file.path == path).expect("the file")
}
