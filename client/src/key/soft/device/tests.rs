//! What a hostile or careless platform gets from the key: nothing without the right proof.

use super::*;
use crate::key::soft;
use authenticator::{
    GetAssertionResult, MakeCredentialsResult,
    crypto::{COSEAlgorithm, PinUvAuthToken},
    ctap2::{
        client_data::ClientDataHash,
        commands::{
            CommandError, PinUvAuthResult,
            client_pin::PinUvAuthTokenPermission,
            get_assertion::{GetAssertion, GetAssertionOptions},
            make_credentials::{MakeCredentials, MakeCredentialsOptions},
        },
        server::{
            AuthenticationExtensionsClientInputs, CredentialProtectionPolicy, HMACGetSecretInput,
            PublicKeyCredentialDescriptor, PublicKeyCredentialParameters,
            PublicKeyCredentialUserEntity, RelyingParty,
        },
    },
};

const HASH: [u8; 32] = [3; 32];
const RP: &str = "valise:abcd";
const STRICT: CredentialProtectionPolicy = CredentialProtectionPolicy::UserVerificationRequired;

/// A key with the PIN 1234 that speaks only this PIN protocol.
fn device(folder: &tempfile::TempDir, protocol: u64) -> Device {
    let path = folder.path().join("k");
    if !path.exists() {
        soft::create(&path, Some("1234")).unwrap();
    }
    let authenticator = Authenticator::open(path).unwrap();
    let mut device = Device {
        authenticator,
        info: None,
        secret: None,
    };
    device.init().unwrap();
    device.info.as_mut().unwrap().pin_protocols = Some(vec![protocol]);
    device
}

fn token(device: &mut Device, permission: PinUvAuthTokenPermission, rp: &str) -> PinUvAuthToken {
    device
        .get_pin_uv_auth_token_using_pin_with_permissions(
            &Some(Pin::new("1234")),
            permission,
            Some(&rp.to_owned()),
            &|| true,
        )
        .unwrap()
}

fn make(
    device: &mut Device,
    token: Option<PinUvAuthToken>,
    protection: CredentialProtectionPolicy,
    user: u8,
) -> Result<MakeCredentialsResult, HIDError> {
    let mut command = MakeCredentials::new(
        ClientDataHash(HASH),
        RelyingParty::from(RP),
        Some(PublicKeyCredentialUserEntity {
            id: vec![user],
            name: None,
            display_name: None,
        }),
        vec![PublicKeyCredentialParameters {
            alg: COSEAlgorithm::ES256,
        }],
        Vec::new(),
        MakeCredentialsOptions {
            resident_key: Some(true),
            user_verification: None,
        },
        AuthenticationExtensionsClientInputs {
            credential_protection_policy: Some(protection),
            hmac_create_secret: Some(true),
            ..Default::default()
        }
        .into(),
    );
    command.pin_uv_auth_param = token.map(|token| token.derive(&HASH).unwrap());
    device.send_cbor(&command)
}

/// Makes a credential as it should be, and returns its id.
fn made(device: &mut Device, protection: CredentialProtectionPolicy, user: u8) -> Vec<u8> {
    let token = token(device, PinUvAuthTokenPermission::MakeCredential, RP);
    let result = make(device, Some(token), protection, user).unwrap();
    result
        .att_obj
        .auth_data
        .credential_data
        .unwrap()
        .credential_id
}

fn assert(
    device: &mut Device,
    token: Option<PinUvAuthToken>,
    allow: &[Vec<u8>],
) -> Result<GetAssertionResult, HIDError> {
    let verification = token.clone().map_or(
        PinUvAuthResult::NoAuthRequired,
        PinUvAuthResult::SuccessGetPinUvAuthTokenUsingPinWithPermissions,
    );
    if token.is_none() {
        device.establish_shared_secret(&|| true)?;
    }
    let mut command = GetAssertion::new(
        ClientDataHash(HASH),
        RelyingParty::from(RP),
        allow
            .iter()
            .map(|id| PublicKeyCredentialDescriptor {
                id: id.clone(),
                transports: Vec::new(),
            })
            .collect(),
        GetAssertionOptions::default(),
        AuthenticationExtensionsClientInputs {
            hmac_get_secret: Some(HMACGetSecretInput {
                salt1: [5; 32],
                salt2: None,
            }),
            ..Default::default()
        }
        .into(),
    )
    .process_hmac_secret_and_prf_extension(device.secret.as_ref().map(|s| (s, &verification)))
    .unwrap();
    command.pin_uv_auth_param = token.map(|token| token.derive(&HASH).unwrap());
    device
        .send_cbor(&command)
        .map(|mut results| results.remove(0))
}

fn secret(result: GetAssertionResult) -> [u8; 32] {
    result.extensions.hmac_get_secret.unwrap().output1
}

