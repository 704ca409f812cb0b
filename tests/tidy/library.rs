//! Which versions and switches of other people's libraries are in the house.

use std::{collections::BTreeSet, path::Path, process::Command};

use super::{house, named};

/// Version numbers in Cargo.lock of what is called `name`.
fn locked(name: &str) -> Vec<Vec<u64>> {
    let files = house();
    let lock = named(&files, "Cargo.lock");
    let package = format!("[[package]]\nname = \"{name}\"\nversion = \"");
    let versions = lock.text.split(&package).skip(1);
    let numbers = versions.map(|rest| {
        let version = rest.split('"').next().unwrap_or_default();
        let parts = version.split('.').map(|part| part.parse().unwrap_or(0));
        parts.collect()
    });
    numbers.collect()
}

/// OpenMLS' own switch for post-quantum suites decides which SQLite everybody links, the server's
/// driver too. The suites are switched on beside it: see `tests/attack/trap.rs` for the other traps.
#[test]
fn trap1_the_mls_library_decides_over_nobodys_sqlite() {
    let tree = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--offline",
            "--locked",
            "--workspace",
            "--all-features",
        ])
        .args(["--prefix", "none", "--format", "{p}|{f}"])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
        .output()
        .expect("cargo");
    assert!(tree.status.success(), "cargo tree: {tree:?}");
    let tree = String::from_utf8(tree.stdout).expect("text");
    let features = |name: &str| -> BTreeSet<String> {
        let crates = tree.lines().filter_map(|line| line.split_once('|'));
        let these = crates.filter(|(package, _)| package.split(' ').next() == Some(name));
        these
            .flat_map(|(_, features)| features.split([',', ' ']).map(str::to_owned))
            .collect()
    };
    let suites = "draft-ietf-mls-pq-ciphersuites";
    assert!(features("openmls_traits").contains(suites));
    let openmls = features("openmls");
    assert!(
        !openmls.is_empty() && !openmls.contains(suites),
        "{openmls:?}"
    );
    assert_eq!(locked("libsqlite3-sys").len(), 1, "two SQLites");
}

/// Before it a key package could end the program that reads it (GHSA-gc79-23g3-8g52), and the ratchet
/// went on before the signature was checked.
#[test]
fn trap9_the_mls_library_is_not_older_than_its_fixes() {
    let versions = locked("openmls");
    assert!(!versions.is_empty());
    for version in versions {
        assert!(version >= vec![0, 9, 2], "openmls {version:?}");
    }
}
