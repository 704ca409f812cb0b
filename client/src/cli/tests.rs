//! The shape of the tree: every leaf has an example, every page fits a screen.

use std::time::Duration;

use clap::{CommandFactory as _, Parser as _, error::ErrorKind};
use valise_proto::id::Name;

use super::*;
use crate::config::{Color, Flags, Format};

/// Every command with its path, inner ones too.
fn pages() -> Vec<(String, clap::Command)> {
    let mut command = Cli::command().term_width(80);
    command.build();
    let mut found = Vec::new();
    let mut rest = vec![("valise".to_owned(), command)];
    while let Some((path, command)) = rest.pop() {
        for inner in command.get_subcommands() {
            rest.push((format!("{path} {}", inner.get_name()), inner.clone()));
        }
        found.push((path, command));
    }
    found
}

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(line.split_whitespace())
}

#[test]
fn the_tree_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn every_page_fits_a_screen() {
    for (path, mut command) in pages() {
        let text = command.render_help().to_string();
        // Without long texts clap shows the same page for -h and --help.
        assert!(command.get_long_about().is_none(), "{path}");
        assert!(
            command.get_arguments().all(|a| a.get_long_help().is_none()),
            "{path}"
        );
        assert!(text.lines().count() <= 40, "{path}:\n{text}");
        for line in text.lines() {
            assert!(line.chars().count() <= 80, "{path}: {line}");
        }
    }
}

#[test]
fn every_leaf_has_an_example_that_parses() {
    let mut leaves = 0;
    for (path, command) in pages() {
        if command.has_subcommands() && path != "valise outbox" {
            continue;
        }
        leaves += 1;
        let after = command.get_after_help().map(ToString::to_string);
        let after = after.unwrap_or_default();
        let examples: Vec<_> = after
            .lines()
            .filter_map(|line| line.strip_prefix("  "))
            .collect();
        assert!(!examples.is_empty(), "{path} has no example");
        for example in examples {
            assert!(example.starts_with(&path), "{path}: {example}");
            let line = example.split(" < ").next().unwrap();
            let words = words(line);
            Cli::try_parse_from(words).unwrap_or_else(|error| panic!("{example}\n{error}"));
        }
    }
    assert_eq!(leaves, 87);
}

/// A shell's words, with single quotes only.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (index, part) in line.split('\'').enumerate() {
        if index % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

#[test]
fn every_first_line_is_short_and_imperative() {
    for (path, command) in pages() {
        let about = command
            .get_about()
            .unwrap_or_else(|| panic!("{path} has no about"));
        let about = about.to_string();
        assert!(about.chars().count() <= 60, "{path}: {about}");
        assert!(!about.ends_with('.'), "{path}: {about}");
        assert!(about.starts_with(char::is_uppercase), "{path}: {about}");
    }
}

/// Whatever a person is asked for, somebody can talk them into giving it away. The one secret, the PIN,
/// goes from the keyboard into the key, and no flag, argument or variable takes it.
#[test]
fn e09_no_flag_takes_a_secret() {
    let secrets = [
        "pin",
        "password",
        "passphrase",
        "secret",
        "token",
        "seed",
        "phrase",
        "otp",
        "private",
        "recovery-key",
        "backup",
    ];
    let mut looked = 0;
    for (path, command) in pages() {
        for argument in command.get_arguments() {
            let values = argument.get_value_names().unwrap_or_default();
            let help = argument.get_help().map(ToString::to_string);
            let names = [
                argument.get_id().to_string(),
                argument.get_long().unwrap_or_default().to_owned(),
                values.iter().map(ToString::to_string).collect::<String>(),
                help.unwrap_or_default(),
            ];
            looked += 1;
            for name in names.map(|name| name.to_lowercase()) {
                let mut words = name.split(|letter: char| !letter.is_alphanumeric());
                assert!(!words.any(|word| secrets.contains(&word)), "{path} {name}");
            }
        }
    }
    assert!(looked > 50, "{looked}");
}

#[test]
fn a_letter_as_typed() {
    let cli = parse("valise send lea karim -c ines -c zoe -s Bus -m hello -y -o json").unwrap();
    assert_eq!(cli.global.output, Some(Format::Json));
    let Some(Command::Send(send)) = cli.command else {
        panic!("{:?}", cli.command);
    };
    let names = |names: &[Name]| {
        names
            .iter()
            .map(Name::to_string)
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(
        (names(&send.to), names(&send.cc)),
        ("lea karim".into(), "ines zoe".into())
    );
    assert_eq!(
        (send.subject.as_str(), send.content.message.as_deref()),
        ("Bus", Some("hello"))
    );
    assert!(send.content.yes);
}

#[test]
fn global_flags_go_before_or_after_the_verb() {
    for line in [
        "valise --home /h --key usb --color never --no-input -o plain -v status",
        "valise status --home /h --key usb --color never --no-input -o plain -v",
    ] {
        let global = parse(line).unwrap().global;
        assert_eq!(
            global.flags(),
            Flags {
                home: Some("/h".into()),
                format: Some(Format::Plain),
                color: Some(Color::Never),
                no_input: true,
                key: Some("usb".parse().unwrap()),
            }
        );
        assert!(global.verbose);
    }
}

#[test]
fn short_forms() {
    assert!(parse("valise").unwrap().command.is_none());
    assert!(matches!(
        parse("valise ls").unwrap().command,
        Some(Command::List(_))
    ));
    assert!(matches!(
        parse("valise in").unwrap().command,
        Some(Command::Inbox)
    ));
    let Some(Command::Unlock(unlock)) = parse("valise unlock --for 90m").unwrap().command else {
        panic!("not unlock");
    };
    assert_eq!(unlock.idle, Some(Duration::from_mins(90)));
}

#[test]
fn wrong_lines_are_refused() {
    for (line, kind) in [
        ("valise send -s x", ErrorKind::MissingRequiredArgument),
        ("valise send lea", ErrorKind::MissingRequiredArgument),
        ("valise send Léa -s x", ErrorKind::ValueValidation),
        (
            "valise send lea@example.com -s x",
            ErrorKind::ValueValidation,
        ),
        ("valise read 0", ErrorKind::ValueValidation),
        ("valise unlock --for 13h", ErrorKind::ValueValidation),
        ("valise unlock --for 1s", ErrorKind::ValueValidation),
        ("valise sync --wait 0", ErrorKind::ValueValidation),
        ("valise -o yaml status", ErrorKind::InvalidValue),
        ("valise --pin 1234 unlock", ErrorKind::UnknownArgument),
        (
            "valise admin",
            ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand,
        ),
        ("valise recover", ErrorKind::InvalidSubcommand),
    ] {
        assert_eq!(parse(line).unwrap_err().kind(), kind, "{line}");
    }
}
