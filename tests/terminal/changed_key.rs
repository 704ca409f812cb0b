//! A colleague's keys and computers change: what is shown and asked before the next letter.

use crate::support::{Office, Terminal};

#[tokio::test]
async fn e11_a_change_is_shown_and_asked_before_the_next_letter() {
    let (office, mut alice) = Office::open_now().await;
    let mut bob = office.hire(&mut alice, "bob").await;
    alice.sync().await;
    alice.send(&["bob"], "Plan", "At nine.").await;
    let mut laptop = bob.other_computer();
    laptop.join(&office).await;
    for person in [&mut alice, &mut bob, &mut laptop] {
        person.close();
    }
    let (alice, bob) = (office.cli("alice"), office.cli("bob"));
    let letter = ["send", "bob", "-s", "Plan", "-m", "At ten."];

    // A new computer, at a terminal: shown, and asked.
    let mut terminal = Terminal::start(alice.command(&letter));
    terminal.sees("bob: a new computer 'laptop'");
    terminal.sees("certified by bob's own key");
    terminal.sees("send to bob all the same? [y/N]");
    terminal.types("n");
    assert_eq!(terminal.ends(), 3, "{}", terminal.screen());
    println!("{}", terminal.screen());
    // In a script: told, and sent.
    let sent = alice.run(&letter).done();
    assert!(sent.err.contains("a new computer 'laptop'"), "{}", sent.err);
    let sent = alice.run(&letter).done();
    assert!(!sent.err.contains("a new computer"), "{}", sent.err);

    // A new key: no script and no --yes gets past it.
    let new = format!("soft:{}", bob.key.with_extension("second").display());
    bob.json(&["key", "add", "--new-key", &new]);
    alice.run(&["sync"]).done();
    for flags in [&[][..], &["--yes"]] {
        let refused = alice.run(&[&letter[..], flags].concat());
        assert_eq!(refused.code, 6, "{refused:?}");
        let said = refused.refusal();
        assert!(
            said.starts_with("error[V0406]: bob's keys changed"),
            "{said}"
        );
        assert!(said.contains("nothing was sent"), "{said}");
        assert!(said.contains("valise contact accept bob"), "{said}");
    }
    let synced = alice.run(&["sync"]).done();
    assert!(
        synced.err.contains("is held, bob's keys changed"),
        "{}",
        synced.err
    );
    let waiting = alice.json(&["outbox"]).objects();
    assert_eq!(waiting[0]["state"], "held: bob's keys changed");
    let shown = alice.run(&["contact", "show", "bob"]).done();
    assert!(shown.out.contains("changed"), "{}", shown.out);
    let mut terminal = Terminal::start(alice.command(&letter));
    terminal.sees("bob: a new security key");
    terminal.sees("send to bob all the same? [y/N]");
    terminal.types("y");
    assert_eq!(terminal.ends(), 0, "{}", terminal.screen());
    println!("{}", terminal.screen());

    // Compared by voice, it is known; and the words are the same on both sides.
    let own = bob.json(&["contact", "show", "bob"]).objects();
    let verified = alice.json(&["contact", "verify", "bob", "--yes"]).object();
    assert_eq!(verified["state"], "verified");
    assert_eq!(verified["words"], own[0]["words"]);
    let who = alice.json(&["who", "@last"]).objects();
    assert!(
        who.iter()
            .any(|reader| reader["person"] == "bob" && reader["state"] == "verified"),
        "{who:?}"
    );
    let mut terminal = Terminal::start(alice.command(&["contact", "list"]));
    assert_eq!(terminal.ends(), 0);
    println!("{}", terminal.screen());
    let mut terminal = Terminal::start(alice.command(&["contact", "show", "bob"]));
    assert_eq!(terminal.ends(), 0);
    println!("{}", terminal.screen());
}
