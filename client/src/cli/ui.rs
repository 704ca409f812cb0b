//! The only file that writes to the terminal. Its rules:
//!
//! * stdout is the answer; stderr is everything else: notes, progress, questions, refusals.
//! * Text arrives as [`Safe`], or as JSON whose dangerous characters are escaped. There is no other
//!   way in, so nobody's text commands the terminal (C07).
//! * On a terminal the answer is for people: columns without borders, local time, colour. Elsewhere
//!   it is plain: tab-separated, whole ids, UTC. `-o json` is one object, or one a line for lists.
//! * Colour is never alone: what is bold also has a mark.
//! * We ask only if both stdin and stderr are terminals and nobody said `--no-input`. Otherwise we
//!   refuse, and name the flag that would have answered. A PIN has no such flag.
//! * Notes and refusals are lower case, without a full stop.
//! * When the reader of the answer goes away we end silently, with 141.

use std::{
    io::{self, BufRead, IsTerminal as _, Read as _, Write},
    num::NonZeroUsize,
};

use anstyle::Style;
use jiff::{Timestamp, tz::TimeZone};
use serde::Serialize;
use zeroize::Zeroizing;

use super::error::{Code, CommandError, Exit};
use crate::{
    clock::{self, Clock},
    config::{Color, Config, Format},
    safe::Safe,
};

pub use meter::{Meter, size};
pub use table::{Cell, Column, Record, Row, Table};

mod meter;
mod table;

/// Longest line that a question reads, in bytes.
const ANSWER_MAX: u64 = 4096;

/// Goes to the start of the line and erases it (ECMA-48 §8.3.41).
const ERASE_LINE: &str = "\r\x1b[K";

/// What the person chose about the terminal.
#[derive(Clone, Debug, Default)]
pub struct Choices {
    /// How answers look; none means human on a terminal and plain elsewhere.
    pub format: Option<Format>,
    /// When to colour.
    pub color: Color,
    /// Never ask.
    pub no_input: bool,
    /// Every yes-or-no question is answered with yes.
    pub yes: bool,
    /// Also say what is going on.
    pub verbose: bool,
    /// The zone of times that people read; none means the system's.
    pub zone: Option<TimeZone>,
}

impl Choices {
    /// What flags, environment and file say. `--yes` and `-v` are this command's own.
    pub fn of(config: &Config, yes: bool, verbose: bool) -> Self {
        Self {
            format: config.format.value,
            color: config.color.value,
            no_input: config.no_input.value,
            yes,
            verbose,
            zone: Some(config.zone()),
        }
    }
}

/// Where questions are answered.
enum Answers {
    /// The terminal of this process.
    Terminal,
    /// Nobody is there.
    Nobody,
    /// The test, by the lines of `input`; a PIN too.
    #[cfg(test)]
    Script,
}

/// One of the two streams that we write to.
struct Output {
    to: Box<dyn Write + Send>,
    is_terminal: bool,
    colour: bool,
}

/// What is connected to the process.
struct Streams {
    out: Output,
    err: Output,
    input: Box<dyn BufRead + Send>,
    answers: Answers,
    /// Columns of the terminal that stdout is.
    columns: Option<NonZeroUsize>,
}

/// The terminal, or whatever stands in its place.
pub struct Ui {
    out: Output,
    err: Output,
    input: Box<dyn BufRead + Send>,
    answers: Answers,
    clock: Box<dyn Clock>,
    look: Look,
    choices: Choices,
    progress_shown: bool,
}

/// How the answer looks.
struct Look {
    format: Format,
    colour: bool,
    columns: Option<NonZeroUsize>,
    zone: TimeZone,
    now_ms: u64,
}

impl Ui {
    /// The terminal of this process.
    pub fn of_process(choices: Choices) -> Self {
        let colour = |auto: anstream::ColorChoice| match choices.color {
            Color::Always => true,
            Color::Auto => auto != anstream::ColorChoice::Never,
            Color::Never => false,
        };
        let (out, err) = (io::stdout(), io::stderr());
        let columns = terminal_size::terminal_size_of(&out);
        let answers = if io::stdin().is_terminal() && err.is_terminal() {
            Answers::Terminal
        } else {
            Answers::Nobody
        };
        let streams = Streams {
            out: Output {
                is_terminal: out.is_terminal(),
                colour: colour(anstream::AutoStream::choice(&out)),
                to: Box::new(out),
            },
            err: Output {
                is_terminal: err.is_terminal(),
                colour: colour(anstream::AutoStream::choice(&err)),
                to: Box::new(err),
            },
            input: Box::new(io::BufReader::new(io::stdin())),
            answers,
            columns: columns.and_then(|(width, _)| NonZeroUsize::new(width.0.into())),
        };
        Self::new(streams, choices, Box::new(clock::System))
    }

