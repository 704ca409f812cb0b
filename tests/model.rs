//! Every state of a small office: the delivery contract and the log, exhaustively (stateright).
//!
//! Four actors: a server, and one device each of alice, bob and carol, all in one conversation. Alice
//! and bob write; an admin shuts carol out while they do. Requests and answers are lost or come twice,
//! and everybody dies between any two steps: then only what is on disk goes on. All orders of all of
//! that are looked at, so what holds here holds in every one of them.
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

use stateright::{Checker as _, Model as _};

use self::office::{Broken, Office, Trouble};

/// Crashes, losses and repetitions in one run.
const TROUBLE: Trouble = Trouble {
    crashes: 1,
    losses: 1,
    repeats: 1,
    lies: 0,
};

/// Looks at everything. Nothing that must hold fails, and everything that should happen does.
fn holds(office: Office) {
    let checker = office.checker().threads(2).spawn_bfs().join();
    println!(
        "{} states, {} of them different",
        checker.state_count(),
        checker.unique_state_count()
    );
    checker.assert_properties();
}

/// Looks until the property `fails` has a counterexample.
fn breaks(broken: &'static [Broken], trouble: Trouble, fails: &'static str) {
    let office = Office::new(broken, trouble);
    let checker = office.checker().threads(2).spawn_bfs().join();
    let actions = checker.assert_any_discovery(fails).into_actions();
    println!(
        "{broken:?}: {fails} fails after {} steps: {actions:?}",
        actions.len()
    );
}

#[test]
fn r05_model_an_honest_office_keeps_every_promise() {
    holds(Office::new(&[], TROUBLE));
}

#[test]
fn r05_model_whoever_lies_about_letters_or_the_log_is_seen() {
    holds(Office::new(
        &[],
        Trouble {
            lies: 1,
            losses: 0,
            repeats: 0,
            ..TROUBLE
        },
    ));
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
