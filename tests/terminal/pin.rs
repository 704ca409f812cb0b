//! The PIN of a key, and what an unlocked machine no longer asks.

use crate::support::{Office, Terminal};

#[tokio::test]
async fn a_pin_is_never_shown_and_a_wrong_one_says_what_is_left() {
    let (office, mut alice, _bob) = Office::open_with_pin("271828").await;
    alice
        .send(&["bob"], "Point presse", "The bus leaves at 7.")
        .await;

    let mut terminal = Terminal::start(office.cli("bob").command(&["inbox"]));
    terminal.asks("PIN of your security key:", "314159");
    terminal.asks("wrong PIN, 7 tries left. PIN:", "271828");
    assert_eq!(terminal.ends(), 0, "{}", terminal.screen());
    assert!(
        terminal.screen().contains("Point presse"),
        "{}",
        terminal.screen()
    );
    let shown = String::from_utf8_lossy(&terminal.bytes).into_owned();
    assert!(
        !shown.contains("271828") && !shown.contains("314159"),
        "{shown}"
    );
}

#[tokio::test]
async fn nobody_but_a_terminal_is_asked_for_a_pin() {
    let (office, _alice, _bob) = Office::open_with_pin("271828").await;
    let piped = office.cli("bob").run_with(&["list"], "271828\n");
    assert_eq!((piped.code, piped.out.as_str()), (2, ""));
    assert_eq!(
        piped.refusal(),
        "error[V0102]: a PIN is typed at a terminal and nowhere else — nothing was done\n  \
         why   stdin and stderr are not both terminals\n  \
         try   run valise unlock in a terminal first        more: valise help V0102\n",
    );
}

#[tokio::test]
async fn unlock_asks_once_and_lock_ends_it() {
    let (office, mut alice, mut bob) = Office::open_with_pin("271828").await;
    alice
        .send(&["bob"], "Point presse", "The bus leaves at 7.")
        .await;
    bob.reopen();
    bob.sync().await;
    bob.close();
    let cli = office.cli("bob");

    let mut terminal = Terminal::start(cli.command(&["unlock"]));
    terminal.asks("PIN of your security key:", "271828");
    assert_eq!(terminal.ends(), 0, "{}", terminal.screen());
    assert!(
        terminal.screen().contains("unlocked"),
        "{}",
        terminal.screen()
    );

    // From here on reading needs neither PIN nor touch, even where nobody can be asked.
    let commands = cli.key_commands();
    assert_eq!(cli.json(&["status"]).object()["state"], "unlocked");
    assert_eq!(cli.json(&["list"]).objects().len(), 1);
    assert_eq!(
        cli.json(&["read", "1"]).object()["body"],
        "The bus leaves at 7."
    );
    assert_eq!(cli.key_commands(), commands);

    // Locked is locked at once.
    assert_eq!(cli.json(&["lock"]).object()["state"], "locked");
    assert_eq!(cli.json(&["status"]).object()["state"], "locked");
    assert_eq!(cli.run(&["list"]).code, 2);
}

#[tokio::test]
async fn whoever_gives_up_after_a_wrong_pin_reads_how_many_tries_are_left() {
    let (office, _alice, _bob) = Office::open_with_pin("271828").await;
    let mut terminal = Terminal::start(office.cli("bob").command(&["list"]));
    terminal.asks("PIN of your security key:", "314159");
    terminal.asks("wrong PIN, 7 tries left. PIN:", "");
    assert_eq!(terminal.ends(), 8, "{}", terminal.screen());
    let screen = terminal.screen();
    assert!(
        screen.contains("error[V0303]: wrong PIN: 7 tries left"),
        "{screen}"
    );
}

#[tokio::test]
async fn three_wrong_pins_pause_the_key() {
    let (office, _alice, _bob) = Office::open_with_pin("271828").await;
    let mut terminal = Terminal::start(office.cli("bob").command(&["list"]));
    terminal.asks("PIN of your security key:", "314159");
    terminal.asks("wrong PIN, 7 tries left. PIN:", "314159");
    terminal.asks("wrong PIN, 6 tries left. PIN:", "314159");
    assert_eq!(terminal.ends(), 8, "{}", terminal.screen());
    assert!(
        terminal.screen().contains("error[V0304]"),
        "{}",
        terminal.screen()
    );
}
