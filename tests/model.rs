//! Every state of a small office: the delivery contract and the log, exhaustively (stateright).
//!
//! Four actors: the server, the devices of alice and bob, and an admin. Alice and bob are in one
//! conversation with carol, who is away, and write; the admin shuts carol out while they do. A request
//! or an answer is lost, a request comes twice, a program dies between any two steps and only its disk
//! goes on. All orders of all of that are looked at, so what holds here holds in every one of them.
//!
//! The log is real: entries signed by software keys, and `proto`'s own `apply` decides which of them
//! may follow which. The rest is drawn in the large: a ciphertext is its sender, epoch and generation,
//! an epoch's authenticator is the commit that began it, and a transaction is one step. Left out are
//! Welcomes and whoever comes in later, conversations that end, pages of limited size, and time.
//!
//! Each rule of the contract can be broken. Then the property that it stands behind must fail: that is
//! what shows that the model sees anything.

mod device;
mod office;
mod property;
mod replay;
mod server;

use stateright::{Checker as _, HasDiscoveries, Model as _};

use self::office::{Broken, Office, Trouble};

/// Both write one letter, and race; or alice writes two, which have an order.
const LETTERS: [[u8; 2]; 2] = [[1, 1], [2, 0]];

/// Looks at everything. Nothing that must hold fails, and everything that should happen does.
fn holds(trouble: Trouble) {
    for letters in LETTERS {
        let checker = Office::new(&[], letters, trouble).checker();
        let checker = checker.threads(2).spawn_bfs().join();
        let (all, different) = (checker.state_count(), checker.unique_state_count());
        println!("{letters:?} letters, {trouble:?}: {all} states, {different} of them different");
        checker.assert_properties();
    }
}

/// Looks until the property `fails` has a counterexample.
fn breaks(broken: &'static [Broken], trouble: Trouble, fails: &'static str) {
    let found = LETTERS.into_iter().find_map(|letters| {
        let checker = Office::new(broken, letters, trouble).checker();
        let checker = checker
            .threads(2)
            .finish_when(HasDiscoveries::AnyOf([fails].into()));
        checker.spawn_bfs().join().discovery(fails)
    });
    let actions = found.expect("a counterexample").into_actions();
    println!(
        "{broken:?}: {fails} fails after {} steps: {actions:?}",
        actions.len()
    );
}

#[test]
fn r05_model_an_office_in_which_programs_die_keeps_every_promise() {
    holds(CRASH);
}

#[test]
fn r05_model_an_office_that_loses_what_it_sends_keeps_every_promise() {
    holds(LOSS);
}

#[test]
fn r05_model_an_office_that_repeats_what_it_sends_keeps_every_promise() {
    holds(REPEAT);
}

#[test]
fn r05_model_a_server_that_lies_about_letters_or_the_log_is_seen() {
    holds(LIE);
}

/// No lies, and as few other troubles as it takes.
const CRASH: Trouble = Trouble {
    crashes: 1,
    losses: 0,
    repeats: 0,
    lies: 0,
};
const CALM: Trouble = Trouble {
    crashes: 0,
    ..CRASH
};
const LOSS: Trouble = Trouble { losses: 1, ..CALM };
const REPEAT: Trouble = Trouble { repeats: 1, ..CALM };
const LIE: Trouble = Trouble { lies: 1, ..CALM };

#[test]
fn r05_model_twin_each_broken_rule_breaks_its_promise() {
    breaks(
        &[Broken::ServerAnswersBeforeItStores],
        CRASH,
        "I1 gone is in every queue or shown",
    );
    breaks(
        &[Broken::ServerComparesNoEpoch],
        CALM,
        "I1 gone is in every queue or shown",
    );
    breaks(
        &[Broken::DeviceSaysItHasWhatItHasNot],
        CRASH,
        "I1 gone is in every queue or shown",
    );
    breaks(
        &[Broken::DeviceKeepsLetterBeforePlace],
        CRASH,
        "I2 shown at most once",
    );
    breaks(&[Broken::ServerForgetsIds], REPEAT, "one place for each id");
    breaks(&[Broken::DeviceLooksNotForGaps], LIE, "I4 a gap is visible");
    breaks(
        &[Broken::DeviceMergesBeforeTheAnswer],
        CALM,
        "I5 one epoch, one authenticator",
    );
    breaks(
        &[Broken::DeviceSendsBeforeItKeeps],
        CRASH,
        "I7 a key seals once",
    );
    breaks(
        &[Broken::DeviceBelievesAnyLog],
        LIE,
        "I8 the log only grows",
    );
    breaks(
        &[Broken::DeviceLooksNotAtTheLog],
        CALM,
        "sealed for nobody whom the log shuts out",
    );
}
