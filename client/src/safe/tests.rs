//! What real attacks become, and that a terminal's own parser finds nothing to do.

use proptest::prelude::*;

use super::*;

/// Sequences that terminals have obeyed.
const ATTACKS: &[&str] = &[
    // clipboard, hyperlinks, titles, notifications, colours, palette: OSC
    "\x1b]52;c;cm0gLXJmIH4=\x07",
    "\x1b]52;p;?\x1b\\",
    "\u{9d}52;c;Y3VybA==\u{9c}",
    "\x1b]8;;https://evil.example\x1b\\bank\x1b]8;;\x1b\\",
    "\x1b]8;id=1;file:///etc/passwd\x07x\x1b]8;;\x07",
    "\x1b]0;title\x07",
    "\x1b]1;icon\x07",
    "\x1b]2;title\x1b\\",
    "\x1b]4;1;?\x07",
    "\x1b]4;0;rgb:ff/00/00\x07",
    "\x1b]7;file://host/tmp\x07",
    "\x1b]9;notification\x07",
    "\x1b]9;4;1;50\x07",
    "\x1b]10;?\x07",
    "\x1b]11;?\x07",
    "\x1b]12;red\x07",
    "\x1b]50;?\x07",
    "\x1b]50;SetProfile=x\x07",
    "\x1b]104\x07",
    "\x1b]133;A\x07",
    "\x1b]633;E;curl evil\x07",
    "\x1b]777;notify;a;b\x07",
    "\x1b]1337;File=inline=1:AAAA\x07",
    "\x1b]1337;CopyToClipboard=\x07",
    "\x1b]5522;type=read\x1b\\",
    // questions whose answer lands at the prompt: CSI, DCS
    "\x1b[6n",
    "\x1b[5n",
    "\x1b[c",
    "\x1b[>c",
    "\x1b[=c",
    "\x1b[>q",
    "\x1b[21t",
    "\x1b[20t",
    "\x1b[18t",
    "\x1b[?1u",
    "\x1b[?2026$p",
    "\x1b[x",
    "\u{9b}6n",
    "\u{9b}21t",
    "\x1bP$q\"p\x1b\\",
    "\x1bP+q544e\x1b\\",
    "\x1bP+p6b31=6c73\x1b\\",
    "\u{90}$qm\u{9c}",
    "\x1bP1000p",
    "\x1bPq#0;2;0;0;0~\x1b\\",
    "\x1bPtmux;\x1b\x1b]52;c;eA==\x07\x1b\\",
    "\x05",
    "\x1bZ",
    // moving, erasing, hiding, switching screens
    "\x1b[2J\x1b[H",
    "\x1b[1A\x1b[2K",
    "\x1b[3J",
    "\x1b[8mhidden\x1b[0m",
    "\x1b[?25l",
    "\x1b[?1049h",
    "\x1b[?1000h",
    "\x1b[?2004h",
    "\x1b[?47h",
    "\x1b[5;10r",
    "\x1b[!p",
    "\x1b[4h",
    "\x1b[99999999999999999b",
    "\x1b[20;1H",
    "\x1b[38;2;0;0;0m\x1b[48;2;0;0;0m",
    "\x1b[1;31;41m",
    "\x1b[0;7;27m",
    "\x1bc",
    "\x1b7\x1b8",
    "\x1bD\x1bE\x1bM",
    "\x1b(0lqqk\x1b(B",
    "\x1b)0\x0e",
    "\x1b#8",
    "\x1b%G",
    "\x1b=\x1b>",
    "\x1bN\x1bO",
    "\u{84}\u{85}\u{8d}",
    "\u{8e}\u{8f}",
    // strings that swallow what follows: APC, PM, SOS, and the kitty protocol
    "\x1b_Gi=1,a=T;AAAA\x1b\\",
    "\x1b^private\x1b\\",
    "\x1bXsos\x1b\\",
    "\u{9f}apc\u{9c}",
    "\u{9e}pm\u{9c}",
    "\u{98}sos\u{9c}",
    "\x1b]",
    "\x1bP",
    "\x1b[",
    "\x1b",
    "\x1bktitle\x1b\\",
    // single bytes
    "\x00",
    "\x07\x07\x07",
    "a\x08b",
    "rm -rf /\rls      ",
    "\x0b\x0c",
    "\x0e\x0f",
    "\x11\x13",
    "\x18\x1a",
    "\x1c\x1d\x1e\x1f",
    "\x7f",
];

