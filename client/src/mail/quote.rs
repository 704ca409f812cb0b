//! Quotes: what a letter says that another one said, against what that one says (G25).
//!
//! A quoted line begins with `>`, or with a sign that looks like it. Quoted lines that stand together
//! are one quote. It is verified if its words stand in the letter that is answered, one behind the
//! other and nothing between them, each under one `>` less than in the quote. Spaces and ends of
//! lines do not count, so a quote may be wrapped anew. Whoever leaves something out leaves a line
//! that is not quoted. What has no `>` before it is its writer's own word, whatever it says.

use crate::weaken::checked;

/// What begins a quoted line.
const MARKS: [char; 6] = [
    '>', '\u{203a}', '\u{276f}', '\u{fe65}', '\u{ff1e}', '\u{1433}',
];
/// More quotes than this in one letter are not looked up: they stay unverified.
const QUOTES_MAX: usize = 100;

/// Quoted lines that stand together.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Quote {
    /// The first of them: lines of the text are counted from 0.
    pub first: usize,
    /// How many.
    pub lines: usize,
    /// The letter that is answered says it.
    pub verified: bool,
}

/// The quotes in `text`, which answers a letter of the text `answered`, if that is here.
pub fn quotes(text: &str, answered: Option<&str>) -> Vec<Quote> {
    let mut quotes: Vec<Quote> = Vec::new();
    let lines: Vec<_> = text.lines().map(Line::of).collect();
    let said = answered.map(|answered| words(answered.lines().map(Line::of), 0));
    for (position, line) in lines.iter().enumerate() {
        match quotes.last_mut() {
            _ if line.depth == 0 => {}
            Some(quote) if quote.first + quote.lines == position => quote.lines += 1,
            _ => quotes.push(Quote {
                first: position,
                lines: 1,
                verified: false,
            }),
        }
    }
    for quote in quotes.iter_mut().take(QUOTES_MAX) {
        let block = lines.iter().skip(quote.first).take(quote.lines).copied();
        let found = said
            .as_ref()
            .is_some_and(|said| said.contains(&words(block, 1)));
        quote.verified = found || !checked("G25");
    }
    quotes
}

/// `text` as a quote of what `writer` wrote.
pub fn quoted(writer: &str, text: &str) -> String {
    let mut quote = format!("{writer} wrote:\n");
    for line in text.trim_end().lines() {
        // A mark on a mark, without a space, is the habit of e-mail.
        let space = if line.is_empty() || line.starts_with('>') {
            ""
        } else {
            " "
        };
        quote.extend([">", space, line, "\n"]);
    }
    quote
}

/// One line, without the marks before it.
#[derive(Clone, Copy)]
struct Line<'t> {
    depth: usize,
    text: &'t str,
}

impl<'t> Line<'t> {
    fn of(line: &'t str) -> Self {
        let mark = |character: char| MARKS.contains(&character);
        let text = line.trim_start_matches(|c: char| mark(c) || c.is_whitespace());
        let before = line.strip_suffix(text).unwrap_or_default();
        let depth = before.chars().filter(|character| mark(*character)).count();
        Self { depth, text }
    }
}

/// Every word on a line of its own behind its depth, so that a part of the words is a part of the text.
fn words<'t>(lines: impl Iterator<Item = Line<'t>>, less: usize) -> String {
    let mut all = String::from("\n");
    for line in lines {
        for word in line.text.split_whitespace() {
            let depth = line.depth.saturating_sub(less).to_string();
            all.extend([&depth, " ", word, "\n"]);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "I never said\nthat we give up.\n\n> Do we?\n\nThe vote is on Monday.";

    fn verified(text: &str) -> Vec<bool> {
        let quotes = quotes(text, Some(SAID));
        quotes.into_iter().map(|quote| quote.verified).collect()
    }

    #[test]
    fn g25_an_honest_quote_is_verified_however_it_is_wrapped() {
        assert_eq!(verified(&quoted("alice", SAID)), [true]);
        assert_eq!(verified("> I never said that\n>we give   up.\nNo?"), [true]);
        assert_eq!(
            verified("> never said\n\nNo?\n> The vote\n> is on Monday."),
            [true, true]
        );
        assert_eq!(verified(">> Do we?\nYes."), [true]);
        let twice = quoted("bob", &format!("{}\nYes.", quoted("alice", SAID)));
        let answered = format!("{}\nYes.", quoted("alice", SAID));
        assert!(
            quotes(&twice, Some(&answered))
                .iter()
                .all(|quote| quote.verified)
        );
    }

    #[test]
    fn g25_a_forged_quote_is_not_verified() {
        for forged in [
            "> We give up.",
            "> I said\n> that we give up.",
            "> I never said\n> The vote is on Monday.",
            // Another's word for the writer's own, and the other way round.
            "> Do we?",
            ">> The vote is on Monday.",
            // Half a word.
            "> that we give u",
            "\u{ff1e} We give up.",
            "\u{203a} We give up.",
            "  > We give up.",
        ] {
            assert_eq!(verified(forged), [false], "{forged}");
        }
    }

    #[test]
    fn g25_a_quote_of_nothing_is_not_verified_and_says_where_it_stands() {
        let found = quotes("Yes.\n> a\n> b\n\nNo.\n> c", None);
        let quote = |first, lines| Quote {
            first,
            lines,
            verified: false,
        };
        assert_eq!(found, [quote(1, 2), quote(5, 1)]);
        assert!(quotes("Nothing > is quoted\nhere.", Some("")).is_empty());
    }

    #[test]
    fn g25_a_hundred_thousand_quotes_are_looked_up_in_no_time() {
        let text = "> word\nother\n".repeat(80_000);
        let found = quotes(&text, Some(&"word ".repeat(200_000)));
        assert_eq!(found.len(), 80_000);
        assert_eq!(
            found.iter().filter(|quote| quote.verified).count(),
            QUOTES_MAX
        );
    }
}
