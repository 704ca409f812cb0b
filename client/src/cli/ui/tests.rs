//! What people, scripts and programs see, byte for byte.

use std::sync::{Arc, Mutex};

use super::*;

/// 17 November 2026, 11:06 UTC: 12:06 in Paris.
const NOW_MS: u64 = 1_794_913_560_000;

/// A stream whose bytes the test reads.
#[derive(Clone, Default)]
struct Tape(Arc<Mutex<Vec<u8>>>);

impl Write for Tape {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A reader that went away.
struct Closed;

impl Write for Closed {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }
    fn flush(&mut self) -> io::Result<()> {
        Err(io::ErrorKind::BrokenPipe.into())
    }
}

struct Screen {
    ui: Ui,
    out: Tape,
    err: Tape,
}

impl Screen {
    fn new(mut choices: Choices, typed: Option<&'static str>, columns: Option<usize>) -> Self {
        let (out, err) = (Tape::default(), Tape::default());
        let output = |tape: &Tape| Output {
            to: Box::new(tape.clone()),
            is_terminal: columns.is_some(),
            colour: choices.color == Color::Always,
        };
        let streams = Streams {
            out: output(&out),
            err: output(&err),
            input: Box::new(typed.unwrap_or_default().as_bytes()),
            answers: match typed {
                Some(_) => Answers::Script,
                None => Answers::Nobody,
            },
            columns: columns.and_then(NonZeroUsize::new),
        };
        choices.zone = Some(TimeZone::get("Europe/Paris").unwrap());
        let clock = Box::new(clock::Manual::new(NOW_MS));
        let ui = Ui::new(streams, choices, clock);
        Self { ui, out, err }
    }

    fn format(format: Format) -> Self {
        let choices = Choices {
            format: Some(format),
            ..Choices::default()
        };
        Self::new(choices, None, None)
    }

    fn person(typed: &'static str) -> Self {
        Self::new(Choices::default(), Some(typed), Some(80))
    }

    fn out(&self) -> String {
        String::from_utf8(self.out.0.lock().unwrap().clone()).unwrap()
    }

    fn err(&self) -> String {
        String::from_utf8(self.err.0.lock().unwrap().clone()).unwrap()
    }
}

fn inbox() -> Table {
    let mut table = Table::new([
        Column::new("n"),
        Column::new("unread"),
        Column::new("from"),
        Column::flexible("subject"),
        Column::new("to"),
        Column::new("sent_at"),
        Column::new("id"),
    ]);
    let id = Safe::line("abcdefghijklmnopqrstuvwxyz");
    let to = || Cell::List(vec!["alice".into(), "bob".into()]);
    table.push(
        Row::new([
            Cell::Number(9),
            Cell::Flag(true),
            "lea".into(),
            Safe::line("Point presse, réunion de 日本 à demain\x1b[2J\tle\nmatin").into(),
            to(),
            Cell::Time(NOW_MS),
            Cell::Id(id.clone()),
        ])
        .bold(true),
    );
    table.push(Row::new([
        Cell::Number(10),
        Cell::Flag(false),
        "karim".into(),
        "Re: bus".into(),
        to(),
        Cell::Time(NOW_MS - 400 * 86_400_000),
        Cell::Id(id),
    ]));
    table
}

fn show(columns: usize) -> String {
    let mut screen = Screen::new(Choices::default(), None, Some(columns));
    screen.ui.table(&inbox()).unwrap();
    screen.out()
}