/// Text that lies without a single control byte, and what is left of it.
const LIES: &[(&str, &str)] = &[
    ("photo\u{202e}gpj.exe", "photo\u{fffd}gpj.exe"),
    ("a\u{2066}b\u{2069}", "a\u{fffd}b\u{fffd}"),
    ("al\u{200b}ice", "alice"),
    ("al\u{200d}ice", "alice"),
    ("al\u{2060}i\u{ad}c\u{feff}e", "alice"),
    ("a\u{200e}b\u{200f}c\u{61c}", "abc"),
    ("hi\u{e0068}\u{e0069}\u{e007f}", "hi"),
    ("hi\u{fe01}\u{fe02}\u{e0100}\u{e01ef}", "hi"),
    ("\u{263a}\u{fe0f}\u{fe0f}\u{fe0e}", "\u{263a}\u{fe0f}"),
    ("a\u{fe0f}", "a"),
    (
        "\u{1f469}\u{200d}\u{200d}\u{200d}\u{1f680}",
        "\u{1f469}\u{200d}\u{1f680}",
    ),
    ("\u{200d}\u{200c}\u{200d}x", "x"),
    ("x\u{3164}\u{115f}\u{ffa0}y", "xy"),
    ("\u{301}x", "x"),
    ("x\u{fdd0}\u{ffff}\u{10fffe}", "x\u{fffd}\u{fffd}\u{fffd}"),
    ("one\u{2028}two\u{2029}three", "one two three"),
    ("one\r\ntwo\nthree\tfour", "one two three four"),
    ("one\rtwo", "one\u{fffd}two"),
];

/// Text that people write, which must come through whole.
const HONEST: &[&str] = &[
    "Léa, l'équipe : « à demain » ",
    "\u{645}\u{6cc}\u{200c}\u{62e}\u{648}\u{627}\u{647}\u{645}",
    "\u{1f469}\u{200d}\u{1f469}\u{200d}\u{1f467} \u{2764}\u{fe0f}\u{200d}\u{1f525} 1\u{fe0f}\u{20e3}",
    "\u{915}\u{94d}\u{200d}\u{937}",
    "日本語 한국어 עברית العربية ไทย",
    "e\u{301}\u{327} a\u{308}",
];

/// A terminal that counts what it was told to do beyond printing.
#[derive(Default)]
struct Terminal(Vec<String>);

impl vte::Perform for Terminal {
    fn execute(&mut self, byte: u8) {
        if byte != b'\n' && byte != b'\t' {
            self.0.push(format!("execute {byte:#x}"));
        }
    }
    fn hook(&mut self, _: &vte::Params, _: &[u8], _: bool, action: char) {
        self.0.push(format!("hook {action}"));
    }
    fn osc_dispatch(&mut self, _: &[&[u8]], _: bool) {
        self.0.push("osc".to_owned());
    }
    fn csi_dispatch(&mut self, _: &vte::Params, _: &[u8], _: bool, action: char) {
        self.0.push(format!("csi {action}"));
    }
    fn esc_dispatch(&mut self, _: &[u8], _: bool, byte: u8) {
        self.0.push(format!("esc {byte:#x}"));
    }
}

fn actions(text: &str) -> Vec<String> {
    let mut terminal = Terminal::default();
    vte::Parser::new().advance(&mut terminal, text.as_bytes());
    terminal.0
}

fn is_clean(text: &str) -> bool {
    text.chars().all(|c| {
        matches!(c, '\n' | '\t')
            || !matches!(fate(c), Fate::Break | Fate::Drop | Fate::Mark | Fate::Tab)
    })
}

#[test]
fn c07_the_corpus_is_large_and_each_attack_would_work() {
    assert!(ATTACKS.len() >= 60);
    for attack in ATTACKS {
        assert!(
            !is_clean(attack) && attack.chars().any(char::is_control),
            "{attack:?}"
        );
    }
    assert_eq!(actions("\x1b[6n"), ["csi n"]);
    assert_eq!(actions("\x1b]52;c;eA==\x07"), ["osc"]);
    assert_eq!(actions("\u{9b}6n"), ["execute 0x9b"]);
}

#[test]
fn c07_no_attack_survives() {
    for attack in ATTACKS {
        for safe in [Safe::line(attack), Safe::block(attack)] {
            assert!(is_clean(safe.as_str()), "{attack:?} left {safe:?}");
            assert_eq!(actions(safe.as_str()), [""; 0], "{attack:?}");
        }
        assert!(
            !Safe::line(attack).as_str().contains(char::is_control),
            "{attack:?}"
        );
        assert!(
            Safe::line(attack).as_str().contains(MARK),
            "{attack:?} left no trace"
        );
    }
}

