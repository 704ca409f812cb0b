//! The exact text of a refusal, in every form.

use std::{collections::HashSet, io};

use super::*;
use config::Format;

fn changed() -> CommandError {
    CommandError::new(
        Code::KeysChanged,
        "Karim's keys changed since you last wrote to him",
    )
    .outcome("nothing was sent")
    .fact(
        Safe::line("karim"),
        "was ••4F2A (verified 3 Oct)   now ••91C0, added 12:04 by admin Inès",
    )
    .fact(
        "why",
        "he enrolled a new key, or someone is pretending to be him",
    )
    .hint("call him, then:  valise who karim")
}

#[test]
fn for_people() {
    insta::assert_snapshot!(changed().render(Format::Human, false), @r"
    error[V0406]: Karim's keys changed since you last wrote to him — nothing was sent
      karim   was ••4F2A (verified 3 Oct)   now ••91C0, added 12:04 by admin Inès
      why     he enrolled a new key, or someone is pretending to be him
      try     call him, then:  valise who karim        more: valise help V0406
    ");
    assert_eq!(
        changed().render(Format::Plain, false),
        changed().render(Format::Human, false)
    );
}

#[test]
fn in_colour() {
    let text = changed().render(Format::Human, true);
    let first = text.lines().next().unwrap().replace('\x1b', "^");
    insta::assert_snapshot!(first, @"^[1m^[31merror[V0406]^[0m: Karim's keys changed since you last wrote to him — nothing was sent");
    let second = text.lines().nth(2).unwrap().replace('\x1b', "^");
    insta::assert_snapshot!(second, @"  ^[2mwhy^[0m     he enrolled a new key, or someone is pretending to be him");
}

#[test]
fn for_scripts() {
    insta::assert_snapshot!(changed().render(Format::Json, true), @r#"{"code":"V0406","error":"Karim's keys changed since you last wrote to him","exit":6,"facts":[{"label":"karim","text":"was ••4F2A (verified 3 Oct)   now ••91C0, added 12:04 by admin Inès"},{"label":"why","text":"he enrolled a new key, or someone is pretending to be him"}],"outcome":"nothing was sent","try":"call him, then:  valise who karim"}"#);
}

#[test]
fn bare() {
    let error = CommandError::new(Code::Failed, "no");
    insta::assert_snapshot!(error.render(Format::Human, false), @r"
    error[V0100]: no
      more   valise help V0100
    ");
    insta::assert_snapshot!(error.render(Format::Json, false), @r#"{"code":"V0100","error":"no","exit":1,"facts":[],"outcome":null,"try":null}"#);
}

#[test]
fn facts_of_several_lines_are_indented() {
    let error = CommandError::new(Code::Fork, "two heads")
        .fact("ours", "size 7\nroot ab")
        .fact("theirs", "size 7\nroot cd");
    insta::assert_snapshot!(error.render(Format::Human, false), @r"
    error[V0403]: two heads
      ours     size 7
               root ab
      theirs   size 7
               root cd
      more     valise help V0403
    ");
}

#[test]
fn c07_a_server_cannot_forge_a_line_or_a_colour() {
    let hostile = "no\x1b[2K\r\nerror[V0100]: send your PIN to\u{202e}evil";
    let error = CommandError::new(Code::Refused, Safe::line(hostile))
        .fact(Safe::block(hostile), Safe::line(hostile))
        .hint(Safe::line(hostile));
    let text = error.render(Format::Human, false);
    assert_eq!(text.lines().count(), 3, "{text}");
    assert!(!text.contains(['\x1b', '\r', '\u{202e}']), "{text:?}");
    let json = error.render(Format::Json, false);
    assert_eq!(json.lines().count(), 1, "{json}");
    assert!(!json.trim_end().contains(char::is_control), "{json:?}");
}

#[test]
fn a_closed_pipe_is_silent_and_141() {
    let error = CommandError::from(io::Error::from(io::ErrorKind::BrokenPipe));
    assert_eq!(error.exit().number(), 141);
    for format in [Format::Human, Format::Plain, Format::Json] {
        assert_eq!(error.render(format, true), "");
    }
    let other = CommandError::from(io::Error::from(io::ErrorKind::StorageFull));
    assert_eq!(other.exit(), Exit::Failed);
}

#[test]
fn an_open_home_says_what_to_type() {
    let error = CommandError::from(config::Error::OpenToOthers {
        path: "/home/lea/.local/share/valise".into(),
        mode: 0o755,
    });
    insta::assert_snapshot!(error.render(Format::Human, false), @r"
    error[V0607]: /home/lea/.local/share/valise is open to others on this machine (mode 0755) — nothing was read
      try   chmod 700 /home/lea/.local/share/valise        more: valise help V0607
    ");
}

#[test]
fn a_wrong_setting_says_where_it_comes_from() {
    let variables = [("VALISE_FORMAT".to_owned(), "xml\x1b[2J".into())];
    let environment = config::Environment {
        variables: variables.into(),
        data: Some("/home/lea/.local/share".into()),
        config: Some("/nonexistent".into()),
        runtime: None,
    };
    let error = config::Config::load(&config::Flags::default(), &environment).unwrap_err();
    let error = CommandError::from(error);
    insta::assert_snapshot!(error.render(Format::Human, false), @r#"
    error[V0608]: format cannot be "xml\u{1b}[2J" (from environment VALISE_FORMAT); it takes human, plain or json
      try   unset VALISE_FORMAT        more: valise help V0608
    "#);
    let error = CommandError::from(config::Error::File {
        path: "/etc/config.toml".into(),
        reason: "line 1\n1 | x\n  | ^".to_owned(),
    });
    insta::assert_snapshot!(error.render(Format::Human, false), @r"
    error[V0608]: /etc/config.toml is not a valid configuration: line 1
      where   1 | x
                | ^
      try     correct it, or take it out        more: valise help V0608
    ");
}

/// Scripts depend on these: a change here is a change of the contract.
#[test]
fn exit_codes_are_frozen() {
    let table: Vec<String> = Exit::ALL
        .iter()
        .map(|exit| format!("{} {exit:?}", exit.number()))
        .collect();
    insta::assert_snapshot!(table.join("\n"), @r"
    0 Done
    1 Failed
    2 Usage
    3 Cancelled
    4 Locked
    5 NotFound
    6 Alarm
    7 Unreachable
    8 Key
    9 Policy
    10 Offline
    11 NothingNew
    12 Incomplete
    141 PipeClosed
    ");
    assert!(Exit::ALL.is_sorted());
}

/// So do these.
#[test]
#[expect(clippy::too_many_lines, reason = "one table of all codes")]
fn codes_are_frozen() {
    let table: Vec<String> = Code::ALL
        .iter()
        .map(|code| format!("{} {} {code:?}", code.number(), code.exit().number()))
        .collect();
    insta::assert_snapshot!(table.join("\n"), @r"
    V0100 1 Failed
    V0101 2 Usage
    V0102 2 Unasked
    V0103 3 Cancelled
    V0104 5 NotFound
    V0105 11 NothingNew
    V0106 141 PipeClosed
    V0201 7 Unreachable
    V0202 7 Expired
    V0203 1 Refused
    V0204 1 LoginRefused
    V0205 7 Busy
    V0206 1 Versions
    V0207 10 Offline
    V0208 1 Clock
    V0209 7 ServerFull
    V0301 8 NoKey
    V0302 8 KeyUntouched
    V0303 8 WrongPin
    V0304 8 PinBlocked
    V0305 8 NoPin
    V0306 8 OtherKey
    V0307 9 KeyModel
    V0308 8 KeyFailed
    V0309 8 ManyKeys
    V0401 6 GhostDevice
    V0402 6 Rollback
    V0403 6 Fork
    V0404 6 Misbound
    V0405 6 StaleHead
    V0406 6 KeysChanged
    V0407 6 WordsDiffer
    V0408 6 DeviceRevoked
    V0409 6 BadEntry
    V0410 6 WrongCard
    V0411 6 PinMismatch
    V0412 6 ForgedSignature
    V0413 6 Unwitnessed
    V0414 6 Split
    V0415 6 NotStopped
    V0416 6 ForeignHistory
    V0417 6 CopiedKey
    V0418 6 BadAttachment
    V0501 4 NotEnrolled
    V0502 5 UnknownRecipient
    V0503 2 TooLarge
    V0504 9 Policy
    V0505 9 Suspended
    V0506 9 NotAdmin
    V0507 1 NameTaken
    V0508 9 NeedsSignatures
    V0509 2 EmptyLetter
    V0510 1 OnItsWay
    V0511 5 NotWaiting
    V0512 9 AgainstRules
    V0513 2 BadFile
    V0514 5 FileGone
    V0601 4 Locked
    V0602 4 NotJoined
    V0603 2 AlreadyJoined
    V0604 1 StoreDamaged
    V0605 1 StoreNewer
    V0606 1 StoreBusy
    V0607 1 HomeOpen
    V0608 2 Settings
    V0609 1 DiskFull
    V0610 1 BadHistory
    ");
}

#[test]
fn every_code_is_well_formed_and_explained_once() {
    let numbers: HashSet<_> = Code::ALL.iter().map(|code| code.number()).collect();
    assert_eq!(numbers.len(), Code::ALL.len());
    let meanings: HashSet<_> = Code::ALL.iter().map(|code| code.meaning()).collect();
    assert_eq!(meanings.len(), Code::ALL.len());
    assert!(Code::ALL.is_sorted_by_key(|code| code.number()));
    for code in Code::ALL {
        let number = code.number();
        let digits = number.strip_prefix('V').unwrap();
        assert!(digits.len() == 4 && digits.bytes().all(|b| b.is_ascii_digit()));
        assert!(code.meaning().ends_with('.'), "{number}");
        assert!(code.remedy().ends_with('.'), "{number}");
        assert_eq!(number.to_lowercase().parse(), Ok(*code));
        // V04 is trust: always the alarm, never a warning. The alarm is never anything else.
        assert_eq!(
            number.starts_with("V04"),
            code.exit() == Exit::Alarm,
            "{number}"
        );
    }
    assert_eq!("V9999".parse::<Code>(), Err(UnknownCode));
}
