//! The one type through which text reaches the terminal.
//!
//! Subjects, bodies, file names and even the server's errors are written by others. On a terminal
//! text is also a program: escape sequences set the clipboard, forge a title, answer questions at
//! the prompt; bidi overrides make `exe.gpj` read `jpg.exe`; invisible characters carry what nobody
//! sees (C07). [`Safe`] is made only by sanitising, and [`crate::cli::ui`] prints nothing else.
//!
//! What happens to a character, and why it reads best:
//!
//! | character | fate |
//! |-|-|
//! | control characters (C0, DEL, C1, and so ESC), noncharacters | `U+FFFD`: the reader sees that something was there, and the harmless rest of the sequence betrays it |
//! | bidi embeddings, overrides, isolates | `U+FFFD`: they exist to reorder what is read |
//! | bidi marks, zero-width spaces, fillers, tags, other invisible characters | removed: honest text has them too, and without them it looks the same |
//! | joiners and emoji selectors | kept once between characters that they can join (👩‍🚀, Persian), else removed |
//! | more than eight marks over one letter, or one over nothing | removed: they paint over the neighbours |
//! | line and paragraph separators, CR LF | a newline |

use std::{
    fmt::{self, Write as _},
    num::NonZeroUsize,
};

use serde::Serialize;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};
use valise_proto::id::{
    DeviceId, EnrolmentId, GroupId, Hash, KeyId, LetterId, Name, OrgId, OrgTag, ProposalId,
    SessionId, SubmissionId, ThreadId,
};

/// Stands where a dangerous character stood.
const MARK: char = char::REPLACEMENT_CHARACTER;

/// Most combining marks that one letter carries. Living scripts need four.
const MARKS_MAX: u32 = 8;

/// Text that a terminal only prints: no character in it moves, reorders, hides or commands.
///
/// Text that varies must say whether it may span lines: a `String` does not turn into `Safe` by
/// itself, because a newline in a subject forges the next line.
///
/// ```compile_fail
/// let subject = String::from("hello");
/// let safe: valise_client::safe::Safe = subject.into();
/// ```
///
/// ```compile_fail
/// fn print(subject: &str) -> valise_client::safe::Safe {
///     subject.into()
/// }
/// ```
///
/// ```
/// use valise_client::safe::Safe;
/// let subject = String::from("hello\nfrom: alice");
/// assert_eq!(Safe::line(&subject).as_str(), "hello from: alice");
/// let written_by_us: Safe = "hello".into();
/// ```
#[derive(Clone, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Safe(String);

impl Safe {
    /// Sanitises text for one line: newlines and tabs become a space.
    pub fn line(text: &str) -> Self {
        Self(sanitise(text, " ", ' '))
    }

    /// Sanitises text of several lines: newlines and tabs stay.
    pub fn block(text: &str) -> Self {
        Self(sanitise(text, "\n", '\t'))
    }

    /// Writes `value` as JSON on one line. Nothing is lost: every character that [`Safe::line`]
    /// might touch is written as a `\u` escape, which every JSON reader turns back.
    ///
    /// Errors: the value cannot be JSON, such as a map whose keys are not text.
    pub fn json<T: Serialize + ?Sized>(value: &T) -> Result<Self, serde_json::Error> {
        let json = serde_json::to_string(value)?;
        let mut out = String::with_capacity(json.len());
        // Outside its strings JSON is plain ASCII, so an escape lands in a string.
        for character in json.chars() {
            if fate(character) == Fate::Keep && character.width() != Some(0) {
                out.push(character);
            } else {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    write!(out, "\\u{unit:04x}").unwrap_or_default();
                }
            }
        }
        Ok(Self(out))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Columns that the widest line takes (UAX 11).
    pub fn width(&self) -> usize {
        self.0
            .lines()
            .map(UnicodeWidthStr::width)
            .max()
            .unwrap_or(0)
    }

    /// The same text on one line.
    #[must_use]
    pub fn to_line(&self) -> Self {
        Self::line(&self.0)
    }

    /// One line of at most `columns`: what does not fit ends in `…`.
    #[must_use]
    pub fn truncate(&self, columns: NonZeroUsize) -> Self {
        let line = self.to_line();
        if line.width() <= columns.get() {
            return line;
        }
        let room = columns.get() - 1;
        let mut end = 0;
        for (start, character) in line.0.char_indices() {
            let next = start + character.len_utf8();
            // The width of the whole head, since a sequence is narrower than its parts.
            let width = line.0.get(..next).map_or(0, UnicodeWidthStr::width);
            if width > room + 2 {
                break;
            }
            if width <= room {
                end = next;
            }
        }
        let head = line.0.get(..end).unwrap_or_default();
        let head = head.trim_end_matches(|c: char| c.is_whitespace() || is_joiner(c));
        Self(format!("{head}…"))
    }
}

