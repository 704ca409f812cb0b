//! Founding an organisation: a file ceremony on the first admin's machine. No server takes part.

use std::{path::Path, sync::Arc};

use valise_proto::{
    card::ServerUrl,
    codec::{Text, decode, encode},
    id::{Name, OrgId, OrgTag},
    log::{
        GenesisFile,
        entry::{AccountAdd, Fact, Genesis, Policy, Statement},
        replay::Directory,
    },
    statement::sha256,
};

use super::{
    credentials::make_key,
    settle::settle,
    sign::{NOTHING, sign, statement},
};
use crate::{
    clock::Clock,
    home::{Home, HomeError, write_new},
    random,
    session::{Error, Keyring, Session},
    store::{Setting, StoreError},
    trust::Alarm,
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
    if home.is_taken() {
        return again(home, out, keyring, clock);
    }
    if out.exists() {
        let taken = std::io::ErrorKind::AlreadyExists.into();
        return Err(HomeError::Io(out.to_owned(), taken).into());
    }
    let organisation = Text::try_from(founding.organisation.to_owned())
        .map_err(|_| Error::Wrong("an organisation's name has at most 64 bytes"))?;
    let url = Text::try_from(founding.url.to_string())
        .map_err(|_| Error::Wrong("a server's address has at most 256 bytes"))?;
    let (tag, challenge) = (OrgTag(random::bytes()?), random::bytes()?);
    let key = keyring.with(|key, prompt| {
        make_key(
            key,
            prompt,
            founding.url,
            tag,
            founding.admin,
            challenge,
            &[],
        )
    })?;
    let record = key.record;
    let founders = [record.clone()];
    let genesis = Genesis {
        tag,
        organisation,
        url,
        founders: founders.to_vec(),
        policy: Policy {
            attestation: attestation(&record.model),
            ..Policy::default()
        },
    };
    let time = clock.now_ms();
    let genesis = Statement {
        version: 1,
        seen: NOTHING,
        sequence: 0,
        time,
        fact: Fact::Genesis(genesis),
    };
    let purpose = "found the organisation";
    let nobody = OrgId([0; 32]);
    let genesis = encode(&sign(keyring, tag, nobody, &founders, genesis, purpose)?);
    let org = OrgId(sha256(&[&genesis]));
    let mut directory = Directory::found(&genesis).map_err(Alarm::ForgedEntry)?;
    let add = AccountAdd {
        account: founding.admin.clone(),
        key: record.clone(),
    };
    let add = statement(&directory, time, Fact::AccountAdd(add));
    let purpose = "put your name to it";
    let add = encode(&sign(keyring, tag, org, &founders, add, purpose)?);
    directory.apply(&add).map_err(Alarm::ForgedEntry)?;
    let entries = [genesis, add].map(TryInto::try_into);
    let [Ok(genesis), Ok(add)] = entries else {
        return Err(Error::Wrong("the founding does not fit its file"));
    };
    let file = encode(&GenesisFile {
        entries: vec![genesis, add],
    });
    let seed = random::secret::<32>()?;
    let keys = [&record];
    settle(home, tag, founding.admin, &keys, &record, &seed, |work| {
        work.set(Setting::Genesis, &file)
    })?;
    hand_out(out, &file)?;
    Ok(org)
}

/// Founds nothing twice: writes the genesis file of the founding in `home` again, if it was lost
/// before any server had it.
fn again(
    home: &Home,
    out: &Path,
    keyring: &mut Keyring<'_>,
    clock: &Arc<dyn Clock>,
) -> Result<OrgId, Error> {
    if out.exists() {
        return Err(Error::HomeTaken);
    }
    let key = Session::unlock(home, keyring)?;
    let session = Session::open(home, &key, Arc::clone(clock))?;
    let file = session.store().read().setting(Setting::Genesis)?;
    let file = file
        .filter(|_| session.api.is_none())
        .ok_or(Error::HomeTaken)?;
    let entries: GenesisFile = decode(&file).map_err(|_| StoreError::Damaged("the founding"))?;
    let genesis = entries
        .entries
        .first()
        .ok_or(StoreError::Damaged("the founding"))?;
    hand_out(out, &file)?;
    Ok(OrgId(sha256(&[genesis.as_slice()])))
}

fn hand_out(out: &Path, file: &[u8]) -> Result<(), Error> {
    let written = write_new(out, file, 0o644);
    Ok(written.map_err(|error| HomeError::Io(out.to_owned(), error))?)
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
