//! Resident credentials: what a machine finds on a key whose credential ids it has never seen.

use super::*;

/// The first machine's credential for this account.
fn listed(user_id: &[u8]) -> NewCredential<'_> {
    NewCredential {
        user_id,
        resident: true,
        ..new_credential(&[])
    }
}

#[test]
fn a_second_machine_signs_without_knowing_the_id() {
    let desk = Desk::new();
    let keys = [desk.key("fingerprint"), desk.key_with_pin("pin", "1234")];
    for (mut key, name) in keys.into_iter().zip(["fingerprint", "pin"]) {
        let alice = &mut Person::typing(&["1234"; 3]);
        let made = key.make(&listed(b"alice"), alice).unwrap();
        let known = [made.credential_id.clone()];
        let first = key.assert(&request(&known, Some([1; 32])), alice).unwrap();

        let mut plugged_in_elsewhere = desk.key(name);
        let answer = plugged_in_elsewhere
            .assert(&request(&[], Some([1; 32])), alice)
            .unwrap();
        check(&made, &answer);
        assert_eq!(answer.credential_id, made.credential_id);
        assert_eq!(answer.user_handle.as_deref(), Some(b"alice".as_slice()));
        assert_eq!(first.user_handle, answer.user_handle);
        assert_eq!(first.secret, answer.secret, "the same store opens");
        assert_eq!(alice.touches, ["enrol", "log in", "log in"]);
    }
}

#[test]
fn both_credentials_of_a_key_are_found_each_by_its_relying_party() {
    let desk = Desk::new();
    let mut key = desk.key("k");
    let statement = key.make(&listed(b"alice"), &mut Person::default()).unwrap();
    let login = NewCredential {
        rp_id: "mail.example.org",
        ..listed(b"alice")
    };
    let login = key.make(&login, &mut Person::default()).unwrap();
    for (rp_id, made) in [(RP, statement), ("mail.example.org", login)] {
        let wanted = AssertionRequest {
            rp_id,
            ..request(&[], None)
        };
        let answer = key.assert(&wanted, &mut Person::default()).unwrap();
        assert_eq!(answer.credential_id, made.credential_id);
    }
}

#[test]
fn the_newest_of_several_accounts_signs() {
    let desk = Desk::new();
    let mut key = desk.key("k");
    key.make(&listed(b"alice"), &mut Person::default()).unwrap();
    let newest = key.make(&listed(b"bob"), &mut Person::default()).unwrap();
    let answer = key
        .assert(&request(&[], None), &mut Person::default())
        .unwrap();
    check(&newest, &answer);
    assert_eq!(answer.user_handle.as_deref(), Some(b"bob".as_slice()));
}

#[test]
fn making_it_anew_replaces_it_unless_it_is_excluded() {
    let desk = Desk::new();
    let mut key = desk.key("k");
    let alice = &mut Person::default();
    let old = [key.make(&listed(b"alice"), alice).unwrap().credential_id];
    let again = NewCredential {
        exclude: &old,
        ..listed(b"alice")
    };
    let refusal = key.make(&again, alice).unwrap_err();
    assert!(matches!(refusal, KeyError::AlreadyEnrolled));
    key.assert(&request(&old, None), alice).unwrap();

    let new = key.make(&listed(b"alice"), alice).unwrap();
    let refusal = key.assert(&request(&old, None), alice).unwrap_err();
    assert!(matches!(refusal, KeyError::NotThisKey), "the old is gone");
    check(&new, &key.assert(&request(&[], None), alice).unwrap());
}

#[test]
fn a_key_without_one_says_so_at_once_and_asks_for_no_touch() {
    let desk = Desk::new();
    let mut key = desk.key_with_pin("k", "1234");
    let alice = &mut Person::typing(&["1234"; 8]);
    let unlisted = key.make(&new_credential(&[]), alice).unwrap();
    let elsewhere = NewCredential {
        rp_id: "valise:efgh",
        ..listed(b"alice")
    };
    key.make(&elsewhere, alice).unwrap();
    // One of five is quick enough: the machine may be busy with other tests.
    let mut quietly = |_| {
        alice.touches.clear();
        let refusal = key.assert(&request(&[], None), alice).unwrap_err();
        assert!(matches!(refusal, KeyError::NotThisKey), "{refusal}");
        alice.touches.is_empty()
    };
    assert!((0..5).any(&mut quietly));

    let known = [unlisted.credential_id];
    let answer = key.assert(&request(&known, None), alice).unwrap();
    assert_eq!(answer.user_handle, None, "told of resident ones only");
}

#[test]
fn a_full_key_is_named_and_still_replaces() {
    let desk = Desk::new();
    let mut key = desk.key("k");
    soft::fill_but_one(&desk.path("k"));
    let alice = &mut Person::default();
    key.make(&listed(b"alice"), alice).unwrap();
    let refusal = key.make(&listed(b"bob"), alice).unwrap_err();
    assert!(matches!(refusal, KeyError::KeyFull), "{refusal}");
    assert!(refusal.to_string().contains("delete a passkey"));
    let renewed = key.make(&listed(b"alice"), alice).unwrap();
    check(&renewed, &key.assert(&request(&[], None), alice).unwrap());
}

#[test]
fn a_resident_credential_is_asked_for_only_if_wanted() {
    let wanted = |resident| {
        let new = NewCredential {
            resident,
            ..new_credential(&[])
        };
        register_args(&new).resident_key_req
    };
    assert_eq!(wanted(true), ResidentKeyRequirement::Required);
    assert_eq!(wanted(false), ResidentKeyRequirement::Discouraged);
}

#[test]
fn the_model_is_the_one_that_servers_know() {
    let made = make(&mut *Desk::new().key("k"));
    assert_eq!(made.aaguid, *b"valise-soft-key\0");
}
