//! The name under which a file is saved: made from what a stranger wrote, and harmless everywhere (C08, C09).

use crate::safe::Safe;

/// Longest name in bytes. File systems take 255; a number in brackets must fit too.
const NAME_MAX: usize = 200;
/// Longest ending that a shortened name keeps, its dot included: bytes.
const ENDING_MAX: usize = 16;
/// What stands for a character that a file system, a shell or an eye would mistake.
const MARK: char = '_';
/// The name of a file that has none.
const NAMELESS: &str = "file";

/// Names that Windows keeps for devices, whatever follows their first dot.
const DEVICES: &[&str] = &[
    "aux", "clock$", "con", "conin$", "conout$", "nul", "prn", "com0", "com1", "com2", "com3",
    "com4", "com5", "com6", "com7", "com8", "com9", "com¹", "com²", "com³", "lpt0", "lpt1", "lpt2",
    "lpt3", "lpt4", "lpt5", "lpt6", "lpt7", "lpt8", "lpt9", "lpt¹", "lpt²", "lpt³",
];

/// One component of a path on any system: no separator, no drive, nothing hidden, nothing that an option
/// looks like, no device, at most 200 bytes; and it reads as it is: what turns text round or hides in it
/// is a mark. What is harmless stays as it was.
pub fn safe_name(untrusted: &str) -> String {
    let shown = Safe::line(untrusted);
    let mut name = String::new();
    for character in shown.as_str().chars() {
        let kept = match character {
            char::REPLACEMENT_CHARACTER | '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|' => {
                MARK
            }
            // Other slashes and colons look like them.
            '\u{2044}' | '\u{2215}' | '\u{29F8}' | '\u{FF0F}' | '\u{FF3C}' | '\u{A789}'
            | '\u{FF1A}' => MARK,
            // An ending must not stand beyond the edge of a list.
            other if other.is_whitespace() => ' ',
            other => other,
        };
        if kept != ' ' || !name.ends_with(' ') {
            name.push(kept);
        }
    }
    let name = Safe::line(&name);
    let name = name.as_str();
    let led = name.trim_start_matches(['.', '-', '~', ' ']);
    let name = if led.len() < name.trim_start_matches(' ').len() {
        format!("{MARK}{led}")
    } else {
        led.to_owned()
    };
    let name = shortened(name.trim_end_matches([' ', '.']));
    let name = name.trim_end_matches([' ', '.']);
    let stem = name.split('.').next().unwrap_or_default().trim_end();
    if DEVICES.contains(&stem.to_lowercase().as_str()) {
        return shortened(&format!("{MARK}{name}"));
    }
    if name.is_empty() {
        return NAMELESS.to_owned();
    }
    name.to_owned()
}

/// The name again, with a number before its ending.
pub(super) fn numbered(name: &str, number: u32) -> String {
    let (stem, ending) = ending(name);
    format!("{stem} ({number}){ending}")
}

/// At most [`NAME_MAX`] bytes, the ending kept.
fn shortened(name: &str) -> String {
    if name.len() <= NAME_MAX {
        return name.to_owned();
    }
    let (stem, ending) = ending(name);
    let room = stem.floor_char_boundary(NAME_MAX.saturating_sub(ending.len()));
    format!("{}{ending}", stem.get(..room).unwrap_or_default())
}

/// What stands before the last dot, and the dot with what follows it, if that is short.
fn ending(name: &str) -> (&str, &str) {
    let at = name.rfind('.').filter(|at| *at > 0);
    match at.and_then(|at| name.split_at_checked(at)) {
        Some((stem, ending)) if ending.len() <= ENDING_MAX => (stem, ending),
        _ => (name, ""),
    }
}

/// Whether a word of `name` mixes letters of alphabets that look alike, so that it may read as another
/// one: `раypal` with two Cyrillic letters. Honest names do not; people are told.
pub fn mixes_alphabets(name: &str) -> bool {
    let words = name.split(|character: char| !character.is_alphanumeric());
    words.into_iter().any(|word| {
        let mut seen = word.chars().filter_map(alphabet);
        seen.next()
            .is_some_and(|first| seen.any(|other| other != first))
    })
}

/// Alphabets that have letters in the shape of Latin ones. Others are told apart by eye.
#[derive(Eq, PartialEq)]
enum Alphabet {
    Latin,
    Cyrillic,
    Greek,
    Armenian,
    Cherokee,
    Georgian,
    /// Latin letters once more, for mathematics or East Asian lines.
    Dressed,
}