/// The status with which a command failed.
fn code<T>(result: Result<T, HIDError>) -> String {
    match result.err().unwrap() {
        HIDError::Command(CommandError::StatusCode(code, _)) => format!("{code:?}"),
        other => panic!("{other}"),
    }
}

#[test]
fn both_pin_protocols_give_the_same_secret() {
    let folder = tempfile::tempdir().unwrap();
    let id = made(&mut device(&folder, 1), STRICT, 1);
    let of = |protocol| {
        let mut device = device(&folder, protocol);
        let token = token(&mut device, PinUvAuthTokenPermission::GetAssertion, RP);
        secret(assert(&mut device, Some(token), std::slice::from_ref(&id)).unwrap())
    };
    assert_eq!(of(1), of(2));
}

#[test]
fn a_protected_credential_does_not_exist_without_verification() {
    let folder = tempfile::tempdir().unwrap();
    let mut device = device(&folder, 2);
    let id = made(&mut device, STRICT, 1);
    assert_eq!(code(assert(&mut device, None, &[id])), "NoCredentials");
    assert_eq!(code(assert(&mut device, None, &[])), "NoCredentials");
}

#[test]
fn the_secret_is_another_one_without_verification() {
    let folder = tempfile::tempdir().unwrap();
    // Mozilla's code names protocol two only beside a token.
    let mut device = device(&folder, 1);
    let id = made(
        &mut device,
        CredentialProtectionPolicy::UserVerificationOptional,
        1,
    );
    let token = token(&mut device, PinUvAuthTokenPermission::GetAssertion, RP);
    let with = assert(&mut device, Some(token), std::slice::from_ref(&id)).unwrap();
    let without = assert(&mut device, None, &[id]).unwrap();
    assert_eq!(
        without.assertion.auth_data.flags.bits() & 0x05,
        0x01,
        "UP, no UV"
    );
    assert_ne!(secret(with), secret(without));
}

#[test]
fn a_resident_credential_is_found_without_its_id() {
    let folder = tempfile::tempdir().unwrap();
    let mut device = device(&folder, 2);
    made(&mut device, STRICT, 1);
    let replaced = made(&mut device, STRICT, 2);
    let newest = made(&mut device, STRICT, 2);
    let first = token(&mut device, PinUvAuthTokenPermission::GetAssertion, RP);
    let result = assert(&mut device, Some(first), &[]).unwrap();
    assert_eq!(result.assertion.credentials.unwrap().id, newest);
    assert_eq!(result.assertion.user.unwrap().id, [2]);
    let second = token(&mut device, PinUvAuthTokenPermission::GetAssertion, RP);
    let gone = assert(&mut device, Some(second), &[replaced]);
    assert_eq!(
        code(gone),
        "NoCredentials",
        "one resident credential per account"
    );
}

#[test]
fn a_token_is_good_for_what_it_was_given_for_and_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut device = device(&folder, 2);
    let other_permission = token(&mut device, PinUvAuthTokenPermission::GetAssertion, RP);
    assert_eq!(
        code(make(&mut device, Some(other_permission), STRICT, 1)),
        "PinAuthInvalid"
    );
    let other_party = token(
        &mut device,
        PinUvAuthTokenPermission::MakeCredential,
        "valise:efgh",
    );
    assert_eq!(
        code(make(&mut device, Some(other_party), STRICT, 1)),
        "PinAuthInvalid"
    );
    let good = token(&mut device, PinUvAuthTokenPermission::MakeCredential, RP);
    make(&mut device, Some(good.clone()), STRICT, 1).unwrap();
    assert_eq!(
        code(make(&mut device, Some(good), STRICT, 1)),
        "PinAuthInvalid"
    );
    assert_eq!(code(make(&mut device, None, STRICT, 1)), "PinRequired");
}

#[test]
fn garbage_is_refused_in_the_words_of_the_standard() {
    let folder = tempfile::tempdir().unwrap();
    let mut device = device(&folder, 2);
    let mut answer = |request: &[u8]| device.authenticator.call(request).unwrap();
    assert_eq!(answer(&[]), [0x01]);
    assert_eq!(answer(&[0x07]), [0x01], "reset is unknown to this key");
    assert_eq!(answer(&[0x0a]), [0x01], "and so is credential management");
    assert_eq!(answer(&[0x01, 0xff]), [0x12]);
    assert_eq!(answer(&[0x01, 0x80]), [0x11]);
    assert_eq!(answer(&[0x01, 0xa0]), [0x14]);
    assert_eq!(answer(&vec![0x01; 8000]), [0x39]);
    assert_eq!(
        answer(&[0x06, 0xa1, 0x02, 0x03]),
        [0x3e],
        "setting a PIN, too"
    );
    let log = soft::commands(&folder.path().join("k")).unwrap();
    assert!(
        log.iter().any(|name| name == "reset"),
        "what is refused is logged as well"
    );
}
