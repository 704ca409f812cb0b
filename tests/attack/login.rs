//! Nothing that passes a thief's hands logs him in, and nobody but the pinned server gets a touch.

use reqwest::{Method, StatusCode};
use valise_client::{
    api::ApiError, attack::Claim, clock::Clock as _, key::soft, session::Error, trust::Alarm,
    weaken::dangerously_weaken,
};
use valise_proto::{
    api::{ErrorCode, LOGIN, SESSION, SYNC, login},
    codec::{decode, encode},
};
use valise_server::config::Config;

use crate::support::{Mallory, Office, Person, office::free_port};

/// A proxy with another TLS key stands at the server's address, and relays everything.
pub(super) async fn phisher(office: &mut Office) -> Mallory {
    let port = office.move_server(free_port());
    let identity = office.folder.path().join("phisher");
    std::fs::create_dir(&identity).unwrap();
    let config = format!("listen = \"127.0.0.1:{port}\"\n");
    std::fs::write(identity.join(valise_server::config::FILE), config).unwrap();
    let config = Config::load(&identity).unwrap();
    valise_server::tls::make(&config, "localhost", office.time.now_ms()).unwrap();
    let phisher = Mallory::start_as(port, office.port(), &office.data(), &identity);
    office.start().await;
    phisher
}

/// Alice's session has run out.
async fn phished(off: Option<&str>) -> (Result<(), Error>, usize, Mallory) {
    let (mut office, mut alice) = Office::open().await;
    let phisher = phisher(&mut office).await;
    office.time.pass_days(1);
    let before = soft::commands(&alice.key).unwrap().len();
    dangerously_weaken(off);
    let login = alice.try_log_in().await;
    let touches = soft::commands(&alice.key).unwrap().len() - before;
    (login, touches, phisher)
}

#[tokio::test]
async fn l01_a_proxy_with_another_key_gets_no_touch() {
    let (login, commands, phisher) = phished(None).await;
    assert!(
        matches!(login, Err(Error::Api(ApiError::WrongServer { .. }))),
        "{login:?}"
    );
    assert_eq!(commands, 0);
    assert!(phisher.seen(&Method::POST, LOGIN).is_empty());
}

#[tokio::test]
async fn l01_twin_a_proxy_gets_a_login() {
    let (login, commands, phisher) = phished(Some("L01")).await;
    assert!(login.is_ok(), "{login:?}");
    assert!(commands > 0);
    let caught = phisher.seen(&Method::POST, SESSION);
    assert_eq!(caught.last().unwrap().status, StatusCode::OK);
}

/// A card that leads to another host of the phisher's is another card: what was pinned stays.
#[tokio::test]
async fn l01_another_hosts_card_changes_nothing() {
    let (office, mut alice, _mallory) = Office::open_under_mallory().await;
    alice.close();
    let mut card = office.card.clone();
    card.url = format!("https://localhost:{}", free_port())
        .parse()
        .unwrap();
    let refused = alice.try_join_with(&card, "laptop").await;
    assert!(matches!(
        refused,
        Err(Error::Alarm(Alarm::WrongCard { .. }))
    ));
    alice.reopen();
    assert!(alice.events().contains(&"wrong-card".to_owned()));
    assert_eq!(alice.session().ledger().unwrap().card(), &office.card);
}

fn refused(answer: Result<Vec<u8>, ApiError>) -> ErrorCode {
    answer
        .expect_err("logged in")
        .code()
        .expect("the server refused")
}

/// A login of `person` that mallory keeps for herself: the server never saw it.
async fn kept_back(mallory: &Mallory, person: &mut Person) -> Vec<u8> {
    mallory.on_request(|exchange| {
        if exchange.is(&Method::POST, SESSION) {
            exchange.status = StatusCode::BAD_GATEWAY;
        }
    });
    mallory.forget();
    assert!(person.try_log_in().await.is_err());
    mallory.behave();
    mallory.seen(&Method::POST, SESSION)[0].body.clone()
}

/// That a thousand parallel replays open at most one session is shown with the server's own tests.
#[tokio::test]
async fn l04_a_login_serves_once_one_device_and_one_account() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let mut bob = office.hire(&mut alice, "bob").await;
    let finish = kept_back(&mallory, &mut alice).await;
    // Bob's device key under alice's assertion.
    let answer = bob
        .request(Claim::Device, Method::POST, SESSION, finish.clone())
        .await;
    assert_eq!(refused(answer), ErrorCode::Unauthenticated);

    // The nonce is spent by that: it was alice's challenge, and nobody's a second time.
    let answer = alice
        .request(Claim::Device, Method::POST, SESSION, finish)
        .await;
    assert_eq!(refused(answer), ErrorCode::Unauthenticated);

    // Bytes of that kind are good once, from alice's device.
    let finish = kept_back(&mallory, &mut alice).await;
    let answer = alice
        .request(Claim::Device, Method::POST, SESSION, finish.clone())
        .await;
    assert!(answer.is_ok());
    let answer = alice
        .request(Claim::Device, Method::POST, SESSION, finish)
        .await;
    assert_eq!(refused(answer), ErrorCode::Unauthenticated);
}