    fn new(streams: Streams, choices: Choices, clock: Box<dyn Clock>) -> Self {
        let format = choices.format.unwrap_or(if streams.out.is_terminal {
            Format::Human
        } else {
            Format::Plain
        });
        Self {
            look: Look {
                format,
                colour: streams.out.colour && format == Format::Human,
                columns: streams.columns,
                zone: choices.zone.clone().unwrap_or_else(TimeZone::system),
                now_ms: clock.now_ms(),
            },
            out: streams.out,
            err: streams.err,
            input: streams.input,
            answers: streams.answers,
            clock,
            choices,
            progress_shown: false,
        }
    }

    /// How answers look.
    pub fn format(&self) -> Format {
        self.look.format
    }

    /// Whether a question can be asked. Where not, prompts refuse.
    pub fn is_interactive(&self) -> bool {
        !self.choices.no_input && !matches!(self.answers, Answers::Nobody)
    }

    /// A time as people read it: `Tue 17 Nov 12:06` in their zone, with the year if it is not this
    /// one. In plain and JSON, RFC 3339 in UTC. `at_ms` is milliseconds since 1970 UTC.
    pub fn time(&mut self, at_ms: u64) -> Safe {
        self.look.now_ms = self.clock.now_ms();
        self.look.time(at_ms)
    }

    /// Writes text and a newline to stdout.
    pub fn print(&mut self, text: impl Into<Safe>) -> Result<(), CommandError> {
        self.answer(&format!("{}\n", text.into()))
    }

    /// Writes a list: aligned columns, tab-separated fields, or one JSON object a line.
    pub fn table(&mut self, table: &Table) -> Result<(), CommandError> {
        self.look.now_ms = self.clock.now_ms();
        let text = table.render(&self.look)?;
        self.answer(&text)
    }

    /// Writes a list that may well be empty. Then people read `nothing` on stderr: silence would
    /// leave them wondering.
    pub fn table_or(&mut self, table: &Table, nothing: &'static str) -> Result<(), CommandError> {
        if table.is_empty() && self.look.format == Format::Human {
            self.note(nothing);
        }
        self.table(table)
    }

    /// Writes one thing: labelled lines, tab-separated pairs, or one JSON object.
    pub fn record(&mut self, record: &Record) -> Result<(), CommandError> {
        self.look.now_ms = self.clock.now_ms();
        let text = record.render(&self.look)?;
        self.answer(&text)
    }

