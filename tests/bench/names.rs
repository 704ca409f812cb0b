//! Whether the time of an answer tells a stranger who exists (L15): the same knock with a colleague's name and
//! with nobody's, by turns, and the ratio of their medians.

use reqwest::Method;
use valise_client::attack::Claim;
use valise_proto::{
    api::{
        ENROLMENTS, LOGIN, SESSION,
        enrolment::{self, Ask, Registration},
        login::{Challenge, Finish},
    },
    codec::{decode, encode},
    id::Name,
    testing::SoftStatementKey,
};

use crate::{
    figure::{note, percentile},
    support::{Office, Person},
    watch::{ms, now},
};

/// Knocks with each name.
const KNOCKS: usize = 400;
/// Knocks before those that count.
const WARM: usize = 40;
/// Asks with each name: each address may leave few.
const ASKS: usize = 20;
/// More knocks than the server takes from one address in a minute.
const MINUTE_MS: u64 = 61_000;

pub async fn measure() {
    let (office, mut alice) = Office::open().await;
    let _bob = office.hire(&mut alice, "bob").await;
    let names: [Name; 2] = ["bob", "nobody"].map(|name| name.parse().expect("a name"));
    let (mut logins, mut asks) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    for round in 0..WARM + KNOCKS {
        for (name, times) in names.iter().zip(&mut logins) {
            let time = login(&office, &mut alice, name).await;
            if round >= WARM {
                times.push(time);
            }
        }
    }
    for _ in 0..ASKS {
        for (name, times) in names.iter().zip(&mut asks) {
            times.push(ask(&office, &mut alice, name).await);
        }
    }
    print("login with a name that exists, p50", &logins);
    print("ask with a name that exists, p50", &asks);
}

fn print(name: &str, [known, unknown]: &[Vec<f64>; 2]) {
    let (known, unknown) = (percentile(known, 50), percentile(unknown, 50));
    note(
        name,
        known,
        "ms",
        Some((known / unknown, "nobody's (1.00: it tells nothing)")),
    );
}

/// One knock by a device that nobody knows, with a credential that nobody has: how long the refusal takes.
async fn login(office: &Office, by: &mut Person, name: &Name) -> f64 {
    let challenge = loop {
        let begun = by
            .request(Claim::Device, Method::POST, LOGIN, Vec::new())
            .await;
        match begun {
            Ok(begun) => break decode::<Challenge>(&begun).expect("a challenge"),
            Err(_) => office.time.pass(MINUTE_MS),
        }
    };
    let finish = Finish {
        nonce: challenge.nonce,
        account: name.clone(),
        credential_id: vec![7; 32].try_into().expect("an id"),
        authenticator_data: vec![1; 37].try_into().expect("data"),
        client_data: b"{}".to_vec().try_into().expect("data"),
        signature: vec![2; 70].try_into().expect("a signature"),
    };
    let body = encode(&finish);
    let begun = now();
    let answer = by.request(Claim::Device, Method::POST, SESSION, body).await;
    let time = ms(begun.elapsed());
    assert!(answer.is_err());
    time
}

/// One ask that proves nothing, for this name.
async fn ask(office: &Office, by: &mut Person, name: &Name) -> f64 {
    let begun = loop {
        let begun = by
            .request(Claim::Device, Method::POST, ENROLMENTS, Vec::new())
            .await;
        match begun {
            Ok(begun) => break decode::<enrolment::Challenge>(&begun).expect("a challenge"),
            Err(_) => office.time.pass(MINUTE_MS),
        }
    };
    let nothing = Registration {
        attestation_object: vec![0; 400].try_into().expect("an object"),
        client_data: b"{}".to_vec().try_into().expect("data"),
    };
    let ask = Ask {
        name: name.clone(),
        device: by.session().device(),
        key: SoftStatementKey::generate(office.card.tag).record,
        statement: nothing.clone(),
        login: nothing,
    };
    let (path, body) = (format!("{ENROLMENTS}/{}", begun.id), encode(&ask));
    let begun = now();
    let answer = by.request(Claim::Device, Method::PUT, &path, body).await;
    let time = ms(begun.elapsed());
    assert!(answer.is_err());
    time
}