/// A second time the key's counter would stop the same bytes, which is another check (L08). This one
/// stops those that nobody has used yet: kept for a day, used up by a try, or over a made-up challenge.
#[tokio::test]
async fn l04_twin_a_login_of_any_age_and_challenge_is_good() {
    let (mut office, mut alice, mallory) = Office::open_under_mallory().await;
    let mut bob = office.hire(&mut alice, "bob").await;
    office.stop();
    office.start_without(Some("L04")).await;
    let finish = kept_back(&mallory, &mut alice).await;
    office.time.pass_days(1);
    let answer = bob
        .request(Claim::Device, Method::POST, SESSION, finish.clone())
        .await;
    assert_eq!(refused(answer), ErrorCode::Unauthenticated);
    let answer = alice
        .request(Claim::Device, Method::POST, SESSION, finish)
        .await;
    assert!(answer.is_ok(), "{answer:?}");
    mallory.alter(&Method::POST, LOGIN, |challenge: &mut login::Challenge| {
        challenge.nonce = [7; 32];
    });
    alice.try_log_in().await.expect("logged in");
}

#[tokio::test]
async fn l04_bobs_login_is_not_alices() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let mut bob = office.hire(&mut alice, "bob").await;
    let mut finish: login::Finish = decode(&kept_back(&mallory, &mut bob).await).unwrap();
    finish.account = alice.name.clone();
    let answer = bob
        .request(Claim::Device, Method::POST, SESSION, encode(&finish))
        .await;
    assert_eq!(refused(answer), ErrorCode::Unauthenticated);
    // With his own name he is in.
    let finish = kept_back(&mallory, &mut bob).await;
    assert!(
        bob.request(Claim::Device, Method::POST, SESSION, finish)
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn l04_a_challenge_of_another_making_is_refused() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    mallory.alter(&Method::POST, LOGIN, |challenge: &mut login::Challenge| {
        challenge.nonce = [7; 32];
    });
    let answer = alice.try_log_in().await;
    assert!(matches!(&answer, Err(Error::Api(e)) if e.code() == Some(ErrorCode::Unauthenticated)));
    // One that is the server's own, but 61 seconds old.
    let time = office.time.clone();
    mallory.alter(&Method::POST, LOGIN, move |_: &mut login::Challenge| {
        time.pass(61_000);
    });
    let answer = alice.try_log_in().await;
    assert!(matches!(&answer, Err(Error::Api(e)) if e.code() == Some(ErrorCode::Unauthenticated)));
    // Two seconds less, and it is good.
    let time = office.time.clone();
    mallory.alter(&Method::POST, LOGIN, move |_: &mut login::Challenge| {
        time.pass(59_000);
    });
    assert!(alice.try_log_in().await.is_ok());
}

#[tokio::test]
async fn l13_a_captured_request_is_no_use() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let mut bob = office.hire(&mut alice, "bob").await;
    mallory.forget();
    alice.sync().await;
    let captured = mallory.seen(&Method::GET, SYNC)[0].clone();
    assert_eq!(captured.status, StatusCode::OK);
    for later_ms in [0, 1_000, 59_000, 300_000] {
        office.time.pass(later_ms);
        assert_eq!(mallory.replay(&captured).await, StatusCode::UNAUTHORIZED);
    }
    // Nor with another path, body or method under the same signature.
    let mut other = captured.clone();
    other.path = "/v1/enrolments".to_owned();
    assert_eq!(mallory.replay(&other).await, StatusCode::UNAUTHORIZED);

    // Alice's session id is no secret: bob has it, and not her device key.
    let id = alice.session().login_session().unwrap().unwrap().id;
    let own = bob.session().login_session().unwrap().unwrap().id;
    let answer = bob
        .request(Claim::Session(id), Method::GET, SYNC, Vec::new())
        .await;
    assert_eq!(refused(answer), ErrorCode::Unauthenticated);
    let answer = bob
        .request(Claim::Session(own), Method::GET, SYNC, Vec::new())
        .await;
    assert!(answer.is_ok());
}

#[tokio::test]
async fn l13_twin_a_captured_request_is_good_again() {
    let (mut office, mut alice, mallory) = Office::open_under_mallory().await;
    office.stop();
    office.start_without(Some("L13")).await;
    mallory.forget();
    alice.sync().await;
    let captured = mallory.seen(&Method::GET, SYNC)[0].clone();
    assert_eq!(mallory.replay(&captured).await, StatusCode::OK);
    // What it is signed over, and for how long, are checks of their own.
    let mut other = captured.clone();
    other.path = "/v1/enrolments".to_owned();
    assert_eq!(mallory.replay(&other).await, StatusCode::UNAUTHORIZED);
    office.time.pass(300_000);
    assert_eq!(mallory.replay(&captured).await, StatusCode::UNAUTHORIZED);
}
