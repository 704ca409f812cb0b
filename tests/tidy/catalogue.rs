//! What `SECURITY.md` promises, and what our attack catalogue knows, against the names of the tests.

use std::collections::BTreeSet;

use super::{File, house, named, none, words};

/// The ids that names of tests begin with: `l05_l10_only_touch` has L05 and L10.
fn tested_ids(files: &[File]) -> BTreeSet<String> {
    let tests = tests(files).into_iter();
    tests.flat_map(|(ids, _)| ids).collect()
}

fn is_id(word: &str) -> bool {
    let mut letters = word.chars();
    word.len() == 3
        && letters
            .next()
            .is_some_and(|letter| letter.is_ascii_uppercase())
        && letters.all(|letter| letter.is_ascii_digit())
}

/// The attack catalogue: each group's letter and its last number. Ids are permanent.
const CATALOGUE: &[(char, u8)] = &[
    ('B', 7),
    ('C', 20),
    ('D', 20),
    ('E', 14),
    ('G', 32),
    ('K', 7),
    ('L', 21),
    ('P', 6),
    ('R', 12),
    ('V', 15),
];

#[test]
fn every_attack_we_know_is_tested_or_explained() {
    let files = house();
    let security = named(&files, "SECURITY.md");
    let tested = tested_ids(&files);
    let explained: BTreeSet<&str> = words(&security.text).filter(|word| is_id(word)).collect();
    let ids = CATALOGUE
        .iter()
        .flat_map(|(group, last)| (1..=*last).map(move |number| format!("{group}{number:02}")));
    let wrong: Vec<String> = ids
        .filter(|id| !tested.contains(id) && !explained.contains(id.as_str()))
        .map(|id| format!("{id}: no test, and no word in SECURITY.md"))
        .collect();
    none("an attack is tested or explained", &wrong);
}

#[test]
fn every_promise_has_a_test() {
    let files = house();
    let security = named(&files, "SECURITY.md");
    let tested = tested_ids(&files);
    let mut wrong = Vec::new();
    let (mut promises, mut promising) = (0, false);
    for (index, line) in security.text.lines().enumerate() {
        match line {
            "**Cannot**" => promising = true,
            _ if line.starts_with("**") || line.starts_with('#') => promising = false,
            _ if promising && line.starts_with("- ") => {
                promises += 1;
                let ids: Vec<&str> = words(line).filter(|word| is_id(word)).collect();
                if ids.is_empty() {
                    wrong.push(format!("SECURITY.md:{} has no id", index + 1));
                }
                for id in ids.iter().filter(|id| !tested.contains(**id)) {
                    wrong.push(format!("SECURITY.md:{}: no test is named {id}", index + 1));
                }
            }
            _ if promising && !line.is_empty() => {
                wrong.push(format!("SECURITY.md:{}: one promise, one line", index + 1));
            }
            _ => {}
        }
    }
    assert!(
        promises >= 10,
        "SECURITY.md promises {promises} things only"
    );
    none("a promise is tested", &wrong);
}

/// Also where we only hope to keep it.
#[test]
fn whatever_somebody_cannot_do_has_an_id() {
    let files = house();
    let security = named(&files, "SECURITY.md");
    let lines = security.text.lines().enumerate();
    let cannot = lines.filter(|(_, line)| line.starts_with("- cannot "));
    let wrong: Vec<String> = cannot
        .filter(|(_, line)| !words(line).any(is_id))
        .map(|(index, line)| format!("SECURITY.md:{}: {line}", index + 1))
        .collect();
    none("an attack has an id", &wrong);
}

/// The attacks in which the server is the attacker. Each has a test in which the honest program refuses,
/// and a twin in which the same attack succeeds, because that one check is off or not ours to switch off.
const BY_THE_SERVER: &str = "\
    D01 D02 D03 D04 D05 D06 D07 D08 D09 D10 D11 D12 D13 D14 D16 D17 D20 \
    G01 G02 G04 G05 G06 G07 G09 G10 G12 G13 G14 G15 G17 G18 G19 G23 G24 G27 G28 G29 G30 G32 \
    L01 L18 E05 E14 V08 P01 P02 P05";

/// Where a command is typed at a lying server.
const PROGRAM: &str = "tests/attack/program";

/// Attacks by the server in which no command is refused, and why.
const NOTHING_TO_REFUSE: &[(&str, &str)] = &[
    ("L18", "what passes the wire is searched: attack/touch.rs"),
    (
        "V08",
        "what is on the server is searched: story/canary.rs does it after a day of both programs",
    ),
    (
        "P01",
        "what the server keeps has reasons: attack/metadata.rs",
    ),
    ("P02", "what is sent has few sizes: attack/metadata.rs"),
    ("P05", "what is sent names nobody: attack/metadata.rs"),
];

/// The real program says so too, by exit code and event.
#[test]
fn every_attack_by_the_server_is_typed_at_the_program_or_explained() {
    let mut files = house();
    files.retain(|file| file.path.starts_with(PROGRAM));
    let typed = tested_ids(&files);
    let mut wrong = Vec::new();
    for id in BY_THE_SERVER.split(' ') {
        let explained = NOTHING_TO_REFUSE.iter().any(|(known, _)| *known == id);
        match (typed.contains(id), explained) {
            (false, false) => wrong.push(format!("{id}: no test in {PROGRAM}, and no reason")),
            (true, true) => wrong.push(format!("{id}: there is a test, and a reason why not")),
            _ => {}
        }
    }
    none("an attack by the server is typed at the program", &wrong);
}

/// The names of tests, with the ids that each begins with, and whether it is a twin.
fn tests(files: &[File]) -> Vec<(BTreeSet<String>, bool)> {
    let code = files
        .iter()
        .filter(|file| file.is_rust())
        .flat_map(File::code);
    let names = code.filter_map(|(_, line)| line.split_once("fn ")?.1.split('(').next());
    names
        .map(|name| {
            let parts = name.split('_').map(str::to_uppercase);
            let twin = parts.clone().find(|word| !is_id(word));
            let ids = parts.take_while(|word| is_id(word));
            (ids.collect(), twin.as_deref() == Some("TWIN"))
        })
        .collect()
}

#[test]
fn every_attack_by_the_server_comes_twice() {
    let tests = tests(&house());
    let has = |id: &str, twin: bool| {
        let mut tests = tests.iter();
        tests.any(|(ids, is_twin)| ids.contains(id) && *is_twin == twin)
    };
    let mut wrong = Vec::new();
    for id in BY_THE_SERVER.split(' ') {
        if !has(id, false) {
            wrong.push(format!("{id}: no test in which the honest program refuses"));
        }
        if !has(id, true) {
            wrong.push(format!("{id}: no twin in which the attack succeeds"));
        }
    }
    none("an attack by the server comes twice", &wrong);
}
