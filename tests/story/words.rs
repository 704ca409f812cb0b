//! The six words that two people read to each other.

use valise_client::{
    account::{Joined, enrolment_requests},
    words::Words,
};

use crate::support::{Office, Person};

async fn asks(office: &Office, person: &mut Person) -> String {
    match person.try_join(office).await.unwrap() {
        Joined::Waiting { fingerprint, .. } => Words::of(&fingerprint).to_string(),
        Joined::Done(_) => panic!("nobody enrolled {}", person.name),
    }
}

#[tokio::test]
async fn both_sides_see_the_same_six_words() {
    let (office, mut alice) = Office::open().await;
    let mut bob = office.person("bob");
    let words = asks(&office, &mut bob).await;
    assert_eq!(words.split_whitespace().count(), 6);
    assert_eq!(
        asks(&office, &mut bob).await,
        words,
        "asking again changes nothing"
    );

    let requests = alice
        .online(async |session, _| enrolment_requests(session).await)
        .await;
    let seen: Vec<_> = requests
        .unwrap()
        .iter()
        .map(|ask| Words::of(&ask.fingerprint).to_string())
        .collect();
    assert_eq!(seen, [words]);
}

#[tokio::test]
async fn two_keys_that_ask_for_one_name_are_both_refused() {
    let (office, mut alice) = Office::open_now().await;
    let mut bob = office.person("bob");
    let words = asks(&office, &mut bob).await;
    let mut mallory = bob.other_computer();
    mallory.key.set_extension("stolen");
    assert_ne!(asks(&office, &mut mallory).await, words);

    alice.close();
    let refused = office.cli("alice").run(&["admin", "enrol", "bob", "--yes"]);
    assert_eq!((refused.code, refused.out.as_str()), (6, ""));
    assert_eq!(
        refused.refusal(),
        "error[V0407]: 2 different keys ask for the name bob — nothing was signed\n  \
         why   one of them is not who you think\n  \
         try   valise admin requests        more: valise help V0407\n",
    );
}
