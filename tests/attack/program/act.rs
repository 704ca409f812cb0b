//! Joining, logging in and what admins do.

use reqwest::Method;
use valise_client::account::Joined;
use valise_proto::api::{LOG, LOGIN};

use super::{Typed, refused};
use crate::attack::{board, enrolment, login};
use crate::support::{Office, Terminal};

/// There is no store yet that could keep an event: nothing was made, and no key was touched.
#[tokio::test]
async fn d11_the_program_touches_no_key_for_a_false_genesis() {
    let (office, _alice, mallory) = Office::open_now_under_mallory().await;
    enrolment::false_genesis(&mallory).await;
    mallory.forget();
    let (cli, card) = (office.cli("carol"), office.card_file());
    let words = ["join", card.to_str().expect("a path"), "--as", "carol"];
    let joined = cli.run(&words);
    assert_eq!(joined.code, 6, "{joined:?}");
    assert!(joined.err.contains("error[V0410]"), "{joined:?}");
    assert!(!cli.key.exists());
    assert_eq!(cli.run(&["events"]).code, 4);
    assert!(mallory.all().iter().all(|seen| seen.method == Method::GET));
}

/// A look at the server, which is not the one on the card: only the letters were opened by the touch.
#[tokio::test]
async fn l01_the_program_logs_in_nowhere_but_at_the_server_on_the_card() {
    let (mut office, mut alice) = Office::open_now().await;
    let phisher = login::phisher(&mut office).await;
    let typed = Typed {
        words: &["sync"],
        kept: 0,
        ..refused(&[], "wrong-server")
    };
    typed.by(&mut alice, &office, &phisher);
    assert!(phisher.all().is_empty());
    // Nor when a login is due.
    office.time.pass_days(1);
    let before = alice.touches();
    alice.reopen();
    assert!(alice.try_log_in().await.is_err());
    assert_eq!(alice.touches() - before, 1);
    assert!(phisher.seen(&Method::POST, LOGIN).is_empty());
}

#[tokio::test]
async fn e05_a_swapped_key_has_other_words_and_is_not_enrolled() {
    let (office, mut alice, mallory) = Office::open_now_under_mallory().await;
    let (mut impostor, [carols, mallorys]) =
        enrolment::swapped(&office, &mut alice, &mallory).await;
    assert_ne!(carols.to_string(), mallorys.to_string());
    let size = alice.session().ledger().unwrap().head().size;
    alice.close();
    // Alice is told mallory's words, and hears others from carol.
    let mut admin = Terminal::start(office.cli("alice").command(&["admin", "enrol", "carol"]));
    admin.sees("are they the same, face to face or by voice? [y/N]");
    let screen = admin.screen();
    assert!(screen.contains(&mallorys.to_string()), "{screen}");
    assert!(!screen.contains(&carols.to_string()), "{screen}");
    admin.types("n");
    assert_eq!(admin.ends(), 6, "{}", admin.screen());
    assert!(admin.screen().contains("V0407"), "{}", admin.screen());
    alice.reopen();
    assert!(alice.events().contains(&"words-differ".to_owned()));
    alice.sync().await;
    assert_eq!(alice.session().ledger().unwrap().head().size, size);
    assert!(mallory.seen(&Method::POST, LOG).is_empty());
    assert!(matches!(
        impostor.try_join(&office).await,
        Ok(Joined::Waiting { .. })
    ));
}

#[tokio::test]
async fn e14_the_program_says_no_act_done_that_was_left_out() {
    let (office, mut alice, mallory) = Office::open_now_under_mallory().await;
    let _dave = office.hire(&mut alice, "dave").await;
    alice.sync().await;
    board::swallow(&office, &mallory);
    let typed = Typed {
        words: &["admin", "user", "suspend", "dave", "--yes"],
        kept: 0,
        ..refused(&[], "unproven-entry")
    };
    let said = typed.by(&mut alice, &office, &mallory);
    assert!(!said.out.contains("suspended"), "{said:?}");
    assert_eq!(mallory.seen(&Method::POST, LOG).len(), 1);
}
