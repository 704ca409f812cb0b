//! A newcomer is not led into another organisation, and nobody takes a newcomer's place.

use reqwest::Method;
use valise_client::{
    account::{Joined, enrolment_requests},
    key::soft,
    session::Error,
    trust::Alarm,
    weaken::dangerously_weaken,
    words::Words,
};
use valise_proto::api::{ENROLMENTS, GENESIS, LOG, enrolment::Pending};

use crate::support::{Mallory, Office, Person, mallory};

/// Mallory answers with the genesis of an organisation of her own.
pub(super) async fn false_genesis(mallory: &Mallory) {
    let (other, _) = Office::open().await;
    let false_genesis = mallory::entries(&other.data()).remove(0);
    mallory.on_response(move |exchange| {
        if exchange.is(&Method::GET, GENESIS) {
            exchange.answer.clone_from(&false_genesis);
        }
    });
}

/// How carol's first try to join goes then, with the check `off` switched off.
async fn joining(
    office: &Office,
    mallory: &Mallory,
    off: Option<&str>,
) -> (Person, Result<Joined, Error>) {
    false_genesis(mallory).await;
    dangerously_weaken(off);
    let mut carol = office.person("carol");
    let joined = carol.try_join(office).await;
    (carol, joined)
}

#[tokio::test]
async fn d11_a_false_genesis_stops_before_any_touch() {
    let (office, _alice, mallory) = Office::open_under_mallory().await;
    let (carol, joined) = joining(&office, &mallory, None).await;
    let Err(Error::Alarm(Alarm::WrongGenesis { expected, seen })) = joined else {
        panic!("joined another organisation");
    };
    assert_eq!(expected, office.card.org);
    assert_ne!(seen, expected);
    assert!(!carol.key.exists(), "{:?}", soft::commands(&carol.key));
    assert!(!carol.home().store().exists());
}

#[tokio::test]
async fn d11_twin_the_key_is_touched_for_a_false_genesis() {
    let (office, _alice, mallory) = Office::open_under_mallory().await;
    let (carol, joined) = joining(&office, &mallory, Some("D11")).await;
    assert!(joined.is_ok());
    let commands = soft::commands(&carol.key).expect("commands");
    assert!(!commands.is_empty());
}

/// Carol asks to be enrolled, and so does mallory, for her name with a key of her own. Of the two,
/// the server shows alice mallory's only. Returns mallory, and the words that carol sees.
pub(super) async fn swapped(
    office: &Office,
    alice: &mut Person,
    mallory: &Mallory,
) -> (Person, [Words; 2]) {
    let mut fingerprints = Vec::new();
    let mut asked = Vec::new();
    for folder in ["carol", "mallory"] {
        let mut person = office.person("carol");
        person.folder = office.folder.path().join(folder);
        person.key = office.folder.path().join(format!("{folder}.key"));
        let Ok(Joined::Waiting { fingerprint, .. }) = person.try_join(office).await else {
            panic!("not waiting");
        };
        fingerprints.push(fingerprint);
        asked.push(person);
    }
    let (org, carols) = (office.card.org, fingerprints[0]);
    mallory.alter(&Method::GET, ENROLMENTS, move |pending: &mut Pending| {
        let asks = &mut pending.asks;
        asks.retain(|asked| asked.ask.key.fingerprint(org, &asked.ask.name) != carols);
    });
    alice.sync().await;
    mallory.forget();
    let words = [0, 1].map(|at| Words::of(&fingerprints[at]));
    (asked.pop().unwrap(), words)
}

/// The comparing is a person's: who says yes to words that he has not heard enrols whom the server likes.
#[tokio::test]
async fn e05_twin_an_admin_who_does_not_compare_writes_to_mallory() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let (mut impostor, _) = swapped(&office, &mut alice, &mallory).await;
    let name = impostor.name.clone();
    alice.enrol(&name).await;
    impostor.join(&office).await;
    office.time.pass(10_000);
    alice.send(&["carol"], "Source", "Jean").await;
    impostor.sync().await;
    assert_eq!(impostor.bodies(), ["Jean"]);
    // The true carol is told: nobody enrolled her key.
    let mut carol = office.person("carol");
    let joined = carol.try_join(&office).await;
    assert!(matches!(joined, Err(Error::EnrolmentRefused)));
}

/// Carol asks with a key that her maker attests; the server shows alice the ask with that attestation
/// spoiled, as of software that only claims to be such a key. Whether alice enrols her without the check.
async fn unattested(off: Option<&str>) -> (Office, Mallory, Person, Result<(), Error>) {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let mut carol = office.person("carol");
    carol.ask(&office).await;
    mallory.alter(&Method::GET, ENROLMENTS, |pending: &mut Pending| {
        for asked in &mut pending.asks {
            let login = &mut asked.ask.login;
            let mut object = login.attestation_object.clone().into_vec();
            // In the middle of the certificate, or of its signature.
            let middle = object.len() / 2;
            object[middle] ^= 1;
            login.attestation_object = object.try_into().unwrap();
        }
    });
    alice.sync().await;
    mallory.forget();
    dangerously_weaken(off);
    let name = carol.name.clone();
    let enrolling = alice.online(async |session, keyring| {
        let requests = enrolment_requests(session).await?;
        let request = requests.iter().find(|request| request.name == name);
        session.enrol(request.expect("a request"), keyring).await
    });
    let enrolled = enrolling.await.map(drop);
    dangerously_weaken(None);
    (office, mallory, alice, enrolled)
}

#[tokio::test]
async fn l10_a_key_for_which_no_maker_vouches_is_enrolled_by_no_admin() {
    let (_office, mallory, mut alice, enrolled) = unattested(None).await;
    let Err(Error::Unattested { name, .. }) = enrolled else {
        panic!("{enrolled:?}");
    };
    assert_eq!(name.as_str(), "carol");
    assert!(alice.events().contains(&"unattested-key".to_owned()));
    assert!(mallory.seen(&Method::POST, LOG).is_empty());
    // The ask as carol made it: nothing else was wrong.
    mallory.behave();
    alice.enrol(&name).await;
}

#[tokio::test]
async fn l10_twin_an_admin_enrols_what_the_server_shows() {
    let (_office, mallory, _alice, enrolled) = unattested(Some("L10")).await;
    enrolled.expect("enrolling");
    assert_eq!(mallory.seen(&Method::POST, LOG).len(), 1);
}
