//! What one admin proposes and another signs, with the real programs.

use serde_json::{Value, json};

use crate::support::{Cli, Site};

/// Alice and bob are admins, and carol works here.
fn board() -> (Site, [Cli; 3]) {
    let (site, alice) = Site::open();
    let bob = site.hire(&alice, "bob");
    let carol = site.hire(&alice, "carol");
    // While alice is the only one, her word is enough.
    let granted = alice.json(&["admin", "role", "grant", "bob", "--yes"]);
    assert_eq!(granted.object(), json!({ "state": "admin", "name": "bob" }));
    (site, [alice, bob, carol])
}

fn is_admin(person: &Cli) -> bool {
    person.must(&["sync"]);
    person.json(&["whoami"]).object()["admin"] == true
}

/// Alice proposes carol. Returns the act's id.
fn proposed(alice: &Cli) -> String {
    let said = alice.json(&["admin", "role", "grant", "carol", "--yes"]);
    assert!(
        said.err
            .contains("nothing has changed yet: this waits for 1 more admin")
    );
    assert!(said.err.contains("who can sign it: bob"), "{}", said.err);
    assert!(
        said.err.contains("valise admin approve sign "),
        "{}",
        said.err
    );
    let waiting = said.object();
    assert_eq!(waiting["state"], "waiting");
    assert_eq!(waiting["act"], "make carol an admin");
    assert_eq!(waiting["waits_for"], 1);
    waiting["id"].as_str().unwrap().to_owned()
}

fn list(admin: &Cli) -> Vec<Value> {
    admin.json(&["admin", "approve", "list"]).objects()
}

#[test]
fn e06_two_admins_make_a_third() {
    let (mut site, [alice, bob, carol]) = board();
    let id = proposed(&alice);
    assert!(!is_admin(&carol));
    // Said twice it is said once.
    assert_eq!(proposed(&alice), id);

    let synced = bob.json(&["sync"]);
    let line = "1 act waits for your signature: valise admin approve list";
    assert!(synced.err.contains(line), "{}", synced.err);
    assert!(!alice.json(&["sync"]).err.contains("waits for your"));
    let open = list(&bob);
    assert_eq!(open.len(), 1, "{open:?}");
    assert_eq!(open[0]["id"], *id);
    assert_eq!(open[0]["signed_by"], json!(["alice"]));
    assert_eq!(open[0]["yours"], true);
    assert_eq!(list(&alice)[0]["yours"], false);
    // Who is no admin is told so.
    let refused = carol.run(&["admin", "approve", "list"]);
    assert_eq!(refused.code, 9, "{}", refused.err);

    let short = &id[..6];
    let shown = bob.json(&["admin", "approve", "show", short]).object();
    assert_eq!(shown["act"], "make carol an admin");
    assert_eq!(
        shown["changes"],
        "carol will be able to enrol and suspend people"
    );
    assert_eq!(shown["kind"], "admin.add");
    assert_eq!(shown["can_sign"], json!(["bob"]));
    // Nothing is signed without a yes.
    let unasked = bob.run(&["admin", "approve", "sign", short]);
    assert_eq!(unasked.code, 2, "{}", unasked.err);
    let again = alice.json(&["admin", "approve", "sign", short, "--yes"]);
    assert_eq!(again.object()["state"], "waiting");
    assert!(!is_admin(&carol));
    let signed = bob.json(&["admin", "approve", "sign", short, "--yes"]);
    assert_eq!(signed.object()["state"], "done");
    assert!(is_admin(&carol));
    assert!(list(&alice).is_empty());
    assert!(!bob.json(&["sync"]).err.contains("waits for your"));
    site.stop();
}

#[test]
fn an_act_is_rejected_or_overtaken() {
    let (mut site, [alice, bob, carol]) = board();
    let id = proposed(&alice);
    let rejected = bob.json(&["admin", "approve", "reject", &id, "--yes"]);
    assert_eq!(rejected.object()["state"], "rejected");
    assert!(list(&alice).is_empty());
    let late = bob.run(&["admin", "approve", "sign", &id, "--yes"]);
    assert_eq!(late.code, 5, "{}", late.err);
    assert!(
        late.err.contains("there is no such waiting act"),
        "{}",
        late.err
    );

    // Proposed anew; then carol's new computer moves the log past it.
    let id = proposed(&alice);
    site.other_computer(&carol, "phone");
    assert!(list(&bob).is_empty());
    let late = bob.run(&["admin", "approve", "sign", &id, "--yes"]);
    assert_eq!(late.code, 5, "{}", late.err);
    // The second admin's own command signs what waits.
    proposed(&alice);
    let granted = bob.json(&["admin", "role", "grant", "carol", "--yes"]);
    assert_eq!(granted.object()["state"], "admin");
    assert!(is_admin(&carol));
    site.stop();
}
