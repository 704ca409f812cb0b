//! A first day, with the real programs: an organisation, a colleague, a letter and its answer.

use serde_json::{Value, json};

use crate::support::{Cli, Server, program::said};

/// Alice founds the organisation on her machine; the operator makes the server from what she signed.
fn opening() -> (Server, Cli) {
    let mut server = Server::new();
    let alice = server.cli("alice");
    let genesis = server.path("genesis.valise");
    let url = server.url();
    let out = genesis.to_str().unwrap();
    let founding = [
        "found", "--org", "Campagne", "--url", &url, "--as", "alice", "--out", out,
    ];
    let founded = alice.json(&founding).object();
    assert_eq!(founded["organisation"], "Campagne");

    let listen = server.listen();
    let init = [
        "init",
        "--data",
        "server",
        "--genesis",
        "genesis.valise",
        "--listen",
        &listen,
    ];
    let init = [&init[..], &["--card", "card.valise"]].concat();
    said(server.command(&init).output().unwrap()).done();
    server.start();
    said(
        server
            .command(&["healthcheck", "--data", "server"])
            .output()
            .unwrap(),
    )
    .done();

    let card = server.path("card.valise");
    let joined = alice.json(&["join", card.to_str().unwrap()]).object();
    assert_eq!(
        (&joined["state"], &joined["name"]),
        (&json!("joined"), &json!("alice"))
    );
    assert_eq!(joined["organisation"], "Campagne");
    (server, alice)
}

/// Bob asks, reads his six words to alice, and she enrols him.
fn hiring(server: &Server, alice: &Cli) -> Cli {
    let bob = server.cli("bob");
    let card = server.path("card.valise");
    let join = ["join", card.to_str().unwrap(), "--as", "bob", "-o", "json"];
    let asked = bob.run(&join);
    assert_eq!(asked.code, 11, "{}", asked.err);
    let words = asked.object()["words"].as_str().unwrap().to_owned();
    assert_eq!(words.split_whitespace().count(), 6, "{words}");
    // Asking again is asking once: the same words, and still nobody decided.
    let again = bob.run(&join);
    assert_eq!((again.code, &again.object()["words"]), (11, &json!(words)));

    let requests = alice.json(&["admin", "requests"]).objects();
    assert_eq!(requests.len(), 1);
    assert_eq!(
        (&requests[0]["name"], &requests[0]["words"]),
        (&json!("bob"), &json!(words))
    );
    let enrolled = alice.json(&["admin", "enrol", "bob", "--yes"]).object();
    assert_eq!(
        (&enrolled["state"], &enrolled["name"]),
        (&json!("enrolled"), &json!("bob"))
    );
    assert!(alice.json(&["admin", "requests"]).objects().is_empty());

    let joined = bob.json(&join[..4]).object();
    assert_eq!(
        (&joined["state"], &joined["name"]),
        (&json!("joined"), &json!("bob"))
    );
    bob
}

fn names(objects: &[Value], key: &str) -> Vec<String> {
    objects
        .iter()
        .map(|object| object[key].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn from_founding_to_the_first_answer() {
    let (mut server, alice) = opening();
    let bob = hiring(&server, &alice);

    // A letter: its text from stdin, whatever is in it.
    let text = "The bus leaves at 7.\n\n– Gare de Lyon, « hall 2 »\n";
    let send = ["send", "bob", "-s", "Point presse", "-o", "json"];
    let sent = alice.run_with(&send, text).done().object();
    assert_eq!(
        (&sent["state"], &sent["to"]),
        (&json!("sent"), &json!(["bob"]))
    );

    assert_eq!(bob.json(&["sync"]).object()["letters"], 1);
    assert_eq!(bob.json(&["sync"]).object()["letters"], 0);
    let list = bob.json(&["list"]).objects();
    assert_eq!(list.len(), 1);
    assert_eq!(
        (&list[0]["from"], &list[0]["unread"]),
        (&json!("alice"), &json!(true))
    );
    assert_eq!(list[0]["subject"], "Point presse");
    let number = list[0]["number"].to_string();

    let read = bob.json(&["read", &number]).object();
    assert_eq!((&read["body"], &read["id"]), (&json!(text), &sent["id"]));
    assert_eq!((&read["to"], &read["cc"]), (&json!(["bob"]), &json!([])));
    assert!(bob.json(&["list", "--unread"]).objects().is_empty());

    // The answer, and the thread that both have.
    bob.json(&["reply", &number, "-m", "I will be there."]);
    assert_eq!(alice.json(&["sync"]).object()["letters"], 1);
    for person in [&alice, &bob] {
        let thread = person.json(&["thread", "1"]).objects();
        assert_eq!(names(&thread, "from"), ["alice", "bob"]);
        assert_eq!(
            names(&thread, "subject"),
            ["Point presse", "Re: Point presse"]
        );
        assert_eq!(
            (&thread[0]["id"], &thread[1]["in_reply_to"]),
            (&sent["id"], &sent["id"])
        );
    }

    // Who can read it: two people, one device each.
    let (here, there) = (
        alice.json(&["who", "1"]).objects(),
        bob.json(&["who", "1"]).objects(),
    );
    assert_eq!(names(&here, "person"), ["alice", "bob"]);
    assert_eq!(names(&here, "device"), names(&there, "device"));
    assert_eq!(
        (&here[0]["this"], &there[0]["this"]),
        (&json!(true), &json!(false))
    );
    let whoami = bob.json(&["whoami"]).object();
    assert_eq!(
        (&whoami["name"], &whoami["admin"]),
        (&json!("bob"), &json!(false))
    );
    assert_eq!(
        (&whoami["certified"], &whoami["device"]),
        (&json!(true), &there[1]["device"])
    );
    assert_eq!(
        names(&bob.json(&["device", "list"]).objects(), "state"),
        ["certified"]
    );

    // Both see the same log, and nothing is wrong.
    let sync = alice.json(&["sync"]).object();
    assert_eq!((&sync["letters"], &sync["alarms"]), (&json!(0), &json!([])));
    bob.json(&["sync"]);
    assert_eq!(
        alice.json(&["log", "head"]).object(),
        bob.json(&["log", "head"]).object()
    );
    for person in [&alice, &bob] {
        let checks = person.json(&["doctor"]).objects();
        assert!(
            checks.iter().all(|check| check["state"] != "failed"),
            "{checks:?}"
        );
        assert!(!names(&checks, "check").is_empty());
        let events = person.json(&["events"]).objects();
        assert!(
            events.iter().all(|event| event["alarm"] == false),
            "{events:?}"
        );
        assert!(person.json(&["outbox"]).objects().is_empty());
        assert_eq!(person.json(&["search", "bus"]).objects().len(), 1);
        assert_eq!(person.json(&["status"]).object()["state"], "locked");
        let settings = person.json(&["config", "show", "--origin"]).objects();
        assert!(
            names(&settings, "name").contains(&"key".to_owned()),
            "{settings:?}"
        );
    }
    server.stop();
}
