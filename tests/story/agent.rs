//! Unlocking, working without the key, and locking.

use std::fs;

use crate::support::Site;

#[test]
fn unlocked_letters_are_read_without_the_key_and_locked_ones_are_not() {
    let (site, alice) = Site::open();
    alice.must(&["send", "alice", "-s", "a note", "-m", "to myself"]);
    let away = site.folder.path().join("in a pocket");

    alice.must(&["unlock"]);
    fs::rename(&alice.key, &away).unwrap();
    assert!(alice.must(&["list"]).out.contains("a note"));
    assert!(alice.must(&["read", "@last"]).out.contains("to myself"));
    assert_eq!(alice.json(&["status"]).objects()[0]["state"], "unlocked");

    alice.must(&["lock"]);
    assert_eq!(alice.json(&["status"]).objects()[0]["state"], "locked");
    for command in [&["list"][..], &["read", "@last"], &["search", "note"]] {
        let refused = alice.run(command);
        assert_eq!((refused.code, refused.out.as_str()), (8, ""), "{refused:?}");
        assert!(refused.err.contains("error[V03"), "{refused:?}");
        assert!(!refused.err.contains("note"), "{refused:?}");
    }

    fs::rename(&away, &alice.key).unwrap();
    assert!(alice.must(&["list"]).out.contains("a note"));
}
