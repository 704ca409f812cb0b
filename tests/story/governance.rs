//! What admins decide, with the real programs: alone, together, and against each other.

use serde_json::{Value, json};
use valise_client::key::soft;

use crate::support::{Cli, Site};

/// Alice and bob are admins, and carol works here.
fn board() -> (Site, [Cli; 3]) {
    let (site, alice) = Site::open();
    let bob = site.hire(&alice, "bob");
    let carol = site.hire(&alice, "carol");
    alice.must(&["admin", "role", "grant", "bob", "--yes"]);
    (site, [alice, bob, carol])
}

/// One proposes, and the other signs what she finds on the list.
fn both(alice: &Cli, bob: &Cli, act: &[&str]) {
    let waiting = alice.json(&[act, &["--yes"]].concat());
    assert!(waiting.err.contains("this needs 2 admins"), "{waiting:?}");
    let waiting = waiting.object();
    assert_eq!(waiting["state"], "waiting", "{waiting}");
    let id = waiting["id"].as_str().unwrap();
    let signed = bob.json(&["admin", "approve", "sign", id, "--yes"]);
    assert_eq!(signed.object()["state"], "done", "{signed:?}");
}

fn user(admin: &Cli, name: &str) -> Value {
    admin.json(&["admin", "user", "show", name]).object()
}

/// Refused by the rules, before a key is touched.
#[track_caller]
fn against_rules(admin: &Cli, act: &[&str], why: &str) {
    let refused = admin.run(&[act, &["--yes"]].concat());
    assert_eq!(refused.code, 9, "{refused:?}");
    assert!(refused.err.contains(why), "{}", refused.err);
    assert!(
        refused.err.contains("nothing was signed"),
        "{}",
        refused.err
    );
    // The one touch that opens the store.
    assert_eq!(refused.err.matches("touch your security key").count(), 1);
}

#[test]
fn somebody_is_suspended_restored_and_seen_out() {
    let (mut site, [alice, bob, carol]) = board();
    let suspended = alice.json(&["admin", "user", "suspend", "carol", "--yes"]);
    let said = json!({ "state": "suspended", "name": "carol" });
    assert_eq!(suspended.object(), said);
    assert!(
        suspended
            .err
            .contains("carol will neither send nor receive")
    );
    assert_eq!(user(&bob, "carol")["state"], "suspended");
    assert_eq!(carol.run(&["sync"]).code, 6);
    let letter = ["send", "carol", "-s", "Bus", "-m", "At 7.", "--yes"];
    let refused = alice.run(&letter);
    assert_eq!(refused.code, 9, "{refused:?}");
    assert_eq!(
        refused.refusal(),
        "error[V0505]: carol is suspended, and receives nothing — nothing was sent or kept\n  \
         try   leave them out, or ask an admin        more: valise help V0505\n"
    );

    let restored = bob.json(&["admin", "user", "restore", "carol", "--yes"]);
    assert_eq!(restored.object()["state"], "active");
    // Alice's computer has not heard of it: it asks.
    alice.must(&letter);
    carol.must(&["sync"]);
    against_rules(
        &alice,
        &["admin", "user", "restore", "carol"],
        "carol is not suspended",
    );
    let unknown = alice.run(&["admin", "user", "suspend", "nobody", "--yes"]);
    assert_eq!(unknown.code, 5, "{unknown:?}");
    let refused = carol.run(&["admin", "user", "suspend", "bob", "--yes"]);
    assert_eq!(refused.code, 9, "{refused:?}");

    // A lost laptop, then a farewell.
    let device = user(&alice, "carol")["devices"][0]
        .as_str()
        .unwrap()
        .to_owned();
    let gone = alice.json(&["admin", "user", "offboard", "carol", "--yes"]);
    assert_eq!(gone.object()["state"], "suspended");
    let left = format!("valise admin device revoke carol {device}");
    assert!(gone.err.contains(&left), "{}", gone.err);
    alice.must(&["admin", "device", "revoke", "carol", &device[..8], "--yes"]);
    let devices = alice.json(&["admin", "device", "list", "carol"]).objects();
    assert_eq!(devices[0]["state"], "revoked");
    let key = user(&alice, "carol")["keys"][0]
        .as_str()
        .unwrap()
        .to_owned();
    alice.must(&["admin", "key", "revoke", "carol", &key, "--yes"]);
    assert!(
        alice
            .json(&["admin", "key", "list", "carol"])
            .objects()
            .is_empty()
    );
    site.stop();
}

