//! Making the two credentials of a hardware key, and V.

use data_encoding::BASE64URL_NOPAD;
use serde_json::json;
use valise_proto::{
    api::enrolment::Registration,
    card::ServerUrl,
    id::{Name, OrgTag},
    key::{Credential, KeyRecord},
    statement::{relying_party, sha256},
};

use crate::{
    key::{Key, KeyError, MadeCredential, NewCredential, Prompt},
    session::Error,
    vault,
};

/// A hardware key's public record, and the registrations that prove where it comes from.
pub(super) struct NewKey {
    pub(super) record: KeyRecord,
    pub(super) statement: Registration,
    pub(super) login: Registration,
}

/// Three touches: S, L, and the secret of S out of which V comes. A key that is one of `own` already
/// is refused: new credentials would take the place of those that it has.
pub(super) fn make_key(
    key: &mut dyn Key,
    prompt: &mut dyn Prompt,
    url: &ServerUrl,
    tag: OrgTag,
    name: &Name,
    challenge: [u8; 32],
    own: &[KeyRecord],
) -> Result<NewKey, Error> {
    let client_data = client_data("webauthn.create", &challenge, url);
    let ids = |part: fn(&KeyRecord) -> &Credential| -> Vec<Vec<u8>> {
        let own = own.iter();
        own.map(|key| part(key).id.as_slice().to_vec()).collect()
    };
    let mut make =
        |rp_id: &str, hmac_secret, exclude: &[_], purpose| -> Result<MadeCredential, KeyError> {
            let new = NewCredential {
                rp_id,
                rp_name: url.host(),
                user_id: name.as_str().as_bytes(),
                user_name: name.as_str(),
                client_data_hash: sha256(&[&client_data]),
                hmac_secret,
                resident: true,
                exclude,
                purpose,
            };
            key.make(&new, prompt)
        };
    let (statements, logins) = (ids(|key| &key.statement), ids(|key| &key.login));
    let purpose = "make your signature (1 of 3)";
    let statement = make(&relying_party(tag), true, &statements, purpose)?;
    let login = make(url.host(), false, &logins, "make your login (2 of 3)")?;
    let allow = [statement.credential_id.clone()];
    let (_, vault_key) = vault::touch(
        key,
        prompt,
        tag,
        &allow,
        "make the key of your letters (3 of 3)",
    )?;
    let record = KeyRecord {
        model: statement.aaguid,
        statement: credential(&statement)?,
        login: credential(&login)?,
        vault: vault_key.public,
    };
    Ok(NewKey {
        record,
        statement: registration(statement, &client_data)?,
        login: registration(login, &client_data)?,
    })
}

/// The JSON that a login or a registration signs (WebAuthn §5.8.1).
pub(crate) fn client_data(kind: &str, challenge: &[u8; 32], url: &ServerUrl) -> Vec<u8> {
    json!({
        "type": kind,
        "challenge": BASE64URL_NOPAD.encode(challenge),
        "origin": url.origin(),
        "crossOrigin": false,
    })
    .to_string()
    .into_bytes()
}

fn credential(made: &MadeCredential) -> Result<Credential, KeyError> {
    let id = made.credential_id.clone();
    let id = id
        .try_into()
        .map_err(|_| KeyError::NotSupported("shorter credential ids"))?;
    Ok(Credential {
        id,
        public_key: made.public_key,
    })
}

fn registration(made: MadeCredential, client_data: &[u8]) -> Result<Registration, KeyError> {
    let too_long = |_| KeyError::NotSupported("a shorter attestation");
    Ok(Registration {
        attestation_object: made.attestation_object.try_into().map_err(too_long)?,
        client_data: client_data.to_vec().try_into().map_err(too_long)?,
    })
}
