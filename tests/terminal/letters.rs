//! Writing and reading at a terminal.

use crate::support::{Office, Terminal};

#[tokio::test]
async fn a_letter_is_typed_sent_and_read() {
    let (office, mut alice) = Office::open_now().await;
    let mut bob = office.hire(&mut alice, "bob").await;
    alice.close();
    bob.close();

    let send = office
        .cli("alice")
        .command(&["send", "bob", "-s", "Point presse"]);
    let mut terminal = Terminal::start(send);
    terminal.sees("then Ctrl-D");
    terminal.types("The bus leaves at 7.");
    terminal.types("\u{4}");
    assert_eq!(terminal.ends(), 0, "{}", terminal.screen());
    assert!(terminal.screen().contains("sent"), "{}", terminal.screen());

    let mut terminal = Terminal::start(office.cli("bob").command(&["inbox"]));
    assert_eq!(terminal.ends(), 0, "{}", terminal.screen());
    let screen = terminal.screen();
    let line = screen
        .lines()
        .find(|line| line.contains("Point presse"))
        .unwrap();
    assert!(line.contains('●') && line.contains("alice"), "{screen}");

    let mut terminal = Terminal::start(office.cli("bob").command(&["read", "@unread"]));
    assert_eq!(terminal.ends(), 0, "{}", terminal.screen());
    let screen = terminal.screen();
    assert!(screen.contains("From:    alice"), "{screen}");
    assert!(screen.contains("Subject: Point presse"), "{screen}");
    assert!(screen.contains("\n  The bus leaves at 7."), "{screen}");

    // Read is read, and the list says so.
    let mut terminal = Terminal::start(office.cli("bob").command(&["list"]));
    assert_eq!(terminal.ends(), 0);
    assert!(!terminal.screen().contains('●'), "{}", terminal.screen());
}

#[tokio::test]
async fn what_cannot_be_undone_wants_the_name_typed() {
    let (office, mut alice) = Office::open_now().await;
    drop(office.hire(&mut alice, "bob").await);
    alice.close();
    let suspend = || {
        Terminal::start(
            office
                .cli("alice")
                .command(&["admin", "user", "suspend", "bob"]),
        )
    };

    let mut terminal = suspend();
    terminal.sees("type bob to go on:");
    terminal.types("yes");
    assert_eq!(terminal.ends(), 3, "{}", terminal.screen());

    let mut terminal = suspend();
    terminal.sees("type bob to go on:");
    terminal.types("bob");
    assert_eq!(terminal.ends(), 0, "{}", terminal.screen());
    assert!(
        terminal.screen().contains("suspended"),
        "{}",
        terminal.screen()
    );
}

#[tokio::test]
async fn a_letter_to_many_people_is_asked_about() {
    let (office, mut alice) = Office::open_now().await;
    alice.close();
    let names: Vec<_> = (1..=21).map(|number| format!("reader{number}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let send = [&["send"], &names[..], &["-s", "All", "-m", "Hello."]].concat();

    let mut terminal = Terminal::start(office.cli("alice").command(&send));
    terminal.sees("send this letter to 21 people? [y/N]");
    terminal.types("n");
    assert_eq!(terminal.ends(), 3, "{}", terminal.screen());

    // Where nobody can be asked, the flag that would have answered is named.
    let piped = office.cli("alice").run(&send);
    assert_eq!(piped.code, 2);
    assert_eq!(
        piped.refusal(),
        "error[V0102]: cannot ask: send this letter to 21 people? [y/N] — nothing was done\n  \
         why   stdin and stderr are not both terminals\n  \
         try   pass --yes        more: valise help V0102\n",
    );
}
