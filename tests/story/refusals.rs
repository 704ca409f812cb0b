//! Refusals, word for word: what happened, what did not, and what to do. Each has its exit code.

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use valise_server::config::Config;

use crate::support::{Office, Person, Said, Site};

/// An office where everybody uses the real program.
async fn office() -> (Office, Person) {
    let (office, mut alice) = Office::open_now().await;
    drop(office.hire(&mut alice, "bob").await);
    alice.close();
    (office, alice)
}

#[track_caller]
fn refused(said: &Said, code: i32, text: &str) {
    assert_eq!((said.refusal(), said.code), (text, code), "{}", said.err);
    assert_eq!(said.out, "", "a refusal is no answer");
}

#[tokio::test]
async fn letters_that_cannot_go() {
    let (office, _alice) = office().await;
    let alice = office.cli("alice");
    refused(
        &alice.run(&["send", "bbo", "-s", "Bus", "-m", "It leaves at 7."]),
        5,
        "error[V0502]: there is nobody named bbo — nothing was sent or kept\n  \
         try   did you mean bob?        more: valise help V0502\n",
    );
    refused(
        &alice.run(&["send", "zebulon", "-s", "Bus", "-m", "It leaves at 7."]),
        5,
        "error[V0502]: there is nobody named zebulon — nothing was sent or kept\n  \
         try   valise sync        more: valise help V0502\n",
    );
    refused(
        &alice.run_with(&["send", "bob", "-s", "Bus"], " \n"),
        2,
        "error[V0509]: the letter has no text — nothing was sent or kept\n  \
         try   give it one with -m, or on stdin        more: valise help V0509\n",
    );
    refused(
        &alice.run_with(&["send", "bob", "-s", "All of it"], &"x".repeat(1 << 20)),
        2,
        "error[V0503]: the letter has 1081344 bytes, and the organisation allows 1048576 — \
         nothing was sent or kept\n  \
         try   shorten it, or send it in parts        more: valise help V0503\n",
    );
    refused(
        &alice.run(&["read", "99"]),
        5,
        "error[V0104]: there is no such letter here\n  \
         try   valise list        more: valise help V0104\n",
    );
    refused(
        &alice.run(&["list", "--from", "bbo"]),
        5,
        "error[V0502]: there is nobody named bbo — nothing was listed\n  \
         try   did you mean bob?        more: valise help V0502\n",
    );
    assert!(alice.json(&["list", "--from", "bob"]).objects().is_empty());
    assert!(alice.json(&["list"]).objects().is_empty());
    assert!(alice.json(&["outbox"]).objects().is_empty());
}

/// What waits can be dropped, and nothing of it is left; what may have gone cannot.
#[test]
fn a_letter_is_dropped_from_the_outbox() {
    let (mut site, alice) = Site::open();
    let _bob = site.hire(&alice, "bob");
    site.unlock(&alice);
    site.kill();
    let kept = alice.run(&["send", "bob", "-s", "Bus", "-m", "It leaves at 7."]);
    assert_eq!(kept.code, 7, "{kept:?}");
    let number = alice.json(&["outbox"]).object()["number"].to_string();
    let rm = ["outbox", "rm", &number];
    // There is no terminal to ask on.
    assert_eq!(alice.run(&rm).code, 2);
    assert_eq!(alice.json(&["outbox"]).objects().len(), 1);
    alice.must(&["outbox", "rm", &number, "--yes"]);
    assert!(alice.json(&["outbox"]).objects().is_empty());
    assert!(alice.json(&["list"]).objects().is_empty());
    assert!(alice.json(&["search", "leaves"]).objects().is_empty());
    site.start();

    // One that died on its way to the server is encrypted, and may have arrived.
    alice.dies_at(
        "after-encrypt",
        &["send", "bob", "-s", "Bus", "-m", "It leaves at 8."],
    );
    let number = alice.json(&["outbox"]).object()["number"].to_string();
    let on_its_way = format!(
        "error[V0510]: letter {number} is being sent — it was not dropped\n  \
         try   valise outbox retry        more: valise help V0510\n"
    );
    refused(
        &alice.run(&["outbox", "rm", &number, "--yes"]),
        1,
        &on_its_way,
    );
    alice.must(&["outbox", "retry"]);
    let gone = format!(
        "error[V0511]: letter {number} does not wait in the outbox — nothing was dropped\n  \
         try   valise outbox        more: valise help V0511\n"
    );
    refused(&alice.run(&["outbox", "rm", &number, "--yes"]), 5, &gone);
}

#[tokio::test]
async fn people_who_may_not() {
    let (office, _alice) = office().await;
    let (bob, carol) = (office.cli("bob"), office.cli("carol"));
    let card = office.card_file();
    refused(
        &carol.run(&["list"]),
        4,
        "error[V0602]: there is no account in this folder yet\n  \
         try   valise join CARD        more: valise help V0602\n",
    );
    let join = carol.run(&["join", card.to_str().unwrap(), "--as", "carol"]);
    assert_eq!(join.code, 11, "{}", join.err);
    refused(
        &carol.run(&["send", "bob", "-s", "Hello", "-m", "Hello."]),
        4,
        "error[V0501]: this account is not enrolled yet\n  \
         try   read the six words to an admin, then run valise join again        \
         more: valise help V0501\n",
    );
    refused(
        &bob.run(&["admin", "enrol", "carol", "--yes"]),
        9,
        "error[V0506]: bob is not an admin — nothing was signed\n  \
         try   ask an admin        more: valise help V0506\n",
    );
    refused(
        &office
            .cli("alice")
            .run(&["admin", "enrol", "dave", "--yes"]),
        5,
        "error[V0104]: nobody named dave asks to be enrolled\n  \
         try   valise admin requests        more: valise help V0104\n",
    );

    // A stolen laptop, revoked by an admin.
    let device = bob.json(&["whoami"]).object()["device"]
        .as_str()
        .unwrap()
        .to_owned();
    office
        .cli("alice")
        .json(&["admin", "device", "revoke", "bob", &device, "--yes"]);
    refused(
        &bob.run(&["sync"]),
        6,
        "error[V0408]: this device was revoked, or its account suspended — nothing was sent\n  \
         try   call an admin        more: valise help V0408\n",
    );
}

