//! What a refusal says, in one form for people and one for scripts.
//!
//! One line of what happened and what did not, then facts, then one command. Lower case, no full
//! stop. The code never changes: it is what one searches for in any language, and what
//! `valise help V0406` explains. Never a backtrace.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use serde_json::json;
use unicode_width::UnicodeWidthStr;

use crate::{config, safe::Safe};

pub use codes::{Code, UnknownCode};
pub use exit::Exit;

mod codes;
mod exit;

/// `error[V0406]`.
const HEADLINE: Style = AnsiColor::Red.on_default().bold();
/// The labels of facts.
const LABEL: Style = Style::new().dimmed();

/// Why a command did not do what it was asked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CommandError {
    /// What kind of refusal: decides the exit code and the help page.
    pub code: Code,
    /// What happened, as one line.
    pub error: Safe,
    /// What did not happen because of it, such as `nothing was sent`.
    pub outcome: Option<&'static str>,
    /// What was expected and seen, and why: label and text.
    pub facts: Vec<(Safe, Safe)>,
    /// One next command, or one thing to do.
    pub hint: Option<Safe>,
}

impl CommandError {
    /// A refusal. Text that varies goes through [`Safe::line`] first.
    pub fn new(code: Code, error: impl Into<Safe>) -> Self {
        Self {
            code,
            error: error.into().to_line(),
            outcome: None,
            facts: Vec::new(),
            hint: None,
        }
    }

    /// Says what did not happen.
    #[must_use]
    pub fn outcome(mut self, outcome: &'static str) -> Self {
        self.outcome = Some(outcome);
        self
    }

    /// Adds a fact. The label is one short word; text of several lines is indented.
    #[must_use]
    pub fn fact(mut self, label: impl Into<Safe>, text: impl Into<Safe>) -> Self {
        self.facts.push((label.into().to_line(), text.into()));
        self
    }

    /// Names the one next command.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<Safe>) -> Self {
        self.hint = Some(hint.into().to_line());
        self
    }

    /// The exit code.
    pub fn exit(&self) -> Exit {
        self.code.exit()
    }

    /// The text for stderr, with its newline. Nothing at all when the pipe is closed: whoever
    /// closed it knows.
    pub(super) fn render(&self, format: config::Format, colour: bool) -> String {
        match (self.code, format) {
            (Code::PipeClosed, _) => String::new(),
            (_, config::Format::Json) => self.to_json(),
            (_, config::Format::Human | config::Format::Plain) => self.to_text(colour),
        }
    }

    fn to_text(&self, colour: bool) -> String {
        let paint = |style: Style, text: &str| {
            if colour {
                format!("{style}{text}{style:#}")
            } else {
                text.to_owned()
            }
        };
        let number = self.code.number();
        let mut out = paint(HEADLINE, &format!("error[{number}]"));
        let _ = write!(out, ": {}", self.error);
        if let Some(outcome) = self.outcome {
            let _ = write!(out, " — {outcome}");
        }
        out.push('\n');

        let more = Safe::line(&format!("valise help {number}"));
        let (last, text) = match &self.hint {
            Some(hint) => ("try", Safe::line(&format!("{hint}        more: {more}"))),
            None => ("more", more),
        };
        let last = (Safe::from(last), text);
        let rows = || self.facts.iter().chain([&last]);
        let widest = rows().map(|(label, _)| label.width()).max().unwrap_or(0);
        for (label, text) in rows() {
            let mut head = label.as_str();
            for line in text.as_str().split('\n') {
                let gap = widest - head.width().min(widest) + 3;
                let _ = writeln!(out, "  {}{:gap$}{line}", paint(LABEL, head), "");
                head = "";
            }
        }
        out
    }

    fn to_json(&self) -> String {
        let facts: Vec<_> = self
            .facts
            .iter()
            .map(|(label, text)| json!({ "label": label, "text": text }))
            .collect();
        let value = json!({
            "code": self.code.number(),
            "error": self.error,
            "exit": self.exit().number(),
            "facts": facts,
            "outcome": self.outcome,
            "try": self.hint,
        });
        // Text keys and text values: this cannot fail.
        let json = Safe::json(&value).unwrap_or_default();
        format!("{json}\n")
    }
}

/// Writing the answer failed: quietly when the reader went away, as `head` does.
impl From<std::io::Error> for CommandError {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            Self::new(Code::PipeClosed, "the reader went away")
        } else {
            Self::new(Code::Failed, Safe::line(&error.to_string()))
        }
    }
}

impl From<config::Error> for CommandError {
    fn from(error: config::Error) -> Self {
        let text = error.to_string();
        let (first, rest) = text.split_once('\n').unwrap_or((&text, ""));
        let line = Safe::line(first);
        match &error {
            config::Error::File { .. } => {
                let refusal = Self::new(Code::Settings, line).hint("correct it, or take it out");
                if rest.is_empty() {
                    refusal
                } else {
                    refusal.fact("where", Safe::block(rest))
                }
            }
            config::Error::Value { origin, .. } => {
                let refusal = Self::new(Code::Settings, line);
                match origin {
                    config::Origin::Environment(name) => {
                        refusal.hint(Safe::line(&format!("unset {name}")))
                    }
                    _ => refusal.hint("correct it, or take it out"),
                }
            }
            config::Error::Io { .. } => Self::new(Code::Failed, line),
            config::Error::NoHome => {
                Self::new(Code::Settings, line).hint("name a folder with --home")
            }
            config::Error::OpenToOthers { path, .. } => Self::new(Code::HomeOpen, line)
                .outcome("nothing was read")
                .hint(Safe::line(&format!("chmod 700 {}", path.display()))),
            config::Error::Owner { .. } => {
                Self::new(Code::HomeOpen, line).outcome("nothing was read")
            }
        }
    }
}

#[cfg(test)]
mod tests;
