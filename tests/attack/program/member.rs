//! Who is in a conversation, and by which key: ghosts, other people's computers, bad key packages.

use reqwest::Method;
use valise_client::{attack::Weak, mail::Draft};
use valise_proto::api::{LETTERS, delivery};

use super::{LETTER, Typed, looks, refused};
use crate::attack::{ghost, insider, outside, package, split, trap, wedge};
use crate::support::{Mallory, Office, Person};

/// Alice and bob are here.
async fn both() -> (Office, Person, Person, Mallory) {
    let (office, mut alice, mallory) = Office::open_now_under_mallory().await;
    let bob = office.hire(&mut alice, "bob").await;
    (office, alice, bob, mallory)
}

#[tokio::test]
async fn d01_the_program_names_a_ghost() {
    let (office, mut alice, _bob, mallory) = both().await;
    let ghost = ghost::ghost();
    ghost::serve(&mallory, ghost.package().expect("a package"));
    let typed = refused(LETTER, "ghost-device");
    typed.by(&mut alice, &office, &mallory);
}

#[tokio::test]
async fn d02_the_program_names_a_colleagues_computer() {
    let (office, mut alice, _bob, mallory) = both().await;
    let mut carol = office.hire(&mut alice, "carol").await;
    let rogue = ghost::carol_as_bob(&mut carol);
    ghost::serve(&mallory, rogue.package().expect("a package"));
    let typed = refused(LETTER, "misbound-device");
    typed.by(&mut alice, &office, &mallory);
}

#[tokio::test]
async fn d03_the_program_names_a_swapped_key() {
    let (office, mut alice, mut bob, mallory) = both().await;
    let rogue = ghost::swapped(&mut bob);
    ghost::serve(&mallory, rogue.package().expect("a package"));
    let typed = refused(LETTER, "swapped-key");
    typed.by(&mut alice, &office, &mallory);
}

/// One that lasts too long, and one that is over.
#[tokio::test]
async fn g13_the_program_names_a_package_out_of_its_time() {
    for time in [(0, 31), (30, 29)] {
        let (office, mut alice, mallory) = Office::open_now_under_mallory().await;
        let _bob = package::lasting(&office, &mallory, &mut alice, time).await;
        let typed = refused(LETTER, "stale-package");
        typed.by(&mut alice, &office, &mallory);
    }
}

#[tokio::test]
async fn g19_the_program_names_a_weak_key() {
    for place in [Weak::Init, Weak::Leaf] {
        let (office, mut alice, mallory) = Office::open_now_under_mallory().await;
        let _bob = wedge::weak(&office, &mallory, &mut alice, place).await;
        let typed = refused(LETTER, "weak-key");
        typed.by(&mut alice, &office, &mallory);
    }
}

/// Bob cannot be written to by that, and no more: the letter waits for a package of our suite.
#[tokio::test]
async fn g15_the_program_takes_no_classical_package() {
    let (office, mut alice, mut bob, mallory) = both().await;
    let classical = package::classical(&mut bob);
    package::serve(&mallory, bob.session().device(), classical);
    let typed = Typed {
        code: 7,
        ..refused(LETTER, "bad-package")
    };
    let said = typed.by(&mut alice, &office, &mallory);
    assert!(said.err.contains("waits in the outbox"), "{said:?}");
}

#[tokio::test]
async fn g12_the_program_says_that_a_package_invites_once() {
    let (office, mut alice, mallory) = Office::open_now_under_mallory().await;
    let mut bob = package::handed_out_twice(&office, &mallory, &mut alice, true).await;
    let typed = looks("unreadable");
    typed.by(&mut bob, &office, &mallory);
    bob.reopen();
    assert_eq!(bob.bodies(), ["At nine."]);
}

#[tokio::test]
async fn g01_the_program_names_who_was_smuggled_in() {
    let (office, mut alice, mallory) = Office::open_now_under_mallory().await;
    let (_carol, _) = insider::carol_is_smuggled_in(&office, &mut alice).await;
    let typed = refused(LETTER, "unauthorised-member");
    typed.by(&mut alice, &office, &mallory);
}