#[tokio::test]
async fn keys_that_do_not_open() {
    let (office, _alice) = office().await;
    refused(
        &office.cli("bob").run(&[]),
        4,
        "error[V0601]: your letters are locked\n  \
         try   valise unlock        more: valise help V0601\n",
    );
    let mut bob = office.cli("bob");
    bob.key = office.cli("alice").key;
    refused(
        &bob.run(&["list"]),
        8,
        "error[V0306]: this is not one of your enrolled keys — nothing was opened or signed\n  \
         try   plug in the key that you enrolled here        more: valise help V0306\n",
    );
    refused(
        &office.cli("bob").run(&["list", "--key", "usb"]),
        8,
        "error[V0301]: no key is plugged in — nothing was opened or signed\n  \
         try   plug your security key in and try again        more: valise help V0301\n",
    );
}

#[tokio::test]
async fn cards_that_are_wrong() {
    let (office, _alice) = office().await;
    let (elsewhere, _other) = Office::open_now().await;
    let card = elsewhere.card_file();
    let said = office.cli("alice").run(&["join", card.to_str().unwrap()]);
    let (ours, theirs) = (office.card.org, elsewhere.card.org);
    refused(
        &said,
        6,
        &format!(
            "error[V0410]: this is not the card that this account joined with — nothing was sent\n  \
             expected   organisation {ours}\n  \
             seen       organisation {theirs}\n  \
             try        call an admin, by another way than Valise        more: valise help V0410\n"
        ),
    );
    let garbage = office.folder.path().join("garbage.valise");
    std::fs::write(&garbage, "valise-card/1 \u{1b}[2J nonsense").unwrap();
    refused(
        &office
            .cli("carol")
            .run(&["join", garbage.to_str().unwrap(), "--as", "carol"]),
        6,
        &format!(
            "error[V0410]: {}: this is not an organisation card — nothing was sent and no key was \
             asked for\n  \
             try   get the card again from somebody you trust        more: valise help V0410\n",
            garbage.display()
        ),
    );
    assert!(!office.cli("carol").key.exists(), "no key was asked for");
}

#[tokio::test]
async fn a_server_that_is_down_keeps_no_letter_from_going() {
    let (mut office, _alice) = office().await;
    let (alice, bob) = (office.cli("alice"), office.cli("bob"));
    office.stop();
    refused(
        &alice.run(&["send", "bob", "-s", "Bus", "-m", "It leaves at 7."]),
        7,
        "error[V0201]: the server cannot be reached: no connection — the letter was kept\n  \
         letter   letter 1 waits in the outbox\n  \
         try      valise outbox retry        more: valise help V0201\n",
    );
    assert_eq!(alice.json(&["outbox"]).objects().len(), 1);

    office.start().await;
    assert!(alice.json(&["outbox", "retry"]).objects().is_empty());
    assert!(alice.json(&["outbox"]).objects().is_empty());
    bob.json(&["sync"]);
    assert_eq!(bob.json(&["read", "1"]).object()["body"], "It leaves at 7.");
}

#[tokio::test]
async fn a_certificate_that_has_run_out() {
    let (mut office, _alice) = office().await;
    office.stop();
    let config = Config::load(&office.data()).unwrap();
    let key = std::fs::read_to_string(config.tls_key_path()).unwrap();
    let mut expired = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    (expired.not_before, expired.not_after) =
        (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
    let expired = expired
        .self_signed(&KeyPair::from_pem(&key).unwrap())
        .unwrap();
    std::fs::write(config.tls_certificate_path(), expired.pem()).unwrap();
    office.start().await;
    refused(
        &office.cli("bob").run(&["sync"]),
        7,
        "error[V0202]: the server's certificate is not valid today — nothing was sent\n  \
         try   tell whoever runs your server; check this computer's clock        \
         more: valise help V0202\n",
    );
}

#[test]
fn what_was_not_understood() {
    let site = Site::empty();
    let nobody = site.person("nobody");
    refused(
        &nobody.run(&["help", "V9999"]),
        5,
        "error[V0104]: there is no help on V9999\n  \
         try   valise --help        more: valise help V0104\n",
    );
    let json = nobody.run(&["list", "-o", "json"]);
    assert_eq!((json.code, json.out.as_str()), (4, ""));
    let error: serde_json::Value = serde_json::from_str(&json.err).unwrap();
    assert_eq!(
        (&error["code"], &error["exit"]),
        (&"V0602".into(), &4.into())
    );
    assert_eq!(nobody.run(&["sned"]).code, 2);
}
