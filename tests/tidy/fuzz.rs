//! Every fuzz target is built, has inputs, and is replayed by the tests of its room.

use std::{collections::BTreeSet, fs, path::Path};

use super::{File, house, named, none};

/// Where the names of targets stand beside their bodies; the tests there replay the inputs.
const TABLES: [&str; 3] = [
    "client/src/fuzz.rs",
    "proto/src/fuzz.rs",
    "server/src/fuzz.rs",
];

/// The names in a room's table.
fn names(table: &File) -> Vec<String> {
    let (_, rows) = table.text.split_once("= &[\n").expect("a table");
    let (rows, _) = rows.split_once("];").expect("the table's end");
    let rows = rows.lines().filter_map(|row| row.split('"').nth(1));
    rows.map(str::to_owned).collect()
}

#[test]
fn every_fuzz_target_has_inputs_and_is_replayed() {
    let files = house();
    let targets = files.iter().filter_map(|file| {
        let name = file.path.strip_prefix("tests/fuzz/targets/")?;
        name.strip_suffix(".rs").map(str::to_owned)
    });
    let targets: BTreeSet<String> = targets.collect();
    let manifest = &named(&files, "tests/fuzz/Cargo.toml").text;
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fuzz/corpus");
    let mut wrong = Vec::new();
    let mut known = BTreeSet::new();
    for path in TABLES {
        let table = named(&files, path);
        if !table.text.contains("fn corpus_replays()") {
            wrong.push(format!("{path} replays no inputs"));
        }
        for name in names(table) {
            if !targets.contains(&name) {
                wrong.push(format!("{path}: {name} is no target of tests/fuzz"));
            }
            if !known.insert(name.clone()) {
                wrong.push(format!("{path}: another room has {name} too"));
            }
        }
    }
    for name in &targets {
        let inputs = fs::read_dir(corpus.join(name)).map_or(0, Iterator::count);
        if inputs == 0 {
            wrong.push(format!("tests/fuzz/corpus/{name} is empty"));
        }
        if !known.contains(name) {
            wrong.push(format!("{name} is in no table: nothing replays it"));
        }
        if !manifest.contains(&format!("name = \"{name}\"")) {
            wrong.push(format!("tests/fuzz/Cargo.toml does not build {name}"));
        }
    }
    assert!(targets.len() > 20, "{}", targets.len());
    none("a fuzz target is fed", &wrong);
}
