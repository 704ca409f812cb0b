//! The moment an account begins to exist on this machine.

use valise_proto::{
    codec::encode,
    id::{Name, OrgTag},
    key::KeyRecord,
};

use crate::{
    failpoint::reached,
    home::{Home, HomeError},
    session::Error,
    store::{Setting, Store, StoreError, Work},
    vault::Vault,
};

/// Makes the store, sealed to the person's `keys`, with who they are in it. `record` is the one of them
/// that is at hand.
///
/// The vault file is written last and appears whole: it is what makes the store one. A store
/// without it is what an interrupted run left; nobody has its key, and it is made anew.
pub(super) fn settle(
    home: &Home,
    tag: OrgTag,
    name: &Name,
    keys: &[&KeyRecord],
    record: &KeyRecord,
    seed: &[u8; 32],
    more: impl FnOnce(&Work<'_>) -> Result<(), StoreError>,
) -> Result<Store, Error> {
    let (vault, store_key) = Vault::seal(tag, keys)?;
    home.clear_unfinished()?;
    let mut store = Store::create(&home.store(), &store_key)?;
    let work = store.begin()?;
    work.set(Setting::Account, name.as_str().as_bytes())?;
    work.set(Setting::DeviceSeed, seed)?;
    work.set(Setting::KeyRecord, &encode(record))?;
    more(&work)?;
    work.commit()?;
    reached("after-store");
    let path = home.vault();
    home.write(&path, &vault.to_bytes())
        .map_err(|error| HomeError::Io(path.clone(), error))?;
    reached("after-settle");
    Ok(store)
}