fn alphabet(character: char) -> Option<Alphabet> {
    Some(match character {
        'a'..='z' | 'A'..='Z' | '\u{C0}'..='\u{24F}' | '\u{1E00}'..='\u{1EFF}' => Alphabet::Latin,
        '\u{370}'..='\u{3FF}' | '\u{1F00}'..='\u{1FFF}' | '\u{2C80}'..='\u{2CFF}' => {
            Alphabet::Greek
        }
        '\u{400}'..='\u{52F}' | '\u{1C80}'..='\u{1C8F}' | '\u{2DE0}'..='\u{2DFF}' => {
            Alphabet::Cyrillic
        }
        '\u{530}'..='\u{58F}' => Alphabet::Armenian,
        '\u{10A0}'..='\u{10FF}' => Alphabet::Georgian,
        '\u{13A0}'..='\u{13FF}' | '\u{AB70}'..='\u{ABBF}' => Alphabet::Cherokee,
        '\u{2100}'..='\u{214F}' | '\u{FF21}'..='\u{FF5A}' | '\u{1D400}'..='\u{1D7FF}' => {
            Alphabet::Dressed
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c09_a_harmless_name_stays() {
        for name in [
            "plan.pdf",
            "Déjà vu.tar.gz",
            "発表 2026.key",
            "a",
            "été (2).txt",
            "résumé – final.odt",
            "x-y_z~1.log",
        ] {
            assert_eq!(safe_name(name), name);
        }
    }

    #[test]
    fn c09_a_hostile_name_is_one_component() {
        for (hostile, safe) in [
            ("", "file"),
            (".", "_"),
            ("..", "_"),
            ("...", "_"),
            ("/", "_"),
            ("../../etc/passwd", "__.._etc_passwd"),
            ("/etc/passwd", "_etc_passwd"),
            ("a/../../b", "a_.._.._b"),
            ("..\\..\\evil.exe", "__.._evil.exe"),
            ("C:\\Windows\\win.ini", "C__Windows_win.ini"),
            ("c:", "c_"),
            ("file.txt:stream", "file.txt_stream"),
            ("\\\\server\\share", "__server_share"),
            (".bashrc", "_bashrc"),
            ("-rf", "_rf"),
            ("--help", "_help"),
            ("~root", "_root"),
            ("  .ssh", "_ssh"),
            ("a\0b", "a_b"),
            ("a\nb", "a b"),
            ("a\u{1b}[2Jb", "a_[2Jb"),
            ("exe.gpj\u{202e}", "exe.gpj_"),
            ("photo\u{202e}gpj.exe", "photo_gpj.exe"),
            ("a\u{200b}b", "ab"),
            ("plan.pdf          .exe", "plan.pdf .exe"),
            ("trailing. . .", "trailing"),
            ("nul", "_nul"),
            ("NUL.txt", "_NUL.txt"),
            ("com1", "_com1"),
            ("Con .tar.gz", "_Con .tar.gz"),
            ("LPT9.a.b", "_LPT9.a.b"),
            ("a\u{2044}b\u{ff0f}c", "a_b_c"),
            ("<*?>|\"", "______"),
        ] {
            assert_eq!(safe_name(hostile), safe, "{hostile:?}");
        }
    }

    #[test]
    fn c09_a_long_name_keeps_its_ending() {
        let long = format!("{}.pdf", "é".repeat(300));
        let safe = safe_name(&long);
        assert!(safe.len() <= NAME_MAX && safe.ends_with("é.pdf"), "{safe}");
        assert!(safe_name(&"x".repeat(300)).len() <= NAME_MAX);
        let ending = format!("a.{}", "x".repeat(300));
        assert!(safe_name(&ending).len() <= NAME_MAX);
        assert!(numbered(&safe, 999).len() <= 255);
    }

    #[test]
    fn a_number_stands_before_the_ending() {
        assert_eq!(numbered("plan.pdf", 2), "plan (2).pdf");
        assert_eq!(numbered("plan", 12), "plan (12)");
        assert_eq!(numbered("plan.tar.gz", 2), "plan.tar (2).gz");
    }

    /// Whatever it is made from, it is one component that no system mistakes.
    #[test]
    fn c09_every_name_of_a_thousand_is_safe() {
        let pieces = [
            "..", ".", "/", "\\", "\0", "C:", "nul", "aux", "-", "~", " ", "\u{202e}", "\u{200f}",
            "\u{feff}", "con", "é", "x", ".exe", "\n", "\u{1b}", "\u{2028}", "💼", ":", "*",
            "%2e%2e", "а", "\u{301}",
        ];
        let mut tried = 0;
        for first in pieces {
            for second in pieces {
                for third in [pieces[0], pieces[2], pieces[6], pieces[16], ".txt"] {
                    for long in [1, 300] {
                        let hostile = format!("{first}{second}{}", third.repeat(long));
                        let name = safe_name(&hostile);
                        let mut parts = std::path::Path::new(&name).components();
                        let only = parts.next();
                        assert!(
                            matches!(only, Some(std::path::Component::Normal(part)) if part == name.as_str())
                                && parts.next().is_none(),
                            "{hostile:?}: {name:?}"
                        );
                        assert!(
                            !name.starts_with(['.', '-', '~', ' ']),
                            "{hostile:?}: {name:?}"
                        );
                        assert!(!name.ends_with(['.', ' ']), "{hostile:?}: {name:?}");
                        assert!(name.len() <= NAME_MAX + 1, "{hostile:?}: {name:?}");
                        assert_eq!(Safe::line(&name).as_str(), name);
                        assert_eq!(safe_name(&name), name, "once is enough: {hostile:?}");
                        tried += 1;
                    }
                }
            }
        }
        assert!(tried > 1_000, "{tried}");
    }

    #[test]
    fn c08_alphabets_that_look_alike_are_told() {
        for mixed in ["pа ypal p\u{430}y", "plan.\u{440}df", "ΑΒC", "ｐay", "𝐚b"] {
            assert!(mixes_alphabets(mixed), "{mixed}");
        }
        for honest in [
            "plan.pdf",
            "план.pdf",
            "Δelta Δ.txt",
            "résumé",
            "発表plan",
            "план plan",
        ] {
            assert_eq!(mixes_alphabets(honest), honest.starts_with('Δ'), "{honest}");
        }
    }
}
