//! A first day, with the real programs: an organisation, a colleague, a letter and its answer.

use serde_json::{Value, json};

use crate::support::{Cli, Site};

/// Alice founds the organisation on her machine; the operator makes the server from what she signed.
fn opening() -> (Site, Cli) {
    let mut site = Site::empty();
    let alice = site.person("alice");
    let (genesis, url) = (site.path("genesis.valise"), site.url());
    let founding = [
        "found", "--org", "Campagne", "--url", &url, "--as", "alice", "--out",
    ];
    let founded = alice.json(&[&founding[..], &[&genesis]].concat());
    has(
        &founded.object(),
        &json!({ "organisation": "Campagne", "genesis": genesis }),
    );

    site.init(&[]);
    site.start();
    site.operate("healthcheck --data server");

    let joined = alice.json(&["join", &site.path("card.valise")]).object();
    let expected = json!({ "state": "joined", "name": "alice", "organisation": "Campagne" });
    has(&joined, &expected);
    (site, alice)
}

/// Bob asks, reads his six words to alice, and she enrols him.
fn hiring(site: &Site, alice: &Cli) -> Cli {
    let bob = site.person("bob");
    let card = site.path("card.valise");
    let join = ["join", &card, "--as", "bob", "-o", "json"];
    let asked = bob.run(&join);
    assert_eq!(asked.code, 11, "{}", asked.err);
    has(
        &asked.object(),
        &json!({ "state": "waiting", "name": "bob" }),
    );
    let words = asked.object()["words"].clone();
    assert_eq!(words.as_str().unwrap().split(' ').count(), 6, "{words}");
    // Asking again is asking once: the same words, and still nobody decided.
    let again = bob.run(&join);
    assert_eq!((again.code, &again.object()["words"]), (11, &words));

    let requests = alice.json(&["admin", "requests"]).objects();
    assert_eq!(requests.len(), 1);
    has(&requests[0], &json!({ "name": "bob", "words": words }));
    let enrolled = alice.json(&["admin", "enrol", "bob", "--yes"]).object();
    has(
        &enrolled,
        &json!({ "state": "enrolled", "name": "bob", "words": words }),
    );
    // Said again, as after a crash, it is so already.
    let again = alice.json(&["admin", "enrol", "bob", "--yes"]).object();
    has(&again, &json!({ "state": "enrolled", "name": "bob" }));
    assert!(alice.json(&["admin", "requests"]).objects().is_empty());

    let joined = bob.run(&join).done().object();
    has(
        &joined,
        &json!({ "state": "joined", "name": "bob", "organisation": "Campagne" }),
    );
    bob
}

/// Alice writes, bob reads and answers. Returns the first letter's id.
fn correspond(alice: &Cli, bob: &Cli) -> Value {
    // The text comes from stdin, whatever is in it.
    let text = "The bus leaves at 7.\n\n– Gare de Lyon, « hall 2 »\n";
    let send = ["send", "bob", "-s", "Point presse", "-o", "json"];
    let posted = alice.run_with(&send, text).done().object();
    has(
        &posted,
        &json!({ "state": "sent", "to": ["bob"], "cc": [] }),
    );

    has(
        &bob.json(&["sync"]).object(),
        &json!({ "letters": 1, "alarms": [] }),
    );
    has(
        &bob.json(&["sync"]).object(),
        &json!({ "letters": 0, "alarms": [] }),
    );
    let list = bob.json(&["list"]).objects();
    assert_eq!(list.len(), 1);
    has(
        &list[0],
        &json!({ "from": "alice", "subject": "Point presse", "unread": true }),
    );
    let number = list[0]["number"].to_string();

    let letter = bob.json(&["read", &number]).object();
    has(
        &letter,
        &json!({ "id": posted["id"], "body": text, "to": ["bob"], "cc": [] }),
    );
    assert!(bob.json(&["list", "--unread"]).objects().is_empty());

    bob.json(&["reply", &number, "-m", "I will be there."]);
    has(
        &alice.json(&["sync"]).object(),
        &json!({ "letters": 1, "alarms": [] }),
    );
    posted["id"].clone()
}

/// Nothing is wrong, and every question has an answer that a program understands.
fn all_is_well(person: &Cli) {
    let checks = person.json(&["doctor"]).objects();
    assert!(
        names(&checks, "check").contains(&"server".to_owned()),
        "{checks:?}"
    );
    assert!(
        !names(&checks, "state").contains(&"failed".to_owned()),
        "{checks:?}"
    );
    let events = person.json(&["events"]).objects();
    assert!(
        events.iter().all(|event| event["alarm"] == false),
        "{events:?}"
    );
    assert!(person.json(&["outbox"]).objects().is_empty());
    assert_eq!(person.json(&["search", "bus"]).objects().len(), 1);
    has(
        &person.json(&["status"]).object(),
        &json!({ "state": "locked" }),
    );
    let settings = person.json(&["config", "show", "--origin"]).objects();
    assert!(
        names(&settings, "name").contains(&"key".to_owned()),
        "{settings:?}"
    );
}

#[test]
fn from_founding_to_the_first_answer() {
    let (mut site, alice) = opening();
    let bob = hiring(&site, &alice);
    let first = correspond(&alice, &bob);

    // Both have the same thread.
    for person in [&alice, &bob] {
        let thread = person.json(&["thread", "1"]).objects();
        assert_eq!(thread.len(), 2);
        has(
            &thread[0],
            &json!({ "from": "alice", "subject": "Point presse", "id": first }),
        );
        let answer = json!({ "from": "bob", "subject": "Re: Point presse", "in_reply_to": first });
        has(&thread[1], &answer);
    }

    // Who can read it: two people, one device each, and both see the same.
    let readers = [&alice, &bob].map(|person| person.json(&["who", "1"]).objects());
    assert_eq!(names(&readers[0], "person"), ["alice", "bob"]);
    assert_eq!(names(&readers[0], "device"), names(&readers[1], "device"));
    has(&readers[1][0], &json!({ "person": "alice", "this": false }));
    has(&readers[1][1], &json!({ "person": "bob", "this": true }));
    let device = &readers[1][1]["device"];
    let whoami = json!({ "name": "bob", "admin": false, "certified": true, "device": device });
    has(&bob.json(&["whoami"]).object(), &whoami);
    let devices = bob.json(&["device", "list"]).objects();
    assert_eq!(devices.len(), 1);
    has(
        &devices[0],
        &json!({ "id": device, "this": true, "state": "certified" }),
    );

    // Both have verified the same log.
    let heads = [&alice, &bob].map(|person| {
        person.json(&["sync"]);
        person.json(&["log", "head"]).object()
    });
    assert_eq!(heads[0], heads[1]);
    all_is_well(&alice);
    all_is_well(&bob);
    site.stop();
}

fn names(objects: &[Value], key: &str) -> Vec<String> {
    let names = objects
        .iter()
        .map(|object| object[key].as_str().unwrap().to_owned());
    names.collect()
}

/// Each of these members is in `object`, with this value.
#[track_caller]
fn has(object: &Value, members: &Value) {
    for (name, value) in members.as_object().unwrap() {
        assert_eq!(&object[name], value, "{name} of {object}");
    }
}
