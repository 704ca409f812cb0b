//! A newcomer touches no key for an organisation that is not on the card.

use reqwest::Method;
use valise_client::{
    account::Joined, key::soft, session::Error, trust::Alarm, weaken::dangerously_weaken,
};
use valise_proto::api::GENESIS;

use crate::support::{Mallory, Office, Person, mallory};

/// Mallory answers with the genesis of an organisation of her own. Returns how carol's first try to
/// join went, with the check `off` switched off.
async fn joining(
    office: &Office,
    mallory: &Mallory,
    off: Option<&str>,
) -> (Person, Result<Joined, Error>) {
    let (other, _) = Office::open().await;
    let false_genesis = mallory::entries(&other.data()).remove(0);
    dangerously_weaken(off);
    mallory.on_response(move |exchange| {
        if exchange.is(&Method::GET, GENESIS) {
            exchange.answer.clone_from(&false_genesis);
        }
    });
    let mut carol = Person::new(office.folder.path(), "carol", office.time.clone());
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
