//! Somebody attacks his own account, and sees what stops it.

use valise_client::{
    drill::{Attempt, Verdict},
    key::Source,
    session::Keyring,
    weaken::dangerously_weaken,
};

use crate::support::{Cli, Office, Said, Site, Terminal, person::Willing};

/// The verdict of each attempt.
fn verdicts(said: &Said) -> Vec<(String, String)> {
    let trials = said.objects();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    trials
        .iter()
        .map(|trial| (text(&trial["attempt"]), text(&trial["verdict"])))
        .collect()
}

fn stopped_but(exceptions: &[(&str, &str)]) -> Vec<(String, String)> {
    let all = Attempt::ALL.iter().map(|attempt| {
        let name = attempt.name();
        let other = exceptions.iter().find(|(exception, _)| *exception == name);
        let verdict = other.map_or("stopped", |(_, verdict)| verdict);
        (name.to_owned(), verdict.to_owned())
    });
    all.collect()
}

const LEFT_OUT: (&str, &str) = ("ask-under-your-name", "left-out");

#[test]
fn everything_is_stopped() {
    let (site, alice, [bob]) = Site::with(["bob"]);
    alice.must(&["send", "bob", "-s", "Bus", "-m", "It leaves at 7"]);
    bob.must(&["sync"]);
    let before = bob.json(&["log", "head"]).out;
    // A script says so, and nobody is asked without a terminal.
    let refused = bob.run(&["drill"]);
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(refused.err.contains("type Campagne"), "{refused:?}");

    let answers = |typed| {
        let mut terminal = Terminal::start(bob.command(&["drill"]));
        terminal.sees("type Campagne to go on:");
        terminal.types(typed);
        terminal.ends()
    };
    assert_eq!((answers("y"), answers("Campagne")), (3, 0));

    let drill = bob.json(&["drill", "--yes"]);
    assert_eq!(verdicts(&drill), stopped_but(&[LEFT_OUT]), "{}", drill.out);
    assert_eq!(
        drill.err.matches("touch your security key").count(),
        1,
        "{drill:?}"
    );
    let human = bob.must(&["drill", "--yes", "-o", "human"]);
    println!("{}", human.out);
    assert!(human.out.contains("alarm log-fork"), "{}", human.out);
    assert!(
        human.err.contains("everything that was tried was stopped"),
        "{}",
        human.err
    );

    // Nothing has changed: no entry, no ask, no alarm, and letters come and go.
    assert_eq!(bob.json(&["log", "head"]).out, before);
    assert_eq!(alice.json(&["admin", "requests"]).out, "");
    let alarms = |person: &Cli| {
        let events = person.json(&["events"]).objects();
        events.iter().filter(|event| event["alarm"] == true).count()
    };
    assert_eq!((alarms(&alice), alarms(&bob)), (0, 0));
    bob.must(&["reply", "@last", "-m", "I will be there"]);
    alice.must(&["sync"]);
    drop(site);
}

#[test]
fn without_a_server_only_lies_are_told() {
    let (mut site, alice, []) = Site::with([]);
    site.stop();
    let drill = alice.run(&["drill", "--yes", "-o", "json"]);
    assert_eq!(drill.code, 7, "{drill:?}");
    let verdicts = verdicts(&drill);
    for (attempt, (_, verdict)) in Attempt::ALL.iter().zip(&verdicts) {
        let expected = if attempt.is_local() {
            "stopped"
        } else {
            "not-tried"
        };
        assert_eq!(verdict, expected, "{attempt:?}");
    }
    let refusal: serde_json::Value =
        serde_json::from_str(drill.err.lines().last().unwrap()).unwrap();
    assert_eq!(refusal["facts"].as_array().unwrap().len(), 11, "{refusal}");
    site.start();
}

/// A drill against a server in which one check is switched off.
async fn against(off: &'static str) -> Said {
    let (mut office, mut alice) = Office::open_now().await;
    alice.close();
    office.stop();
    office.start_without(Some(off)).await;
    office.cli("alice").run(&["drill", "--yes", "-o", "json"])
}

#[tokio::test]
async fn twin_a_server_that_takes_a_request_twice_is_found_out() {
    let drill = against("L13").await;
    assert_eq!(drill.code, 6, "{drill:?}");
    let expected = stopped_but(&[LEFT_OUT, ("repeat-request", "not-stopped")]);
    assert_eq!(verdicts(&drill), expected);
    assert!(drill.err.contains("V0415"), "{drill:?}");
}

#[tokio::test]
async fn twin_a_server_that_takes_a_login_twice_is_found_out() {
    let drill = against("L04").await;
    assert_eq!(drill.code, 6, "{drill:?}");
    let expected = stopped_but(&[LEFT_OUT, ("repeat-login", "not-stopped")]);
    assert_eq!(verdicts(&drill), expected);
}

#[tokio::test]
async fn twin_a_computer_that_takes_any_servers_key_is_found_out() {
    let (_office, mut alice) = Office::open().await;
    let mut keyring = Keyring {
        source: Source::Soft(alice.key.clone()),
        prompt: &mut Willing::default(),
    };
    for (off, stopped) in [(None, true), (Some("L01"), false)] {
        dangerously_weaken(off);
        let trials = Box::pin(alice.session().drill(&mut keyring)).await.unwrap();
        for trial in trials {
            let expected = stopped || trial.attempt != Attempt::StandInForServer;
            let found = !matches!(trial.verdict, Verdict::NotStopped(_));
            assert_eq!(found, expected, "{trial:?}");
        }
    }
}
