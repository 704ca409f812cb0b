//! `valise help`: commands, exit codes, and what each error's code means.

use clap::CommandFactory as _;

use super::{
    Cli,
    error::{Code, CommandError, Exit},
};
use crate::safe::Safe;

/// The page on `topic`: nothing, a command's words, `exit-codes`, `errors`, or a code.
///
/// Errors: [`Code::NotFound`] if there is no such page.
pub fn page(topic: &[String]) -> Result<Safe, CommandError> {
    let words: Vec<&str> = topic.iter().map(String::as_str).collect();
    match *words {
        ["exit-codes"] => return Ok(exit_codes()),
        ["errors"] => return Ok(errors()),
        [word] => {
            if let Ok(code) = word.parse() {
                return Ok(explain(code));
            }
        }
        _ => {}
    }
    let mut command = Cli::command();
    command.build();
    let mut page = &mut command;
    for word in words {
        page = page.find_subcommand_mut(word).ok_or_else(|| {
            let error = format!("there is no help on {word}");
            CommandError::new(Code::NotFound, Safe::line(&error)).hint("valise --help")
        })?;
    }
    Ok(Safe::block(page.render_help().to_string().trim_end()))
}

fn exit_codes() -> Safe {
    let lines: Vec<_> = Exit::ALL
        .iter()
        .map(|exit| format!("{:>3}  {}", exit.number(), exit.meaning()))
        .collect();
    Safe::block(&lines.join("\n"))
}

fn errors() -> Safe {
    let lines: Vec<_> = Code::ALL
        .iter()
        .map(|code| format!("{}  {}", code.number(), code.meaning()))
        .collect();
    Safe::block(&lines.join("\n"))
}

fn explain(code: Code) -> Safe {
    let (number, exit) = (code.number(), code.exit());
    let (meaning, remedy) = (code.meaning(), code.remedy());
    Safe::block(&format!(
        "{number}: {meaning}\n\nWhat to do: {remedy}\n\nExit code: {} ({})",
        exit.number(),
        exit.meaning()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(topic: &str) -> String {
        let topic: Vec<_> = topic.split_whitespace().map(str::to_owned).collect();
        page(&topic).unwrap().to_string()
    }

    #[test]
    fn a_code_is_explained_in_either_case() {
        insta::assert_snapshot!(show("v0406"), @r"
        V0406: A person's keys changed since you last wrote to them.

        What to do: Call them, not by Valise, and ask whether they added a new key. If they did, run `valise contact accept NAME`; if they did not, call an admin.

        Exit code: 6 (trust alarm: an identity does not check, nothing was sent)
        ");
    }

    #[test]
    fn exit_codes_are_listed() {
        insta::assert_snapshot!(show("exit-codes"), @r"
          0  done
          1  failed
          2  wrong usage, or a question that nobody could be asked
          3  cancelled by you
          4  locked: unlock or join first
          5  not found
          6  trust alarm: an identity does not check, nothing was sent
          7  server unreachable; a letter stays in the outbox
          8  security key absent, not touched, or PIN wrong or blocked
          9  refused by the organisation's policy
         10  would need the network
         11  nothing new
         12  done, but a message did not open, is missing or was late: see events
        141  the program reading the answer went away
        ");
    }

    #[test]
    fn every_code_is_listed() {
        let text = show("errors");
        assert_eq!(text.lines().count(), Code::ALL.len());
        assert!(text.contains("V0303  The PIN was wrong."));
    }

    #[test]
    fn commands_have_their_page() {
        assert!(show("").starts_with("Write and read letters"));
        assert!(show("admin role grant").contains("valise admin role grant karim"));
        assert_eq!(show("ls"), show("list"));
    }

    #[test]
    fn an_unknown_topic_is_not_found_and_is_harmless() {
        let error = page(&["\x1b[2J".to_owned()]).unwrap_err();
        assert_eq!(error.exit(), Exit::NotFound);
        assert!(!error.error.as_str().contains('\x1b'));
    }
}