#[test]
fn e06_a_role_goes_and_a_threshold_changes_by_two_signatures() {
    let (mut site, [alice, bob, carol]) = board();
    let grave = "would leave 1 admins who can sign, where 2 must";
    against_rules(&alice, &["admin", "role", "revoke", "bob"], grave);
    against_rules(&alice, &["admin", "user", "suspend", "bob"], grave);
    both(&alice, &bob, &["admin", "role", "grant", "carol"]);
    let council = carol.json(&["admin", "threshold", "show"]).object();
    let expected = json!({ "threshold": 2, "can_sign": 3, "admins": ["alice", "bob", "carol"] });
    assert_eq!(council, expected);

    let set = ["admin", "threshold", "set"];
    against_rules(&bob, &[&set[..], &["4"]].concat(), "1 to 3 are possible");
    both(&bob, &carol, &[&set[..], &["1"]].concat());
    let one = alice.json(&[&set[..], &["2", "--yes"]].concat()).object();
    assert_eq!(one, json!({ "state": "set", "threshold": 2 }));

    // Offboarding an admin begins with the role.
    let away = ["admin", "user", "offboard", "carol"];
    let proposed = alice.json(&[&away[..], &["--yes"]].concat());
    assert!(
        proposed
            .err
            .contains("then go on: valise admin user offboard carol")
    );
    let id = proposed.object()["id"].as_str().unwrap().to_owned();
    assert_eq!(user(&alice, "carol")["admin"], true);
    bob.must(&["admin", "approve", "sign", &id, "--yes"]);
    assert_eq!(user(&alice, "carol")["admin"], false);
    let gone = alice.json(&[&away[..], &["--yes"]].concat()).object();
    assert_eq!(gone["state"], "suspended");
    site.stop();
}

#[test]
fn e07_a_recovery_is_begun_by_two_vetoed_by_the_person_and_waits() {
    let (mut site, [alice, bob, _]) = board();
    let dora = site.hire(&alice, "dora");
    let found = Cli {
        home: dora.home.with_extension("found"),
        key: dora.key.with_extension("found-key"),
    };
    let card = site.path("card.valise");
    let asked = found.run(&["join", &card, "--as", "dora", "-o", "json"]);
    assert_eq!(asked.code, 11, "{asked:?}");
    let words = asked.object()["words"].clone();
    // To ask gives nothing, and nobody enrols a name twice.
    let taken = alice.run(&["admin", "enrol", "dora", "--yes"]);
    assert!(
        taken.err.contains("valise admin recovery begin"),
        "{taken:?}"
    );

    let begin = ["admin", "recovery", "begin", "dora"];
    let proposed = alice.json(&[&begin[..], &["--yes"]].concat());
    let id = proposed.object()["id"].as_str().unwrap().to_owned();
    assert!(
        proposed.err.contains(words.as_str().unwrap()),
        "{proposed:?}"
    );
    let shown = bob.json(&["admin", "approve", "show", &id]).object();
    assert_eq!(shown["words"], words);
    assert!(
        bob.json(&["admin", "recovery", "list"])
            .objects()
            .is_empty()
    );
    bob.must(&["admin", "approve", "sign", &id, "--yes"]);
    assert_eq!(user(&bob, "dora")["state"], "recovering");
    let vetoed = dora.json(&["admin", "recovery", "veto", "dora", "--yes"]);
    assert_eq!(vetoed.object()["state"], "vetoed");
    let over = alice.run(&["admin", "recovery", "finish", "dora", "--yes"]);
    assert_eq!(over.code, 5, "{over:?}");

    // It was dora who asked, after all.
    both(&bob, &alice, &begin);
    let open = alice.json(&["admin", "recovery", "list"]).objects();
    assert_eq!(open[0]["words"], words);
    let until = open[0]["until"].as_str().unwrap();
    let early = alice.run(&["admin", "recovery", "finish", "dora", "--yes"]);
    assert_eq!(early.code, 9);
    assert_eq!(
        early.err.lines().next_back(),
        Some("  try   valise admin recovery list        more: valise help V0512")
    );
    let text = format!(
        "error[V0512]: the recovery of dora waits for objections until {until} — nothing was signed"
    );
    assert!(early.err.contains(&text), "{}", early.err);
    // Whoever has the new key is nobody yet, and waits.
    assert_eq!(found.run(&["join", &card]).code, 11);
    assert!(alice.json(&["admin", "requests"]).objects().is_empty());
    site.stop();
}

