//! C07: what somebody else wrote never commands the terminal.

use crate::support::{Office, Terminal};

/// Sets the clipboard, clears the screen, sets the title, and turns the direction of text.
const HOSTILE: &str =
    "\u{1b}]52;c;QUFBQQ==\u{7}\u{1b}[2J\u{9b}31m\u{1b}]0;owned\u{1b}\\ \u{202e}exe.fdp\u{2066}";

#[tokio::test]
async fn c07_a_letter_cannot_command_the_terminal() {
    let (office, mut alice) = Office::open_now().await;
    let mut bob = office.hire(&mut alice, "bob").await;
    alice
        .send(
            &["bob"],
            HOSTILE,
            &format!("first line\n{HOSTILE}\nlast line"),
        )
        .await;
    bob.sync().await;
    bob.close();

    for verb in [
        &["list"][..],
        &["read", "1"],
        &["thread", "1"],
        &["search", "first"],
    ] {
        for more in [
            &[][..],
            &["-o", "plain"],
            &["-o", "json"],
            &["--color", "never"],
        ] {
            let arguments = [verb, more].concat();
            let mut terminal = Terminal::start(office.cli("bob").command(&arguments));
            assert_eq!(terminal.ends(), 0, "{}", terminal.screen());
            harmless(&terminal, &arguments);
            // The text is there all the same.
            assert!(terminal.screen().contains("owned"), "{}", terminal.screen());
        }
    }
}

/// Nothing but text, line ends and our own colours.
fn harmless(terminal: &Terminal, arguments: &[&str]) {
    let text = String::from_utf8(terminal.bytes.clone()).unwrap();
    let mut rest = text.as_str();
    while let Some(at) = rest.find('\u{1b}') {
        rest = &rest[at + 1..];
        let colour = rest.strip_prefix('[').and_then(|code| {
            let end = code.find(|c: char| !c.is_ascii_digit() && c != ';')?;
            code[end..].strip_prefix('m')
        });
        rest = colour.unwrap_or_else(|| panic!("{arguments:?} wrote {text:?}"));
    }
    let bad = |c: char| {
        let newline = matches!(c, '\n' | '\r' | '\t' | '\u{1b}');
        let bidi = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        (c.is_control() && !newline) || bidi
    };
    assert!(!text.contains(bad), "{arguments:?} wrote {text:?}");
}