    /// Writes `value` as one line of JSON.
    pub fn json<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), CommandError> {
        self.json_lines([value])
    }

    /// Writes one line of JSON for each of `values`.
    pub fn json_lines<T: Serialize>(
        &mut self,
        values: impl IntoIterator<Item = T>,
    ) -> Result<(), CommandError> {
        let mut text = String::new();
        for value in values {
            text.push_str(to_json(&value)?.as_str());
            text.push('\n');
        }
        self.answer(&text)
    }

    /// Says something on stderr. That nobody can read it is no reason to fail.
    pub fn note(&mut self, text: impl Into<Safe>) {
        self.tell(&format!("{}\n", text.into()));
    }

    /// Says something on stderr if `-v` was given.
    pub fn verbose(&mut self, text: impl Into<Safe>) {
        if self.choices.verbose {
            self.note(text);
        }
    }

    /// Shows what is going on, on a line that the next output erases. Only for people at a
    /// terminal.
    pub fn progress(&mut self, text: impl Into<Safe>) {
        if self.err.is_terminal && self.look.format == Format::Human {
            let line = text.into().to_line();
            let line = match self.look.columns.and_then(|columns| {
                // The last column stays free: some terminals wrap when it is written.
                NonZeroUsize::new(columns.get() - 1)
            }) {
                Some(columns) => line.truncate(columns),
                None => line,
            };
            self.tell(&line.to_string());
            self.progress_shown = true;
        }
    }

    /// Erases the progress line.
    pub fn progress_end(&mut self) {
        self.tell("");
    }

    /// Shows how far a file is, from any place, in the same way.
    pub fn meter(&self) -> Option<Meter> {
        let people = self.err.is_terminal && self.look.format == Format::Human;
        let (to, clock) = (Box::new(io::stderr()), Box::new(clock::System));
        people.then(|| Meter::new(to, clock, self.look.columns))
    }

    /// Shows a refusal on stderr and says how to exit.
    pub fn error(&mut self, error: &CommandError) -> Exit {
        let text = error.render(self.look.format, self.err.colour);
        self.tell(&text);
        error.exit()
    }

    /// Shows what clap has to say: help and version on stdout, a wrong command line on stderr.
    pub fn clap(&mut self, error: &clap::Error) -> Exit {
        let styled = error.render();
        if error.use_stderr() {
            if self.look.format == Format::Json {
                let text = Safe::block(&styled.to_string());
                let line = text.as_str().lines().next().unwrap_or_default();
                let line = line.strip_prefix("error: ").unwrap_or(line);
                return self.error(&CommandError::new(Code::Usage, Safe::line(line)));
            }
            // clap quotes what this person typed, and escapes nothing in it.
            self.tell(Safe::block(&styled.to_string()).as_str());
            return Exit::Usage;
        }
        let text = if self.look.colour {
            styled.ansi().to_string()
        } else {
            styled.to_string()
        };
        match self.answer(&text) {
            Ok(()) => Exit::Done,
            Err(error) => self.error(&error),
        }
    }

    /// Asks `question [y/N]`. `--yes` answers it.
    ///
    /// Errors: [`Code::Cancelled`] unless the answer is yes; [`Code::Unasked`] where nobody can be
    /// asked.
    pub fn confirm(&mut self, question: impl Into<Safe>) -> Result<(), CommandError> {
        if self.agrees(question)? {
            Ok(())
        } else {
            Err(cancelled())
        }
    }

    /// Asks for a yes, where a no is an answer as well: false. Neither of them is a refusal.
    ///
    /// Errors: as [`Ui::confirm`].
    pub fn agrees(&mut self, question: impl Into<Safe>) -> Result<bool, CommandError> {
        if self.choices.yes {
            return Ok(true);
        }
        let question = Safe::line(&format!("{} [y/N]", question.into()));
        let answer = self.ask(question, "--yes")?;
        match answer.to_lowercase().as_str() {
            "y" | "yes" => Ok(true),
            "n" | "no" => Ok(false),
            _ => Err(cancelled()),
        }
    }

    /// Asks to type `name`, for acts that cannot be undone. `--yes` answers it.
    ///
    /// Errors: as [`Ui::confirm`].
    pub fn type_name(
        &mut self,
        question: impl Into<Safe>,
        name: impl Into<Safe>,
    ) -> Result<(), CommandError> {
        if self.choices.yes {
            return Ok(());
        }
        let name = name.into().to_line();
        let question = Safe::line(&format!("{} — type {name} to go on:", question.into()));
        if self.ask(question, "--yes")? == name.as_str() {
            Ok(())
        } else {
            Err(cancelled())
        }
    }

    /// Asks for a line of text, without the spaces around it. `flag` is what would have answered.
    ///
    /// Errors: [`Code::Unasked`] where nobody can be asked, [`Code::Cancelled`] at the end of
    /// input.
    pub fn ask(
        &mut self,
        question: impl Into<Safe>,
        flag: &'static str,
    ) -> Result<String, CommandError> {
        let question = question.into().to_line();
        if !self.is_interactive() {
            return Err(self
                .unasked(Safe::line(&format!("cannot ask: {question}")))
                .hint(Safe::line(&format!("pass {flag}"))));
        }
        self.tell(&format!("{question} "));
        let mut line = String::new();
        match (&mut self.input).take(ANSWER_MAX).read_line(&mut line) {
            Ok(0) => {
                self.tell("\n");
                Err(cancelled())
            }
            Ok(_) => Ok(line.trim().to_owned()),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(cancelled()),
            Err(error) => Err(error.into()),
        }
    }

    /// Asks for the PIN of a security key, from the terminal itself and without echo. No flag, no
    /// variable and no pipe can answer.
    ///
    /// Errors: [`Code::Unasked`] without a terminal, [`Code::Cancelled`] if nothing was typed.
    pub fn pin(&mut self, question: impl Into<Safe>) -> Result<Zeroizing<String>, CommandError> {
        let question = question.into().to_line();
        if !self.is_interactive() {
            return Err(self
                .unasked("a PIN is typed at a terminal and nowhere else".into())
                .hint("run valise unlock in a terminal first"));
        }
        self.tell(&format!("{question} "));
        let read = match self.answers {
            Answers::Terminal => rpassword::read_password(),
            Answers::Nobody => Ok(String::new()),
            #[cfg(test)]
            Answers::Script => {
                let mut line = String::new();
                let read = self.input.read_line(&mut line);
                read.map(|_| line.trim_end_matches('\n').to_owned())
            }
        };
        match read.map(Zeroizing::new) {
            Ok(pin) if pin.is_empty() => Err(cancelled()),
            Ok(pin) => Ok(pin),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(cancelled()),
            Err(error) => Err(error.into()),
        }
    }

    /// Reads all of stdin as text, such as a letter's body: from a pipe, or typed up to Ctrl-D.
    /// `what` names it, and `flag` is what would have given it. At most `max_bytes`.
    ///
    /// Errors: [`Code::TooLarge`]; [`Code::Usage`] if it is not UTF-8; [`Code::Unasked`] at a
    /// terminal under `--no-input`.
    pub fn read_text(
        &mut self,
        what: &'static str,
        flag: &'static str,
        max_bytes: usize,
    ) -> Result<String, CommandError> {
        if !matches!(self.answers, Answers::Nobody) {
            if self.choices.no_input {
                return Err(self
                    .unasked(Safe::line(&format!("there is no {what}")))
                    .hint(Safe::line(&format!("pass {flag}"))));
            }
            self.note(Safe::line(&format!("type the {what}, then Ctrl-D")));
        }
        let limit = u64::try_from(max_bytes).unwrap_or(u64::MAX);
        let mut bytes = Vec::new();
        (&mut self.input)
            .take(limit.saturating_add(1))
            .read_to_end(&mut bytes)?;
        if bytes.len() > max_bytes {
            let error = format!("the {what} is larger than {max_bytes} bytes");
            return Err(CommandError::new(Code::TooLarge, Safe::line(&error)));
        }
        String::from_utf8(bytes).map_err(|_| {
            let error = format!("the {what} is not UTF-8 text");
            CommandError::new(Code::Usage, Safe::line(&error))
        })
    }

    fn unasked(&self, error: Safe) -> CommandError {
        let why = if self.choices.no_input {
            "input was switched off with --no-input"
        } else {
            "stdin and stderr are not both terminals"
        };
        CommandError::new(Code::Unasked, error)
            .outcome("nothing was done")
            .fact("why", why)
    }

    /// Writes to stdout.
    fn answer(&mut self, text: &str) -> Result<(), CommandError> {
        self.tell("");
        self.out.to.write_all(text.as_bytes())?;
        Ok(self.out.to.flush()?)
    }

    /// Writes to stderr, after the progress line is gone. If stderr is gone there is nobody to tell.
    fn tell(&mut self, text: &str) {
        let erase = if self.progress_shown { ERASE_LINE } else { "" };
        self.progress_shown = false;
        self.err
            .to
            .write_all(format!("{erase}{text}").as_bytes())
            .and_then(|()| self.err.to.flush())
            .unwrap_or_default();
    }
}

