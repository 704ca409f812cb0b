//! Joining at a terminal: it shows the words, waits, and goes on by itself.

use crate::support::{Office, Terminal};

#[tokio::test]
async fn join_shows_the_words_and_goes_on_by_itself() {
    let (office, mut alice) = Office::open_now().await;
    alice.close();
    let card = office.card_file();
    let bob = office.cli("bob");
    let mut terminal =
        Terminal::start(bob.command(&["join", card.to_str().unwrap(), "--as", "bob"]));
    terminal.sees("waiting for the admin");
    let screen = terminal.screen();
    let words = screen
        .lines()
        .find_map(|line| line.strip_prefix("words"))
        .unwrap()
        .trim();
    assert_eq!(words.split(' ').count(), 6, "{screen}");

    // Alice, on her machine, sees the same words and types yes.
    let enrol = office.cli("alice").command(&["admin", "enrol", "bob"]);
    let mut admin = Terminal::start(enrol);
    admin.sees("are they the same, face to face or by voice? [y/N]");
    assert!(
        admin.screen().contains(words),
        "{words}\n{}",
        admin.screen()
    );
    admin.types("y");
    assert_eq!(admin.ends(), 0, "{}", admin.screen());

    // Bob does nothing, and is in. The line that told him to wait is gone.
    assert_eq!(terminal.ends(), 0, "{}", terminal.screen());
    let screen = terminal.screen();
    assert!(
        screen.contains("joined") && screen.contains("Campagne"),
        "{screen}"
    );
    assert!(!screen.contains("waiting for the admin"), "{screen}");
}

#[tokio::test]
async fn whoever_does_not_say_yes_signs_nothing() {
    let (office, mut alice) = Office::open_now().await;
    alice.close();
    office.person("bob").ask(&office).await;
    let mut admin = Terminal::start(office.cli("alice").command(&["admin", "enrol", "bob"]));
    admin.sees("[y/N]");
    admin.types("");
    assert_eq!(admin.ends(), 3, "{}", admin.screen());
    assert!(
        admin
            .screen()
            .contains("error[V0103]: cancelled — nothing was done")
    );
    assert_eq!(
        office
            .cli("alice")
            .json(&["admin", "requests"])
            .objects()
            .len(),
        1
    );
}
