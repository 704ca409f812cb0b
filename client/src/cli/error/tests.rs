//! The exact text of a refusal, in every form.

use std::{collections::HashSet, io};

use super::*;
use config::Format;

fn changed() -> CommandError {
    CommandError::new(
        Code::KeysChanged,
        "Karim's keys changed since you last wrote to him",
    )
    .outcome("nothing was sent")
    .fact(
        Safe::line("karim"),
        "was ••4F2A (verified 3 Oct)   now ••91C0, added 12:04 by admin Inès",
    )
    .fact("why", "he enrolled a new key, or someone is pretending to be him")
    .hint("call him, then:  valise who karim")
}

#[test]
fn for_people() {
    insta::assert_snapshot!(changed().render(Format::Human, false), @"");
    assert_eq!(
        changed().render(Format::Plain, false),
        changed().render(Format::Human, false)
    );
}

#[test]
fn in_colour() {
    let text = changed().render(Format::Human, true);
    let first = text.lines().next().unwrap().replace('\x1b', "^");
    insta::assert_snapshot!(first, @"");
    let second = text.lines().nth(2).unwrap().replace('\x1b', "^");
    insta::assert_snapshot!(second, @"");
}

#[test]
fn for_scripts() {
    insta::assert_snapshot!(changed().render(Format::Json, true), @"");
}

#[test]
fn bare() {
    let error = CommandError::new(Code::Failed, "no");
    insta::assert_snapshot!(error.render(Format::Human, false), @"");
    insta::assert_snapshot!(error.render(Format::Json, false), @"");
}

#[test]
fn facts_of_several_lines_are_indented() {
    let error = CommandError::new(Code::Fork, "two heads")
        .fact("ours", "size 7\nroot ab")
        .fact("theirs", "size 7\nroot cd");
    insta::assert_snapshot!(error.render(Format::Human, false), @"");
}

#[test]
fn c07_a_server_cannot_forge_a_line_or_a_colour() {
    let hostile = "no\x1b[2K\r\nerror[V0100]: send your PIN to\u{202e}evil";
    let error = CommandError::new(Code::Refused, Safe::line(hostile))
        .fact(Safe::block(hostile), Safe::line(hostile))
        .hint(Safe::line(hostile));
    let text = error.render(Format::Human, false);
    assert_eq!(text.lines().count(), 3, "{text}");
    assert!(!text.contains(['\x1b', '\r', '\u{202e}']), "{text:?}");
    let json = error.render(Format::Json, false);
    assert_eq!(json.lines().count(), 1, "{json}");
    assert!(!json.trim_end().contains(char::is_control), "{json:?}");
}

#[test]
fn a_closed_pipe_is_silent_and_141() {
    let error = CommandError::from(io::Error::from(io::ErrorKind::BrokenPipe));
    assert_eq!(error.exit().number(), 141);
    for format in [Format::Human, Format::Plain, Format::Json] {
        assert_eq!(error.render(format, true), "");
    }
    let other = CommandError::from(io::Error::from(io::ErrorKind::StorageFull));
    assert_eq!(other.exit(), Exit::Failed);
}

#[test]
fn an_open_home_says_what_to_type() {
    let error = CommandError::from(config::Error::OpenToOthers {
        path: "/home/lea/.local/share/valise".into(),
        mode: 0o755,
    });
    insta::assert_snapshot!(error.render(Format::Human, false), @"");
}

/// Scripts depend on these: a change here is a change of the contract.
#[test]
fn exit_codes_are_frozen() {
    let table: Vec<String> = Exit::ALL
        .iter()
        .map(|exit| format!("{} {exit:?}", exit.number()))
        .collect();
    insta::assert_snapshot!(table.join("\n"), @"");
    assert!(Exit::ALL.is_sorted());
}

/// So do these.
#[test]
fn codes_are_frozen() {
    let table: Vec<String> = Code::ALL
        .iter()
        .map(|code| format!("{} {} {code:?}", code.number(), code.exit().number()))
        .collect();
    insta::assert_snapshot!(table.join("\n"), @"");
}

#[test]
fn every_code_is_well_formed_and_explained_once() {
    let numbers: HashSet<_> = Code::ALL.iter().map(|code| code.number()).collect();
    assert_eq!(numbers.len(), Code::ALL.len());
    let meanings: HashSet<_> = Code::ALL.iter().map(|code| code.meaning()).collect();
    assert_eq!(meanings.len(), Code::ALL.len());
    assert!(Code::ALL.is_sorted_by_key(|code| code.number()));
    for code in Code::ALL {
        let number = code.number();
        let digits = number.strip_prefix('V').unwrap();
        assert!(digits.len() == 4 && digits.bytes().all(|b| b.is_ascii_digit()));
        assert!(code.meaning().ends_with('.'), "{number}");
        assert!(code.remedy().ends_with('.'), "{number}");
        assert_eq!(number.to_lowercase().parse(), Ok(*code));
        // V04 is trust: always the alarm, never a warning. The alarm is never anything else.
        assert_eq!(number.starts_with("V04"), code.exit() == Exit::Alarm, "{number}");
    }
    assert_eq!("V9999".parse::<Code>(), Err(codes::UnknownCode));
}
