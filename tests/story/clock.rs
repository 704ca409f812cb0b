//! V12, R11: a computer whose clock is wrong, and a laptop that sleeps.

use valise_client::{api::ApiError, clock::Clock as _, session::Error};
use valise_proto::api::ErrorCode;

use crate::support::{Office, Person};

const HOUR_MS: i64 = 3_600_000;
const YEAR_MS: i64 = 365 * 24 * HOUR_MS;

/// Alice's computer has a clock of its own from here on.
fn own_clock(office: &Office, alice: &mut Person) {
    alice.close();
    alice.time = office.time.another();
    alice.reopen();
}

/// Which of the two clocks is wrong, and by how much.
const WRONG_MS: [i64; 8] = [
    -2 * YEAR_MS,
    -YEAR_MS,
    -48 * HOUR_MS,
    -2 * 60_000,
    2 * 60_000,
    48 * HOUR_MS,
    YEAR_MS,
    20 * YEAR_MS,
];

#[tokio::test]
async fn v12_r11_by_a_wrong_clock_nothing_goes_wrong_and_nothing_is_lost() {
    let (office, mut alice) = Office::open().await;
    let mut bob = office.hire(&mut alice, "bob").await;
    alice.send(&["bob"], "News", "first").await;
    bob.sync().await;
    own_clock(&office, &mut alice);
    let mut sent = vec!["first".to_owned()];
    for (number, wrong_ms) in WRONG_MS.into_iter().enumerate() {
        alice.time.set_wrong(wrong_ms);
        let body = format!("letter {number}");
        let refused = alice.try_send(&["bob"], "News", &body).await;
        // The server says it, or its certificate is from another year.
        let named = match &refused {
            Err(Error::Api(error @ ApiError::Refused(_))) => error.code() == Some(ErrorCode::Clock),
            Err(Error::Api(ApiError::Certificate)) => wrong_ms.abs() >= YEAR_MS,
            _ => false,
        };
        assert!(named, "{wrong_ms}: {refused:?}");
        bob.sync().await;
        assert_eq!(bob.bodies(), sent, "{wrong_ms}");
        // Put right, the letter that waited goes, once. Nothing else is needed, not even another touch.
        alice.time.set_wrong(0);
        alice.sync().await;
        alice.sync().await;
        bob.sync().await;
        sent.push(body);
        assert_eq!(bob.bodies(), sent, "{wrong_ms}");
    }
    let loud = [alice.events(), bob.events()].concat();
    assert!(loud.iter().all(|kind| kind == "conversation"), "{loud:?}");
}

/// It is the server's clock that is wrong, and everybody else's is right.
#[tokio::test]
async fn v12_under_a_server_with_a_wrong_clock_nothing_is_lost() {
    let (office, mut alice) = Office::open().await;
    let mut bob = office.hire(&mut alice, "bob").await;
    alice.send(&["bob"], "News", "first").await;
    for person in [&mut alice, &mut bob] {
        own_clock(&office, person);
    }
    for wrong_ms in WRONG_MS {
        office.time.set_wrong(wrong_ms);
        let refused = bob.try_sync().await.map(drop);
        let clock =
            matches!(&refused, Err(Error::Api(error)) if error.code() == Some(ErrorCode::Clock));
        assert!(clock, "{wrong_ms}: {refused:?}");
        office.time.set_wrong(0);
    }
    bob.sync().await;
    alice.sync().await;
    assert_eq!(bob.bodies(), ["first"]);
    bob.send(&["alice"], "Re: News", "second").await;
    alice.sync().await;
    assert_eq!(alice.bodies(), ["first", "second"]);
}

/// A laptop sleeps over the weekend with everything open, and its clock was set while it slept.
#[tokio::test]
async fn r11_a_laptop_that_slept_goes_on() {
    let (office, mut alice) = Office::open().await;
    let mut bob = office.hire(&mut alice, "bob").await;
    alice.send(&["bob"], "News", "first").await;
    bob.sync().await;
    own_clock(&office, &mut bob);
    office.time.pass_minutes(3);
    bob.time.set_wrong(-30_000);
    bob.send(&["alice"], "Re: News", "before").await;
    office.time.pass_days(3);
    alice.sync().await;
    alice.send(&["bob"], "News", "second").await;
    bob.time.set_wrong(20_000);
    // The connection and the session are gone, and so is the word that the log is the newest.
    let touches = bob.touches();
    bob.send(&["alice"], "Re: News", "after").await;
    assert_eq!(bob.touches(), touches + 1);
    assert!(bob.bodies().contains(&"second".to_owned()));
    alice.sync().await;
    assert_eq!(alice.bodies(), ["first", "before", "second", "after"]);
    assert!(bob.time.now_ms() > office.time.now_ms());
}

/// What a person reads whose computer and server do not agree on the time.
#[tokio::test]
async fn v12_two_clocks_that_do_not_agree_are_named() {
    let (office, mut alice) = Office::open_now().await;
    alice.close();
    office.time.set_wrong(48 * HOUR_MS);
    let said = office.cli("alice").run(&["sync"]);
    assert_eq!(said.code, 1, "{said:?}");
    for part in [
        "error[V0208]: two clocks do not agree — nothing was sent",
        "this computer's clock shows ",
        ", and the server's ",
        "try   timedatectl set-ntp true; if this computer's clock is right, tell whoever runs your server",
    ] {
        assert!(said.err.contains(part), "{part}: {}", said.err);
    }
}