/// An admin names who makes the keys that may come in, and sees what a key's attestation says.
#[test]
fn l10_the_makers_of_keys_are_named_by_the_rules() {
    let (mut site, alice, [bob]) = Site::with(["bob"]);
    let set = ["admin", "policy", "set"];
    let policy = |more: &[&str]| alice.must(&[&set[..], more, &["--yes"]].concat());
    let any = policy(&["--any-keys"]);
    let plain = "any hardware key may be enrolled, and no maker vouches for it";
    assert!(any.err.contains(plain), "{}", any.err);
    let rules = alice.json(&["admin", "policy", "show"]).object();
    assert_eq!(rules["attestation"], "any hardware key");

    let roots = site.path("roots.pem");
    std::fs::write(&roots, soft::test_ca_pem()).unwrap();
    let ours = data_encoding::HEXLOWER.encode(&soft::AAGUID);
    let keys = format!("{roots}:{ours},2fc0579f-8113-47ea-b116-bb5a8db9202a");
    let named = policy(&["--keys", &keys]);
    assert!(named.err.contains("keys may come from"), "{}", named.err);
    assert!(named.err.contains("Valise TEST authority"), "{}", named.err);
    let _carol = site.hire(&alice, "carol");

    // Dave asks while his key may come in.
    let (dave, card) = (site.person("dave"), site.path("card.valise"));
    assert_eq!(dave.run(&["join", &card, "--as", "dave"]).code, 11);
    let asks = alice.json(&["admin", "requests"]).objects();
    assert_eq!(asks[0]["attested"], true);
    policy(&[
        "--keys",
        &format!("{roots}:2fc0579f-8113-47ea-b116-bb5a8db9202a"),
    ]);
    let asks = alice.json(&["admin", "requests"]).objects();
    assert_eq!(asks[0]["attested"], false);
    let refused = alice.run(&["admin", "enrol", "dave", "--yes"]);
    assert_eq!(refused.code, 9, "{refused:?}");
    assert!(refused.refusal().starts_with("error[V0307]"), "{refused:?}");
    let events = alice.json(&["events"]).objects();
    assert!(events.iter().any(|event| event["kind"] == "unattested-key"));

    // Whoever is in stays, and is named.
    bob.must(&["sync"]);
    let risks = alice.json(&["admin", "report", "risk"]).objects();
    let old = risks
        .iter()
        .filter(|row| row["risk"] == "old-model")
        .count();
    assert_eq!(old, 3);

    for wrong in ["roots.pem", "x:1234", &format!("{card}:{ours}")] {
        let refused = alice.run(&[&set[..], &["--keys", wrong, "--yes"]].concat());
        assert_eq!(refused.code, 2, "{refused:?}");
    }
    site.stop();
}

#[test]
fn e12_rules_lists_and_the_whole_log_are_there_to_be_read() {
    let (mut site, [alice, bob, carol]) = board();
    both(&alice, &bob, &["admin", "policy", "set", "recovery", "48h"]);
    let rules = carol.json(&["admin", "policy", "show"]).object();
    assert_eq!(rules["recovery"], "2d");
    let history = carol.json(&["admin", "policy", "history"]).objects();
    assert_eq!(history[0]["change"], "recovery: 1d becomes 2d");
    assert_eq!(history[0]["signed_by"].as_array().unwrap().len(), 2);
    let short = ["admin", "policy", "set", "recovery", "1m"];
    against_rules(&alice, &short, "the policy's recovery_ms is 60000");
    let unknown = alice.run(&["admin", "policy", "set", "suite", "1", "--yes"]);
    assert_eq!(unknown.code, 2, "{unknown:?}");

    alice.must(&[
        "admin", "list", "set", "press", "carol", "bob", "carol", "--yes",
    ]);
    let list = carol.json(&["admin", "list", "show", "press"]).objects();
    assert_eq!(list[0]["members"], json!(["bob", "carol"]));
    bob.must(&["admin", "list", "close", "press", "--yes"]);
    let list = carol.json(&["admin", "list", "show"]).objects();
    assert_eq!(list[0]["people"], 0);

    let held = carol.json(&["admin", "log", "verify"]).object();
    assert_eq!(held["state"], "holds");
    let entries = held["entries"].as_u64().unwrap();
    let shown = carol
        .json(&["admin", "log", "show", "--limit", "1"])
        .objects();
    assert_eq!(shown[0]["entry"], entries - 1);
    assert_eq!(shown[0]["act"], "close the list press");
    assert_eq!(shown[0]["signed_by"], json!(["bob"]));
    let first = carol.json(&["admin", "log", "show", "--from", "0", "--limit", "1"]);
    assert_eq!(first.objects()[0]["kind"], "genesis");
    let file = site.path("directory.log");
    carol.must(&["admin", "log", "export", &file]);
    let text = std::fs::read_to_string(&file).unwrap();
    let (signed, lines) = text.rsplit_once("\n\n").unwrap();
    assert!(signed.contains(&format!("\n{entries}\n")), "{signed}");
    assert_eq!(lines.lines().count(), usize::try_from(entries).unwrap());
    assert_ne!(carol.run(&["admin", "log", "export", &file]).code, 0);

    let risks = carol.json(&["admin", "report", "risk"]).objects();
    let named = |risk: &str| risks.iter().filter(|row| row["risk"] == risk).count();
    assert_eq!(
        [
            named("single-key"),
            named("few-admins"),
            named("no-witness")
        ],
        [3, 1, 1]
    );
    assert_eq!(carol.json(&["admin", "report", "users"]).objects().len(), 3);
    assert_eq!(carol.json(&["admin", "report", "keys"]).objects().len(), 3);
    site.stop();
}