/// What waited in the outbox goes to those whom it is for, and the command ends loudly all the same.
#[tokio::test]
async fn g01_the_program_sends_what_waited_without_who_was_smuggled_in() {
    let (office, mut alice, mallory) = Office::open_now_under_mallory().await;
    let (carol, _) = insider::carol_is_smuggled_in(&office, &mut alice).await;
    let draft = Draft {
        to: vec!["bob".to_owned()],
        subject: "Source".to_owned(),
        body: "Jean".to_owned(),
        ..Draft::default()
    };
    alice.session().write(draft).expect("a letter");
    alice.close();
    mallory.forget();
    let said = office.cli("alice").run(&["outbox", "retry"]);
    assert_eq!(said.code, 6, "{said:?}");
    let text = "it was left out, and what waited was sent without it";
    assert!(said.err.contains(text), "{said:?}");
    let letters = mallory.seen(&Method::POST, LETTERS);
    // One that was encrypted as it was written, for a conversation that is over, is not taken.
    let taken = letters.iter().filter(|it| it.status.is_success()).count();
    assert_eq!(taken, 1);
    for sent in letters {
        let letter: delivery::Letter = sent.request();
        assert!(carol.read(letter.group, letter.message.as_slice()).is_err());
    }
}

#[tokio::test]
async fn g02_the_program_lets_nobody_in_from_outside() {
    let (office, mut alice, mallory) = Office::open_now_under_mallory().await;
    let (_bob, group) = outside::conversation(&office, &mut alice).await;
    let commit = outside::joining(&ghost::ghost(), &mut alice, group);
    outside::hand_over(&mallory, &mut alice, group, commit);
    let typed = looks("unreadable");
    typed.by(&mut alice, &office, &mallory);
    alice.reopen();
    let readers = alice.readers(1);
    assert_eq!(readers.len(), 2, "{readers:?}");
}

#[tokio::test]
async fn g04_the_program_names_an_invitation_under_a_false_name() {
    let (office, mut alice, mallory) = Office::open_now_under_mallory().await;
    let _carol = insider::false_group(&office, &mallory, &mut alice).await;
    let typed = refused(LETTER, "wrong-conversation");
    typed.by(&mut alice, &office, &mallory);
}

#[tokio::test]
async fn g05_the_program_names_a_ghost_in_the_tree() {
    let (office, mut alice, mallory) = Office::open_now_under_mallory().await;
    let (_ghost, _) = ghost::ghost_in_the_tree(&office, &mallory, &mut alice).await;
    let typed = refused(LETTER, "ghost-device");
    typed.by(&mut alice, &office, &mallory);
}

/// The letter that was refused goes where both halves read it.
#[tokio::test]
async fn g06_the_program_names_a_split_conversation() {
    let (mut office, mut alice, mallory) = Office::open_now_under_mallory().await;
    let ([_bob, mut carol, mut dave], _) = split::two_halves(&mut office, &mut alice).await;
    split::write(&mut alice, "Who else reads this?").await;
    let to = split::others(&carol);
    let words = [
        &["send"],
        &to[..],
        &["-s", "Source", "-m", "Jean", "--yes"][..],
    ]
    .concat();
    let typed = refused(&words, "group-fork");
    typed.by(&mut carol, &office, &mallory);
    office.cli("carol").run(&["sync"]).done();
    for person in [&mut alice, &mut dave] {
        person.sync().await;
        assert_eq!(person.bodies().last().unwrap(), "Jean", "{}", person.name);
    }
}

/// Nothing is refused here: whoever was shut out is taken out before anything is encrypted.
#[tokio::test]
async fn g14_the_program_writes_without_whom_a_commit_kept() {
    let (office, mut alice, mallory) = Office::open_now_under_mallory().await;
    let people = trap::shut_out(&office, &mut alice).await;
    alice.close();
    mallory.forget();
    let words = ["send", "bob", "carol", "-s", "Source", "-m", "Jean"];
    office.cli("alice").run(&words).done();
    assert_eq!(trap::thief_reads(&mallory, people).await, None);
}