impl fmt::Display for Safe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Safe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl Serialize for Safe {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// Our own words. `'static` keeps borrowed text out: that needs [`Safe::line`] or [`Safe::block`].
impl From<&'static str> for Safe {
    fn from(text: &'static str) -> Self {
        Self::block(text)
    }
}

macro_rules! from_plain {
    ($($plain:ty),+ $(,)?) => {
        $(impl From<$plain> for Safe {
            fn from(value: $plain) -> Self {
                Self::line(&value.to_string())
            }
        })+
    };
}

// Types whose text is digits or a small alphabet.
from_plain!(
    u16,
    u32,
    u64,
    usize,
    &Name,
    Name,
    DeviceId,
    EnrolmentId,
    GroupId,
    Hash,
    KeyId,
    LetterId,
    OrgId,
    OrgTag,
    ProposalId,
    SessionId,
    SubmissionId,
    ThreadId,
);

#[derive(Clone, Copy, Eq, PartialEq)]
enum Fate {
    Break,
    Drop,
    Join,
    Keep,
    Mark,
    Select,
    Tab,
}

fn fate(character: char) -> Fate {
    match character {
        '\n' | '\u{2028}' | '\u{2029}' => Fate::Break,
        '\t' => Fate::Tab,
        '\u{200C}' | '\u{200D}' => Fate::Join,
        '\u{FE0E}' | '\u{FE0F}' => Fate::Select,
        '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => Fate::Mark,
        // Default_Ignorable_Code_Point and its like (UAX 44): they print nothing.
        '\u{AD}'
        | '\u{34F}'
        | '\u{61C}'
        | '\u{115F}'
        | '\u{1160}'
        | '\u{17B4}'
        | '\u{17B5}'
        | '\u{180B}'..='\u{180F}'
        | '\u{200B}'
        | '\u{200E}'
        | '\u{200F}'
        | '\u{2060}'..='\u{2065}'
        | '\u{206A}'..='\u{206F}'
        | '\u{3164}'
        | '\u{FE00}'..='\u{FE0D}'
        | '\u{FEFF}'
        | '\u{FFA0}'
        | '\u{FFF0}'..='\u{FFFB}'
        | '\u{1BCA0}'..='\u{1BCA3}'
        | '\u{1D173}'..='\u{1D17A}'
        | '\u{E0000}'..='\u{E0FFF}' => Fate::Drop,
        _ if character.is_control() || is_noncharacter(character) => Fate::Mark,
        _ => Fate::Keep,
    }
}

/// Unicode 15 §23.7.
fn is_noncharacter(character: char) -> bool {
    let code = u32::from(character);
    matches!(code, 0xFDD0..=0xFDEF) || code & 0xFFFE == 0xFFFE
}

fn is_joiner(character: char) -> bool {
    fate(character) == Fate::Join
}

/// Whether `character` takes room of its own.
fn is_visible(character: char) -> bool {
    fate(character) == Fate::Keep && character.width().is_some_and(|width| width > 0)
}

fn sanitise(text: &str, newline: &str, tab: char) -> String {
    let mut out = String::with_capacity(text.len());
    // The last character of this line that was kept, and how many marks sit on it.
    let mut previous: Option<char> = None;
    let mut marks = 0;
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        let next = rest.peek().copied();
        if character == '\r' && next == Some('\n') {
            continue;
        }
        let kept = match fate(character) {
            Fate::Break => {
                out.push_str(newline);
                previous = None;
                continue;
            }
            Fate::Tab => tab,
            Fate::Mark => MARK,
            Fate::Join if joins(previous, next) => character,
            Fate::Select if selects(previous) => character,
            Fate::Drop | Fate::Join | Fate::Select => continue,
            Fate::Keep => character,
        };
        if is_visible(kept) || fate(kept) == Fate::Tab {
            marks = 0;
        } else if fate(kept) == Fate::Keep {
            marks += 1;
            if previous.is_none_or(char::is_whitespace) || marks > MARKS_MAX {
                continue;
            }
        }
        out.push(kept);
        previous = Some(kept);
    }
    out
}

/// Whether a joiner does honest work here: no script that needs one is ASCII. What follows is
/// visible, so of a run of joiners only the last stays.
fn joins(previous: Option<char>, next: Option<char>) -> bool {
    previous.is_some_and(|previous| !previous.is_ascii())
        && next.is_some_and(|next| !next.is_ascii() && is_visible(next))
}

/// Whether an emoji selector does honest work here: once, after an emoji or a keycap.
fn selects(previous: Option<char>) -> bool {
    previous.is_some_and(|previous| {
        matches!(previous, '#' | '*' | '0'..='9')
            || (!previous.is_ascii() && is_visible(previous) && !previous.is_whitespace())
    })
}

#[cfg(test)]
mod tests;