#[test]
fn a_list_for_people() {
    insta::assert_snapshot!(show(120), @r"
     N  UNREAD  FROM   SUBJECT                                              TO          SENT AT                ID
     9  ●       lea    Point presse, réunion de 日本 à demain�[2J le matin  alice, bob  Tue 17 Nov 12:06       abcdefgh…
    10          karim  Re: bus                                              alice, bob  Mon 13 Oct 2025 13:06  abcdefgh…
    ");
}

#[test]
fn a_narrow_terminal_cuts_the_subject_only() {
    let text = show(80);
    insta::assert_snapshot!(text, @r"
     N  UNREAD  FROM   SUBJECT          TO          SENT AT                ID
     9  ●       lea    Point presse,…   alice, bob  Tue 17 Nov 12:06       abcdefgh…
    10          karim  Re: bus          alice, bob  Mon 13 Oct 2025 13:06  abcdefgh…
    ");
    for line in text.lines() {
        assert!(Safe::line(line).width() <= 80, "{line}");
    }
    let tiny = show(20);
    assert!(
        tiny.contains("karim  Re: bus"),
        "what cannot fit still shows: {tiny}"
    );
}

#[test]
fn a_list_for_scripts() {
    let mut screen = Screen::new(Choices::default(), None, None);
    screen.ui.table(&inbox()).unwrap();
    insta::assert_snapshot!(screen.out().replace('\t', "|"), @r"
    9|true|lea|Point presse, réunion de 日本 à demain�[2J le matin|alice,bob|2026-11-17T11:06:00Z|abcdefghijklmnopqrstuvwxyz
    10|false|karim|Re: bus|alice,bob|2025-10-13T11:06:00Z|abcdefghijklmnopqrstuvwxyz
    ");
    assert!(
        screen
            .out()
            .lines()
            .all(|line| line.matches('\t').count() == 6)
    );
}

#[test]
fn a_list_for_programs() {
    let mut screen = Screen::format(Format::Json);
    screen.ui.table(&inbox()).unwrap();
    insta::assert_snapshot!(screen.out(), @r#"
    {"n":9,"unread":true,"from":"lea","subject":"Point presse, réunion de 日本 à demain�[2J le matin","to":["alice","bob"],"sent_at":"2026-11-17T11:06:00Z","id":"abcdefghijklmnopqrstuvwxyz"}
    {"n":10,"unread":false,"from":"karim","subject":"Re: bus","to":["alice","bob"],"sent_at":"2025-10-13T11:06:00Z","id":"abcdefghijklmnopqrstuvwxyz"}
    "#);
}

#[test]
fn colour_only_when_asked_for() {
    let choices = Choices {
        color: Color::Always,
        ..Choices::default()
    };
    let mut screen = Screen::new(choices, None, Some(80));
    screen.ui.table(&inbox()).unwrap();
    let out = screen.out();
    assert!(
        out.lines().nth(1).unwrap().starts_with("\x1b[1m 9"),
        "{out:?}"
    );
    assert!(!show(80).contains('\x1b'));
}

#[test]
fn an_empty_list_is_nothing() {
    for format in [Format::Human, Format::Plain, Format::Json] {
        let mut screen = Screen::format(format);
        screen.ui.table(&Table::new([Column::new("n")])).unwrap();
        assert_eq!(screen.out(), "");
    }
}

#[test]
fn a_record_in_three_forms() {
    let record = Record::new()
        .with("server", "https://mail.campagne.example")
        .with("last_sync", Cell::Time(NOW_MS))
        .with("outbox", Cell::Number(2))
        .with("locked", Cell::Flag(false))
        .with("note", "one\ntwo")
        .with("head", Cell::Empty);
    let show = |format| {
        let mut screen = Screen::format(format);
        screen.ui.record(&record).unwrap();
        screen.out()
    };
    insta::assert_snapshot!(show(Format::Human), @r"
    server     https://mail.campagne.example
    last sync  Tue 17 Nov 12:06
    outbox     2
    locked     no
    note       one
               two
    head
    ");
    insta::assert_snapshot!(show(Format::Plain).replace('\t', "|"), @r"
    server|https://mail.campagne.example
    last_sync|2026-11-17T11:06:00Z
    outbox|2
    locked|false
    note|one two
    head|
    ");
    insta::assert_snapshot!(show(Format::Json), @r#"{"server":"https://mail.campagne.example","last_sync":"2026-11-17T11:06:00Z","outbox":2,"locked":false,"note":"one\ntwo","head":null}"#);
}

#[test]
fn json_escapes_what_a_terminal_would_obey() {
    let mut screen = Screen::format(Format::Json);
    screen
        .ui
        .json_lines(["\x1b[2J", "\u{9b}6n\u{202e}"])
        .unwrap();
    assert_eq!(screen.out(), "\"\\u001b[2J\"\n\"\\u009b6n\\u202e\"\n");
    screen.ui.json(&serde_json::json!({"a": 1})).unwrap();
    assert!(screen.out().ends_with("{\"a\":1}\n"));
}

#[test]
fn times() {
    let mut human = Screen::format(Format::Human).ui;
    assert_eq!(human.time(NOW_MS).as_str(), "Tue 17 Nov 12:06");
    // New year's eve in UTC is already next year in Paris.
    assert_eq!(
        human.time(1_798_759_800_000).as_str(),
        "Fri 1 Jan 2027 00:30"
    );
    assert_eq!(human.time(0).as_str(), "Thu 1 Jan 1970 01:00");
    assert!(human.time(u64::MAX).as_str().contains("9999"));
    let mut plain = Screen::format(Format::Plain).ui;
    assert_eq!(plain.time(NOW_MS + 999).as_str(), "2026-11-17T11:06:00Z");
}

#[test]
fn answers_go_to_stdout_and_the_rest_to_stderr() {
    let mut screen = Screen::person("");
    screen.ui.note("fetching");
    screen.ui.verbose("hidden");
    screen.ui.print("hello\nthere").unwrap();
    assert_eq!(
        (screen.out().as_str(), screen.err().as_str()),
        ("hello\nthere\n", "fetching\n")
    );
}

#[test]
fn progress_is_erased_before_anything_else_and_never_in_a_pipe() {
    let mut screen = Screen::person("");
    screen.ui.progress("1 of 2");
    screen.ui.progress("2 of 2");
    screen.ui.note("done");
    assert_eq!(screen.err(), "1 of 2\r\x1b[K2 of 2\r\x1b[Kdone\n");
    screen.ui.progress("x");
    screen.ui.print("answer").unwrap();
    assert!(screen.err().ends_with("x\r\x1b[K"));

    let mut pipe = Screen::format(Format::Human);
    pipe.ui.progress("1 of 2");
    assert_eq!(pipe.err(), "");
}

#[test]
fn only_yes_is_yes() {
    for (typed, agreed) in [
        ("y\n", true),
        ("YES\n", true),
        ("\n", false),
        ("n\n", false),
        ("yess\n", false),
        ("", false),
    ] {
        let mut screen = Screen::person(typed);
        let answer = screen.ui.confirm(Safe::line("send to 14 people?"));
        assert_eq!(answer.is_ok(), agreed, "{typed:?}");
        if let Err(error) = answer {
            assert_eq!(error.exit(), Exit::Cancelled);
        }
        assert!(screen.err().starts_with("send to 14 people? [y/N] "));
        assert_eq!(screen.out(), "");
    }
}

#[test]
fn the_name_must_be_typed_whole() {
    for (typed, agreed) in [
        ("alice\n", true),
        (" alice \n", true),
        ("y\n", false),
        ("Alice\n", false),
    ] {
        let mut screen = Screen::person(typed);
        let answer = screen.ui.type_name("suspends alice everywhere", "alice");
        assert_eq!(answer.is_ok(), agreed, "{typed:?}");
    }
}

#[test]
fn yes_answers_questions_but_no_pin() {
    let choices = Choices {
        yes: true,
        ..Choices::default()
    };
    let mut screen = Screen::new(choices, None, None);
    screen.ui.confirm("go?").unwrap();
    screen.ui.type_name("go", "alice").unwrap();
    assert_eq!(screen.ui.pin("PIN:").unwrap_err().code, Code::Unasked);
}

#[test]
fn without_a_terminal_a_question_names_the_flag() {
    let mut screen = Screen::new(Choices::default(), None, None);
    let error = screen.ui.confirm("send to 14 people?").unwrap_err();
    assert_eq!(screen.ui.error(&error), Exit::Usage);
    insta::assert_snapshot!(screen.err(), @r"
    error[V0102]: cannot ask: send to 14 people? [y/N] — nothing was done
      why   stdin and stderr are not both terminals
      try   pass --yes        more: valise help V0102
    ");
    let choices = Choices {
        no_input: true,
        ..Choices::default()
    };
    let mut screen = Screen::new(choices, Some("1234\n"), Some(80));
    let error = screen.ui.pin("PIN:").unwrap_err();
    assert_eq!(screen.ui.error(&error), Exit::Usage);
    insta::assert_snapshot!(screen.err(), @r"
    error[V0102]: a PIN is typed at a terminal and nowhere else — nothing was done
      why   input was switched off with --no-input
      try   run valise unlock in a terminal first        more: valise help V0102
    ");
}

#[test]
fn a_pin_is_read_whole_and_not_echoed() {
    let mut screen = Screen::person("12 34 \n");
    assert_eq!(*screen.ui.pin("PIN:").unwrap(), "12 34 ");
    assert_eq!(screen.err(), "PIN: ");
    assert_eq!(
        Screen::person("\n").ui.pin("PIN:").unwrap_err().code,
        Code::Cancelled
    );
}

#[test]
fn a_body_is_read_whole_from_a_pipe_and_bounded() {
    let read = |bytes: &'static [u8], max| {
        let mut screen = Screen::format(Format::Plain);
        screen.ui.input = Box::new(bytes);
        let text = screen.ui.read_text("letter", "-m", max);
        assert_eq!(screen.err(), "", "a pipe is not talked to");
        text.map_err(|error| error.code)
    };
    assert_eq!(read(b"one\ntwo\n", 8), Ok("one\ntwo\n".to_owned()));
    assert_eq!(read(b"one\ntwo\n", 7), Err(Code::TooLarge));
    assert_eq!(read(b"\xff", 8), Err(Code::Usage));
    assert_eq!(read(b"", 8), Ok(String::new()));
}

#[test]
fn a_body_is_typed_at_a_terminal_unless_input_is_off() {
    let mut screen = Screen::person("hello\n");
    assert_eq!(screen.ui.read_text("letter", "-m", 99).unwrap(), "hello\n");
    assert_eq!(screen.err(), "type the letter, then Ctrl-D\n");
    let mut screen = Screen::person("hello\n");
    screen.ui.choices.no_input = true;
    let error = screen.ui.read_text("letter", "-m", 99).unwrap_err();
    screen.ui.error(&error);
    insta::assert_snapshot!(screen.err(), @r"
    error[V0102]: there is no letter — nothing was done
      why   input was switched off with --no-input
      try   pass -m        more: valise help V0102
    ");
}

#[test]
fn a_reader_that_went_away_ends_us_quietly() {
    let mut screen = Screen::format(Format::Plain);
    screen.ui.out.to = Box::new(Closed);
    let error = screen.ui.table(&inbox()).unwrap_err();
    assert_eq!(screen.ui.error(&error), Exit::PipeClosed);
    assert_eq!(screen.err(), "");
    screen.ui.err.to = Box::new(Closed);
    screen.ui.note("nobody hears this");
}
