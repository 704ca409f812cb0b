//! Founding an organisation: a file ceremony on the first admin's machine. No server takes part.

use std::{path::Path, sync::Arc};

use valise_proto::{
    card::ServerUrl,
    codec::{Text, encode},
    id::{Name, OrgId, OrgTag},
    log::{
        GenesisFile,
        entry::{AccountAdd, Fact, Genesis, Policy, Statement},
        replay::Directory,
    },
    statement::sha256,
};

use super::{
    credentials::{make_key, random},
    sign::{NOTHING, sign, statement},
};
use crate::{
    clock::Clock,
    home::{Home, write_new},
    session::{Error, Keyring},
    store::{Setting, Store},
    trust::Alarm,
    vault::Vault,
};

/// What is founded.
pub struct Founding<'a> {
    /// The organisation's name.
    pub organisation: &'a str,
    /// Where its server will be.
    pub url: &'a ServerUrl,
    /// The first admin.
    pub admin: &'a Name,
}

/// Makes the founder's credentials, the genesis entries in the file `out`, and the founder's store.
/// Returns the organisation's id.
pub fn found(
    home: &Home,
    founding: &Founding<'_>,
    out: &Path,
    keyring: &mut Keyring<'_>,
    clock: &Arc<dyn Clock>,
) -> Result<OrgId, Error> {
    if home.store().exists() {
        return Err(Error::HomeTaken);
    }
    let organisation = Text::try_from(founding.organisation.to_owned())
        .map_err(|_| Error::Wrong("an organisation's name has at most 64 bytes"))?;
    let url = Text::try_from(founding.url.to_string())
        .map_err(|_| Error::Wrong("a server's address has at most 256 bytes"))?;
    let (tag, challenge) = (OrgTag(random()?), random()?);
    let key = keyring
        .with(|key, prompt| make_key(key, prompt, founding.url, tag, founding.admin, challenge))?;
    let record = key.record;
    let policy = Policy {
        attestation: attestation(&record.model),
        ..Policy::default()
    };
    let founders = vec![record.clone()];
    let genesis = Genesis {
        tag,
        organisation,
        url,
        founders,
        policy,
    };
    let time = clock.now_ms();
    let genesis = Statement {
        version: 1,
        seen: NOTHING,
        sequence: 0,
        time,
        fact: Fact::Genesis(genesis),
    };
    let zero = OrgId([0; 32]);
    let genesis = sign(
        keyring,
        tag,
        zero,
        &record,
        genesis,
        "found the organisation",
    )?;
    let org = OrgId(sha256(&[&genesis]));
    let mut directory = Directory::found(&genesis).map_err(Alarm::ForgedEntry)?;
    let add = AccountAdd {
        account: founding.admin.clone(),
        key: record.clone(),
    };
    let add = statement(&directory, time, Fact::AccountAdd(add));
    let add = sign(keyring, tag, org, &record, add, "put your name to it")?;
    directory.apply(&add).map_err(Alarm::ForgedEntry)?;
    let entries = [genesis, add].map(|entry| entry.try_into());
    let [Ok(genesis), Ok(add)] = entries else {
        return Err(Error::Wrong("the founding does not fit its file"));
    };
    let file = encode(&GenesisFile {
        entries: vec![genesis, add],
    });

    let (vault, store_key) = Vault::seal(tag, &[&record])?;
    let unwritable = |path: &Path| {
        let path = path.to_owned();
        move |error| Error::Home(crate::home::HomeError::Io(path, error))
    };
    home.write(&home.vault(), &vault.to_bytes())
        .map_err(unwritable(&home.vault()))?;
    let mut store = Store::create(&home.store(), &store_key)?;
    let work = store.begin()?;
    work.set(Setting::Account, founding.admin.as_str().as_bytes())?;
    work.set(Setting::DeviceSeed, &random::<32>()?)?;
    work.set(Setting::KeyRecord, &encode(&record))?;
    work.set(Setting::Genesis, &file)?;
    work.commit()?;
    write_new(out, &file, 0o644).map_err(unwritable(out))?;
    Ok(org)
}

/// The allow-list of a new organisation: empty, which is any hardware key; a software key brings
/// its own test authority, and then nothing else is allowed.
#[cfg_attr(
    not(feature = "soft-key"),
    expect(unused_variables, reason = "only for software keys")
)]
fn attestation(model: &[u8; 16]) -> Vec<valise_proto::log::entry::AttestationAuthority> {
    #[cfg(feature = "soft-key")]
    if *model == valise_proto::key::SOFT_KEY_MODEL
        && let Ok(certificate) = crate::key::soft::test_ca_der().try_into()
    {
        let models = vec![*model];
        return vec![valise_proto::log::entry::AttestationAuthority {
            certificate,
            models,
        }];
    }
    Vec::new()
}
