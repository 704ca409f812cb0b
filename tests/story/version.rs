//! R08: an older valise leaves a newer one's store alone.

use valise_client::{
    home::Home,
    key::Source,
    session::{Keyring, Session},
    store::Store,
};

use crate::support::{Site, person::Willing};

#[test]
fn r08_a_store_of_a_newer_valise_is_refused_and_left_as_it_is() {
    let (_site, alice) = Site::open();
    alice.must(&["send", "alice", "-s", "a note", "-m", "to myself"]);
    let home = Home::open(&alice.home).unwrap();
    let source = Source::Soft(alice.key.clone());
    let key = Session::unlock(
        &home,
        &mut Keyring {
            source,
            prompt: &mut Willing::default(),
        },
    )
    .unwrap();
    let set = |version| Store::open(&home.store(), &key)?.dangerously_set_version(version);
    set(99).unwrap();

    let before = std::fs::read(home.store()).unwrap();
    for command in [
        &["list"][..],
        &["sync"],
        &["unlock"],
        &["send", "alice", "-s", "x", "-m", "x"],
    ] {
        let refused = alice.run(command);
        assert_eq!(refused.code, 1, "{refused:?}");
        assert!(refused.err.contains("error[V0605]"), "{refused:?}");
        assert!(
            refused
                .err
                .contains("written by a newer valise (format 99;"),
            "{refused:?}"
        );
    }
    assert_eq!(std::fs::read(home.store()).unwrap(), before);
    assert!(set(2).is_err(), "nor does the library open it");
}
