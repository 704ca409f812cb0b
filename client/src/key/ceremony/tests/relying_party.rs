//! The other side: webauthn-rs takes what the software key makes, and refuses what it must.

use super::*;
use data_encoding::BASE64URL_NOPAD;
use ring::digest::{SHA256, digest};
use std::{collections::BTreeMap, time::Duration};
use webauthn_rs::prelude::{
    AttestationCaList, AttestationCaListBuilder, AttestedPasskey, COSEAlgorithm, Url, Uuid,
    Webauthn, WebauthnBuilder, WebauthnError,
};
use webauthn_rs_core::{
    WebauthnCore,
    proto::{AttestationConveyancePreference, UserVerificationPolicy},
};
use webauthn_rs_proto::{
    AuthenticationExtensionsClientOutputs, AuthenticatorAssertionResponseRaw,
    AuthenticatorAttestationResponseRaw, PublicKeyCredential, RegisterPublicKeyCredential,
    RegistrationExtensionsClientOutputs,
};

const ORIGIN: &str = "https://mail.example.org";

fn server() -> Webauthn {
    let origin = Url::parse(ORIGIN).unwrap();
    WebauthnBuilder::new("mail.example.org", &origin)
        .unwrap()
        .build()
        .unwrap()
}

/// An allow-list with one model under the test authority.
fn only(model: [u8; 16]) -> AttestationCaList {
    let mut list = AttestationCaListBuilder::new();
    let model = Uuid::from_bytes(model);
    list.insert_device_der(
        &soft::test_ca_der(),
        model,
        "test".to_owned(),
        BTreeMap::new(),
    )
    .unwrap();
    list.build()
}

fn client_data(kind: &str, challenge: &[u8]) -> Vec<u8> {
    let challenge = BASE64URL_NOPAD.encode(challenge);
    serde_json::json!({ "type": kind, "challenge": challenge, "origin": ORIGIN })
        .to_string()
        .into_bytes()
}

fn hash(client_data: &[u8]) -> [u8; 32] {
    digest(&SHA256, client_data).as_ref().try_into().unwrap()
}

/// Makes a credential for a challenge, and puts it as a client posts it.
fn register(key: &mut dyn Key, rp_id: &str, challenge: &[u8]) -> RegisterPublicKeyCredential {
    let client_data_json = client_data("webauthn.create", challenge);
    let new = NewCredential {
        rp_id,
        client_data_hash: hash(&client_data_json),
        ..new_credential(&[])
    };
    let made = key.make(&new, &mut Person::typing(&["1234"])).unwrap();
    RegisterPublicKeyCredential {
        id: BASE64URL_NOPAD.encode(&made.credential_id),
        raw_id: made.credential_id,
        response: AuthenticatorAttestationResponseRaw {
            attestation_object: made.attestation_object,
            client_data_json,
            transports: None,
        },
        type_: "public-key".to_owned(),
        extensions: RegistrationExtensionsClientOutputs::default(),
    }
}

fn enrol(key: &mut dyn Key, model: [u8; 16]) -> Result<AttestedPasskey, WebauthnError> {
    let (challenge, state) = server()
        .start_attested_passkey_registration(
            Uuid::from_u128(1),
            "alice",
            "Alice",
            None,
            only(model),
            None,
        )
        .unwrap();
    let posted = register(key, "mail.example.org", &challenge.public_key.challenge);
    server().finish_attested_passkey_registration(&posted, &state)
}

#[test]
fn l_is_registered_by_attestation_and_logs_in() {
    let desk = Desk::new();
    for mut key in [desk.key("fingerprint"), desk.key_with_pin("pin", "1234")] {
        let passkey = enrol(&mut *key, soft::AAGUID).unwrap();
        let (challenge, state) = server()
            .start_attested_passkey_authentication(&[passkey])
            .unwrap();
        let options = challenge.public_key;
        let client_data_json = client_data("webauthn.get", &options.challenge);
        let allow: Vec<Vec<u8>> = options
            .allow_credentials
            .into_iter()
            .map(|c| c.id.clone())
            .collect();
        let request = AssertionRequest {
            rp_id: &options.rp_id,
            client_data_hash: hash(&client_data_json),
            ..request(&allow, None)
        };
        let signed = key
            .assert(&request, &mut Person::typing(&["1234"]))
            .unwrap();
        let posted = PublicKeyCredential {
            id: BASE64URL_NOPAD.encode(&signed.credential_id),
            raw_id: signed.credential_id,
            response: AuthenticatorAssertionResponseRaw {
                authenticator_data: signed.authenticator_data,
                client_data_json,
                signature: signed.signature,
                user_handle: None,
            },
            extensions: AuthenticationExtensionsClientOutputs::default(),
            type_: "public-key".to_owned(),
        };
        let login = server()
            .finish_attested_passkey_authentication(&posted, &state)
            .unwrap();
        assert!(login.user_verified() && !login.backup_eligible() && login.counter() > 0);
    }
}

#[test]
fn l10_another_model_of_the_same_maker_is_refused() {
    let desk = Desk::new();
    let refusal = enrol(&mut *desk.key("k"), [1; 16]).unwrap_err();
    assert!(
        matches!(refusal, WebauthnError::AttestationUntrustedAaguid),
        "{refusal:?}"
    );
}

#[test]
fn s_is_registered_by_attestation_under_an_id_no_browser_uses() {
    let desk = Desk::new();
    let core = WebauthnCore::new_unsafe_experts_only(
        "valise",
        RP,
        vec![Url::parse(ORIGIN).unwrap()],
        Duration::from_mins(1),
        None,
        None,
    );
    let asked = core
        .new_challenge_register_builder(b"alice", "alice", "Alice")
        .unwrap()
        .attestation(AttestationConveyancePreference::Direct)
        .user_verification_policy(UserVerificationPolicy::Required)
        .reject_synchronised_authenticators(true)
        .credential_algorithms(vec![COSEAlgorithm::ES256]);
    let (challenge, state) = core.generate_challenge_register(asked).unwrap();
    let mut posted = register(&mut *desk.key("k"), RP, &challenge.public_key.challenge);
    let list = only(soft::AAGUID);
    core.register_credential(&posted, &state, Some(&list))
        .unwrap();

    // One changed bit in the key's counter: the attestation no longer fits.
    let object = &mut posted.response.attestation_object;
    let rp_id_hash = digest(&SHA256, RP.as_bytes());
    let at = object
        .windows(32)
        .position(|window| window == rp_id_hash.as_ref())
        .unwrap();
    object[at + 36] ^= 1;
    core.register_credential(&posted, &state, Some(&list))
        .unwrap_err();
}