impl Look {
    fn time(&self, at_ms: u64) -> Safe {
        let at = timestamp(at_ms);
        if self.format != Format::Human {
            return Safe::line(&at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
        }
        let local = at.to_zoned(self.zone.clone());
        let now = timestamp(self.now_ms).to_zoned(self.zone.clone());
        let pattern = if local.year() == now.year() {
            "%a %-d %b %H:%M"
        } else {
            "%a %-d %b %Y %H:%M"
        };
        Safe::line(&local.strftime(pattern).to_string())
    }

    fn paint(&self, style: Style, text: &str) -> String {
        if self.colour {
            format!("{style}{text}{style:#}")
        } else {
            text.to_owned()
        }
    }
}

/// Times beyond the year 9999, which only a liar writes, are its end.
fn timestamp(at_ms: u64) -> Timestamp {
    i64::try_from(at_ms)
        .ok()
        .and_then(|at_ms| Timestamp::from_millisecond(at_ms).ok())
        .unwrap_or(Timestamp::MAX)
}

fn to_json<T: Serialize + ?Sized>(value: &T) -> Result<Safe, CommandError> {
    Safe::json(value)
        .map_err(|error| CommandError::new(Code::Failed, Safe::line(&error.to_string())))
}

fn cancelled() -> CommandError {
    CommandError::new(Code::Cancelled, "cancelled").outcome("nothing was done")
}

#[cfg(test)]
mod tests;