#[test]
fn c07_lies_are_told_or_taken_out() {
    for (lie, left) in LIES {
        assert_eq!(Safe::line(lie).as_str(), *left, "{lie:?}");
    }
    let zalgo = format!("z{}", "\u{301}".repeat(100));
    assert_eq!(Safe::line(&zalgo).as_str().chars().count(), 9);
}

#[test]
fn honest_text_comes_through_whole() {
    for text in HONEST {
        assert_eq!(Safe::line(text).as_str(), *text);
    }
    assert_eq!(Safe::block("a\r\n\tb\u{2028}c").as_str(), "a\n\tb\nc");
}

#[test]
fn json_keeps_everything_and_shows_no_control() {
    for text in ATTACKS.iter().chain(LIES.iter().map(|(lie, _)| lie)) {
        let json = Safe::json(text).unwrap();
        assert!(
            json.as_str().chars().all(|c| fate(c) == Fate::Keep),
            "{json}"
        );
        assert_eq!(
            serde_json::from_str::<String>(json.as_str()).unwrap(),
            *text
        );
    }
    assert_eq!(
        Safe::json("\u{9b}\u{202e}é\u{e0041}\n").unwrap().as_str(),
        r#""\u009b\u202eé\udb40\udc41\n""#
    );
}

#[test]
fn a_long_line_ends_in_an_ellipsis_and_fits() {
    let cut = |text: &str, columns| {
        let safe = Safe::line(text).truncate(NonZeroUsize::new(columns).unwrap());
        assert!(safe.width() <= columns, "{safe:?}");
        safe.as_str().to_owned()
    };
    assert_eq!(cut("point presse", 12), "point presse");
    assert_eq!(cut("point presse", 11), "point pres…");
    assert_eq!(cut("point presse", 7), "point…");
    assert_eq!(cut("point presse", 1), "…");
    assert_eq!(cut("日本語", 6), "日本語");
    assert_eq!(cut("日本語", 5), "日本…");
    assert_eq!(cut("日本語", 4), "日…");
    assert_eq!(cut("e\u{301}e\u{301}e\u{301}", 2), "e\u{301}…");
    assert_eq!(
        cut("\u{1f469}\u{200d}\u{1f680}\u{1f469}\u{200d}\u{1f680}", 3),
        "\u{1f469}\u{200d}\u{1f680}…"
    );
}

/// Text as an attacker would draw it: dense in what matters.
fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        any::<char>().prop_map(String::from),
        proptest::char::range('\0', '\u{9f}').prop_map(String::from),
        proptest::char::range('\u{2000}', '\u{206f}').prop_map(String::from),
        proptest::char::range('\u{300}', '\u{36f}').prop_map(String::from),
        proptest::char::range('\u{fe00}', '\u{fe0f}').prop_map(String::from),
        proptest::char::range('\u{e0000}', '\u{e01ff}').prop_map(String::from),
        proptest::sample::select(ATTACKS).prop_map(String::from),
        proptest::sample::select(HONEST).prop_map(String::from),
    ];
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn c07_a_terminal_finds_nothing_to_do(text in hostile()) {
        let (line, block) = (Safe::line(&text), Safe::block(&text));
        prop_assert_eq!(actions(line.as_str()), Vec::<String>::new());
        prop_assert_eq!(actions(block.as_str()), Vec::<String>::new());
        prop_assert!(is_clean(block.as_str()));
        prop_assert!(!line.as_str().contains(['\n', '\t']));
        prop_assert_eq!(&Safe::line(line.as_str()), &line, "sanitising twice changes nothing");
        prop_assert_eq!(&Safe::block(block.as_str()), &block);
    }

    #[test]
    fn truncation_fits(text in hostile(), columns in 1_usize..40) {
        let columns = NonZeroUsize::new(columns).unwrap();
        let cut = Safe::line(&text).truncate(columns);
        prop_assert!(cut.width() <= columns.get(), "{:?} is {} wide", cut, cut.width());
        prop_assert!(is_clean(cut.as_str()));
    }

    #[test]
    fn json_reads_back(text in hostile()) {
        let json = Safe::json(&text).unwrap();
        prop_assert!(json.as_str().chars().all(|c| fate(c) == Fate::Keep));
        prop_assert_eq!(serde_json::from_str::<String>(json.as_str()).unwrap(), text);
    }
}
